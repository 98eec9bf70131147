"""One task that logs in on devices from a vantage of its own (access_check, appliance_info), and what it gave."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from integration.runs import environment
from unit.login_schema import faults

CONSENT = {"by": "Dr A. Martin", "on": "2026-09-01", "reference": "BIO-2026-017"}
_HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@dataclass(frozen=True)
class Told:
    """What one task gave: observations by device, and all that was printed."""

    result: dict[str, Any]
    observations: dict[str, dict[str, Any]]
    output: str
    seconds: float

    def outcome(self, name: str) -> tuple[str, str | None]:
        return self.observations[name]["outcome"], self.observations[name]["reason"]

    def results(self, name: str) -> list[tuple[str, str, str]]:
        """(service, account, result) of the factory passwords."""
        entries = self.observations[name].get("default_passwords", [])
        return [(entry["service"], entry["account"], entry["result"]) for entry in entries]

    def admin(self, name: str) -> list[tuple[str, str, str]]:
        """(service, as whom, result) of the administration."""
        entries = self.observations[name].get("admin_interface", [])
        return [(entry["service"], entry["as"], entry["result"]) for entry in entries]


def prepare(
    folder: Path, hosts: Mapping[str, Mapping[str, Any]], task: Mapping[str, Any], vantage: Mapping[str, Any] | None
) -> list[str]:
    """Write the inventory and a play of this task, whose result is kept; the command that runs it in the folder.

    hosts:   host variables of each device, beside its consent
    vantage: host variables that the vantage has beside the plain ones
    """
    devices = {name: {"device_probe_consent": CONSENT, **values} for name, values in hosts.items()}
    inventory = {"all": {"hosts": {**devices, "vantage": {**_HERE, **(vantage or {})}}}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    ask = {"name": "Ask", **task, "delegate_to": "vantage", "register": "told", "ignore_errors": True}
    keep = {
        "name": "Keep",
        "ansible.builtin.copy": {"content": "{{ told | to_json }}", "dest": str(folder / "told.json")},
        "check_mode": False,
        "no_log": True,
        "vars": _HERE,
    }
    play = {"hosts": "vantage", "gather_facts": False, "tasks": [ask, keep]}
    (folder / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    (folder / "home").mkdir(exist_ok=True)
    return [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.yml", "play.yml"]


def login_environment(folder: Path, collections: Path, variables: Mapping[str, str] | None) -> dict[str, str]:
    """A plain environment, with the connection plugins of the tests."""
    return {
        **environment(folder / "home", collections),
        "ANSIBLE_CONNECTION_PLUGINS": str(Path(__file__).with_name("connection_plugins")),
        **(variables or {}),
    }


def told(folder: Path, status: int, output: str, seconds: float) -> Told:
    """What the task gave; each observation keeps to its schema."""
    assert status == 0, output
    assert "Traceback" not in output, output
    result = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    observations = {observation["device"]: observation for observation in result.get("observations", [])}
    for observation in observations.values():
        assert faults(observation, certificates=False) == []
    return Told(result, observations, output, seconds)
