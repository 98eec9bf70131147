# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures that the hospital has accepted for a time, each with its justification and who approved it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._checklist import load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._instants import instant_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._records import read_entries

_REQUIRED = ("check", "device", "reason", "justification", "approver", "until")
_OPTIONAL = ("endpoint",)


@dataclass(frozen=True, slots=True)
class Waiver:
    """Accepts one reason of one check on one device (on one endpoint, where it names one) until `until`."""

    check: str
    device: str
    endpoint: str | None
    reason: str
    justification: str
    approver: str
    until: datetime

    def as_dict(self) -> dict[str, Any]:
        """For a finding's `expected`."""
        return {"approver": self.approver, "justification": self.justification, "until": instant_text(self.until)}


@dataclass(frozen=True, slots=True)
class Waivers:
    """Waivers by (device, check, reason)."""

    entries: dict[tuple[str, str, str], tuple[Waiver, ...]] = field(default_factory=dict)

    def find(self, device: str, check: str, reason: str, endpoint: str | None, now: datetime) -> Waiver | None:
        """The waiver in force for this failure, if any."""
        for entry in self.entries.get((device, check, reason), ()):
            if now <= entry.until and entry.endpoint in (None, endpoint):
                return entry
        return None


def _failing_reasons(check: str) -> list[str]:
    checklist = load_checklist()
    reasons = {**checklist.common, **checklist.by_name[check].reasons}
    return [name for name, reason in reasons.items() if reason.status == "fail"]


def load_waivers(entries: Any) -> Waivers:
    """Read a list of {check, device, reason, justification, approver, until, endpoint?}.

    A date includes the whole day (UTC). ValueError names the position and the field of a malformed entry: a waiver
    with a misspelt reason would otherwise be dropped in silence. What was read already is returned as it is.
    """
    if isinstance(entries, Waivers):
        return entries
    found: dict[tuple[str, str, str], list[Waiver]] = {}
    for entry in read_entries("waivers", entries, _REQUIRED, _OPTIONAL):
        check = entry.check()
        waiver = Waiver(
            check=check,
            device=entry.text("device"),
            endpoint=entry.optional("endpoint"),
            reason=entry.choice("reason", _failing_reasons(check)),
            justification=entry.text("justification"),
            approver=entry.text("approver"),
            until=entry.moment("until", end_of_day=True),
        )
        found.setdefault((waiver.device, check, waiver.reason), []).append(waiver)
    return Waivers({key: tuple(group) for key, group in found.items()})
