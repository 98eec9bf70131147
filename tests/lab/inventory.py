"""Writes the demo hospital's Ansible inventory: the documented host variables, ward by ward."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.logins import PROFILES
from lab.plan import Plan


def make_inventory(
    plan: Plan, trust_anchor: Path, logins: Mapping[str, Mapping[str, Any]], records: Mapping[str, Path]
) -> dict[str, Any]:
    """Return the inventory: group `medical_devices`, one child group per ward.

    `logins`: further variables by device; `records`: the files of `attestations` and `waivers`
    """
    wards: dict[str, Any] = {}
    for name, ward in plan.wards.items():
        variables = {"device_class": ward["class"], "device_service": ward["service"]}
        if ward["consent"]:
            variables["device_probe_consent"] = ward["consent"]
        wards[name] = {"vars": variables, "hosts": {}}
    for number, device in enumerate(plan.devices, start=1):
        wards[device["ward"]]["hosts"][device["name"]] = {
            **_host_variables(plan, device, number),
            **logins.get(device["name"], {}),
        }
    return {
        "all": {
            "children": {
                "medical_devices": {
                    "vars": {
                        "audit_trust_anchors": [str(trust_anchor)],
                        "audit_probe_timeout": 2,
                        "audit_profile_folders": [str(PROFILES)],
                        "audit_attestations": [str(records["attestations"])],
                        "audit_waivers": [str(records["waivers"])],
                        "device_ports_watch": plan.watched_ports,
                        "device_ports_allowed": [],
                    },
                    "children": wards,
                }
            }
        }
    }


def write_inventory(
    plan: Plan, trust_anchor: Path, path: Path, logins: Mapping[str, Mapping[str, Any]], records: Mapping[str, Path]
) -> None:
    """Write the inventory as YAML."""
    inventory = make_inventory(plan, trust_anchor, logins, records)
    text = yaml.safe_dump(inventory, allow_unicode=True, sort_keys=False)
    path.write_text(f"---\n# Written by the demo hospital at each start.\n{text}", encoding="utf-8")


def _host_variables(plan: Plan, device: dict[str, Any], number: int) -> dict[str, Any]:
    # Some inventories give the address as ansible_host, which is device_address' default: so does one ward here.
    address_variable = "ansible_host" if device["ward"] == "cardiology" else "device_address"
    variables: dict[str, Any] = {
        address_variable: device["address"],
        "device_names": plan.names_of(device),
        "device_endpoints": [
            {"port": endpoint["port"], "service": endpoint["service"]} for endpoint in device["endpoints"]
        ],
        "device_criticality": device["criticality"],
        "device_inventory_number": f"DM-{number:05d}",
    }
    if "has_label" in device:
        variables["device_has_label"] = device["has_label"]
    peers = [plan.peer(name) for name in device.get("peers", [])]
    if peers:
        variables["device_peers"] = [
            {
                "address": peer["address"],
                "port": endpoint["port"],
                "service": endpoint["service"],
                "names": plan.names_of(peer),
            }
            for peer in peers
            for endpoint in peer["endpoints"]
        ]
    return variables
