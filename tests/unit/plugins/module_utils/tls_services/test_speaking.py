# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port that answers a hello with TLS is told from one that says anything else, or nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services import speaking as module
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.speaking import speaking

ANSWERS = {
    "a handshake": (b"\x16\x03\x03\x00\x7a\x02", True),
    "an alert": (b"\x15\x03\x01\x00\x02\x02\x46", True),
    "an alert of SSLv3": (b"\x15\x03\x00\x00\x02\x02\x28", True),
    "a mail server": (b"220 gw ESMTP\r\n", False),
    "a web server": (b"HTTP/1.1 400 Bad Request\r\n", False),
    "a DICOM abort": (b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x01", False),
    "an end": (b"", False),
    "silence": (None, False),
    "another first byte": (b"\x16\x01abc", False),
}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize("case", ANSWERS)
def test_what_speaks_tls(case: str, listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.3)
    answer, speaks = ANSWERS[case]
    seen: list[bytes] = []
    done = threading.Event()

    def serve() -> None:
        with listener.accept()[0] as connection:
            seen.append(connection.recv(4096))
            if answer is None:
                done.wait(5)
            else:
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    place = ("127.0.0.1", listener.getsockname()[1])
    assert speaking([place]) == ([place] if speaks else [])
    done.set()
    thread.join(5)
    # One whole hello: a record of TLS whose first message is a ClientHello.
    assert len(seen) == 1 and seen[0][:2] == b"\x16\x03" and seen[0][5:6] == b"\x01"


def test_where_nobody_listens_nobody_speaks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
    assert speaking([place]) == []
