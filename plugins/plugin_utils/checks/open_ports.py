# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on open ports: those that were asked over the network, and those that the device itself lists."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import Subject
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import Listening as Told
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list, as_mapping, clean_text

#: What an endpoint does only where something listens.
_ANSWERED = ("tls", "not_tls", "starttls_refused", "starttls_unavailable")


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


@dataclass(frozen=True, slots=True)
class Listening:
    """The TCP ports that the device itself says it offers to the network, each with its program where it is known."""

    source: str
    programs: Mapping[int, str | None]


def listening_ports(source: str, entries: Sequence[Told]) -> Listening:
    """What a login listed. Ports that only the device itself can reach are left out, and so is UDP."""
    programs: dict[int, str | None] = {}
    for entry in entries:
        if entry.port is None or entry.protocol != "tcp" or _is_loopback(str(entry.address)):
            continue
        if programs.get(entry.port) is None:
            programs[entry.port] = entry.program or None
    return Listening(source, programs)


@functools.lru_cache(maxsize=1024)
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _states(visit: Visit) -> dict[int, str]:
    """The ports that were asked over the network."""
    states: dict[int, str] = {}
    for key, state in visit.facts.ports.items():
        port = _port(key)
        if port is not None:
            states[port] = state or "unknown"
    return states


def _spoken_to(visit: Visit) -> set[int]:
    """The ports of endpoints that answered."""
    return {
        endpoint.port
        for endpoint in visit.facts.endpoints
        if endpoint.port is not None and endpoint.outcome in _ANSWERED
    }


def judge_ports(
    device: Mapping[str, Any],
    visit: Visit,
    tls_ports: frozenset[Any],
    policy: Mapping[str, Any],
    listening: Listening | None = None,
) -> Verdict:
    """open_ports: nothing that speaks in clear, nothing that the medical function does not need (annex 1, item 4).

    A port that speaks in clear fails even where it is declared as allowed: an exception is a waiver, or the
    vendor's limit. The declared TLS endpoints are allowed, and `tls_versions` speaks of them. The card's own word
    for a port's service goes before the table of usual ports.

    From the network only the ports that were asked are known; the device's own list is complete. Where both are at
    hand a port that either shows is open, and what only one of them shows is told.
    """
    services = _asked(device)
    if visit.at is None and listening is None:
        return Verdict(visit.missing, dict(visit.context))
    states = _states(visit)
    if not services and not states and listening is None:
        return Verdict("ports_not_asked")

    clear = policy["insecure_services"]
    usual = {port: name for name, ports in clear.items() for port in ports}
    allowed_list = device.get("ports_allowed")
    allowed = {port for port in map(_port, as_list(allowed_list)) if port is not None} | tls_ports
    answering = {port for port, state in states.items() if state == "open"}
    own = {} if listening is None else listening.programs
    opened = sorted(answering | own.keys())
    named = {port: services.get(port) or usual.get(port) for port in opened}
    insecure = [port for port in opened if port not in tls_ports and named[port] in clear]
    others = [port for port in opened if port not in allowed and port not in insecure]
    unanswered = sorted(
        {port for port, state in states.items() if state not in ("open", "closed")} | (services.keys() - states.keys())
    )
    shown = {port: named[port] or own.get(port) for port in opened}
    observed: dict[str, Any] = {
        "asked": sorted(states.keys() | services.keys()) if visit.at is not None else [],
        "open": _listed(opened, shown),
        "insecure": _listed(insecure, shown),
        "not_allowed": _listed(others, shown) if allowed_list is not None else [],
        "undeclared": _listed(others, shown) if allowed_list is None else [],
        "unanswered": unanswered if visit.at is not None else [],
        "complete": listening is not None,
    }
    if listening is not None and visit.at is not None:
        reachable = answering | _spoken_to(visit)
        observed["unknown_to_device"] = _listed(sorted(reachable - own.keys()), named)
        observed["hidden_from_network"] = _listed(
            [port for port in opened if port in own and states.get(port) in ("closed", "filtered")], shown
        )
    expected = {"allowed": None if allowed_list is None else sorted(allowed, key=str)}

    def verdict(reason: str, ports: Sequence[int] = ()) -> Verdict:
        """With the source that shows these ports; without any, the more complete one."""
        from_network = listening is None or any(port in answering for port in ports)
        return Verdict(
            reason, observed, expected, source=None if from_network or listening is None else listening.source
        )

    if insecure:
        return verdict("insecure_service_open", insecure)
    if others and allowed_list is not None:
        return verdict("port_not_allowed", others)
    if others:
        return verdict("ports_allowed_missing", others)
    if unanswered and listening is None:
        if visit.aborted:
            return Verdict("visit_aborted", {**visit.context, **observed}, expected)
        return verdict("ports_unanswered")
    return verdict("only_allowed_ports")


def _tls_ports(device: Mapping[str, Any]) -> frozenset[int]:
    ports = (as_mapping(item).get("port") for item in as_list(device.get("endpoints")))
    return frozenset(port for port in ports if isinstance(port, int))


def _verdicts(s: Subject) -> list[Verdict]:
    told = s.logins.answers("listening")[0] if s.logins.visits else None
    if told is not None and told.problem is None and told.source is not None:
        own = listening_ports(told.source, told.data)
        verdict = judge_ports(s.device, s.visit, _tls_ports(s.device), s.policy, own)
        return [replace(verdict, damaged=(*s.visit.facts.damaged_in("ports"), *told.damaged))]
    if told is not None and told.problem is not None and s.visit.at is None:
        return [told.problem]
    verdict = judge_ports(s.device, s.visit, _tls_ports(s.device), s.policy)
    return [replace(verdict, damaged=s.visit.facts.damaged_in("ports"))]


CHECK = ("open_ports", "device", _verdicts)
