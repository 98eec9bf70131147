# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A revocation list's server that does its worst costs the run a bounded time and a bounded memory."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.control_node.fetch import FetchError, fetch

LIMIT, MOST = 1.0, 1_000_000
Play = Callable[[socket.socket], None]


def _say(first: bytes, again: bytes = b"", pause: float = 0.0) -> Play:
    def play(sock: socket.socket) -> None:
        sock.sendall(first)
        while again:
            sock.sendall(again)
            time.sleep(pause)

    return play


@contextlib.contextmanager
def serving(play: Play) -> Iterator[str]:
    listener = socket.create_server(("127.66.1.1", 0))

    def work() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _peer = listener.accept()
                sock.settimeout(5)
                with sock, contextlib.suppress(OSError):
                    sock.recv(4096)
                    play(sock)

    threading.Thread(target=work, daemon=True).start()
    try:
        yield f"127.66.1.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


OK = b"HTTP/1.1 200 OK\r\n"
CASES: dict[str, tuple[Play, str]] = {
    "silent": (_say(b"", b"", 0.0), "remote end closed connection|closed"),
    "trickled status": (_say(b"H", b"T", 0.3), "within 1 s"),
    "trickled header": (_say(OK + b"X: ", b"y", 0.3), "within 1 s"),
    "trickled body": (_say(OK + b"Content-Length: 500\r\n\r\n", b"y", 0.3), "within 1 s"),
    "endless header": (_say(OK, b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 90), "headers|within"),
    "endless line": (_say(OK, b"y" * 65536), "line|within"),
    "endless body": (_say(OK + b"\r\n", b"y" * 65536), "larger than 1000000 bytes"),
    "endless interim": (_say(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), "within 1 s"),
    "cut short": (_say(OK + b"Content-Length: 500\r\n\r\nabc"), "ends 497 bytes early"),
    "absurd length": (_say(OK + b"Content-Length: 99999999999999999999\r\n\r\nabc"), "early|fit"),
    "absurd chunk": (_say(OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc"), "Incomplete|fit"),
    "no HTTP": (_say(b"\x15\x03\x01\x00\x02\x02\x46"), "."),
    "leads to a file": (_say(b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"), "answered 302"),
    "leads to ftp": (_say(b"HTTP/1.1 302 Found\r\nLocation: ftp://127.66.1.1/x\r\n\r\n"), "answered 302"),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_hostile_server_is_left_in_time(case: str) -> None:
    play, reason = CASES[case]
    tracemalloc.start()
    begun = time.monotonic()
    try:
        with serving(play) as place, pytest.raises(FetchError, match=f"(?i){reason}"):
            fetch(f"http://{place}/a.crl", LIMIT, MOST)
        took = time.monotonic() - begun
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert took < LIMIT + 1.5
    assert peak < 6 * MOST


def test_a_sound_server_is_read() -> None:
    with serving(_say(OK + b"Content-Length: 3\r\n\r\nabc")) as place:
        assert fetch(f"http://{place}/a.crl", 5.0, MOST) == b"abc"


def test_a_server_that_leads_in_circles_is_left() -> None:
    with (
        serving(
            lambda sock: sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: /a.crl\r\nConnection: close\r\n\r\n")
        ) as place,
        pytest.raises(FetchError, match="answered 302"),
    ):
        fetch(f"http://{place}/a.crl", 5.0, MOST)
