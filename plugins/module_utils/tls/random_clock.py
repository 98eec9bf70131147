# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock hint in ServerHello.random: the first four bytes are the time on some old stacks (RFC 5246, 7.4.1.2).

Most stacks fill them at random. So it is believed only when two hellos agree with each other and lie within a day of
real time, and it is never evidence of a failure by itself.
"""

from __future__ import annotations

from typing import Any

_DAY = 86400.0
_AGREEMENT = 2.0


def looks_like_a_clock(at: float, random: bytes) -> bool:
    """Whether one ServerHello.random may hold the time: a random number does once in 25,000."""
    return abs(int.from_bytes(random[:4], "big") - at) <= _DAY


def random_clock_sample(randoms: list[tuple[float, bytes]], endpoint: str) -> dict[str, Any] | None:
    """A clock sample from [(vantage time, ServerHello.random), …], or None."""
    offsets = [int.from_bytes(random[:4], "big") - at for at, random in randoms]
    believable = len(randoms) >= 2 and all(looks_like_a_clock(at, random) for at, random in randoms)
    if not believable or max(offsets) - min(offsets) > _AGREEMENT:
        return None
    return {
        "source": "tls_random",
        "endpoint": endpoint,
        "offset_seconds": round(sum(offsets) / len(offsets) + 0.5, 3),
        "uncertainty_seconds": 1.5,
        "evidence": False,
    }
