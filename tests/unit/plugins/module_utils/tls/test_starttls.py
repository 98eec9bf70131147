# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words before TLS, byte by byte: what is sent, what starts TLS, and what a refusal says."""

from __future__ import annotations

import time
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
            # A hello is heard by its first bytes.
            assert data[: len(heard)] == heard and (data == heard or heard[0] == 0x16), data
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
        seen = probe(device.port, service, [pki.NAME])
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
        seen = probe(device.port, "mssql", [pki.NAME])
        assert set(device.endings()) == {"eof"}
    assert statuses(seen) == exactly(*versions)
    assert (seen["handshake"], len(seen["chain"])) == ("completed", 2)


# -- refusals


EHLO = (b"EHLO localhost\r\n", b"250 x\r\n")


def ldap_answer(result: int, text: bytes = b"", number: int = 1, name: bytes = b"") -> bytes:
    """An ExtendedResponse, with four-byte lengths outside as Active Directory writes them."""
    answer = bytes((0x0A, 1, result, 4, 0, 4, len(text))) + text + name
    message = bytes((2, 1, number, 0x78, len(answer))) + answer
    return b"\x30\x84" + len(message).to_bytes(4, "big") + message


NOTICE_NAME = b"\x8a\x161.3.6.1.4.1.1466.20036"


def postgres_error(**fields: str) -> bytes:
    body = b"".join(key.encode() + text.encode() + b"\x00" for key, text in fields.items()) + b"\x00"
    return b"E" + (len(body) + 4).to_bytes(4, "big") + body


def rdp_failure(code: int) -> bytes:
    return bytes.fromhex("030000130ed0000012340003000800") + code.to_bytes(4, "little")


def mssql_error(number: int, text: str) -> bytes:
    said = text.encode("utf-16-le")
    token = number.to_bytes(4, "little") + b"\x01\x10" + len(text).to_bytes(2, "little") + said + b"\x00\x00\x01\x00"
    body = b"\xaa" + len(token).to_bytes(2, "little") + token
    return b"\x04\x01" + (len(body) + 8).to_bytes(2, "big") + bytes(4) + body


@pytest.mark.parametrize(
    ("service", "first", "turns", "said"),
    [
        ("smtp", b"220 x\r\n", [(EHLO[0], b"502 what?\r\n")], "502 what?"),
        ("smtp", b"220 x\r\n", [EHLO, (b"STARTTLS\r\n", b"502 5.5.1 not implemented\r\n")], "502 5.5.1"),
        ("smtp", b"220 x\r\n", [EHLO, (b"STARTTLS\r\n", b"503-STARTTLS\r\n503 not advertised\r\n")], "not advertised"),
        ("imap", b"* OK x\r\n", [(b"a STARTTLS\r\n", b"a BAD unknown command\r\n")], "a BAD unknown command"),
        ("imap", b"* ok x\r\n", [(b"a STARTTLS\r\n", b"* x\r\nA no [PRIVACYREQUIRED] x\r\n")], "A no"),
        ("imap", b"* PREAUTH x\r\n", [(b"a STARTTLS\r\n", b"a NO not now that you are in\r\n")], "a NO not now that"),
        ("pop3", b"+OK x\r\n", [(b"STLS\r\n", b"-ERR unknown\r\n")], "-ERR unknown"),
        ("ftp", b"220 x\r\n", [(b"AUTH TLS\r\n", b"530 Please login with USER and PASS.\r\n")], "530 Please login"),
        ("ftp", b"220 x\r\n", [(b"AUTH TLS\r\n", b"202 superfluous\r\n")], "202 superfluous"),
        ("ftp", b"220 x\r\n", [(b"AUTH TLS\r\n", b"534 no\r\n")], "534 no"),
        ("ldap", b"", [(LDAP_REQUEST, ldap_answer(2, b"unsupported"))], "LDAP result 2: unsupported"),
        ("ldap", b"", [(LDAP_REQUEST, ldap_answer(53))], "LDAP result 53"),
        ("rdp", b"", [(RDP_REQUEST, bytes.fromhex("0300000b06d00000123400"))], "RDP without TLS"),
        ("rdp", b"", [(RDP_REQUEST, rdp_failure(2))], "failure 2 SSL_NOT_ALLOWED_BY_SERVER"),
        ("rdp", b"", [(RDP_REQUEST, rdp_failure(3))], "failure 3 SSL_CERT_NOT_ON_SERVER"),
        ("rdp", b"", [(RDP_REQUEST, bytes.fromhex("030000130ed000001234000200080000000000"))], "RDP without TLS"),
        ("postgres", b"", [(POSTGRES_REQUEST, b"N")], "N"),
        (
            "postgres",
            b"",
            [(POSTGRES_REQUEST, postgres_error(S="FATAL", C="0A000", M="unsupported frontend protocol 1234.5679"))],
            "FATAL 0A000: unsupported frontend protocol 1234.5679",
        ),
        ("postgres", b"", [(POSTGRES_REQUEST, b"EFATAL:  unsupported frontend protocol\n\x00")], "FATAL"),
        ("mysql", mysql_packet(MYSQL_GREETING.replace(b"\xff\xff", b"\xff\xf7", 1)), [], "8.0.36"),
        ("mssql", b"", [(MSSQL_REQUEST, MSSQL_ANSWER[:-1] + b"\x02")], "encryption not supported"),
    ],
)
def test_a_refusal_says_what_the_server_said(
    service: str, first: bytes, turns: list[tuple[bytes, bytes]], said: str
) -> None:
    _assert_not_begun("starttls_refused", service, plays(first, turns, lambda link: link.finish()), said)


