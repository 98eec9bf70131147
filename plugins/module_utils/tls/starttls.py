# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few words of a service's own protocol that come before TLS. Nothing is logged in, nothing is asked but TLS.

Only an answer to our request for TLS can refuse it, and only for good: whatever a server says before (busy, blocked,
try later), and a temporary answer, leave open whether it has TLS.

Sources: RFC 3207, 5321 (SMTP), RFC 9051, 5530 (IMAP), RFC 2595, 3206 (POP3), RFC 4217, 959 (FTP), RFC 4511 4.4.1 and
4.14 (LDAP); for the others see `negotiation`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.negotiation import mssql, mysql, postgres, rdp
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.words import (
    MAX_WORDS,
    Carrier,
    StartTlsRefused,
    StartTlsUnavailable,
    Stream,
    Words,
    WrongProtocol,
    expect,
)

#: "not now" in protocols without numbers: response codes of RFC 5530, 3206 and 2449, and what servers write.
_NOT_NOW = re.compile(
    rb"\[(unavailable|limit|inuse|in-use|serverbug|sys/temp|login-delay)\b"
    rb"|too many|busy|temporar|try again|later|overload|currently|shut(ting)? ?down",
    re.IGNORECASE,
)
#: SMTP: the command, or EHLO itself, is not known here (RFC 5321, 4.2.4); TLS only after a login.
_SMTP_UNKNOWN = (b"500", b"502", b"504")
_SMTP_NO_TLS = (b"50", b"53")
#: FTP: any lasting answer, and "superfluous at this site" (RFC 959, 4.2).
_FTP_NO_TLS = (b"5", b"202")
#: LDAP results that say "no StartTLS here" (RFC 4511, 4.14.2 and A.2): protocolError, referral, unavailableCritical-
#: Extension, confidentialityRequired, unwillingToPerform.
_LDAP_NO_TLS = (2, 10, 12, 13, 53)
_LDAP_OWN_MESSAGE, _LDAP_NOTICE = b"\x01", b"\x00"
#: What a server says in clear where TLS should begin while it takes nobody in: (service, pattern).
_SMTP_BUSY, _FTP_BUSY = re.compile(rb"(4\d\d|521|554)[ -]"), re.compile(rb"(120|4\d\d|530)[ -]")
_IMAP_BYE, _POP3_ERR = re.compile(rb"\* BYE\b", re.IGNORECASE), re.compile(rb"-ERR\b", re.IGNORECASE)
_LDAP_BYE = re.compile(rb"0.{1,40}1\.3\.6\.1\.4\.1\.1466\.20036", re.DOTALL)
_BUSY_INSTEAD = {
    "smtp": _SMTP_BUSY,
    "smtps": _SMTP_BUSY,
    "ftp": _FTP_BUSY,
    "ftps": _FTP_BUSY,
    "imap": _IMAP_BYE,
    "imaps": _IMAP_BYE,
    "pop3": _NOT_NOW,
    "pop3s": _POP3_ERR,
    "ldap": _LDAP_BYE,
    "ldaps": _LDAP_BYE,
    "rdp": re.compile(rb"\x03\x00.{3}[\x70\x80]", re.DOTALL),
    "postgres": re.compile(rb"E"),
    "mysql": re.compile(rb".{4}\xff", re.DOTALL),
    "mssql": re.compile(rb"\xaa"),
}


async def _smtp(stream: Stream) -> Stream:
    words = Words(stream)
    expect(await words.reply(), b"220")
    await stream.send(b"EHLO localhost\r\n")
    expect(await words.reply(), b"250", _SMTP_UNKNOWN)
    await stream.send(b"STARTTLS\r\n")
    expect(await words.reply(), b"220", _SMTP_NO_TLS)
    return stream


async def _imap(stream: Stream) -> Stream:
    words = Words(stream)
    greeting = (await words.line()).upper()
    if not greeting.startswith(b"* "):
        raise WrongProtocol(words.seen)
    words.recognized = True
    if greeting[2:].split(None, 1)[:1] not in ([b"OK"], [b"PREAUTH"]):
        raise StartTlsUnavailable(words.seen.rstrip())
    await stream.send(b"a STARTTLS\r\n")
    line = await words.line()
    while line[:2].lower() != b"a ":
        if line[:5].upper() == b"* BYE":
            raise StartTlsUnavailable(line)
        line = await words.line()
    _expect_word(line, line[2:].split(None, 1)[:1], b"OK")
    return stream


