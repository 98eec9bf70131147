# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device says to a login, and what it means: only what it says clearly is accepted or refused."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access import lines, ssh
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.http import (
    Response,
    administration,
    fits,
    read_answer,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.lines import (
    TelnetOptions,
    ftp_login,
    telnet_login,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import (
    Allowance,
    SessionFailed,
    says_locked,
)


class Script:
    """A device that says one thing after each line that it is sent, and then hangs or closes."""

    def __init__(self, *turns: bytes, close: bool = False) -> None:
        self._turns = list(turns)
        self._close = close
        self._ready = self._turns.pop(0)
        self.heard: list[bytes] = []
        self.spent_after: int | None = None

    def send(self, data: bytes) -> None:
        self.heard.append(data)
        if data.endswith(b"\r\n"):
            self._ready += self._turns.pop(0) if self._turns else b""

    def receive(self, _seconds: float) -> bytes | None:
        ready, self._ready = self._ready[:7], self._ready[7:]
        if ready:
            return ready
        return b"" if self._close and not self._turns else None

    def spend(self) -> None:
        assert self.spent_after is None, "a second try"
        self.spent_after = len(self.heard)


def outcome(call: Any, script: Script, password: str | None = "pw-71", trial: Any = None) -> str:
    """The result, or the reason of a session that failed."""
    try:
        told = call(
            script, {"account": "admin", **(trial or {})}, password, Allowance(0.0, time.monotonic() + 20), script.spend
        )
    except SessionFailed as problem:
        return problem.reason
    if told.sign:
        assert told.result == "locked_out"
    return str(told.result)


LOGIN, PASSWORD = b"Debian\r\ndev login: ", b"admin\r\nPassword: "

TELNET = [
    ("accepted", [LOGIN, PASSWORD, b"\r\nLast login: Sun Nov 22\r\nWelcome\r\n$ "]),
    ("refused", [LOGIN, PASSWORD, b"\r\nLogin incorrect\r\ndev login: "]),
    ("refused", [LOGIN, PASSWORD, b"\r\ndev login: "]),
    ("refused", [LOGIN, PASSWORD, b"\r\nPassword: "]),
    ("refused", [LOGIN, PASSWORD, b"\r\nAccess denied\r\n"]),
    ("refused", [b"Mot de passe : ", b"\r\nMot de passe incorrect\r\n"]),
    ("locked_out", [LOGIN, PASSWORD, b"\r\nToo many failed attempts\r\n"]),
    ("locked_out", [LOGIN, PASSWORD, b"\r\nLogin incorrect. The account is locked due to 3 failed logins.\r\nlogin: "]),
    ("locked_out", [LOGIN, PASSWORD, b"\r\nCompte verrouill\xc3\xa9\r\n"]),
    ("locked_out", [LOGIN, b"admin\r\nThe account is locked due to 3 failed logins.\r\nPassword: "]),
    ("locked_out", [b"Too many failed attempts from your address\r\n"]),
    # A warning that stands there for everyone is no sign.
    ("refused", [b"Too many failed attempts are reported.\r\n" + LOGIN, PASSWORD, b"\r\nLogin incorrect\r\n"]),
    ("no_answer", [LOGIN, PASSWORD, b"\r\nLogin incorrect\r\n$ "]),
    ("no_answer", [LOGIN, b"admin\r\ndev login: "]),
    ("accepted", [LOGIN, b"admin\r\n# "]),
    ("accepted", [b"BusyBox v1.35\r\n# "]),
    ("stopped_answering", [b""]),
    ("stopped_answering", [LOGIN, b"admin\r\n"]),
    ("stopped_answering", [LOGIN, PASSWORD, b""]),
    ("stopped_answering", [LOGIN, PASSWORD, b"\r\nWelcome, please wait"]),
    ("answer_too_long", [b"x" * 70000]),
]


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize(("said", "turns"), TELNET, ids=[repr(turns[-1][:40]) for _said, turns in TELNET])
def test_telnet(said: str, turns: list[bytes], close: bool) -> None:
    script = Script(*turns, close=close)
    prompt = turns[-1].endswith((b"$ ", b"# ", b": "))
    # A prompt that goes away before it stood still is none; words count all the same.
    expected = said if not (close and prompt) or said == "locked_out" else "stopped_answering"
    if expected != said and b"incorrect" in turns[-1]:
        expected = "refused"
    assert outcome(telnet_login, script) == expected
    asked = any(b"assword: " in turn or b"passe : " in turn for turn in turns[:-1])
    assert (script.spent_after is not None) is asked
    # The password goes out once, after it was counted.
    sent = [number for number, line in enumerate(script.heard) if b"pw-71" in line]
    assert sent == ([script.spent_after] if asked else [])


@pytest.mark.parametrize(
    ("said", "words"),
    [("refused", LOGIN), ("refused", b"Password: "), ("accepted", b"# "), ("stopped_answering", b"hello")],
)
def test_telnet_without_a_login(said: str, words: bytes) -> None:
    script = Script(words)
    assert outcome(telnet_login, script, None) == said
    assert script.heard == []


@pytest.mark.parametrize(("password", "said"), [("pw", "no_answer"), (None, "refused")])
def test_a_refusal_before_the_password_is_none_of_it(
    monkeypatch: pytest.MonkeyPatch, password: str | None, said: str
) -> None:
    """A server of SSH that names "none" among its ways refuses that one, and has not seen a password yet."""
    paramiko = pytest.importorskip("paramiko")

    class Transport:
        auth_timeout = 0.0

        def set_log_channel(self, name: str) -> None:
            self.log = logging.getLogger(name)

        def auth_none(self, _account: str) -> None:
            self.log.info("Authentication (none) failed.")
            raise paramiko.AuthenticationException("Authentication failed.")

    @contextlib.contextmanager
    def transport(*_arguments: Any) -> Iterator[Any]:
        yield Transport(), None, None

    monkeypatch.setattr(ssh, "verified_transport", transport)
    told = ssh.try_ssh({"account": "admin"}, password, Allowance(5.0, time.monotonic() + 20), lambda: None)
    assert told.result == said


class Stalling(Script):
    """What is said after a line comes in pieces, with a silence between two."""

    def receive(self, seconds: float) -> bytes | None:
        ready, _mark, self._ready = self._ready.partition(b"|")
        if not ready:
            time.sleep(min(seconds, 0.01))
        return ready or None


@pytest.mark.parametrize(
    ("said", "after"),
    [
        ("accepted", b"\r\nLast login: |||Sun Nov 22 10:00\r\n||$ "),
        ("accepted", b"\r\nWelcome. Your user account: ||4 messages\r\n|$ "),
        ("accepted", b"\r\nLast failed login: ||never\r\nmenu> "),
        ("refused", b"\r\n||Login ||incorrect\r\n||login: "),
    ],
)
def test_a_line_of_telnet_that_comes_late_is_no_prompt(said: str, after: bytes) -> None:
    script = Stalling(b"dev login: ", b"\r\nPassword: ", after)
    told = telnet_login(script, {"account": "admin"}, "pw", Allowance(2.0, time.monotonic() + 20), script.spend)
    assert told.result == said


def test_a_telnet_profile_has_its_own_words() -> None:
    turns = [b"Badge> ", b"\r\nPIN> ", b"\r\nNIET\r\nBadge> "]
    own = {"login": "^Badge> $", "password": "^PIN> $", "accepted": "^OK> $", "refused": "NIET"}
    assert outcome(telnet_login, Script(*turns), trial=own) == "refused"
    assert outcome(telnet_login, Script(*turns), trial={**own, "locked_out": "NIET"}) == "locked_out"
    assert outcome(telnet_login, Script(*turns[:2], b"\r\nOK> "), trial=own) == "accepted"


def test_telnet_options_are_declined_once_over_any_cut() -> None:
    data = b"\xff\xfd\x18lo\xff\xfb\x01g\xff\xff\xff\xfa\x18\x01\xff\xf0i\xff\xfd\x18\xff\xf1\xff\xfc\x03n"
    for size in range(1, len(data) + 1):
        options, text, reply = TelnetOptions(), b"", b""
        for at in range(0, len(data), size):
            heard, said = options.feed(data[at : at + size])
            text, reply = text + heard, reply + said
        assert text == b"log\xffin"
        assert reply == b"\xff\xfc\x18\xff\xfe\x01"


FTP = [
    ("accepted", [b"220 ready\r\n", b"331 password\r\n", b"230 welcome\r\n"]),
    ("accepted", [b"220-a\r\n 220 b\r\n221 c\r\n220 d\r\n", b"331 p\r\n", b"230-x\r\n230 y\r\n"]),
    ("accepted", [b"220 ready\r\n", b"230 come in\r\n"]),
    ("refused", [b"220-Too many failed attempts are reported\r\n220 x\r\n", b"331 p\r\n", b"530 no\r\n"]),
    ("refused", [b"220 ready\r\n", b"331 password\r\n", b"530 Login incorrect.\r\n"]),
    # Said after the password was found right.
    ("no_answer", [b"220 x\r\n", b"331 p\r\n", b"530 Sorry, the maximum number of clients (3) are connected\r\n"]),
    ("no_answer", [b"220 x\r\n", b"331 p\r\n", b"530 Too many users, please try again later\r\n"]),
    ("locked_out", [b"220 ready\r\n", b"331 password\r\n", b"421 Bye\r\n"]),
    ("locked_out", [b"220 ready\r\n", b"331 password\r\n", b"530 Too many login failures\r\n"]),
    ("locked_out", [b"220 ready\r\n", b"530 account is locked\r\n"]),
    ("locked_out", [b"421 too many failed logins from this address\r\n"]),
    ("no_answer", [b"421 Service not available\r\n"]),
    # This one looked at no password.
    ("no_answer", [b"220 ready\r\n", b"530 Non-anonymous sessions must use encryption.\r\n"]),
    ("no_answer", [b"220 ready\r\n", b"331 password\r\n", b"332 account\r\n"]),
    ("no_answer", [b"220 ready\r\n", b"331 password\r\n", b"500 what?\r\n"]),
    ("no_ftp", [b"SSH-2.0-x\r\n"]),
    ("no_ftp", [b"220 ready\r\n", b"331 p\r\n", b"hello\r\n"]),
    ("stopped_answering", [b"220-Welc"]),
    ("stopped_answering", [b"220 ready\r\n", b"331 p\r\n", b"53"]),
    ("answer_too_long", [b"220-" + b"x" * 70000]),
    ("answer_too_long", [b"220-a\r\n" * 20000]),
]


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize(("said", "turns"), FTP, ids=[repr(turns[-1][:40]) for _said, turns in FTP])
def test_ftp(said: str, turns: list[bytes], close: bool) -> None:
    script = Script(*turns, close=close)
    assert outcome(ftp_login, script) == said
    asked = len(turns) == 3
    sent = [number for number, line in enumerate(script.heard) if b"pw-71" in line]
    assert sent == ([script.spent_after] if asked else [])


# -- pages


def headers(*fields: tuple[str, str]) -> Message:
    message = Message()
    for name, value in fields:
        message[name] = value
    return message


@pytest.mark.parametrize(
    ("header", "ways"),
    [
        ('Basic realm="a, Digest b"', ("basic",)),
        ('Digest realm="a", nonce="n", qop="auth", stale = true, algorithm=MD5', ("digest",)),
        ('Basic realm="a", Digest realm="b", nonce="n"', ("basic", "digest")),
        ("Negotiate, Basic", ("negotiate", "basic")),
        ('Bearer realm="basic"', ("bearer",)),
        ("", ()),
        ('"' * 5000, ()),
    ],
)
def test_the_ways_that_a_401_names(header: str, ways: tuple[str, ...]) -> None:
    assert read_answer(401, headers(("WWW-Authenticate", header)), "").ways == ways


def test_where_an_answer_leads_is_part_of_it() -> None:
    answer = read_answer(302, headers(("Location", "/login")), "<p>")
    assert fits({"status": [302], "regex": "^Location: /login$"}, answer)
    assert not fits({"status": [301]}, answer)


PLACE: dict[str, Any] = {"accepted": {"regex": "Network settings"}}


@pytest.mark.parametrize(
    ("said", "status", "text", "refused"),
    [
        ("accepted", 200, "<h1>Network settings", None),
        ("refused", 401, "", None),
        ("refused", 403, "Network settings", None),
        ("locked_out", 429, "", None),
        ("locked_out", 423, "", None),
        ("no_answer", 200, "Welcome", None),
        ("no_answer", 302, "Location: /login\n", None),
        ("refused", 302, "Location: /login\n", {"regex": "^Location: /login$"}),
        ("refused", 200, "Please sign in", {"regex": "sign in"}),
        # Both at once is no answer.
        ("no_answer", 200, "Network settings: sign in", {"regex": "sign in"}),
        ("no_answer", 401, "", {"status": [302]}),
        ("no_answer", 500, "Network settings", None),
    ],
)
def test_the_administration_is_known_by_what_it_shows(
    said: str, status: int, text: str, refused: dict[str, Any] | None
) -> None:
    trial = PLACE if refused is None else {**PLACE, "refused": refused}
    assert administration(trial, Response(status, text)).result == said


@pytest.mark.parametrize(
    ("text", "locked"),
    [
        ("Disconnect (code 2): Too many authentication failures", True),
        ("Too many failed login attempts. Try again in 5 minutes.", True),
        ("Your account has been temporarily locked", True),
        ("The account is locked due to 3 failed logins.", True),
        ("User is blocked", True),
        ("Trop de tentatives", True),
        ("Compte bloqué", True),
        ("Your account will be locked after three wrong passwords", False),
        ("Login incorrect", False),
        ("the door is blocked by too many people", False),
        ("unlocked", False),
    ],
)
def test_signs_of_a_lock_out(text: str, locked: bool) -> None:
    assert says_locked(text, None) is locked
    assert says_locked(text, "^" + text[:5])


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_SETTLE", 0.0)
