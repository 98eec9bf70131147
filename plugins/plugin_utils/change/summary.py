# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each device of a run, for the terminal: changed, skipped and why, not reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.journal import EVENTS
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import change_text

_STATE, _REFUSAL, _NOTE = "change_control_state", "change_control_refusal", "change_control_note"

UNTOUCHED = "untouched"
_ORDER = (
    *("failed", "left_open", "rolled_back", "began", "changed"),
    *("refused", UNTOUCHED, "authorised", "unchanged", "verified"),
)

Known = Mapping[str, Mapping[str, Any]]


def summary_states(known: Known) -> dict[str, list[str]]:
    """The devices by state, gravest first, in the order given.

    known: name -> change_control_state (an event of the journal; None where the run did not get there),
    change_control_refusal, and change_control_note (what a role adds for the people)
    """
    states: dict[str, list[str]] = {state: [] for state in _ORDER}
    for name, facts in known.items():
        state = facts.get(_STATE)
        states[state if state in EVENTS else UNTOUCHED].append(name)
    return states


def summary_lines(known: Known, kind: str, ticket: str, language: str, checking: bool) -> list[str]:
    """A title, and one line for each device; the refusal stands where a device was skipped."""
    ticket = ticket or change_text("summary.no_ticket", language)
    title = change_text("summary.title_check" if checking else "summary.title", language, kind=kind, ticket=ticket)
    width = max((len(visible(name, 60)) for name in known), default=0)
    lines = ["", title]
    for state, names in summary_states(known).items():
        for name in names:
            text = change_text(f"summary.{state}", language)
            said = known[name].get(_REFUSAL if state == "refused" else _NOTE)
            if said:
                text += change_text("summary.colon", language) + visible(said)
            lines.append(f"  {visible(name, 60):<{width}}  {text}")
    return lines
