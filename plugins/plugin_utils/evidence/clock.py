# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the readings of a device's clock add up to, and what its error does to certificates.

Offsets are in seconds, device minus control node: negative means that the device is slow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.logins import Logins
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Certificate, Sample
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import NOTHING
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import DAY_SECONDS, instant_text

# A cheap quartz drifts by up to 100 parts per million: two readings of one clock, hours apart, part by so much.
_DRIFT = 1e-4
#: Time zones lie at whole and half hours from Greenwich (three small ones at quarters, which are left out).
_HALF_HOUR, _FURTHEST = 1800, 14 * 3600
#: A clock that is off by more than this beside whole hours is off for another reason too.
_ZONE_SLACK = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class ClockEstimate:
    """The device's offset lies between `low` and `high`.

    agree:    the readings are of one and the same clock
    evidence: at least one reading is of a kind that proves something; without one, the estimate is a hint
    sources:  what was read ("http_date", …), and `count` how many readings were used
    """

    low: float
    high: float
    agree: bool
    evidence: bool
    sources: tuple[str, ...]
    count: int

    @property
    def offset(self) -> float:
        """The middle of the interval."""
        return (self.low + self.high) / 2

    @property
    def uncertainty(self) -> float:
        """Half its width."""
        return (self.high - self.low) / 2


def _intervals(samples: Iterable[Sample], evidence: bool) -> list[tuple[float, float, str]]:
    found = []
    for sample in samples:
        offset, uncertainty = sample.offset_seconds, sample.uncertainty_seconds
        # A reading that does not say how sure it is can prove nothing.
        if offset is None or uncertainty is None or uncertainty < 0 or (sample.evidence is True) is not evidence:
            continue
        found.append((offset - uncertainty, offset + uncertainty, sample.source))
    return found


def estimate_clock(samples: Sequence[Sample], slack: float) -> ClockEstimate | None:
    """One interval from all readings; None without any.

    Each reading says "between offset - uncertainty and offset + uncertainty"; where all can be right at once, the
    truth is in their intersection (Marzullo's rule, as NTP's clock selection, RFC 5905 section 11.2.1). Readings
    that miss each other by up to `slack` seconds were taken a moment apart: the truth is then somewhere in the span
    of all of them. Beyond that they are not of one clock (a proxy's Date header, for one), and nothing is concluded.
    Readings that are no evidence are used only where there are no others.
    """
    evidence = True
    intervals = _intervals(samples, True)
    if not intervals:
        evidence = False
        intervals = _intervals(samples, False)
    if not intervals:
        return None
    low, high = max(item[0] for item in intervals), min(item[1] for item in intervals)
    agree = low - high <= slack
    if low > high:
        low, high = min(item[0] for item in intervals), max(item[1] for item in intervals)
    sources = tuple(sorted({item[2] for item in intervals if item[2]}))
    return ClockEstimate(low, high, agree, evidence, sources, len(intervals))


def believable(estimate: ClockEstimate | None) -> ClockEstimate | None:
    """The estimate where it can be told to a person as the device's clock."""
    return estimate if estimate is not None and estimate.agree and estimate.evidence else None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source (None: the network visit) says of the clock, or the `problem` that stands for it.

    damaged: the places in what it says that could not be read
    """

    source: str | None
    visit: Visit
    estimate: ClockEstimate | None
    problem: Verdict | None = None
    damaged: tuple[str, ...] = ()


def clock_readings(visit: Visit, logins: Logins, policy: Mapping[str, Any]) -> tuple[Reading, ...]:
    """The clock as each source saw it; sources that agree are one reading, the surer for it."""
    slack = policy["clock_agreement_slack"]
    samples = visit.facts.samples
    network = Reading(None, visit, estimate_clock(samples, slack), damaged=visit.facts.damaged_in("clock"))
    if not logins.visits:
        return (network,)
    found: list[Reading] = []
    for answer in logins.answers("clock"):
        if answer.problem is not None or answer.at is None:
            found.append(Reading(answer.source, visit, None, answer.problem))
            continue
        own = answer.data.samples
        seen = Visit(NOTHING, answer.at, "clock_sample_missing")
        reading = Reading(answer.source, seen, estimate_clock(own, slack), damaged=answer.damaged)
        if visit.at is not None and believable(network.estimate) and believable(reading.estimate):
            apart = abs((answer.at - visit.at).total_seconds())
            both = estimate_clock([*samples, *own], slack + _DRIFT * apart)
            if both is not None and both.agree:
                return (replace(reading, estimate=both, damaged=(*network.damaged, *reading.damaged)),)
        found.append(reading)
    return (*found, network) if visit.at is None else (network, *found)


def best_estimate(readings: Sequence[Reading]) -> ClockEstimate | None:
    """The estimate that a person is told of: a login reads the device's own clock, the network perhaps a proxy's."""
    ordered = sorted(readings, key=lambda reading: reading.source is None)
    return next((found for found in (believable(reading.estimate) for reading in ordered) if found), None)


def zone_seconds(estimate: ClockEstimate, tolerance: float) -> int | None:
    """How many seconds of whole or half hours the offset is, where the clock would be right without; else None.

    So far off is a clock whose local time is written, or was set, as GMT.
    """
    nearest = round(estimate.offset / _HALF_HOUR) * _HALF_HOUR
    slack = min(tolerance, _ZONE_SLACK)
    if not 0 < abs(nearest) <= _FURTHEST or estimate.low < nearest - slack or estimate.high > nearest + slack:
        return None
    return abs(nearest)


def device_sees(estimate: ClockEstimate, link: Certificate, now: float) -> str | None:
    """What the device's own clock makes of a certificate: valid, expired or not_yet_valid; None without dates."""
    if link.not_before is None or link.not_after is None:
        return None
    device_now = now + estimate.offset
    if device_now > link.not_after.timestamp():
        return "expired"
    return "not_yet_valid" if device_now < link.not_before.timestamp() else "valid"


