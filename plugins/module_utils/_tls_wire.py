# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of a TLS hello and of what comes back: pure functions, no socket.

Sources: RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 6101 (SSLv3), the SSL 0.2 specification (SSLv2).
The hellos stay below 256 bytes: old devices hang on longer ones.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils._cipher_suites import (
    LEGACY_FIRST,
    LEGACY_NAMES,
    RENEGOTIATION_INFO_SCSV,
    SSLV2_CIPHER_KINDS,
    TLS12_FIRST,
    TLS13_SUITES,
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

FATAL = 2
HANDSHAKE_FAILURE = 40
UNRECOGNIZED_NAME = 112

#: A record carries at most 2^14 bytes plus what a cipher adds (RFC 5246, 6.2.3); more is no TLS.
_MAX_RECORD = (1 << 14) + 2048
#: ServerHello.random of a HelloRetryRequest (RFC 8446, 4.1.3).
_HELLO_RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
#: End of ServerHello.random where a TLS 1.3 server was talked down to TLS 1.2 (RFC 8446, 4.1.3).
_DOWNGRADE_FROM_TLS13 = b"DOWNGRD\x01"

_X25519, _P256, _P384, _P521 = 0x001D, 0x0017, 0x0018, 0x0019
_SIGNATURE_ALGORITHMS = (0x0401, 0x0403, 0x0804, 0x0501, 0x0503, 0x0806, 0x0807, 0x0601, 0x0201, 0x0203)


class WireError(ValueError):
    """Bytes that are no TLS, or no sane TLS. The text says what was wrong, never more than a few words."""


def _vector(data: bytes, length_bytes: int) -> bytes:
    return len(data).to_bytes(length_bytes, "big") + data


def _numbers(values: tuple[int, ...] | list[int], size: int = 2) -> bytes:
    return b"".join(value.to_bytes(size, "big") for value in values)


def _extension(number: int, body: bytes) -> bytes:
    return number.to_bytes(2, "big") + _vector(body, 2)


def _server_name(name: str) -> bytes:
    """The server_name extension (RFC 6066, 3), empty where the name can't be sent (an address, no ASCII form)."""
    try:
        ascii_name = name.rstrip(".").encode("idna")
    except UnicodeError:
        return b""
    if not ascii_name or len(ascii_name) > 253:
        return b""
    return _extension(0, _vector(b"\x00" + _vector(ascii_name, 2), 2))


def default_suites(version: int) -> tuple[int, ...]:
    """What a hello for this version, and whatever is older, offers first."""
    if version == TLS13:
        # TLS 1.3 and the most common older suites in one hello: a TLS 1.2 server shows its chain at once.
        return TLS13_SUITES + TLS12_FIRST[:10]
    if version == SSLV3:
        # Its hello has no extensions, so that every suite fits: no second hello is ever needed.
        return tuple(LEGACY_NAMES)
    return TLS12_FIRST if version == TLS12 else LEGACY_FIRST


def client_hello(
    version: int,
    server_name: str | None = None,
    suites: tuple[int, ...] | None = None,
    bare: bool = False,
    key_share: bool = False,
) -> bytes:
    """A ClientHello whose highest version is `version`: the server picks its own highest up to that.

    `bare` leaves every extension out, for servers older than extensions. `key_share` adds a random X25519 share,
    for TLS 1.3 servers that don't answer an empty one with a HelloRetryRequest.
    """
    offered = default_suites(version) if suites is None else suites
    body = min(version, TLS12).to_bytes(2, "big") + os.urandom(32) + b"\x00"
    body += _vector(_numbers((*offered, RENEGOTIATION_INFO_SCSV)), 2) + b"\x01\x00"
    if not bare:
        extensions = _server_name(server_name) if server_name else b""
        extensions += _extension(10, _vector(_numbers((_X25519, _P256, _P384, _P521)), 2))
        extensions += _extension(11, b"\x01\x00")
        if version >= TLS12:
            extensions += _extension(13, _vector(_numbers(_SIGNATURE_ALGORITHMS), 2))
        if version == TLS13:
            extensions += _extension(43, _vector(_numbers((TLS13, TLS12, TLS11, TLS10)), 1))
            share = _numbers((_X25519,)) + _vector(os.urandom(32), 2) if key_share else b""
            extensions += _extension(51, _vector(share, 2))
        body += _vector(extensions, 2)
    handshake = bytes((CLIENT_HELLO,)) + _vector(body, 3)
    # The record's own version is 3.1 at most: some old stacks look at it (RFC 8446, 5.1).
    return bytes((HANDSHAKE,)) + min(version, TLS10).to_bytes(2, "big") + _vector(handshake, 2)


def sslv2_client_hello() -> bytes:
    """An SSLv2 CLIENT-HELLO with every cipher kind and a 16 byte challenge."""
    kinds = _numbers(SSLV2_CIPHER_KINDS, 3)
    body = b"\x01" + SSLV2.to_bytes(2, "big") + _numbers((len(kinds), 0, 16)) + kinds + os.urandom(16)
    return (0x8000 | len(body)).to_bytes(2, "big") + body


def sslv2_server_hello(data: bytes) -> bool | None:
    """Whether the bytes are an SSLv2 SERVER-HELLO: True, False, or None while too few came to tell."""
    if not data:
        return None
    if data[0] & 0x80 == 0 and data[0] & 0x40 == 0 and data[0] not in (0x00,):
        return False  # a TLS record (alert) or plain text
    header = 2 if data[0] & 0x80 else 3
    if len(data) < header + 5:
        return None
    return data[header] == 4 and data[header + 3 : header + 5] == SSLV2.to_bytes(2, "big")


@dataclass(frozen=True)
class ServerHello:
    """What a ServerHello says. `retry` marks a HelloRetryRequest (TLS 1.3 is spoken, a key share is missing)."""

    version: int
    cipher: int
    random: bytes
    retry: bool

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
    if len(body) >= at + 2:
        end = at + 2 + int.from_bytes(body[at : at + 2], "big")
        at += 2
        while at + 4 <= min(end, len(body)):
            number = int.from_bytes(body[at : at + 2], "big")
            size = int.from_bytes(body[at + 2 : at + 4], "big")
            if number == 43 and size == 2:
                version = int.from_bytes(body[at + 4 : at + 6], "big")
            at += 4 + size
    if version not in VERSION_NAMES or version == SSLV2:
        raise WireError(f"unknown version 0x{version:04x}")
    return ServerHello(version=version, cipher=cipher, random=random, retry=random == _HELLO_RETRY_RANDOM)


def parse_certificate_message(body: bytes, tls13: bool = False) -> tuple[bytes, ...]:
    """The DER certificates of a Certificate message, as sent (RFC 5246, 7.4.2; RFC 8446, 4.4.2)."""
    at = 0
    if tls13:
        if not body:
            raise WireError("short Certificate")
        at = 1 + body[0]
    end = at + 3 + int.from_bytes(body[at : at + 3], "big")
    at += 3
    if end > len(body):
        raise WireError("short Certificate")
    chain = []
    while at + 3 <= end:
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
        self.done = False
        self.not_tls = False
        self.problem: str | None = None
        self.first_bytes = b""
        self._records = bytearray()
        self._messages = bytearray()
        self._received = 0

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
        if not self.finished and self._received > self.max_bytes:
            self.problem = "more bytes than max_bytes"

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
            if len(payload) < 2:
                raise WireError("short alert")
            # A warning before the ServerHello (unrecognized_name) is news, not an end.
            if payload[0] == FATAL or payload[1] == 0:
                self.fatal_alert = payload[1]
        elif kind == HANDSHAKE:
            self._messages += payload
            self._read_messages()
        elif self.server_hello is None:
            raise WireError("no ServerHello first")
        else:
            self.done = True  # TLS 1.3: from here on all is encrypted

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

    def _read_message(self, kind: int, body: bytes) -> None:
        if self.server_hello is None:
            if kind != SERVER_HELLO:
                raise WireError("no ServerHello first")
            self.server_hello = _parse_server_hello(body)
            if self.server_hello.version == TLS13 or not self.whole:
                self.done = True
        elif kind == CERTIFICATE:
            self.chain = parse_certificate_message(body)
        elif kind == CERTIFICATE_REQUEST:
            self.certificate_requested = True
        elif kind == SERVER_HELLO_DONE:
            self.done = True
