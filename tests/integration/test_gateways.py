"""The audit asks Linux gateways: one login and one module run each, many at once, and one bad gateway costs no other.

A real sshd stands for several gateways, each at its own loopback address. What differs from gateway to gateway is in
tests/gateways, where each has a system of its own.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.runs import Run, environment, not_assessed, run_audit
from lab.places import own_network, own_port

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
LOGIN_CHECKS = ("time_zone", "ntp_client", "stale_accounts", "tls_failure_logs", "config_backup", "trust_store")


@dataclass(frozen=True)
class Sshd:
    """A real OpenSSH server on every loopback address, for the account that runs the tests."""

    folder: Path
    port: int

    @property
    def log(self) -> list[str]:
        return (self.folder / "log").read_text(encoding="utf-8").splitlines()

    def logins(self) -> int:
        return sum("Accepted publickey" in line for line in self.log)

    def commands(self) -> int:
        return sum("Starting session: " in line for line in self.log)

    def forget(self) -> None:
        os.truncate(self.folder / "log", 0)

    def inventory(self, path: Path, gateways: dict[str, dict[str, Any]]) -> Path:
        """An inventory of gateways that stand behind this server."""
        known = (self.folder / "host.pub").read_text(encoding="ascii").split()[:2]
        hosts = [f"[{gateway['device_address']}]:{self.port}" for gateway in gateways.values()]
        known_hosts = path.with_name("known_hosts")
        known_hosts.write_text("".join(f"{host} {' '.join(known)}\n" for host in hosts), "ascii")
        common = {
            "ansible_host": "{{ device_address }}",
            "ansible_port": self.port,
            "ansible_user": getpass.getuser(),
            "ansible_python_interpreter": sys.executable,
            "ansible_ssh_private_key_file": str(self.folder / "user"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes",
            "device_profile": "linux_gateway",
            "device_time_zone": "Europe/Paris",
            "device_probe_consent": {"by": "Dr A. Martin", "on": "2026-09-01", "reference": "BIO-1"},
        }
        group = {"vars": common, "hosts": gateways}
        path.write_text(yaml.safe_dump({"medical_devices": group}), encoding="utf-8")
        return path


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if not SSHD:
        pytest.skip("a real OpenSSH server is needed (openssh-server)")
    folder, port = tmp_path_factory.mktemp("sshd"), own_port("0.0.0.0")
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, capture_output=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    settings = [
        *(f"ListenAddress 0.0.0.0:{port}", f"HostKey {folder}/host", f"AuthorizedKeysFile {folder}/user.pub"),
        *("StrictModes no", "UsePAM no", "PidFile none", "PermitRootLogin yes", "PasswordAuthentication no"),
        *("LogLevel VERBOSE", "MaxStartups 400", "Subsystem sftp internal-sftp"),
    ]
    (folder / "sshd_config").write_text("\n".join(settings) + "\n", encoding="utf-8")
    command = [str(SSHD), "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "log")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while True:
            with socket.socket() as connection:
                if connection.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None and time.monotonic() < deadline, "sshd does not start"
            time.sleep(0.05)
        yield Sshd(folder, port)
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def gateways_audit(sshd: Sshd, collections: Path, tmp_path: Path) -> Callable[..., Run]:
    def run(gateways: dict[str, dict[str, Any]], *arguments: str, **variables: Any) -> Run:
        sshd.forget()
        inventory = sshd.inventory(tmp_path / "gateways.yml", gateways)
        return run_audit(inventory, tmp_path, *arguments, variables=variables, collections=collections)

    return run


def address_of(number: int) -> str:
    return f"{own_network('gateways')}.{number // 250}.{number % 250 + 1}"


def some(count: int) -> dict[str, dict[str, Any]]:
    return {f"gw-{number:03d}": {"device_address": address_of(number)} for number in range(1, count + 1)}


def test_each_gateway_is_asked_by_one_login_and_one_module_run(
    gateways_audit: Callable[..., Run], sshd: Sshd, collections: Path, tmp_path: Path
) -> None:
    """Counted by the server: the same logins and commands as one module that does nothing."""
    alone = sshd.inventory(tmp_path / "one.yml", some(1))
    ping = [str(Path(sys.executable).with_name("ansible")), "all", "-i", str(alone), "-m", "ansible.builtin.ping"]
    sshd.forget()
    alone_environment = environment(tmp_path / "ping", collections)
    subprocess.run(ping, check=True, capture_output=True, env=alone_environment, timeout=600)
    assert sshd.logins() == 1
    of_one_module = sshd.commands()
    assert of_one_module >= 1

    run = gateways_audit(some(3))
    assert run.status == 0, run.output
    assert sshd.logins() == 3
    assert sshd.commands() == 3 * of_one_module
    devices = run.devices()
    assert set(devices) == {"gw-001", "gw-002", "gw-003"}
    for device in devices.values():
        asked = {finding["check"]: finding for finding in device["findings"] if finding["check"] in LOGIN_CHECKS}
        assert {finding["source"] for finding in asked.values()} <= {"gateway", None}
        assert asked["time_zone"]["source"] == "gateway"
        assert not {"login_needed"} & set().union(*not_assessed(device).values())


def test_a_second_run_judges_the_second_visit_alone(gateways_audit: Callable[..., Run]) -> None:
    first = gateways_audit(some(1))
    second = gateways_audit(some(1))
    assert (first.status, second.status) == (0, 0)
    kept = second.folder / "report.observations" / "gateways.observations.jsonl"
    assert len(kept.read_text(encoding="ascii").splitlines()) == 1
    assert kept.stat().st_mode & 0o777 == 0o600


def test_gateways_that_cannot_be_asked_cost_the_others_nothing(gateways_audit: Callable[..., Run], sshd: Sshd) -> None:
    gateways = some(7)  # enough of them that the night is not lost
    gateways["gw-002"]["ansible_port"] = 9  # nobody listens
    gateways["gw-003"]["ansible_python_interpreter"] = "/nonexistent/python3"
    gateways["gw-004"]["device_probe_consent"] = False
    run = gateways_audit(gateways)
    assert run.status == 0, run.output
    devices = run.devices()
    reasons = {name: not_assessed(device).get("time_zone") for name, device in devices.items()}
    assert reasons["gw-001"] is None
    assert reasons["gw-002"] == {"device_unreachable"}
    assert reasons["gw-003"] == {"login_needed"}
    assert reasons["gw-004"] is not None
    assert not any(f"{own_network('gateways')}.0.5" in line for line in sshd.log)
    for name in ("gw-002", "gw-003", "gw-004"):
        assert devices[name]["verdict"] == "incomplete"


EVIL = """#!/bin/sh
cat >/dev/null 2>&1 </dev/null
cat {answer}
"""


def test_what_a_gateway_answers_rewrites_nobodys_rules(gateways_audit: Callable[..., Run], tmp_path: Path) -> None:
    """Facts are injected as variables here, which is Ansible's default: a gateway of its own mind is alone with it."""

    def rest(run: Run) -> set[tuple[str, str, str]]:
        assert run.status == 0, run.output
        return {(found["check"], found["status"], found["reason"]) for found in run.devices()["gw-002"]["findings"]}

    honest = gateways_audit(some(2))
    expected = rest(honest)
    waivers = [
        {"check": check, "group": "medical_devices", "reason": reason, "justification": "j", "approver": "q"}
        for check, status, reason in expected
        if status == "fail"
    ]
    attestations = [
        {"check": check, "device": "gw-002", "result": "pass", "by": "q", "on": "2026-01-01", "until": "2099-01-01"}
        for check, status, _reason in expected
        if status == "not_assessed"
    ]
    assert attestations
    facts = {
        "audit_waivers": waivers,
        "audit_attestations": attestations,
        "audit_fail_on": "never",
        "audit_policy": {"obsolete_tls_versions": []},
        "report_dir": str(tmp_path / "elsewhere"),
    }
    clock = {"started": time.time(), "finished": time.time()}
    told = {"facts": {"device": "gw-002", "source": "network", "subsets": {}}, "vantage_clock": clock}
    answer = {"changed": False, "ansible_facts": facts, "warnings": ["\x1b[2Jall is well"], **facts, **told}
    (tmp_path / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
    (tmp_path / "evil").write_text(EVIL.format(answer=tmp_path / "answer.json"), encoding="utf-8")
    (tmp_path / "evil").chmod(0o755)
    gateways = some(2)
    gateways["gw-001"]["ansible_python_interpreter"] = str(tmp_path / "evil")
    run = gateways_audit(gateways)
    assert rest(run) == expected
    assert not (tmp_path / "elsewhere").exists()
    assert "\x1b" not in run.output and "[U+001B][2Jall is well" in run.output
    assert run.summary()["run"]["policy"] == honest.summary()["run"]["policy"]


def test_check_mode_asks_and_keeps_nothing(gateways_audit: Callable[..., Run], sshd: Sshd) -> None:
    run = gateways_audit(some(1), "--check")
    assert run.status == 0, run.output
    assert sshd.logins() == 1
    assert not (run.folder / "report").exists()
    assert not list(run.folder.glob("report.observations/*.jsonl"))
    assert "gw-001" in run.output and "1 device examined" in run.said()


def test_the_report_is_made_again_without_asking(gateways_audit: Callable[..., Run], sshd: Sshd) -> None:
    first = gateways_audit(some(1))
    again = gateways_audit(some(1), "--tags", "report")
    assert (first.status, again.status) == (0, 0), again.output
    assert sshd.logins() == 0
    assert json.loads((again.report / "summary.json").read_text(encoding="utf-8"))["devices"][0]["device"] == "gw-001"
