# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which observation of a device counts, and what may be said of the things it does not show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Endpoint
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import NOTHING, UNREADABLE, Observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text

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

    facts: Observation
    at: datetime | None
    missing: str
    context: dict[str, Any] = field(default_factory=dict)
    aborted: bool = False


def newest_network(observations: Iterable[Observation], device: str) -> Observation | None:
    """The latest network observation of `device`."""
    return newest(observations, device, "network")


def newest(observations: Iterable[Observation], device: str, source: str) -> Observation | None:
    """The latest observation of `device` from `source`; one without a readable date only where there is no other.

    One that could not be read, and tells no date, may be the latest.
    """
    best: Observation | None = None
    best_at: datetime | None = None
    for observation in observations:
        if observation.device != device or observation.source != source:
            continue
        at = observation.at
        if observation.outcome == UNREADABLE and at is None:
            return observation
        if best is None or (at is not None and (best_at is None or at >= best_at)):
            best, best_at = observation, at
    return best


def _context(observation: Observation, at: datetime | None) -> dict[str, Any]:
    context: dict[str, Any] = {"visited_at": None if at is None else instant_text(at)}
    told = {"visit_reason": observation.reason, "detail": observation.detail, "died_after": observation.died_after}
    context.update((key, clean_text(text)) for key, text in told.items() if text is not None)
    return context


def unusable(at: datetime | None, policy: Mapping[str, Any], now: datetime) -> str | None:
    """Why an observation made then no longer counts; None where it does."""
    if at is None or at - now > _FUTURE_ALLOWED:
        return "observation_undated"
    if now - at > timedelta(days=policy["observation_max_age_days"]):
        return "observation_too_old"
    return None


def device_visit(
    device: Mapping[str, Any], observation: Observation | None, policy: Mapping[str, Any], now: datetime
) -> Visit:
    """What the visit of the device itself allows to say."""
    if observation is None:
        if device.get("consent") is not False:
            return Visit(NOTHING, None, "not_observed")
        reason = device.get("consent_reason")
        return Visit(
            NOTHING,
            None,
            reason if reason in NO_CONSENT else "consent_missing",
            {"problem": clean_text(device["consent_detail"])} if device.get("consent_detail") else {},
        )
    at = observation.at
    context = _context(observation, at)
    if observation.outcome == UNREADABLE:
        return Visit(NOTHING, None, "observation_damaged", {**context, "damaged": [context.get("detail", "")]})
    lapsed = unusable(at, policy, now)
    if lapsed:
        return Visit(NOTHING, None, lapsed, context)
    outcome = observation.outcome
    if outcome == "observed":
        return Visit(observation, at, "not_observed", context)
    if outcome == "aborted":
        return Visit(observation, at, "visit_aborted", context, aborted=True)
    if outcome == "unreachable":
        return Visit(NOTHING, None, "device_unreachable", context)
    reason = observation.reason
    if reason == "inventory_invalid":
        return Visit(NOTHING, None, "inventory_invalid", {**context, "problem": context.get("detail")})
    if reason in NO_CONSENT:
        return Visit(NOTHING, None, reason, {**context, "problem": context.get("detail")})
    return Visit(NOTHING, None, "not_observed", context)


def peer_visit(observation: Observation | None, policy: Mapping[str, Any], now: datetime) -> Visit:
    """What the visit of a server that the device talks to allows to say."""
    if observation is None:
        return Visit(NOTHING, None, "peer_not_observed")
    visit = device_visit({}, observation, policy, now)
    if visit.missing == "device_unreachable":
        return Visit(NOTHING, None, "endpoint_unreachable", visit.context)
    return (
        replace(visit, missing="peer_not_observed") if visit.missing in ("not_observed", "inventory_invalid") else visit
    )


def endpoints_seen(visit: Visit, port: Any, service: Any) -> list[Endpoint]:
    """The observed endpoints at this port, spoken to as this service (None: whatever the service).

    More than one where the device's name led to several addresses. Two services on one port are one endpoint.
    """
    return [
        seen
        for seen in visit.facts.endpoints
        if seen.port == port and (service is None or seen.service in (None, service) or service in seen.services)
    ]


def endpoint_seen(visit: Visit, port: Any, service: Any) -> Endpoint | None:
    """The first of them; None if unseen."""
    return next(iter(endpoints_seen(visit, port, service)), None)


def broke_off_at(visit: Visit, seen: Endpoint) -> bool:
    """Whether the visit was broken off while it looked at this endpoint: the one that died, else the last one."""
    if not visit.aborted:
        return False
    if visit.facts.died_port is not None:
        return seen.port == visit.facts.died_port
    return bool(visit.facts.endpoints) and visit.facts.endpoints[-1] is seen
