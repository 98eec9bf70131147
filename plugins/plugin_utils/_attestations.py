# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person saw and signed for, where no probe can look. An attestation lapses; it never outvotes a probe."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._instants import instant_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._records import read_entries

_REQUIRED = ("check", "device", "result", "by", "on", "until")
_OPTIONAL = ("endpoint", "note")


@dataclass(frozen=True, slots=True)
class Attestation:
    """`result` is "pass" or "fail", as `by` saw it at `on`; it counts until `until`, and not after."""

    check: str
    device: str
    endpoint: str | None
    result: str
    by: str
    on: datetime
    until: datetime
    note: str | None

    def as_dict(self) -> dict[str, Any]:
        """For a finding's `observed`."""
        return {"by": self.by, "on": instant_text(self.on), "until": instant_text(self.until), "note": self.note}


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


def load_attestations(entries: Any) -> Attestations:
    """Read a list of {check, device, result, by, on, until, endpoint?, note?}.

    A date stands for the whole day (UTC). ValueError names the position and the field of a malformed entry.
    What was read already is returned as it is, so that a fleet reads its list once.
    """
    if isinstance(entries, Attestations):
        return entries
    found: dict[tuple[str, str], list[Attestation]] = {}
    for entry in read_entries("attestations", entries, _REQUIRED, _OPTIONAL):
        on, until = entry.moment("on", end_of_day=False), entry.moment("until", end_of_day=True)
        if until < on:
            raise entry.refuse("until", "this date is before `on`")
        attestation = Attestation(
            check=entry.check(),
            device=entry.text("device"),
            endpoint=entry.optional("endpoint"),
            result=entry.choice("result", ("pass", "fail")),
            by=entry.text("by"),
            on=on,
            until=until,
            note=entry.optional("note"),
        )
        found.setdefault((attestation.device, attestation.check), []).append(attestation)
    return Attestations(
        {key: tuple(sorted(group, key=lambda item: item.on, reverse=True)) for key, group in found.items()}
    )
