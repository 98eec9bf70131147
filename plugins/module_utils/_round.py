# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The round over many devices: many at once, one visit at a time per address, at the run's own rate."""

from __future__ import annotations

import concurrent.futures
import ipaddress
import random
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils._address_guard import AddressClaim
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._event_loop import EventLoop, sleep_until
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._visit import DeviceVisit, Settings, iso

#: How often a busy address is tried again.
_BUSY_SECONDS = 0.25
_RESOLVERS = 16


def _resolve(address: str) -> tuple[int, str] | None:
    """(family, numeric address), or None where the name is unknown."""
    try:
        numeric = ipaddress.ip_address(address)
        return (socket.AF_INET if numeric.version == 4 else socket.AF_INET6), str(numeric)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
        return found[0][0], str(found[0][4][0])
    except (OSError, UnicodeError):
        return None


def _resolve_all(addresses: Iterable[str], seconds: float) -> dict[str, tuple[int, str] | None]:
    """Resolve every address; a name server that doesn't answer costs at most `seconds` in all."""
    resolved: dict[str, tuple[int, str] | None] = {}
    names = []
    for address in set(addresses):
        try:
            ipaddress.ip_address(address)
            resolved[address] = _resolve(address)
        except ValueError:
            names.append(address)
            resolved[address] = None
    if names:
        pool = concurrent.futures.ThreadPoolExecutor(max_workers=_RESOLVERS)
        futures = {pool.submit(_resolve, name): name for name in names}
        done, _late = concurrent.futures.wait(futures, timeout=seconds)
        for future in done:
            resolved[futures[future]] = future.result()
        pool.shutdown(wait=False, cancel_futures=True)
    return resolved


def _unvisited(device: dict[str, Any], outcome: str, reason: str) -> dict[str, Any]:
    """The raw observation of a device that no packet was sent to."""
    now = iso(time.time())
    return {
        "device": device["name"],
        "started_at": now,
        "finished_at": now,
        "outcome": outcome,
        "reason": reason,
        "connections": 0,
        "bytes_sent": 0,
        "bytes_received": 0,
        "endpoints": [],
        "ports": {},
        "clock": {"samples": []},
    }


class Round:
    """Visits devices; `on_observation` gets each raw observation as its visit ends."""

    def __init__(
        self,
        settings: Settings,
        concurrency: int,
        rate: float,
        on_observation: Callable[[dict[str, Any]], None],
    ) -> None:
        self._settings = settings
        self._concurrency = concurrency
        self._interval = 1.0 / rate if rate > 0 else 0.0
        self._next_connection = 0.0
        self.on_observation = on_observation
        self._queue: deque[tuple[int, str, list[dict[str, Any]]]] = deque()

    def run(self, devices: list[dict[str, Any]]) -> None:
        """Visit every device once."""
        resolved = _resolve_all((device["address"] for device in devices), self._settings.device_timeout)
        by_address: dict[tuple[int, str], list[dict[str, Any]]] = {}
        for device in devices:
            target = resolved[device["address"]]
            if target is None:
                self.on_observation(_unvisited(device, "unreachable", "name_not_resolved"))
            else:
                by_address.setdefault(target, []).append(device)
        groups = [(family, address, group) for (family, address), group in by_address.items()]
        # A ward's devices share a segment, and often a switch or a gateway: never all of them at once.
        random.shuffle(groups)
        self._queue.extend(groups)
        loop = EventLoop()
        for _worker in range(min(self._concurrency, len(groups))):
            loop.spawn(self._work())
        loop.run()

    async def _work(self) -> None:
        while self._queue:
            family, address, group = self._queue.popleft()
            claim = AddressClaim(address)
            deadline = time.monotonic() + self._settings.device_timeout
            while not claim.take():
                if time.monotonic() >= deadline:
                    for device in group:
                        self.on_observation(_unvisited(device, "skipped", "address_busy"))
                    break
                await sleep_until(time.monotonic() + _BUSY_SECONDS)
            else:
                try:
                    await self._visit_group(family, address, group)
                finally:
                    claim.release()

    async def _visit_group(self, family: int, address: str, group: list[dict[str, Any]]) -> None:
        last_closed = 0.0
        for device in group:
            visit = DeviceVisit(device, family, address, self._settings, self._wait_for_rate, last_closed)
            self.on_observation(await visit.run())
            last_closed = visit.last_closed

    async def _wait_for_rate(self) -> None:
        if not self._interval:
            return
        now = time.monotonic()
        self._next_connection = max(self._next_connection, now) + self._interval
        if self._next_connection - self._interval > now:
            await sleep_until(self._next_connection - self._interval)
