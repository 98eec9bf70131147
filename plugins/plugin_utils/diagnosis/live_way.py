# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address and route of each side: nothing of this is sent to the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.case import (
    DEVICE,
    PEER,
    Case,
    Said,
    is_ip,
    side_of,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    as_list,
    as_mapping,
    as_number,
    clean_text,
    clean_texts,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import declared_names


def way_said(case: Case) -> Iterator[Said]:
    targets: list[tuple[str, str, str | None]] = [(DEVICE, str(case.card.get("address")), None)]
    for item, facts in zip(map(as_mapping, as_list(case.card.get("peers"))), case.peers, strict=True):
        targets.append((PEER, str(item.get("address")), facts.label))
    for name in declared_names(case.card)[:1]:
        targets.append((DEVICE, name, None))
    for side, host, label in dict.fromkeys(targets):
        told = case.path.get((side, host))
        if told is None:
            if host in (str(case.card.get("address")),) or side == PEER:
                yield Said("way_not_looked_at", side, label, {"host": clean_text(host)})
            continue
        yield from _one_way(case, side, label, told)


def _one_way(case: Case, side: str, label: str | None, told: Mapping[str, Any]) -> Iterator[Said]:
    addresses = clean_texts(told.get("addresses"))
    figures = {
        "host": clean_text(told.get("host")),
        "addresses": addresses,
        "source": clean_text(told.get("source") or ""),
        "mtu": _octets(told),
        "detail": clean_text(told.get("error") or ""),
    }
    address = str(case.card.get("address"))
    declared_name = side == DEVICE and told.get("host") != address
    if not addresses:
        # The device's declared name is what its clients call; its address is what was visited.
        yield Said("device_name_not_resolved" if declared_name else "name_not_resolved", side, label, figures)
        return
    if declared_name:
        if is_ip(address) and address not in addresses:
            yield Said("name_leads_elsewhere", side, label, {**figures, "address": clean_text(address)})
        else:
            yield Said("name_resolved", side, label, figures)
        return
    if not is_ip(told.get("host")):
        yield Said("name_resolved", side, label, figures)
    if told.get("route") is False:
        yield Said("no_route", side, label, figures)
    elif told.get("route") is True:
        yield Said("route_found", side, label, figures)


def _octets(told: Mapping[str, Any]) -> int | None:
    mtu = as_number(told.get("mtu"))
    return None if mtu is None else int(mtu)


def route_mtu(case: Case, facts: EndpointFacts) -> dict[str, Any]:
    """The route's MTU as the vantage knows it: of a smaller one further on it knows only if a router said so."""
    hosts = [str(case.card.get("address"))]
    if facts.peer:
        position = case.peers.index(facts)
        hosts = [str(as_mapping(as_list(case.card.get("peers"))[position]).get("address"))]
    told = case.path.get((side_of(facts), hosts[0]), {})
    return {"mtu": _octets(told)}
