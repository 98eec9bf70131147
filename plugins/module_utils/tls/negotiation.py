# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How TLS is agreed on in binary protocols: RDP, PostgreSQL, MySQL, SQL Server.

Sources: MS-RDPBCGR 2.2.1.1 and 2.2.1.2, X.224 13.5 (RDP), the PostgreSQL protocol (SSLRequest, ErrorResponse), the
MySQL client/server protocol (SSLRequest, ERR_Packet), MS-TDS 2.2.6.5 and 2.2.7.10 (PRELOGIN, ERROR).
"""

from __future__ import annotations

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.words import (
    MAX_WORDS,
    Carrier,
    StartTlsRefused,
    StartTlsUnavailable,
    Stream,
    Words,
    WrongProtocol,
)

#: TDS packets with nothing inside that are read over.
_MAX_EMPTY = 16
#: RDP_NEG_FAILURE codes; the first two say that there is no TLS, the others that it wants another client.
_RDP_FAILURES = {
    2: b"SSL_NOT_ALLOWED_BY_SERVER",
    3: b"SSL_CERT_NOT_ON_SERVER",
    1: b"SSL_REQUIRED_BY_SERVER",
    4: b"INCONSISTENT_FLAGS",
    5: b"HYBRID_REQUIRED_BY_SERVER",
    6: b"SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER",
}
_RDP_NO_TLS = (2, 3)
#: SQLSTATE feature_not_supported: a server from before SSLRequest does not know this "version of the protocol".
_POSTGRES_TOO_OLD = b"0A000"


async def rdp(stream: Stream) -> Stream:
    """RDP: the negotiation inside the X.224 connection request."""
    # X.224 Connection Request with RDP_NEG_REQ: PROTOCOL_SSL | PROTOCOL_HYBRID.
    await stream.send(bytes.fromhex("030000130ee000000000000100080003000000"))
    words = Words(stream)
    head = await words.block(4)
    size = int.from_bytes(head[2:4], "big")
    if head[0] != 3 or not 7 <= size <= 512:
        raise WrongProtocol(words.seen)
    body = await words.block(size - 4)
    if body[1:2] in (b"\x70", b"\x80"):
        # ER and DR TPDU: their reason follows the references.
        raise StartTlsUnavailable(b"X.224 disconnect, reason " + body[4:7].hex().encode())
    if body[1:2] != b"\xd0":
        raise WrongProtocol(words.seen)
    kind, code = body[7:8], int.from_bytes(body[11:15], "little")
    if kind == b"\x03":
        said = b"RDP negotiation failure %d %s" % (code, _RDP_FAILURES.get(code, b""))
        raise StartTlsRefused(said.rstrip()) if code in _RDP_NO_TLS else StartTlsUnavailable(said.rstrip())
    if kind != b"\x02" or not code:
        raise StartTlsRefused(b"RDP without TLS")
    return stream


async def postgres(stream: Stream) -> Stream:
    """PostgreSQL: one letter answers SSLRequest, or a whole ErrorResponse."""
    await stream.send(bytes.fromhex("0000000804d2162f"))
    words = Words(stream)
    answer = await words.block(1)
    if answer == b"S":
        return stream
    if answer == b"N":
        raise StartTlsRefused(answer)
    if answer != b"E":
        raise WrongProtocol(words.seen)
    words.recognized = words.put_off = True
    start = await words.block(1)
    if start != b"\x00":
        # Protocol 2, which a postmaster that cannot start a process still speaks: a text up to its NUL.
        said = start + await words.until(b"\x00")
        raise (
            StartTlsRefused(said.strip())
            if b"unsupported frontend protocol" in said
            else StartTlsUnavailable(said.strip())
        )
    size = min(int.from_bytes(await words.block(3), "big") - 4, MAX_WORDS)
    fields = {field[:1]: field[1:] for field in (await words.block(max(0, size))).split(b"\x00")}
    said = b" ".join(fields[key] for key in (b"S", b"C") if key in fields)
    said = b": ".join([said, *(fields[key] for key in (b"M", b"D", b"H") if key in fields)])
    raise StartTlsRefused(said) if fields.get(b"C") == _POSTGRES_TOO_OLD else StartTlsUnavailable(said)


async def mysql(stream: Stream) -> Stream:
    """MySQL and MariaDB: the greeting says whether there is TLS; an ERR_Packet in its place takes nobody in."""
    words = Words(stream)
    head = await words.block(5)
    size = int.from_bytes(head[:3], "little")
    if head[4] == 0xFF and 3 <= size <= MAX_WORDS:
        # 1040, 1129, 1130, …; a SQLSTATE may stand before the text, and proxies number the packet as they like.
        words.recognized = words.put_off = True
        said = await words.block(size - 1)
        text = said[8:] if said[2:3] == b"#" else said[2:]
        raise StartTlsUnavailable(b"%d %s" % (int.from_bytes(said[:2], "little"), text))
    if head[3] != 0 or not 4 <= size <= 4096:
        raise WrongProtocol(words.seen)
    greeting = head[4:] + await words.block(size - 1)
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


class _TdsStream(Carrier):
    """TLS inside TDS packets: so do SQL Servers carry the handshake (MS-TDS 2.2.6.5)."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._raw = bytearray()

    async def send(self, data: bytes) -> None:
        await super().send(_tds_packet(data))

    async def receive(self) -> bytes:
        raw = self._raw
        for _empty in range(_MAX_EMPTY):
            while len(raw) < 8 or len(raw) < self._size():
                data = await super().receive()
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


async def mssql(stream: Stream) -> Stream:
    """SQL Server: PRELOGIN; TLS then travels inside TDS packets."""
    # PRELOGIN with VERSION and ENCRYPTION (ENCRYPT_ON).
    options = b"\x00\x00\x0b\x00\x06" + b"\x01\x00\x11\x00\x01" + b"\xff"
    await stream.send(_tds_packet(options + bytes(6) + b"\x01"))
    words = Words(stream)
    head = await words.block(8)
    size = int.from_bytes(head[2:4], "big")
    if head[0] != 4 or not 8 < size <= 4096:
        raise WrongProtocol(words.seen)
    body = await words.block(size - 8)
    if body[0] == 0xAA:
        # An ERROR token: number, state, class, then a text of UTF-16 code units.
        text = body[11 : 11 + 2 * int.from_bytes(body[9:11], "little")].decode("utf-16-le", "replace")
        raise StartTlsUnavailable(b"%d %s" % (int.from_bytes(body[3:7], "little"), text.encode()))
    at = 0
    while at + 5 <= len(body) and body[at] != 0xFF:
        if body[at] == 1:
            offset = int.from_bytes(body[at + 1 : at + 3], "big")
            if body[offset : offset + 1] in (b"\x00", b"\x01", b"\x03"):
                return _TdsStream(stream)
        at += 5
    raise StartTlsRefused(b"encryption not supported")
