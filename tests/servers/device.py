# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device made of threads: what it does on a connection is a function, and what it felt is written down.

Everything is counted on the device's side: connections, bytes, how each connection ended (FIN or reset), how many
were open at once, and when.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from types import TracebackType
from typing import TypeVar

from lab.places import own_port

#: A port that nobody listens on, by the name that tests of servers know.
free_port = own_port

#: A conversation longer than this is ended, so that a test that went wrong ends too.
LIMIT = 20.0


class Link:
    """One accepted connection as the device sees it."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        #: 0 for the first connection that the device ever got
        self.number = number
        self.received = bytearray()
        self.sent = 0
        self.opened = time.monotonic()
        self.closed = 0.0
        #: eof | reset | open: how the other side ended it
        self.ending = "open"
        #: seconds that it takes for each answer
        self.delay = 0.0

    def receive(self) -> bytes:
        """What came; b"" at the end, which is then in `ending`."""
        try:
            data = self.sock.recv(65536)
        except socket.timeout:  # noqa: UP041 - no TimeoutError on Python 3.9
            return b""
        except OSError:
            self.ending = "reset"
            return b""
        if not data:
            self.ending = "eof"
        self.received += data
        return data

    def send(self, data: bytes) -> None:
        """Send all, as long as the other side listens."""
        if self.delay and data:
            time.sleep(self.delay)
        with contextlib.suppress(OSError):
            self.sock.sendall(data)
            self.sent += len(data)

    def reset(self) -> None:
        """End with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def finish(self) -> None:
        """End our half, and see how the other side ends its own."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        self.drain()

    def drain(self) -> None:
        """Read to the end of what the other side sends."""
        while self.ending == "open" and self.receive():
            pass


Serve = Callable[[Link], None]


class Device:
    """Listens until closed. `serve(link)` plays one connection; returning from it closes it."""

    def __init__(self, serve: Serve, address: str = "127.0.0.1", port: int = 0) -> None:
        self._serve = serve
        self._listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(64)
        self.address = address
        self.port = int(self._listener.getsockname()[1])
        self.links: list[Link] = []
        self.most_at_once = 0
        self._lock = threading.Lock()
        self._open = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _peer = self._listener.accept()
            except OSError:
                return
            sock.settimeout(LIMIT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                link = Link(sock, len(self.links))
                self.links.append(link)
                self._open += 1
                self.most_at_once = max(self.most_at_once, self._open)
            thread = threading.Thread(target=self._play, args=(link,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _play(self, link: Link) -> None:
        try:
            self._serve(link)
        finally:
            with self._lock:
                self._open -= 1
                link.closed = time.monotonic()
            with contextlib.suppress(OSError):
                link.sock.close()

    @property
    def connections(self) -> int:
        """How many connections the device got."""
        return len(self.links)

    @property
    def bytes_received(self) -> int:
        """How much it was sent, once all connections are over."""
        self.endings()
        return sum(len(link.received) for link in self.links)

    def endings(self) -> list[str]:
        """How each connection was ended by the other side, once all are over."""
        for thread in self._threads[1:]:
            thread.join(LIMIT)
        return [link.ending for link in self.links]

    def stop_listening(self) -> None:
        """Refuse every further connection; those open go on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        """Stop, and end what is open."""
        self.stop_listening()
        for link in self.links:
            with contextlib.suppress(OSError):
                link.sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Filtered:
    """A port that answers no SYN, without root: Linux drops SYNs for a listener whose queue is full."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM)]
        self._sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sockets[0].bind((address, port))
        self._sockets[0].listen(0)
        self.address = address
        self.port = int(self._sockets[0].getsockname()[1])
        for _attempt in range(16):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            filler.settimeout(0.1)
            try:
                filler.connect((address, self.port))
            except socket.timeout:  # noqa: UP041
                filler.close()
                return
            self._sockets.append(filler)
        raise OSError("this kernel accepts connections beyond the backlog")

    def __enter__(self) -> Filtered:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in self._sockets:
            sock.close()


T = TypeVar("T")


def neighbours(items: Sequence[T]) -> list[tuple[T, T]]:
    """Each item with the one after it."""
    return [(items[at - 1], items[at]) for at in range(1, len(items))]


# -- what a device may do on a connection


def silent(link: Link) -> None:
    """Say nothing for ever."""
    link.drain()


def replies(*answers: bytes) -> Serve:
    """Answer the n-th thing that is said with the n-th answer, then end."""

    def serve(link: Link) -> None:
        for answer in answers:
            if not link.receive():
                return
            link.send(answer)
        link.finish()

    return serve


def in_turn(*serves: Serve) -> Serve:
    """Play the first on the first connection, and so on; the last one on all further ones."""

    def serve(link: Link) -> None:
        serves[min(link.number, len(serves) - 1)](link)

    return serve


def resets(link: Link) -> None:
    """Reset at the first byte."""
    link.receive()
    link.reset()


def hangs_up(link: Link) -> None:
    """End at the first byte."""
    link.receive()
    link.finish()


def records(data: bytes) -> list[tuple[int, bytes]]:
    """(content type, payload) of the TLS records in the bytes."""
    found, at = [], 0
    while at + 5 <= len(data):
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        found.append((data[at], data[at + 5 : at + 5 + size]))
        at += 5 + size
    return found


def record(kind: int, payload: bytes, version: bytes = b"\x03\x03") -> bytes:
    """One TLS record."""
    return bytes((kind,)) + version + len(payload).to_bytes(2, "big") + payload


def alert(number: int, level: int = 2) -> bytes:
    """One alert record."""
    return record(21, bytes((level, number)))


def hello_version(hello: bytes) -> int:
    """The highest version that a ClientHello offers."""
    payload = hello[5:] if hello[:1] == b"\x16" else b""
    if len(payload) < 6:
        return 0
    return (
        0x0304
        if b"\x00\x2b\x00\x09\x08\x03\x04" in payload or b"\x00\x2b\x00\x03\x02\x03\x04" in payload
        else int.from_bytes(payload[4:6], "big")
    )


def hello_name(hello: bytes) -> str | None:
    """The server name in a ClientHello."""
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at]
    at += 2
    while at + 4 <= len(hello):
        number, size = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        if number == 0:
            return hello[at + 9 : at + 4 + size].decode("ascii")
        at += 4 + size
    return None


Shape = Callable[[bytes], Iterable[bytes]]


class Tls:
    """Speaks TLS with Python's own ssl, and answers HTTP where it has a page.

    `shape` cuts what is sent into pieces; `page` makes an HTTP answer of a request; `gate(hello)` may answer the
    first bytes itself: with bytes (sent, then the end), with b"" (the end), or None to let TLS go on; `keep_open`:
    it waits for more after its page.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        page: Callable[[bytes], bytes] | None = None,
        shape: Shape | None = None,
        gate: Callable[[bytes], bytes | None] | None = None,
        pause: float = 0.0,
        keep_open: bool = False,
    ) -> None:
        self.context = context
        self._page = page
        self._shape = shape
        self._gate = gate
        self._pause = pause
        self._keep_open = keep_open
        self.requests: list[bytes] = []
        self.handshakes = 0

    def __call__(self, link: Link) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(incoming, outgoing, server_side=True)
        shaken, request, first = False, b"", True
        while data := link.receive():
            if first and self._gate is not None:
                answer = self._gate(data)
                if answer is not None:
                    link.send(answer)
                    link.finish()
                    return
            first = False
            incoming.write(data)
            try:
                if not shaken:
                    tls.do_handshake()
                    shaken = True
                    self.handshakes += 1
                while True:
                    piece = tls.read(65536)
                    if not piece:
                        break
                    request += piece
                    if b"\r\n\r\n" in request:
                        self.requests.append(request)
                        if self._page is not None:
                            tls.write(self._page(request))
                            if self._keep_open:
                                request = b""
                                continue
                            with contextlib.suppress(ssl.SSLError):
                                tls.unwrap()
                            break
                self._send(link, outgoing)
                link.finish()
                return
            except ssl.SSLWantReadError:
                self._send(link, outgoing)
            except ssl.SSLError:
                self._send(link, outgoing)
                link.finish()
                return

    def _send(self, link: Link, outgoing: ssl.MemoryBIO) -> None:
        data = outgoing.read()
        for piece in self._shape(data) if self._shape else (data,):
            link.send(piece)
            if self._pause:
                time.sleep(self._pause)


