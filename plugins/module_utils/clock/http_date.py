# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock sample from the Date header of an HTTP answer (RFC 9110, 6.6.1): the request and the reading of it."""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass
from datetime import datetime, timezone

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

#: What follows the time of day in a date, and a year of four digits in it (asctime; `date` writes the zone before it).
_AFTER_TIME = re.compile(r"(\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:\.\d+)?)?)(.*)", re.DOTALL)
_YEAR, _COMMENT = re.compile(r"(?<![+\-\d])\d{4}(?!\d)"), re.compile(r"\([^()]*\)")
_NUMERIC_ZONE = re.compile(r"(?:GMT|UTC?)?\s*([+-])(\d{1,2}):?(\d{2})?")
#: Hours east of Greenwich. A name that two countries use (CST, IST, BST, …) is not here: it tells nothing.
_ZONES = {
    **dict.fromkeys(("", "GMT", "UTC", "UT", "Z", "WET"), 0),
    **dict.fromkeys(("CET", "MET", "MEZ", "WEST"), 1),
    **dict.fromkeys(("CEST", "MEST", "MESZ", "EET"), 2),
    "EEST": 3,
    "MSK": 3,
    "EDT": -4,
    "EST": -5,
    "CDT": -5,
    "MDT": -6,
    "MST": -7,
    "PDT": -7,
    "PST": -8,
}
#: No place on earth is further from Greenwich.
_MAX_ZONE_SECONDS = 14 * 3600
#: Marks of whoever answers in the device's place (RFC 9110, 7.6.3; RFC 9111, 5.1), whatever they say; and marks of
#: caches, with what a cache writes that has asked the device itself.
_BETWEEN = ("via", "age", "cf-cache-status", "x-cache-status", "x-proxy-cache")
_ASKED = {
    "x-cache": re.compile(r"(?!.*hit).*(miss|bypass|pass)", re.IGNORECASE),
    "x-cache-lookup": re.compile(r"(?!.*hit).*(miss|none)", re.IGNORECASE),
    # Two numbers are a hit: this request, and the one that filled the cache.
    "x-varnish": re.compile(r"\d+$"),
    "cache-status": re.compile(r"(?!.*;\s*hit).*;\s*fwd", re.IGNORECASE),
    "x-cache-hits": re.compile(r"[0,\s]+$"),
}
#: Every maker names its own: X-Drupal-Cache, X-LiteSpeed-Cache, X-FastCGI-Cache, Server-Timing's cdn-cache, …
_OF_CACHES = re.compile(r"(.*cache(?!-control|-tags?$|-key$)|server-timing$)")
_FROM_STORE = re.compile(r"hit(?![a-z])|stale\b|updating\b|revalidated\b", re.IGNORECASE)


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
        # Two dates in one answer are two clocks.
        proxied=_from_between(headers) or len(set(dates)) > 1,
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


def _from_between(headers: dict[str, list[str]]) -> bool:
    """Whether a proxy or cache says, or does not deny, that this answer is its own."""
    if any(name in headers for name in _BETWEEN):
        return True
    if any(name in headers and not asked.match(", ".join(headers[name])) for name, asked in _ASKED.items()):
        return True
    return any(
        _OF_CACHES.match(name) and _FROM_STORE.search(value)
        for name, values in headers.items()
        if name not in _ASKED
        for value in values
    )


def _epoch(text: str) -> float | None:
    """Seconds since 1970 of a date in any of its forms (RFC 9110, 5.6.7); None where it or its zone is unknown."""
    found = _AFTER_TIME.search(_COMMENT.sub(" ", text[:64]))
    if found is None:
        return None
    year = _YEAR.search(found[2])
    zone = zone_seconds(_YEAR.sub(" ", found[2], 1))
    try:
        fields = email.utils.parsedate(text[: found.start()] + found[1] + (f" {year[0]}" if year else "") + " GMT")
        # Some stacks count years from 1900 and write "126".
        if fields is None or zone is None or fields[0] < 1900:
            return None
        return datetime(*fields[:6], tzinfo=timezone.utc).timestamp() - zone
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def zone_seconds(text: str) -> int | None:
    """Seconds east of Greenwich of a zone's name or number ("CET", "+0100", "GMT+1"); None where it is unknown."""
    name = " ".join(text.split()).upper()
    if name in _ZONES:
        return _ZONES[name] * 3600
    number = _NUMERIC_ZONE.fullmatch(name)
    if number is None or int(number[3] or 0) > 59:
        return None
    seconds = int(number[2]) * 3600 + int(number[3] or 0) * 60
    return None if seconds > _MAX_ZONE_SECONDS else seconds if number[1] == "+" else -seconds


def offset(date: float, sent_at: float, received_at: float) -> tuple[float, float]:
    """(offset, uncertainty) in seconds, device minus vantage: half the round trip plus half the resolution."""
    middle = (sent_at + received_at) / 2
    return date + _RESOLUTION / 2 - middle, abs(received_at - sent_at) / 2 + _RESOLUTION / 2
