# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reading of what comes back on a hello, however it is cut."""

from __future__ import annotations

import pytest
from servers.device import alert, record

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls import suites
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (
    SSLV3,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    ServerFlight,
    Sslv2Hello,
    WireError,
    parse_certificate_message,
    sslv2_server_hello,
)

NAME = "echo-004.hopital.example"
VERSIONS = (SSLV3, TLS10, TLS11, TLS12, TLS13)


def test_an_unknown_suite_is_named_by_its_number() -> None:
    assert suites.cipher_name(0x1301) == "TLS_AES_128_GCM_SHA256"
    assert suites.cipher_name(0xFAFA) == "0xFAFA"
    assert suites.cipher_name(0xC063) == "TLS_ECDH_RSA_WITH_ARIA_256_GCM_SHA384"


# -- what comes back


def server_hello(
    version: int = TLS12, cipher: int = 0x009C, random: bytes = bytes(32), extensions: bytes = b""
) -> bytes:
    body = min(version, TLS12).to_bytes(2, "big") + random + b"\x00" + cipher.to_bytes(2, "big") + b"\x00"
    if extensions:
        body += len(extensions).to_bytes(2, "big") + extensions
    return message(2, body)


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def certificates(*ders: bytes) -> bytes:
    entries = b"".join(len(der).to_bytes(3, "big") + der for der in ders)
    return message(11, len(entries).to_bytes(3, "big") + entries)


def read(data: bytes, step: int = 0, max_bytes: int = 262144, whole: bool = True) -> ServerFlight:
    flight = ServerFlight(max_bytes, whole)
    for at in range(0, len(data), step or len(data) or 1):
        flight.feed(data[at : at + (step or len(data))])
        if flight.finished:
            break
    return flight


LEAF, ROOT = b"\x30" + bytes(900), b"\x30" + bytes(700)
MESSAGES = server_hello() + certificates(LEAF, ROOT) + message(13, b"\x01\x01\x00\x00\x00\x00") + message(14, b"")


@pytest.mark.parametrize("step", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("size", [1, 3, 100, 16384])
def test_messages_over_records_and_records_over_segments(step: int, size: int) -> None:
    data = b"".join(record(22, MESSAGES[at : at + size]) for at in range(0, len(MESSAGES), size))
    flight = read(data, step)
    assert flight.done and flight.problem is None
    assert flight.chain == (LEAF, ROOT)
    assert flight.certificate_requested is True
    assert flight.server_hello is not None and flight.server_hello.version == TLS12


def test_reading_stops_at_the_server_hello_where_no_more_is_wanted() -> None:
    flight = read(record(22, MESSAGES), whole=False)
    assert flight.done and flight.chain is None


def test_warnings_empty_records_and_a_hello_request_may_come_first() -> None:
    noise = alert(112, level=1) + record(22, b"") + record(22, message(0, b""))
    flight = read(noise + record(22, MESSAGES))
    assert flight.done and flight.warning == 112 and flight.fatal_alert is None


@pytest.mark.parametrize("data", [alert(70), alert(0, level=1), record(21, b"\x02") + record(21, b"\x46")])
def test_a_fatal_alert_or_a_close_ends_the_reading(data: bytes) -> None:
    flight = read(data + record(22, MESSAGES))
    assert flight.fatal_alert in (70, 0) and flight.server_hello is None


def test_a_hello_retry_request_names_version_cipher_and_group() -> None:
    retry = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    extensions = b"\x00\x2b\x00\x02\x03\x04" + b"\x00\x33\x00\x02\x00\x18"
    flight = read(record(22, server_hello(TLS13, 0x1302, retry, extensions)))
    assert flight.done and flight.server_hello is not None
    hello = flight.server_hello
    assert (hello.version, hello.cipher, hello.retry, hello.group) == (TLS13, 0x1302, True, 0x0018)


def test_the_downgrade_mark_is_read_only_below_tls_1_3() -> None:
    marked = read(record(22, server_hello(random=bytes(24) + b"DOWNGRD\x01"))).server_hello
    plain = read(record(22, server_hello(random=bytes(24) + b"DOWNGRD\x00"))).server_hello
    assert marked is not None and marked.downgraded_from_tls13
    assert plain is not None and not plain.downgraded_from_tls13


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no TLS record"),
        (b"220 mail.example ESMTP\r\n", "no TLS record"),
        (b"\x16\x02\x00\x00\x05hello", "no TLS record"),
        (b"\x16\x03\x01\xff\xff", "record too long"),
        (record(22, b"\x02\xff\xff\xff"), "handshake message too long"),
        (record(22, message(11, b"\x00\x00\x00")), "no ServerHello first"),
        (record(20, b"\x01"), "no ServerHello first"),
        (record(22, message(2, b"\x03\x03")), "short ServerHello"),
        (record(22, server_hello(0x0305)[:4] + b"\x09\x09" + server_hello()[6:]), "unknown version 0x0909"),
    ],
)
def test_what_is_no_tls_is_said_in_a_few_words(data: bytes, problem: str) -> None:
    flight = read(data)
    assert flight.problem == problem and flight.not_tls


def test_absurd_lengths_cost_no_memory() -> None:
    flight = ServerFlight(4096)
    flight.feed(record(22, b"\x02\x00\x0f\xff"))
    for _segment in range(64):
        flight.feed(record(22, b"") * 20)
        assert len(flight._records) + len(flight._messages) <= 4096
        if flight.finished:
            break
    assert flight.finished and flight.problem is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00\x00", b"\x00\x00\x09\x00\x00\x01", b"\x00\x00\x03\x00\x00\x00", b"\x00\x00\x04\x00\x00\x05\x30"],
)
def test_a_broken_certificate_message_is_an_error(body: bytes) -> None:
    with pytest.raises(WireError):
        parse_certificate_message(body)


def test_the_chain_is_read_as_sent_in_both_forms() -> None:
    assert parse_certificate_message(certificates(LEAF, ROOT, LEAF)[4:]) == (LEAF, ROOT, LEAF)
    entries = b"".join(len(der).to_bytes(3, "big") + der + b"\x00\x02\xab\xcd" for der in (LEAF, ROOT))
    assert parse_certificate_message(b"\x00" + len(entries).to_bytes(3, "big") + entries, tls13=True) == (LEAF, ROOT)


# -- SSLv2


def sslv2_hello(certificate: bytes = LEAF, kinds: int = 2) -> bytes:
    head = b"\x04\x00\x01\x00\x02" + len(certificate).to_bytes(2, "big") + (3 * kinds).to_bytes(2, "big") + b"\x00\x10"
    body = head + certificate + b"\x01\x00\x80" * kinds + bytes(16)
    return (0x8000 | len(body)).to_bytes(2, "big") + body


def test_an_sslv2_server_hello_gives_its_certificate_and_its_kinds() -> None:
    data = sslv2_hello()
    assert [sslv2_server_hello(data[:size]) for size in (0, 1, 5, 12, 500)] == [None] * 5
    assert sslv2_server_hello(data) == Sslv2Hello(LEAF, 2)
    assert sslv2_server_hello(sslv2_hello(b"", 0)) == Sslv2Hello(None, 0)


@pytest.mark.parametrize("data", [alert(70), b"HTTP/1.1 400", b"\x80\x03\x00\x00\x01", b"\x80\x20\x01" + bytes(40)])
def test_what_is_no_sslv2_server_hello_is_told(data: bytes) -> None:
    assert sslv2_server_hello(data) is False