def in_pieces(size: int) -> Shape:
    """So many bytes at a time: records over segments."""
    return lambda data: (data[at : at + size] for at in range(0, len(data), size))


def in_small_records(size: int) -> Shape:
    """Each handshake record of a clear flight cut into records of so many bytes: messages over records."""

    def shape(data: bytes) -> Iterable[bytes]:
        encrypted = False
        for kind, payload in records(data):
            encrypted = encrypted or kind != 22
            if encrypted or len(payload) <= size:
                yield record(kind, payload)
            else:
                yield b"".join(record(22, payload[at : at + size]) for at in range(0, len(payload), size))

    return shape


def web_page(offset: float = 0.0, extra: str = "", body: bytes = b"hello") -> Callable[[bytes], bytes]:
    """An HTTP answer with the device's own time."""

    def page(request: bytes) -> bytes:
        head = (
            f"HTTP/1.1 200 OK\r\nDate: {formatdate(time.time() + offset, usegmt=True)}\r\n{extra}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        ).encode("ascii")
        return head if request.startswith(b"HEAD ") else head + body

    return page


VERSIONS = {
    "TLSv1.0": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


def server_context(
    credentials: str, versions: Sequence[str] = ("TLSv1.2", "TLSv1.3"), ciphers: str = "ALL"
) -> ssl.SSLContext:
    """A context that serves a contiguous range of versions at security level 0."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = VERSIONS[versions[0]]
        context.maximum_version = VERSIONS[versions[-1]]
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    context.load_cert_chain(credentials)
    return context
