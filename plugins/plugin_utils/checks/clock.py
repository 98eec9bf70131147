# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on the device's clock: how far off, how surely, and what that does to certificates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import (
    ClockEstimate,
    believable,
    clock_effect,
    estimate_clock,
    moment_text,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import Link
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.logins import Logins
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list, as_mapping

# A cheap quartz drifts by up to 100 parts per million: two readings of one clock, hours apart, part by so much.
_DRIFT = 1e-4


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source (None: the network visit) says of the clock, or the `problem` that stands for it."""

    source: str | None
    visit: Visit
    estimate: ClockEstimate | None
    problem: Verdict | None = None


def clock_readings(visit: Visit, logins: Logins, policy: Mapping[str, Any]) -> tuple[Reading, ...]:
    """The clock as each source saw it; sources that agree are one reading, the surer for it."""
    slack = policy["clock_agreement_slack"]
    samples = as_list(as_mapping(visit.facts.get("clock")).get("samples"))
    network = Reading(None, visit, estimate_clock(samples, slack))
    if not logins.visits:
        return (network,)
    found: list[Reading] = []
    for answer in logins.answers("clock"):
        if answer.problem is not None or answer.at is None:
            found.append(Reading(answer.source, visit, None, answer.problem))
            continue
        own = as_list(answer.data.get("samples"))
        seen = Visit({}, answer.at, "clock_sample_missing")
        reading = Reading(answer.source, seen, estimate_clock(own, slack))
        if visit.at is not None and believable(network.estimate) and believable(reading.estimate):
            apart = abs((answer.at - visit.at).total_seconds())
            both = estimate_clock([*samples, *own], slack + _DRIFT * apart)
            if both is not None and both.agree:
                return (replace(reading, estimate=both),)
        found.append(reading)
    return (*found, network) if visit.at is None else (network, *found)


def best_estimate(readings: Sequence[Reading]) -> ClockEstimate | None:
    """The estimate that a person is told of: a login reads the device's own clock, the network perhaps a proxy's."""
    ordered = sorted(readings, key=lambda reading: reading.source is None)
    return next((found for found in (believable(reading.estimate) for reading in ordered) if found), None)


def judge_clocks(
    readings: Sequence[Reading],
    certificates: Sequence[tuple[str, Link]],
    policy: Mapping[str, Any],
    now: datetime,
) -> list[Verdict]:
    """clock_offset, one verdict for each reading."""
    return [
        replace(
            reading.problem or judge_clock(reading.visit, reading.estimate, certificates, policy, now),
            source=reading.source,
        )
        for reading in readings
    ]


def judge_clock(
    visit: Visit,
    estimate: ClockEstimate | None,
    certificates: Iterable[tuple[str, Link]],
    policy: Mapping[str, Any],
    now: datetime,
) -> Verdict:
    """clock_offset of one source, with the uncertainty of what was read.

    Fails only where |offset| - uncertainty > tolerance, passes only where |offset| + uncertainty <= tolerance.
    """
    tolerance = policy["clock_offset_tolerance"]
    expected = {"tolerance_seconds": tolerance}
    if visit.at is None:
        return Verdict(visit.missing, dict(visit.context))
    if estimate is None:
        if visit.aborted:
            return Verdict("visit_aborted", dict(visit.context))
        return Verdict("clock_sample_missing", {}, expected)
    seen_at = visit.at.timestamp()
    observed: dict[str, Any] = {
        "offset_seconds": round(estimate.offset, 3),
        "uncertainty_seconds": round(estimate.uncertainty, 3),
        "low_seconds": round(estimate.low, 3),
        "high_seconds": round(estimate.high, 3),
        "device_time": moment_text(seen_at + estimate.offset),
        "sources": list(estimate.sources),
        "samples": estimate.count,
        "evidence": estimate.evidence,
    }
    if not estimate.agree:
        return Verdict("clock_sources_disagree", observed, expected)
    if not estimate.evidence:
        return Verdict("offset_uncertain", observed, expected)
    end_of_epoch = datetime(policy["clock_epoch_last_year"] + 1, 1, 1, tzinfo=timezone.utc).timestamp()
    if seen_at + estimate.high < end_of_epoch:
        observed["effect"] = clock_effect(estimate, certificates, now)
        return Verdict("clock_at_epoch", observed, expected)
    if -tolerance <= estimate.low and estimate.high <= tolerance:
        return Verdict("offset_within_tolerance", observed, expected)
    if estimate.low <= tolerance and estimate.high >= -tolerance:
        return Verdict("offset_uncertain", observed, expected)
    effect = clock_effect(estimate, certificates, now)
    observed["effect"] = effect
    if effect["state"] == "breaks":
        return Verdict("offset_breaks_validation", observed, expected)
    if effect["state"] == "will_break":
        return Verdict("offset_will_break_validation", observed, expected)
    return Verdict("offset_beyond_tolerance", observed, expected)
