# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few words of a service's own protocol that come before TLS. Nothing is logged in, nothing is asked but TLS.

Sources: RFC 3207 (SMTP), RFC 2595 (IMAP, POP3), RFC 4217 (FTP), RFC 4511 4.14 (LDAP), MS-RDPBCGR 2.2.1.1 (RDP),
the PostgreSQL protocol (SSLRequest), the MySQL client/server protocol (SSLRequest), MS-TDS 2.2.6.5 (PRELOGIN).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

#: More than this before TLS is no greeting.
_MAX_WORDS = 8192
#: TDS packets with nothing inside that are read over.
_MAX_EMPTY = 16


class StartTlsRefused(Exception):
    """The server speaks its protocol, and will not start TLS. `said`: its words."""

    def __init__(self, said: bytes) -> None:
        super().__init__("TLS refused")
        self.said = said


class WrongProtocol(Exception):
    """What came is not this service's protocol. `said`: what came."""

    def __init__(self, said: bytes) -> None:
        super().__init__("another protocol")
        self.said = said


class ConnectionClosed(Exception):
    """The server ended the connection before TLS."""


class Stream(Protocol):
    """What a preamble and a hello need of a connection."""

    deadline: float

    async def send(self, data: bytes) -> None:
        """Send all."""

    async def receive(self) -> bytes:
        """What has come, b"" at the end."""


class _Words:
    """Reads lines or blocks of a plain protocol, bounded."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.seen = b""
        #: set once the server has shown that it speaks this protocol: an end then is its answer to our request
        self.recognized = False
        self._at = 0

    async def block(self, size: int) -> bytes:
        """The next `size` bytes."""
        while len(self.seen) - self._at < size:
            await self._more()
        self._at += size
        return self.seen[self._at - size : self._at]

    async def line(self) -> bytes:
        """The next line, without its end."""
        while (end := self.seen.find(b"\n", self._at)) < 0:
            await self._more()
        line = self.seen[self._at : end]
        self._at = end + 1
        return line.rstrip(b"\r")

    async def reply(self) -> bytes:
        """A reply of SMTP or FTP: lines up to the one whose fourth character is a blank; all of it."""
        lines = [await self.line()]
        if not lines[0][:3].isdigit():
            raise WrongProtocol(self.seen)
        self.recognized = True
        while lines[-1][3:4] == b"-" or not lines[-1].startswith(lines[0][:3]):
            lines.append(await self.line())
        return b"\n".join(lines)

    async def _more(self) -> None:
        if len(self.seen) > _MAX_WORDS:
            raise WrongProtocol(self.seen)
        data = await self._stream.receive()
        if not data:
            if not self.seen:
                raise ConnectionClosed
            raise StartTlsRefused(self.seen) if self.recognized else WrongProtocol(self.seen)
        self.seen += data


def _expect(reply: bytes, *starts: bytes) -> None:
    if not reply.startswith(starts):
        raise StartTlsRefused(reply)


async def _smtp(stream: Stream) -> Stream:
    words = _Words(stream)
    _expect(await words.reply(), b"220")
    await stream.send(b"EHLO localhost\r\n")
    _expect(await words.reply(), b"250")
    await stream.send(b"STARTTLS\r\n")
    _expect(await words.reply(), b"220")
    return stream


async def _imap(stream: Stream) -> Stream:
    words = _Words(stream)
    greeting = await words.line()
    if not greeting.startswith(b"* "):
        raise WrongProtocol(words.seen)
    words.recognized = True
    _expect(greeting, b"* OK", b"* PREAUTH")
    await stream.send(b"a STARTTLS\r\n")
    line = await words.line()
    while not line.startswith(b"a "):
        line = await words.line()
    _expect(line, b"a OK")
    return stream


async def _pop3(stream: Stream) -> Stream:
    words = _Words(stream)
    greeting = await words.line()
    if not greeting.startswith((b"+OK", b"-ERR")):
        raise WrongProtocol(words.seen)
    words.recognized = True
    _expect(greeting, b"+OK")
    await stream.send(b"STLS\r\n")
    _expect(await words.line(), b"+OK")
    return stream


async def _ftp(stream: Stream) -> Stream:
    words = _Words(stream)
    _expect(await words.reply(), b"220")
    await stream.send(b"AUTH TLS\r\n")
    _expect(await words.reply(), b"234")
    return stream


async def _ldap(stream: Stream) -> Stream:
    oid = b"1.3.6.1.4.1.1466.20037"
    await stream.send(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + oid)
    words = _Words(stream)
    head = await words.block(2)
    if head[0] != 0x30:
        raise WrongProtocol(words.seen)
    size = head[1]
    if size & 0x80:
        count = size & 0x7F
        # Active Directory writes every length in four bytes.
        if not 1 <= count <= 4:
            raise WrongProtocol(words.seen)
        size = int.from_bytes(await words.block(count), "big")
    if size > _MAX_WORDS:
        raise WrongProtocol(words.seen)
    body = await words.block(size)
    # messageID (INTEGER 1), then ExtendedResponse [APPLICATION 24] with an ENUMERATED resultCode.
    at = body.find(b"\x0a\x01")
    if not body.startswith(b"\x02\x01\x01\x78") or at < 0:
        raise WrongProtocol(words.seen)
    if body[at + 2 : at + 3] != b"\x00":
        raise StartTlsRefused(body)
    return stream


async def _rdp(stream: Stream) -> Stream:
    # X.224 Connection Request with RDP_NEG_REQ: PROTOCOL_SSL | PROTOCOL_HYBRID.
    await stream.send(bytes.fromhex("030000130ee000000000000100080003000000"))
    words = _Words(stream)
    head = await words.block(4)
    size = int.from_bytes(head[2:4], "big")
    if head[0] != 3 or not 7 <= size <= 512:
        raise WrongProtocol(words.seen)
    body = await words.block(size - 4)
    if body[1:2] != b"\xd0":
        raise WrongProtocol(words.seen)
    negotiation = body[7:15]
    # TYPE_RDP_NEG_RSP with a protocol other than plain RDP.
    if negotiation[:1] != b"\x02" or negotiation[4:8] == b"\x00\x00\x00\x00":
        raise StartTlsRefused(words.seen)
    return stream


async def _postgres(stream: Stream) -> Stream:
    await stream.send(bytes.fromhex("0000000804d2162f"))
    words = _Words(stream)
    answer = await words.block(1)
    if answer == b"S":
        return stream
    if answer in (b"N", b"E"):
        raise StartTlsRefused(answer)
    raise WrongProtocol(words.seen)


async def _mysql(stream: Stream) -> Stream:
    words = _Words(stream)
    head = await words.block(4)
    size = int.from_bytes(head[:3], "little")
    if head[3] != 0 or not 4 <= size <= 4096:
        raise WrongProtocol(words.seen)
    greeting = await words.block(size)
    if greeting[0] == 0xFF:
        raise StartTlsRefused(greeting[3:])
    version_end = greeting.find(b"\x00", 1)
    if greeting[0] != 10 or version_end < 0:
        raise WrongProtocol(words.seen)
    capabilities = int.from_bytes(greeting[version_end + 14 : version_end + 16], "little")
    if not capabilities & 0x0800:
        raise StartTlsRefused(greeting[1:version_end])
    # SSLRequest: CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION, 16 MB packets, utf8.
    payload = (0x8A00).to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + b"\x21" + bytes(23)
    await stream.send(len(payload).to_bytes(3, "little") + b"\x01" + payload)
    return stream


class _TdsStream:
    """TLS inside TDS packets: so do SQL Servers carry the handshake (MS-TDS 2.2.6.5)."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._raw = bytearray()

    @property
    def deadline(self) -> float:
        return self._stream.deadline

    @deadline.setter
    def deadline(self, moment: float) -> None:
        self._stream.deadline = moment

    async def send(self, data: bytes) -> None:
        await self._stream.send(_tds_packet(data))

    async def receive(self) -> bytes:
        raw = self._raw
        for _empty in range(_MAX_EMPTY):
            while len(raw) < 8 or len(raw) < self._size():
                data = await self._stream.receive()
                if not data:
                    return b""
                raw += data
            size = self._size()
            body = bytes(raw[8:size])
            del raw[:size]
            if body:
                return body
        raise WrongProtocol(b"empty packets")

    def _size(self) -> int:
        return max(8, int.from_bytes(self._raw[2:4], "big"))


