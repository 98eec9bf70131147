# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments as observations write them."""

from __future__ import annotations

from datetime import datetime, timezone

#: From the beginning of year 1 to the end of year 9999.
_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0


def in_calendar(moment: float) -> bool:
    """Whether `iso` can write it: a zone can carry a time of year 1 or 9999 out of the calendar."""
    return _FIRST <= moment <= _LAST


def iso(moment: float, precision: str = "milliseconds") -> str:
    """Epoch seconds as ISO 8601 in UTC. `precision`: milliseconds | seconds."""
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec=precision).replace("+00:00", "Z")
