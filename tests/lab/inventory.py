"""Writes the demo hospital's Ansible inventory: the documented host variables, ward by ward."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lab.plan import Plan


def make_inventory(plan: Plan, trust_anchor: Path) -> dict[str, Any]:
    """Return the inventory: group `medical_devices`, one child group per ward."""
    wards: dict[str, Any] = {}
    for name, ward in plan.wards.items():
        variables = {"device_class": ward["class"], "device_service": ward["service"]}
        if ward["consent"]:
            variables["device_probe_consent"] = ward["consent"]
        wards[name] = {"vars": variables, "hosts": {}}
    for number, device in enumerate(plan.devices, start=1):
        wards[device["ward"]]["hosts"][device["name"]] = _host_variables(plan, device, number)
    return {
        "all": {
            "children": {
                "medical_devices": {
                    "vars": {
                        "audit_trust_anchors": [str(trust_anchor)],
                        "audit_probe_timeout": 2,
                        "device_ports_watch": plan.watched_ports,
                        "device_ports_allowed": [],
                    },
                    "children": wards,
                }
            }
        }
    }


def write_inventory(plan: Plan, trust_anchor: Path, path: Path) -> None:
    """Write the inventory as YAML."""
    text = yaml.safe_dump(make_inventory(plan, trust_anchor), allow_unicode=True, sort_keys=False)
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
