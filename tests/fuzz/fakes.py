# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that play what a device would send, and a way to run a coroutine without a socket and without waiting."""

from __future__ import annotations

import contextlib
import random
import ssl
import time
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import NoConnection, PeerReset, Traffic
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import DeadlineExpired
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.handshake import HandshakeFailed

T = TypeVar("T")

#: What may be waited for in one visit; real ones wait a few dozen times for each connection.
_MAX_STEPS = 1_000_000


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end; whatever is waited for has come."""
    value = None
    for _step in range(_MAX_STEPS):
        try:
            coroutine.send(value)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        value = True
    raise AssertionError("the coroutine never ends")


def pieces(data: bytes, rng: random.Random) -> Iterator[bytes]:
    """The bytes as a network may deliver them: at once, byte by byte, or in pieces of any size."""
    manner = rng.randrange(4)
    at = 0
    while at < len(data):
        size = (16384, 1, rng.randrange(1, 9), rng.randrange(1, 3000))[manner]
        if manner == 1 and at > 2000:
            size = 16384
        yield data[at : at + size]
        at += size


class FakeStream:
    """A connection that brings `data` in pieces and then ends: 0 end of file, 1 reset, 2 silence."""

    was_reset = False

    def __init__(self, data: bytes, ending: int, rng: random.Random, max_bytes: int = 262144) -> None:
        self.deadline = time.monotonic() + 60
        self.sent = 0
        self.receipts = 0
        self._pieces = pieces(data[:max_bytes], rng)
        self._ending = ending % 3

    async def send(self, data: bytes) -> None:
        self.sent += len(data)

    async def receive(self) -> bytes:
        self.receipts += 1
        piece = next(self._pieces, b"")
        if piece or self._ending == 0:
            return piece
        raise PeerReset if self._ending == 1 else DeadlineExpired

    async def close(self) -> None:
        """Nothing is held."""


class FakeDevice:
    """What stands behind Connection.open: each connection plays the next flight; then nobody answers any more."""

    def __init__(self, flights: list[tuple[int, bytes]], rng: random.Random) -> None:
        self._flights = iter(flights)
        self._rng = rng
        self.connections = 0

    async def open(self, _family: int, _address: object, traffic: Traffic, *_limits: object) -> FakeStream:
        self.connections += 1
        traffic.connections += 1
        how, data = next(self._flights, (6, b""))
        if how % 8 >= 6:
            raise NoConnection(("timeout", "refused", "unreachable")[how // 8 % 3])
        return FakeStream(data, how % 8, self._rng)


class TlsPeer:
    """A connection to a real TLS server in this process that then does what `script` says, step by step.

    Steps are (what, bytes): 0 say these over TLS, 1 throw them in as they are, 2 damage what is sent next, 3 say
    close_notify, 4 end, 5 reset, 6 fall silent; plus 0x80 to do it before the handshake is over.
    """

    def __init__(self, context: ssl.SSLContext, script: list[tuple[int, bytes]], rng: random.Random) -> None:
        self.deadline = time.monotonic() + 60
        self.done = False
        self.sound = True
        self._rng = rng
        self._script = list(script)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._server = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._pending: Iterator[bytes] = iter(())
        self._damage = b""

    async def send(self, data: bytes) -> None:
        self._incoming.write(data)
        with contextlib.suppress(ssl.SSLError):
            if not self.done:
                self._server.do_handshake()
                self.done = True
            self._server.read(65536)

    async def receive(self) -> bytes:
        while True:
            piece = next(self._pending, b"")
            if piece:
                return piece
            if self._script and (self.done or self._script[0][0] & 0x80):
                what, data = self._script.pop(0)
                thrown = self._step(what & 7, data)
                if thrown is not None:
                    return thrown
            said = self._outgoing.read()
            if said:
                self._pending = pieces(self._damaged(said), self._rng)
            elif not self._script or not self.done:
                return b""

    def _step(self, what: int, data: bytes) -> bytes | None:
        self.sound = self.sound and what in (0, 3) and self.done
        if what == 0:
            with contextlib.suppress(ssl.SSLError):
                self._server.write(data)
        elif what == 1 and data:
            return data
        elif what == 2:
            self._damage = data
        elif what == 3:
            with contextlib.suppress(ssl.SSLError):
                self._server.unwrap()
        elif what == 4:
            self._script.clear()
            return b""
        elif what == 5:
            raise PeerReset
        elif what == 6:
            raise DeadlineExpired
        return None

    def _damaged(self, said: bytes) -> bytes:
        damage, self._damage = self._damage, b""
        if not damage:
            return said
        at = int.from_bytes(damage[:2], "big") % len(said)
        return said[:at] + damage[2:] + said[at + len(damage[2:]) :]


class FakeSession:
    """A TLS session whose handshake always ends well: what the stream brings is what the application said."""

    chain: tuple[bytes, ...] | None = (b"\x30\x00",)
    certificate_requested = True
    #: Nothing but what the application said is learnt of it.
    negotiated = None
    key = None
    key_proved = True

    def __init__(self, connection: FakeStream, *_options: object) -> None:
        self._connection = connection

    async def handshake(self) -> None:
        """Done."""

    async def send(self, data: bytes) -> None:
        await self._connection.send(data)

    async def receive(self) -> bytes:
        try:
            return await self._connection.receive()
        except PeerReset:
            raise HandshakeFailed("tlsv1 alert certificate required", "alert") from None

    def later(self) -> None:
        """Nothing is waited for."""

    def hurry(self, seconds: float) -> None:
        """Nothing is waited for."""

    async def close(self) -> None:
        """Nothing is held."""
