# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection as the device sees it: ended with a FIN, never a reset; counted; bounded in bytes and time."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from servers.device import Device, Filtered, Link, free_port, hangs_up, resets, silent

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import (
    Connection,
    NoConnection,
    PeerReset,
    Traffic,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import DeadlineExpired, EventLoop


def converse(
    port: int, talk: Callable[[Connection], Awaitable[Any]], seconds: float = 3.0, max_bytes: int = 65536
) -> tuple[Any, Traffic]:
    """What `talk` returned, and the traffic, on one connection that is then closed."""
    traffic = Traffic()
    results: list[Any] = []

    async def run() -> None:
        deadline = time.monotonic() + seconds
        connection = await Connection.open(socket.AF_INET, ("127.0.0.1", port), traffic, deadline, max_bytes)
        try:
            results.append(await talk(connection))
        finally:
            await connection.close()

    loop = EventLoop()
    loop.spawn(run())
    loop.run()
    return results[0], traffic


async def say_hello(connection: Connection) -> bytes:
    await connection.send(b"hello")
    return await connection.receive()


def babbles(link: Link) -> None:
    """Keep talking until the other side ends, as a device does whose answer is longer than we read."""
    link.receive()
    link.send(bytes(20000))
    link.finish()


def test_what_is_sent_and_received_is_counted() -> None:
    def echo(link: Link) -> None:
        link.send(link.receive() + b" you")
        link.drain()

    with Device(echo) as device:
        answer, traffic = converse(device.port, say_hello)
        assert answer == b"hello you"
        assert (traffic.connections, traffic.bytes_sent, traffic.bytes_received) == (1, 5, 9)
        assert device.endings() == ["eof"]


@pytest.mark.parametrize("serve", [silent, babbles, hangs_up])
def test_the_device_sees_a_fin_and_never_a_reset(serve: Callable[[Link], None]) -> None:
    async def talk(connection: Connection) -> None:
        await connection.send(b"hello")

    with Device(serve) as device:
        started = time.monotonic()
        converse(device.port, talk)
        assert device.endings() == ["eof"]
        assert time.monotonic() - started < 10


def test_a_device_that_never_ends_its_half_is_waited_for_half_a_second() -> None:
    def stays(link: Link) -> None:
        link.drain()
        time.sleep(8)

    async def talk(connection: Connection) -> None:
        return

    with Device(stays) as device:
        started = time.monotonic()
        converse(device.port, talk)
        assert 0.4 < time.monotonic() - started < 6


def test_a_reset_and_an_end_stay_apart() -> None:
    async def talk(connection: Connection) -> str:
        try:
            return "eof" if await say_hello(connection) == b"" else "data"
        except PeerReset:
            return "reset"

    for serve, found in ((resets, "reset"), (hangs_up, "eof")):
        with Device(serve) as device:
            assert converse(device.port, talk)[0] == found


def test_a_device_that_trickles_for_ever_ends_at_the_deadline() -> None:
    def trickles(link: Link) -> None:
        for _byte in range(2000):
            link.send(b".")
            time.sleep(0.01)

    async def talk(connection: Connection) -> int:
        count = 0
        try:
            while await connection.receive():
                count += 1
        except DeadlineExpired:
            return count
        raise AssertionError("the deadline did not hold")

    with Device(trickles) as device:
        started = time.monotonic()
        count, _traffic = converse(device.port, talk, seconds=0.5)
        assert count > 5
        assert time.monotonic() - started < 10


def test_a_device_that_floods_for_ever_ends_at_the_deadline() -> None:
    """There is always something to read: no wait ever begins."""

    def floods(link: Link) -> None:
        end = time.monotonic() + 15
        while time.monotonic() < end and link.ending == "open":
            try:
                link.sock.sendall(bytes(1 << 20))
            except OSError:
                return

    async def talk(connection: Connection) -> None:
        with pytest.raises(DeadlineExpired):
            while await connection.receive():
                pass

    with Device(floods) as device:
        started = time.monotonic()
        converse(device.port, talk, seconds=0.3, max_bytes=1 << 40)
        assert time.monotonic() - started < 10


def test_no_more_than_max_bytes_is_read() -> None:
    def floods(link: Link) -> None:
        for _block in range(100):
            link.send(bytes(65536))

    async def talk(connection: Connection) -> int:
        size = 0
        while data := await connection.receive():
            size += len(data)
        return size

    with Device(floods) as device:
        size, traffic = converse(device.port, talk, max_bytes=30000)
        assert size == traffic.bytes_received == 30000


def test_a_device_that_takes_nothing_ends_the_sending_at_the_deadline() -> None:
    def deaf(link: Link) -> None:
        time.sleep(1)

    async def talk(connection: Connection) -> None:
        with pytest.raises(DeadlineExpired):
            await connection.send(bytes(50_000_000))

    with Device(deaf) as device:
        converse(device.port, talk, seconds=0.3)


def test_why_there_is_no_connection_is_told() -> None:
    async def talk(connection: Connection) -> None:
        return

    with pytest.raises(NoConnection) as refused:
        converse(free_port(), talk)
    assert refused.value.kind == "refused"
    with Filtered() as filtered, pytest.raises(NoConnection) as unanswered:
        converse(filtered.port, talk, seconds=0.3)
    assert unanswered.value.kind == "timeout"
