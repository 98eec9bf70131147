# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on the device's clock: how far off, how surely, and what that does to certificates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import (
    ClockEstimate,
    Reading,
    clock_effect,
    moment_text,
    zone_seconds,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import Subject
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Certificate


def judge_clocks(
    readings: Sequence[Reading],
    certificates: Sequence[tuple[str, Certificate]],
    policy: Mapping[str, Any],
    now: datetime,
) -> list[Verdict]:
    """clock_offset, one verdict for each reading."""
    return [
        replace(
            reading.problem or judge_clock(reading.visit, reading.estimate, certificates, policy, now),
            source=reading.source,
            damaged=reading.damaged,
        )
        for reading in readings
    ]


def judge_clock(
    visit: Visit,
    estimate: ClockEstimate | None,
    certificates: Iterable[tuple[str, Certificate]],
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
    observed["zone_seconds"] = zone_seconds(estimate, tolerance)
    if effect["state"] == "breaks":
        return Verdict("offset_breaks_validation", observed, expected)
    if effect["state"] == "will_break":
        return Verdict("offset_will_break_validation", observed, expected)
    return Verdict("offset_beyond_tolerance", observed, expected)


def _verdicts(s: Subject) -> list[Verdict]:
    links = [
        (facts.label or "", link) for facts in (*s.own, *s.files, *s.peers) for link in facts.chain if link.readable
    ]
    return judge_clocks(s.clocks, links, s.policy, s.now)


CHECK = ("clock_offset", "device", _verdicts)
