# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words before TLS, byte by byte: what is sent, what starts TLS, and what a refusal says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from servers import pki
from servers.device import Device, Link, Tls, server_context, silent
from servers.probe import exactly, probe, statuses

Credentials = Callable[..., str]

LDAP_REQUEST = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
RDP_REQUEST = bytes.fromhex("030000130ee000000000000100080003000000")
RDP_ANSWER = bytes.fromhex("030000130ed000001234000200080001000000")
POSTGRES_REQUEST = bytes.fromhex("0000000804d2162f")
MYSQL_GREETING = (
    b"\x0a8.0.36\x00"
    + bytes(4)
    + b"12345678\x00"
    + b"\xff\xff"
    + b"\x21\x02\x00\xff\xdf\x15"
    + bytes(10)
    + b"123456789012\x00"
)
MSSQL_REQUEST = bytes.fromhex("1201001a0000000000000b00060100110001ff00000000000001")
MSSQL_ANSWER = bytes.fromhex("0401001a0000000000000b00060100110001ff0f0007d0000001")


def mysql_packet(body: bytes, number: int = 0) -> bytes:
    return len(body).to_bytes(3, "little") + bytes((number,)) + body


#: service -> (what the server says first, [(what it must hear, what it says then), …]), up to where TLS begins
DIALOGUES: dict[str, tuple[bytes, list[tuple[bytes, bytes]]]] = {
    "smtp": (
        b"220-mail.hopital.example\r\n220 ESMTP\r\n",
        [
            (b"EHLO localhost\r\n", b"250-mail.hopital.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"),
            (b"STARTTLS\r\n", b"220 2.0.0 go ahead\r\n"),
        ],
    ),
    "imap": (
        b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n",
        [(b"a STARTTLS\r\n", b"* CAPABILITY IMAP4rev1\r\na OK begin TLS\r\n")],
    ),
    "pop3": (b"+OK ready\r\n", [(b"STLS\r\n", b"+OK begin TLS\r\n")]),
    "ftp": (b"220-Welcome\r\n  indented\r\n220 ready\r\n", [(b"AUTH TLS\r\n", b"234 AUTH TLS OK\r\n")]),
    "ldap": (b"", [(LDAP_REQUEST, bytes.fromhex("300c02010178070a010004000400"))]),
    "rdp": (b"", [(RDP_REQUEST, RDP_ANSWER)]),
    "postgres": (b"", [(POSTGRES_REQUEST, b"S")]),
    "mysql": (mysql_packet(MYSQL_GREETING), []),
}


def plays(
    first: bytes, turns: list[tuple[bytes, bytes]], then: Callable[[Link], None], step: int = 0
) -> Callable[[Link], None]:
    """A server that says `first`, hears and says its turns, and goes on with `then`."""

    def say(link: Link, words: bytes) -> None:
        for at in range(0, len(words), step or len(words) or 1):
            link.send(words[at : at + (step or len(words))])

    def serve(link: Link) -> None:
        say(link, first)
        for heard, said in turns:
            data = b""
            while len(data) < len(heard):
                piece = link.receive()
                if not piece:
                    return
                data += piece
            assert data == heard, data
            say(link, said)
        then(link)

    return serve


def after_ssl_request(tls: Tls) -> Callable[[Link], None]:
    """MySQL: the client's SSLRequest stands right before its hello."""

    def serve(link: Link) -> None:
        request = link.sock.recv(36)
        link.received += request
        assert request[:4] == b"\x20\x00\x00\x01" and int.from_bytes(request[4:8], "little") & 0x800
        tls(link)

    return serve


