# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on a certificate's dates (annex 1, item 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import ClockEstimate, device_clock
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import (
    EndpointFacts,
    links_by_name,
    unreadable,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import (
    DAY_SECONDS,
    has_no_end,
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


@dataclass(frozen=True, slots=True)
class _End:
    """When a link of the path ends, and how near that is: 0 (not yet) to 3 (past)."""

    link: Certificate
    end: datetime
    plan: float
    urgent: float
    nearness: int


def _end_of(link: Certificate, policy: Mapping[str, Any], now: datetime) -> _End | None:
    if link.not_before is None or link.not_after is None:
        return None
    left = (link.not_after - now).total_seconds()
    plan, urgent = renewal_windows((link.not_after - link.not_before).total_seconds(), policy)
    nearness = 3 if left < 0 else 2 if left < urgent else 1 if left < plan else 0
    return _End(link, link.not_after, plan, urgent, nearness)


_REASONS = ("valid", "expires_within_window", "expires_urgently", "expired")
_AUTHORITY_REASONS = ("valid", "authority_expires_within_window", "authority_expires_urgently", "authority_expired")


def judge_validity(
    facts: EndpointFacts, policy: Mapping[str, Any], now: datetime, clock: ClockEstimate | None
) -> Verdict:
    """certificate_validity: a certificate lives as long as its chain: leaf, intermediates and anchor (RFC 5280, 6.1.3).

    Judged against `now`, never the device's own clock. The link that ends first, measured by its own renewal windows,
    is the one that counts and is named.
    """
    unseen = facts.certificate_unseen()
    if unseen:
        return unseen
    leaf = facts.chain[0]
    start, own = leaf.not_before, _end_of(leaf, policy, now)
    if start is None or own is None:
        return unreadable(leaf)
    above = (facts.path or links_by_name(facts.chain))[1:]
    ends = [own, *(end for end in (_end_of(link, policy, now) for link in above) if end is not None)]
    # Of links that are equally near their end the earliest, of those the leaf.
    first = min(ends, key=lambda end: (-end.nearness, end.end))
    left = (first.end - now).total_seconds()
    observed = leaf.identity()
    observed.update(
        not_before=instant_text(start),
        not_after=instant_text(first.end),
        lifetime_days=whole_days((first.end - (first.link.not_before or start)).total_seconds()),
        days_left=whole_days(left),
        literal_90_days=left < LITERAL_WINDOW_DAYS * DAY_SECONDS,
    )
    if first is not own:
        observed.update(
            authority=clean_text(first.link.subject),
            authority_fingerprint_sha256=first.link.fingerprint_sha256 or "",
            leaf_not_after=instant_text(own.end),
        )
    sees = device_clock(clock, leaf, now)
    if sees:
        observed["device_clock"] = sees
    expected = {
        "renewal_window": policy["renewal_window"],
        "window_days": _days(first.plan),
        "urgent_window_days": _days(first.urgent),
        "literal_window_days": LITERAL_WINDOW_DAYS,
        "plan_from": None if has_no_end(first.end) else instant_text(_before(first.end, first.plan)),
    }
    if now < start and first.nearness < 3:
        return Verdict("not_yet_valid", observed, expected)
    reason = (_REASONS if first is own else _AUTHORITY_REASONS)[first.nearness]
    return Verdict(reason, observed, expected, first.end.date().isoformat() if first.nearness else None)


def _before(moment: datetime, seconds: float) -> datetime:
    try:
        return moment - timedelta(seconds=seconds)
    except OverflowError:
        return moment


CHECK = ("certificate_validity", "certificate", lambda facts, s: judge_validity(facts, s.policy, s.now, s.clock))
