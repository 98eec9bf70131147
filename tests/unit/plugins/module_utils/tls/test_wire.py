# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of hellos, and the reading of what comes back however it is cut."""

from __future__ import annotations

import pytest
from servers.device import alert, hello_name, hello_version, record, records

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls import suites as suites
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (
    SSLV3,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    ServerFlight,
    Sslv2Hello,
    WireError,
    can_be_server_name,
    client_hello,
    further_hellos,
    parse_certificate_message,
    sslv2_client_hello,
    sslv2_server_hello,
)

NAME = "echo-004.hopital.example"
VERSIONS = (SSLV3, TLS10, TLS11, TLS12, TLS13)


# -- hellos


def offered(hello: bytes) -> list[int]:
    """The suites in a hello, less the signalling value."""
    at = 5 + 4 + 2 + 32 + 1
    size = int.from_bytes(hello[at : at + 2], "big")
    numbers = [int.from_bytes(hello[i : i + 2], "big") for i in range(at + 2, at + 2 + size, 2)]
    return [number for number in numbers if number != suites.RENEGOTIATION_INFO_SCSV]


def extension(hello: bytes, wanted: int) -> bytes | None:
    """The body of one extension."""
    at = 5 + 4 + 2 + 32 + 1
    at += 2 + int.from_bytes(hello[at : at + 2], "big") + 2
    if at == len(hello):
        return None
    at += 2
    while at < len(hello):
        number, size = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        if number == wanted:
            return hello[at + 4 : at + 4 + size]
        at += 4 + size
    return None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("length", [0, 3, 24, 40, 64, 100, 113, 114, 200, 253])
def test_no_hello_is_longer_than_255_bytes_whatever_the_name(version: int, length: int) -> None:
    name = ("a" * 50 + ".") * 5
    name = name[: length - 1] + "b" if length else None
    for hello in (
        client_hello(version, name).sent,
        client_hello(version, name, bare=True).sent,
        *further_hellos(version, name),
    ):
        assert len(hello) <= 255
        assert len(offered(hello)) >= 1
        assert int.from_bytes(hello[3:5], "big") == len(hello) - 5
        assert int.from_bytes(hello[6:9], "big") == len(hello) - 9


@pytest.mark.parametrize(("version", "most"), [(TLS13, 190), (TLS12, 174), (TLS11, 140), (TLS10, 140)])
def test_the_standard_hellos_are_small(version: int, most: int) -> None:
    assert len(client_hello(version, NAME).sent) <= most
    assert len(client_hello(version).sent) <= 150


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [NAME, "a" * 50 + "." + "b" * 60 + ".example", None])
def test_a_hello_knows_which_suites_it_offers(version: int, name: str | None) -> None:
    for hello in (
        client_hello(version, name),
        client_hello(version, name, bare=True),
        client_hello(version, brief=True),
    ):
        assert list(hello.suites) == [number for number in offered(hello.sent) if number != 0x00FF]


def test_the_two_hellos_of_a_quick_visit_stay_under_300_bytes_with_a_name_of_29_characters() -> None:
    name = "bench-00001.hospital-farm.lab"
    assert len(name) == 29
    quick = [client_hello(TLS12, name, brief=True).sent, client_hello(TLS11, name, brief=True).sent]
    assert sum(map(len, quick)) <= 300
    kinds = {suites.cipher_name(number)[:10] for number in offered(quick[1])}
    assert {"TLS_RSA_WI", "TLS_ECDHE_"} <= kinds


@pytest.mark.parametrize("version", VERSIONS)
def test_the_hello_says_its_version_and_the_record_says_no_more_than_tls_1_0(version: int) -> None:
    hello = client_hello(version, NAME).sent
    assert hello_version(hello) == version
    assert int.from_bytes(hello[1:3], "big") == min(version, TLS10)


@pytest.mark.parametrize("version", [TLS12, TLS11, TLS10])
def test_bare_and_sslv3_hellos_have_no_extension_at_all(version: int) -> None:
    assert extension(client_hello(version, NAME).sent, 0) is not None
    assert extension(client_hello(version, NAME, bare=True).sent, 0) is None
    assert len(records(client_hello(version, NAME, bare=True).sent)) == 1
    assert extension(client_hello(SSLV3, NAME).sent, 0) is None


