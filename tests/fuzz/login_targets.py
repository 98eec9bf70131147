# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets: what a device without Python answers to a login: command line, pages, challenges, refusals."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access import lines
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.http import administration, read_answer
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance import http as appliance_http
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.dialogue import MAX_SESSION, hold
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import (
    Allowance,
    SessionFailed,
    Told,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.appliance_roots import (
    RootsProblem,
    listed,
    removals,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.appliance_roots import judged as judge_change
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.actions import UploadRootCa
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import Profile, read_profile
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile_book import ProfileBook
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.reading import read_answers
from fuzz.fakes import pieces
from fuzz.registry import NOW, Shape, rng_of, safe_json, target

_SECRET = {"password": "hunter2", "enable_password": "hunter3"}
_ENABLE = {"command": "enable", "prompt": "# ?$", "password_prompt": "[Pp]assword: ?$"}


class _FakeLine:
    """A command line that says the parts of `data` between 0x1e bytes, one after each thing that it is sent."""

    def __init__(self, data: bytes) -> None:
        self._rng = rng_of(data)
        self._turns = iter(data.split(b"\x1e"))
        self._pieces: Iterator[bytes] = pieces(next(self._turns), self._rng)
        self._silences = 0
        self.received = 0

    def send(self, _text: str) -> None:
        self._pieces = pieces(next(self._turns, b""), self._rng)
        self._silences = 0

    def receive(self, _seconds: float) -> bytes | None:
        piece = next(self._pieces, b"")
        self.received += len(piece)
        if piece:
            return piece
        self._silences += 1
        return None if self._silences < 3 else b""


@target("lines", (b"dev> ", b"dev# ", b"\r\n", b"--More--", b"\x1b[2K", b"\x08 \x08", b"Password: ", b"show clock\r\n"))
def dialogue(data: bytes) -> Shape:
    """A command line: every answer is text, and what is no dialogue ends in one of the known words."""
    line = _FakeLine(data)
    ssh = {"prompt": "[>#] ?$", "pager": {"pattern": "(?<!-)--+ ?[Mm]ore ?--+", "answer": " "}}
    if len(data) % 2:
        ssh["enable"] = _ENABLE
    put = [{"send": ["put root"], "until": "cert> ?$"}, {"send": ["AAAA", "END"], "until": None}]
    device = {"ssh": ssh, "questions": {"clock": "show clock", "users": put if len(data) % 3 else "show users"}}
    try:
        # No time to think: a silence in the middle of an answer is its end.
        answers = hold(line, device, _SECRET, Allowance(0.0, time.monotonic() + 30))
    except SessionFailed as problem:
        safe_json([str(problem), problem.answers])
        assert len(str(problem)) < 400 and str(problem).isprintable()
        assert line.received <= MAX_SESSION + 16384
        return problem.reason, len(problem.answers)
    safe_json(answers)
    assert all(isinstance(answer["text"], str) for answer in answers.values())
    return tuple(bool(answer["text"]) for answer in answers.values()), "enable" in ssh


_ROOTS = {
    "trusted": {
        "command": "show roots",
        "expect": "^Trusted",
        "regex": r"^\s*(?P<name>\S+)\s+(?P<value>[0-9A-Fa-f:]+)\s*$",
    },
    "add": {"dialogue": [{"send": ["{pem}"]}], "success": "^OK", "error": "(?i)error"},
    "remove": {"command": "no root {name}", "success": "^OK"},
}


@functools.cache
def _upload(expression: str) -> UploadRootCa:
    """The same device by its command line, or read by an expression."""
    trusted = {"command": "show roots", "jmespath": expression} if expression else _ROOTS["trusted"]
    profile = read_profile(
        {
            "schema_version": 1,
            "name": "fuzz",
            "transport": "ssh",
            "ssh": {"prompt": ">"},
            "commands": {"a": "b"},
            "facts": {"system.name": {"output": "a", "regex": "(?P<value>.)"}},
            "actions": {"upload_root_ca": {**_ROOTS, "trusted": trusted}},
        }
    )
    assert profile.upload_root_ca is not None
    return profile.upload_root_ca


@target(
    "lines",
    (b"Trusted roots: 2", b"root-1  ", b"ab:" * 31 + b"ab", b"a" * 64, b"OK", b"; reload", b"\xff"),
    seeds=("page",),
)
def trusted_roots(data: bytes) -> Shape:
    """The list of a device's roots: whole or refused, and no name in it becomes more than a word of a command."""
    text = data.decode("utf-8-sig", "replace")
    upload = _upload("roots[].{value: sha256, name: alias}" if text[:1] == "{" else "")
    judged = judge_change(upload.add, {"text": text})
    assert len(judged) < 400 and judged.isprintable()
    try:
        roots = listed(upload, {"text": text})
        sent = [question for print_, names in roots.items() for question in removals(upload, print_, names, "ours")]
    except RootsProblem as problem:
        assert len(str(problem)) < 400 and str(problem).isprintable()
        return str(problem)[:60], bool(judged)
    for (step,) in sent:
        assert re.fullmatch(r"no root [A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", step["send"][0])
    return min(len(roots), 3), len(sent) == len(roots), bool(judged)


@functools.cache
def _profile(name: str) -> Profile:
    return ProfileBook().get(name)


def _read(name: str, data: bytes) -> Shape:
    profile = _profile(name)
    text = data.decode("utf-8-sig", "replace")
    moment = NOW.timestamp()
    answers: dict[str, Any] = {
        output: {"text": text, "asked": moment, "answered": moment + 0.4} for output in profile.questions
    }
    raw = {
        "outcome": "observed",
        "reason": None,
        "detail": text[:100],
        "started_at": "2026-11-22T17:00:00.000Z",
        "finished_at": "2026-11-22T17:00:01.000Z",
        "answers": answers,
    }
    observation = read_answers(profile, "echo-004", "localhost", raw, 0.0, 0.1)
    written = safe_json(observation)
    assert len(written) < 4_000_000
    return tuple(state["status"] for state in observation["subsets"].values()), bool(
        observation.get("clock", {}).get("samples")
    )


@target(
    "lines", (b"2026-11-22 17:00:00 UTC", b"Software: 1.2", b"ntp server: 10.0.0.1", b"admin  administrator", b"\xff")
)
def command_line(data: bytes) -> Shape:
    """What the profile of a plain command line reads in any text."""
    return _read("generic_cli", data)


@target(
    "lines",
    (b"root:x:0:0:root:/root:/bin/sh", b"nameserver", b"Sun Nov 22 17:00:00 UTC 2026", b"tcp 0 0 0.0.0.0:22", b"\x00"),
)
def shell(data: bytes) -> Shape:
    """What the profile of a small Linux reads in any text."""
    return _read("busybox_linux", data)


@target("raw", (b'{"', b'": ', b"[" * 3000, b"1e999", b"NaN", b"9" * 5000, b'"\\ud800"', b"null", b"true", b"-1"))
def page(data: bytes) -> Shape:
    """What the profile of a JSON page reads in any page."""
    return _read("generic_json", data)


@target(
    "raw", (b"Digest ", b'realm="', b'nonce="n"', b"algorithm=SHA-256", b'qop="auth"', b"stale=TRUE", b"\\", b",", b"=")
)
def challenge(data: bytes) -> Shape:
    """The header by which a page asks for a login, and the answer to it."""
    text = data.decode("latin-1").replace("\r", " ").replace("\n", " ")
    device = {"user": "biomed", "http": {"authentication": "digest"}}
    visit = appliance_http._Visit(device, _SECRET, Allowance(1.0, time.monotonic() + 30), None)
    headers = SimpleNamespace(get_all=lambda _name: [text])
    try:
        found = visit._digest_challenge(SimpleNamespace(status=401, headers=headers))  # type: ignore[arg-type]
    except SessionFailed as problem:
        return problem.reason
    if not found:
        return None
    visit._challenge = found
    answer = visit._login("/status.json") or ""
    assert "hunter" not in answer
    assert "\n" not in answer and "\r" not in answer
    return tuple(sorted(set(found) & {"realm", "nonce", "qop", "algorithm", "opaque", "stale"}))


class _FakeLogin(_FakeLine):
    """The same for an access check; the password goes out once, right after it was counted."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.spent = 0
        self.passwords = 0

    def send(self, data: bytes) -> None:  # type: ignore[override]
        if b"hunter2" in data:
            self.passwords += 1
            assert self.spent == 1
        if data.endswith(b"\r\n"):
            super().send("")

    def spend(self) -> None:
        self.spent += 1
        assert self.spent == 1


def _login_told(call: Any, data: bytes) -> Shape:
    line = _FakeLogin(data)
    settle, lines._SETTLE = lines._SETTLE, 0.0
    try:
        told = call(line, {"account": "admin"}, "hunter2", Allowance(0.0, time.monotonic() + 30), line.spend)
    except SessionFailed as problem:
        assert "hunter2" not in str(problem) and str(problem).isprintable()
        return problem.reason, line.spent
    finally:
        lines._SETTLE = settle
    assert isinstance(told, Told)
    assert told.detail.isprintable() and "hunter2" not in told.detail
    assert told.result in ("accepted", "refused", "locked_out", "no_answer")
    assert (told.sign is not None) is (told.result == "locked_out")
    assert line.passwords == line.spent
    # Nothing is refused that was not tried.
    assert told.result != "refused" or line.spent == 1
    return told.result, line.spent


@target(
    "lines",
    (b"login: ", b"Password: ", b"# ", b"Login incorrect\r\n", b"\xff\xfd\x18", b"\xff\xfa", b"\x1e", b"locked out"),
)
def telnet_login(data: bytes) -> Shape:
    """A telnet login: one of four results, and the password sent once at most."""
    return _login_told(lines.telnet_login, data)


@target("lines", (b"220 ready\r\n", b"331 ", b"230-", b"530 Login incorrect\r\n", b"421 ", b"\x1e", b"too many tries"))
def ftp_login(data: bytes) -> Shape:
    """An FTP login: the same."""
    return _login_told(lines.ftp_login, data)


@target("raw", (b"Basic realm=", b"Digest ", b",", b'"', b"\\", b"/login", b"Network settings", b"sign in", b"\x1e"))
def admin_page(data: bytes) -> Shape:
    """A page of the administration: its challenge, where it leads, its text."""
    header, location, text = [*data.split(b"\x1e", 2), b"", b""][:3]
    fields = {"WWW-Authenticate": header.decode("latin-1"), "Location": location.decode("latin-1")}
    found = SimpleNamespace(get_all=lambda name: [fields[name]], get=fields.get)
    answer = read_answer((200, 302, 401, 423)[len(data) % 4], found, text.decode("utf-8", "replace"))
    assert all(way.isascii() and way == way.lower() for way in answer.ways)
    place = {
        "accepted": {"regex": "Network settings"},
        "refused": {"status": [401], "regex": "sign in|^Location: /login"},
    }
    told = administration(place, answer)
    assert told.result != "accepted" or "Network settings" in answer.text
    return told.result, len(answer.ways)
