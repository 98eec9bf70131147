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
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import PeerReset
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import DeadlineExpired
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.facts import Negotiated
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.key_exchange import (
    KeyExchange,
    group_name,
    signature_key,
    signature_name,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.suites import key_of
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_VERIFY,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    UNRECOGNIZED_NAME,
    ServerFlight,
    ServerHello,
    WireError,
    parse_certificate_message,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.words import Stream

#: SSL_OP_TLSEXT_PADDING: pads the hello to 512 bytes, which old devices choke on.
_PADDING = 0x10
#: SSL_OP_ENABLE_MIDDLEBOX_COMPAT: 32 bytes of session identifier that no device needs.
_MIDDLEBOX = 0x100000
#: Old devices offer old suites and small keys: the hello must reach them all, and nothing secret travels. ECDSA leads,
#: because the hellos before asked for RSA first: so both certificates of a device that has two are seen. Suites with a
#: signature come before static RSA: they prove the key at once.
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-SHA:DHE-RSA-AES128-GCM-SHA256:"
    "DHE-RSA-AES128-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA"
)


#: The largest that costs a few hundredths of a second.
_MAX_PRIME_BITS = 4096
#: More than this before the server's Finished is no handshake.
_MAX_FLIGHT = 262144
#: How many bytes a device gets that goes on negotiating after the handshake.
_MAX_ANSWERED = 512
#: TLS 1.3 groups by number, as OpenSSL calls them.
_P256 = 0x0017
_GROUP_NAMES = {
    0x0016: "secp256k1",
    _P256: "prime256v1",
    0x0018: "secp384r1",
    0x0019: "secp521r1",
    0x001A: "brainpoolP256r1",
    0x001B: "brainpoolP384r1",
    0x001C: "brainpoolP512r1",
    0x001D: "X25519",
    0x001E: "X448",
}
#: Those that a hello up to TLS 1.2 names at any rate.
_USUAL_GROUPS = (None, _P256, 0x0018, 0x0019, 0x001D)
_SPOKEN = {
    TLS10: ssl.TLSVersion.TLSv1,
    TLS11: ssl.TLSVersion.TLSv1_1,
    TLS12: ssl.TLSVersion.TLSv1_2,
    TLS13: ssl.TLSVersion.TLSv1_3,
}
#: OpenSSL's words for a signature that the certificate's key did not make.
_WRONG_SIGNATURE = ("bad signature", "wrong signature length")
#: OpenSSL's words for what the device broke after its hello, for every client; all other trouble of OpenSSL is our own.
_BROKEN = (
    *("decryption failed or bad record mac", "bad record mac", "digest check failed"),
    *("wrong certificate type", "bad ecpoint", "bad key share", "bad change cipher spec", "unexpected message"),
)
#: How often a device that goes on answering gets the whole time again; the visit's own time bounds all.
_RENEWALS = 8


