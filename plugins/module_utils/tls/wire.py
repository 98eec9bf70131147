# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes back on a hello: pure functions, no socket.

Sources: RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 6101 (SSLv3), the SSL 0.2 specification (SSLv2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.key_exchange import KeyExchange, read_key_exchange

SSLV2, SSLV3, TLS10, TLS11, TLS12, TLS13 = 0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
VERSION_NAMES = {SSLV2: "SSLv2", SSLV3: "SSLv3", TLS10: "TLSv1.0", TLS11: "TLSv1.1", TLS12: "TLSv1.2", TLS13: "TLSv1.3"}
#: Newest first, SSLv2 apart: it has a hello of its own.
WALK_ORDER = (TLS13, TLS12, TLS11, TLS10, SSLV3)

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, CERTIFICATE_REQUEST, SERVER_HELLO_DONE = 1, 2, 11, 13, 14
SERVER_KEY_EXCHANGE, CERTIFICATE_VERIFY = 12, 15

HELLO_REQUEST = 0

FATAL = 2
CLOSE_NOTIFY = 0
HANDSHAKE_FAILURE = 40
PROTOCOL_VERSION = 70
INSUFFICIENT_SECURITY = 71
UNRECOGNIZED_NAME = 112

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


class WireError(ValueError):
    """Bytes that are no TLS, or no sane TLS. The text says what was wrong, never more than a few words."""


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
        """The server knows TLS 1.3: it marked its random (RFC 8446, 4.1.3). No mark proves nothing."""
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
        #: how the keys are agreed on, where the server has said so in clear
        self.key_exchange: KeyExchange | None = None
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
        elif kind == SERVER_KEY_EXCHANGE:
            self.key_exchange = read_key_exchange(self.server_hello.cipher, self.server_hello.version, body)
        elif kind == CERTIFICATE_REQUEST:
            self.certificate_requested = True
        elif kind == SERVER_HELLO_DONE:
            self.done = True
