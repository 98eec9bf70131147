# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of a TLS hello and of what comes back: pure functions, no socket.

Sources: RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 6101 (SSLv3), the SSL 0.2 specification (SSLv2).
No hello is longer than 255 bytes: old devices hang on longer ones.
"""

from __future__ import annotations

import functools
import ipaddress
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.suites import (
    LEGACY_BRIEF,
    LEGACY_FIRST,
    LEGACY_NAMES,
    LEGACY_OTHERS,
    RENEGOTIATION_INFO_SCSV,
    SSLV2_CIPHER_KINDS,
    TLS12_BESIDE_TLS13,
    TLS12_FIRST,
    TLS12_FIXED,
    TLS12_NEGOTIATED,
    TLS13_FIRST,
    TLS13_NAMES,
    cipher_name,
)

SSLV2, SSLV3, TLS10, TLS11, TLS12, TLS13 = 0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
VERSION_NAMES = {
    SSLV2: "SSLv2",
    SSLV3: "SSLv3",
    TLS10: "TLSv1.0",
    TLS11: "TLSv1.1",
    TLS12: "TLSv1.2",
    TLS13: "TLSv1.3",
}
#: Newest first, SSLv2 apart: it has a hello of its own.
WALK_ORDER = (TLS13, TLS12, TLS11, TLS10, SSLV3)

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, CERTIFICATE_REQUEST, SERVER_HELLO_DONE = 1, 2, 11, 13, 14
SERVER_KEY_EXCHANGE = 12

HELLO_REQUEST = 0

FATAL = 2
CLOSE_NOTIFY = 0
HANDSHAKE_FAILURE = 40
PROTOCOL_VERSION = 70
INSUFFICIENT_SECURITY = 71
UNRECOGNIZED_NAME = 112

#: The longest hello, record header included.
MAX_HELLO = 255
#: A hello with fewer suites than this asks too little: the server's name is left out first.
_FEWEST_SUITES = 8

#: A record carries at most 2^14 bytes plus what a cipher adds (RFC 5246, 6.2.3); more is no TLS.
_MAX_RECORD = (1 << 14) + 2048
#: Empty records, empty messages and warnings that are read over; OpenSSL stops at 32 and at 5.
_MAX_IDLE = 64
#: Certificates of one chain that are kept; real chains have fewer than ten.
_MAX_CERTIFICATES = 64
#: ServerHello.random of a HelloRetryRequest (RFC 8446, 4.1.3).
_HELLO_RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
#: End of ServerHello.random where a TLS 1.3 server was talked down to TLS 1.2 (RFC 8446, 4.1.3).
_DOWNGRADE_FROM_TLS13 = b"DOWNGRD\x01"

_X25519 = 0x001D
#: X25519, P-256, P-384, P-521.
_GROUPS = (_X25519, 0x0017, 0x0018, 0x0019)
#: And X448, brainpool (RFC 7027).
_ALL_CURVES = (*_GROUPS, 0x001E, 0x001A, 0x001B, 0x001C)
#: And brainpool for TLS 1.3 (RFC 8734), ffdhe (RFC 7919), secp256k1, SM2 (RFC 8998), and the hybrids with ML-KEM.
_ALL_GROUPS = (*_ALL_CURVES, 0x001F, 0x0020, 0x0021, 0x0100, 0x0101, 0x0102, 0x0016, 0x0029, 0x11EC, 0x11EB)
_SIGNATURES = (0x0401, 0x0403, 0x0804, 0x0501, 0x0503, 0x0806, 0x0807, 0x0601, 0x0201, 0x0203)
#: And the rest of RSA (PKCS #1, PSS, PSS keys), ECDSA with brainpool curves, Ed448, DSA, and MD5.
_ALL_SIGNATURES = (
    *_SIGNATURES,
    *(0x0805, 0x0809, 0x080A, 0x080B, 0x0603, 0x0301, 0x0303, 0x0808, 0x081A, 0x081B, 0x081C, 0x0202, 0x0402, 0x0101),
    0x0708,
)


class WireError(ValueError):
    """Bytes that are no TLS, or no sane TLS. The text says what was wrong, never more than a few words."""


def _vector(data: bytes, length_bytes: int) -> bytes:
    return len(data).to_bytes(length_bytes, "big") + data


def _numbers(values: tuple[int, ...] | list[int], size: int = 2) -> bytes:
    return b"".join(value.to_bytes(size, "big") for value in values)


def _extension(number: int, body: bytes) -> bytes:
    return number.to_bytes(2, "big") + _vector(body, 2)


def can_be_server_name(name: str) -> bool:
    """Whether a name can be sent as SNI: no address, no wildcard, with an ASCII form (RFC 6066, 3)."""
    return bool(_server_name(name))


@functools.lru_cache(maxsize=1024)
def _server_name(name: str) -> bytes:
    """The server_name extension (RFC 6066, 3), empty where the name can't be sent."""
    try:
        ipaddress.ip_address(name.strip("[]"))
        return b""
    except ValueError:
        pass
    try:
        ascii_name = name.rstrip(".").encode("idna")
    except UnicodeError:
        return b""
    if not ascii_name or len(ascii_name) > 253 or b"*" in ascii_name:
        return b""
    return _extension(0, _vector(b"\x00" + _vector(ascii_name, 2), 2))


