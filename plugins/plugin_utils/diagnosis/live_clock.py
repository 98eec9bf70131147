# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden rule: each side's clock, and the certificates that it calls expired or not yet valid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.case import (
    CONTROL_NODE,
    DEVICE,
    PEER,
    Case,
    Said,
    beyond,
    moved,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import (
    ClockEstimate,
    moment_text,
    zone_seconds,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import DAY_SECONDS, instant_text


def _clock_figures(case: Case, estimate: ClockEstimate) -> dict[str, Any]:
    return {
        "offset_seconds": round(estimate.offset - case.clocks.base, 3),
        "uncertainty_seconds": round(estimate.uncertainty, 3),
        "clock_shows": moment_text(case.clocks.now.timestamp() + estimate.offset),
        "tolerance_seconds": case.policy["clock_offset_tolerance"],
        "now": instant_text(case.clocks.true_now),
    }


def _refused_by(
    case: Case, estimate: ClockEstimate, links: Iterable[tuple[str | None, Certificate]]
) -> dict[str, Any] | None:
    """The first certificate, valid in truth, that a side's own clock calls expired or not yet valid."""
    true = case.clocks.true_now
    low, high = (moved(case.clocks.now, edge) for edge in (estimate.low, estimate.high))
    for label, link in links:
        start, end = link.not_before, link.not_after
        if start is None or end is None or not start <= true <= end:
            continue
        if low > end or high < start:
            return {
                "sees": "expired" if low > end else "not_yet_valid",
                "certificate_of": label,
                **link.identity(),
                "not_before": instant_text(start),
                "not_after": instant_text(end),
            }
    return None


def _links(facts: Sequence[EndpointFacts]) -> list[tuple[str | None, Certificate]]:
    return [(one.label, link) for one in facts for link in one.chain if link.readable]


def clock_said(case: Case) -> Iterator[Said]:
    clocks = case.clocks
    if clocks.own and clocks.device is not None:
        figures = {**_clock_figures(case, clocks.device), "offset_seconds": round(-clocks.base, 3)}
        yield Said("own_clock_off", CONTROL_NODE, None, figures)
    # The device checks its servers' certificates (and shows its own, which others check at their time).
    everything = _links((*case.peers, *case.own))
    yield _one_clock(case, DEVICE, None, clocks.device, everything)
    for facts in case.peers:
        yield _one_clock(case, PEER, facts.label, clocks.peers.get(facts.label or ""), _links(case.own))
    if not clocks.own:
        compared = clocks.device is not None and any(clocks.peers.values())
        right = [one for one in (clocks.device, *clocks.peers.values()) if one is not None and not beyond(case, one)]
        yield Said("own_clock_confirmed" if compared or right else "own_clock_not_compared", CONTROL_NODE)


def _one_clock(
    case: Case,
    side: str,
    label: str | None,
    estimate: ClockEstimate | None,
    links: Sequence[tuple[str | None, Certificate]],
) -> Said:
    if estimate is None:
        return Said("clock_not_read", side, label)
    figures = _clock_figures(case, estimate)
    if not beyond(case, estimate):
        return Said("clock_right", side, label, figures)
    refused = _refused_by(case, estimate, links)
    if refused is not None:
        reason = "clock_sees_expired" if refused["sees"] == "expired" else "clock_sees_not_yet_valid"
        return Said(reason, side, label, {**figures, **refused})
    # Nothing that it must check is known: what it does to certificates cannot be told.
    known = any(link.not_before is not None for _label, link in links)
    base = case.clocks.base
    day = abs(estimate.offset - base) >= DAY_SECONDS
    moved_by = replace(estimate, low=estimate.low - base, high=estimate.high - base)
    figures["zone_seconds"] = zone_seconds(moved_by, case.policy["clock_offset_tolerance"])
    reason = "clock_off" if figures["zone_seconds"] is None else "clock_in_local_time"
    return Said(reason, side, label, figures, None if known and not day else "medium")
