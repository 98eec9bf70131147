# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person saw and signed for, where no probe can look. An attestation lapses; it never outvotes a probe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.entry import Entry, read_entries, read_entry
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.files import as_mapping_row, read_rows
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text

_REQUIRED = ("check", "device", "result", "by", "on", "until")
_OPTIONAL = ("endpoint", "note")
_FILLED = ("result", "by", "on", "until", "note")


@dataclass(frozen=True, slots=True)
class Attestation:
    """`result` is "pass" or "fail", as `by` saw it at `on`; it counts until `until`, and not after.

    where: the file and the line that it stands on, where it comes from a file
    """

    check: str
    device: str
    endpoint: str | None
    result: str
    by: str
    on: datetime
    until: datetime
    note: str | None
    where: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For a finding's `observed`."""
        told = {"by": self.by, "on": instant_text(self.on), "until": instant_text(self.until), "note": self.note}
        return told if self.where is None else {**told, "where": self.where}


@dataclass(frozen=True, slots=True)
class Attestations:
    """Attestations by (device, check), the latest first."""

    entries: dict[tuple[str, str], tuple[Attestation, ...]] = field(default_factory=dict)

    def find(self, device: str, check: str, endpoint: str | None, now: datetime) -> Attestation | None:
        """The latest attestation in force for this finding; one without an endpoint speaks for all of them."""
        for entry in self.entries.get((device, check), ()):
            if entry.on <= now <= entry.until and entry.endpoint in (None, endpoint):
                return entry
        return None

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


def _attestation(entry: Entry, where: str | None = None) -> Attestation:
    on, until = entry.moment("on", end_of_day=False), entry.moment("until", end_of_day=True)
    if until < on:
        raise entry.refuse("until", "this date is before `on`")
    return Attestation(
        check=entry.check(),
        device=entry.text("device"),
        endpoint=entry.optional("endpoint"),
        result=entry.choice("result", ("pass", "fail")),
        by=entry.text("by"),
        on=on,
        until=until,
        note=entry.optional("note"),
        where=where,
    )


def _grouped(found: Iterable[Attestation]) -> Attestations:
    groups: dict[tuple[str, str], list[Attestation]] = {}
    for attestation in found:
        groups.setdefault((attestation.device, attestation.check), []).append(attestation)
    return Attestations({key: _ordered(group) for key, group in groups.items()})


def load_attestations(entries: Any) -> Attestations:
    """Read a list of {check, device, result, by, on, until, endpoint?, note?}.

    A date stands for the whole day (UTC). ValueError names the position and the field of a malformed entry.
    What was read already is returned as it is, so that a fleet reads its list once.
    """
    if isinstance(entries, Attestations):
        return entries
    return _grouped(_attestation(entry) for entry in read_entries("attestations", entries, _REQUIRED, _OPTIONAL))


def load_attestation_file(path: str, text: str) -> tuple[Attestations, list[str]]:
    """Read a YAML or CSV file of attestations: those that can be used, and a sentence for each line that cannot.

    A row of a CSV file in which nobody has written a result, a name or a date is one that is still to be filled in.
    RecordFileError for a file that is no such list at all.
    """
    found, problems = [], []
    for row in read_rows(path, text, "attestations", ("device", "check", "result", "by", "on", "until"), _FILLED):
        try:
            data = {key: value for key, value in as_mapping_row(row).items() if key != "title"}
            found.append(_attestation(read_entry(row.where, data, _REQUIRED, _OPTIONAL), row.where))
        except ValueError as error:
            problems.append(str(error))
    return _grouped(found), problems
