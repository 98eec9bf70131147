# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people hand to the filters, checked: one clear refusal that names the argument and the place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import parse_instant


def records(name: str, value: Any) -> list[Mapping[str, Any]]:
    """`value` as a list of mappings; ValueError naming `name` and the position."""
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name}: a list is needed, not {type(value).__name__}")
    for index, item in enumerate(value):
        if not isinstance(item, Mapping):
            raise ValueError(f"{name}[{index}]: a dictionary is needed, not {type(item).__name__}")
    return list(value)


def named_devices(value: Any) -> list[Mapping[str, Any]]:
    """`value` as a list of devices, each with a name of its own."""
    devices = records("devices", value)
    seen: dict[str, int] = {}
    for index, device in enumerate(devices):
        name = device.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError(f"devices[{index}].name: a text is needed")
        if name in seen:
            raise ValueError(f"devices[{index}].name: {name!r} is already the name of devices[{seen[name]}]")
        seen[name] = index
    return devices


def named_findings(value: Any) -> list[Mapping[str, Any]]:
    """`value` as a list of findings."""
    findings = records("findings", value)
    for index, finding in enumerate(findings):
        for key in ("device", "check", "status"):
            if not isinstance(finding.get(key), str):
                raise ValueError(f"findings[{index}].{key}: a text is needed; these are not findings of assess")
    return findings


def moment(value: Any, default: datetime) -> datetime:
    """`value` (ISO 8601 text or datetime; UTC where it names no zone) as a datetime; `default` for None."""
    if value is None:
        return default
    if isinstance(value, date) and not isinstance(value, datetime):
        value = value.isoformat()
    parsed = parse_instant(value)
    if parsed is None:
        raise ValueError(f"now: {value!r} is not a date and time such as 2026-11-22T18:00:00Z")
    return parsed
