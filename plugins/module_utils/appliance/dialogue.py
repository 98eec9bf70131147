# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dialogue with a device's command line: send a line, turn pages, read to the prompt. Bounded in time and size.

A prompt is known by its regular expression, and from the first one on by its very text: what merely looks like a
prompt in the middle of an answer counts only when nothing more comes.
"""

from __future__ import annotations

import re
import time
from typing import Any, Protocol

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import Allowance, SessionFailed

#: Bytes of one answer, and of all answers of one device.
MAX_ANSWER = 262_144
MAX_SESSION = 1_048_576
#: Pieces that one answer may come in: each of them is looked at for a prompt.
MAX_PIECES = 20_000
#: Where the echo of a command stands: at the beginning.
_HEAD = 4096
#: A prompt that is not yet known by its text must stand still for so many seconds.
_SETTLE = 0.3
#: Where prompt and pager stand: at the end.
_TAIL = 512

_ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|[()][A-Za-z0-9]|[=>@-Z\\^_])")
#: What a pager uses to wipe its own line out: backspaces around blanks, or blanks between carriage returns.
_WIPED = re.compile(r"\x08+(?: +\x08*)?|\r +(?=\r)")


class Line(Protocol):
    """Whatever carries the dialogue."""

    def send(self, text: str) -> None:
        """Send all of it; SessionFailed when it cannot be sent."""

    def receive(self, seconds: float) -> bytes | None:
        """What came within so many seconds: b"" at the end, None where nothing came."""


class Dialogue:
    """`ssh`: the profile's part of that name (prompt, pager, enable, line_end)."""

    def __init__(self, line: Line, ssh: dict[str, Any], allowance: Allowance) -> None:
        self._line = line
        self._allowance = allowance
        self._prompt = _pattern(ssh["prompt"])
        self._line_end = ssh.get("line_end", "\r")
        pager = ssh.get("pager")
        self._pager = (_pattern(pager["pattern"]), pager["answer"]) if pager else None
        self._enable = ssh.get("enable")
        self._known_prompt: str | None = None
        self._echoes: bool | None = None
        self._received = 0

    def open(self, enable_password: str | None) -> None:
        """Wait for the first prompt, and take the enable step where the profile has one."""
        try:
            _which, text, _at = self._read([self._prompt])
        except SessionFailed as problem:
            # Nobody was asked anything yet: this is no device that stopped, but one that the profile does not know.
            if problem.reason == "stopped_answering":
                raise SessionFailed("prompt_missing", str(problem)) from None
            raise
        if self._enable:
            text = self._become_privileged(enable_password)
        self._known_prompt = _last_line(text)

    def _become_privileged(self, password: str | None) -> str:
        enable = self._enable or {}
        privileged = _pattern(enable["prompt"])
        asks = _pattern(enable["password_prompt"]) if enable.get("password_prompt") else None
        self._send(enable["command"])
        which, text, _at = self._read([privileged, *([asks] if asks else [])])
        if which == 1 and asks is not None:
            if not password:
                raise SessionFailed("login_refused", "the device asks for an enable password, and there is none")
            self._send(password)
            which, text, _at = self._read([privileged, asks, self._prompt])
            if which:
                raise SessionFailed("login_refused", "the device refused the enable password")
        self._prompt = privileged
        return text

    def ask(self, command: str) -> tuple[str, float, float]:
        """(the answer without echo and prompt, when it was asked, when it was there): vantage epoch seconds."""
        asked = time.time()
        self._send(command)
        _which, text, answered = self._read([self._prompt], command)
        answer, echoed = _without_echo(text, command, self._known_prompt)
        if self._echoes is None:
            self._echoes = echoed
        elif self._echoes and not echoed:
            raise SessionFailed(
                "prompt_missing",
                f"what came after '{command}' is not its answer: the prompt of the profile is too wide",
            )
        return self._without_prompt(answer), asked, answered

    def converse(self, steps: list[dict[str, Any]]) -> tuple[str, float, float]:
        """Several lines with pauses between them: [{"send": [lines], "until": regex or None for the prompt}].

        (what the device said without what was sent, when it began, when it ended). Where the prompt comes before the
        last step, the device has broken off, and what remains is not sent: it would be taken for commands.
        """
        begun, said = time.time(), ""
        for step in steps:
            for line in step["send"]:
                self._send(line)
            until = [_pattern(step["until"])] if step.get("until") else []
            which, text, answered = self._read([*until, self._prompt])
            sent = [line.strip() for line in step["send"]]
            said += "".join(
                f"{line}\n" for line in text.split("\n") if not any(own and line.rstrip().endswith(own) for own in sent)
            )
            if until and which == 1:
                raise SessionFailed(
                    "dialogue_broken_off", _said("the device came back to its prompt early", bytearray(said, "utf-8"))
                )
        return said, begun, answered

    def _send(self, text: str) -> None:
        self._line.send(text + self._line_end)

    def _read(self, wanted: list[re.Pattern[bytes]], command: str | None = None) -> tuple[int, str, float]:
        """(which pattern the last line matches, all that came, when its last byte came)."""
        data = bytearray()
        found: int | None = None
        came = time.time()
        silent_since = time.monotonic()
        count = 0
        while True:
            # A limit of its own for one receive: the device's time may end while it drips.
            seconds = min(_SETTLE if found is not None else 1.0, self._allowance.seconds())
            piece = self._line.receive(seconds)
            if piece is None:
                if found is not None:
                    return found, _cleaned(data), came
                if time.monotonic() - silent_since >= self._allowance.step:
                    raise SessionFailed("stopped_answering", _said("the device went silent", data))
                continue
            if not piece:
                raise SessionFailed("stopped_answering", _said("the device closed the session", data))
            data += piece
            came, silent_since = time.time(), time.monotonic()
            self._received += len(piece)
            count += 1
            if len(data) > MAX_ANSWER or self._received > MAX_SESSION or count > MAX_PIECES:
                raise SessionFailed("answer_too_long", f"the device sent {len(data)} bytes without coming to an end")
            end = _ESCAPES.sub(b"", bytes(data[-_TAIL:]))
            if self._turn_page(data, end):
                found = None
                continue
            last = end.replace(b"\r", b"\n").rsplit(b"\n", 1)[-1]
            found = next((number for number, pattern in enumerate(wanted) if last and pattern.search(last)), None)
            if found == 0 and self._is_sure(last, data, command):
                return found, _cleaned(data), came

    def _turn_page(self, data: bytearray, end: bytes) -> bool:
        if self._pager is None:
            return False
        pattern, answer = self._pager
        for match in pattern.finditer(end):
            if not end[match.end() :].strip(b" \r\n\x00"):
                data[-_TAIL:] = end[: match.start()]
                self._line.send(answer)
                return True
        return False

    def _is_sure(self, last: bytes, data: bytearray, command: str | None) -> bool:
        """Whether this is the prompt beyond doubt: its very text, after the command's echo where the device echoes."""
        if command is None or self._known_prompt is None or last.decode("utf-8", "replace") != self._known_prompt:
            return False
        return self._echoes is False or _without_echo(_cleaned(data[:_HEAD]), command, self._known_prompt)[1]

    def _without_prompt(self, text: str) -> str:
        if self._known_prompt and text.endswith(self._known_prompt):
            return text[: -len(self._known_prompt)]
        return text.rsplit("\n", 1)[0] if "\n" in text else ""


