"""gateway_info over real SSH, on real gateways: what each one is seeded with is found, and nothing else.

All gateways are asked in one playbook run, as in an audit: first the network visit, then one login each.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils import _assess
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._assess import assess_device
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._policy import load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._summary import summarize_device
from gateways import ntp_server, scenes
from gateways.gateway import Gateway
from gateways.lab import PREFIX_LENGTH, Lab
from gateways.scenes import ANALYSER, FAILURES, SCENES, Hospital, Scene, scene_named

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = Path(_assess.__file__).parent / "schemas"

#: What no probe and no login of these tests answers.
ATTESTED = ("default_passwords", "admin_interface", "cmms_record", "label")

#: All that a login itself writes: sshd's own log, and systemd's where it keeps one.
WRITTEN_BY_SSHD = ("/var/log/sshd.log", "/var/log/journal", "/var/log/wtmp", "/var/log/lastlog")


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
            "ANSIBLE_HOST_KEY_CHECKING": "true",
            "ANSIBLE_NOCOLOR": "true",
        }
        finished = self.lab.run(*command, str(playbook), *arguments, env=environment, cwd=ROOT, timeout=150)
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
        "hosts": "gateways",
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
    for scene in SCENES:
        gateway = lab.add(scene.name, scene.variant, lambda new, scene=scene: scenes.prepare(new, made.hospital, scene))
        made.gateways[scene.name] = gateway
        scenes.furnish(gateway, made.hospital, scene)
    refuse_certificates(made, made.gateways["failures"], 443, 2762)
    for scene in SCENES:
        scenes.settled(made.gateways[scene.name], scene)
    made.play("visit", [visit_play(made)])
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
    return {line for line in listed.splitlines() if not line.startswith(WRITTEN_BY_SSHD)}


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


def schema() -> Draft202012Validator:
    text, other = (
        (SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8") for name in ("login_observation", "observation")
    )
    loaded = json.loads(text.replace('"observation.schema.json#/', '"#/'))
    loaded["$defs"]["certificate"] = json.loads(other)["$defs"]["certificate"]
    return Draft202012Validator(loaded)


NAMES = [scene.name for scene in SCENES]


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_each_fault_is_found_and_nothing_else(rounds: Rounds, scene: Scene) -> None:
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
    assert [error.message for error in schema().iter_errors(rounds.privileged[name])] == []


@pytest.mark.parametrize("name", NAMES)
def test_looking_changes_nothing_and_takes_one_login(rounds: Rounds, name: str) -> None:
    assert rounds.changed[name] == []
    said = rounds.logins[name]
    assert said.count("Accepted publickey for tech") == 1, said
    # One command over that login: no temporary folder, no copied file, no second module.
    assert said.count("Starting session: command") == 1, said
    assert "subsystem" not in said
