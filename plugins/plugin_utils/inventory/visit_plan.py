# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shares devices out: by vantage for the network, by vantage and profile for a login."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import device_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.fields import Variables

#: The profile of gateways with Python, which are asked over Ansible's own connection instead of by a device profile.
GATEWAY_PROFILE = "linux_gateway"
_DECIDING = ("device_vantage", "device_profile")


def visit_plan(devices: Iterable[tuple[str, Variables]], now: datetime) -> dict[str, Any]:
    """{"vantages": {vantage: [name]}, "gateways": [name], "appliances": {vantage: [name]}}, each in the order given.

    Every device is visited from its vantage. A login needs a consent that holds now too, and an inventory without
    mistakes.
    """
    vantages: dict[str, list[str]] = {}
    appliances: dict[str, list[str]] = {}
    gateways: list[str] = []
    for name, variables in devices:
        vantage, profile = (_text(variables, key) for key in _DECIDING)
        vantage = vantage or "localhost"
        vantages.setdefault(vantage, []).append(name)
        if profile == GATEWAY_PROFILE:
            card = device_card(name, variables, now)
            if card["consent"] and not card["invalid"]:
                gateways.append(name)
        elif profile:
            appliances.setdefault(vantage, []).append(name)
    return {"vantages": vantages, "gateways": gateways, "appliances": appliances}


def _text(variables: Variables, key: str) -> str | None:
    """A variable as text; one that cannot be read is reported by the visit, which names it."""
    try:
        value = variables.get(key)
    except Exception:
        return None
    return str(value) if isinstance(value, (str, int)) and str(value).strip() else None
