# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift from a time server, with a server that answers as it is told to. Real ones are in extensions/molecule."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.ntp_offset import ask

_EPOCH = 2208988800


class Server(threading.Thread):
    """ahead: seconds; first: the answer's first two bytes (leap and mode, stratum); None keeps silent."""

    def __init__(self, ahead: float, first: tuple[int, int] | None) -> None:
        super().__init__(daemon=True)
        self.ahead, self.first = ahead, first
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                query, place = self.socket.recvfrom(512)
            except OSError:
                return
            if self.first and query:
                now = time.time() + self.ahead + _EPOCH
                stamp = struct.pack("!II", int(now), int(now % 1 * (1 << 32)))
                self.socket.sendto(bytes(self.first) + bytes(22) + query[40:48] + stamp + stamp, place)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    made = Server(*request.param)
    made.start()
    yield made
    made.socket.close()


@pytest.mark.parametrize("server", [(90.0, (0x24, 2)), (-0.5, (0x24, 1))], indirect=True)
def test_the_sign_is_the_gateways(server: Server) -> None:
    told = ask("127.0.0.1", timeout=2, queries=2, port=server.port)
    assert told["error"] is None
    assert told["offset_seconds"] == pytest.approx(-server.ahead, abs=0.05)
    assert told["addresses"] == ["127.0.0.1"] == [told["address"]]
    assert told["stratum"] == server.first[1] if server.first else False


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ((0.0, None), "no answer"),
        ((0.0, (0xE4, 2)), "not synchronised"),
        ((0.0, (0x24, 16)), "not synchronised"),
        ((0.0, (0x24, 0)), "none of a time server"),
        ((0.0, (0x23, 2)), "none of a time server"),
    ],
    indirect=["server"],
)
def test_what_is_no_time_counts_as_none(server: Server, words: str) -> None:
    told = ask("127.0.0.1", timeout=0.3, queries=1, port=server.port)
    assert told["offset_seconds"] is None
    assert words in told["error"]


def test_a_name_that_nobody_knows() -> None:
    assert "not known" in ask("no.such.name.invalid", timeout=1, queries=1)["error"]