async def _pop3(stream: Stream) -> Stream:
    words = Words(stream)
    greeting = await words.line()
    if not greeting.upper().startswith((b"+OK", b"-ERR")):
        raise WrongProtocol(words.seen)
    words.recognized = True
    if greeting.startswith(b"-"):
        raise StartTlsUnavailable(greeting)
    await stream.send(b"STLS\r\n")
    line = await words.line()
    _expect_word(line, line.split(None, 1)[:1], b"+OK")
    return stream


def _expect_word(line: bytes, word: list[bytes], good: bytes) -> None:
    if not word or word[0].upper() != good:
        raise StartTlsUnavailable(line) if _NOT_NOW.search(line) else StartTlsRefused(line)


async def _ftp(stream: Stream) -> Stream:
    words = Words(stream)
    reply = await words.reply()
    while reply.startswith(b"120"):
        reply = await words.reply()
    expect(reply, b"220")
    await stream.send(b"AUTH TLS\r\n")
    expect(await words.reply(), b"234", _FTP_NO_TLS)
    return stream


async def _ldap(stream: Stream) -> Stream:
    await stream.send(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037")
    words = Words(stream)
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
    if size > MAX_WORDS:
        raise WrongProtocol(words.seen)
    # messageID INTEGER, then ExtendedResponse [APPLICATION 24]: resultCode ENUMERATED, matchedDN, diagnosticMessage, …
    message = _elements(await words.block(size))
    answer = _elements(message[1][1]) if len(message) > 1 and message[1][0] == 0x78 else []
    number = message[0][1].lstrip(b"\x00") or _LDAP_NOTICE if answer and message[0][0] == 0x02 else None
    if number not in (_LDAP_OWN_MESSAGE, _LDAP_NOTICE) or answer[0][0] != 0x0A:
        raise WrongProtocol(words.seen)
    result = int.from_bytes(answer[0][1], "big")
    said = b": ".join([b"LDAP result %d" % result, *(text for _tag, text in answer[2:3] if text)])
    if number == _LDAP_NOTICE:
        raise StartTlsUnavailable(b"notice of disconnection, " + said)
    if result:
        raise StartTlsRefused(said) if result in _LDAP_NO_TLS else StartTlsUnavailable(said)
    return stream


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """The (tag, content) of the first three BER elements in `data`; one that is cut is left out."""
    found: list[tuple[int, bytes]] = []
    while len(data) >= 2 and len(found) < 3:
        size, start = data[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[2:start], "big")
        if start + size > len(data):
            break
        found.append((data[0], data[start : start + size]))
        data = data[start + size :]
    return found


_PREAMBLES: dict[str, Callable[[Stream], Awaitable[Stream]]] = {
    "smtp": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "ftp": _ftp,
    "ldap": _ldap,
    "rdp": rdp,
    "postgres": postgres,
    "mysql": mysql,
    "mssql": mssql,
}


class _Patient(Carrier):
    """Gives the server its whole time again for the answer to each of our words, up to TLS."""

    def __init__(self, stream: Stream, renew: Callable[[], None]) -> None:
        super().__init__(stream)
        self._renew = renew
        self.begun = False

    async def send(self, data: bytes) -> None:
        await super().send(data)
        if not self.begun:
            self._renew()


async def start_tls(stream: Stream, service: str, renew: Callable[[], None] = lambda: None) -> Stream:
    """Bring the connection to where TLS begins; the stream that then carries it.

    Raises a TlsNotBegun, ConnectionClosed, and what the connection raises.
    """
    preamble = _PREAMBLES.get(service)
    if preamble is None:
        return stream
    patient = _Patient(stream, renew)
    carrier = await preamble(patient)
    renew()
    patient.begun = True
    return carrier


def is_busy(service: str, said: bytes) -> bool:
    """Whether words in clear in place of a ServerHello only say that the server takes nobody in now."""
    busy = _BUSY_INSTEAD.get(service)
    return busy is not None and busy.match(said) is not None
