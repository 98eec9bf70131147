# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is looked at for a diagnosis, and from where; or the one sentence that says why nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.page import refusal
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import device_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.fields import (
    CardError,
    Variables,
    as_peers,
)

#: Ports whose service is known by their number -> service; for others plain TLS is spoken.
_SERVICES = {443: "https", 8443: "https", 2762: "dicom", 2575: "mllp", 636: "ldaps", 8883: "mqtts"}


class PlanRefused(ValueError):
    """Nothing may be sent; the message is for the person who asked."""


def diagnosis_plan(
    name: str,
    variables: Variables | None,
    known: Mapping[str, Any],
    peer: str | None,
    language: str,
    now: datetime,
) -> dict[str, Any]:
    """{"device": the card, with the peers that are looked at, "vantage": a host, "targets": for path_info}.

    variables: the device's host variables; None where the inventory has no such host
    known:     the hosts of the inventory
    peer:      "host:port", or None for the device's declared peers

    PlanRefused where nothing may be sent.
    """
    if variables is None:
        raise PlanRefused(refusal("unknown_device", language, device=name))
    card = device_card(name, variables, now)
    if card["invalid"]:
        raise PlanRefused(refusal("invalid", language, device=name, detail=card["invalid"]))
    if not card["consent"]:
        raise PlanRefused(
            refusal("no_consent", language, device=name, detail=card["consent_detail"] or "device_probe_consent")
        )
    # What listens beside TLS is the audit's business: the fewest connections that give the facts.
    card["ports"] = []
    if peer:
        card["peers"] = [_peer(card, peer, language)]
    gateway = variables.get("device_gateway")
    if gateway is not None and gateway not in known:
        raise PlanRefused(refusal("unknown_gateway", language, device=name, gateway=gateway))
    targets = [{"side": "device", "host": host} for host in (card["address"], *card["names"][:1])]
    targets += [{"side": "peer", "host": one["address"]} for one in card["peers"]]
    return {
        "device": card,
        "vantage": str(gateway or card["vantage"]),
        "targets": [dict(pair) for pair in dict.fromkeys(tuple(target.items()) for target in targets)],
    }


def _peer(card: Mapping[str, Any], text: str, language: str) -> dict[str, Any]:
    """The peer that was named: the declared one where it is one, else by what its port says."""
    host, _colon, port = text.strip().rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    for declared in card["peers"]:
        if str(declared["port"]) == port and host in (declared["address"], *declared["names"]):
            return dict(declared)
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    entry = {"address": host, "port": number, "service": _SERVICES.get(number, "tls")}
    try:
        return as_peers([entry])[0]
    except CardError:
        raise PlanRefused(refusal("bad_peer", language, peer=text)) from None
