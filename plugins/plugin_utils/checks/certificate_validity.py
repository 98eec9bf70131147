# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on a certificate's dates (annex 1, item 1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import ClockEstimate, device_clock
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts, unreadable
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import (
    DAY_SECONDS,
    instant_text,
    whole_days,
)

#: Annex 1 item 1 says 90 days, whatever the lifetime: always shown beside the window that is used.
LITERAL_WINDOW_DAYS = 90


def renewal_windows(lifetime_seconds: float, policy: Mapping[str, Any]) -> tuple[float, float]:
    """(plan, urgent): the seconds before the end of validity from which a renewal is planned, and is urgent.

    "relative": min(plan_days, lifetime x plan_fraction), and likewise urgent; "fixed": the days as they are.
    """
    plan, urgent = policy["plan_days"] * DAY_SECONDS, policy["urgent_days"] * DAY_SECONDS
    if policy["renewal_window"] == "fixed":
        return plan, urgent
    return min(plan, lifetime_seconds * policy["plan_fraction"]), min(
        urgent, lifetime_seconds * policy["urgent_fraction"]
    )


def _days(seconds: float) -> float:
    days = round(seconds / DAY_SECONDS, 2)
    return int(days) if days == int(days) else days


def judge_validity(
    facts: EndpointFacts, policy: Mapping[str, Any], now: datetime, clock: ClockEstimate | None
) -> Verdict:
    """certificate_validity: the leaf's own dates against `now`, never the device's own clock (RFC 5280, 4.1.2.5)."""
    unseen = facts.certificate_unseen()
    if unseen:
        return unseen
    leaf = facts.chain[0]
    start, end = leaf.not_before, leaf.not_after
    if start is None or end is None:
        return unreadable(leaf)
    lifetime = (end - start).total_seconds()
    left = (end - now).total_seconds()
    plan, urgent = renewal_windows(lifetime, policy)
    observed = leaf.identity()
    observed.update(
        not_before=instant_text(start),
        not_after=instant_text(end),
        lifetime_days=whole_days(lifetime),
        days_left=whole_days(left),
        literal_90_days=left < LITERAL_WINDOW_DAYS * DAY_SECONDS,
    )
    sees = device_clock(clock, leaf, now)
    if sees:
        observed["device_clock"] = sees
    expected = {
        "renewal_window": policy["renewal_window"],
        "window_days": _days(plan),
        "urgent_window_days": _days(urgent),
        "literal_window_days": LITERAL_WINDOW_DAYS,
        "plan_from": instant_text(_before(end, plan)),
    }
    due = end.date().isoformat()
    if left < 0:
        return Verdict("expired", observed, expected, due)
    if now < start:
        return Verdict("not_yet_valid", observed, expected)
    if left < urgent:
        return Verdict("expires_urgently", observed, expected, due)
    if left < plan:
        return Verdict("expires_within_window", observed, expected, due)
    return Verdict("valid", observed, expected)


def _before(moment: datetime, seconds: float) -> datetime:
    try:
        return moment - timedelta(seconds=seconds)
    except OverflowError:
        return moment


CHECK = ("certificate_validity", "certificate", lambda facts, s: judge_validity(facts, s.policy, s.now, s.clock))
