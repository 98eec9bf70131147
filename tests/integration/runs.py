"""Runs the audit playbook as a person would, and reads what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from lab.hospital import Hospital
from lab.places import ssh_sockets

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = "biomed.cert_hygiene.audit"
Inventory = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One finished playbook run: its exit status, all it printed, and the folder it ran in."""

    status: int
    output: str = field(repr=False)
    folder: Path

    @property
    def report(self) -> Path:
        return self.folder / "report"

    def summary(self) -> dict[str, Any]:
        """Return the report's summary.json."""
        loaded: dict[str, Any] = json.loads((self.report / "summary.json").read_text(encoding="utf-8"))
        return loaded

    def devices(self) -> dict[str, dict[str, Any]]:
        """Return the report's devices by name."""
        return {device["device"]: device for device in self.summary()["devices"]}

    def said(self) -> str:
        """Return what was printed as one line, however it was wrapped."""
        return " ".join(self.output.split())


def run_audit(
    inventory: Path,
    folder: Path,
    *arguments: str,
    variables: Mapping[str, Any] | None = None,
    collections: Path,
    playbook: str = PLAYBOOK,
    python: Path = Path(sys.executable),
) -> Run:
    """Run the playbook in `folder` with a home of its own; `variables` go to -e as JSON."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    command = [str(python.with_name("ansible-playbook")), "-i", str(inventory), playbook, *arguments]
    if variables:
        command += ["-e", json.dumps(variables)]
    finished = subprocess.run(
        command,
        cwd=folder,
        env=environment(home, collections),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return Run(finished.returncode, finished.stdout + finished.stderr, folder)


def environment(home: Path, collections: Path) -> dict[str, str]:
    """Return a plain environment: nothing of this machine's Ansible configuration comes in."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": ssh_sockets(home),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "COLUMNS": "400",
    }


def edited_inventory(hospital: Hospital, path: Path, edit: Callable[[Inventory], None]) -> Path:
    """Write the hospital's inventory once more with `edit` applied to the group medical_devices."""
    inventory = yaml.safe_load(hospital.inventory.read_text(encoding="utf-8"))
    edit(inventory["all"]["children"]["medical_devices"])
    path.write_text(yaml.safe_dump(inventory, allow_unicode=True), encoding="utf-8")
    return path


def keep_only(*names: str) -> Callable[[Inventory], None]:
    """Return an edit that leaves these devices alone in the inventory."""

    def edit(group: Inventory) -> None:
        for ward in group["children"].values():
            ward["hosts"] = {name: host for name, host in ward["hosts"].items() if name in names}

    return edit


def failing(device: Mapping[str, Any], status: str = "fail") -> set[tuple[str, str | None, str, str]]:
    """Return the failing (or waived) findings of a device: (check, endpoint, reason, severity)."""
    return {
        (finding["check"], finding["endpoint"], finding["reason"], finding["severity"])
        for finding in device["findings"]
        if finding["status"] == status
    }


def not_assessed(device: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return why each check of a device that was not assessed was not."""
    reasons: dict[str, set[str]] = {}
    for finding in device["findings"]:
        if finding["status"] == "not_assessed":
            reasons.setdefault(finding["check"], set()).add(finding["reason"])
    return reasons
