# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of the farm, as a hospital writes one: YAML, a group for each ward with what its devices share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.farm import Endpoint

_WARDS = 20
_CLASSES = ("imaging", "patient_monitoring", "laboratory", "infusion")
_LEVELS = ("critical", "high", "medium", "low")
_HEAD = """\
all:
  children:
    medical_devices:
      vars:
        device_probe_consent: {by: biomedical engineering, "on": 2026-01-05, reference: CHG-1001}
      children:
"""
_GROUP = """\
        {group}:
          vars:
            device_endpoints: [{{port: {port}, service: https}}]
            device_class: {kind}
            device_service: Ward {ward}
          hosts:
"""
_HOST = """\
            {name}:
              device_address: {address}
              device_names: [{host_name}]
              device_criticality: {level}
              device_inventory_number: "{number}"
"""


def write_inventory(folder: Path, targets: Sequence[Endpoint]) -> Path:
    """Write inventory.yml. Silent devices, which have a port of their own, form groups of their own."""
    groups: dict[tuple[int, int], list[tuple[int, Endpoint]]] = {}
    for number, target in enumerate(targets):
        groups.setdefault((target.port, number * _WARDS // len(targets)), []).append((number, target))
    parts = [_HEAD]
    for (port, ward), members in sorted(groups.items()):
        group = f"ward_{ward:02d}_{port}"
        parts.append(_GROUP.format(group=group, port=port, ward=ward + 1, kind=_CLASSES[ward % len(_CLASSES)]))
        parts += [
            _HOST.format(
                name=target.name,
                address=target.address,
                host_name=target.host_name,
                level=_LEVELS[number % len(_LEVELS)],
                number=100000 + number,
            )
            for number, target in members
        ]
    path = folder / "inventory.yml"
    path.write_text("".join(parts), encoding="utf-8")
    return path