@pytest.mark.parametrize(
    ("service", "first", "turns", "said"),
    [
        # Said before TLS was asked for: busy, blocked, greylisted, shutting down, a change of mind within the greeting.
        ("smtp", b"554 no service\r\n", [], "554 no service"),
        ("smtp", b"421-busy\r\n421 come back\r\n", [], "421-busy\\x0a421 come back"),
        ("smtp", b"421-busy\r\n", [], "421-busy"),
        ("smtp", b"450 4.7.1 greylisted\r\n", [], "450 4.7.1 greylisted"),
        ("smtp", b"521 no mail here\r\n", [], "521 no mail here"),
        ("smtp", b"220-mail.hopital.example\r\n421 4.3.2 too many connections\r\n", [], "421 4.3.2 too many"),
        ("smtp", b"220 x\r\n", [(EHLO[0], b"")], "220 x"),
        ("smtp", b"220 x\r\n", [(EHLO[0], b"421 4.4.5 too busy\r\n")], "421 4.4.5"),
        ("smtp", b"220 x\r\n", [(EHLO[0], b"550 5.7.1 your address is blocked\r\n")], "550 5.7.1"),
        ("imap", b"* BYE too many connections\r\n", [], "* BYE too many connections"),
        ("imap", b"* bye [UNAVAILABLE] x\r\n", [], "* bye [UNAVAILABLE] x"),
        ("imap", b"* NO x\r\n", [], "* NO x"),
        ("pop3", b"-ERR not now\r\n", [], "-ERR not now"),
        ("pop3", b"-err x\r\n", [], "-err x"),
        ("ftp", b"421 too many users\r\n", [], "421 too many users"),
        ("ftp", b"220-Welcome\r\n421 too many users\r\n", [], "421 too many users"),
        ("ftp", b"120 ready in 5 minutes\r\n", [], "120 ready in 5 minutes"),
        ("ftp", b"120 wait\r\n421 no\r\n", [], "421 no"),
        ("ftp", b"530 not allowed from here\r\n", [], "530 not allowed"),
        (
            "ldap",
            ldap_answer(52, b"shutting down", 0, NOTICE_NAME),
            [],
            "notice of disconnection, LDAP result 52: shut",
        ),
        ("ldap", b"", [(LDAP_REQUEST, ldap_answer(51, b"", 0))], "notice of disconnection, LDAP result 51"),
        ("mysql", mysql_packet(b"\xff\x10\x04Too many connections"), [], "1040 Too many connections"),
        ("mysql", mysql_packet(b"\xff\x10\x04#08004Too many connections"), [], "1040 Too many connections"),
        ("mysql", mysql_packet(b"\xff\x69\x04Host is blocked"), [], "1129 Host is blocked"),
        ("mysql", mysql_packet(b"\xff\x69\x04Host is blocked")[:-5], [], "Host is bl"),
        # From a proxy, and without a word.
        ("mysql", mysql_packet(b"\xff\x10\x04Too many connections", 1), [], "1040 Too many connections"),
        ("mysql", mysql_packet(b"\xff\x10\x04"), [], "1040"),
        (
            "mysql",
            mysql_packet(b"\xff\x6a\x04Host is not allowed to connect"),
            [],
            "1130 Host is not allowed to connect",
        ),
        # A temporary answer to the request for TLS.
        ("smtp", b"220 x\r\n", [EHLO, (b"STARTTLS\r\n", b"454 4.7.0 TLS not available\r\n")], "454 4.7.0 TLS"),
        ("smtp", b"220 x\r\n", [EHLO, (b"STARTTLS\r\n", b"421 bye\r\n")], "421 bye"),
        ("smtp", b"220 x\r\n", [EHLO, (b"STARTTLS\r\n", b"554 5.7.1 blocked\r\n")], "554 5.7.1 blocked"),
        ("imap", b"* OK x\r\n", [(b"a STARTTLS\r\n", b"a NO [UNAVAILABLE] backend\r\n")], "a NO [UNAVAILABLE]"),
        ("imap", b"* OK x\r\n", [(b"a STARTTLS\r\n", b"* BYE timeout\r\n")], "* BYE timeout"),
        ("pop3", b"+OK x\r\n", [(b"STLS\r\n", b"-ERR [SYS/TEMP] no\r\n")], "-ERR [SYS/TEMP] no"),
        ("pop3", b"+OK x\r\n", [(b"STLS\r\n", b"-ERR Try again later\r\n")], "-ERR Try again later"),
        ("ftp", b"220 x\r\n", [(b"AUTH TLS\r\n", b"431 no resource\r\n")], "431 no resource"),
        ("ldap", b"", [(LDAP_REQUEST, ldap_answer(52, b"Error initializing SSL/TLS"))], "52: Error initializing"),
        ("rdp", b"", [(RDP_REQUEST, rdp_failure(5))], "failure 5 HYBRID_REQUIRED_BY_SERVER"),
        ("rdp", b"", [(RDP_REQUEST, rdp_failure(9))], "RDP negotiation failure 9"),
        ("rdp", b"", [(RDP_REQUEST, bytes.fromhex("0300000b06800000000001"))], "X.224 disconnect, reason 000001"),
        (
            "postgres",
            b"",
            [
                (
                    POSTGRES_REQUEST,
                    postgres_error(S="FATAL", C="53300", M="désolé, trop de clients " + 30 * "déjà ", H="fin"),
                )
            ],
            "FATAL 53300: désolé, trop de clients " + 30 * "déjà " + ": fin",
        ),
        (
            "postgres",
            b"",
            [(POSTGRES_REQUEST, postgres_error(C="08P01", M="no more connections allowed"))],
            "08P01: no more",
        ),
        ("postgres", b"", [(POSTGRES_REQUEST, b"Ecould not fork new process\n\x00")], "could not fork new process"),
        ("postgres", b"", [(POSTGRES_REQUEST, postgres_error(C="57P03", M="starting up")[:-6])], "57P03"),
        ("mssql", b"", [(MSSQL_REQUEST, mssql_error(17809, "Le serveur est occupé"))], "17809 Le serveur est occupé"),
        # No answer to it: a cut is no refusal.
        ("ftp", b"220 x\r\n", [(b"AUTH TLS\r\n", b"")], "220 x"),
        # In clear where TLS was agreed on, or begins at once.
        (
            "smtp",
            b"220 x\r\n",
            [EHLO, (b"STARTTLS\r\n", b"220 go\r\n"), (b"\x16\x03\x01", b"421 too many\r\n")],
            "421 too",
        ),
        ("postgres", b"", [(POSTGRES_REQUEST, b"S"), (b"\x16\x03\x01", b"EFATAL: no\x00")], "FATAL: no"),
        ("ftps", b"421 too many connected users\r\n", [], "421 too many connected users"),
        ("imaps", b"* BYE too many\r\n", [], "* BYE too many"),
        ("pop3s", b"-ERR too many\r\n", [], "-ERR too many"),
        ("smtps", b"554 blocked\r\n", [], "554 blocked"),
    ],
)
@pytest.mark.parametrize("ending", ["eof", "reset"])
def test_a_server_that_takes_nobody_in_is_no_server_without_tls(
    service: str, first: bytes, turns: list[tuple[bytes, bytes]], said: str, ending: str
) -> None:
    def end(link: Link) -> None:
        # What was said has to be read before a reset, or it is lost on its way.
        time.sleep(0.05 * (ending == "reset"))
        link.reset() if ending == "reset" else link.finish()

    _assert_not_begun("starttls_unavailable", service, plays(first, turns, end), said, ending)


