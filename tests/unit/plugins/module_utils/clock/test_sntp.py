# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One SNTP query: what is sent, what is believed, and how sure it is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from servers.device import Device, silent
from servers.probe import card, visit

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock import sntp

UNIX_EPOCH = 2208988800


def stamp(seconds: float) -> bytes:
    return (int((seconds + UNIX_EPOCH) * 2**32) % 2**64).to_bytes(8, "big")


def reply(query: bytes, arrived: float, left: float, stratum: int = 2, mode: int = 4, precision: int = 0xEC) -> bytes:
    head = bytes((0x20 | mode, stratum, 6, precision)) + bytes(20)
    return head + query[40:48] + stamp(arrived) + stamp(left)


def test_the_query_is_48_bytes_of_version_4_and_tells_nothing_of_us() -> None:
    first, second = sntp.new_query(), sntp.new_query()
    assert len(first.packet) == 48 and first.packet[0] == 0x23
    assert first.packet[1:40] == bytes(39) and first.mark != second.mark


def test_the_offset_is_the_middle_of_both_ways() -> None:
    query = sntp.new_query()
    found = sntp.offset(query, reply(query.packet, 940.05, 940.06), 1000.0, 1000.1)
    assert found is not None
    assert found[0] == pytest.approx(-59.995, abs=1e-4)
    assert found[1] == pytest.approx(0.045, abs=1e-4)


def test_a_device_in_1970_and_one_after_2036_are_told_apart() -> None:
    query = sntp.new_query()
    early = sntp.offset(query, reply(query.packet, 600, 600), 1000000000.0, 1000000000.0)
    late = sntp.offset(query, reply(query.packet, 2100000000, 2100000000), 2100000000.0, 2100000000.0)
    assert early is not None and early[0] == pytest.approx(600 - 1000000000.0)
    assert late is not None and late[0] == pytest.approx(0.0)


def test_a_coarse_clock_says_so() -> None:
    query = sntp.new_query()
    found = sntp.offset(query, reply(query.packet, 1000, 1000, precision=0), 1000.0, 1000.0)
    assert found == pytest.approx((0.0, 1.0))


def test_what_is_no_answer_is_not_believed() -> None:
    query = sntp.new_query()
    good = reply(query.packet, 1000, 1000)
    for wrong in (
        b"",
        good[:47],
        good[:24] + bytes(8) + good[32:],  # somebody else's mark
        reply(query.packet, 1000, 1000, mode=3),
        reply(query.packet, 1000, 1000, stratum=0),  # kiss-o'-death
        good[:32] + bytes(16),
    ):
        assert sntp.offset(query, wrong, 1000.0, 1000.0) is None


@contextmanager
def time_server(answer: Callable[[bytes], list[bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(5)
    heard: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                query, peer = sock.recvfrom(1024)
            except OSError:
                return
            if query == b"stop":
                return
            heard.append(query)
            for packet in answer(query):
                sock.sendto(packet, peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield sock.getsockname()[1], heard
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
        stop.sendto(b"stop", sock.getsockname())
    thread.join(5)
    sock.close()


def test_a_declared_time_server_is_asked_once() -> None:
    def slow_by_a_minute(query: bytes) -> list[bytes]:
        now = time.time() - 60
        return [b"noise", reply(query, now, now)]

    with time_server(slow_by_a_minute) as (port, heard):
        raw = visit(card(sntp={"port": port}))
    assert len(heard) == 1 and raw["outcome"] == "observed" and raw["bytes_sent"] == 48
    (sample,) = raw["clock"]["samples"]
    assert sample["source"] == "sntp" and sample["endpoint"] == f"sntp:{port}" and sample["evidence"] is True
    assert sample["offset_seconds"] == pytest.approx(-60, abs=0.3)
    assert 0 < sample["uncertainty_seconds"] < 0.5


def test_silence_is_no_sample_and_is_not_asked_again() -> None:
    with time_server(lambda query: []) as (port, heard), Device(silent):
        raw = visit(card(sntp={"port": port}), timeout=0.3)
    assert len(heard) == 1 and raw["clock"]["samples"] == []
    assert (raw["outcome"], raw["reason"]) == ("unreachable", "no_answer")


def test_no_datagram_is_sent_unasked() -> None:
    with time_server(lambda query: []) as (_port, heard):
        visit(card(), timeout=0.3)
    assert heard == []