@pytest.mark.parametrize("service", sorted(DIALOGUES))
@pytest.mark.parametrize("step", [0, 1])
def test_every_service_is_brought_to_where_tls_begins(credentials: Credentials, service: str, step: int) -> None:
    tls = Tls(server_context(credentials()))
    first, turns = DIALOGUES[service]
    serve = plays(first, turns, after_ssl_request(tls) if service == "mysql" else tls, step)
    with Device(serve) as device:
        seen = probe(device.port, service, [pki.NAME], depth="handshake")
        assert set(device.endings()) == {"eof"}
        assert device.connections == 4
    assert statuses(seen) == exactly("TLSv1.2", "TLSv1.3")
    assert (seen["outcome"], seen["handshake"], seen["error"], len(seen["chain"])) == ("tls", "completed", None, 2)


def test_active_directory_writes_its_lengths_in_four_bytes(credentials: Credentials) -> None:
    answer = bytes.fromhex("30840000001002010178840000000 70a010004000400".replace(" ", ""))
    with Device(plays(b"", [(LDAP_REQUEST, answer)], Tls(server_context(credentials())))) as device:
        assert probe(device.port, "ldap", [pki.NAME])["outcome"] == "tls"


# -- SQL Server: no package offers one, so its behaviour is replayed (MS-TDS 2.2.6.5: TLS inside TDS packets)


class Tds:
    """The TLS of a link, inside TDS packets; `size` cuts what the server says into small packets."""

    def __init__(self, link: Link, size: int) -> None:
        self._link = link
        self._size = size
        self._raw = b""

    def receive(self) -> bytes:
        while len(self._raw) < 8 or len(self._raw) < int.from_bytes(self._raw[2:4], "big"):
            piece = self._link.receive()
            if not piece:
                return b""
            self._raw += piece
        size = int.from_bytes(self._raw[2:4], "big")
        assert self._raw[0] == 0x12
        body, self._raw = self._raw[8:size], self._raw[size:]
        return body

    def send(self, data: bytes) -> None:
        for at in range(0, len(data), self._size):
            piece = data[at : at + self._size]
            self._link.send(b"\x12\x01" + (len(piece) + 8).to_bytes(2, "big") + bytes(4) + piece)

    def finish(self) -> None:
        self._link.finish()


@pytest.mark.parametrize("size", [4088, 100, 1])
@pytest.mark.parametrize("versions", [("TLSv1.0", "TLSv1.1", "TLSv1.2"), ("TLSv1.2",)], ids="-".join)
def test_sql_server_carries_tls_in_its_own_packets(
    credentials: Credentials, size: int, versions: tuple[str, ...]
) -> None:
    tls = Tls(server_context(credentials(), versions))
    with Device(plays(b"", [(MSSQL_REQUEST, MSSQL_ANSWER)], lambda link: tls(Tds(link, size)))) as device:  # type: ignore[arg-type]
        seen = probe(device.port, "mssql", [pki.NAME], depth="handshake")
        assert set(device.endings()) == {"eof"}
    assert statuses(seen) == exactly(*versions)
    assert (seen["handshake"], len(seen["chain"])) == ("completed", 2)


# -- refusals


