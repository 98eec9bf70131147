# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which observation of a device counts, and what may be said of the things it does not show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list, as_mapping, clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text, parse_instant

# An observation may be a little ahead of `now`: the clocks of two machines, or `now` given as a plain date.
_FUTURE_ALLOWED = timedelta(days=1)
#: Why nobody's consent allowed the visit.
NO_CONSENT = ("consent_missing", "consent_future", "consent_lapsed", "consent_invalid")


@dataclass(frozen=True, slots=True)
class Visit:
    """One network visit, as far as it can be believed.

    facts:   the observation, empty where nothing in it counts
    at:      when it was made (None where nothing counts)
    missing: the reason given for whatever it does not show
    context: what goes with that reason into a finding's `observed`
    aborted: the visit was broken off; what was seen before that counts
    """

    facts: Mapping[str, Any]
    at: datetime | None
    missing: str
    context: dict[str, Any] = field(default_factory=dict)
    aborted: bool = False


def observed_at(observation: Mapping[str, Any]) -> datetime | None:
    """When an observation was finished, else started."""
    return parse_instant(observation.get("finished_at")) or parse_instant(observation.get("started_at"))


def newest_network(observations: Iterable[Mapping[str, Any]], device: str) -> Mapping[str, Any] | None:
    """The latest network observation of `device`."""
    return newest(observations, device, "network")


def newest(observations: Iterable[Mapping[str, Any]], device: str, source: str) -> Mapping[str, Any] | None:
    """The latest observation of `device` from `source`; one without a readable date only where there is no other."""
    best: Mapping[str, Any] | None = None
    best_at: datetime | None = None
    for observation in observations:
        if observation.get("device") != device or observation.get("source", "network") != source:
            continue
        at = observed_at(observation)
        if best is None or (at is not None and (best_at is None or at >= best_at)):
            best, best_at = observation, at
    return best


def _context(observation: Mapping[str, Any], at: datetime | None) -> dict[str, Any]:
    context: dict[str, Any] = {"visited_at": None if at is None else instant_text(at)}
    for key, name in (("visit_reason", "reason"), ("detail", "detail"), ("died_after", "died_after")):
        if isinstance(observation.get(name), str):
            context[key] = clean_text(observation[name])
    return context


def unusable(at: datetime | None, policy: Mapping[str, Any], now: datetime) -> str | None:
    """Why an observation made then no longer counts; None where it does."""
    if at is None or at - now > _FUTURE_ALLOWED:
        return "observation_undated"
    if now - at > timedelta(days=policy["observation_max_age_days"]):
        return "observation_too_old"
    return None


def device_visit(
    device: Mapping[str, Any], observation: Mapping[str, Any] | None, policy: Mapping[str, Any], now: datetime
) -> Visit:
    """What the visit of the device itself allows to say."""
    if observation is None:
        if device.get("consent") is not False:
            return Visit({}, None, "not_observed")
        reason = device.get("consent_reason")
        return Visit(
            {},
            None,
            reason if reason in NO_CONSENT else "consent_missing",
            {"problem": clean_text(device["consent_detail"])} if device.get("consent_detail") else {},
        )
    at = observed_at(observation)
    context = _context(observation, at)
    lapsed = unusable(at, policy, now)
    if lapsed:
        return Visit({}, None, lapsed, context)
    outcome = observation.get("outcome")
    if outcome == "observed":
        return Visit(observation, at, "not_observed", context)
    if outcome == "aborted":
        return Visit(observation, at, "visit_aborted", context, aborted=True)
    if outcome == "unreachable":
        return Visit({}, None, "device_unreachable", context)
    reason = observation.get("reason")
    if reason == "inventory_invalid":
        return Visit({}, None, "inventory_invalid", {**context, "problem": context.get("detail")})
    if reason in NO_CONSENT:
        return Visit({}, None, reason, {**context, "problem": context.get("detail")})
    return Visit({}, None, "not_observed", context)


def peer_visit(observation: Mapping[str, Any] | None, policy: Mapping[str, Any], now: datetime) -> Visit:
    """What the visit of a server that the device talks to allows to say."""
    if observation is None:
        return Visit({}, None, "peer_not_observed")
    visit = device_visit({}, observation, policy, now)
    if visit.missing == "device_unreachable":
        return Visit({}, None, "endpoint_unreachable", visit.context)
    return (
        replace(visit, missing="peer_not_observed") if visit.missing in ("not_observed", "inventory_invalid") else visit
    )


def endpoints_seen(visit: Visit, port: Any, service: Any) -> list[Mapping[str, Any]]:
    """The observed endpoints at this port, spoken to as this service (None: whatever the service).

    More than one where the device's name led to several addresses. Two services on one port are one endpoint.
    """
    return [
        seen
        for seen in map(as_mapping, as_list(visit.facts.get("endpoints")))
        if seen.get("port") == port
        and (service is None or seen.get("service") in (None, service) or service in as_list(seen.get("services")))
    ]


def endpoint_seen(visit: Visit, port: Any, service: Any) -> Mapping[str, Any] | None:
    """The first of them; None if unseen."""
    return next(iter(endpoints_seen(visit, port, service)), None)


def broke_off_at(visit: Visit, seen: Mapping[str, Any]) -> bool:
    """Whether the visit was broken off while it looked at this endpoint: the one that died, else the last one."""
    if not visit.aborted:
        return False
    died = visit.facts.get("died_port")
    if died is not None:
        return bool(seen.get("port") == died)
    begun = [entry for entry in map(as_mapping, as_list(visit.facts.get("endpoints"))) if entry]
    return bool(begun) and begun[-1] is seen
