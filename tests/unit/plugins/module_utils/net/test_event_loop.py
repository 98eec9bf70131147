# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event loop: who wakes whom, and that no wait outlives its deadline."""

from __future__ import annotations

import socket
import time

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import (
    DeadlineExpired,
    EventLoop,
    readable,
    sleep_until,
    writable,
)


def test_a_wait_ends_with_what_was_waited_for_or_with_its_deadline() -> None:
    ours, theirs = socket.socketpair()
    said: list[str] = []

    async def reader() -> None:
        await readable(ours, time.monotonic() + 5)
        said.append(ours.recv(10).decode())
        with pytest.raises(DeadlineExpired):
            await readable(ours, time.monotonic() + 0.05)
        said.append("late")

    async def writer() -> None:
        await writable(theirs, time.monotonic() + 5)
        await sleep_until(time.monotonic() + 0.05)
        theirs.send(b"hello")

    loop = EventLoop()
    loop.spawn(reader())
    loop.spawn(writer())
    started = time.monotonic()
    loop.run()
    assert said == ["hello", "late"]
    assert 0.09 < time.monotonic() - started < 20
    ours.close()
    theirs.close()


def test_a_timer_of_an_earlier_wait_does_not_end_a_later_one() -> None:
    ours, theirs = socket.socketpair()
    woken: list[float] = []

    async def reader() -> None:
        await readable(ours, time.monotonic() + 0.1)  # comes at once; its timer is still set
        ours.recv(10)
        started = time.monotonic()
        with pytest.raises(DeadlineExpired):
            await readable(ours, started + 0.3)
        woken.append(time.monotonic() - started)

    theirs.send(b"x")
    loop = EventLoop()
    loop.spawn(reader())
    loop.run()
    assert woken[0] >= 0.29
    ours.close()
    theirs.close()


def test_nor_does_one_that_expires_together_with_another() -> None:
    ours, theirs = socket.socketpair()
    woken: list[float] = []

    async def reader() -> None:
        await readable(ours, time.monotonic() + 0.11)  # comes at once; its timer is still set
        ours.recv(10)
        started = time.monotonic()
        with pytest.raises(DeadlineExpired):
            await readable(ours, started + 0.5)
        woken.append(time.monotonic() - started)

    async def sleeper() -> None:
        await sleep_until(time.monotonic() + 0.1)

    async def busy() -> None:
        await sleep_until(time.monotonic() + 0.05)
        time.sleep(0.15)  # both timers expire meanwhile

    theirs.send(b"x")
    loop = EventLoop()
    for coroutine in (reader(), sleeper(), busy()):
        loop.spawn(coroutine)
    loop.run()
    assert woken[0] >= 0.49
    ours.close()
    theirs.close()


def test_many_sleepers_sleep_at_the_same_time() -> None:
    order: list[int] = []

    async def sleeper(number: int) -> None:
        await sleep_until(started + 0.02 * (5 - number))
        order.append(number)

    started = time.monotonic()
    loop = EventLoop()
    for number in range(5):
        loop.spawn(sleeper(number))
    loop.run()
    assert order == [4, 3, 2, 1, 0]
    assert time.monotonic() - started < 20