@pytest.mark.parametrize(
    ("service", "first", "turns", "said"),
    [
        ("smtp", b"554 no service\r\n", [], "554 no service"),
        ("smtp", b"421-busy\r\n421 come back\r\n", [], "421-busy\\x0a421 come back"),
        ("smtp", b"220 x\r\n", [(b"EHLO localhost\r\n", b"502 what?\r\n")], "502 what?"),
        (
            "smtp",
            b"220 x\r\n",
            [(b"EHLO localhost\r\n", b"250 x\r\n"), (b"STARTTLS\r\n", b"454 4.7.0 TLS not available\r\n")],
            "454 4.7.0 TLS not available",
        ),
        ("smtp", b"220 x\r\n", [(b"EHLO localhost\r\n", b"")], "220 x\\x0d\\x0a"),
        ("imap", b"* BYE too many connections\r\n", [], "* BYE too many connections"),
        ("imap", b"* OK x\r\n", [(b"a STARTTLS\r\n", b"a BAD unknown command\r\n")], "a BAD unknown command"),
        ("pop3", b"-ERR not now\r\n", [], "-ERR not now"),
        ("pop3", b"+OK x\r\n", [(b"STLS\r\n", b"-ERR unknown\r\n")], "-ERR unknown"),
        ("ftp", b"220 x\r\n", [(b"AUTH TLS\r\n", b"530 Please login with USER and PASS.\r\n")], "530 Please login"),
        ("ftp", b"220 x\r\n", [(b"AUTH TLS\r\n", b"")], "220 x"),
        ("ldap", b"", [(LDAP_REQUEST, bytes.fromhex("300e02010178090a01020400") + b"\x04\x02no")], "no"),
        ("rdp", b"", [(RDP_REQUEST, bytes.fromhex("0300000b06d00000123400"))], "\\x03\\x00\\x00\\x0b"),
        ("rdp", b"", [(RDP_REQUEST, bytes.fromhex("030000130ed000001234000300080002000000"))], "\\x03\\x00"),
        ("rdp", b"", [(RDP_REQUEST, bytes.fromhex("030000130ed000001234000200080000000000"))], "\\x03\\x00"),
        ("postgres", b"", [(POSTGRES_REQUEST, b"N")], "N"),
        ("mysql", mysql_packet(b"\xff\x6a\x04Host is not allowed to connect"), [], "Host is not allowed to connect"),
        ("mysql", mysql_packet(MYSQL_GREETING.replace(b"\xff\xff", b"\xff\xf7", 1)), [], "8.0.36"),
        ("mssql", b"", [(MSSQL_REQUEST, MSSQL_ANSWER[:-1] + b"\x02")], "\\x04\\x01"),
    ],
)
def test_a_refusal_says_what_the_server_said(
    service: str, first: bytes, turns: list[tuple[bytes, bytes]], said: str
) -> None:
    with Device(plays(first, turns, lambda link: link.finish())) as device:
        seen = probe(device.port, service, [pki.NAME])
        assert device.connections == 1
        assert device.endings() == ["eof"]
    assert seen["outcome"] == "starttls_refused"
    assert seen["error"].startswith("would not start TLS: ") and said in seen["error"]
    assert set(statuses(seen).values()) <= {"undetermined", "not_tested"}


@pytest.mark.parametrize("service", [*sorted(DIALOGUES), "mssql"])
@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64, b"x" * 20000])
def test_another_protocol_is_told_from_a_refusal(service: str, answer: bytes) -> None:
    if service in ("imap", "pop3", "smtp", "ftp") and b"\n" not in answer and len(answer) < 8192:
        pytest.skip("a line that never ends within a few bytes is a silence")

    def serve(link: Link) -> None:
        link.send(answer)
        link.finish()

    with Device(serve) as device:
        seen = probe(device.port, service)
        assert device.connections == 1
    assert seen["outcome"] == "not_tls"


@pytest.mark.parametrize("service", [*sorted(DIALOGUES), "mssql"])
def test_a_service_that_says_nothing_is_silent(service: str) -> None:
    with Device(silent) as device:
        seen = probe(device.port, service, timeout=0.2)
        assert device.connections == 2
    assert seen["outcome"] == "silent"


def test_a_refusal_on_a_later_connection_leaves_that_version_open(credentials: Credentials) -> None:
    """The server takes two connections a minute; what it did not answer is not told refused."""
    tls = Tls(server_context(credentials(), ("TLSv1.0", "TLSv1.1", "TLSv1.2")))
    first, turns = DIALOGUES["smtp"]

    def serve(link: Link) -> None:
        if link.number < 1:
            plays(first, turns, tls)(link)
        else:
            link.send(b"421 4.7.0 too many connections\r\n")
            link.finish()

    with Device(serve) as device:
        seen = probe(device.port, "smtp", [pki.NAME])
    found = statuses(seen)
    assert (seen["outcome"], found["TLSv1.2"], found["TLSv1.1"]) == ("tls", "accepted", "undetermined")
    assert "refused" not in {found["TLSv1.1"], found["TLSv1.0"], found["SSLv3"]}
