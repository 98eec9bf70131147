# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet in a terminal: it fits, it is readable without colour, and nothing in it repaints the screen."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.terminal import MOST_URGENT, fleet_table
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import cells

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def row(device: str, verdict: str = "non_compliant", severity: str | None = "critical", **step: Any) -> dict[str, Any]:
    default = {
        "check": "certificate_validity",
        "reason": "expired",
        "owner": "it",
        "due": None,
        "endpoint": "https:443",
    }
    return {"device": device, "verdict": verdict, "worst_severity": severity, "next": {**default, **step}}


ROWS = [
    row("echo-004"),
    row("moniteur-de-reanimation-numero-sept-du-service-de-reanimation-medicale", owner="biomed"),
    row("peer", endpoint="peer:pacs.hopital.example:2762", owner="vendor"),
    {"device": "scanner-1", "verdict": "compliant", "worst_severity": None, "next": None},
    row("日本語のデバイス", "incomplete", None),
    row("w", "compliant_with_waivers", None),
]


@pytest.mark.parametrize("width", [20, 40, 60, 72, 79, 100, 120, 200])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_no_line_is_wider_than_the_terminal(width: int, language: str) -> None:
    plain = fleet_table(ROWS, language, width)
    coloured = fleet_table(ROWS, language, width, colour=True)
    assert [ANSI.sub("", line) for line in coloured] == plain
    if width >= 60:
        assert max(map(cells, plain)) <= width
    assert not any(ANSI.search(line) for line in plain)


@pytest.mark.parametrize(
    ("language", "head", "said"),
    [
        ("fr", "Dispositif", ["✗ non conforme", "!!! Critique", "Certificat expiré (https:443)", "DSI"]),
        ("en", "Device", ["✗ not compliant", "!!! Critical", "Certificate expired (https:443)", "IT"]),
    ],
)
def test_a_row_says_what_and_who_in_words(language: str, head: str, said: list[str]) -> None:
    lines = fleet_table(ROWS, language, 120)
    assert lines[0].startswith(head)
    assert set(lines[1]) == {"─", " "}
    assert len(lines) == 2 + len(ROWS)
    assert all(word in lines[2] for word in said)


def test_a_narrow_terminal_gets_two_lines_a_device() -> None:
    lines = fleet_table(ROWS[:1], "fr", 60)
    assert lines == ["echo-004  ✗ non conforme", "  Certificat expiré (https:443), DSI"]


def test_hostile_names_do_not_reach_the_terminal() -> None:
    lines = fleet_table([row("\x1b[2J\x1b]0;title\x07\u202eevil\n\r\ud800", endpoint="\x9b31m")], "en", 200)
    text = "\n".join(lines)
    assert len(lines) == 3
    text.encode("utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "[U+001B]" in text


@pytest.mark.parametrize(
    ("count", "total", "last"),
    [
        (MOST_URGENT, None, None),
        (MOST_URGENT + 1, None, "… et 1 dispositif de plus, dans le rapport."),
        (MOST_URGENT, 10_000, "… et 9\u202f950 dispositifs de plus, dans le rapport."),
    ],
)
def test_only_the_most_urgent_are_listed(count: int, total: int | None, last: str | None) -> None:
    lines = fleet_table([row(f"d{number}") for number in range(count)], "fr", 100, total=total)
    assert len(lines) == 2 + MOST_URGENT + (1 if last else 0)
    assert last is None or lines[-1] == last


def test_no_device_is_only_a_head() -> None:
    assert len(fleet_table([], "fr", 100)) == 2
