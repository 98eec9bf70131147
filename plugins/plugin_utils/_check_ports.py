# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on open ports, as far as the network alone tells: only the ports that were asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._clean import as_list, as_mapping, clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._visits import Visit


def _port(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536 else None


def _asked(device: Mapping[str, Any]) -> dict[int, str | None]:
    """The ports that the device's card asks about, with the service it names, if any."""
    asked: dict[int, str | None] = {}
    for item in as_list(device.get("ports")):
        entry = as_mapping(item)
        port = _port(entry.get("port") if entry else item)
        if port is not None:
            service = entry.get("service")
            asked[port] = service.lower() if isinstance(service, str) else None
    return asked


def _listed(ports: Iterable[int], services: Mapping[int, str | None]) -> list[dict[str, Any]]:
    return [
        {"port": port, "service": None if services.get(port) is None else clean_text(services[port])} for port in ports
    ]


def judge_ports(
    device: Mapping[str, Any], visit: Visit, tls_ports: frozenset[Any], policy: Mapping[str, Any]
) -> Verdict:
    """open_ports: nothing that speaks in clear, nothing that the medical function does not need (annex 1, item 4).

    A port that speaks in clear fails even where it is declared as allowed: an exception is a waiver, or the
    vendor's limit. The declared TLS endpoints are allowed, and `tls_versions` speaks of them. The card's own word
    for a port's service goes before the table of usual ports.
    """
    services = _asked(device)
    if visit.at is None:
        return Verdict(visit.missing, dict(visit.context))
    states: dict[int, str] = {}
    for key, value in as_mapping(visit.facts.get("ports")).items():
        port = _port(key)
        if port is not None:
            states[port] = value if isinstance(value, str) else "unknown"
    if not services and not states:
        return Verdict("ports_not_asked")

    clear = policy["insecure_services"]
    usual = {port: name for name, ports in clear.items() for port in ports}
    allowed_list = device.get("ports_allowed")
    allowed = {port for port in map(_port, as_list(allowed_list)) if port is not None} | tls_ports
    opened = sorted(port for port, state in states.items() if state == "open")
    named = {port: services.get(port) or usual.get(port) for port in opened}
    insecure = [port for port in opened if port not in tls_ports and named[port] in clear]
    others = [port for port in opened if port not in allowed and port not in insecure]
    unanswered = sorted(
        {port for port, state in states.items() if state not in ("open", "closed")} | (services.keys() - states.keys())
    )
    observed = {
        "asked": sorted(states.keys() | services.keys()),
        "open": _listed(opened, named),
        "insecure": _listed(insecure, named),
        "not_allowed": _listed(others, named) if allowed_list is not None else [],
        "undeclared": _listed(others, named) if allowed_list is None else [],
        "unanswered": unanswered,
    }
    expected = {"allowed": None if allowed_list is None else sorted(allowed, key=str)}
    if insecure:
        return Verdict("insecure_service_open", observed, expected)
    if others and allowed_list is not None:
        return Verdict("port_not_allowed", observed, expected)
    if others:
        return Verdict("ports_allowed_missing", observed, expected)
    if unanswered:
        if visit.aborted:
            return Verdict("visit_aborted", {**visit.context, **observed}, expected)
        return Verdict("ports_unanswered", observed, expected)
    return Verdict("only_allowed_ports", observed, expected)