def default_suites(version: int) -> tuple[int, ...]:
    """What a hello for this version, and whatever is older, offers first."""
    if version == TLS13:
        # TLS 1.3 and the most common older suites in one hello: a TLS 1.2 server shows its chain at once.
        return TLS13_FIRST + TLS12_FIRST[:TLS12_BESIDE_TLS13]
    if version == SSLV3:
        # Its hello has no extensions, so that every suite fits: no second hello is ever needed.
        return tuple(LEGACY_NAMES)
    return TLS12_FIRST if version == TLS12 else LEGACY_FIRST


@dataclass(frozen=True)
class ClientHello:
    """A hello as it is sent, and the suites that it offers."""

    sent: bytes
    suites: tuple[int, ...]


def client_hello(version: int, server_name: str | None = None, bare: bool = False, brief: bool = False) -> ClientHello:
    """A ClientHello whose highest version is `version`: the server picks its own highest up to that.

    `bare` leaves every extension out, for servers older than extensions; SSLv3 never has any. `brief` saves bytes:
    below TLS 1.2 it offers the most usual suites alone. A name that would make the hello too long is not sent.
    """
    suites = default_suites(version)
    if brief and SSLV3 < version < TLS12:
        suites = suites[:LEGACY_BRIEF]
    if bare or version == SSLV3:
        return ClientHello(_hello(version, suites, b""), suites)
    extensions = _usual_extensions(version)
    named = (_server_name(server_name) if server_name else b"") + extensions
    room = _room(version, named)
    if room < min(_FEWEST_SUITES, len(suites)):
        named, room = extensions, _room(version, extensions)
    return ClientHello(_hello(version, suites[:room], named), suites[:room])


def further_hellos(version: int, server_name: str | None = None) -> Iterator[bytes]:
    """The hellos to send after "no common suite": with the first one, they offer all that the version knows.

    Every suite, every group, every signature algorithm, in as few hellos as the longest one allows.
    """
    if version == SSLV3:
        return
    groups = _ALL_CURVES if version < TLS12 else _ALL_GROUPS
    extensions = _extensions(version, groups, _ALL_SIGNATURES, _random_share())
    name = _server_name(server_name) if server_name else b""
    if _room(version, name + extensions) < _FEWEST_SUITES:
        name = b""
    negotiated, fixed = {
        TLS13: (tuple(TLS13_NAMES), ()),
        TLS12: (TLS12_NEGOTIATED, TLS12_FIXED),
    }.get(version, (LEGACY_OTHERS, ()))
    while negotiated:
        room = _room(version, name + extensions)
        batch = (negotiated + fixed)[:room]
        fixed = fixed[max(0, room - len(negotiated)) :]
        negotiated = negotiated[room:]
        yield _hello(version, batch, name + extensions)
    while fixed:
        room = _room(version, name)
        yield _hello(version, fixed[:room], name)
        fixed = fixed[room:]


