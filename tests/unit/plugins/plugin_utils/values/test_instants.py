# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments and end dates at the edges of the calendar: read, and never a crash."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.time_zone import judge_time_zone
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import TimeZone
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import (
    NO_END,
    has_no_end,
    instant_text,
    parse_instant,
    parse_limit,
    require_aware,
    whole_days,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.labels import until_text

WEST, EAST = timezone(timedelta(hours=-12)), timezone(timedelta(hours=14))


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        ("2027-11-20", "2027-11-20T00:00:00Z", "2027-11-20T23:59:59Z"),
        ("20271120", "2027-11-20T00:00:00Z", "2027-11-20T23:59:59Z"),
        ("2027-11-20T10:00:00+02:00", "2027-11-20T08:00:00Z", "2027-11-20T08:00:00Z"),
        ("9999-12-31", "9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z"),
        (date.max, "9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z"),
        (datetime.max, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        (datetime.max.replace(tzinfo=WEST), "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        (date(1000, 1, 1), "1000-01-01T00:00:00Z", "1000-01-01T23:59:59Z"),
        (date(999, 1, 1), "0999-01-01T00:00:00Z", "0999-01-01T23:59:59Z"),
        (date.min, "0001-01-01T00:00:00Z", "0001-01-01T23:59:59Z"),
        (datetime.min.replace(tzinfo=EAST), None, None),
        ("2027-02-29", None, None),
        ("10000-01-01", None, None),
        ("", None, None),
        (20271120, None, None),
        (None, None, None),
    ],
)
def test_a_limit_at_any_place_of_the_calendar(value: Any, first: str | None, last: str | None) -> None:
    for end_of_day, expected in ((False, first), (True, last)):
        moment = parse_limit(value, end_of_day=end_of_day)
        assert (None if moment is None else instant_text(moment)) == expected


@pytest.mark.parametrize(
    ("value", "endless"),
    [
        ("2900-01-01", True),
        ("9999-12-31", True),
        ("2999-12-31", True),
        ("3000-01-01", True),
        ("2899-12-31", False),
        ("2027-01-01", False),
    ],
)
def test_what_people_write_for_no_end(value: str, endless: bool) -> None:
    assert has_no_end(parse_instant(value)) is endless
    assert (until_text(value, "fr") == "sans date de fin") is endless
    assert (until_text(value, "en") == "without an end date") is endless
    assert until_text("2027-01-09", "fr") == "jusqu'au 09/01/2027" and until_text("2027-01-09", "en").startswith(
        "until 9 "
    )


@pytest.mark.parametrize(
    "clock", [NO_END, datetime(1, 1, 1, tzinfo=timezone.utc), datetime(9996, 2, 29, tzinfo=timezone.utc)]
)
@pytest.mark.parametrize("zone", ["Europe/Paris", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_a_device_whose_clock_stands_at_the_end_of_the_calendar_has_a_time_zone(clock: datetime, zone: str) -> None:
    verdict = judge_time_zone({"time_zone": "Europe/Paris"}, TimeZone(name=zone), clock)
    assert verdict.reason == ("time_zone_right" if zone == "Europe/Paris" else "time_zone_wrong")


@pytest.mark.parametrize("now", [None, "2026-11-22", date(2026, 11, 22), datetime(2026, 11, 22)])
def test_now_without_a_zone_is_no_now(now: Any) -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        require_aware(now)
    aware = datetime(2026, 11, 22, 2, tzinfo=EAST)
    assert require_aware(aware).isoformat() == "2026-11-21T12:00:00+00:00"


@pytest.mark.parametrize(
    ("seconds", "days"), [(86399, 0), (86400, 1), (863999, 9), (864000, 10), (-86400, -1), (-1, 0)]
)
def test_whole_days(seconds: float, days: int) -> None:
    assert whole_days(seconds) == days
