"""gateway_info over real SSH, on real gateways: what each one is seeded with is found, and nothing else.

All gateways are asked in one playbook run, as in an audit: first the network visit, then one login each.
"""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from lab.places import ssh_sockets
from unit.login_schema import faults

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.device import assess_device
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.summary import summarize_device
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy
from gateways import ntp_server, scenes
from gateways.gateway import Gateway
from gateways.lab import BRIDGE, PREFIX_LENGTH, Lab, Unavailable, check_machine
from gateways.scenes import ANALYSER, FAILURES, SCENES, Hospital, Scene, scene_named

ROOT = Path(__file__).resolve().parents[2]

#: What no probe and no login of these tests answers.
ATTESTED = ("default_passwords", "admin_interface", "cmms_record", "label")

#: systemd writes a journal; asked for the time, it starts a service of its own for half a minute, with folders for it.
BY_SYSTEMD = re.compile(r"/var/log/journal|/var/tmp |(/var)?/tmp/systemd-private-[^ ]*timedated")
#: What a time client writes when it pleases: the last time that it was sure of, and how fast the clock drifts.
BY_TIME_CLIENTS = re.compile(r"/var/lib/(systemd/timesync|chrony|ntpsec)[/ ]")


@dataclass
class Rounds:
    """What one session of tests saw: the gateways, and the observations of each run by device."""

    lab: Lab
    hospital: Hospital
    folder: Path
    gateways: dict[str, Gateway] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    privileged: dict[str, Any] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)
    logins: dict[str, str] = field(default_factory=dict)
    output: str = ""
    left_out: dict[str, str] = field(default_factory=dict)

    def need(self, name: str) -> None:
        """Skip the test where this gateway cannot be made here."""
        if name in self.left_out:
            pytest.skip(self.left_out[name])

    def build(self, wanted: Iterable[Scene]) -> None:
        """Start and furnish a gateway for each scene, and wait until their clocks follow."""
        for scene in wanted:
            try:
                check_machine(scene.variant)
            except Unavailable as why:
                self.left_out[scene.name] = str(why)
                continue
            self.gateways[scene.name] = self.lab.add(scene.name, scene.variant, functools.partial(self._prepare, scene))
            scenes.furnish(self.gateways[scene.name], self.hospital, scene)
        for name, gateway in self.gateways.items():
            scenes.settled(gateway, scene_named(name))

    def _prepare(self, scene: Scene, gateway: Gateway) -> None:
        scenes.prepare(gateway, self.hospital, scene)

    def play(self, name: str, plays: list[dict[str, Any]], *arguments: str) -> str:
        """Run a playbook where the gateways can be reached; its output. Fails with it."""
        playbook = self.folder / f"{name}.json"
        playbook.write_text(json.dumps(plays), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.lab.inventory)]
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": ssh_sockets(self.folder),
            "ANSIBLE_HOST_KEY_CHECKING": "true",
            "ANSIBLE_NOCOLOR": "true",
        }
        finished = self.lab.run(*command, str(playbook), *arguments, env=environment, cwd=ROOT, timeout=600)
        assert finished.returncode == 0, finished.stdout[-6000:] + finished.stderr[-3000:]
        return finished.stdout

    def observations(self, file: str) -> dict[str, Any]:
        lines = (self.folder / file).read_text(encoding="utf-8").splitlines()
        return {entry["device"]: entry for entry in map(json.loads, lines)}


def visit_play(rounds: Rounds) -> dict[str, Any]:
    cards = [scenes.card_of(scene_named(name), gateway, rounds.hospital) for name, gateway in rounds.gateways.items()]
    known = ("name", "address", "names", "endpoints", "ports", "consent")
    return {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {
                "biomed.cert_hygiene.device_probe": {
                    "devices": [{key: card[key] for key in known} for card in cards],
                    "trust_anchors": [rounds.hospital.root_pem],
                    "dest": str(rounds.folder / "network.jsonl"),
                }
            }
        ],
    }


