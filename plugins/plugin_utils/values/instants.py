# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments in time as they come in and go out: RFC 3339 text at the edges, aware UTC datetimes inside."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

DAY_SECONDS = 86400.0


def parse_instant(value: Any) -> datetime | None:
    """The UTC datetime of an ISO 8601 text (or of an aware datetime); None where it is not one.

    A text without a zone is UTC: that is what our observations write.
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
        return None


def parse_limit(value: Any, *, end_of_day: bool) -> datetime | None:
    """As `parse_instant`, and a plain date stands for its first or last moment (UTC): "until 9 January" includes it."""
    if isinstance(value, str) and len(value) == 10:
        try:
            value = date.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        start = datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
        return start + timedelta(days=1) - timedelta(seconds=1) if end_of_day else start
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