def device_clock(estimate: ClockEstimate | None, link: Certificate, now: datetime) -> dict[str, Any] | None:
    """How the device's clock sees a certificate, for a finding's `observed`; None where the clock is not known."""
    if estimate is None:
        return None
    return {
        "offset_seconds": round(estimate.offset, 3),
        "uncertainty_seconds": round(estimate.uncertainty, 3),
        "sees": device_sees(estimate, link, now.timestamp()),
    }


def moment_text(seconds: float) -> str | None:
    """Seconds since 1970 as RFC 3339; None outside of the years of the calendar."""
    try:
        return instant_text(_EPOCH + timedelta(seconds=seconds))
    except OverflowError:
        return None


def clock_effect(
    estimate: ClockEstimate, certificates: Iterable[tuple[str, Certificate]], now: datetime
) -> dict[str, Any]:
    """What this offset does to the validation of the certificates that the device presents or must check.

    `certificates` are (endpoint label, certificate). Only those that are valid in truth count: of the others the
    clock is not the cause. Returns {"state", ...}:

    - breaks: for at least one, the device's time is surely outside of its validity; "sees" says on which side.
    - will_break: not yet, and the clock is a day or more off, so that renewing on the planned date does not help:
      a fast clock calls the first certificate expired at "at"; a slow one refuses a renewed certificate for
      "refused_seconds", at the latest from "at" on.
    - holds: "margin_seconds" is how much further the clock may drift, the same way, before the first refusal.
    - unknown: no valid certificate is known.
    """
    present = now.timestamp()
    device_low, device_high = present + estimate.low, present + estimate.high
    first_end: tuple[float, str, Certificate] | None = None
    margin: float | None = None
    for label, link in certificates:
        if link.not_before is None or link.not_after is None:
            continue
        start, end = link.not_before.timestamp(), link.not_after.timestamp()
        if not start <= present <= end:
            continue
        if device_low > end or device_high < start:
            sees = "expired" if device_low > end else "not_yet_valid"
            return {"state": "breaks", "sees": sees, **_which(label, link)}
        left = end - device_high if estimate.offset > 0 else device_low - start
        margin = left if margin is None else min(margin, left)
        if first_end is None or end < first_end[0]:
            first_end = (end, label, link)
    if first_end is None or margin is None:
        return {"state": "unknown"}
    end, label, link = first_end
    if estimate.low >= DAY_SECONDS:
        return {
            "state": "will_break",
            "sees": "expired",
            "at": moment_text(end - estimate.offset),
            **_which(label, link),
        }
    if estimate.high <= -DAY_SECONDS:
        return {
            "state": "will_break",
            "sees": "not_yet_valid",
            "at": moment_text(end),
            "refused_seconds": round(-estimate.offset, 3),
            **_which(label, link),
        }
    return {"state": "holds", "margin_seconds": round(max(margin, 0.0), 3)}


def _which(label: str, link: Certificate) -> dict[str, Any]:
    return {
        "endpoint": label,
        **link.identity(),
        "not_before": None if link.not_before is None else instant_text(link.not_before),
        "not_after": None if link.not_after is None else instant_text(link.not_after),
    }
