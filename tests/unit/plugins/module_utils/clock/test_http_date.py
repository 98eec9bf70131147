# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP Date as a clock: the request, and what an answer says and does not say."""

from __future__ import annotations

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock import http_date

GOOD = "Sun, 22 Nov 2026 17:00:00 GMT"
EPOCH = 1795366800.0


def answer(*headers: str, status: str = "HTTP/1.1 200 OK", body: str = "") -> bytes:
    return ("\r\n".join((status, *headers)) + "\r\n\r\n" + body).encode("latin-1")


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        (GOOD, EPOCH),
        ("Sunday, 22-Nov-26 17:00:00 GMT", EPOCH),  # RFC 850
        ("Sun Nov 22 17:00:00 2026", EPOCH),  # asctime
        ("Sun, 22 Nov 2026 18:00:00 +0100", EPOCH),
        ("Thu, 01 Jan 1970 00:10:00 GMT", 600.0),
        # zones by name and by number
        ("Sun, 22 Nov 2026 18:00:00 CET", EPOCH),
        ("Sun, 22 Nov 2026 19:00:00 CEST", EPOCH),
        ("Sun, 22 Nov 2026 12:00:00 EST", EPOCH),
        ("Sun, 22 Nov 2026 18:00:00 +01:00", EPOCH),
        ("Sun, 22 Nov 2026 22:30:00 +0530", EPOCH),
        ("Sun, 22 Nov 2026 13:30:00 -03:30", EPOCH),
        ("Sun, 22 Nov 2026 17:00:00 -0000", EPOCH),
        ("Sun, 22 Nov 2026 18:00:00 GMT+1", EPOCH),
        ("Sun Nov 22 2026 18:00:00 GMT+0100 (CET)", EPOCH),
        ("Sun Nov 22 18:00:00 CET 2026", EPOCH),
        ("Sunday, 22-Nov-26 18:00:00 CET", EPOCH),
        ("Sun, 22 Nov 2026 17:00:00", EPOCH),
        ("Sun, 22 Nov 2026 17:00:00 XYZ", None),
        ("Sun, 22 Nov 2026 17:00:00 CST", None),
        ("Sun, 22 Nov 2026 17:00:00 A", None),
        ("Sun, 22 Nov 2026 17:00:00 +9900", None),
        ("Sun, 22 Nov 2026 17:00:00 +0199", None),
        ("Sun, 22 Nov 2026 18:00:00 Central European Time", None),
        ("Sun, 22 Nov 2026 05:00:00 PM GMT", None),
        # odd spacing and writing
        ("Sun,22 Nov 2026 17:00:00 GMT", EPOCH),
        ("  Sun,  22  Nov  2026   17:00:00   GMT", EPOCH),
        ("sun, 22 nov 2026 17:00:00 gmt", EPOCH),
        ("Sun, 22-Nov-2026 17:00:00 GMT", EPOCH),
        ("Sun, 22 Nov 2026 17:00 GMT", EPOCH),
        ("22 Nov 2026 17:00:00 UTC", EPOCH),
        ("So, 22 Dez 2026 17:00:00 GMT", None),
        ("Sun, 22 Nov 126 17:00:00 GMT", None),
        ("dim., 22 nov. 2026 17:00:00 GMT", None),
        ("", None),
        ("yesterday", None),
        ("Sun, 99 Nov 2026 17:00:00 GMT", None),
        ("Sun, 22 Nov 2026 97:00:00 GMT", None),
        ("Sun, 22 Nov 99999 17:00:00 GMT", None),
        ("0", None),
        ("-1", None),
        ("\xb2\xb2 \xff", None),
    ],
)
def test_dates_in_every_form_of_the_standard_and_wrong_ones(date: str, seconds: float | None) -> None:
    found = http_date.parse(answer(f"Date: {date}"))
    assert found is not None and found.status == 200
    assert found.date == seconds


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP",
        b"\x16\x03\x01",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 \xb2\r\n",
    ],
)
def test_what_is_no_http_is_none(data: bytes) -> None:
    assert http_date.parse(data) is None


#: Caches have their own names, on the device or before it; what they write of a page from their store, …
HITS = (
    *("X-Drupal-Cache: HIT", "X-Litespeed-Cache: hit", "X-LiteSpeed-Cache: hit,private", "X-FastCGI-Cache: STALE"),
    *("X-Nginx-Cache: UPDATING", "X-Drupal-Dynamic-Cache: HIT", "X-Kinsta-Cache: HIT", "Surrogate-Cache-Status: Hit"),
    *("X-Cache-Remote: TCP_HIT from a1", "X-Magento-Cache-Debug: HIT", "X-Srcache-Fetch-Status: HIT"),
    *("X-Page-Cache-Status: REVALIDATED", "CDN-Cache: RefreshHit", "X-Cache-Info: hit-fresh"),
    "Server-Timing: cdn-cache; desc=HIT",
)
#: … and of one that the device has just made.
NO_HITS = (
    *("X-Drupal-Cache: MISS", "X-Litespeed-Cache: miss", "X-FastCGI-Cache: BYPASS", "X-Kinsta-Cache: EXPIRED"),
    *("X-Drupal-Dynamic-Cache: UNCACHEABLE", "X-LiteSpeed-Cache-Control: public,max-age=60", "X-Cacheable: yes"),
    *("Cache-Control: max-age=5, stale-while-revalidate=30", "X-Drupal-Cache-Tags: node:hit", "X-Cache-Key: /hit"),
    *("Server-Timing: app; dur=3", "X-Powered-By: White hit parade", "X-Cache-Enabled: True"),
)


