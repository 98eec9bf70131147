# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock sample by one SNTP query (RFC 4330), for devices that are declared to serve time."""

from __future__ import annotations

import os
from dataclasses import dataclass

PORT = 123
SIZE = 48

#: Seconds from NTP's epoch (1900) to Unix's.
_UNIX_EPOCH = 2208988800
#: Version 4, mode 3 (client).
_CLIENT = 0x23
_SERVER_MODES = (4, 5)


@dataclass(frozen=True)
class Query:
    """One query. Its transmit time is random: it is our mark in the answer, and tells the device nothing of us."""

    mark: bytes

    @property
    def packet(self) -> bytes:
        """The 48 bytes to send."""
        return bytes((_CLIENT,)) + bytes(39) + self.mark


def new_query() -> Query:
    """A query that no other can be confused with."""
    return Query(os.urandom(8))


def offset(query: Query, answer: bytes, sent_at: float, received_at: float) -> tuple[float, float] | None:
    """(offset, uncertainty) in seconds, device minus vantage; None where this is no answer to the query.

    `sent_at`, `received_at`: the vantage's clock, epoch seconds. The uncertainty is half of the round trip, less what
    the device itself took, and the device's own precision.
    """
    if len(answer) < SIZE or answer[0] & 0x07 not in _SERVER_MODES or answer[24:32] != query.mark:
        return None
    arrived, left = _seconds(answer[32:40]), _seconds(answer[40:48])
    if answer[1] == 0 or arrived is None or left is None:
        return None  # kiss-o'-death: an answer without a time
    # What the times of arrival and departure contradict each other by counts as well: both may be wrong.
    round_trip = (received_at - sent_at) - (left - arrived)
    precision = answer[3] - 256 if answer[3] > 127 else answer[3]
    resolution = 2.0 ** max(-20, min(precision, 5))
    return ((arrived - sent_at) + (left - received_at)) / 2, abs(round_trip) / 2 + resolution


def _seconds(timestamp: bytes) -> float | None:
    """Epoch seconds of an NTP timestamp; None where it is not set. Times before 1970 are those after 2036."""
    whole, fraction = int.from_bytes(timestamp[:4], "big"), int.from_bytes(timestamp[4:], "big")
    if not whole:
        return None
    era = (1 << 32) if whole < _UNIX_EPOCH else 0
    return whole + era - _UNIX_EPOCH + fraction / (1 << 32)
