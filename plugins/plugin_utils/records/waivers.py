# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures that the hospital has accepted for a time, each with its justification and who approved it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.entry import Entry, read_entries, read_entry
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.files import as_mapping_row, read_rows
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text

_REQUIRED = ("check", "reason", "justification", "approver", "until")
_OPTIONAL = ("device", "group", "endpoint")


@dataclass(frozen=True, slots=True)
class Waiver:
    """Accepts one reason of one check until `until`, on one device or on all devices of an inventory group.

    endpoint: the one endpoint that it speaks of, else all of them
    where:    the file and the line that it stands on, where it comes from a file
    """

    check: str
    device: str | None
    group: str | None
    endpoint: str | None
    reason: str
    justification: str
    approver: str
    until: datetime
    where: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For a finding's `expected`."""
        told: dict[str, Any] = {
            "approver": self.approver,
            "justification": self.justification,
            "until": instant_text(self.until),
        }
        if self.group is not None:
            told["group"] = self.group
        if self.where is not None:
            told["where"] = self.where
        return told


@dataclass(frozen=True, slots=True)
class Waivers:
    """Waivers by (device, check, reason) and by (group, check, reason)."""

    entries: dict[tuple[str, str, str], tuple[Waiver, ...]] = field(default_factory=dict)
    groups: dict[tuple[str, str, str], tuple[Waiver, ...]] = field(default_factory=dict)

    def find(
        self, device: str, check: str, reason: str, endpoint: str | None, now: datetime, groups: Iterable[str] = ()
    ) -> Waiver | None:
        """The waiver in force for this failure, if any; the device's own goes before its groups'."""
        candidates = list(self.entries.get((device, check, reason), ()))
        if self.groups:
            candidates += [entry for group in groups for entry in self.groups.get((group, check, reason), ())]
        for entry in candidates:
            if now <= entry.until and entry.endpoint in (None, endpoint):
                return entry
        return None

    def joined(self, other: Waivers) -> Waivers:
        """These and those of another list."""
        return Waivers(_joined(self.entries, other.entries), _joined(self.groups, other.groups))


_Table = dict[tuple[str, str, str], tuple[Waiver, ...]]


def _joined(one: _Table, other: _Table) -> _Table:
    return {key: (*one.get(key, ()), *other.get(key, ())) for key in (*one, *(key for key in other if key not in one))}


def _failing_reasons(check: str) -> list[str]:
    checklist = load_checklist()
    reasons = {**checklist.common, **checklist.by_name[check].reasons}
    return [name for name, reason in reasons.items() if reason.status == "fail"]


def _waiver(entry: Entry, where: str | None = None) -> Waiver:
    check = entry.check()
    device, group = entry.optional("device"), entry.optional("group")
    if (device is None) == (group is None):
        raise entry.refuse("device", "a device or a group is needed, and not both")
    return Waiver(
        check=check,
        device=device,
        group=group,
        endpoint=entry.optional("endpoint"),
        reason=entry.choice("reason", _failing_reasons(check)),
        justification=entry.text("justification"),
        approver=entry.text("approver"),
        until=entry.moment("until", end_of_day=True),
        where=where,
    )


def _grouped(found: Iterable[Waiver]) -> Waivers:
    devices: dict[tuple[str, str, str], list[Waiver]] = {}
    groups: dict[tuple[str, str, str], list[Waiver]] = {}
    for waiver in found:
        if waiver.device is not None:
            devices.setdefault((waiver.device, waiver.check, waiver.reason), []).append(waiver)
        elif waiver.group is not None:
            groups.setdefault((waiver.group, waiver.check, waiver.reason), []).append(waiver)
    return Waivers(
        {key: tuple(group) for key, group in devices.items()}, {key: tuple(group) for key, group in groups.items()}
    )


def load_waivers(entries: Any) -> Waivers:
    """Read a list of {check, device or group, reason, justification, approver, until, endpoint?}.

    A date includes the whole day (UTC). ValueError names the position and the field of a malformed entry: a waiver
    with a misspelt reason would otherwise be dropped in silence. What was read already is returned as it is.
    """
    if isinstance(entries, Waivers):
        return entries
    return _grouped(_waiver(entry) for entry in read_entries("waivers", entries, _REQUIRED, _OPTIONAL))


def load_waiver_file(path: str, text: str) -> tuple[Waivers, list[str]]:
    """Read a YAML or CSV file of waivers: those that can be used, and a sentence for each line that cannot.

    RecordFileError for a file that is no such list at all.
    """
    found, problems = [], []
    for row in read_rows(path, text, "waivers", _REQUIRED, (*_REQUIRED, "device", "group")):
        try:
            data = {key: value for key, value in as_mapping_row(row).items() if key != "title"}
            found.append(_waiver(read_entry(row.where, data, _REQUIRED, _OPTIONAL), row.where))
        except ValueError as error:
            problems.append(str(error))
    return _grouped(found), problems
