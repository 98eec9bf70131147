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
from dataclasses import replace
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

#: A host name with more addresses is visited at so many of them.
_MOST_ADDRESSES = 4

_Target = tuple[int, str]
_Group = tuple[int, str, list[dict[str, Any]]]


def _resolve(address: str) -> tuple[_Target, ...]:
    """Every (family, numeric address), each once, in the resolver's order; none where the name is unknown."""
    try:
        return (_numeric(address),)
    except ValueError:
        pass
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)]
        # A name server that blocks a name may say 0.0.0.0, which is this machine.
        return tuple(dict.fromkeys(_numeric(numeric) for numeric in found if not why_no_device(numeric)))
    except (OSError, ValueError):
        return ()


def _has_route(target: _Target) -> bool:
    """Whether this vantage has a way to an address at all; no packet is sent."""
    family, address = target
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, 9))
    except OSError:
        return False
    return True


def _numeric(address: str) -> tuple[int, str]:
    """(family, one way of writing it): two ways of writing one address must not become two visits at once."""
    numeric = ipaddress.ip_address(address)
    if isinstance(numeric, ipaddress.IPv6Address):
        if numeric.ipv4_mapped is None:
            return socket.AF_INET6, str(numeric)
        numeric = numeric.ipv4_mapped
    return socket.AF_INET, str(numeric)


def _resolve_all(addresses: Iterable[str], seconds: float) -> dict[str, tuple[_Target, ...]]:
    """Resolve every address; a name server that doesn't answer costs at most `seconds` in all."""
    resolved: dict[str, tuple[_Target, ...]] = {}
    names = []
    for address in set(addresses):
        try:
            ipaddress.ip_address(address)
            resolved[address] = _resolve(address)
        except ValueError:
            names.append(address)
            resolved[address] = ()
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


def _busy(device: dict[str, Any]) -> dict[str, Any]:
    return {
        **_unvisited(device, "skipped", "visit_time_over"),
        "detail": "another visit to this address did not end",
    }


def _together(device: dict[str, Any], visits: list[tuple[str, dict[str, Any]]], missed: list[str]) -> dict[str, Any]:
    """One raw observation of the visits to a device's addresses: its endpoints say at which they were seen.

    What broke off anywhere breaks off the whole; unreachable is only what nobody answered at any address.
    """
    if not visits:
        return {**_busy(device), "addresses_not_visited": missed}
    raws = [raw for _address, raw in visits]
    worst = next((raw for raw in raws if raw["outcome"] == "aborted"), None)
    told = worst or next((raw for raw in raws if raw["outcome"] == "observed"), raws[0])
    whole = {
        **told,
        "started_at": raws[0]["started_at"],
        "finished_at": raws[-1]["finished_at"],
        "endpoints": [{**endpoint, "address": address} for address, raw in visits for endpoint in raw["endpoints"]],
        "ports": {port: state for raw in reversed(raws) for port, state in raw["ports"].items()},
        "clock": {"samples": [sample for raw in raws for sample in raw["clock"]["samples"]]},
        "addresses": [address for address, _raw in visits],
        "addresses_not_visited": missed,
    }
    for key in ("connections", "bytes_sent", "bytes_received"):
        whole[key] = sum(raw[key] for raw in raws)
    return whole


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
        #: the addresses of a group's first device; the group is queued under the first of them
        self._targets: dict[str, tuple[_Target, ...]] = {}

    def run(self, devices: list[dict[str, Any]]) -> None:
        """Visit every device once."""
        resolved = _resolve_all((device["address"] for device in devices), self._settings.device_timeout)
        by_address: dict[tuple[_Target, ...], list[dict[str, Any]]] = {}
        for device in devices:
            targets = resolved[device["address"]]
            if not targets:
                self.on_observation(_unvisited(device, "unreachable", "name_not_resolved"))
            else:
                by_address.setdefault(targets, []).append(device)
        self._targets = {group[0]["address"]: targets for targets, group in by_address.items()}
        self._queue.extend(_spread((*targets[0], group) for targets, group in by_address.items()))
        loop = EventLoop()
        for _worker in range(_affordable(min(self._concurrency, len(self._queue)))):
            loop.spawn(self._work())
        loop.run()

    async def _work(self) -> None:
        while self._queue:
            _family, _address, group = self._queue.popleft()
            targets = self._targets[group[0]["address"]]
            if len(targets) == 1:
                await self._visit_group(targets[0], group)
            else:
                for device in group:
                    await self._visit_each(targets, device)

    async def _visit_group(self, target: _Target, group: list[dict[str, Any]]) -> None:
        """Every device of one address, one after the other."""
        claim = AddressClaim(target[1])
        if not await self._claimed(claim, time.monotonic() + self._settings.device_timeout):
            for device in group:
                self.on_observation(_busy(device))
            return
        try:
            last_closed = 0.0
            for device in group:
                observation, last_closed = await self._visit(device, target, self._settings, last_closed)
                self.on_observation(observation)
        finally:
            claim.release()

    async def _visit_each(self, targets: tuple[_Target, ...], device: dict[str, Any]) -> None:
        """A device whose name has several addresses: at each, one at a time, within the device's time."""
        end = time.monotonic() + self._settings.device_timeout
        visits: list[tuple[str, dict[str, Any]]] = []
        missed = [address for _family, address in targets[_MOST_ADDRESSES:]]
        for target in targets[:_MOST_ADDRESSES]:
            left = end - time.monotonic()
            claim = AddressClaim(target[1])
            if left <= 0 or not _has_route(target) or not await self._claimed(claim, end):
                missed.append(target[1])
                continue
            try:
                settings = replace(self._settings, device_timeout=end - time.monotonic())
                observation, _closed = await self._visit(device, target, settings, 0.0)
                visits.append((target[1], observation))
            finally:
                claim.release()
        self.on_observation(_together(device, visits, missed))

    async def _claimed(self, claim: AddressClaim, deadline: float) -> bool:
        """Wait for the right to visit an address; False where another visit holds it too long."""
        while not claim.take():
            if time.monotonic() >= deadline:
                return False
            await sleep_until(time.monotonic() + _BUSY_SECONDS)
        return True

    async def _visit(
        self, device: dict[str, Any], target: _Target, settings: Settings, last_closed: float
    ) -> tuple[dict[str, Any], float]:
        """(raw observation of one device at one address, when its last connection was closed)."""
        visit = DeviceVisit(device, target[0], target[1], settings, self._wait_for_rate, last_closed)
        try:
            observation = await visit.run()
        except Exception as error:
            # A mistake of ours, met on one device, must not cost the others their visit; and it must be seen.
            observation = {**_unvisited(device, "aborted", "vantage_lost"), "detail": repr(error)[:200]}
            observation["connections"] = visit.traffic.connections
        return observation, visit.last_closed

    async def _wait_for_rate(self) -> None:
        if not self._interval:
            return
        now = time.monotonic()
        self._next_connection = max(self._next_connection, now) + self._interval
        if self._next_connection - self._interval > now:
            await sleep_until(self._next_connection - self._interval)