def _tds_packet(data: bytes) -> bytes:
    return b"\x12\x01" + (len(data) + 8).to_bytes(2, "big") + b"\x00\x00\x00\x00" + data


async def _mssql(stream: Stream) -> Stream:
    # PRELOGIN with VERSION and ENCRYPTION (ENCRYPT_ON).
    options = b"\x00\x00\x0b\x00\x06" + b"\x01\x00\x11\x00\x01" + b"\xff"
    await stream.send(_tds_packet(options + bytes(6) + b"\x01"))
    words = _Words(stream)
    head = await words.block(8)
    size = int.from_bytes(head[2:4], "big")
    if head[0] != 4 or not 8 < size <= 4096:
        raise WrongProtocol(words.seen)
    body = await words.block(size - 8)
    at = 0
    while at + 5 <= len(body) and body[at] != 0xFF:
        if body[at] == 1:
            offset = int.from_bytes(body[at + 1 : at + 3], "big")
            if body[offset : offset + 1] in (b"\x00", b"\x01", b"\x03"):
                return _TdsStream(stream)
        at += 5
    raise StartTlsRefused(words.seen)


_PREAMBLES: dict[str, Callable[[Stream], Awaitable[Stream]]] = {
    "smtp": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "ftp": _ftp,
    "ldap": _ldap,
    "rdp": _rdp,
    "postgres": _postgres,
    "mysql": _mysql,
    "mssql": _mssql,
}


async def start_tls(stream: Stream, service: str) -> Stream:
    """Bring the connection to where TLS begins; the stream that then carries it.

    Raises StartTlsRefused, WrongProtocol, ConnectionClosed, and what the connection raises.
    """
    preamble = _PREAMBLES.get(service)
    return stream if preamble is None else await preamble(stream)
