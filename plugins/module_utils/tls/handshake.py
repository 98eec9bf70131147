# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One completed TLS handshake with Python's ssl, where a raw hello is not enough.

Needed for the chain of a device that speaks TLS 1.3 only, for an HTTP Date, for the proof that the device holds its
private key, and for a client certificate that is refused only after Finished. Nothing is verified here: trust is
judged on the control node, and a device with a bad certificate must still be seen.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import time
import warnings
import weakref
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import PeerReset
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import DeadlineExpired
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    TLS13,
    ServerFlight,
    WireError,
    parse_certificate_message,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.words import Stream

#: SSL_OP_TLSEXT_PADDING: pads the hello to 512 bytes, which old devices choke on.
_PADDING = 0x10
#: Old devices offer old suites and small keys: the hello must reach them all, and nothing secret travels. Static RSA
#: would spare both sides a curve, but its answer is 200 bytes longer.
_CIPHERS = (
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:"
    "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES128-SHA:AES256-SHA:DHE-RSA-AES128-GCM-SHA256:"
    "DHE-RSA-AES128-SHA:DES-CBC3-SHA:@SECLEVEL=0"
)


#: The largest that costs a few hundredths of a second.
_MAX_PRIME_BITS = 4096
#: More than this before the server's Finished is no handshake.
_MAX_FLIGHT = 262144
#: How many bytes a device gets that goes on negotiating after the handshake.
_MAX_ANSWERED = 512
#: TLS 1.3 groups by number, as OpenSSL calls them.
_P256 = 0x0017
_GROUP_NAMES = {_P256: "prime256v1", 0x0018: "secp384r1", 0x0019: "secp521r1", 0x001D: "X25519", 0x001E: "X448"}


