# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a line of a log was written, in the ways in which services write it."""

from __future__ import annotations

import calendar
import re
import time
from datetime import datetime

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import in_calendar

_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_STAMPS = (
    (re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)?"), "iso"),
    (re.compile(r"(\d{4})[/.](\d\d)[/.](\d\d) (\d\d):(\d\d):(\d\d)"), "ymd"),
    (
        re.compile(r"\[?(?:[A-Z][a-z]{2} )([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.\d+)? (\d{4})\]?"),
        "apache",
    ),
    (re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) "), "syslog"),
    (re.compile(r"\[(\d{4})(\d\d)(\d\d)-(\d\d):(\d\d):(\d\d)"), "ymd"),
    (re.compile(r"^[EWIDTF](\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\."), "glog"),
    (re.compile(r"(\d{10})(?:\.\d+)?[: ]"), "epoch"),
)


def stamp(line: str, year: int) -> float | None:
    """When the line was written, as epoch seconds; local times are read in the zone of this machine."""
    head = line[:80]
    for pattern, kind in _STAMPS:
        found = pattern.search(head)
        if not found:
            continue
        try:
            moment = _moment(kind, found, year)
            return moment if in_calendar(moment) else None
        except (ValueError, OverflowError, KeyError):
            return None
    return None


def _moment(kind: str, found: re.Match[str], year: int) -> float:
    if kind == "epoch":
        return float(found[1])
    if kind == "syslog":
        return _local(year, _MONTHS[found[1]], *(int(found[index]) for index in (2, 3, 4, 5)))
    if kind == "glog":
        return _local(year, *(int(found[index]) for index in range(1, 6)))
    if kind == "apache":
        return _local(int(found[6]), _MONTHS[found[1]], *(int(found[index]) for index in (2, 3, 4, 5)))
    parts = [int(found[index]) for index in range(1, 7)]
    if kind == "iso" and found[7]:
        zone = "+00:00" if found[7] == "Z" else found[7]
        zone = zone if ":" in zone else zone[:3] + ":" + zone[3:]
        text = "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*parts) + zone
        return datetime.fromisoformat(text).timestamp()
    return _local(*parts)


def _local(year: int, month: int, day: int, hour: int, minute: int, second: int) -> float:
    return time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
