# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzz targets: each is a function of bytes that feeds one parser of what devices send, and checks what comes out.

A target raises (AssertionError, or whatever the parser let out) where something is wrong, and returns the shape of
the result: a small value that is new when the input did something new, which tells the fuzzer what to keep.
How the bytes are cut into pieces, and all else that is drawn, depends on the bytes alone: an input that fails, fails
again.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import itertools
import json
import math
import random
import ssl
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest import mock

from ansible_collections.biomed.cert_hygiene.plugins.module_utils import _http_date, _sntp, _starttls, _visit
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._connection import PeerReset
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._event_loop import DeadlineExpired
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._services import KNOWN_SERVICES
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_handshake import HandshakeFailed, TlsSession
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_random import random_clock_sample
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_wire import (
    TLS12,
    TLS13,
    ServerFlight,
    WireError,
    parse_certificate_message,
    sslv2_server_hello,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils import _revocation, _signatures, _x509
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._assess import assess_device
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._certificates import describe_certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._checklist import find_reason
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._der import DerError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._interpret import (
    VantageClock,
    certificates_of,
    intermediates_of,
    interpret,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._names import name_match
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._policy import load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._texts import finding_actions, finding_message
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._trust import TrustJudge
from fuzz.fakes import FakeDevice, FakeSession, FakeStream, TlsPeer, pieces, run
from fuzz.hostile import Material
from fuzz.mutate import split_chain, split_script

CORPUS = Path(__file__).resolve().parent / "corpus"
NOW = datetime(2026, 11, 22, 17, tzinfo=timezone.utc)
MAX_BYTES = 262144

#: A preamble reads so much and one more receipt before it says that this is another protocol.
_MAX_SAID = 8192 + 2 * 16384

Shape = Any


@dataclass(frozen=True)
class Target:
    """`form`: how inputs are damaged (see mutate). `seeds`: the folders of the corpus that inputs are made of."""

    name: str
    function: Callable[[bytes], Shape]
    form: str = "raw"
    tokens: tuple[bytes, ...] = ()
    seeds: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """How much longer than the smallest it is worth fuzzing."""
        return 4 if self.form in ("der", "chain", "flight", "script") else 1

    @property
    def folders(self) -> tuple[Path, ...]:
        return tuple(CORPUS / folder for folder in dict.fromkeys((self.name, *self.seeds)))

    def inputs(self) -> list[bytes]:
        """The seeds, and what earlier runs found worth keeping."""
        return [path.read_bytes() for folder in self.folders for path in sorted(folder.glob("*.bin"))]


TARGETS: dict[str, Target] = {}


def target(
    form: str = "raw", tokens: tuple[bytes, ...] = (), seeds: tuple[str, ...] = ()
) -> Callable[[Callable[[bytes], Shape]], Callable[[bytes], Shape]]:
    def register(function: Callable[[bytes], Shape]) -> Callable[[bytes], Shape]:
        TARGETS[function.__name__] = Target(function.__name__, function, form, tokens, seeds)
        return function

    return register


def _rng(data: bytes) -> random.Random:
    return random.Random(zlib.crc32(data))


def _is_safe_json(value: Any) -> str:
    """What is written to a file that others read: no NaN, no lone surrogate."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode("utf-8")
    return text


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


_RECORDS = (
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


@target("flight", _RECORDS)
def flight(data: bytes) -> Shape:
    """The first flight says the same however it is cut into pieces, and holds no more than it may."""
    data = data[:MAX_BYTES]
    for whole in (True, False):
        states = []
        for cut in ([data], pieces(data, _rng(data))):
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


@target("flight", _RECORDS, seeds=("flight",))
def small_flight(data: bytes) -> Shape:
    """With a small max_bytes the reader stops soon after it."""
    reader, fed = ServerFlight(4096), 0
    for piece in pieces(data, _rng(data)):
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
        _is_safe_json(sample)
        assert sample["evidence"] is False
        assert abs(sample["offset_seconds"]) <= 86401
    return sample is not None


# -- words before TLS


def _preamble(service: str, data: bytes) -> Shape:
    rng = _rng(data)
    stream = FakeStream(data, rng.randrange(3), rng)
    receipts = -(-len(data) // 1) + 4
    try:
        carrier = run(_starttls.start_tls(stream, service))
        outcome = "started"
    except (_starttls.StartTlsRefused, _starttls.WrongProtocol) as refusal:
        assert len(refusal.said) <= _MAX_SAID
        _is_safe_json(_visit.printable(refusal.said))
        return type(refusal).__name__, stream.sent
    except (_starttls.ConnectionClosed, PeerReset, DeadlineExpired) as ended:
        return type(ended).__name__, stream.sent
    assert stream.receipts <= receipts and stream.sent < 400
    with contextlib.suppress(PeerReset, DeadlineExpired, _starttls.WrongProtocol):
        while run(carrier.receive()):
            outcome = "spoke on"
    return outcome, stream.sent


_WORDS = {
    "smtp": (b"220 ", b"220-", b"250 ", b"250-STARTTLS\r\n", b"421 no\r\n", b"\r\n", b"\n", b"220"),
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
    "ftp": (b"220 ", b"220-", b"234 ok\r\n", b"234-", b"530 no\r\n", b"\n"),
    "ldap": (b"\x30\x84\xff\xff\xff\xff", b"\x30\x80", b"\x30\x0c\x02\x01\x01\x78", b"\x0a\x01\x00", b"\x78\x07"),
    "rdp": (b"\x03\x00\x00\x13", b"\x03\x00\xff\xff", b"\x0e\xd0", b"\x02\x00\x08\x00\x01\x00\x00\x00"),
    "postgres": (b"S", b"N", b"E"),
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
    rng = _rng(data)
    carrier = _starttls._TdsStream(FakeStream(data, 0, rng))
    said, receipts = b"", 0
    try:
        while piece := run(carrier.receive()):
            said += piece
            receipts += 1
    except _starttls.WrongProtocol:
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
    answer = _http_date.parse(data)
    if answer is None:
        return None
    assert 0 <= answer.status <= 999
    if answer.date is not None:
        assert math.isfinite(answer.date)
        offset, uncertainty = _http_date.offset(answer.date, NOW.timestamp(), NOW.timestamp() + 0.2)
        assert math.isfinite(offset) and 0 < uncertainty < 2
    return answer.date is None, answer.proxied


@target("raw", (b"\x24", b"\x00" * 8, b"\xff" * 8, b"\x83\xaa\x7e\x80\0\0\0\0"))
def sntp(data: bytes) -> Shape:
    """The answer to an SNTP query: only what carries our mark, and never a sample that is surer than it may be."""
    sent_at = NOW.timestamp()
    found = _sntp.offset(_sntp.Query(b"our mark"), data, sent_at, sent_at + 0.25)
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


@target("script", _RECORDS, seeds=("flight",))
def visit(data: bytes) -> Shape:
    """A whole visit of one device: nothing gets out, whatever each of its connections brings."""
    head, flights = split_script(data)
    service = KNOWN_SERVICES[head[0] % len(KNOWN_SERVICES)]
    rng = _rng(data)
    fake = FakeDevice(flights, rng)
    depth = ("normal", "handshake", "quick")[head[1] % 3]
    settings = _visit.Settings(depth=depth, pause=0.0, connection_budget=12)
    device = {
        "name": "echo-004",
        "names": ["echo-004.hopital.example", "b.example"] if head[1] & 4 else [],
        "endpoints": [{"port": 443, "service": service}, {"port": 8443, "service": "https"}],
        "ports": [{"port": 21}],
    }

    async def at_once() -> None:
        return

    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.object(_visit.Connection, "open", fake.open))
        if not head[1] & 8:
            patches.enter_context(mock.patch.object(_visit, "TlsSession", FakeSession))
        raw = run(_visit.DeviceVisit(device, 2, "127.0.0.1", settings, at_once).run())
    assert raw["outcome"] in ("observed", "unreachable", "aborted"), raw["outcome"]
    assert (raw["reason"] is None) == (raw["outcome"] == "observed"), raw["reason"]
    for endpoint in raw["endpoints"]:
        assert endpoint["connections"] <= 12
        # Nothing that went wrong is left without a word.
        assert endpoint["outcome"] in ("tls", "silent", "reset", "closed", "refused") or endpoint["error"], endpoint
        assert len(endpoint["error"] or "") < 1000
        assert _is_safe_json(endpoint["error"]).isascii() or "\u2026" in endpoint["error"]
    observation = _interpreted(raw)
    outcomes = tuple(
        (endpoint["outcome"], endpoint["handshake"], endpoint["client_certificate"], bool(endpoint["chain"]))
        for endpoint in observation["endpoints"]
    )
    return raw["outcome"], raw["reason"], outcomes, bool(raw["clock"]["samples"])


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
    peer = TlsPeer(_server(tls13, asks), script, _rng(data))
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


# -- certificates

_DER_TOKENS = (
    b"\x30\x80",
    b"\x30\x84\x7f\xff\xff\xff",
    b"\x06\x03\x55\x1d\x11",
    b"\x1f\x81\x00",
    b"\x02\x00",
    b"\x03\x00",
)


@target("der", _DER_TOKENS)
def describe(data: bytes) -> Shape:
    """One entry of a chain: never an exception, always text that can be written, and the truth where it is known."""
    entry = describe_certificate(data)
    _is_safe_json(entry)
    assert base64.b64decode("".join(entry["pem"].split("\n")[1:-2])) == data
    for key in ("subject", "issuer"):
        assert not any(ord(char) < 32 or ord(char) == 127 for char in entry.get(key) or ""), entry[key]
    if "error" in entry:
        assert set(entry) == {"error", "fingerprint_sha256", "pem"}
        return "error", "".join(char for char in entry["error"] if not char.isdigit())
    for names in ([], ["echo-004.hopital.example", "10.20.1.14"]):
        assert name_match(entry, names, "10.20.1.14") in (True, False, None)
    _agrees_with_cryptography(data, entry)
    return entry["key"]["type"], entry["signature_algorithm"], tuple(entry.get("unreadable", ())), entry["is_ca"]


def _agrees_with_cryptography(data: bytes, entry: dict[str, Any]) -> None:
    """Where a strict reader reads a certificate, ours says the same of it."""
    from cryptography import x509

    if "unreadable" in entry or len(data) > 8192:
        return
    try:
        certificate = x509.load_der_x509_certificate(data)
        serial, end = certificate.serial_number, certificate.not_valid_after_utc
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return
    assert int(entry["serial_number"], 16) == serial
    assert entry["not_after"] == end.replace(tzinfo=None).isoformat() + "Z"
    with contextlib.suppress(x509.ExtensionNotFound):
        assert entry["is_ca"] == extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with contextlib.suppress(x509.ExtensionNotFound):
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert entry["names"]["dns"] == names.get_values_for_type(x509.DNSName)


@functools.cache
def _pki() -> tuple[bytes, bytes]:
    return (CORPUS / "pki" / "seed-root.bin").read_bytes(), (CORPUS / "pki" / "seed-issuing.bin").read_bytes()


@functools.cache
def _judge() -> TrustJudge:
    root, issuing = _pki()
    return TrustJudge([root], [issuing], [(CORPUS / "crl" / "seed-two.bin").read_bytes()])


@functools.cache
def _sound_bodies() -> frozenset[bytes]:
    """The signed part of every certificate that the authorities of the corpus signed."""
    chains = [split_chain(path.read_bytes()) for path in (CORPUS / "chain").glob("seed-*.bin")]
    ders = [der for chain in chains for der in chain] + list(_pki())
    return frozenset(_x509.parse_certificate(der).tbs for der in ders)


_STATUSES = {
    "trusted",
    "self_signed",
    "unknown_authority",
    "incomplete_chain",
    "expired_in_chain",
    "not_yet_valid_in_chain",
    "bad_signature",
    "revoked",
    "not_assessed",
}


@target("chain", _DER_TOKENS, seeds=("chain",))
def judge(data: bytes) -> Shape:
    """The trust in a chain: a verdict for any bytes, and never `trusted` for what no authority signed."""
    chain = split_chain(data)
    verdict = _judge().judge(chain, NOW)
    _is_safe_json(verdict)
    assert verdict["status"] in _STATUSES
    assert len(verdict["detail"]) < 4000
    if verdict["status"] == "trusted":
        assert _x509.parse_certificate(chain[0]).tbs in _sound_bodies(), "a false pass"
    return verdict["status"], verdict["cause"]


@target("chain", _DER_TOKENS, seeds=("chain",))
def judge_unsigned(data: bytes) -> Shape:
    """The same where every signature fits, so that what lies behind the signatures is reached too."""
    with mock.patch.object(_signatures, "verify", lambda *_parts: True):
        root, issuing = _pki()
        unsigned = TrustJudge([root], [issuing], [(CORPUS / "crl" / "seed-two.bin").read_bytes()])
        verdict = unsigned.judge(split_chain(data), NOW)
    _is_safe_json(verdict)
    assert verdict["status"] in _STATUSES
    return verdict["status"], verdict["cause"], verdict["revocation"]["status"]


@target("der", _DER_TOKENS)
def crl(data: bytes) -> Shape:
    """A revocation list."""
    try:
        found = _revocation.parse_crl(data)
    except DerError as error:
        return "".join(char for char in str(error) if not char.isdigit())
    assert len(found.entries) <= len(data)
    return found.partial, found.foreign, bool(found.entries), found.next_update is None


# -- from bytes to the observation


def _endpoint(chain: list[bytes], rng: random.Random) -> dict[str, Any]:
    return {
        "port": 443,
        "service": "https",
        "outcome": "tls",
        "versions": {},
        "negotiated": None,
        "client_certificate": "unknown",
        "chain_der": [base64.b64encode(der).decode() for der in chain],
        "server_name": None,
        "handshake": rng.choice(("completed", "not_tried")),
        "error": None,
        "connections": 2,
    }


def _interpreted(raw: dict[str, Any]) -> dict[str, Any]:
    # All that the control node does with what came back.
    root, _issuing = _pki()
    judge_of_run = TrustJudge([root], intermediates_of(certificates_of([raw])))
    card = {"name": "echo-004", "names": ["echo-004.hopital.example"], "address": "10.20.1.14"}
    observation = interpret(raw, card, judge_of_run, "localhost", NOW, VantageClock(0.1, 0.1))
    _is_safe_json(observation)
    return observation


@target("chain", _DER_TOKENS, seeds=("chain",))
def whole_observation(data: bytes) -> Shape:
    """A raw observation whose chains are hostile becomes an observation."""
    rng = _rng(data)
    chain = split_chain(data)
    cut = rng.randrange(len(chain) + 1)
    observation = _interpreted(_raw([_endpoint(chain[:cut], rng), _endpoint(chain[cut:], rng)], data))
    return tuple(
        (endpoint["trust"]["status"], endpoint["name_match"], len(endpoint["chain"]) > 1)
        for endpoint in observation["endpoints"]
    )


def _raw(endpoints: list[dict[str, Any]], data: bytes) -> dict[str, Any]:
    return {
        "device": "echo-004",
        "started_at": "2026-11-22T17:00:00.000Z",
        "finished_at": "2026-11-22T17:00:01.000Z",
        "outcome": "observed",
        "reason": None,
        "connections": 2,
        "bytes_sent": 10,
        "bytes_received": len(data),
        "endpoints": endpoints,
        "ports": {},
        "clock": {
            "samples": [
                {
                    "source": "http_date",
                    "endpoint": "https:443",
                    "offset_seconds": float(struct.unpack(">i", data[:4].rjust(4, b"\0"))[0]),
                    "uncertainty_seconds": 0.6,
                    "evidence": True,
                }
            ]
        },
    }


@target("chain", _DER_TOKENS, seeds=("chain",))
def assessed(data: bytes) -> Shape:
    """From hostile chains to findings and their words: no exception, no unlisted reason, no false pass."""
    chain = split_chain(data)
    raw = _raw([_endpoint(chain, _rng(data))], data)
    observation = _interpreted(raw)
    card = {
        "name": "echo-004",
        "address": "10.20.1.14",
        "names": ["echo-004.hopital.example"],
        "endpoints": [{"port": 443, "service": "https"}],
        "consent": True,
    }
    findings = assess_device(card, [observation], _policy(), NOW)
    _is_safe_json(findings)
    trust = observation["endpoints"][0]["trust"]["status"]
    for finding in findings:
        assert find_reason(finding["check"], finding["reason"]), finding
        if finding["status"] == "pass":
            assert finding["check"] != "certificate_trust" or trust == "trusted", finding
            assert (
                not finding["check"].startswith("certificate_")
                or "error" not in observation["endpoints"][0]["chain"][0]
            )
        for language in ("fr", "en"):
            words = [finding_message(finding, language), *finding_actions(finding, language)]
            assert all(isinstance(text, str) and len(text) < 5000 for text in words)
            _is_safe_json(words)
    return tuple(finding["reason"] for finding in findings if finding["check"].startswith("certificate_"))


@functools.cache
def _policy() -> dict[str, Any]:
    return load_policy()


def each() -> Iterator[Target]:
    """Every target, in the order of their names."""
    yield from (TARGETS[name] for name in sorted(TARGETS))
