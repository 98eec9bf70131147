# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a place is called: an endpoint of a device, a server that it talks to, a file that a login found on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list, clean_text

PEER_PREFIX = "peer:"


def endpoint_label(service: Any, port: Any) -> str:
    """How a device's own endpoint is called in findings: "https:443"."""
    return f"{clean_text(service or 'tls')}:{clean_text(port)}"


def peer_label(peer: Mapping[str, Any]) -> str:
    """How a server that the device talks to is called in findings: by its first name, else its address."""
    names = declared_names(peer)
    return f"{PEER_PREFIX}{names[0] if names else clean_text(peer.get('address'))}:{clean_text(peer.get('port'))}"


def peer_key(peer: Mapping[str, Any]) -> str:
    """The `device` of the observation made of this peer."""
    return f"{PEER_PREFIX}{peer.get('address')}:{peer.get('port')}"


def declared_names(card: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that the certificate of a device or of a peer must carry."""
    return tuple(name for name in as_list(card.get("names")) if isinstance(name, str) and name)
