# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the technician asks IT for, as one text that is ready to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.said import Said, due_text, is_overdue
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import Words

#: A failure that IT puts right: a finding, its words, and where it was seen.
Asked = tuple[Mapping[str, Any], Said, str]

_MOST = 30


def request_to_it(
    card: Mapping[str, Any], device: str, asked: Sequence[Asked], now: datetime, words: Words
) -> list[str]:
    """The lines of a subject and a letter, one numbered paragraph a failure; none where IT has nothing to do."""
    if not asked:
        return []
    name = visible(device, 200)
    lines = [words.fill("request_subject", device=name), "", words["request_greeting"], ""]
    lines += [words.fill("request_lead", device=name, date=words.date(now)), ""]
    for key, value in (
        ("fact_ward", card.get("service")),
        ("fact_inventory", card.get("inventory_number")),
        ("fact_address", card.get("address")),
    ):
        if value:
            lines.append(f"{words[key]}{words['colon']} {visible(value, 200)}")
    if lines[-1]:
        lines.append("")
    for number, (finding, said, where) in enumerate(asked[:_MOST], start=1):
        place = f" ({where})" if where else ""
        lines.append(f"{number}. {said.title} – {said.check}{place}")
        lines.append(f"   {said.message}")
        lines += [f"   – {action}" for action in said.actions]
        due = due_text(finding["due"], now, words)
        if due:
            # What is overdue says so itself.
            own_prefix = is_overdue(finding["due"], now)
            text = due[0].upper() + due[1:] if own_prefix else f"{words['request_due']}{words['colon']} {due}"
            lines.append(f"   {text}")
        lines.append("")
    if len(asked) > _MOST:
        lines += [words.fill("and_more", n=words.number(len(asked) - _MOST)), ""]
    lines.append(words["request_after"])
    return lines
