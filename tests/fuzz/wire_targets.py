# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets: what comes over the wire before, in and after TLS."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import ssl
import struct
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock import http_date
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock import sntp as clock_sntp
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import PeerReset
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import DeadlineExpired
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls import negotiation, starttls
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.handshake import HandshakeFailed, TlsSession
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.random_clock import random_clock_sample
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (
    TLS12,
    TLS13,
    ServerFlight,
    WireError,
    parse_certificate_message,
    sslv2_server_hello,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.words import (
    ConnectionClosed,
    TlsNotBegun,
    WrongProtocol,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit import endpoint
from fuzz.fakes import FakeStream, TlsPeer, pieces, run
from fuzz.hostile import Material
from fuzz.registry import MAX_BYTES, NOW, TARGETS, Shape, Target, rng_of, safe_json, target

#: A preamble reads so much and one more receipt before it says that this is another protocol.
_MAX_SAID = 8192 + 2 * 16384


# -- TLS on the wire


def _state(flight: ServerFlight) -> tuple[Any, ...]:
    return (
        flight.server_hello,
        flight.chain,
        flight.certificate_requested,
        flight.fatal_alert,
        flight.done,
        flight.not_tls,
        flight.problem,
    )


RECORDS = (
    b"\x15\x03\x01\x00\x02\x01\x70",
    b"\x15\x03\x03\x00\x02\x02\x28",
    b"\x14\x03\x03\x00\x01\x01",
    b"\x16\x03\x03\x00\x00",
    b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00",
    b"\x17\x03\x03\x00\x00",
    b"\x16\x03\x03\xff\xff",
    b"\x00\x2b\x00\x02\x03\x04",
    b"\x00\x2b\x00\x02\x7f\x1c",
)


@target("flight", RECORDS)
def flight(data: bytes) -> Shape:
    """The first flight says the same however it is cut into pieces, and holds no more than it may."""
    data = data[:MAX_BYTES]
    for whole in (True, False):
        states = []
        for cut in ([data], pieces(data, rng_of(data))):
            reader = ServerFlight(MAX_BYTES, whole)
            for piece in cut:
                reader.feed(piece)
                held = len(reader._records) + len(reader._messages)
                assert held <= MAX_BYTES + 16384 + 2048, f"{held} bytes held"
                if reader.finished:
                    break
            assert data.startswith(reader.first_bytes) and len(reader.first_bytes) <= 256
            states.append(_state(reader))
        assert states[0] == states[1], f"cut otherwise: {states[0]} and {states[1]}"
    hello = reader.server_hello
    certificates = sum(len(der) for der in reader.chain or ())
    assert certificates <= len(data)
    return (
        hello and (hello.version, hello.retry),
        len(reader.chain or ()) > 1,
        reader.certificate_requested,
        reader.done,
        reader.problem,
    )


@target("flight", RECORDS, seeds=("flight",))
def small_flight(data: bytes) -> Shape:
    """With a small max_bytes the reader stops soon after it."""
    reader, fed = ServerFlight(4096), 0
    for piece in pieces(data, rng_of(data)):
        if reader.finished:
            break
        reader.feed(piece)
        fed += len(piece)
        held = len(reader._records) + len(reader._messages)
        assert held <= 4096 + len(piece), f"{held} bytes held"
    assert reader.finished or fed <= 4096
    return reader.problem


@target()
def sslv2(data: bytes) -> Shape:
    """What was said of the first bytes stays true when more come."""
    answers = [sslv2_server_hello(data[:size]) for size in range(min(len(data), 40) + 1)]
    told = [answer for answer in answers if answer is not None]
    assert len(set(told)) <= 1, answers
    found = sslv2_server_hello(data)
    return (found.certificate is None, found.cipher_kinds > 0) if found else found


def _certificate_message(data: bytes, tls13: bool) -> Shape:
    try:
        chain = parse_certificate_message(data, tls13)
    except WireError as error:
        return str(error)
    assert sum(map(len, chain)) <= len(data)
    assert all(der and der in data for der in chain[:20])
    return min(len(chain), 5)


@target("raw", (b"\x00\x00\x01\x30", b"\xff\xff\xff", b"\x00\x00\x00"))
def certificate_message(data: bytes) -> Shape:
    """The Certificate message of TLS 1.2."""
    return _certificate_message(data, False)


@target("raw", (b"\x00\x00\x01\x30\x00\x00", b"\xff\xff\xff", b"\x00\x00\x00"))
def certificate_message_13(data: bytes) -> Shape:
    """The Certificate message of TLS 1.3."""
    return _certificate_message(data, True)


@target()
def random_clock(data: bytes) -> Shape:
    """The clock hint in up to eight ServerHello.randoms."""
    randoms = [(NOW.timestamp() + at, data[at : at + 32]) for at in range(0, min(len(data), 256), 32)]
    sample = random_clock_sample(randoms, "https:443")
    if sample is not None:
        safe_json(sample)
        assert sample["evidence"] is False
        assert abs(sample["offset_seconds"]) <= 86401
    return sample is not None


# -- words before TLS


def _preamble(service: str, data: bytes) -> Shape:
    rng = rng_of(data)
    stream = FakeStream(data, rng.randrange(3), rng)
    receipts = -(-len(data) // 1) + 4
    try:
        carrier = run(starttls.start_tls(stream, service))
        outcome = "started"
    except TlsNotBegun as refusal:
        assert len(refusal.said) <= _MAX_SAID
        safe_json(endpoint.printable(refusal.said))
        return type(refusal).__name__, stream.sent
    except (ConnectionClosed, PeerReset, DeadlineExpired) as ended:
        return type(ended).__name__, stream.sent
    assert stream.receipts <= receipts and stream.sent < 400
    with contextlib.suppress(PeerReset, DeadlineExpired, WrongProtocol):
        while run(carrier.receive()):
            outcome = "spoke on"
    return outcome, stream.sent


_WORDS = {
    "smtp": (b"220 ", b"220-", b"250 ", b"250-STARTTLS\r\n", b"421 no\r\n", b"421-no\r\n", b"\r\n", b"\n", b"220"),
    "imap": (
        b"* OK ",
        b"* BYE no\r\n",
        b"a OK\r\n",
        b"a NO\r\n",
        b"a ",
        b"* PREAUTH x\r\n",
        b"\n",
        b"* OK {99999999}\r\n",
    ),
    "pop3": (b"+OK", b"-ERR no\r\n", b"+OK\r\n", b"\n", b"+"),
    "ftp": (b"220 ", b"220-", b"234 ok\r\n", b"234-", b"530 no\r\n", b"120 wait\r\n", b"\n"),
    "ldap": (
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x80",
        b"\x30\x0c\x02\x01\x01\x78",
        b"\x0a\x01\x00",
        b"\x78\x07",
        b"\x02\x01\x00\x78",
    ),
    "rdp": (b"\x03\x00\x00\x13", b"\x03\x00\xff\xff", b"\x0e\xd0", b"\x02\x00\x08\x00\x01\x00\x00\x00", b"\x06\x80"),
    "postgres": (b"S", b"N", b"E", b"E\x00\x00\x00\x14", b"SFATAL\x00", b"C0A000\x00", b"Mno\x00"),
    "mysql": (b"\x0a", b"\x00\x00\x00\x00", b"\xff\xff\xff\x00", b"\x17\x00\x00\x00\xff", b"\x00\x08"),
    "mssql": (b"\x04\x01\x00\x09", b"\x04\x01\xff\xff", b"\x01\xff\xff\xff\xff", b"\x04\x01\x00\x08\0\0\0\0", b"\x02"),
}
for _service, _tokens in _WORDS.items():
    _form = "lines" if _service in ("smtp", "imap", "pop3", "ftp") else "raw"
    _name = f"starttls_{_service}"
    TARGETS[_name] = Target(_name, functools.partial(_preamble, _service), _form, _tokens)


@target("raw", (b"\x12\x01\x00\x08\0\0\0\0" * 40, b"\x12\x01\x00\x00\0\0\0\0", b"\x12\x01\xff\xff\0\0\0\0"))
def tds(data: bytes) -> Shape:
    """TLS inside TDS packets: what comes out is what was inside, however it is cut."""
    inside, at = b"", 0
    while len(data) - at >= 8:
        size = max(8, int.from_bytes(data[at + 2 : at + 4], "big"))
        if at + size > len(data):
            break
        inside += data[at + 8 : at + size]
        at += size
    rng = rng_of(data)
    carrier = negotiation._TdsStream(FakeStream(data, 0, rng))
    said, receipts = b"", 0
    try:
        while piece := run(carrier.receive()):
            said += piece
            receipts += 1
    except WrongProtocol:
        assert inside.startswith(said), "other bytes"
        return "empty packets"
    assert said == inside, "other bytes"
    return min(receipts, 3), not inside


# -- applications


@target(
    "lines",
    (b"Date:", b"Via: x", b"Age:", b"HTTP/1.1 200", b"HTTP/9 \xb2\xb2\xb2", b"Date: , 99 Feb 99999 99:99:99 +9999"),
)
def http(data: bytes) -> Shape:
    """The headers of an HTTP answer."""
    answer = http_date.parse(data)
    if answer is None:
        return None
    assert 0 <= answer.status <= 999
    if answer.date is not None:
        assert math.isfinite(answer.date)
        offset, uncertainty = http_date.offset(answer.date, NOW.timestamp(), NOW.timestamp() + 0.2)
        assert math.isfinite(offset) and 0 < uncertainty < 2
    return answer.date is None, answer.proxied


@target("raw", (b"\x24", b"\x00" * 8, b"\xff" * 8, b"\x83\xaa\x7e\x80\0\0\0\0"))
def sntp(data: bytes) -> Shape:
    """The answer to an SNTP query: only what carries our mark, and never a sample that is surer than it may be."""
    sent_at = NOW.timestamp()
    found = clock_sntp.offset(clock_sntp.Query(b"our mark"), data, sent_at, sent_at + 0.25)
    if found is None:
        return None
    offset, uncertainty = found
    assert data[24:32] == b"our mark"
    assert math.isfinite(offset) and math.isfinite(uncertainty)
    # Both ways between the clocks, as the device's two times tell them, lie inside what is claimed.
    for moment, ours in ((data[32:40], sent_at), (data[40:48], sent_at + 0.25)):
        whole, fraction = struct.unpack(">II", moment)
        era = 0 if whole >= 2208988800 else 1 << 32
        told = whole + era - 2208988800 + fraction / (1 << 32) - ours
        assert abs(told - offset) <= uncertainty + 1e-3, (told, offset, uncertainty)
    return uncertainty > 1, data[0] & 7


@functools.cache
def _server(tls13: bool, asks: bool) -> ssl.SSLContext:
    material = Material()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(material.pem.name)
    context.maximum_version = ssl.TLSVersion.TLSv1_3 if tls13 else ssl.TLSVersion.TLSv1_2
    if asks:
        context.load_verify_locations(cadata=material.ec)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@target(
    "raw", (b"\x00\x00\x05HTTP/", b"\x01\x00\x07\x15\x03\x03\0\2\2\x28", b"\x02\0\3\0\x09\xff", b"\x83\0\0", b"\4\0\0")
)
def session(data: bytes) -> Shape:
    """A TLS session with a real server that is disturbed: it ends in words, and with the chain that was sent."""
    head, script, at = data[:1] or b"\0", [], 1
    while at + 3 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 3], "big")
        script.append((data[at], data[at + 3 : at + 3 + size]))
        at += 3 + size
    tls13, asks = bool(head[0] & 1), bool(head[0] & 2)
    peer = TlsPeer(_server(tls13, asks), script, rng_of(data))
    client = TlsSession(peer, "echo-004.hopital.example", TLS13 if tls13 else TLS12, 0x17)
    said = bytearray()
    outcome = "shaken hands"
    try:
        run(client.handshake())
        assert peer.done or tls13, "no server finished this"
        chain = client.chain
        assert chain and (not peer.sound or (len(chain) == 1 and len(chain[0]) > 300))
        assert not peer.sound or client.certificate_requested is asks
        run(client.send(b"GET / HTTP/1.1\r\n\r\n"))
        outcome = "asked"
        while piece := run(client.receive()):
            said += piece
            outcome = "answered"
        run(client.close())
    except HandshakeFailed as failure:
        assert failure.reason and len(failure.reason) < 200 and failure.reason.isascii()
        return outcome, failure.reason, tls13
    except (PeerReset, DeadlineExpired) as ended:
        return outcome, type(ended).__name__, tls13
    # What is said after the close_notify of the server never leaves it.
    spoken = itertools.takewhile(lambda step: step[0] & 7 != 3, script)
    sent = b"".join(words for what, words in spoken if what & 7 == 0)
    assert not peer.sound or asks or bytes(said) == sent, "other words"
    return outcome, tls13
