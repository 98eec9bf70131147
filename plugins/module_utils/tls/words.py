# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says before TLS: read with bounds, and told apart by what it means for TLS."""

from __future__ import annotations

from typing import Protocol

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import PeerReset
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import DeadlineExpired

#: More than this before TLS is no greeting.
MAX_WORDS = 8192


class TlsNotBegun(Exception):
    """TLS could not begin. `said`: the server's words, or ours for its bytes; `kind`: the answer's kind."""

    kind = ""

    def __init__(self, said: bytes) -> None:
        super().__init__(self.kind)
        self.said = said


class StartTlsRefused(TlsNotBegun):
    """The server speaks its protocol, was asked for TLS, and has none."""

    kind = "starttls_refused"


class StartTlsUnavailable(TlsNotBegun):
    """The server speaks its protocol, and is busy, shuts us out or cuts: whether it has TLS stays unknown."""

    kind = "starttls_unavailable"


class WrongProtocol(TlsNotBegun):
    """What came is not this service's protocol."""

    kind = "not_tls"


class ConnectionClosed(Exception):
    """The server ended the connection before it said anything."""


class Stream(Protocol):
    """What a preamble and a hello need of a connection."""

    deadline: float

    async def send(self, data: bytes) -> None:
        """Send all."""

    async def receive(self) -> bytes:
        """What has come, b"" at the end."""


class Carrier:
    """A stream over another one, with the same deadline."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def deadline(self) -> float:
        return self._stream.deadline

    @deadline.setter
    def deadline(self, moment: float) -> None:
        self._stream.deadline = moment

    async def send(self, data: bytes) -> None:
        """Send all."""
        await self._stream.send(data)

    async def receive(self) -> bytes:
        """What has come, b"" at the end."""
        return await self._stream.receive()


class Words:
    """Reads lines or blocks of a plain protocol, bounded."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.seen = b""
        #: set once the server has shown that it speaks this protocol: a cut then is no refusal of TLS
        self.recognized = False
        #: set while the last line says "not now": silence then says the same
        self.put_off = False
        self._at = 0

    async def block(self, size: int) -> bytes:
        """The next `size` bytes."""
        while len(self.seen) - self._at < size:
            await self._more()
        self._at += size
        return self.seen[self._at - size : self._at]

    async def until(self, mark: bytes) -> bytes:
        """What comes before the next `mark`."""
        while (end := self.seen.find(mark, self._at)) < 0:
            await self._more()
        text = self.seen[self._at : end]
        self._at = end + len(mark)
        return text

    async def line(self) -> bytes:
        """The next line, without its end."""
        return (await self.until(b"\n")).rstrip(b"\r")

    async def reply(self) -> bytes:
        """A reply of SMTP or FTP: lines up to the one with the first one's code and no hyphen after it; all of it."""
        lines: list[bytes] = []
        while not lines or lines[-1][3:4] == b"-" or not lines[-1].startswith(lines[0][:3]):
            line = await self.line()
            if not lines and not line[:3].isdigit():
                raise WrongProtocol(self.seen)
            self.recognized = True
            # "220-Welcome", then "421 too many connections" and the end: servers change their mind within a greeting.
            self.put_off = line[:3].isdigit() and line[:1] in (b"1", b"4", b"5")
            lines.append(line)
        return b"\n".join(lines)

    async def _more(self) -> None:
        if len(self.seen) > MAX_WORDS:
            raise WrongProtocol(self.seen)
        try:
            data = await self._stream.receive()
        except PeerReset:
            if not self.recognized:
                raise
            data = b""
        except DeadlineExpired:
            if not self.put_off:
                raise
            data = b""
        if not data:
            if not self.seen:
                raise ConnectionClosed
            raise StartTlsUnavailable(self.seen.rstrip()) if self.recognized else WrongProtocol(self.seen)
        self.seen += data


def expect(reply: bytes, good: bytes, refusals: tuple[bytes, ...] = ()) -> None:
    """Raise StartTlsRefused where a reply starts as one of `refusals`, StartTlsUnavailable where not as `good`."""
    if reply.startswith(refusals):
        raise StartTlsRefused(reply)
    if not reply.startswith(good):
        raise StartTlsUnavailable(reply)
