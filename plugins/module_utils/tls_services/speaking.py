# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which listening ports of this machine speak TLS: one connection and one hello each, one after the other."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable

#: A port that says nothing within this time does not wait for a hello.
_SECONDS = 2.0
MOST_PORTS = 100


def speaking(places: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Those of these addresses and ports (of this machine) that answer a hello as TLS does, be it with a refusal."""
    hello = _hello()
    return [place for place in places if _answers(place, hello)]


def _hello() -> bytes:
    """What Python's own TLS would send: versions 1.2 and 1.3. A server that is older refuses it in TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sent = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent).do_handshake()
    return sent.read()


def _answers(place: tuple[str, int], hello: bytes) -> bool:
    try:
        with socket.create_connection(place, _SECONDS) as connection:
            connection.sendall(hello)
            # A handshake or an alert, of a version 3.x (RFC 8446, 5.1).
            start = connection.recv(2)
            return start[:1] in (b"\x15", b"\x16") and start[1:2] in (b"\x03", b"")
    except OSError:
        return False
