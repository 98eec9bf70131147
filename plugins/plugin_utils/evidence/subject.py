# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One device as all its checks look at it: its card, its visit, its logins, its endpoints, files and servers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import (
    ClockEstimate,
    Reading,
    best_estimate,
    clock_readings,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import (
    EndpointFacts,
    endpoint_facts,
    file_facts,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.logins import (
    ACCESS_SOURCE,
    Answer,
    Logins,
    device_access,
    device_logins,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import (
    Visit,
    device_visit,
    endpoints_seen,
    newest_network,
    peer_visit,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation, read_observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    MAX_ITEMS,
    as_list,
    as_mapping,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import (
    CLIENT,
    ENDPOINT,
    FILE,
    PEER,
    declared_names,
    peer_key,
    place_label,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything that the judges of one device need."""

    device: Mapping[str, Any]
    visit: Visit
    logins: Logins
    access: Visit | None
    no_access: Verdict
    own: tuple[EndpointFacts, ...]
    files: tuple[EndpointFacts, ...]
    peers: tuple[EndpointFacts, ...]
    clocks: tuple[Reading, ...]
    clock: ClockEstimate | None
    policy: Mapping[str, Any]
    now: datetime
    #: When we connected to it over the network ourselves, begun and ended, by its own clock.
    visited: tuple[tuple[datetime, datetime], ...] = ()

    def places(self, *, with_files: bool = False) -> list[EndpointFacts]:
        """The endpoints of the device, with_files those files with certificates that logins found, and its servers.

        A device that serves nothing over TLS: the certificate that it uses as a client is its own.
        """
        files = self.files if with_files else ()
        only_a_client = self.own[0].label is None and self.own[0].missing == "endpoint_not_declared"
        own = () if only_a_client and any(facts.chain for facts in files) else self.own
        return [*own, *files, *self.peers]

    def device_time(self, at: datetime | None) -> datetime:
        """What the device's clock showed at `at`, as far as its offset is known."""
        moment = at or self.now
        try:
            return moment if self.clock is None else moment + timedelta(seconds=self.clock.offset)
        except OverflowError:
            return moment


def from_login(subset: str, judge: Callable[[Subject, Answer], Verdict]) -> Callable[[Subject], list[Verdict]]:
    """The judge of a device that hands each login's answer about `subset` to `judge`."""

    def judge_each(subject: Subject) -> list[Verdict]:
        if not subject.logins.visits:
            return [subject.logins.missing]
        return [
            told.problem or replace(judge(subject, told), source=told.source, damaged=told.damaged)
            for told in subject.logins.answers(subset)
        ]

    return judge_each


def from_access(subject: Subject, judge: Callable[[Visit], Verdict]) -> Verdict:
    """What `judge` makes of the access check; why there is none, where there is none."""
    return (
        subject.no_access
        if subject.access is None
        else replace(judge(subject.access), source=ACCESS_SOURCE, damaged=subject.access.facts.damaged)
    )


def _own_facts(device: Mapping[str, Any], visit: Visit) -> tuple[EndpointFacts, ...]:
    """The declared endpoints; what was visited, where the card does not speak of endpoints at all."""
    declared: list[tuple[Any, Any]] = [(seen.port, seen.service) for seen in visit.facts.endpoints]
    if device.get("endpoints") is not None:
        entries = map(as_mapping, as_list(device["endpoints"]))
        declared = [(entry.get("port"), entry.get("service")) for entry in entries]
    names = declared_names(device)
    found: list[EndpointFacts] = []
    for port, service in declared:
        for seen in endpoints_seen(visit, port, service) or (None,):
            # Two services on one port are one endpoint, under the name of the first.
            if seen is None or not any(seen is facts.seen for facts in found):
                place = {"service": service, "port": port}
                if seen is not None:
                    place = {"service": service or seen.service, "port": port, "address": seen.address}
                found.append(endpoint_facts(place_label(ENDPOINT, place), names, visit, seen, peer=False))
        for address in visit.facts.addresses_not_visited:
            label = place_label(ENDPOINT, {"service": service, "port": port, "address": address})
            found.append(EndpointFacts(label, False, names, None, "address_not_visited", dict(visit.context)))
    if found:
        return tuple(found)
    # Nothing declared: of a device that nobody visited, the visit is the first thing to put right.
    undeclared = device.get("endpoints") is not None or visit.at is not None
    reason = "endpoint_not_declared" if undeclared else visit.missing
    return (EndpointFacts(None, False, names, None, reason, visit.context),)


def _peer_facts(
    device: Mapping[str, Any], observations: Iterable[Observation], policy: Mapping[str, Any], now: datetime
) -> tuple[EndpointFacts, ...]:
    found = []
    for item in as_list(device.get("peers")):
        peer = as_mapping(item)
        visit = peer_visit(newest_network(observations, peer_key(peer)), policy, now)
        for seen in endpoints_seen(visit, peer.get("port"), None) or (None,):
            address = f"@{seen.address}" if seen is not None and seen.address else ""
            label = place_label(PEER, peer) + address
            found.append(endpoint_facts(label, declared_names(peer), visit, seen, peer=True))
    return tuple(found)


def _file_facts(logins: Logins) -> tuple[EndpointFacts, ...]:
    """The certificate files that logins found; each path once, as the latest login saw it."""
    found: dict[str, EndpointFacts] = {}
    if not logins.visits:
        return ()
    for told in logins.answers("certificate_files"):
        if told.problem is not None:
            # Asked for, and not seen: what the device uses as a client may be expired.
            if told.problem.reason in ("login_subset_failed", "login_not_permitted"):
                label = place_label(FILE, {"path": "*"})
                missing = EndpointFacts(label, False, (), None, told.problem.reason, told.problem.observed)
                found.setdefault(label, replace(missing, source=told.source))
            continue
        for entry in told.data[:MAX_ITEMS]:
            if entry.path:
                label = place_label(CLIENT if entry.role == "client" else FILE, {"path": entry.path})
                facts = file_facts(label, entry, told.source, told.at)
                # One file that two services name is as exposed as the worse of its keys.
                if label not in found or (facts.key_exposed and not found[label].key_exposed):
                    found[label] = facts
            elif entry.damaged:
                label = place_label(FILE, {"path": "*"})
                observed = {"damaged": [*entry.damaged, *told.damaged]}
                found[label] = EndpointFacts(
                    label, False, (), None, "observation_damaged", observed, source=told.source
                )
    return tuple(found.values())


def subject_of(
    device: Mapping[str, Any], observations: Iterable[Any], policy: Mapping[str, Any], now: datetime
) -> Subject:
    """What counts of a device's observations (and of its peers'), as of `now`."""
    seen = read_observations(observations)
    name = str(device["name"])
    visit = device_visit(device, newest_network(seen, name), policy, now)
    logins = device_logins(seen, name, policy, now)
    access, no_access = device_access(seen, name, policy, now)
    clocks = clock_readings(visit, logins, policy)
    subject = Subject(
        device=device,
        visit=visit,
        logins=logins,
        access=access,
        no_access=no_access,
        own=_own_facts(device, visit),
        files=_file_facts(logins),
        peers=_peer_facts(device, seen, policy, now),
        clocks=clocks,
        clock=best_estimate(clocks),
        policy=policy,
        now=now,
    )
    own = [item for item in seen if item.device == name and item.source in ("network", ACCESS_SOURCE)]
    times = [
        (subject.device_time(item.started_at), subject.device_time(item.at))
        for item in own
        if item.started_at is not None
    ]
    return replace(subject, visited=tuple(times))
