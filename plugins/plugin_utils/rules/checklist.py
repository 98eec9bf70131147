# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checklist: 19 checks, and for each the closed list of reasons a finding may give.

One table (data/checklist.yml) holds what a reason means: status, severity, owner, and its words in French and
English. The code names reasons; it never decides what they weigh.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import french

STATUSES = ("pass", "fail", "not_applicable", "not_assessed", "waived")
SEVERITIES = ("critical", "high", "medium", "low", "info")
OWNERS = ("biomed", "it", "vendor")


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence in both languages."""

    fr: str
    en: str

    def get(self, language: str) -> str:
        """The sentence in `language` (one of LANGUAGES)."""
        return self.fr if language == "fr" else self.en


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence added to a message when every path of `when` has the given value ("*": any value)."""

    when: tuple[tuple[str, Any], ...]
    text: Text


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a finding is what it is: what it weighs, whose work it is, and how to say so."""

    name: str
    status: str
    severity: str
    owner: str
    peer_owner: str
    title: Text
    message: Text
    notes: tuple[Note, ...]
    actions: tuple[Text, ...]
    peer_actions: tuple[Text, ...]
    later: bool
    person: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist."""

    name: str
    order: int
    annex: str
    level: str
    source: str
    owner: str
    attested_severity: str
    title: Text
    text: Text
    references: tuple[str, ...]
    reasons: Mapping[str, Reason]


def _text(data: Mapping[str, str]) -> Text:
    return Text(french(data["fr"]), data["en"])


def _actions(data: Any) -> tuple[Text, ...]:
    return tuple(_text(step) for step in data or ())


def read_notes(data: Any) -> tuple[Note, ...]:
    """Notes as written in the data files: a list of {when: {path: value}, fr, en}."""
    return tuple(Note(tuple(note["when"].items()), _text(note)) for note in data or ())


def _reason(name: str, data: Mapping[str, Any], peer_owner: str) -> Reason:
    peer = data.get("peer", {})
    actions = _actions(data.get("actions"))
    return Reason(
        name=name,
        status=data["status"],
        severity=data.get("severity", "info"),
        owner=data["owner"],
        # A server that a device depends on is not a medical device: IT runs it, whatever the reason.
        peer_owner=peer.get("owner", peer_owner),
        title=_text(data["title"]),
        message=_text(data["message"]),
        notes=read_notes(data.get("notes")),
        actions=actions,
        peer_actions=_actions(peer["actions"]) if "actions" in peer else actions,
        later=bool(data.get("later", False)),
        person=bool(data.get("person", False)),
    )


@dataclass(frozen=True, slots=True)
class Checklist:
    """The whole table, read once."""

    checks: tuple[Check, ...]
    by_name: Mapping[str, Check]
    common: Mapping[str, Reason]
    vendor_actions: tuple[Text, ...]
    common_notes: tuple[Note, ...]


@functools.cache
def load_checklist() -> Checklist:
    """The checklist, from data/checklist.yml."""
    data = load_data("rules/checklist")
    peer_owner = data["peer_owner"]
    common = {name: _reason(name, entry, peer_owner) for name, entry in data["common_reasons"].items()}
    checks = tuple(
        Check(
            name=name,
            order=order,
            annex=entry["annex"],
            level=entry["level"],
            source=entry["source"],
            owner=entry["owner"],
            attested_severity=entry["attested_severity"],
            title=_text(entry["title"]),
            text=_text(entry["text"]),
            references=(entry["annex"], *entry["references"]),
            reasons={key: _reason(key, value, peer_owner) for key, value in entry["reasons"].items()},
        )
        for order, (name, entry) in enumerate(data["checks"].items())
    )
    return Checklist(
        checks,
        {check.name: check for check in checks},
        common,
        _actions(data["vendor_actions"]),
        read_notes(data["common_notes"]),
    )


def check_names() -> tuple[str, ...]:
    """The names of the checks, in the order of the checklist."""
    return tuple(check.name for check in load_checklist().checks)


def find_reason(check: str, reason: str) -> Reason | None:
    """The table's line for this reason of this check (its own or a common one); None where there is none."""
    checklist = load_checklist()
    known = checklist.by_name.get(check)
    if known is None:
        return None
    return known.reasons.get(reason) or checklist.common.get(reason)