@pytest.mark.parametrize(
    ("version", "known"),
    [
        (TLS13, set(suites.TLS13_NAMES)),
        (TLS12, set(suites.TLS12_NAMES) | set(suites.LEGACY_NAMES)),
        (TLS11, set(suites.LEGACY_NAMES)),
        (TLS10, set(suites.LEGACY_NAMES)),
        (SSLV3, set(suites.LEGACY_NAMES)),
    ],
)
def test_first_and_further_hellos_together_offer_every_suite_of_the_version(version: int, known: set[int]) -> None:
    further = list(further_hellos(version, NAME))
    everything = {number for hello in (client_hello(version, NAME).sent, *further) for number in offered(hello)}
    assert known <= everything
    assert len(further) == {TLS13: 1, TLS12: 5, TLS11: 1, TLS10: 1, SSLV3: 0}[version]
    for hello in further:
        assert len(set(offered(hello))) == len(offered(hello))


def test_further_hellos_name_the_groups_and_signatures_that_the_first_does_not() -> None:
    wide = next(further_hellos(TLS12, NAME))
    groups, signatures = extension(wide, 10) or b"", extension(wide, 13) or b""
    for brainpool in (b"\x00\x1a", b"\x00\x1b", b"\x00\x1c"):
        assert brainpool in groups
    assert b"\x08\x08" in signatures  # Ed448
    assert 0xC02B in offered(wide)  # a usual suite again, for a server with an unusual group
    assert extension(next(further_hellos(TLS13, NAME)), 51) != b"\x00\x00"  # a key share, where the first has none
    assert extension(client_hello(TLS13, NAME).sent, 51) == b"\x00\x00"


def test_static_rsa_leads_so_that_the_device_signs_nothing() -> None:
    assert suites.cipher_name(offered(client_hello(TLS12).sent)[0]).startswith("TLS_RSA_WITH_")
    assert suites.cipher_name(offered(client_hello(TLS11).sent)[0]).startswith("TLS_RSA_WITH_")


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (NAME, NAME),
        ("echo-004.hopital.example.", NAME),
        ("échographe.hopital.example", "xn--chographe-93a.hopital.example"),
        ("dev_1.hopital.example", "dev_1.hopital.example"),
        ("10.20.1.14", None),
        ("fe80::1", None),
        ("[fe80::1]", None),
        ("*.hopital.example", None),
        ("a" * 64 + ".example", None),
        ("a..b", None),
        ("", None),
        ("\udcff.example", None),
    ],
)
def test_only_host_names_are_sent_as_server_name(name: str, sent: str | None) -> None:
    assert hello_name(client_hello(TLS12, name).sent) == sent
    assert can_be_server_name(name) is (sent is not None)


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


def test_the_sslv2_hello_offers_every_cipher_kind() -> None:
    hello = sslv2_client_hello()
    assert int.from_bytes(hello[:2], "big") == 0x8000 | (len(hello) - 2)
    assert len(hello) <= 64
    for kind in suites.SSLV2_CIPHER_KINDS:
        assert kind.to_bytes(3, "big") in hello


def test_an_sslv2_server_hello_gives_its_certificate_and_its_kinds() -> None:
    data = sslv2_hello()
    assert [sslv2_server_hello(data[:size]) for size in (0, 1, 5, 12, 500)] == [None] * 5
    assert sslv2_server_hello(data) == Sslv2Hello(LEAF, 2)
    assert sslv2_server_hello(sslv2_hello(b"", 0)) == Sslv2Hello(None, 0)


@pytest.mark.parametrize("data", [alert(70), b"HTTP/1.1 400", b"\x80\x03\x00\x00\x01", b"\x80\x20\x01" + bytes(40)])
def test_what_is_no_sslv2_server_hello_is_told(data: bytes) -> None:
    assert sslv2_server_hello(data) is False