def hold(line: Line, device: dict[str, Any], secret: dict[str, str], allowance: Allowance) -> dict[str, dict[str, Any]]:
    """Answers by output: {"text", "asked", "answered"}. A dialogue that lost its thread is not taken up again."""
    dialogue = Dialogue(line, device["ssh"], allowance)
    dialogue.open(secret.get("enable_password"))
    answers: dict[str, dict[str, Any]] = {}
    for name, question in device["questions"].items():
        try:
            text, asked, answered = dialogue.ask(question) if isinstance(question, str) else dialogue.converse(question)
        except SessionFailed as problem:
            answers[name] = {"text": None, "error": str(problem)}
            problem.answers = answers
            raise
        answers[name] = {"text": text, "asked": asked, "answered": answered}
    return answers


def _pattern(text: str) -> re.Pattern[bytes]:
    return re.compile(text.encode("utf-8"), re.MULTILINE)


def _cleaned(data: bytearray) -> str:
    """Text as a person would have read it: no escapes, no wiped pager line, line ends of one kind."""
    text = _ESCAPES.sub(b"", bytes(data)).decode("utf-8", "replace")
    text = _WIPED.sub("", text)
    text = re.sub(r"\r*\n", "\n", text).replace("\r", "\n")
    return text.replace("\x00", "").replace("\x07", "")


def _last_line(text: str) -> str:
    return text.rsplit("\n", 1)[-1]


def _without_echo(text: str, command: str, prompt: str | None) -> tuple[str, bool]:
    """(the text after the command's echo, whether there was one). A terminal may have wrapped the echo."""
    wanted = "".join(command.split())
    for before in ("", "".join((prompt or "").split())):
        expected, position = before + wanted, 0
        for index, character in enumerate(text):
            if position == len(expected):
                rest = text[index:]
                line, newline, after = rest.partition("\n")
                if newline and not line.strip():
                    return after, True
                break
            if character.isspace():
                continue
            if character != expected[position]:
                break
            position += 1
    return text, False


def _said(what: str, data: bytearray) -> str:
    if not data:
        return f"{what} without a word"
    text = _last_line(_cleaned(data[-200:]).rstrip("\n"))[-80:]
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return f"{what} after {shown!r}"
