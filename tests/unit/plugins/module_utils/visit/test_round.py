# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The round: one visit at a time per address over names, devices, runs; its order, its rate, its crashes."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab.places import own_network
from servers import pki
from servers.device import Device, Filtered, Link, Tls, free_port, neighbours, server_context, silent, web_page
from servers.probe import card

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.address_guard import AddressClaim
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit import device as visit
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit import round
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.device import Settings
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.round import Round

Credentials = Callable[..., str]


PARTS = iter(range(256))


@pytest.fixture
def network() -> str:
    """A part of 127.0.0.0/8 for this test alone: claims on addresses hold over all runs on this machine."""
    return f"{own_network('rounds')}.{next(PARTS)}"


def make_round(
    devices: list[dict[str, Any]], rate: float = 0, concurrency: int = 200, **settings: Any
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    Round(Settings(**{"timeout": 2.0, "pause": 0.0, **settings}), concurrency, rate, found.append).run(devices)
    return found


def named(name: str, port: int, address: str, service: str = "https", **more: Any) -> dict[str, Any]:
    return {**card([(port, service)], address=address, names=[pki.NAME], **more), "name": name}


def test_two_devices_on_one_address_are_visited_one_after_the_other(credentials: Credentials, network: str) -> None:
    tls = Tls(server_context(credentials()), web_page())
    with Device(tls, f"{network}.1") as one, Device(tls, f"{network}.1") as two:
        found = make_round(
            [named("a", one.port, f"{network}.1"), named("b", two.port, f"::ffff:{network}.1")], pause=0.05
        )
        one.endings(), two.endings()
        links = sorted(one.links + two.links, key=lambda link: link.opened)
        assert all(before.closed <= after.opened - 0.04 for before, after in neighbours(links))
    assert sorted(observation["device"] for observation in found) == ["a", "b"]
    assert {observation["outcome"] for observation in found} == {"observed"}


def test_two_rounds_in_two_threads_share_an_address_in_turn(credentials: Credentials, network: str) -> None:
    tls = Tls(server_context(credentials(), ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")), web_page())
    with Device(tls, f"{network}.2") as device:
        found: list[dict[str, Any]] = []
        rounds = [
            threading.Thread(
                target=lambda: found.extend(make_round([named("a", device.port, f"{network}.2")], pause=0.02))
            )
            for _number in range(3)
        ]
        for thread in rounds:
            thread.start()
        for thread in rounds:
            thread.join(20)
        assert device.most_at_once == 1 and device.connections == 18
    assert len(found) == 3


def test_another_process_holds_the_address_until_it_ends_however_it_ends(
    credentials: Credentials, network: str
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, f"{network}.3"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with Device(Tls(server_context(credentials())), f"{network}.3") as device:
        devices = [named("a", device.port, f"{network}.3", "dicom")]
        (busy,) = make_round(devices, device_timeout=0.3)
        assert (busy["outcome"], busy["reason"], device.connections) == ("skipped", "visit_time_over", 0)
        assert "another visit" in busy["detail"]
        holder.kill()
        holder.wait(10)
        holder.stdout.close()
        (free,) = make_round(devices)
        assert free["outcome"] == "observed"


HOLD = """
import sys, time
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.address_guard import AddressClaim
claim = AddressClaim(sys.argv[1])
assert claim.take() and not AddressClaim(sys.argv[1]).take()
print("held", flush=True)
time.sleep(60)
"""


def test_a_claim_by_file_works_as_one_by_socket(network: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(
        "ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.address_guard._ABSTRACT_SOCKETS", False
    )
    one, two = AddressClaim(f"{network}.4"), AddressClaim(f"{network}.4")
    assert one.take() and not two.take()
    one.release()
    assert two.take()
    two.release()


def test_the_rate_holds_for_the_whole_run(credentials: Credentials, network: str) -> None:
    tls = Tls(server_context(credentials()))
    devices = [Device(tls, f"{network}.{number}") for number in range(10, 14)]
    make_round([named(device.address, device.port, device.address, "dicom") for device in devices], rate=20)
    opened = sorted(link.opened for device in devices for link in device.links)
    for device in devices:
        device.close()
    assert len(opened) == 16
    assert min(after - before for before, after in neighbours(opened)) > 0.02
    assert opened[-1] - opened[0] >= 15 / 20 - 0.03


def test_dead_and_silent_devices_cost_their_neighbours_nothing(credentials: Credentials, network: str) -> None:
    tls = Tls(server_context(credentials()))
    with (
        Device(tls, f"{network}.20") as alive,
        Device(silent, f"{network}.21") as mute,
        Filtered(f"{network}.22") as dead,
    ):
        ended: dict[str, float] = {}
        started = time.monotonic()
        Round(
            Settings(timeout=2.0, pause=0.0),
            3,
            0,
            lambda seen: ended.update({seen["device"]: time.monotonic() - started}),
        ).run(
            [
                named("dead", dead.port, dead.address),
                named("mute", mute.port, mute.address),
                named("alive", alive.port, alive.address, "dicom"),
            ]
        )
    assert ended["alive"] < ended["dead"] and ended["alive"] < ended["mute"]
    # Beside each other: one after the other they would take twice as long.
    assert 1.8 < ended["dead"] < 5.4 and 3.8 < ended["mute"] < 5.4


def test_a_name_that_is_unknown_is_no_visit() -> None:
    (seen,) = make_round([named("a", 443, "does-not-exist.invalid")])
    assert (seen["outcome"], seen["reason"], seen["connections"]) == ("unreachable", "name_not_resolved", 0)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "224.0.0.251", "169.254.1.1"])
def test_a_name_that_leads_to_no_device_is_no_visit(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """A name server that blocks a name says 0.0.0.0: a visit there would be one of this machine."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_asked, **_options: found)
    (seen,) = make_round([named("a", 443, "blocked.hopital.example")])
    assert (seen["outcome"], seen["reason"], seen["connections"]) == ("unreachable", "name_not_resolved", 0)


def test_a_host_name_is_visited_at_its_address(credentials: Credentials) -> None:
    with Device(Tls(server_context(credentials())), "127.0.0.1") as device:
        (seen,) = make_round([named("a", device.port, "localhost", "dicom")])
    assert seen["outcome"] == "observed"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server of one's own: name -> addresses."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **more: Any) -> list[Any]:
        return [entry for address in known[host] for entry in real(address, *rest, **more)]

    monkeypatch.setattr(round.socket, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize("number", [1, 2, 4, 6])
def test_a_name_with_several_addresses_is_visited_at_each_one_at_a_time(
    credentials: Credentials, network: str, names: dict[str, list[str]], number: int
) -> None:
    tls = Tls(server_context(credentials()), web_page())
    port = 0
    devices: list[Device] = []
    for at in range(number):
        devices.append(Device(tls, f"{network}.{70 + at}", port))
        port = devices[0].port
    names["echo.test"] = [device.address for device in devices] + [devices[0].address]
    (seen,) = make_round([named("a", port, "echo.test")], pause=0.05)
    links = sorted((link for device in devices for link in device.links), key=lambda link: link.opened)
    for device in devices:
        device.endings()
        device.close()
    assert seen["outcome"] == "observed"
    if number == 1:
        assert "addresses" not in seen and "address" not in seen["endpoints"][0]
        return
    visited = [device.address for device in devices[:4]]
    assert seen["addresses"] == visited and [endpoint["address"] for endpoint in seen["endpoints"]] == visited
    assert seen["addresses_not_visited"] == [device.address for device in devices[4:]]
    assert all(before.opened < after.opened for before, after in neighbours(links))
    assert max(device.most_at_once for device in devices) == 1
    assert [link for device in devices[:4] for link in device.links] == links
    assert seen["connections"] == len(links) == 4 * min(4, number)
    assert len(seen["clock"]["samples"]) == min(4, number)


def test_a_name_whose_second_address_is_dead_is_visited_at_the_first(
    credentials: Credentials, network: str, names: dict[str, list[str]]
) -> None:
    with Device(Tls(server_context(credentials())), f"{network}.80") as device:
        names["echo.test"] = [f"{network}.81", device.address]
        (seen,) = make_round([named("a", device.port, "echo.test", "dicom")])
    assert seen["outcome"] == "observed" and seen["addresses"] == names["echo.test"]
    assert [endpoint["outcome"] for endpoint in seen["endpoints"]] == ["refused", "tls"]


def test_all_addresses_share_the_time_of_the_device(network: str, names: dict[str, list[str]]) -> None:
    devices = [Device(silent, f"{network}.{90}")]
    devices += [Device(silent, f"{network}.{91 + at}", devices[0].port) for at in range(3)]
    names["echo.test"] = [device.address for device in devices]
    started = time.monotonic()
    (seen,) = make_round([named("a", devices[0].port, "echo.test")], device_timeout=1.0, timeout=0.4)
    assert time.monotonic() - started < 2.5
    assert seen["outcome"] == "aborted" and seen["addresses_not_visited"]
    for device in devices:
        device.close()


def test_ipv6(credentials: Credentials) -> None:
    try:
        device = Device(Tls(server_context(credentials()), web_page()), "::1")
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with device:
        (seen,) = make_round([named("a", device.port, "::1")])
        assert seen["endpoints"][0]["handshake"] == "completed"


def test_a_mistake_of_ours_on_one_device_costs_the_others_nothing(
    credentials: Credentials, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = visit.DeviceVisit.run

    async def breaks(self: visit.DeviceVisit) -> dict[str, Any]:
        if self.device["name"] == "a":
            raise ZeroDivisionError("ours")
        return await real(self)

    monkeypatch.setattr(round.DeviceVisit, "run", breaks)
    with Device(Tls(server_context(credentials())), f"{network}.30") as device:
        found = make_round([named(name, device.port, device.address, "dicom") for name in "ab"])
    assert [(seen["device"], seen["outcome"], seen["reason"]) for seen in found] == [
        ("a", "aborted", "vantage_lost"),
        ("b", "observed", None),
    ]
    assert "ours" in found[0]["detail"]


# -- the order


def groups(*addresses: str) -> list[Any]:
    return [(round._numeric(address)[0], address, []) for address in addresses]


def test_segments_are_spread_over_the_whole_run() -> None:
    ward = [f"10.1.1.{number}" for number in range(1, 201)]
    laboratory = [f"10.1.2.{number}" for number in range(1, 21)]
    order = [address for _family, address, _devices in round._spread(groups(*ward, *laboratory))]
    assert sorted(order) == sorted(ward + laboratory)
    places = [at for at, address in enumerate(order) if address in set(laboratory)]
    # One in eleven, everywhere: never a block, and none left for the end.
    assert places[0] < 25 and places[-1] > 195
    assert max(after - before for before, after in neighbours(places)) <= 30
    assert order != [address for _family, address, _devices in round._spread(groups(*ward, *laboratory))]


def test_segments_are_24_and_64_bits_wide() -> None:
    six = [f"fd00:1::{number:x}" for number in range(1, 31)] + [f"fd00:2::{number:x}" for number in range(1, 4)]
    order = [address for _family, address, _devices in round._spread(groups(*six, "fe80::1%lo"))]
    places = [at for at, address in enumerate(order) if address.startswith("fd00:2")]
    assert places[0] < 14 < 20 < places[-1]


# -- the machine's limits


def test_more_visits_than_open_files_allow_are_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(256, 1024)]
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda which, wanted: limits.append(wanted))
    assert round._affordable(50) == 50 and len(limits) == 1
    assert round._affordable(200) == 200 and limits[-1] == (464, 1024)
    assert round._affordable(2000) == 480 and limits[-1] == (1024, 1024)


def test_the_concurrency_is_a_limit(network: str) -> None:
    open_now: list[int] = []

    def slow(link: Link) -> None:
        open_now.append(1)
        most.append(len(open_now))
        time.sleep(0.15)
        open_now.pop()
        link.finish()

    most: list[int] = []
    devices = [Device(slow, f"{network}.{number}") for number in range(40, 46)]
    make_round([named(device.address, device.port, device.address, "dicom") for device in devices], concurrency=2)
    for device in devices:
        device.close()
    assert max(most) == 2


def test_a_device_with_nothing_to_ask_is_not_touched(network: str) -> None:
    device = card([], address=f"{network}.50")
    (seen,) = make_round([device])
    assert (seen["outcome"], seen["connections"]) == ("observed", 0)
    assert free_port()
