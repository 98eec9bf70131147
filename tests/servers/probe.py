# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visits by the engine, without Ansible."""

from __future__ import annotations

import base64
import socket
from collections.abc import Sequence
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import EventLoop
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.device import DeviceVisit, Settings

ORDER = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def card(endpoints: Sequence[tuple[int, str]] = (), address: str = "127.0.0.1", **more: Any) -> dict[str, Any]:
    """A device as the module gets it."""
    return {
        "name": "echo-004",
        "address": address,
        "names": [],
        "endpoints": [{"port": port, "service": service} for port, service in endpoints],
        "ports": [],
        "sntp": False,
        "consent": True,
        **more,
    }


def visit(device: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """One visit, on an event loop of its own."""
    options = Settings(**{"timeout": 3.0, "pause": 0.0, **settings})
    found: list[dict[str, Any]] = []

    async def no_rate() -> None:
        return

    async def run() -> None:
        family = socket.AF_INET6 if ":" in device["address"] else socket.AF_INET
        found.append(await DeviceVisit(device, family, device["address"], options, no_rate).run())

    loop = EventLoop()
    loop.spawn(run())
    loop.run()
    return found[0]


def probe(
    port: int, service: str = "tls", names: Sequence[str] = (), http: dict[str, str] | None = None, **settings: Any
) -> dict[str, Any]:
    """Visit one endpoint; its raw observation, with `chain` as DER and the visit's counts and samples beside."""
    address = settings.pop("address", "127.0.0.1")
    device = card([(port, service)], address=address, names=list(names))
    if http is not None:
        device["endpoints"][0]["http"] = http
    raw = visit(device, **settings)
    endpoint: dict[str, Any] = dict(raw["endpoints"][0])
    endpoint["chain"] = [base64.b64decode(text) for text in endpoint["chain_der"]]
    endpoint["visit"] = raw
    return endpoint


def statuses(endpoint: dict[str, Any]) -> dict[str, str]:
    """version -> status."""
    return {version: found["status"] for version, found in endpoint["versions"].items()}


def accepted(endpoint: dict[str, Any]) -> list[str]:
    """The versions that were accepted, old to new; every other one must be told refused."""
    return [version for version in ORDER if endpoint["versions"][version]["status"] == "accepted"]


def exactly(*versions: str) -> dict[str, str]:
    """The statuses of a server that speaks these versions and no other."""
    return {version: "accepted" if version in versions else "refused" for version in ORDER}
