# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small event loop for short TCP visits: many devices at once, one thread, deadlines on every wait.

Why not asyncio: a visit is a handful of connections of a few hundred bytes; transports, futures and timeouts cost
several times the work itself there, and this loop lets a visit hold a plain socket, so that what is sent, and how
a connection is closed, is exactly what is written here.
"""

from __future__ import annotations

import heapq
import itertools
import math
import select
import socket
import time
import types
from collections import deque
from collections.abc import Coroutine, Generator
from typing import Any

_READ, _WRITE, _SLEEP = "read", "write", "sleep"
#: Seconds that one call of poll may wait; it takes no more than 24 days.
_LONGEST = 3600.0


class DeadlineExpired(Exception):
    """What was waited for did not come in time."""


@types.coroutine
def _suspend(kind: str, subject: Any, deadline: float) -> Generator[tuple[str, Any, float], bool, bool]:
    return (yield (kind, subject, deadline))


async def readable(sock: socket.socket, deadline: float) -> None:
    """Wait until there is something to read (monotonic deadline); DeadlineExpired after it."""
    if not await _suspend(_READ, sock, deadline):
        raise DeadlineExpired


async def writable(sock: socket.socket, deadline: float) -> None:
    """Wait until one can write, or a connect has ended; DeadlineExpired after it."""
    if not await _suspend(_WRITE, sock, deadline):
        raise DeadlineExpired


async def sleep_until(moment: float) -> None:
    """Sleep to a moment of time.monotonic()."""
    await _suspend(_SLEEP, None, moment)


class _Task:
    __slots__ = ("coroutine", "descriptor", "loop", "turn")

    def __init__(self, loop: EventLoop, coroutine: Coroutine[Any, Any, None]) -> None:
        self.loop = loop
        self.coroutine = coroutine
        #: Grows at every wake-up, so that a timer set for an earlier wait is known to be stale.
        self.turn = 0
        #: What it waits for, where that is a socket.
        self.descriptor: int | None = None

    def wake(self, value: bool) -> None:
        self.turn += 1
        self.loop.ready.append((self, value))


class EventLoop:
    """Runs coroutines that wait with the functions above. One exception ends the run: visits catch their own."""

    def __init__(self) -> None:
        self.ready: deque[tuple[_Task, bool | None]] = deque()
        # A few hundred sockets that each wait briefly: poll needs no system call to begin and end a wait, epoll two.
        self._poll = select.poll()
        self._waiting: dict[int, _Task] = {}
        self._timers: list[tuple[float, int, _Task, int]] = []
        self._order = itertools.count()
        self._alive = 0

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Have a coroutine run by `run`."""
        self._alive += 1
        self.ready.append((_Task(self, coroutine), None))

    def run(self) -> None:
        """Run until every coroutine has ended."""
        while self._alive:
            while self.ready:
                task, value = self.ready.popleft()
                self._step(task, value)
            if self._alive:
                self._wait()

    def _step(self, task: _Task, value: bool | None) -> None:
        try:
            kind, subject, deadline = task.coroutine.send(value)
        except StopIteration:
            self._alive -= 1
            return
        if kind != _SLEEP:
            task.descriptor = subject.fileno()
            self._poll.register(task.descriptor, select.POLLIN if kind == _READ else select.POLLOUT)
            self._waiting[task.descriptor] = task
        heapq.heappush(self._timers, (deadline, next(self._order), task, task.turn))

    def _wait(self) -> None:
        timers = self._timers
        while timers and timers[0][3] != timers[0][2].turn:
            heapq.heappop(timers)
        # Rounded up to the next millisecond: never too early for the timer.
        pause = math.ceil(min(max(0.0, timers[0][0] - time.monotonic()), _LONGEST) * 1000) if timers else None
        for descriptor, _events in self._poll.poll(pause):
            task = self._waiting[descriptor]
            self._release(task)
            task.wake(True)
        now = time.monotonic()
        while timers and timers[0][0] <= now:
            _moment, _order, task, turn = heapq.heappop(timers)
            if task.turn == turn:
                self._release(task)
                task.wake(False)

    def _release(self, task: _Task) -> None:
        if task.descriptor is not None:
            self._poll.unregister(task.descriptor)
            del self._waiting[task.descriptor]
            task.descriptor = None
