"""What persons of the demo hospital signed: attestations as they fill the report's own sheet, and waivers."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from lab.plan import Plan

ATTESTATION_COLUMNS = ("device", "check", "result", "by", "on", "until", "note")


def write_records(plan: Plan, folder: Path, today: date) -> dict[str, Path]:
    """Write attestations.csv and waivers.yml; the paths by kind."""
    paths = {"attestations": folder / "attestations.csv", "waivers": folder / "waivers.yml"}
    with paths["attestations"].open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, ATTESTATION_COLUMNS, delimiter=";")
        rows.writeheader()
        rows.writerows(_attestations(plan.devices, today))
    paths["waivers"].write_text(yaml.safe_dump(list(_waivers(plan.devices, today)), allow_unicode=True), "utf-8")
    return paths


def _attestations(devices: Iterable[Mapping[str, Any]], today: date) -> Iterable[dict[str, str]]:
    for device in devices:
        seen = dict.fromkeys(device.get("attested", []), ("pass", "vu lors de la maintenance préventive"))
        without = {check: ("sans objet", why) for check, why in device.get("without_object", {}).items()}
        for check, (result, note) in {**seen, **without}.items():
            yield {
                "device": device["name"],
                "check": check,
                "result": result,
                "by": "M. Bernard (biomédical)",
                "on": (today - timedelta(days=10)).isoformat(),
                "until": (today + timedelta(days=355)).isoformat(),
                "note": note,
            }


def _waivers(devices: Iterable[Mapping[str, Any]], today: date) -> Iterable[dict[str, Any]]:
    for device in devices:
        if "waiver" in device:
            yield {
                "device": device["name"],
                **device["waiver"],
                "approver": "RSSI",
                "until": (today + timedelta(days=120)).isoformat(),
            }
