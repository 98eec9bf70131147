# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures that the hospital has accepted for a time, each with its justification and who approved it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.entry import (
    Entry,
    Where,
    read_entries,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import Problem
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.rows import Wanted, read_records
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text

_REQUIRED = ("check", "reason", "justification", "approver", "until")
_OPTIONAL = ("device", "group", "endpoint")
_FILE = Wanted("waivers", _REQUIRED, _OPTIONAL, (*_REQUIRED, "device", "group"))


@dataclass(frozen=True, slots=True)
class Waiver:
    """Accepts one reason of one check until `until`, on one device or on all devices of an inventory group.

    endpoint: the one endpoint that it speaks of, else all of them
    """

    check: str
    device: str | None
    group: str | None
    endpoint: str | None
    reason: str
    justification: str
    approver: str
    until: datetime
    where: Where

    def says(self) -> tuple[datetime, str, str]:
        """What two waivers of one failure may say differently."""
        return self.until, self.approver, self.justification

    def as_dict(self) -> dict[str, Any]:
        """For a finding's `expected`."""
        told: dict[str, Any] = {
            "approver": self.approver,
            "justification": self.justification,
            "until": instant_text(self.until),
        }
        if self.group is not None:
            told["group"] = self.group
        if self.where.line is not None:
            told["where"] = str(self.where)
        return told


@dataclass(frozen=True, slots=True)
class Waivers:
    """Waivers by (device, check, reason) and by (group, check, reason)."""

    entries: dict[tuple[str, str, str], tuple[Waiver, ...]] = field(default_factory=dict)
    groups: dict[tuple[str, str, str], tuple[Waiver, ...]] = field(default_factory=dict)

    def in_force(
        self, device: str, check: str, reason: str, endpoint: str | None, now: datetime, groups: Iterable[str] = ()
    ) -> list[Waiver]:
        """Those in force for this failure; the one that ends first counts, of equals the device's own."""
        candidates = list(self.entries.get((device, check, reason), ()))
        if self.groups:
            candidates += [entry for group in groups for entry in self.groups.get((group, check, reason), ())]
        found = [entry for entry in candidates if now <= entry.until and entry.endpoint in (None, endpoint)]
        return sorted(found, key=lambda entry: entry.until)

    def __iter__(self) -> Iterator[Waiver]:
        for group in (*self.entries.values(), *self.groups.values()):
            yield from group

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


def _waiver(entry: Entry) -> Waiver:
    check = entry.check()
    device, group = entry.optional_name("device"), entry.optional_name("group")
    if (device is None) == (group is None):
        raise entry.refuse("device", "device_or_group")
    return Waiver(
        check=check,
        device=device,
        group=group,
        endpoint=entry.optional_name("endpoint"),
        reason=entry.choice("reason", _failing_reasons(check)),
        justification=entry.text("justification"),
        approver=entry.name("approver"),
        until=entry.moment("until", end_of_day=True),
        where=entry.where,
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


def load_waivers(entries: Any, refused: list[Problem] | None = None) -> Waivers:
    """Read a list of {check, device or group, reason, justification, approver, until, endpoint?}.

    A date includes the whole day (UTC). ValueError names the position and the field of a malformed entry: a waiver
    with a misspelt reason would otherwise be dropped in silence. Where there is a list of the `refused`, it is told
    there, and the others count. What was read already is returned as it is.
    """
    if isinstance(entries, Waivers):
        return entries
    return _grouped(read_entries("waivers", entries, _REQUIRED, _OPTIONAL, _waiver, refused))


def load_waiver_file(path: str, text: str, language: str = "en") -> tuple[Waivers, list[Problem]]:
    """Read a YAML or CSV file of waivers: those that can be used, and why each other line cannot.

    RecordFileError, in `language`, for a file that is no such list at all.
    """
    found, problems = read_records(path, text, _FILE, language, _waiver)
    return _grouped(found), problems
