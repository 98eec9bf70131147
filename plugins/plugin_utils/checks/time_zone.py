# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on a device's time zone, as a login tells it (annex 1, item 2)."""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import from_login
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import TimeZone
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text


@functools.lru_cache(maxsize=256)
def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _inside(moment: datetime) -> datetime:
    """A clock at either end of the calendar, moved in far enough for zones and the year ahead (into leap years)."""
    return moment.replace(year=min(max(moment.year, 4), 9996))


def _offset(zone: zoneinfo.ZoneInfo, moment: datetime) -> int:
    found = _inside(moment).astimezone(zone).utcoffset()
    return 0 if found is None else int(found.total_seconds())


@functools.lru_cache(maxsize=1024)
def _first_difference(one: str, other: str, day: datetime) -> datetime | None:
    """The first day of the year ahead on which two known zones do not show the same time; None where there is none."""
    zones = _zone(one), _zone(other)
    for ahead in range(366):
        moment = day + timedelta(days=ahead, hours=12)
        if zones[0] is not None and zones[1] is not None and _offset(zones[0], moment) != _offset(zones[1], moment):
            return moment
    return None


def offset_name(seconds: int) -> str:
    """An offset from UTC as "+01:00"."""
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def judge_time_zone(device: Mapping[str, Any], data: TimeZone, device_now: datetime) -> Verdict:
    """time_zone: the device shows the hospital's local time, today and over the year ahead.

    device_now: the device's own time when it was asked, by which it chose between summer and winter time
    """
    expected_name = device.get("time_zone")
    name = data.name or None
    shown = None if data.utc_offset_seconds is None else int(data.utc_offset_seconds)
    observed: dict[str, Any] = {
        "zone": name if name else "?" if shown is None else f"UTC{offset_name(shown)}",
        "utc_offset": None if shown is None else offset_name(shown),
    }
    if not isinstance(expected_name, str) or not expected_name:
        return Verdict("time_zone_not_declared", observed)
    expected: dict[str, Any] = {"time_zone": clean_text(expected_name)}
    wanted, own = _zone(expected_name), None if name is None else _zone(name)
    if wanted is None:
        return Verdict("time_zone_right" if name == expected_name else "time_zone_unknown", observed, expected)
    due = _offset(wanted, device_now)
    expected["expected_utc_offset"] = offset_name(due)
    if shown is not None and shown != due:
        observed["name_matches"] = name == expected_name
        return Verdict("time_zone_wrong", observed, expected)
    if name == expected_name:
        return Verdict("time_zone_right", observed, expected)
    if own is None:
        # An offset alone: right today, and all that this device can tell.
        return Verdict("time_zone_unknown" if shown is None else "time_zone_right", observed, expected)
    day = _inside(device_now).astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    differs = _first_difference(str(name), expected_name, day)
    if differs is None:
        return Verdict("time_zone_right", observed, expected)
    if differs - day > timedelta(days=1):
        observed["differs_from"] = instant_text(differs)
    return Verdict("time_zone_wrong", observed, expected)


CHECK = (
    "time_zone",
    "device",
    from_login("time_zone", lambda s, told: judge_time_zone(s.device, told.data, s.device_time(told.at))),
)
