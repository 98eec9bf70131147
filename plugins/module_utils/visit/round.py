# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The round over many devices: many at once, one visit at a time per address, at the run's own rate."""

from __future__ import annotations

import concurrent.futures
import ipaddress
import random
import resource
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.address_guard import AddressClaim
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.addresses import why_no_device
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import EventLoop, sleep_until
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.device import DeviceVisit, Settings

#: How often a busy address is tried again.
_BUSY_SECONDS = 0.25
_RESOLVERS = 16
#: What a visit holds open: its connection and its claim on the address; and what the process needs besides.
_FILES_PER_VISIT, _OTHER_FILES = 2, 64
#: Devices of one segment share a switch, an uplink, often a gateway: prefix length by address family.
_SEGMENT_BITS: dict[int, int] = {socket.AF_INET: 24, socket.AF_INET6: 64}

_Group = tuple[int, str, list[dict[str, Any]]]


def _resolve(address: str) -> tuple[int, str] | None:
    """(family, numeric address), or None where the name is unknown."""
    try:
        return _numeric(address)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
        numeric = str(found[0][4][0])
        # A name server that blocks a name may say 0.0.0.0, which is this machine.
        return None if why_no_device(numeric) else _numeric(numeric)
    except (OSError, ValueError):
        return None


def _numeric(address: str) -> tuple[int, str]:
    """(family, one way of writing it): two ways of writing one address must not become two visits at once."""
    numeric = ipaddress.ip_address(address)
    if isinstance(numeric, ipaddress.IPv6Address):
        if numeric.ipv4_mapped is None:
            return socket.AF_INET6, str(numeric)
        numeric = numeric.ipv4_mapped
    return socket.AF_INET, str(numeric)


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


def _spread(groups: Iterable[_Group]) -> list[_Group]:
    """A random order in which each network segment is spread evenly over the whole run."""
    segments: dict[Any, list[_Group]] = {}
    for group in groups:
        family, address, _devices = group
        network = ipaddress.ip_network(f"{address.partition('%')[0]}/{_SEGMENT_BITS[family]}", strict=False)
        segments.setdefault(network, []).append(group)
    places = []
    for members in segments.values():
        random.shuffle(members)
        places += [((at + random.random()) / len(members), member) for at, member in enumerate(members)]
    return [member for _place, member in sorted(places, key=lambda place: place[0])]


def _affordable(concurrency: int) -> int:
    """How many visits at once the limit on open files allows, after raising it as far as it goes."""
    wanted = concurrency * _FILES_PER_VISIT + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, min(concurrency, (soft - _OTHER_FILES) // _FILES_PER_VISIT))
    return concurrency


def _unvisited(device: dict[str, Any], outcome: str, reason: str) -> dict[str, Any]:
    """The raw observation of a device that nothing was learned of."""
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
        self, settings: Settings, concurrency: int, rate: float, on_observation: Callable[[dict[str, Any]], None]
    ) -> None:
        self._settings = settings
        self._concurrency = concurrency
        self._interval = 1.0 / rate if rate > 0 else 0.0
        self._next_connection = 0.0
        self.on_observation = on_observation
        self._queue: deque[_Group] = deque()

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
        self._queue.extend(_spread((family, address, group) for (family, address), group in by_address.items()))
        loop = EventLoop()
        for _worker in range(_affordable(min(self._concurrency, len(self._queue)))):
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
                        busy = _unvisited(device, "skipped", "visit_time_over")
                        self.on_observation({**busy, "detail": "another visit to this address did not end"})
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
            try:
                observation = await visit.run()
            except Exception as error:
                # A mistake of ours, met on one device, must not cost the others their visit; and it must be seen.
                observation = {**_unvisited(device, "aborted", "vantage_lost"), "detail": repr(error)[:200]}
                observation["connections"] = visit.traffic.connections
            self.on_observation(observation)
            last_closed = visit.last_closed

    async def _wait_for_rate(self) -> None:
        if not self._interval:
            return
        now = time.monotonic()
        self._next_connection = max(self._next_connection, now) + self._interval
        if self._next_connection - self._interval > now:
            await sleep_until(self._next_connection - self._interval)
