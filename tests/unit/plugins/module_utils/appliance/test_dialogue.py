# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialogue with a command line, against devices that say exactly what is written here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance import dialogue
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.dialogue import Dialogue, hold
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import Allowance, SessionFailed

SSH = {"prompt": r"[>#] ?$", "pager": {"pattern": r"--More--", "answer": " "}}


class Script:
    """A device that says these pieces, one a receive; None: it stays silent once; b"": it has closed.

    After `wait` it says nothing until something was sent to it.
    """

    def __init__(self, *pieces: bytes | str | None) -> None:
        self._pieces = list(pieces)
        self.sent: list[str] = []
        self._answered = 0

    def send(self, text: str) -> None:
        self.sent.append(text)

    def receive(self, seconds: float) -> bytes | None:
        if self._pieces and self._pieces[0] == "wait":
            if len(self.sent) <= self._answered:
                time.sleep(min(seconds, 0.02))
                return None
            self._answered += 1
            self._pieces.pop(0)
        if not self._pieces:
            time.sleep(min(seconds, 0.02))
            return None
        piece = self._pieces.pop(0)
        assert not isinstance(piece, str)
        return piece


def ask(
    pieces: Sequence[bytes | str | None], commands: dict[str, Any], *, ssh: dict[str, Any] | None = None, **secret: str
) -> tuple[dict[str, Any], Script]:
    script = Script(*pieces)
    allowance = Allowance(0.2, time.monotonic() + 2)
    return hold(script, {"ssh": ssh or SSH, "questions": commands}, secret, allowance), script


OPEN = b"Welcome to dev # 1\r\ndev> "


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([b"show clock\r\n17:00\r\ndev> "], "17:00\n"),
        ([b"17:00\r\ndev> "], "17:00\n"),
        ([b"sh", b"ow cl", b"ock\r\n17", b":00\r", b"\ndev", b"> "], "17:00\n"),
        ([b"show \r\nclock\r\n17:00\r\ndev> "], "17:00\n"),
        ([b"dev> show clock\r\n17:00\r\ndev> "], "17:00\n"),
        ([b"show clock\r\n\x1b[1m17:00\x1b[0m\r\n\x1b[6ndev> "], "17:00\n"),
        ([b"show clock\r\n\x1b]0;dev\x0717:00\r\ndev> "], "17:00\n"),
        ([b"show clock\r\n17:00dev> "], "17:00"),
        ([b"show clock\r\ndev> "], ""),
        ([b"show clock\r\na > \r\nb # ", b"\r\nc\r\ndev> "], "a > \nb # \nc\n"),
        ([b"show clock\r\na\r\nother> ", b"b\r\ndev> "], "a\nother> b\n"),
        ([b"show clock\r\n17:00\r\nother> "], "17:00"),
        ([b"show clock\n\n17:00\ndev> "], "\n17:00\n"),
        ([b"show clock\r\nnul\x00 bell\x07\r\ndev> "], "nul bell\n"),
        ([b"show clock\r\n\xff\xfe\r\ndev> "], "\ufffd\ufffd\n"),
    ],
    ids=[
        *("echo", "no echo", "in pieces", "wrapped echo", "prompt again before the echo", "colours", "window title"),
        *("no line end", "empty", "prompt-like lines", "prompt in the middle", "prompt changed", "line feeds alone"),
        *("control characters", "no UTF-8"),
    ],
)
def test_an_answer_is_what_stands_between_echo_and_prompt(pieces: list[bytes], text: str) -> None:
    answers, script = ask([OPEN, "wait", *pieces], {"clock": "show clock"})
    assert answers["clock"]["text"] == text
    assert script.sent == ["show clock\r"]
    assert answers["clock"]["asked"] <= answers["clock"]["answered"]


WIPE = b"\x08" * 8 + b" " * 8 + b"\x08" * 8


@pytest.mark.parametrize(
    "between",
    [b"", b"\r" + b" " * 8 + b"\r", WIPE, b"\x1b[2K\r"],
    ids=["nothing", "carriage returns", "backspaces", "escape"],
)
def test_pages_are_turned_and_joined(between: bytes) -> None:
    pages = [
        b"show log\r\none\r\n--More--",
        "wait",
        between + b"two\r\n--Mo",
        b"re--",
        "wait",
        between + b"three\r\ndev> ",
    ]
    answers, script = ask([OPEN, "wait", *pages], {"log": "show log"})
    assert [line for line in answers["log"]["text"].split("\n") if line] == ["one", "two", "three"]
    assert script.sent == ["show log\r", " ", " "]


def test_a_pager_word_within_a_line_turns_no_page() -> None:
    answers, script = ask([OPEN, "wait", b"x\r\nsee --More-- here\r\ndev> "], {"x": "x"})
    assert answers["x"]["text"] == "see --More-- here\n"
    assert script.sent == ["x\r"]


def test_several_commands_each_get_their_own_answer() -> None:
    pieces = [OPEN, "wait", b"a\r\n1\r\ndev> ", "wait", b"b\r\n2\r\ndev> "]
    answers, script = ask(pieces, {"one": "a", "two": "b"}, ssh={**SSH, "line_end": "\n"})
    assert {name: answer["text"] for name, answer in answers.items()} == {"one": "1\n", "two": "2\n"}
    assert script.sent == ["a\n", "b\n"]