def _room(version: int, extensions: bytes) -> int:
    """How many suites a hello with these extensions can hold."""
    return max(0, (MAX_HELLO - len(_hello(version, (), extensions))) // 2)


@functools.cache
def _usual_extensions(version: int) -> bytes:
    """What the first hello for a version says beside the name."""
    # Uncompressed points alone (RFC 8422, 5.1.2): some old stacks want to be told.
    return _extensions(version, _GROUPS, _SIGNATURES) + _extension(11, b"\x01\x00")


def _extensions(version: int, groups: tuple[int, ...], signatures: tuple[int, ...], share: bytes = b"") -> bytes:
    """The extensions; with a key share they offer TLS 1.3 alone, for servers that won't ask for one."""
    extensions = _extension(10, _vector(_numbers(groups), 2))
    if version >= TLS12:
        extensions += _extension(13, _vector(_numbers(signatures), 2))
    if version == TLS13:
        versions = (TLS13,) if share else (TLS13, TLS12, TLS11, TLS10)
        extensions += _extension(43, _vector(_numbers(versions), 1))
        extensions += _extension(51, _vector(share, 2))
    return extensions


def _random_share() -> bytes:
    """A key share of X25519; any 32 bytes are one."""
    return _numbers((_X25519,)) + _vector(os.urandom(32), 2)


def _hello(version: int, suites: tuple[int, ...], extensions: bytes) -> bytes:
    body = min(version, TLS12).to_bytes(2, "big") + os.urandom(32) + b"\x00"
    body += _vector(_numbers((*suites, RENEGOTIATION_INFO_SCSV)), 2) + b"\x01\x00"
    if extensions:
        body += _vector(extensions, 2)
    handshake = bytes((CLIENT_HELLO,)) + _vector(body, 3)
    # The record's own version is 3.1 at most: some old stacks look at it (RFC 8446, 5.1).
    return bytes((HANDSHAKE,)) + min(version, TLS10).to_bytes(2, "big") + _vector(handshake, 2)


def sslv2_client_hello() -> bytes:
    """An SSLv2 CLIENT-HELLO with every cipher kind and a 16 byte challenge."""
    kinds = _numbers(SSLV2_CIPHER_KINDS, 3)
    body = b"\x01" + SSLV2.to_bytes(2, "big") + _numbers((len(kinds), 0, 16)) + kinds + os.urandom(16)
    return (0x8000 | len(body)).to_bytes(2, "big") + body


@dataclass(frozen=True)
class Sslv2Hello:
    """An SSLv2 SERVER-HELLO: its certificate (None where it sends none), and how many cipher kinds it shares."""

    certificate: bytes | None
    cipher_kinds: int


def sslv2_server_hello(data: bytes) -> Sslv2Hello | Literal[False] | None:
    """The SSLv2 SERVER-HELLO; False where the bytes are none, None while too few came to tell."""
    if not data:
        return None
    if data[0] & 0x80:
        header, size = 2, int.from_bytes(data[:2], "big") & 0x7FFF
    elif data[0] < 0x14:
        header, size = 3, int.from_bytes(data[:2], "big") & 0x3FFF
    else:
        return False  # a TLS alert, or plain text
    if len(data) > header and data[header] != 4:
        return False
    if len(data) < header + 11:
        return None
    body = data[header : header + size]
    if len(body) < 11 or body[3:5] != SSLV2.to_bytes(2, "big"):
        return False
    certificate_size = int.from_bytes(body[5:7], "big")
    if len(data) < header + 11 + certificate_size <= header + size:
        return None
    certificate = body[11 : 11 + certificate_size]
    return Sslv2Hello(
        # Certificate type 1 is X.509, the only one there is.
        certificate=certificate if body[2] == 1 and certificate and len(certificate) == certificate_size else None,
        cipher_kinds=int.from_bytes(body[7:9], "big") // 3,
    )


@dataclass(frozen=True)
class ServerHello:
    """What a ServerHello says. `retry` marks a HelloRetryRequest (TLS 1.3 is spoken, a key share is missing).

    `group`: the key exchange group that a TLS 1.3 server chose.
    """

    version: int
    cipher: int
    random: bytes
    retry: bool
    group: int | None = None

    @property
    def downgraded_from_tls13(self) -> bool:
        """The server knows TLS 1.3: it marked its random. No mark proves nothing."""
        return self.version < TLS13 and self.random.endswith(_DOWNGRADE_FROM_TLS13)


def _parse_server_hello(body: bytes) -> ServerHello:
    if len(body) < 38:
        raise WireError("short ServerHello")
    version = int.from_bytes(body[0:2], "big")
    random = body[2:34]
    at = 35 + body[34]
    if len(body) < at + 3:
        raise WireError("short ServerHello")
    cipher = int.from_bytes(body[at : at + 2], "big")
    at += 3
    group = None
    if len(body) >= at + 2:
        end = at + 2 + int.from_bytes(body[at : at + 2], "big")
        at += 2
        while at + 4 <= min(end, len(body)):
            number = int.from_bytes(body[at : at + 2], "big")
            size = int.from_bytes(body[at + 2 : at + 4], "big")
            if number == 43 and size == 2:
                version = int.from_bytes(body[at + 4 : at + 6], "big")
            elif number == 51 and size >= 2:
                group = int.from_bytes(body[at + 4 : at + 6], "big")
            at += 4 + size
    if version not in VERSION_NAMES or version == SSLV2:
        raise WireError(f"unknown version 0x{version:04x}")
    return ServerHello(version=version, cipher=cipher, random=random, retry=random == _HELLO_RETRY_RANDOM, group=group)


def parse_certificate_message(body: bytes, tls13: bool = False) -> tuple[bytes, ...]:
    """The DER certificates of a Certificate message, as sent (RFC 5246, 7.4.2; RFC 8446, 4.4.2): the first 64."""
    at = 0
    if tls13:
        if not body:
            raise WireError("short Certificate")
        at = 1 + body[0]
    end = at + 3 + int.from_bytes(body[at : at + 3], "big")
    at += 3
    if end > len(body):
        raise WireError("short Certificate")
    chain: list[bytes] = []
    while at + 3 <= end and len(chain) < _MAX_CERTIFICATES:
        size = int.from_bytes(body[at : at + 3], "big")
        at += 3
        if size == 0 or at + size > end:
            raise WireError("bad certificate length")
        chain.append(body[at : at + size])
        at += size
        if tls13:
            at += 2 + int.from_bytes(body[at : at + 2], "big")
    return tuple(chain)


class ServerFlight:
    """Reads a server's first flight as it trickles in: records over segments, messages over records, alerts first.

    Feed it bytes until `finished`. It never holds more than `max_bytes` and never raises for what the peer sent:
    `problem` says in a few words what was no TLS.
    """

    def __init__(self, max_bytes: int, whole: bool = True) -> None:
        self.max_bytes = max_bytes
        #: read on to ServerHelloDone (chain and CertificateRequest), or stop at the ServerHello
        self.whole = whole
        self.server_hello: ServerHello | None = None
        self.chain: tuple[bytes, ...] | None = None
        self.certificate_requested = False
        self.fatal_alert: int | None = None
        #: the last warning, for servers that say no more than that
        self.warning: int | None = None
        #: size of the prime of an ephemeral Diffie-Hellman exchange
        self.prime_bits: int | None = None
        self.done = False
        self.not_tls = False
        self.problem: str | None = None
        self.first_bytes = b""
        self._records = bytearray()
        self._messages = bytearray()
        self._alerts = b""
        self._received = 0
        self._idle = 0

    @property
    def finished(self) -> bool:
        return self.done or self.not_tls or self.problem is not None or self.fatal_alert is not None

    def feed(self, data: bytes) -> None:
        """Take what one read gave."""
        self._received += len(data)
        if len(self.first_bytes) < 256:
            self.first_bytes += data[: 256 - len(self.first_bytes)]
        self._records += data
        try:
            self._read_records()
        except WireError as error:
            self.problem = str(error)
            self.not_tls = self.server_hello is None
        if not self.finished and self._received >= self.max_bytes:
            self.problem = "more than max_bytes"

    def _read_records(self) -> None:
        while not self.finished:
            records = self._records
            if not records:
                return
            if records[0] not in (CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA):
                raise WireError("no TLS record")
            if len(records) < 2:
                return
            if records[1] != 3:
                raise WireError("no TLS record")
            if len(records) < 5:
                return
            size = int.from_bytes(records[3:5], "big")
            if size > _MAX_RECORD:
                raise WireError("record too long")
            if len(records) < 5 + size:
                return
            kind, payload = records[0], bytes(records[5 : 5 + size])
            del records[: 5 + size]
            self._read_record(kind, payload)

    def _read_record(self, kind: int, payload: bytes) -> None:
        if kind == ALERT:
            self._read_alerts(payload)
        elif kind == HANDSHAKE:
            if not payload:
                self._count_idle()
            self._messages += payload
            self._read_messages()
        elif self.server_hello is None:
            raise WireError("no ServerHello first")
        else:
            self.done = True  # TLS 1.3: from here on all is encrypted

    def _read_alerts(self, payload: bytes) -> None:
        self._alerts += payload
        # Pairs of level and description; half of one may come with the next record.
        pairs, self._alerts = self._alerts[: len(self._alerts) & ~1], self._alerts[len(self._alerts) & ~1 :]
        for level, alert in zip(pairs[::2], pairs[1::2]):
            # A warning before the ServerHello (unrecognized_name) is news, not an end.
            if level == FATAL or alert == CLOSE_NOTIFY:
                self.fatal_alert = alert
                return
            self.warning = alert
            self._count_idle()

    def _read_messages(self) -> None:
        messages = self._messages
        while len(messages) >= 4 and not self.finished:
            size = int.from_bytes(messages[1:4], "big")
            if size > self.max_bytes:
                raise WireError("handshake message too long")
            if len(messages) < 4 + size:
                return
            kind, body = messages[0], bytes(messages[4 : 4 + size])
            del messages[: 4 + size]
            self._read_message(kind, body)

    def _count_idle(self) -> None:
        """A peer that says nothing without end is not listened to without end."""
        self._idle += 1
        if self._idle > _MAX_IDLE:
            raise WireError("nothing but empty records and warnings")

    def _read_message(self, kind: int, body: bytes) -> None:
        if not body:
            self._count_idle()
        if kind == HELLO_REQUEST:
            return  # may come at any time, and means nothing here (RFC 5246, 7.4.1.1)
        if self.server_hello is None:
            if kind != SERVER_HELLO:
                raise WireError("no ServerHello first")
            self.server_hello = _parse_server_hello(body)
            if self.server_hello.version == TLS13 or not self.whole:
                self.done = True
        elif kind == CERTIFICATE:
            self.chain = parse_certificate_message(body)
        elif kind == SERVER_KEY_EXCHANGE and cipher_name(self.server_hello.cipher).startswith("TLS_DHE_RSA_"):
            self.prime_bits = 8 * int.from_bytes(body[:2], "big")
        elif kind == CERTIFICATE_REQUEST:
            self.certificate_requested = True
        elif kind == SERVER_HELLO_DONE:
            self.done = True