class HandshakeFailed(Exception):
    """The handshake did not end well; `reason` is OpenSSL's word or ours.

    `alert`: the device said so. `local`: our own side gave up, which says nothing of the device.
    """

    def __init__(self, reason: str, alert: bool = False, local: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.alert = alert
        self.local = local


@dataclass
class _Captured:
    chain: tuple[bytes, ...] | None = None
    certificate_requested: bool = False


_captured: weakref.WeakKeyDictionary[ssl.SSLObject, _Captured] = weakref.WeakKeyDictionary()


def _watch_messages(
    conn: ssl.SSLObject, direction: str, _version: object, _content: object, kind: object, data: bytes
) -> None:
    """OpenSSL's message callback: in TLS 1.3 the certificates travel encrypted, this sees them decrypted."""
    captured = _captured.get(conn)
    if captured is None or direction != "read":
        return
    if kind == CERTIFICATE:
        with contextlib.suppress(WireError):
            captured.chain = parse_certificate_message(bytes(data[4:]), tls13=True)
    elif kind == CERTIFICATE_REQUEST:
        captured.certificate_requested = True


@functools.cache
def _context(tls13: bool, group: int | None) -> ssl.SSLContext:
    """A context for TLS 1.3 with one group, or for TLS 1.0 to 1.2."""
    with warnings.catch_warnings():
        # Old versions are spoken on purpose: to devices that know no other.
        warnings.simplefilter("ignore", DeprecationWarning)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if tls13 else ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_3 if tls13 else ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET
        context.options &= ~_PADDING
        # One handshake is enough, and a hostile server would ask for them without end.
        context.options |= ssl.OP_NO_RENEGOTIATION
        # OP_LEGACY_SERVER_CONNECT: servers older than RFC 5746 must be seen too.
        context.options |= 0x4
        context.set_ciphers(_CIPHERS)
    if tls13:
        # The group that the device asked for: one key share, no second round, a small hello. A group that this
        # Python cannot set is left to OpenSSL's own list.
        with contextlib.suppress(KeyError, ValueError, ssl.SSLError):
            context.set_ecdh_curve(_GROUP_NAMES[group or _P256])
        if hasattr(context, "_msg_callback"):
            context._msg_callback = _watch_messages
    return context


class TlsSession:
    """A TLS session over a connection, or over what carries TLS in it.

    `version`: TLS13, or anything else for TLS 1.0 to 1.2; `group`: the one that a TLS 1.3 device asked for.
    """

    def __init__(self, connection: Stream, server_name: str | None, version: int, group: int | None = None) -> None:
        self._connection = connection
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        context = _context(version == TLS13, group)
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        except (ssl.SSLError, ValueError, TypeError):
            self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._failure: HandshakeFailed | None = None
        self._answered = 0
        #: what the server says in plain text, up to TLS 1.2
        self._plain = None if version == TLS13 else ServerFlight(_MAX_FLIGHT)
        self._seen = _Captured()
        _captured[self._tls] = self._seen

    async def handshake(self) -> None:
        """Complete the handshake, or raise HandshakeFailed."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError as error:
                await self._flush_quietly()
                raise _failed(error) from None
            else:
                await self._flush()
                return

    async def send(self, data: bytes) -> None:
        """Send application data."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise _failed(error) from None
        await self._flush()

    async def receive(self) -> bytes:
        """What has come, b"" at the end; HandshakeFailed where the device refuses after Finished (TLS 1.3)."""
        if self._failure is not None:
            raise self._failure
        # As much as has come: records of one byte each must not cost a step each.
        said = bytearray()
        while True:
            try:
                piece = self._tls.read(16384)
                said += piece
                if not piece:
                    return bytes(said)
            except ssl.SSLWantReadError:
                if said:
                    return bytes(said)
                await self._answer()
                data = await self._connection.receive()
                if not data:
                    return b""
                self._incoming.write(data)
            except ssl.SSLZeroReturnError:
                return bytes(said)
            except ssl.SSLError as error:
                self._failure = _failed(error)
                if said:
                    return bytes(said)
                raise self._failure from None

    async def _answer(self) -> None:
        """Send what OpenSSL has to say to what came after the handshake (a KeyUpdate, a HelloRequest)."""
        self._answered += self._outgoing.pending
        if self._answered > _MAX_ANSWERED:
            raise HandshakeFailed("asks for answers without end", local=True)
        await self._flush()

    def hurry(self, seconds: float) -> None:
        """Wait no longer than this for what is still to come."""
        self._connection.deadline = min(self._connection.deadline, time.monotonic() + seconds)

    async def close(self) -> None:
        """Say close_notify; the connection is closed by who opened it."""
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()
        if self._outgoing.pending <= _MAX_ANSWERED:
            await self._flush_quietly()

    @property
    def chain(self) -> tuple[bytes, ...] | None:
        """The certificates as sent; the leaf alone on a Python that shows no more."""
        if self._seen.chain is not None:
            return self._seen.chain
        leaf = self._tls.getpeercert(binary_form=True)
        return (leaf,) if leaf else None

    @property
    def certificate_requested(self) -> bool:
        """Whether the device asked for a client certificate."""
        return self._seen.certificate_requested

    @property
    def cipher(self) -> str | None:
        """OpenSSL's name of the cipher."""
        cipher = self._tls.cipher()
        return cipher[0] if cipher else None

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            try:
                await self._connection.send(data)
            except PeerReset:
                raise HandshakeFailed("reset") from None
            except DeadlineExpired:
                raise HandshakeFailed("silence") from None

    async def _flush_quietly(self) -> None:
        with contextlib.suppress(HandshakeFailed):
            await self._flush()

    async def _fill(self) -> None:
        try:
            data = await self._connection.receive()
        except PeerReset:
            raise HandshakeFailed("reset") from None
        except DeadlineExpired:
            raise HandshakeFailed("silence") from None
        if not data:
            raise HandshakeFailed("eof")
        self._refuse_to_compute(data)
        self._incoming.write(data)

    def _refuse_to_compute(self, data: bytes) -> None:
        """OpenSSL takes a second of CPU for a Diffie-Hellman prime of 10,000 bits, and all visits would wait for it."""
        if self._plain is None:
            return
        self._plain.feed(data)
        if (self._plain.prime_bits or 0) > _MAX_PRIME_BITS:
            raise HandshakeFailed(f"Diffie-Hellman prime of {self._plain.prime_bits} bits", local=True)
        if self._plain.finished:
            self._seen.chain = self._plain.chain
            self._seen.certificate_requested = self._plain.certificate_requested
            self._plain = None


def _failed(error: ssl.SSLError) -> HandshakeFailed:
    # OpenSSL's reasons for what the peer said end in "alert …", as "tlsv1 alert protocol version".
    reason = (error.reason or "handshake failed").lower().replace("_", " ")
    return HandshakeFailed(reason, alert="alert" in reason, local="alert" not in reason)
