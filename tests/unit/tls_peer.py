# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection in memory whose other end is OpenSSL, or bytes as they stand in a test: no socket, no waiting."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Coroutine, Iterable
from typing import Any

from unit import pki_factory as pki


def done(task: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that waits for nothing returns."""
    try:
        task.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def server_context(*chain: pki.Identity) -> ssl.SSLContext:
    """A server with this chain, the leaf first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write("".join(one.pem for one in chain) + chain[0].private_pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


class Script:
    """A peer that says these things whatever it hears: bytes, or what is raised."""

    deadline = 1e9

    def __init__(self, *said: bytes | Exception) -> None:
        self._said = list(said)
        self.heard = b""

    async def send(self, data: bytes) -> None:
        self.heard += data

    async def receive(self) -> bytes:
        if not self._said:
            return b""
        piece = self._said.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece


class Peer:
    """OpenSSL's server: it completes the handshake, and then says what `says` gives it, piece by piece."""

    deadline = 1e9

    def __init__(self, context: ssl.SSLContext, says: Iterable[bytes] = (), step: int = 65536) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._says = list(says)
        self._step = step
        self._established = False
        self.refused: str | None = None
        self.heard = b""
        self.named: str | None = None

    async def send(self, data: bytes) -> None:
        self._in.write(data)
        if self.refused is None:
            self._go_on()

    async def receive(self) -> bytes:
        return self._out.read(self._step)

    def _go_on(self) -> None:
        try:
            if not self._established:
                self._tls.do_handshake()
                self._established = True
                for piece in self._says:
                    self._tls.write(piece)
            while piece := self._tls.read(16384):
                self.heard += piece
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        except ssl.SSLError as error:
            self.refused = error.reason
