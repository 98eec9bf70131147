# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the places are called that a finding may be about: a service, a server of the device, a certificate file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list, clean_text

ENDPOINT, PEER, CLIENT, FILE = "endpoint", "peer", "client", "file"
PEER_PREFIX = f"{PEER}:"


def place_label(kind: str, place: Mapping[str, Any]) -> str:
    """How a place is called in findings, the same wherever one is named.

    ENDPOINT:     {service, port} of the device itself: "https:443"; with an address, where its name has several:
                  "https:443@192.0.2.7"
    PEER:         {names, address, port} of a server that it talks to: "peer:pacs.hopital.example:2762"
    CLIENT, FILE: {path} of a certificate file, which the device uses as a client or otherwise: "client:/path"
    """
    if kind in (CLIENT, FILE):
        return clean_text(f"{kind}:{place.get('path')}")
    port = clean_text(place.get("port"))
    if kind == PEER:
        names = declared_names(place)
        return f"{PEER_PREFIX}{clean_text(names[0] if names else place.get('address'))}:{port}"
    address = f"@{clean_text(place['address'])}" if place.get("address") else ""
    return f"{clean_text(place.get('service') or 'tls')}:{port}{address}"


def peer_key(peer: Mapping[str, Any]) -> str:
    """The `device` of the observation made of this peer."""
    return f"{PEER_PREFIX}{peer.get('address')}:{peer.get('port')}"


def declared_names(card: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that a device or a server is declared to have."""
    return tuple(name for name in as_list(card.get("names")) if isinstance(name, str) and name)
