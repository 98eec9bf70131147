"""Runs of the playbooks that change gateways: their inventory, what they say at the end, and their journal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateways.gateway import Gateway
from gateways.lab import Lab


def inventory(
    lab: Lab, path: Path, gateways: Sequence[Gateway], common: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Writes an inventory of these gateways, every change authorised; returns the arguments of a run on them.

    common: variables of all; own: by name of a gateway
    """
    control = lab.state / "control"
    control.mkdir(exist_ok=True, mode=0o700)
    kinds = ["root_ca", "time_sync", "tls_hardening", "account_hygiene"]
    authorised = {
        "change_control_ticket": "CHG-7",
        "change_control_batch_max": 20,
        "change_control_journal": str(control / "changes.jsonl"),
        "change_control_journal_vouched_by": "the test",
        "config_backup_dir": str(control / "backups"),
        "report_language": "en",
        "device_in_use": False,
        "device_vendor_authorisation": [
            {"kinds": kinds, "by": "x", "on": "2026-01-01", "until": "2099-12-31", "reference": "A-1"}
        ],
        **common,
    }
    hosts = {gateway.name: {**lab.variables(gateway), **own.get(gateway.name, {})} for gateway in gateways}
    path.write_text(json.dumps({"gateways": {"hosts": hosts, "vars": authorised}}), encoding="utf-8")
    return ["-i", str(path), "--limit", ",".join(hosts), "--forks", "10"]


def summary(output: str, kind: str) -> dict[str, str]:
    """{gateway: what became of it} of the last summary that was shown."""
    titles = (f"\nChanges ({kind})", f"\nPredicted changes ({kind})")
    shown = output[max(map(output.rfind, titles)) :].splitlines()[2:]
    found = {}
    for line in shown:
        match = re.fullmatch(r"  (\S+) +(\S.*)", line)
        if not match:
            break
        found[match[1]] = match[2]
    return found


def journal(lab: Lab, name: str) -> list[str]:
    """The events of a gateway, in order."""
    path = lab.state / "control" / "changes.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [entry["event"] for entry in map(json.loads, lines) if entry["device"] == name]