def _assert_not_begun(
    outcome: str, service: str, serve: Callable[[Link], None], said: str, ending: str = "eof"
) -> None:
    with Device(serve) as device:
        seen = probe(device.port, service, [pki.NAME])
        assert device.connections == 1
        deadline = time.monotonic() + 60
        # The device notes the end a moment after it came; of a reset that was its own it notes none.
        while ending == "eof" and "open" in device.endings() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert ending == "reset" or device.endings() == ["eof"]
    assert seen["outcome"] == outcome
    assert seen["error"].startswith("would not start TLS: ") and said in seen["error"]
    assert set(statuses(seen).values()) <= {"undetermined", "not_tested"}


@pytest.mark.parametrize(
    ("service", "first"), [("ftp", b"120 ready in 2 minutes\r\n"), ("smtp", b"421-busy\r\n"), ("postgres", b"")]
)
def test_a_server_that_puts_us_off_and_goes_silent_has_answered(service: str, first: bytes) -> None:
    """Silence counts against a device; a server that has said "wait" is not silent."""
    turns = [(POSTGRES_REQUEST, b"E\x00\x00\x00\x40SFATAL\x00")] if service == "postgres" else []
    with Device(plays(first, turns, lambda link: link.drain())) as device:
        seen = probe(device.port, service, timeout=0.3)
        assert device.connections == 1
    assert (seen["outcome"], seen["visit"]["outcome"]) == ("starttls_unavailable", "observed")


