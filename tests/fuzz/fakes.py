# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that play what a device would send, and a way to run a coroutine without a socket and without waiting."""

from __future__ import annotations

import random
import time
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from ansible_collections.biomed.cert_hygiene.plugins.module_utils._connection import NoConnection, PeerReset, Traffic
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._event_loop import DeadlineExpired
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_handshake import HandshakeFailed

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


class FakeSession:
    """A TLS session whose handshake always ends well: what the stream brings is what the application said."""

    chain: tuple[bytes, ...] | None = (b"\x30\x00",)
    certificate_requested = True
    cipher = "TLS_AES_128_GCM_SHA256"

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
            raise HandshakeFailed("tlsv1 alert certificate required", alert=True) from None

    def hurry(self, seconds: float) -> None:
        """Nothing is waited for."""

    async def close(self) -> None:
        """Nothing is held."""
