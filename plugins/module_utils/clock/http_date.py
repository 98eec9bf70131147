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
#: How much of a page is read after its headers, so that our end is a FIN and no reset.
MAX_BODY_BYTES = 65536
#: Interim answers that are read over, and how much of one tells that it is one.
_MAX_INTERIM, _MAX_STATUS_LINE = 4, 64
#: The Date header counts whole seconds.
_RESOLUTION = 1.0
#: nginx completes the handshake without the client certificate that it requires, and says so in the page.
_CERTIFICATE_MISSING = b"No required SSL certificate was sent"


@dataclass(frozen=True)
class HttpAnswer:
    """What an answer says. `date`: epoch seconds as written; `proxied`: the clock may be somebody else's.

    `certificate_missing`: the page says that a client certificate is required.
    """

    status: int
    date: float | None
    proxied: bool
    certificate_missing: bool = False


def request(method: str, path: str, name: str, port: int) -> bytes:
    """A minimal HTTP/1.1 request that asks for the connection to be closed."""
    host = f"[{name}]" if ":" in name else name
    lines = (
        f"{method} {path} HTTP/1.1",
        f"Host: {host}" if port == 443 else f"Host: {host}:{port}",
        "User-Agent: biomed-cert-hygiene",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii", "replace")


def whole(data: bytes, method: str) -> bool:
    """Whether nothing more is to be read of this answer (RFC 9112, 6.3), or enough was."""
    head, end, body = _final(data)
    if not end:
        return len(data) >= MAX_HEADER_BYTES
    status, headers = _headers(head)
    if method == "HEAD" or status in (None, 204, 304) or len(body) >= MAX_BODY_BYTES:
        return True
    size = headers.get("content-length", [""])[0]
    return size.isascii() and size.isdigit() and len(body) >= int(size[:9])


def parse(data: bytes) -> HttpAnswer | None:
    """Read the headers; None where this is no HTTP answer."""
    head, _end, body = _final(data)
    status, headers = _headers(head[:MAX_HEADER_BYTES])
    if status is None:
        return None
    dates = headers.get("date", [])
    return HttpAnswer(
        status=status,
        date=_epoch(dates[0]) if dates else None,
        # A cache's or proxy's marks (RFC 9110, 7.6.3; RFC 9111, 5.1), or two clocks in one answer.
        proxied="via" in headers or "age" in headers or len(set(dates)) > 1,
        certificate_missing=_CERTIFICATE_MISSING in body,
    )


def _final(data: bytes) -> tuple[bytes, bytes, bytes]:
    """(headers, their end, body) of the answer proper: a few interim ones (1xx) may come first (RFC 9110, 15.2)."""
    head, end, body = data.partition(b"\r\n\r\n")
    for _interim in range(_MAX_INTERIM):
        status, _fields = _headers(head[:_MAX_STATUS_LINE])
        if not end or status is None or not 100 <= status < 200:
            break
        head, end, body = body.partition(b"\r\n\r\n")
    return head, end, body


def _headers(head: bytes) -> tuple[int | None, dict[str, list[str]]]:
    """(status, values by name in lower case); status None where this is no HTTP answer."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isascii() or not words[1].isdigit():
        return None, {}
    headers: dict[str, list[str]] = {}
    for line in lines[1:]:
        name, _colon, value = line.partition(":")
        headers.setdefault(name.strip().lower(), []).append(value.strip())
    return int(words[1][:3]), headers


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
