# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device card: what the inventory says of one device, checked, as one plain dictionary.

A card is made for every device, also where a variable is wrong: its `invalid` then holds one sentence that names the
variable and the way out, the device is skipped for that reason, and its neighbours are visited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory import fields
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.consent import (
    Consent,
    read_consent,
    read_flag,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.fields import CardError, Variables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import peer_key
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import first_unseen


def device_card(name: str, variables: Variables, now: datetime) -> dict[str, Any]:
    """The card of an inventory host, from its documented host variables (docs/examples/inventory). Never raises.

    `now`: when the consent must hold. `device_address` defaults to `ansible_host`, and that to the inventory name.
    """

    def read(key: str) -> Any:
        value = fields.read_variable(variables, _LABELS[key])
        if key == "address" and value is None:
            value = fields.read_variable(variables, "ansible_host")
            return name if value is None else value
        return value

    return _card(name, read, _LABELS, lambda value: read_consent(value, now))


def card_from_dictionary(device: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The card of a device that was given as a dictionary. Never raises for a wrong value."""
    labels = {key: key for key in _LABELS}
    return _card(
        str(device.get("name")),
        lambda key: fields.read_variable(device, key),
        labels,
        lambda value: read_flag(value, now),
    )


#: card key -> host variable
HOST_VARIABLES = {
    "address": "device_address",
    "names": "device_names",
    "endpoints": "device_endpoints",
    "ports": "device_ports_watch",
    "ports_allowed": "device_ports_allowed",
    "peers": "device_peers",
    "consent": "device_probe_consent",
    "sntp": "device_sntp",
    "class": "device_class",
    "criticality": "device_criticality",
    "service": "device_service",
    "inventory_number": "device_inventory_number",
    "vantage": "device_vantage",
    "profile": "device_profile",
    "time_zone": "device_time_zone",
    "ntp_servers": "device_ntp_servers",
    "in_use": "device_in_use",
    "vendor_limits": "device_vendor_limits",
    "accounts": "device_accounts",
    "trust_anchors_sha256": "device_trust_anchors_sha256",
    "has_tls_services": "device_has_tls_services",
    "has_certificate": "device_has_certificate",
    "has_accounts": "device_has_accounts",
    "has_label": "device_has_label",
}
#: What a device has or not: unknown unless it is said; and what cannot be declared of one that has none.
_HAS = {"has_tls_services": "endpoints", "has_certificate": "endpoints", "has_accounts": "accounts", "has_label": None}
#: The same, and what Ansible itself says of a host.
_LABELS = {**HOST_VARIABLES, "groups": "group_names"}


def _card(
    name: str, read: Callable[[str], Any], labels: Mapping[str, str], check_consent: Callable[[Any], Consent]
) -> dict[str, Any]:
    problems: list[str] = []

    def take(key: str, check: Callable[[Any], Any], default: Any) -> Any:
        try:
            value = read(key)
            return default if value is None else check(value)
        except CardError as error:
            text = str(error)
            problems.append(f"{labels[key]}{text if text.startswith(('[', '.')) else ': ' + text}")
            return default

    try:
        consent = check_consent(read("consent"))
    except CardError as error:
        consent = Consent(False, "consent_invalid", str(error))
    card: dict[str, Any] = {
        "name": name,
        "address": take("address", fields.as_address, None),
        "names": take("names", fields.as_names, []),
        "endpoints": take("endpoints", fields.as_endpoints, []),
        "ports": take("ports", fields.as_ports, []),
        "ports_allowed": take("ports_allowed", lambda value: [port["port"] for port in fields.as_ports(value)], None),
        "peers": take("peers", fields.as_peers, []),
        "consent": consent.given,
        "consent_reason": consent.reason,
        "consent_detail": consent.detail and f"{labels['consent']}: {consent.detail}",
        "sntp": take("sntp", fields.as_flag, False),
        "class": take("class", fields.as_text, None),
        "criticality": take("criticality", fields.as_criticality, None),
        "service": take("service", fields.as_text, None),
        "inventory_number": take("inventory_number", fields.as_text, None),
        "vantage": take("vantage", fields.as_text, "localhost"),
        "profile": take("profile", fields.as_text, None),
        "time_zone": take("time_zone", fields.as_text, None),
        "ntp_servers": take(
            "ntp_servers", lambda value: [fields.as_address(entry) for entry in fields.as_list(value)], []
        ),
        "in_use": take("in_use", fields.as_flag, None),
        "vendor_limits": take("vendor_limits", fields.as_vendor_limits, {}),
        "accounts": take("accounts", fields.as_accounts, None),
        "trust_anchors_sha256": take("trust_anchors_sha256", fields.as_fingerprints, []),
        **{key: take(key, fields.as_flag, None) for key in _HAS},
        "groups": take("groups", lambda value: [fields.as_text(entry) for entry in fields.as_list(value)], []),
        "invalid": None,
    }
    unseen = first_unseen(name)
    if unseen is not None:
        problems.append(f"name: an invisible character (U+{ord(unseen):04X}) hides in it; type the name again by hand")
    for key, contrary in _HAS.items():
        if contrary is not None and card[key] is False and card[contrary]:
            problems.append(f"{labels[key]}: false, while {labels[contrary]} names some; correct one of them")
    if card["address"] is None and not problems:
        problems.append(f"{labels['address']}: missing; give the address that the device answers on")
    if problems:
        card["invalid"] = "; ".join(problems)
    return card


def distinct_peers(cards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The servers that consenting devices talk to, each once, as cards; names of all who declare it are joined."""
    peers: dict[str, dict[str, Any]] = {}
    for card in cards:
        if not card["consent"] or card["invalid"]:
            continue
        for peer in card["peers"]:
            known = peers.setdefault(
                peer_key(peer),
                {
                    "name": peer_key(peer),
                    "address": peer["address"],
                    "names": [],
                    "endpoints": [{key: peer[key] for key in ("port", "service", "http") if key in peer}],
                    "ports": [],
                    "peers": [],
                    "consent": True,
                    "sntp": False,
                    "invalid": None,
                },
            )
            known["names"] += [name for name in peer["names"] if name not in known["names"]]
    return list(peers.values())
