"""Reads devices.yml: who is in the demo hospital, and what the audit must say of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEVICES_FILE = Path(__file__).with_name("devices.yml")

# What a visit over the network can tell; a device with one reason for all of it (no consent, switched off) names the
# reason alone.
NETWORK_CHECKS = (
    "certificate_validity",
    "certificate_signature",
    "certificate_key",
    "tls_cipher",
    "certificate_trust",
    "certificate_name",
    "tls_versions",
    "clock_offset",
    "open_ports",
)


@dataclass(frozen=True)
class Plan:
    """The demo hospital as devices.yml describes it; `devices` and `peers` are its dictionaries, addresses resolved."""

    checks: list[str]
    domain: str
    watched_ports: list[dict[str, Any]]
    wards: dict[str, dict[str, Any]]
    devices: list[dict[str, Any]]
    peers: list[dict[str, Any]]

    def device(self, name: str) -> dict[str, Any]:
        """Return one device by name; KeyError when there is none."""
        for device in self.devices:
            if device["name"] == name:
                return device
        raise KeyError(name)

    def peer(self, name: str) -> dict[str, Any]:
        """Return one peer by name; KeyError when there is none."""
        for peer in self.peers:
            if peer["name"] == name:
                return peer
        raise KeyError(name)

    def names_of(self, machine: Mapping[str, Any]) -> list[str]:
        """Return the names that a device's or peer's certificate must carry."""
        return [f"{machine['name']}.{self.domain}"]


def load_plan(network: str | None = None, path: Path = DEVICES_FILE) -> Plan:
    """Read devices.yml; `network` ("127.31") replaces the first two numbers of every address."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    everywhere = data["not_assessed_everywhere"]
    for machine in [*data["devices"], *data["peers"]]:
        if network:
            machine["address"] = network + machine["address"].removeprefix(data["network"])
    for device in data["devices"]:
        reasons = device["not_assessed"]
        if isinstance(reasons, str):
            reasons = dict.fromkeys(NETWORK_CHECKS, reasons)
        # A device that is logged in to and attested says itself what stays open.
        device["not_assessed"] = dict(reasons) if "accounts" in device else {**everywhere, **reasons}
    return Plan(
        checks=[*NETWORK_CHECKS, *everywhere],
        domain=data["domain"],
        watched_ports=data["watched_ports"],
        wards=data["wards"],
        devices=data["devices"],
        peers=data["peers"],
    )
