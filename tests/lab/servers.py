"""The devices' sockets: one event loop serves them all, each conversation with a time limit and a size limit.

A TLS conversation runs on memory BIOs, so that the ledger counts the bytes of the wire and not those of the plaintext.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any

from lab.ledger import Contact, Ledger

IDLE_SECONDS = 30.0  # a conversation without a byte for so long is ended
MAX_BYTES = 262_144  # received in one conversation, then it is ended
MAX_REQUEST = 8_192  # an HTTP request larger than this is not waited for

_TLS_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


class Conversation(asyncio.Protocol):
    """One accepted TCP connection; subclasses say what the device answers. On its own it is the silent device."""

    def __init__(self, ledger: Ledger, address: str, port: int) -> None:
        self._ledger = ledger
        self._address = address
        self._port = port
        self._contact: Contact | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._contact = self._ledger.opened(self._address, self._port, transport)
        self._restart_timer()
        self.greet()

    def data_received(self, data: bytes) -> None:
        assert self._contact is not None
        self._contact.bytes_received += len(data)
        if self._contact.bytes_received > MAX_BYTES:
            self.transport.abort()
            return
        self._restart_timer()
        self.answer(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        if self._contact:
            self._ledger.closed(self._contact)

    def send(self, data: bytes) -> None:
        assert self._contact is not None
        if data and not self.transport.is_closing():
            self._contact.bytes_sent += len(data)
            self.transport.write(data)

    def greet(self) -> None:
        """Say what the device says first; nothing for most."""

    def answer(self, data: bytes) -> None:
        """React to what the client sent; a silent device does not."""

    def _restart_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self.transport.abort)


class Resetting(Conversation):
    """Accepts, and resets the connection at the first byte (SO_LINGER with 0 seconds sends RST)."""

    def answer(self, data: bytes) -> None:
        sock: socket.socket = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class RateLimit:
    """Says of each new connection whether the device's firewall lets it through: so many in so many seconds."""

    def __init__(self, connections: int, seconds: float) -> None:
        self._connections = connections
        self._seconds = seconds
        self._seen: list[float] = []

    def passes(self) -> bool:
        """Count a connection that was just made."""
        now = time.monotonic()
        self._seen = [moment for moment in self._seen if now - moment < self._seconds]
        self._seen.append(now)
        return len(self._seen) <= self._connections


class Telnet(Conversation):
    """A telnet service: option negotiation and a login banner, whatever the client says."""

    def greet(self) -> None:
        self.send(b"\xff\xfd\x18\xff\xfd\x20\r\nService console\r\nlogin: ")


class Ftp(Conversation):
    """An FTP service: the greeting alone."""

    def greet(self) -> None:
        self.send(b"220 FTP server ready\r\n")


class Http(Conversation):
    """A plain HTTP service."""

    def __init__(self, ledger: Ledger, address: str, port: int, *, clock_offset: float) -> None:
        super().__init__(ledger, address, port)
        self._page = WebPage(clock_offset)

    def answer(self, data: bytes) -> None:
        reply = self._page.feed(data)
        if reply is not None:
            self.send(reply)
            self.transport.close()


class Tls(Conversation):
    """A TLS endpoint; after the handshake either a web page, or a protocol that waits for its client (DICOM, HL7)."""

    def __init__(
        self, ledger: Ledger, address: str, port: int, *, context: ssl.SSLContext, page: WebPage | None
    ) -> None:
        super().__init__(ledger, address, port)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._page = page
        self._handshaken = False

    def answer(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            self._advance()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self.send(self._outgoing.read())
        except (ssl.SSLError, OSError):
            self._finish()  # the alert waits in the outgoing BIO

    def _advance(self) -> None:
        if not self._handshaken:
            self._tls.do_handshake()
            self._handshaken = True
        while True:
            data = self._tls.read(16_384)
            if not data:  # close_notify
                self._finish()
                return
            reply = self._page.feed(data) if self._page else None
            if reply is not None:
                self._tls.write(reply)
                try:
                    self._tls.unwrap()
                finally:
                    self._finish()
                return

    def _finish(self) -> None:
        self.send(self._outgoing.read())
        self.transport.close()


class WebPage:
    """Answers one HEAD or GET with a Date header by the device's own clock."""

    def __init__(self, clock_offset: float) -> None:
        self._offset = clock_offset
        self._request = b""

    def feed(self, data: bytes) -> bytes | None:
        """Return the answer once the request's head is complete, else None."""
        self._request += data
        if b"\r\n\r\n" not in self._request and len(self._request) < MAX_REQUEST:
            return None
        method = self._request.split(b" ", 1)[0]
        if method not in (b"GET", b"HEAD"):
            status, body = "405 Method Not Allowed", b""
        else:
            status, body = "200 OK", b"<!doctype html><title>Device</title>"
        head = (
            f"HTTP/1.1 {status}\r\n"
            f"Date: {formatdate(time.time() + self._offset, usegmt=True)}\r\n"
            "Content-Type: text/html\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        ).encode("ascii")
        return head if method == b"HEAD" else head + body


def tls_context(
    settings: Mapping[str, Any], credentials_files: Sequence[Path], client_authority: Path
) -> ssl.SSLContext:
    """Make an endpoint's TLS context.

    `settings`: versions (list of "1.0".."1.3"), ciphers (as OpenSSL names them), client_certificate ("required").
    `credentials_files`: one for each kind of key.
    """
    versions = [_TLS_VERSIONS[str(version)] for version in settings.get("versions", ["1.2", "1.3"])]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what some devices are here for
        context.minimum_version = min(versions)
        context.maximum_version = max(versions)
    # Security level 0: old versions, SHA-1 and 1024-bit keys are refused by the library otherwise.
    context.set_ciphers(f"{settings.get('ciphers', 'DEFAULT')}:@SECLEVEL=0")
    for credentials_file in credentials_files:
        context.load_cert_chain(credentials_file)
    if settings.get("client_certificate") == "required":
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_authority)
    return context


async def listen(address: str, port: int, make: Callable[[], Conversation]) -> asyncio.AbstractServer:
    """Serve one port of one device."""
    return await asyncio.get_running_loop().create_server(make, address, port, reuse_address=True, backlog=64)


class SwitchedOff:
    """An address and port that answer no SYN, as a device without power: no root needed.

    Linux drops every SYN for a listening socket whose queue of accepted connections is full; ours is filled by
    connections of our own that nobody accepts.
    """

    def __init__(self, address: str, port: int) -> None:
        self._sockets: list[socket.socket] = []
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sockets.append(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
            listener.listen(0)
            self._fill(address, port)
        except BaseException:
            self.close()
            raise

    def _fill(self, address: str, port: int) -> None:
        for _attempt in range(16):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._sockets.append(filler)
            filler.settimeout(0.05)
            try:
                filler.connect((address, port))
            except TimeoutError:
                filler.close()
                return
        raise OSError(f"{address}:{port}: this kernel accepts connections beyond the backlog")

    def close(self) -> None:
        """Give the port back."""
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
