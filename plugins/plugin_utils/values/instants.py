# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments in time as they come in and go out: RFC 3339 text at the edges, aware UTC datetimes inside."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from typing import Any

DAY_SECONDS = 86400.0
#: What people and programs write for "without end" (RFC 5280, 4.1.2.5, does so too): the last second of the calendar.
NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
# 31/12/2999 is as common as 31/12/9999; no record and no certificate of ours is meant to end in that century.
_NO_END_YEAR = 2900


def has_no_end(moment: datetime | None) -> bool:
    """Whether this end date is one that people write for "no end"."""
    return moment is not None and moment.year >= _NO_END_YEAR


def parse_instant(value: Any) -> datetime | None:
    """The UTC datetime of an ISO 8601 text (or of an aware datetime); None where it is not one.

    A text without a zone is UTC: that is what our observations write. A moment that its zone carries beyond the
    calendar is the calendar's last one.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    if value.tzinfo is timezone.utc:
        return value
    if value.tzinfo is None:
        return value.replace(tzinfo=timezone.utc)
    try:
        return value.astimezone(timezone.utc)
    except OverflowError:
        return NO_END if value.year == NO_END.year else None


def parse_limit(value: Any, *, end_of_day: bool) -> datetime | None:
    """As `parse_instant`, and a plain date stands for its first or last moment (UTC): "until 9 January" includes it."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            return parse_instant(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(23, 59, 59) if end_of_day else time(0), timezone.utc)
    return parse_instant(value)


def instant_text(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return (
        moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment.year >= 1000 else moment.replace(tzinfo=None).isoformat() + "Z"
    )


def require_aware(now: Any) -> datetime:
    """`now` as UTC; ValueError where it is not an aware datetime: a verdict never depends on the machine's zone."""
    if not isinstance(now, datetime) or now.tzinfo is None:
        raise ValueError("now: a timezone-aware datetime is needed")
    return now.astimezone(timezone.utc)


def whole_days(seconds: float) -> int:
    """Full days in a span; negative for the past (12.3 days ago is -12)."""
    return int(seconds / DAY_SECONDS)
