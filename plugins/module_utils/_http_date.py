# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock sample from the Date header of an HTTP answer (RFC 9110, 6.6.1): the request and the reading of it."""

from __future__ import annotations

import email.utils
from dataclasses import dataclass
from datetime import timezone

#: Headers longer than this are not read on.
MAX_HEADER_BYTES = 16384
#: The Date header counts whole seconds.
_RESOLUTION = 1.0


@dataclass(frozen=True)
class HttpAnswer:
    """What the headers say. `date`: epoch seconds as written; `proxied`: the clock may be somebody else's."""

    status: int
    date: float | None
    proxied: bool


def request(method: str, path: str, host: str) -> bytes:
    """A minimal HTTP/1.1 request that asks for the connection to be closed."""
    lines = (
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: biomed-cert-hygiene",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii", "replace")


def parse(data: bytes) -> HttpAnswer | None:
    """Read the headers; None where this is no HTTP answer."""
    head = data.split(b"\r\n\r\n", 1)[0][:MAX_HEADER_BYTES].decode("latin-1")
    lines = head.split("\r\n")
    words = lines[0].split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isascii() or not words[1].isdigit():
        return None
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _colon, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    return HttpAnswer(
        status=int(words[1][:3]),
        date=_epoch(headers.get("date", "")),
        # A cache's or proxy's marks (RFC 9110, 7.6.3; RFC 9111, 5.1).
        proxied="via" in headers or "age" in headers,
    )


def _epoch(text: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(text[:64])
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def offset(date: float, sent_at: float, received_at: float) -> tuple[float, float]:
    """(offset, uncertainty) in seconds, device minus vantage: half the round trip plus half the resolution."""
    middle = (sent_at + received_at) / 2
    return date + _RESOLUTION / 2 - middle, abs(received_at - sent_at) / 2 + _RESOLUTION / 2
