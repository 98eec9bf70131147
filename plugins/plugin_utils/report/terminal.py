# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet in a terminal: a table that fits its width, most urgent devices first, then the totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.said import place_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.sheet import SEVERITY_MARKS, VERDICT_MARKS
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import cells, fit, visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels, messages
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import Words, load_words

MOST_URGENT = 50
_NARROW = 72
_ROOMY = 100
_GAP = "  "
# Bold red, yellow, blue, green: the words stand beside the colour, never behind it.
_COLOURS = {
    "non_compliant": "\x1b[1;31m",
    "incomplete": "\x1b[33m",
    "compliant_with_waivers": "\x1b[34m",
    "compliant": "\x1b[32m",
}
_PLAIN = "\x1b[0m"


def fleet_table(
    rows: Sequence[Mapping[str, Any]], language: str, width: int = 100, colour: bool = False, total: int | None = None
) -> list[str]:
    """Return the lines of the table: the 50 most urgent devices, and how many more there are.

    :param rows: devices of a summary, in its order (``device``, ``verdict``, ``worst_severity``, ``next``)
    :param width: terminal cells of a line; below 72 each device fills two lines
    :param total: devices there are, where ``rows`` are only the first of them
    """
    words = load_words(language)
    shown = rows[:MOST_URGENT]
    narrow = width < _NARROW
    lines = _narrow(shown, words, max(width, 20), colour) if narrow else _wide(shown, words, width, colour)
    more = (len(rows) if total is None else total) - len(shown)
    if more > 0:
        lines.append(words.count(words["terminal_more"], more))
    return lines


def _verdict(row: Mapping[str, Any], words: Words) -> str:
    verdict = row["verdict"]
    forms = words["verdict_count"].get(verdict)
    return f"{VERDICT_MARKS.get(verdict, '?')} {forms['one'] if forms else visible(verdict, 40)}"


def _severity(row: Mapping[str, Any], words: Words) -> str:
    severity = row.get("worst_severity")
    if severity not in SEVERITY_MARKS:
        return ""
    return f"{SEVERITY_MARKS[severity]} {labels.severity_label(severity, words.language)}"


def _reason(row: Mapping[str, Any], words: Words) -> str:
    step = row.get("next")
    if not step:
        return ""
    text = visible(messages.reason_title(step["check"], step["reason"], words.language), 200)
    place = place_text(step.get("endpoint"), words.language)
    return f"{text} ({place})" if place else text


def _owner(row: Mapping[str, Any], words: Words) -> str:
    owner = (row.get("next") or {}).get("owner")
    return str(words["owner_short"].get(owner, "")) if owner else ""


def _wide(rows: Sequence[Mapping[str, Any]], words: Words, width: int, colour: bool) -> list[str]:
    table = [
        [
            visible(row["device"], 80),
            _verdict(row, words),
            _severity(row, words),
            _reason(row, words),
            _owner(row, words),
        ]
        for row in rows
    ]
    heads = [words[f"column_{name}"] for name in ("device", "verdict", "severity", "worst", "owner")]
    natural = [max(cells(text) for text in column) for column in zip(heads, *table, strict=True)]
    widths = [
        min(natural[0], 28),
        min(natural[1], 26 if width >= _ROOMY else 16),
        min(natural[2], 14),
        0,
        min(natural[4], 28),
    ]
    room = width - sum(widths) - len(_GAP) * (len(widths) - 1)
    # The reason gives way first, then the owner, then the device.
    while room < 18 and max(widths[0], widths[4]) > 12:
        place = 4 if widths[4] >= widths[0] else 0
        widths[place] -= 1
        room += 1
    widths[3] = max(min(natural[3], room), 8)
    lines = [_GAP.join(map(fit, heads, widths)).rstrip(), _GAP.join("─" * size for size in widths)]
    for row, texts in zip(rows, table, strict=True):
        pieces = list(map(fit, texts, widths))
        if colour:
            verdict = pieces[1].rstrip()
            padding = pieces[1][len(verdict) :]
            pieces[1] = f"{_COLOURS.get(row['verdict'], '')}{verdict}{_PLAIN}{padding}"
        lines.append(_GAP.join(pieces).rstrip())
    return lines


def _narrow(rows: Sequence[Mapping[str, Any]], words: Words, width: int, colour: bool) -> list[str]:
    lines = []
    for row in rows:
        verdict = _verdict(row, words)
        name = fit(visible(row["device"], 80), max(width - cells(verdict) - len(_GAP), 8)).rstrip()
        if colour:
            verdict = f"{_COLOURS.get(row['verdict'], '')}{verdict}{_PLAIN}"
        lines.append(f"{name}{_GAP}{verdict}")
        reason = ", ".join(text for text in (_reason(row, words), _owner(row, words)) if text)
        if reason:
            lines.append(fit(f"{_GAP}{reason}", width).rstrip())
    return lines