@pytest.mark.parametrize(
    ("service", "first", "answer"),
    [
        ("ftp", b"120 ready in 1 minute\r\n120 still\r\n220 ready\r\n", b"234 ok\r\n"),
        ("ftp", b"220-Welcome\r\n450 beds\r\n220 ready\r\n", b"234-x\r\n234 ok\r\n"),
        ("imap", b"* ok ready\r\n", b"A ok begin\r\n"),
        ("pop3", b"+ok\r\n", b"+ok begin\r\n"),
        ("smtp", b"220\r\n", b"220\r\n"),
    ],
)
def test_odd_ways_to_agree_are_understood(credentials: Credentials, service: str, first: bytes, answer: bytes) -> None:
    request = {"ftp": b"AUTH TLS\r\n", "imap": b"a STARTTLS\r\n", "pop3": b"STLS\r\n", "smtp": b"STARTTLS\r\n"}[service]
    turns = [*([EHLO] if service == "smtp" else []), (request, answer)]
    with Device(plays(first, turns, Tls(server_context(credentials())))) as device:
        assert probe(device.port, service, [pki.NAME])["outcome"] == "tls"


@pytest.mark.parametrize(
    ("service", "first", "turns"),
    [
        ("smtp", b"220 x\r\n", [EHLO, (b"STARTTLS\r\n", b"220 go\r\n"), (b"\x16\x03\x01", b"500 what?\r\n")]),
        ("smtps", b"220 mail.hopital.example\r\n", []),
        ("pop3s", b"+OK ready\r\n", []),
        ("imaps", b"* OK ready\r\n", []),
    ],
)
def test_a_service_in_clear_is_still_told(service: str, first: bytes, turns: list[tuple[bytes, bytes]]) -> None:
    with Device(plays(first, turns, lambda link: link.finish())) as device:
        assert probe(device.port, service, [pki.NAME])["outcome"] == "not_tls"


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
    assert "421 4.7.0 too many connections" in seen["error"]
    assert "refused" not in {found["TLSv1.1"], found["TLSv1.0"], found["SSLv3"]}