class HandshakeFailed(Exception):
    """The handshake did not end well; `reason` is OpenSSL's word or ours.

    `kind`: alert (the device said so) | reset | eof | silence | bad_signature (it does not hold the key) | local (our
    own side gave up, which says nothing of the device) | broken (what it sent after its hello makes no sense).
    """

    def __init__(self, reason: str, kind: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind

    @property
    def evidence(self) -> str:
        """The word of the observation, for a handshake that no hello answered."""
        if self.reason.endswith("unrecognized name"):
            return f"alert:{UNRECOGNIZED_NAME}"
        return self.kind if self.kind in ("reset", "eof", "silence") else "inferred"


@dataclass
class _Captured:
    chain: tuple[bytes, ...] | None = None
    certificate_requested: bool = False
    signature: str | None = None


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
    elif kind == CERTIFICATE_VERIFY:
        captured.signature = signature_name(int.from_bytes(data[4:6], "big"))


@functools.cache
def _names_by_number() -> dict[int, str]:
    """Suite number -> OpenSSL's name, for all that this OpenSSL knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return {int(cipher["id"]) & 0xFFFF: str(cipher["name"]) for cipher in context.get_ciphers()}


def can_speak(version: int, cipher: int | None) -> bool:
    """Whether this OpenSSL may complete a handshake in this version with this suite."""
    if version == TLS13:
        return True
    return version in _SPOKEN and (cipher is None or cipher in _names_by_number())


@functools.cache
def _context(version: int, group: int | None, cipher: int | None) -> ssl.SSLContext:
    """A context for TLS 1.3 with one group, or for TLS 1.0 up to `version`; `cipher`: offered at any rate."""
    tls13 = version == TLS13
    ciphers = _CIPHERS
    if cipher is not None and not tls13 and _names_by_number().get(cipher, "?") not in _CIPHERS.split(":"):
        ciphers += ":" + _names_by_number()[cipher]
    with warnings.catch_warnings():
        # Old versions are spoken on purpose: to devices that know no other.
        warnings.simplefilter("ignore", DeprecationWarning)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if tls13 else ssl.TLSVersion.TLSv1
        context.maximum_version = _SPOKEN[version]
        context.options |= ssl.OP_NO_TICKET
        context.options &= ~(_PADDING | _MIDDLEBOX)
        # One handshake is enough, and a hostile server would ask for them without end.
        context.options |= ssl.OP_NO_RENEGOTIATION
        # OP_LEGACY_SERVER_CONNECT: servers older than RFC 5746 must be seen too.
        context.options |= 0x4
        context.set_ciphers(ciphers + ":@SECLEVEL=0")
    if tls13 or group not in _USUAL_GROUPS:
        # One key share, no second round, a small hello: the group that the device chose before, else the one that
        # every server of TLS 1.3 must know. A group that this Python cannot set is left to OpenSSL's own list.
        with contextlib.suppress(KeyError, ValueError, ssl.SSLError):
            context.set_ecdh_curve(_GROUP_NAMES[group or _P256])
    if tls13 and hasattr(context, "_msg_callback"):
        context._msg_callback = _watch_messages
    return context


class TlsSession:
    """A TLS session over a connection, or over what carries TLS in it.

    `version`: TLS13 alone, or the highest of TLS 1.0 to 1.2; `group`: the number of the one that the device chose
    before, if any; `cipher`: the suite that it chose before; `renew`: gives the device its whole time again after each
    answer.
    """

    def __init__(
        self,
        connection: Stream,
        server_name: str | None,
        version: int,
        group: int | None = None,
        cipher: int | None = None,
        renew: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._renew = renew
        self._renewed = 0
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        context = _context(version, group, cipher)
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        except (ssl.SSLError, ValueError, TypeError):
            self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._failure: HandshakeFailed | None = None
        self._answered = 0
        #: what the server says in plain text: all up to TLS 1.2, its hello in TLS 1.3
        self._plain = ServerFlight(_MAX_FLIGHT)
        #: OpenSSL has read the server's whole first flight, and found the signature in it good
        self._flight_taken = False
        self._completed = False
        self._seen = _Captured()
        _captured[self._tls] = self._seen

    async def handshake(self) -> None:
        """Complete the handshake, or raise HandshakeFailed."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flight_taken = self._plain.done
                await self._flush()
                await self._fill()
            except ssl.SSLError as error:
                await self._flush_quietly()
                raise _failed(error) from None
            else:
                self._completed = True
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
                self._go_on()
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
            raise HandshakeFailed("asks for answers without end", "local")
        await self._flush()

    def hurry(self, seconds: float) -> None:
        """Wait no longer than this for what is still to come."""
        self._renewed = _RENEWALS
        self._connection.deadline = min(self._connection.deadline, time.monotonic() + seconds)

    def later(self) -> None:
        """Give the device its whole time for what is asked next."""
        self._renew()

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
        if self._plain.chain is not None or not self._completed:
            return self._plain.chain
        leaf = self._tls.getpeercert(binary_form=True)
        return (leaf,) if leaf else None

    @property
    def certificate_requested(self) -> bool:
        """Whether the device asked for a client certificate."""
        return self._seen.certificate_requested or self._plain.certificate_requested

    @property
    def heard(self) -> ServerHello | None:
        """The ServerHello, where one came."""
        return self._plain.server_hello

    @property
    def negotiated(self) -> Negotiated | None:
        """What was agreed on, where a ServerHello came."""
        hello, exchange = self._plain.server_hello, self._plain.key_exchange or KeyExchange()
        if hello is None:
            return None
        number = exchange.group_number or hello.group
        group = exchange.group or group_name(hello.group)
        return Negotiated(hello.version, hello.cipher, group, number, exchange.signature or self._seen.signature)

    @property
    def key(self) -> str:
        """The kind of key that the device showed: rsa | ecdsa | any (not known)."""
        found = self.negotiated
        if found is None:
            return "any"
        return signature_key(found.signature) if found.version == TLS13 else key_of(found.cipher)

    @property
    def key_proved(self) -> bool:
        """Whether the device has shown that it holds its private key.

        By the end of the handshake; or, where it did not get so far, by a ServerKeyExchange whose signature OpenSSL
        has verified before it sent its own share.
        """
        signed = self._plain.key_exchange is not None and self._plain.key_exchange.signature is not None
        return self._completed or (self._flight_taken and signed)

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            try:
                await self._connection.send(data)
            except PeerReset:
                raise HandshakeFailed("reset", "reset") from None
            except DeadlineExpired:
                raise HandshakeFailed("silence", "silence") from None

    async def _flush_quietly(self) -> None:
        with contextlib.suppress(HandshakeFailed):
            await self._flush()

    async def _fill(self) -> None:
        try:
            data = await self._connection.receive()
        except PeerReset:
            raise HandshakeFailed("reset", "reset") from None
        except DeadlineExpired:
            raise HandshakeFailed("silence", "silence") from None
        if not data:
            raise HandshakeFailed("eof", "eof")
        self._refuse_to_compute(data)
        self._go_on()
        self._incoming.write(data)

    def _go_on(self) -> None:
        """A device that answers gets its whole time for the next answer, unless it was hurried; not without end."""
        if self._renewed < _RENEWALS:
            self._renewed += 1
            self._renew()

    def _refuse_to_compute(self, data: bytes) -> None:
        """OpenSSL takes a second of CPU for a Diffie-Hellman prime of 10,000 bits, and all visits would wait for it."""
        if self._plain.finished:
            return
        self._plain.feed(data)
        bits = self._plain.key_exchange.prime_bits if self._plain.key_exchange is not None else None
        if (bits or 0) > _MAX_PRIME_BITS:
            raise HandshakeFailed(f"Diffie-Hellman prime of {bits} bits", "local")


def _failed(error: ssl.SSLError) -> HandshakeFailed:
    # OpenSSL's reasons for what the peer said: "sslv3 alert handshake failure", "tlsv1 unrecognized name".
    reason = (error.reason or "handshake failed").lower().replace("_", " ")
    if "alert" in reason or reason.startswith("tlsv1"):
        return HandshakeFailed(reason, "alert")
    if reason in _WRONG_SIGNATURE:
        return HandshakeFailed(reason, "bad_signature")
    return HandshakeFailed(reason, "broken" if reason in _BROKEN else "local")
