# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the diagnosis is right, wrong, and what it costs: the figures that the product promises."""

from __future__ import annotations

import collections
import time

import pytest
from diagnose import ordinary
from diagnose.judge import HERE, Message, examples, messages, right, sentences

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis import text as diagnosis_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.message import diagnose_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.rules import Rule, fold, load_rules, lower

UNKNOWN = ["unknown"]


def wrong(among: list[Message]) -> list[tuple[str, list[str], str]]:
    judged = [(one.label, diagnose_text(one.text)["categories"], one.text) for one in among]
    return [(label, found, text) for label, found, text in judged if not right(label, found)]


@pytest.mark.parametrize("example", examples(), ids=lambda one: one.text[:60])
def test_each_example_of_the_project(example: Message) -> None:
    assert right(example.label, diagnose_text(example.text)["categories"])


def test_enough_was_collected_and_each_message_says_from_where() -> None:
    collected = messages()
    assert len(collected) >= 400
    assert len({one.text for one in collected}) == len(collected)
    assert all(one.stack and one.how.partition(": ")[0] in ("run", "table", "documented") for one in collected)
    ran = [one for one in collected if one.how.startswith("run: ")]
    assert len(ran) >= 400
    # A person who typed a message in has read it.
    assert all(one.part == "seen" for one in collected if one.how.startswith("documented: "))
    assert len({one.stack for one in collected}) > 50


def test_what_was_held_out_is_told_right() -> None:
    held = [one for one in messages() if one.part == "held_out"]
    assert len(held) > 400
    mistakes = wrong(held)
    assert len(mistakes) <= 0.05 * len(held), mistakes


def test_what_programs_never_met_before_said_is_told_right() -> None:
    """Collected after the rules, labelled by their faults, and by what their text holds where that is less."""
    held = [one for one in messages() if one.part == "held_out_second"]
    assert len(held) > 100
    assert len(wrong(held)) <= 0.05 * len(held), wrong(held)


def test_what_was_seen_is_told_right() -> None:
    seen = [one for one in messages() if one.part == "seen"]
    mistakes = wrong(seen)
    assert len(mistakes) <= 0.01 * len(seen), mistakes


def test_sentences_that_no_stack_writes() -> None:
    mistakes = wrong(sentences())
    assert len(mistakes) <= 0.02 * len(sentences()), mistakes


def test_several_causes_are_all_told() -> None:
    several = [one for one in messages() if "|" in one.label or one.label.startswith("any")]
    assert len(several) > 100
    assert len(wrong(several)) <= 0.02 * len(several)


def test_every_category_has_messages() -> None:
    counts = collections.Counter(name for one in messages() for name in one.label.split("|"))
    assert all(
        counts[name] >= 1
        for name in (
            *("clock_skew", "expired", "unknown_ca", "hostname_mismatch", "protocol_mismatch", "connection_reset"),
            *("client_certificate_required", "plaintext_or_wrong_port", "weak_crypto", "crl_expired"),
            *("crl_unreachable", "validity_too_long", "unknown", "any_certificate_cause", "any"),
        )
    ), counts


def test_ordinary_lines_are_no_failures() -> None:
    lines = list(ordinary.lines())
    assert len(lines) == 10_000
    assert lines == list(ordinary.lines())
    taken = [(diagnose_text(line)["categories"], line) for line in lines]
    false = [(found, line) for found, line in taken if found != UNKNOWN]
    assert len(false) <= 0.001 * len(lines), false


def test_near_misses() -> None:
    lines = (HERE / "near_misses.txt").read_text(encoding="utf-8").splitlines()
    false = [line for line in lines if diagnose_text(line)["categories"] != UNKNOWN]
    assert len(false) <= 3, false


def test_a_whole_ordinary_log_is_no_failure() -> None:
    assert diagnose_text("\n".join(ordinary.real()))["categories"] == UNKNOWN


def test_one_failure_in_a_large_log_is_found() -> None:
    lines = list(ordinary.lines(6000))
    needle = "2026-11-22 03:12:44 ERROR curl: (60) SSL certificate problem: certificate is not yet valid"
    for place in (0, 3000, len(lines)):
        found = diagnose_text("\n".join([*lines[:place], needle, *lines[place:]]))
        assert found["categories"] == ["clock_skew"]
        assert found["evidence"] == needle


# --- cost ---------------------------------------------------------------------------------------------------------

MEGABYTE = 1_048_576


def spent(rule: Rule, text: str) -> float:
    folded = fold(text)
    hay = lower(text) if rule.plain else folded
    started = time.process_time()
    for _clue in diagnosis_text._of_rule(rule, hay, folded, text):
        pass
    return time.process_time() - started


def hostile(rule: Rule) -> list[str]:
    """Text that nearly fits: the rule's literal again and again, with and without what could come after it."""
    anchor = rule.anchors[0]
    if rule.pattern is None:
        return [f"{anchor} "]
    return [
        f"{anchor}: ",
        f"{anchor} tls ssl error 0x 120 -1 ",
        anchor + "a" * 200,
        anchor + " 1" * 40 + "\n",
        f"error: {anchor} alert fatal fatal fatal number is ",
    ]


@pytest.mark.parametrize("rule", load_rules(), ids=lambda rule: f"{rule.stack}: {rule.anchors[0]}")
def test_no_rule_is_slow_on_hostile_text(rule: Rule) -> None:
    for unit in hostile(rule):
        small = spent(rule, unit * (MEGABYTE // 10 // len(unit)))
        large = spent(rule, unit * (MEGABYTE // len(unit)))
        # Ten times the text: twelve times the cost at most, beyond what the clock of a busy machine cannot tell.
        assert large < 12 * small + 0.15, (unit[:60], small, large)
        assert large < 1.0


@pytest.mark.parametrize(
    "unit", ["a", " ", "\n", "\x00", "é", "error:", "alert alert ", "certificate ", "0x8009", "-188 ", "ssl tls x509 "]
)
def test_no_text_is_slow(unit: str) -> None:
    started = time.process_time()
    diagnose_text(unit * (MEGABYTE // len(unit)))
    assert time.process_time() - started < 5.0