@pytest.mark.parametrize(
    ("headers", "proxied"),
    [
        ((f"Date: {GOOD}",), False),
        ((f"Date: {GOOD}", "Via: 1.1 gateway"), True),
        ((f"Date: {GOOD}", "Age: 3"), True),
        ((f"Date: {GOOD}", "X-Cache: HIT from cache.hopital.example"), True),
        ((f"Date: {GOOD}", "X-Cache: MISS from a, HIT from b"), True),
        ((f"Date: {GOOD}", "X-Cache: MISS from a", "X-Cache: Hit from b"), True),
        ((f"Date: {GOOD}", "X-Cache: TCP_MEM_HIT"), True),
        ((f"Date: {GOOD}", "X-Cache: MISS"), False),
        ((f"Date: {GOOD}", "X-Cache: on"), True),
        ((f"Date: {GOOD}", "X-Cache-Status: MISS"), True),
        ((f"Date: {GOOD}", "X-Varnish: 32772 32769"), True),
        ((f"Date: {GOOD}", "x-varnish: 32772"), False),
        ((f"Date: {GOOD}", "Cache-Status: proxy; hit; ttl=30"), True),
        ((f"Date: {GOOD}", "Cache-Status: origin; fwd=miss, proxy;hit"), True),
        ((f"Date: {GOOD}", "Cache-Status: proxy; fwd=uri-miss"), False),
        ((f"Date: {GOOD}", "CF-Cache-Status: HIT"), True),
        ((f"Date: {GOOD}", "CF-Cache-Status: DYNAMIC"), True),
        ((f"Date: {GOOD}", "X-Cache-Hits: 0, 0"), False),
        ((f"Date: {GOOD}", "X-Cache-Hits: 0, 1"), True),
        *(((f"Date: {GOOD}", line), True) for line in HITS),
        *(((f"Date: {GOOD}", line), False) for line in NO_HITS),
        ((f"Date: {GOOD}", f"Date: {GOOD}"), False),
        ((f"Date: {GOOD}", "Date: Sun, 22 Nov 2026 16:00:00 GMT"), True),
    ],
)
def test_marks_of_a_proxy_are_seen(headers: tuple[str, ...], proxied: bool) -> None:
    found = http_date.parse(answer(*headers))
    assert found is not None and found.date == EPOCH and found.proxied is proxied


def test_an_interim_answer_is_passed_over() -> None:
    found = http_date.parse(answer(status="HTTP/1.1 103 Early Hints") + answer(f"Date: {GOOD}"))
    assert found is not None and found.status == 200 and found.date == EPOCH


def test_a_page_that_asks_for_a_client_certificate_is_seen() -> None:
    page = "<center>No required SSL certificate was sent</center>"
    found = http_date.parse(answer(status="HTTP/1.1 400 Bad Request", body=page))
    assert found is not None and found.certificate_missing


@pytest.mark.parametrize(
    ("data", "method", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\n", "GET", False),
        (answer("Content-Length: 5", body="hell"), "GET", False),
        (answer("Content-Length: 5", body="hello"), "GET", True),
        (answer("Content-Length: 5"), "HEAD", True),
        (answer(status="HTTP/1.1 204 No Content"), "GET", True),
        (answer("Transfer-Encoding: chunked", body="5\r\nhello"), "GET", False),
        (answer("Content-Length: 99999999999999999999", body="x"), "GET", False),
        (answer(body="x" * 70000), "GET", True),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * 20000, "GET", True),
        (b"nonsense\r\n\r\n", "GET", True),
        (answer(status="HTTP/1.1 100 Continue"), "GET", False),
    ],
)
def test_when_enough_of_an_answer_was_read(data: bytes, method: str, whole: bool) -> None:
    assert http_date.whole(data, method) is whole


@pytest.mark.parametrize(
    ("name", "port", "host"),
    [
        ("echo-004.hopital.example", 443, "echo-004.hopital.example"),
        ("10.20.1.14", 8443, "10.20.1.14:8443"),
        ("fe80::1", 443, "[fe80::1]"),
        ("fe80::1", 8443, "[fe80::1]:8443"),
    ],
)
def test_the_request_is_small_and_asks_for_the_end(name: str, port: int, host: str) -> None:
    request = http_date.request("HEAD", "/status", name, port).decode("ascii")
    assert request.startswith("HEAD /status HTTP/1.1\r\n") and request.endswith("\r\n\r\n")
    assert f"\r\nHost: {host}\r\n" in request and "\r\nConnection: close\r\n" in request
    assert len(request) <= 140


def test_the_uncertainty_is_half_the_round_trip_and_half_a_second() -> None:
    assert http_date.offset(1000.0, 1000.0, 1000.4) == pytest.approx((0.3, 0.7))
    assert http_date.offset(280.0, 1000.0, 1000.0) == pytest.approx((-719.5, 0.5))
