# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person saw and signed for, where no probe can look. An attestation lapses; it never outvotes a probe."""

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
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text

RESULTS = ("pass", "fail", "not_applicable")
_REQUIRED = ("check", "device", "result", "by", "on", "until")
_OPTIONAL = ("endpoint", "note")
_FILE = Wanted("attestations", _REQUIRED, _OPTIONAL, ("result", "by", "on", "until", "note"))


@dataclass(frozen=True, slots=True)
class Attestation:
    """`result` is one of RESULTS, as `by` saw it at `on`; it counts until `until`, and not after."""

    check: str
    device: str
    endpoint: str | None
    result: str
    by: str
    on: datetime
    until: datetime
    note: str | None
    where: Where

    def as_dict(self) -> dict[str, Any]:
        """For a finding's `observed`; `where` it stands, if that is a file."""
        told = {
            "by": self.by,
            "on": instant_text(self.on),
            "until": instant_text(self.until),
            "note": self.note,
        }
        return told if self.where.line is None else {**told, "where": str(self.where)}


@dataclass(frozen=True, slots=True)
class Attestations:
    """Attestations by (device, check), the latest first."""

    entries: dict[tuple[str, str], tuple[Attestation, ...]] = field(default_factory=dict)

    def in_force(self, device: str, check: str, endpoint: str | None, now: datetime) -> list[Attestation]:
        """Those in force for this finding, the one that counts first: a failure, else the latest.

        One without an endpoint speaks for all of them.
        """
        found = [
            entry
            for entry in self.entries.get((device, check), ())
            if entry.on <= now <= entry.until and entry.endpoint in (None, endpoint)
        ]
        return sorted(found, key=lambda entry: entry.result != "fail")

    def __iter__(self) -> Iterator[Attestation]:
        for group in self.entries.values():
            yield from group

    def find(self, device: str, check: str, endpoint: str | None, now: datetime) -> Attestation | None:
        """The one that counts, if any."""
        return next(iter(self.in_force(device, check, endpoint, now)), None)

    def lapsed(self, device: str, check: str, endpoint: str | None, now: datetime) -> Attestation | None:
        """The one that lapsed last for this finding, where there was one."""
        past = [
            entry
            for entry in self.entries.get((device, check), ())
            if entry.until < now and entry.endpoint in (None, endpoint)
        ]
        return max(past, key=lambda entry: entry.until, default=None)

    def joined(self, other: Attestations) -> Attestations:
        """These and those of another list."""
        found = dict(self.entries)
        for key, group in other.entries.items():
            found[key] = _ordered((*found.get(key, ()), *group))
        return Attestations(found)


def _ordered(group: Iterable[Attestation]) -> tuple[Attestation, ...]:
    return tuple(sorted(group, key=lambda item: item.on, reverse=True))


def _attestation(entry: Entry) -> Attestation:
    on, until = entry.moment("on", end_of_day=False), entry.moment("until", end_of_day=True)
    if until < on:
        raise entry.refuse("until", "until_before_on")
    result, note = entry.choice("result", RESULTS), entry.optional("note")
    if result == "not_applicable" and note is None:
        raise entry.refuse("note", "why_needed")
    return Attestation(
        check=entry.check(),
        device=entry.name("device"),
        endpoint=entry.optional_name("endpoint"),
        result=result,
        by=entry.name("by"),
        on=on,
        until=until,
        note=note,
        where=entry.where,
    )


def _grouped(found: Iterable[Attestation]) -> Attestations:
    groups: dict[tuple[str, str], list[Attestation]] = {}
    for attestation in found:
        groups.setdefault((attestation.device, attestation.check), []).append(attestation)
    return Attestations({key: _ordered(group) for key, group in groups.items()})


def load_attestations(entries: Any, refused: list[Problem] | None = None) -> Attestations:
    """Read a list of {check, device, result, by, on, until, endpoint?, note?}.

    A result of "not_applicable" needs its note.
    A date stands for the whole day (UTC). ValueError names the position and the field of a malformed entry.
    Where there is a list of the `refused`, it is told there, and the others count.
    What was read already is returned as it is, so that a fleet reads its list once.
    """
    if isinstance(entries, Attestations):
        return entries
    return _grouped(read_entries("attestations", entries, _REQUIRED, _OPTIONAL, _attestation, refused))


def load_attestation_file(path: str, text: str, language: str = "en") -> tuple[Attestations, list[Problem]]:
    """Read a YAML or CSV file of attestations: those that can be used, and why each other line cannot.

    A row of a CSV file in which nobody has written a result, a name or a date is one that is still to be filled in.
    RecordFileError, in `language`, for a file that is no such list at all.
    """
    found, problems = read_records(path, text, _FILE, language, _attestation)
    return _grouped(found), problems
