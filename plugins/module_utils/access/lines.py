# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One try to log in over telnet (RFC 854) or FTP (RFC 959). Both are clear text: only where a profile names them.

Python 3.13 has no telnetlib any more, and neither library has a limit for what a device sends.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from typing import Any, Protocol

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import (
    MAX_TEXT,
    Allowance,
    SessionFailed,
    Spend,
    Told,
    connect,
    cut_after,
    locked_out,
    says_locked,
)

#: What telnet devices usually say; a profile may say otherwise.
TELNET = {
    "login": r"(?i)(?:log ?in|user ?name|user|account|utilisateur|identifiant) ?: ?$",
    "password": r"(?i)(?:password|passcode|mot de passe) ?: ?$",
    "accepted": r"[$#>%] ?$",
    "refused": r"(?i)\b(?:log ?in|password|authentication|connexion) (?:is )?(?:incorrect|failed|failure|invalid)"
    r"|\b(?:incorrect|invalid|wrong|bad|unknown) (?:log ?in|password|user|credentials)"
    r"|\b(?:access|permission|connection) (?:denied|refused)|\bmot de passe (?:incorrect|invalide)|\baccès refusé",
}
#: FTP's 530 after a password that may have been right: ProFTPD counts its clients only then.
_FULL = re.compile(
    r"(?i)\bmaximum\b|\btoo many (?:users|clients|connections|sessions)|\balready connected|\btry again later|\bbusy\b"
)
#: A prompt must stand still for so many seconds.
_SETTLE = 0.5
_MAX_PIECES = 5000
_MAX_REPLIES = 64
_IAC, _DONT, _DO, _WONT, _WILL, _SB, _SE = 255, 254, 253, 252, 251, 250, 240
_COLOURS = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[()][A-Za-z0-9]|[=>@-Z\\^_])")


class Line(Protocol):
    """Whatever carries the bytes."""

    def send(self, data: bytes) -> None:
        """Send all of it; SessionFailed when it cannot be sent."""

    def receive(self, seconds: float) -> bytes | None:
        """What came within so many seconds: b"" at the end, None where nothing came."""