def login_play(rounds: Rounds, dest: str, *, become: bool = True) -> dict[str, Any]:
    return {
        "hosts": ":".join(rounds.gateways),
        "gather_facts": False,
        "become": become,
        "tasks": [
            {
                "biomed.cert_hygiene.gateway_info": "{{ asked[inventory_hostname] | combine({'dest': kept}) }}",
                "vars": {
                    "asked": {name: scenes.options_of(scene_named(name)) for name in rounds.gateways},
                    "kept": str(rounds.folder / dest),
                },
            }
        ],
    }


@pytest.fixture(scope="module")
def rounds(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    """All gateways up and seeded, visited over the network and logged into once each."""
    made = Rounds(lab, Hospital(), tmp_path_factory.mktemp("rounds"))
    lab.run("ip", "address", "add", f"{ANALYSER}/{PREFIX_LENGTH}", "dev", "br0", check=True)
    ntp_server.start(lab)
    made.build(SCENES)
    refuse_certificates(made, made.gateways["failures"], 443, 2762)
    made.play("visit", [visit_play(made)])
    for gateway in made.gateways.values():
        snapshot(gateway)  # the first look marks folders of the overlay, and that changes the time of their last change
    before = {name: snapshot(gateway) for name, gateway in made.gateways.items()}
    marks = {name: len(sshd_log(gateway)) for name, gateway in made.gateways.items()}
    made.output = made.play("login", [login_play(made, "privileged.jsonl")], "-vvvv")
    made.network = made.observations("network.jsonl")
    made.privileged = made.observations("privileged.jsonl")
    for name, gateway in made.gateways.items():
        made.logins[name] = sshd_log(gateway)[marks[name] :]
        made.changed[name] = sorted(before[name] ^ snapshot(gateway))
    yield made


def refuse_certificates(rounds: Rounds, gateway: Gateway, *ports: int) -> None:
    """A device that does not know the hospital's root calls, again and again."""
    for port in ports:
        for _call in range(FAILURES):
            address = f"{gateway.address}:{port}"
            rounds.lab.run(
                *("openssl", "s_client", "-connect", address, "-bind", ANALYSER, "-verify_return_error", "-brief"),
                timeout=20,
            )


def snapshot(gateway: Gateway) -> set[str]:
    """Every file of the gateway with its mode, owner, size, and the times of its last changes."""
    listed = gateway.shell(r"find / -xdev -printf '%p %M %U:%G %s %T@ %C@ %l\n'")
    # sshd writes its log; Ansible makes a folder in /tmp and removes it: what stays there has a line of its own.
    found = {line for line in listed.splitlines() if not line.startswith(("/var/log/sshd.log ", "/tmp "))}
    found = {line for line in found if not BY_TIME_CLIENTS.match(line)}
    if gateway.systemd:
        found = {line for line in found if not BY_SYSTEMD.match(line)}
    return found


def sshd_log(gateway: Gateway) -> str:
    if gateway.systemd:
        return gateway.run("journalctl", "--no-pager", "--unit=ssh", "--output=cat").stdout
    return (gateway.root / "var/log/sshd.log").read_text(encoding="utf-8", errors="replace")


def findings_of(rounds: Rounds, name: str, login: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    card = scenes.card_of(scene_named(name), rounds.gateways[name], rounds.hospital)
    today = datetime.now(timezone.utc)
    attested = [
        {
            "check": check,
            "device": name,
            "result": "pass",
            "by": "A. Martin",
            "on": "2026-01-01",
            "until": f"{today.year + 1}-12-31",
        }
        for check in ATTESTED
    ]
    seen = [rounds.network[name], login or rounds.privileged[name]]
    return assess_device(card, seen, load_policy(), today, attested)


NAMES = [scene.name for scene in SCENES]


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_each_fault_is_found_and_nothing_else(rounds: Rounds, scene: Scene) -> None:
    rounds.need(scene.name)
    findings = findings_of(rounds, scene.name)
    failed = {(item["check"], item["reason"]) for item in findings if item["status"] == "fail"}
    unknown = [(item["check"], item["reason"]) for item in findings if item["status"] == "not_assessed"]
    assert (failed, unknown) == (set(scene.failed), [])
    card = scenes.card_of(scene, rounds.gateways[scene.name], rounds.hospital)
    verdict = summarize_device(card, findings)["verdict"]
    assert verdict == ("non_compliant" if scene.failed else "compliant")


def test_without_its_attestations_a_healthy_gateway_is_incomplete(rounds: Rounds) -> None:
    card = scenes.card_of(scene_named("healthy"), rounds.gateways["healthy"], rounds.hospital)
    seen = [rounds.network["healthy"], rounds.privileged["healthy"]]
    findings = assess_device(card, seen, load_policy(), datetime.now(timezone.utc))
    assert {item["check"] for item in findings if item["status"] == "not_assessed"} == set(ATTESTED)
    assert summarize_device(card, findings)["verdict"] == "incomplete"


@pytest.mark.parametrize("name", NAMES)
def test_each_observation_keeps_to_the_schema(rounds: Rounds, name: str) -> None:
    rounds.need(name)
    assert faults(rounds.privileged[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_looking_changes_nothing_and_takes_one_login(rounds: Rounds, name: str) -> None:
    rounds.need(name)
    assert rounds.changed[name] == []
    said = rounds.logins[name]
    assert said.count("Accepted publickey for tech") == 1, said
    # One command over that login: no temporary folder, no copied file, no second module.
    assert said.count("Starting session: command") == 1, said
    assert "subsystem" not in said


def clock(rounds: Rounds, name: str) -> tuple[float, float]:
    (sample,) = rounds.privileged[name]["clock"]["samples"]
    return sample["offset_seconds"], sample["uncertainty_seconds"]


def test_the_login_alone_shows_the_slow_clock(rounds: Rounds) -> None:
    rounds.need("timesyncd")
    for name, truth in (("slow", -90.0), ("healthy", 0.0), ("timesyncd", 0.0)):
        offset, uncertainty = clock(rounds, name)
        assert abs(offset - truth) <= uncertainty + 0.05 < 15, (name, offset, uncertainty)


def test_what_each_ntp_client_says(rounds: Rounds) -> None:
    rounds.need("timesyncd")
    told = {name: rounds.privileged[name]["ntp"] for name in ("healthy", "slow", "timesyncd", "no-ntp")}
    followed = {"address": BRIDGE, "reachable": True, "selected": True, "stratum": 2}
    for name, offset in (("healthy", 0.0), ("slow", -90.0)):
        assert (told[name]["client"], told[name]["synchronised"], told[name]["servers"]) == ("chrony", True, [followed])
        assert told[name]["offset_seconds"] == pytest.approx(offset, abs=0.1)
        assert told[name]["last_sync_at"] is not None
    ntpsec = rounds.privileged["ntpsec"]["ntp"]
    assert (ntpsec["client"], ntpsec["synchronised"], ntpsec["servers"]) == ("ntpsec", True, [followed])
    assert ntpsec["offset_seconds"] == pytest.approx(0.0, abs=0.1)
    assert ntpsec["last_sync_at"] is not None
    follows = scenes.machine_clock_follows()
    assert told["timesyncd"]["client"] == "systemd-timesyncd"
    assert told["timesyncd"]["servers"] == [{**followed, "selected": follows}]
    assert (told["timesyncd"]["synchronised"], told["timesyncd"]["last_sync_at"] is None) == (follows, False)
    assert (told["no-ntp"]["client"], told["no-ntp"]["running"]) == ("none", False)


def test_failures_by_peer_and_cause_without_our_own_probes(rounds: Rounds) -> None:
    failures = rounds.privileged["failures"]["tls_failures"]
    groups = [(group["peer"], group["cause"], group["count"]) for group in failures["groups"]]
    # nginx and stunnel each refused by the analyser so many times; stunnel tells each of them on three lines.
    assert groups == [(ANALYSER, "unknown_authority", 2 * FAILURES)]
    root = rounds.gateways["failures"].root
    for log in ("nginx/error.log", "stunnel4/dicom.log"):
        assert BRIDGE in (root / "var/log" / log).read_text(encoding="utf-8"), "the probe left no trace to leave out"


def test_a_journal_is_read_too(rounds: Rounds) -> None:
    rounds.need("timesyncd")
    gateway = rounds.gateways["timesyncd"]
    line = "nginx: SSL_do_handshake() failed (tlsv1 alert unknown ca) while SSL handshaking, client: 192.0.2.77"
    for _time in range(3):
        gateway.run("logger", "--tag", "nginx", line)
    rounds.play("journal", [{**login_play(rounds, "journal.jsonl"), "hosts": "timesyncd"}])
    groups = rounds.observations("journal.jsonl")["timesyncd"]["tls_failures"]["groups"]
    assert [(group["peer"], group["cause"], group["count"]) for group in groups] == [
        ("192.0.2.77", "unknown_authority", 3)
    ]


def test_who_is_what(rounds: Rounds) -> None:
    accounts = {entry["name"]: entry for entry in rounds.privileged["stale"]["accounts"]}
    told = {name: (entry["can_login"], entry["password"], entry["administrator"]) for name, entry in accounts.items()}
    # "tech" has a key and no password, and sudo's leave to do all.
    assert told["tech"] == (True, "locked", True)
    assert told["acme-2019"] == (True, "set", False)
    assert told["root"] == (False, "locked", True)
    assert told["www-data"] == (False, "locked", False)


def test_an_alias_of_sudo_makes_an_administrator(rounds: Rounds) -> None:
    accounts = {entry["name"]: entry for entry in rounds.privileged["sudo-alias"]["accounts"]}
    assert [name for name, entry in accounts.items() if entry["administrator"]] == ["root", "tech", "maint"]
    assert all(entry["administrator"] is not None for entry in accounts.values())


def test_services_that_serve_tls_are_found_by_the_socket_too(rounds: Rounds) -> None:
    """What the role tls_hardening looks with: haproxy by its configuration, a program that nobody knows by its port."""
    names = [name for name in ("haproxy", "foreign-tls", "healthy") if name not in rounds.left_out]
    keep = {
        "ansible.builtin.copy": {
            "content": "{{ seen | to_json }}",
            "dest": f"{rounds.folder}/tls-{{{{ inventory_hostname }}}}.json",
        },
        "delegate_to": "localhost",
        "become": False,
    }
    look = {"biomed.cert_hygiene.tls_services_info": {}, "register": "seen"}
    rounds.play("tls", [{"hosts": ":".join(names), "gather_facts": False, "become": True, "tasks": [look, keep]}])
    told = {name: json.loads((rounds.folder / f"tls-{name}.json").read_text(encoding="utf-8")) for name in names}
    ports = {
        name: sorted((one["service"], point["port"]) for one in seen["services"] for point in one["endpoints"])
        for name, seen in told.items()
    }
    assert {name: [(port["port"], port["program"]) for port in seen["others"]] for name, seen in told.items()} == {
        **{name: [] for name in names if name != "foreign-tls"},
        "foreign-tls": [(8443, "openssl")],
    }
    assert ports["haproxy"] == [("haproxy", 18443), ("nginx", 443)] and ports["healthy"] == [("nginx", 443)]
    assert not [one["problem"] for seen in told.values() for one in seen["services"] if one["problem"]]


def test_programs_behind_the_ports(rounds: Rounds) -> None:
    listening = {(entry["port"], entry["program"]) for entry in rounds.privileged["legacy"]["listening"]}
    assert {(21, "vsftpd"), (22, "sshd"), (23, "inetd"), (443, "nginx"), (323, "chronyd")} <= listening


def test_each_store_is_read(rounds: Rounds) -> None:
    def stores(name: str) -> dict[str, tuple[str, bool, bool]]:
        return {
            store["path"]: (
                store["kind"],
                store["readable"],
                rounds.hospital.root_fingerprint in store["fingerprints_sha256"],
            )
            for store in rounds.privileged[name]["trust_stores"]
        }

    bundle, cacerts = "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/java/cacerts"
    assert stores("healthy") == {bundle: ("system", True, True), "/opt/viewer/nss": ("nss", True, True)}
    everywhere = {bundle: ("system", True, True), cacerts: ("java", True, True)}
    assert stores("java") == {**everywhere, scenes.KEYSTORE: ("java", True, True)}
    assert stores("java-without") == {**everywhere, scenes.KEYSTORE: ("java", True, False)}


def test_the_system_is_named(rounds: Rounds) -> None:
    for name in rounds.gateways:
        told = rounds.privileged[name]["system"]
        assert told["name"].startswith("Debian GNU/Linux 12") and told["kernel"] == os.uname().release


def test_no_secret_comes_out(rounds: Rounds) -> None:
    kept = (rounds.folder / "privileged.jsonl").read_text(encoding="utf-8")
    hashes = re.findall(r"\$y\$\S+?(?=:)", rounds.gateways["stale"].shell("cat /etc/shadow"))
    key = rounds.gateways["healthy"].shell("cat /etc/nginx/tls/server.key").splitlines()[1]
    assert hashes and "ESTABLISH SSH CONNECTION" in rounds.output
    for secret in (scenes.KEYSTORE_PASSWORD, *hashes, key):
        assert secret not in kept and secret not in rounds.output


def test_without_privilege_each_subset_says_what_is_missing(rounds: Rounds) -> None:
    rounds.play("unprivileged", [login_play(rounds, "unprivileged.jsonl", become=False)])
    seen = rounds.observations("unprivileged.jsonl")
    assert list(seen) and set(seen) == set(rounds.gateways)
    for entry in seen.values():
        assert faults(entry) == []
    if "timesyncd" in seen:
        assert seen["timesyncd"]["subsets"]["tls_failures"]["status"] == "not_permitted"
        assert "the journal" in seen["timesyncd"]["subsets"]["tls_failures"]["detail"]
    states = seen["java"]["subsets"]
    assert {name for name, state in states.items() if state["status"] != "ok"} == {"tls_failures", "config_backup"}
    assert {states[name]["status"] for name in ("tls_failures", "config_backup")} == {"not_permitted"}
    assert {name for name, state in states.items() if "privileged login" in state["detail"]} == {
        "accounts",
        "listening",
        "tls_failures",
        "config_backup",
    }
    stores = {store["path"]: store for store in seen["java"]["trust_stores"]}
    assert (stores[scenes.KEYSTORE]["readable"], "privileged" in stores[scenes.KEYSTORE]["detail"]) == (False, True)
    (client,) = [entry for entry in seen["java"]["certificate_files"] if entry["role"] == "client"]
    assert "privileged login" in client["detail"]
    # What was not seen is no pass: the verdict is open, and only what is truly seen fails.
    findings = findings_of(rounds, "healthy", seen["healthy"])
    assert [item["check"] for item in findings if item["status"] == "fail"] == []
    card = scenes.card_of(scene_named("healthy"), rounds.gateways["healthy"], rounds.hospital)
    assert summarize_device(card, findings)["verdict"] == "incomplete"


def test_a_gateway_with_another_host_key_is_told_and_the_others_are_read(rounds: Rounds) -> None:
    known = rounds.lab.known_hosts.read_text(encoding="ascii")
    keys = dict(line.split(" ", 1) for line in known.splitlines())
    healthy, zone = rounds.gateways["healthy"].address, rounds.gateways["wrong-zone"].address
    swapped = {**keys, healthy: keys[zone]}
    rounds.lab.known_hosts.write_text("".join(f"{name} {key}\n" for name, key in swapped.items()), encoding="ascii")
    play = {**login_play(rounds, "swapped.jsonl"), "hosts": "healthy:wrong-zone", "ignore_unreachable": True}
    # ssh must ask again: the connection of the runs before is still open.
    play["vars"] = {"ansible_control_path": "none", "ansible_ssh_args": "-o ControlMaster=no"}
    try:
        rounds.play("swapped", [play])
    finally:
        rounds.lab.known_hosts.write_text(known, encoding="ascii")
    seen = rounds.observations("swapped.jsonl")
    assert (seen["healthy"]["outcome"], seen["wrong-zone"]["outcome"]) == ("unreachable", "observed")
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in seen["healthy"]["detail"]
    assert faults(seen["healthy"]) == []


def test_check_mode_reads_and_keeps_nothing(rounds: Rounds) -> None:
    rounds.play("check", [{**login_play(rounds, "check.jsonl"), "hosts": "healthy"}], "--check")
    assert not (rounds.folder / "check.jsonl").exists()