@pytest.mark.parametrize(
    ("pieces", "reason", "said"),
    [
        ([], "prompt_missing", "without a word"),
        ([b"login: "], "prompt_missing", "'login: '"),
        ([b""], "prompt_missing", "closed the session"),
        ([b"Goodbye\r\n", b""], "prompt_missing", "'Goodbye'"),
        ([b"x" * 300_000], "answer_too_long", "300000 bytes"),
        ([OPEN, "wait"], "stopped_answering", "went silent"),
        ([OPEN, "wait", b"show clock\r\n17"], "stopped_answering", "'17'"),
        ([OPEN, "wait", b"show clock\r\n17", b""], "stopped_answering", "closed the session after '17'"),
        ([OPEN, "wait", *[b"y" * 50_000] * 6], "answer_too_long", "without coming to an end"),
    ],
    ids=[
        *(
            "silent",
            "another prompt",
            "closed at once",
            "closed with a word",
            "endless greeting",
            "hang",
            "half, then hang",
        ),
        *("half, then closed", "endless answer"),
    ],
)
def test_each_way_to_fail_has_its_reason(pieces: list[bytes | str | None], reason: str, said: str) -> None:
    with pytest.raises(SessionFailed) as failure:
        ask(pieces, {"clock": "show clock"})
    assert failure.value.reason == reason
    assert said in str(failure.value)


def test_what_was_answered_before_counts() -> None:
    with pytest.raises(SessionFailed) as failure:
        ask([OPEN, "wait", b"a\r\n1\r\ndev> ", "wait", b"b\r\n2"], {"one": "a", "two": "b", "three": "c"})
    answers = failure.value.answers
    assert answers["one"]["text"] == "1\n"
    assert answers["two"]["text"] is None
    assert "three" not in answers


def test_an_answer_out_of_step_is_not_taken_for_another() -> None:
    """A prompt-like line, a long pause, and the rest of the answer where the next one is due."""
    pause: list[bytes | str | None] = [None] * 3
    pieces = [OPEN, "wait", b"a\r\n1\r\nfoo> ", *pause, "wait", b"rest\r\ndev> b\r\n2\r\ndev> "]
    with pytest.raises(SessionFailed) as failure:
        ask(pieces, {"one": "a", "two": "b"})
    assert failure.value.reason == "prompt_missing"
    assert "the prompt of the profile is too wide" in str(failure.value)


def test_a_device_that_drips_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dripping(Script):
        def receive(self, seconds: float) -> bytes | None:
            time.sleep(0.05)
            return b"."

    dialogue = Dialogue(Dripping(), SSH, Allowance(0.2, time.monotonic() + 0.6))
    begun = time.monotonic()
    with pytest.raises(SessionFailed) as failure:
        dialogue.open(None)
    assert failure.value.reason == "visit_time_over"
    assert time.monotonic() - begun < 20


def test_a_whole_session_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "MAX_SESSION", 1000)
    answer = b"a\r\n" + b"z" * 400 + b"\r\ndev> "
    with pytest.raises(SessionFailed) as failure:
        ask([OPEN, *["wait", answer] * 3], {"one": "a", "two": "a", "three": "a"})
    assert failure.value.reason == "answer_too_long"


# -- the step into the privileged mode

ENABLE = {
    "prompt": r"dev[>#] ?$",
    "enable": {"command": "enable", "password_prompt": r"[Pp]assword: ?$", "prompt": r"dev# ?$"},
}


def test_the_enable_step_sends_its_password_once() -> None:
    pieces = [OPEN, "wait", b"enable\r\nPassword: ", "wait", b"\r\ndev# ", "wait", b"a\r\n1\r\ndev# "]
    answers, script = ask(pieces, {"one": "a"}, ssh=ENABLE, enable_password="deep")
    assert answers["one"]["text"] == "1\n"
    assert script.sent == ["enable\r", "deep\r", "a\r"]


def test_no_password_is_sent_where_none_is_asked_for() -> None:
    pieces = [OPEN, "wait", b"enable\r\ndev# ", "wait", b"a\r\n1\r\ndev# "]
    _answers, script = ask(pieces, {"one": "a"}, ssh=ENABLE, enable_password="deep")
    assert script.sent == ["enable\r", "a\r"]


@pytest.mark.parametrize("after", [b"\r\nPassword: ", b"\r\n% Access denied\r\ndev> "], ids=["asked again", "refused"])
def test_a_refused_enable_password_is_not_tried_again(after: bytes) -> None:
    script = Script(OPEN, "wait", b"enable\r\nPassword: ", "wait", after)
    dialogue = Dialogue(script, ENABLE, Allowance(0.2, time.monotonic() + 2))
    with pytest.raises(SessionFailed) as failure:
        dialogue.open("wrong")
    assert failure.value.reason == "login_refused"
    assert script.sent == ["enable\r", "wrong\r"]
    assert "wrong" not in str(failure.value)


# -- several lines with pauses between them

STEPS = [{"send": ["put x"], "until": "^cert> $"}, {"send": ["BEGIN", "END"], "until": None}]


def test_a_dialogue_waits_for_each_step() -> None:
    pieces = [OPEN, "wait", b"put x\r\nPaste it\r\ncert> ", "wait", b"BEGIN\r\nEND\r\nOK, stored\r\ndev> "]
    answers, script = ask(pieces, {"a": STEPS})
    assert script.sent == ["put x\r", "BEGIN\r", "END\r"]
    assert "OK, stored" in answers["a"]["text"]
    # What we sent is no answer, echoed or not.
    assert "END" not in answers["a"]["text"]
    assert "put x" not in answers["a"]["text"]


def test_what_remains_is_not_sent_into_the_command_line() -> None:
    script = Script(OPEN, "wait", b"put x\r\n% Unknown command\r\ndev> ")
    with pytest.raises(SessionFailed, match="came back to its prompt early after 'dev> '") as problem:
        hold(script, {"ssh": SSH, "questions": {"a": STEPS}}, {}, Allowance(0.2, time.monotonic() + 2))
    assert problem.value.reason == "dialogue_broken_off"
    assert script.sent == ["put x\r"]
