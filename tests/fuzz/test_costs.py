# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs made to be expensive: what grows with the square of its size shows here, in CPU-seconds and in memory."""

from __future__ import annotations

import contextlib
import gc
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.http import read_answer
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.lines import telnet_login
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance import http as appliance_http
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.dialogue import hold
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import (
    Allowance,
    SessionFailed,
    says_locked,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock import http_date
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls import negotiation, starttls
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import ServerFlight
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.words import TlsNotBegun, WrongProtocol
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile_book import ProfileBook
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import signatures
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import describe_certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.host_names import name_match
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.names import name_key, name_text
from fuzz import der_tree
from fuzz.fakes import FakeStream, run
from fuzz.hostile import certificates, message, records, server_hello
from fuzz.targets import CORPUS

NOW = datetime(2026, 11, 22, 17, tzinfo=timezone.utc)
#: The most that `max_bytes` lets a device say on one connection.
MOST = 262144
#: CPU-seconds that the dearest may cost. They cost a tenth of it; what grew with the square cost ten times as much.
SECONDS = 1.0


def _spent(function: Callable[[], Any]) -> float:
    begun = time.process_time()
    function()
    return time.process_time() - begun


# -- on the wire


def _feed(data: bytes, size: int) -> ServerFlight:
    flight = ServerFlight(MOST)
    for at in range(0, len(data), size):
        flight.feed(data[at : at + size])
        if flight.finished:
            break
    return flight


_BIG = certificates(b"\x30\x83\x03\x0d\x40" + bytes(200_000))
FLIGHTS = {
    "one certificate": (records(server_hello() + _BIG + message(14)), True),
    "in records of one byte": (records(server_hello() + certificates(bytes(40_000)) + message(14), size=1), True),
    "ten thousand certificates": (
        records(server_hello() + certificates(*[b"0123456789"] * 10_000) + message(14)),
        True,
    ),
    "without end": (records(server_hello() + _BIG[:4] + bytes(MOST)), False),
    "small messages": (records(server_hello() + message(22, b"\x00") * 60_000), False),
    "warnings": (records(b"\x01\x70" * 100_000, 21), False),
    "empty records": (b"\x16\x03\x03\x00\x00" * 52_000, False),
}


@pytest.mark.parametrize("size", [1, 1448, 16384])
@pytest.mark.parametrize("name", sorted(FLIGHTS))
def test_a_long_flight_costs_little(name: str, size: int) -> None:
    data, sound = FLIGHTS[name]
    begun = time.process_time()
    flight = _feed(data, size)
    assert time.process_time() - begun < SECONDS
    assert flight.finished
    assert (flight.problem is None and flight.chain is not None) is sound


@pytest.mark.parametrize("name", sorted(FLIGHTS))
def test_a_long_flight_holds_little(name: str) -> None:
    data, _sound = FLIGHTS[name]
    gc.collect()
    tracemalloc.start()
    try:
        flight = _feed(data, 16384)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert flight.finished
    # Records, messages and certificates: three copies at most at any moment.
    assert peak < 4 * MOST


DIALOGUES = {
    "smtp": b"220-\n" * 50_000,
    "imap": b"* OK\r\n" + b"\n" * MOST,
    "ftp": b"220-\r\n" + b"\n" * MOST,
    "ldap": b"\x30\x84\x00\x00\x1f\xff" + bytes(MOST),
}


@pytest.mark.parametrize("service", sorted(DIALOGUES))
def test_a_long_dialogue_costs_little(service: str) -> None:
    def talk() -> None:
        for seed in range(4):
            stream = FakeStream(DIALOGUES[service], 0, random.Random(seed))
            with pytest.raises(TlsNotBegun):
                run(starttls.start_tls(stream, service))

    assert _spent(talk) < SECONDS


def test_empty_tds_packets_cost_little() -> None:
    stream = negotiation._TdsStream(FakeStream(b"\x12\x01\x00\x08\0\0\0\0" * 30_000, 0, random.Random(1)))
    with pytest.raises(WrongProtocol):
        run(stream.receive())


def test_tds_packets_of_one_byte_cost_little() -> None:
    packets = b"\x12\x01\x00\x09\0\0\0\0x" * (MOST // 9)
    stream = negotiation._TdsStream(FakeStream(packets, 0, random.Random(3)))
    said = bytearray()

    def listen() -> None:
        while piece := run(stream.receive()):
            said.extend(piece)

    assert _spent(listen) < 2 * SECONDS
    assert len(said) == MOST // 9


ANSWERS = {
    "header of one line": b"HTTP/1.1 200 OK\r\n" + b"x" * MOST,
    "many lines": b"HTTP/1.1 200 OK\r\n" + b"a:b\r\n" * 50_000,
    "many dates": b"HTTP/1.1 200 OK\r\n" + b"Date:\r\n" * 2_000 + b"\r\n" + bytes(60_000),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    "empty lines": b"\r\n" * 130_000,
}


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_a_long_answer_costs_little(name: str) -> None:
    data = ANSWERS[name]

    def read() -> None:
        # As many pieces as its bytes can come in when each has a record and a segment of its own.
        for end in range(0, 80_000, 400):
            if http_date.whole(data[:end], "GET"):
                break
        http_date.parse(data)

    assert _spent(read) < SECONDS


# -- logins


class _Flood:
    """A command line that greets, and answers the first command with the same words for ever, in pieces of a size."""

    def __init__(self, words: bytes, size: int) -> None:
        self._words, self._size, self._at = words * (size // len(words) + 2), size, 0
        self._round = len(words)
        self._greeting: list[bytes | None] = [b"dev> ", None]
        self._asked = False

    def send(self, _text: str) -> None:
        self._asked = True

    def receive(self, _seconds: float) -> bytes | None:
        if self._greeting or not self._asked:
            return self._greeting.pop(0) if self._greeting else None
        start = self._at % self._round
        self._at += self._size
        return self._words[start : start + self._size]


@pytest.mark.parametrize("size", [1, 7, 16384])
@pytest.mark.parametrize("words", [b"x\ndev> ", b"-", b"\x1b[1;1;", b"\r ", b"\x08 ", b"--More"])
def test_a_command_line_without_end_costs_little(words: bytes, size: int) -> None:
    device = {"ssh": dict(ProfileBook().get("generic_cli").ssh), "questions": {"clock": "show clock"}}
    with pytest.raises(SessionFailed, match="without coming to an end"):
        begun = time.process_time()
        hold(_Flood(words, size), device, {}, Allowance(5.0, time.monotonic() + 60))
    # A fifth of this; every piece looked at as a whole would cost minutes.
    assert time.process_time() - begun < 5 * SECONDS


@pytest.mark.parametrize("header", ["a" * 65_000, 'a="' * 20_000, "digest " * 9_000, "a = " * 16_000, '"\\' * 30_000])
def test_a_long_challenge_costs_little(header: str) -> None:
    device = {"user": "biomed", "http": {"authentication": "digest"}}
    visit = appliance_http._Visit(device, {"password": "x"}, Allowance(1.0, time.monotonic() + 30), None)
    answer: Any = SimpleNamespace(status=401, headers=SimpleNamespace(get_all=lambda _name: ["Digest " + header]))

    def read() -> None:
        with contextlib.suppress(SessionFailed):
            visit._digest_challenge(answer)

    assert _spent(read) < SECONDS


@pytest.mark.parametrize("size", [1, 7, 16384])
@pytest.mark.parametrize(
    "words", [b"x\nlogin:  ", b"\x1b[1;1;", b"too many failed ", b"\xff\xfd\x18", b"account is now "]
)
def test_a_login_without_end_costs_little(words: bytes, size: int) -> None:
    line: Any = _Flood(words, size)
    line._greeting, line._asked = [], True

    def ask() -> None:
        with contextlib.suppress(SessionFailed):
            telnet_login(line, {"account": "a"}, "b", Allowance(5.0, time.monotonic() + 60), lambda: None)

    assert _spent(ask) < 5 * SECONDS


@pytest.mark.parametrize(
    "text", ["too many failed " * 4_000, "too many - " * 6_000, "account is now " * 4_000, '"\\' * 30_000]
)
def test_a_long_page_costs_little(text: str) -> None:
    headers = SimpleNamespace(get_all=lambda _name: [text] * 100, get=lambda _name: text)

    def read() -> None:
        read_answer(401, headers, text)
        says_locked(text, None)

    assert _spent(read) < SECONDS


# -- certificates


def _element(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + der_tree.definite(len(content)) + content


def _read(folder: str, name: str) -> bytes:
    return (CORPUS / folder / f"seed-{name}.bin").read_bytes()


LEAF, ISSUING, ROOT = _read("describe", "leaf"), _read("pki", "issuing"), _read("pki", "root")
_COMMON_NAME = bytes.fromhex("0603550403")
_ALT_NAMES, _CONSTRAINTS = bytes.fromhex("0603551d11"), bytes.fromhex("0603551d1e")
_ISSUER, _SUBJECT, _KEY = 3, 5, 6


def _fields(forest: der_tree.Forest) -> list[der_tree.Node]:
    certificate = (forest.root.children or [])[0]
    return (certificate.children or [])[0].children or []


def _parsed(element: bytes) -> der_tree.Node:
    return (der_tree.parse(element).root.children or [])[0]


def with_field(der: bytes, place: int, element: bytes) -> bytes:
    """The certificate with one field of its TBSCertificate replaced."""
    forest = der_tree.parse(der)
    _fields(forest)[place] = _parsed(element)
    return forest.encode()


def with_extensions(der: bytes, *extensions: bytes) -> bytes:
    """The certificate with these extensions in the place of those of the same type, or added."""
    forest = der_tree.parse(der)
    found = (_fields(forest)[7].children or [])[0].children
    assert found is not None
    added = [_parsed(extension) for extension in extensions]
    kinds = {(node.children or [])[0].encode() for node in added}
    found[:] = [node for node in found if (node.children or [])[0].encode() not in kinds] + added
    return forest.encode()


def extension(kind: bytes, value: bytes, critical: bytes = b"") -> bytes:
    return _element(0x30, kind + critical + _element(0x04, value))


def name(*texts: bytes, kind: bytes = _COMMON_NAME) -> bytes:
    return _element(0x30, b"".join(_element(0x31, _element(0x30, kind + _element(0x0C, text))) for text in texts))


def _numbered(count: int) -> list[bytes]:
    return [bytes((0x06, 0x03, 0x29, index >> 7 & 0x7F, index & 0x7F)) for index in range(count)]


def _marks(index: int) -> bytes:
    """A name whose marks have to be put in order before it can be compared."""
    return name(b"%d" % index + "\u0315\u0300".encode() * 14_500)


_MANY_ATTRIBUTES = name(*[b""] * 5_000, kind=b"\x06\x01\x29")
_TINY_NAMES = extension(_ALT_NAMES, _element(0x30, b"\x82\x01a" * 15_000))

CERTIFICATES = {
    "marks that must be put in order": with_field(LEAF, _SUBJECT, _marks(9)),
    "5000 attributes": with_field(LEAF, _SUBJECT, _MANY_ATTRIBUTES),
    "a name of control characters": with_field(LEAF, _SUBJECT, name(bytes(60_000))),
    "a name that grows when it is compared": with_field(LEAF, _SUBJECT, name("\ufdfa".encode() * 20_000)),
    "15,000 names": with_extensions(LEAF, _TINY_NAMES),
    "10,000 addresses": with_extensions(
        LEAF, extension(_ALT_NAMES, _element(0x30, b"\x87\x04\x0a\x00\x00\x01" * 10_000))
    ),
    "5000 extensions": with_extensions(LEAF, *[extension(kind, b"") for kind in _numbered(5_000)]),
    "4000 critical extensions": with_extensions(
        LEAF, *[extension(kind, b"", b"\x01\x01\xff") for kind in _numbered(4_000)]
    ),
    "a megabyte": LEAF + bytes(1_000_000),
    "300 nested sequences": LEAF[:-300] + b"\x30\x80" * 150,
}


@pytest.fixture(autouse=True)
def _fresh_memory() -> Iterator[None]:
    """What was remembered of an earlier input must not make this one cheap."""
    gc.collect()
    yield


@pytest.mark.parametrize("case", sorted(CERTIFICATES))
def test_a_hostile_certificate_costs_little_to_read(case: str) -> None:
    def read() -> None:
        entry = describe_certificate(CERTIFICATES[case])
        name_match(entry, ["echo-004.hopital.example", "10.1.1.1"] * 5, "10.20.1.14")

    assert _spent(read) < SECONDS


def _keyed(index: int, subject: bytes) -> bytes:
    """An authority of this name, issued by that name, with a key of its own that verifies nothing."""
    der = with_field(with_field(ISSUING, _SUBJECT, subject), _ISSUER, subject)
    forest = der_tree.parse(der)
    key = (_fields(forest)[_KEY].children or [])[1]
    key.content = key.content[:-2] + index.to_bytes(2, "big")
    return forest.encode()


_SELF = name(b"X")
_LONG_SELF = name(*[b"a"] * 200)
_PERMITTED = _element(0x30, _element(0xA0, _element(0x30, b"\x82\x01b") * 6_000 + _element(0x30, b"\x82\x01a")))

CHAINS = {
    "marks on every link": [
        with_field(LEAF, _ISSUER, _marks(0)),
        *[with_field(ISSUING, _SUBJECT, _marks(index)) for index in range(6)],
    ],
    "5000 attributes on every link": [
        with_field(LEAF, _ISSUER, _MANY_ATTRIBUTES),
        *[with_field(ISSUING, _SUBJECT, _MANY_ATTRIBUTES)] * 3,
    ],
    "60 authorities that issued each other": [
        with_field(LEAF, _ISSUER, _SELF),
        *[_keyed(index, _SELF) for index in range(60)],
    ],
    "60 of them with long names": [
        with_field(LEAF, _ISSUER, _LONG_SELF),
        *[_keyed(index, _LONG_SELF) for index in range(60)],
    ],
    "6000 constraints on 15,000 names": [
        with_extensions(LEAF, _TINY_NAMES),
        with_extensions(ISSUING, extension(_CONSTRAINTS, _PERMITTED)),
    ],
    "4000 critical extensions": [CERTIFICATES["4000 critical extensions"], ISSUING],
    "a path length of 3000 digits": [
        LEAF,
        with_extensions(
            ISSUING,
            extension(bytes.fromhex("0603551d13"), _element(0x30, b"\x01\x01\xff" + _element(2, b"\x7f" * 3000))),
        ),
    ],
}


@pytest.mark.parametrize("signed", [False, True], ids=["forged", "signed"])
@pytest.mark.parametrize("case", sorted(CHAINS))
def test_a_hostile_chain_costs_little_to_judge(case: str, signed: bool) -> None:
    chain = CHAINS[case]
    real = signatures.verify
    verify = (lambda *_parts: True) if signed else real
    with mock.patch.object(signatures, "verify", verify):
        begun = time.process_time()
        verdict = TrustJudge([ROOT], chain[1:]).judge(chain, NOW)
        assert time.process_time() - begun < SECONDS
    assert len(verdict["detail"]) < 4000


def test_what_is_remembered_of_hostile_names_stays_small() -> None:
    gc.collect()
    tracemalloc.start()
    try:
        before, _peak = tracemalloc.get_traced_memory()
        for index in range(12):
            hostile = name(*[b"x%05d" % index] * 800)
            assert name_text(hostile) and name_key(hostile)
        gc.collect()
        after, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Remembering those names would take a megabyte and more.
    assert after - before < 300_000