class _SocketLine:
    """A TCP connection as a Line."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError:
            raise SessionFailed("stopped_answering", "the device closed the connection") from None

    def receive(self, seconds: float) -> bytes | None:
        self._sock.settimeout(seconds)
        try:
            return self._sock.recv(4096)
        except socket.timeout:
            return None
        except OSError:
            return b""


def try_telnet(trial: dict[str, Any], password: str | None, allowance: Allowance, spend: Spend) -> Told:
    """`password` None: whether anyone gets in without one."""
    with connect(trial["address"], trial["port"], allowance) as sock, cut_after(sock, allowance.left()):
        return telnet_login(_SocketLine(sock), trial, password, allowance, spend)


def try_ftp(trial: dict[str, Any], password: str | None, allowance: Allowance, spend: Spend) -> Told:
    """A factory password over FTP."""
    with connect(trial["address"], trial["port"], allowance) as sock, cut_after(sock, allowance.left()):
        return ftp_login(_SocketLine(sock), trial, password or "", allowance, spend)


# -- telnet


def telnet_login(line: Line, trial: dict[str, Any], password: str | None, allowance: Allowance, spend: Spend) -> Told:
    """One login, by the prompts of the profile."""
    patterns = {key: re.compile(trial.get(key) or usual) for key, usual in TELNET.items()}
    terminal = _Terminal(line, allowance)

    def wait(*wanted: str, words: re.Pattern[str] | None = None) -> tuple[str | None, str]:
        """(which prompt the device waits at, or None where it closed or went silent; all that it said since)."""
        return terminal.read({name: patterns[name] for name in wanted}, words)

    which, text = wait("login", "password", "accepted")
    if which == "login" and password is not None:
        # What was said before may be a standing warning; from here on it is about this account.
        terminal.send(trial["account"])
        which, text = wait("password", "accepted", "login")
        if which != "accepted" and says_locked(text, trial.get("locked_out")):
            return locked_out("the telnet server says so before the password")
    if which is None and says_locked(text, trial.get("locked_out")):
        return locked_out("the telnet server says so before the login")
    if which is None:
        raise SessionFailed("stopped_answering", f"the device {terminal.end} before it asked for a password")
    if which == "accepted":
        return Told("accepted", "the device asks for no password")
    if password is None:
        return Told("refused")
    if which == "login":
        return Told("no_answer", "the device asks for the account again, and for no password")
    spend()
    terminal.send(password)
    which, text = wait("accepted", "login", "password", words=patterns["refused"])
    refused = patterns["refused"].search(text) is not None
    if which == "accepted" and not refused:
        return Told("accepted")
    if says_locked(text, trial.get("locked_out")):
        return locked_out("the telnet server says so")
    # A prompt that comes again after a password is a refusal too.
    if (refused and which != "accepted") or which in ("login", "password"):
        return Told("refused")
    if which is None:
        raise SessionFailed("stopped_answering", f"the device {terminal.end} after the password, without an answer")
    return Told("no_answer", "the device says that the login failed, and shows a prompt all the same")


class _Terminal:
    """The text of a telnet session; every option that the device proposes is declined."""

    def __init__(self, line: Line, allowance: Allowance) -> None:
        self._line = line
        self._allowance = allowance
        self._options = TelnetOptions()
        self._received = 0
        #: How the device left off.
        self.end = "closed the session"

    def send(self, text: str) -> None:
        self._line.send(text.encode("utf-8") + b"\r\n")

    def read(self, wanted: dict[str, re.Pattern[str]], words: re.Pattern[str] | None = None) -> tuple[str | None, str]:
        """`words`: what makes a prompt for a login a refusal at once; without, it must stand as long as silence may.

        "Last login: " is the beginning of a welcome, and a network may bring the rest of the line later.
        """
        data = bytearray()
        found: str | None = None
        silent_since = time.monotonic()
        for _piece in range(_MAX_PIECES):
            seconds = self._allowance.seconds()
            piece = self._line.receive(min(_SETTLE if found else 1.0, seconds))
            if piece is None:
                waited = time.monotonic() - silent_since >= self._allowance.step
                if found and (waited or words is None or found == "accepted" or words.search(_plain(data))):
                    return found, _plain(data)
                if waited:
                    self.end = "went silent"
                    return None, _plain(data)
                continue
            if not piece:
                return None, _plain(data)
            silent_since = time.monotonic()
            self._received += len(piece)
            if self._received > MAX_TEXT:
                break
            text, reply = self._options.feed(piece)
            data += text
            if reply:
                self._line.send(reply)
            last = _plain(data[-512:]).rsplit("\n", 1)[-1]
            found = next((name for name, pattern in wanted.items() if last and pattern.search(last)), None)
        raise SessionFailed("answer_too_long", "the device sent much without coming to a prompt")


class TelnetOptions:
    """Takes the commands out of what a telnet server sends (RFC 854, RFC 855), over any cut of the bytes."""

    def __init__(self) -> None:
        self._state = "text"
        self._verb = 0
        self._declined: set[tuple[int, int]] = set()

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """(text, what is to be answered): every option is declined, once."""
        text, reply = bytearray(), bytearray()
        for byte in data:
            if self._state == "text":
                if byte == _IAC:
                    self._state = "command"
                else:
                    text.append(byte)
            elif self._state == "command":
                self._state = "text"
                if byte == _IAC:
                    text.append(byte)
                elif byte in (_DO, _DONT, _WILL, _WONT):
                    self._state, self._verb = "option", byte
                elif byte == _SB:
                    self._state = "sub"
            elif self._state == "option":
                self._state = "text"
                answer = {_DO: _WONT, _WILL: _DONT}.get(self._verb)
                if answer and (answer, byte) not in self._declined and len(self._declined) < _MAX_REPLIES:
                    self._declined.add((answer, byte))
                    reply += bytes((_IAC, answer, byte))
            elif self._state == "sub":
                self._state = "sub command" if byte == _IAC else "sub"
            else:
                self._state = "text" if byte == _SE else "sub"
        return bytes(text), bytes(reply)


def _plain(data: bytes | bytearray) -> str:
    text = _COLOURS.sub("", bytes(data).decode("utf-8", "replace"))
    return re.sub(r"\r*\n", "\n", text.replace("\x00", "")).replace("\r", "\n")


# -- FTP


def ftp_login(line: Line, trial: dict[str, Any], password: str, allowance: Allowance, spend: Spend) -> Told:
    """USER and PASS (RFC 959, section 5.4). Only an answer to the password says something about it."""
    control = _Control(line, allowance)
    pattern = trial.get("locked_out")
    code, text = control.reply()
    if code != 220 and says_locked(text, pattern):
        return locked_out(f"FTP {code} before the login")
    if code != 220:
        return Told("no_answer", f"the server greets with {code}")
    code, text = control.ask(f"USER {trial['account']}")
    if code != 230 and says_locked(text, pattern):
        return locked_out(f"FTP {code}")
    if code == 230:
        return control.leave(Told("accepted", "the server asks for no password"))
    if code != 331:
        return control.leave(Told("no_answer", f"the server answers {code} to the account, and asks for no password"))
    spend()
    code, text = control.ask(f"PASS {password}")
    if code in (230, 232):
        return control.leave(Told("accepted"))
    if code == 421 or says_locked(text, pattern):
        return locked_out(f"FTP {code}")
    if code == 530 and _FULL.search(text):
        return control.leave(Told("no_answer", "the server takes nobody in now"))
    if code == 530:
        return control.leave(Told("refused"))
    return control.leave(Told("no_answer", f"the server answers {code} to the password"))


class _Control:
    """The control connection of FTP."""

    def __init__(self, line: Line, allowance: Allowance) -> None:
        self._line = line
        self._allowance = allowance
        self._data = bytearray()
        self._received = 0

    def ask(self, command: str) -> tuple[int, str]:
        self._line.send(command.encode("utf-8") + b"\r\n")
        return self.reply()

    def leave(self, told: Told) -> Told:
        """Say goodbye, whatever comes of it."""
        with contextlib.suppress(SessionFailed):
            self._line.send(b"QUIT\r\n")
        return told

    def reply(self) -> tuple[int, str]:
        """(code, text) of one answer, of one line or of several (RFC 959, section 4.2)."""
        lines = [self._read_line()]
        first = re.match(r"([1-5]\d\d)([ -]|$)", lines[0])
        if first is None:
            raise SessionFailed("no_ftp", "what the device answers is no FTP")
        if first[2] == "-":
            while not re.match(first[1] + r"( |$)", lines[-1]):
                lines.append(self._read_line())
        return int(first[1]), "\n".join(lines)

    def _read_line(self) -> str:
        silent_since = time.monotonic()
        for _piece in range(_MAX_PIECES):
            end = self._data.find(b"\n")
            if end >= 0:
                line = bytes(self._data[:end])
                del self._data[: end + 1]
                return line.rstrip(b"\r").decode("utf-8", "replace")
            seconds = self._allowance.seconds()
            piece = self._line.receive(min(1.0, seconds))
            if piece is None:
                if time.monotonic() - silent_since >= self._allowance.step:
                    raise SessionFailed("stopped_answering", "the device went silent at the login")
                continue
            if not piece:
                raise SessionFailed("stopped_answering", "the device closed the connection in the middle of an answer")
            silent_since = time.monotonic()
            self._received += len(piece)
            self._data += piece
            if self._received > MAX_TEXT:
                break
        raise SessionFailed("answer_too_long", "the device sent much without coming to an end")
