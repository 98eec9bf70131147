# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices were not seen, how many of them had been the last time, and whether that is too many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# 0.29 of 100 devices are 29 of them, whatever binary fractions make of it.
_ROUNDING = 1e-9


class Breach(NamedTuple):
    """More devices of a group were not seen than the policy allows.

    group: all, vantage, ward or criticality, with its `name`; share: what the policy allows of it
    """

    group: str
    name: str
    devices: int
    not_seen: int
    share: float


@dataclass(slots=True)
class Unseen:
    """Counts the consented devices of a run, one after the other; nothing is asked of the others."""

    devices: list[str] = field(default_factory=list)
    consented: int = 0
    _compared: bool = False
    _seen_before: int = 0
    _groups: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, card: Mapping[str, Any], seen: bool, seen_before: bool | None) -> None:
        """Count one device."""
        if card.get("consent") is not True:
            return
        self.consented += 1
        self._compared = self._compared or seen_before is not None
        if not seen:
            self.devices.append(str(card["name"]))
            self._seen_before += seen_before is True
        groups = [("all", "")]
        for group, key in (("vantage", "vantage"), ("ward", "service"), ("criticality", "criticality")):
            if card.get(key):
                groups.append((group, str(card[key])))
        for group_key in groups:
            count = self._groups.setdefault(group_key, [0, 0])
            count[0] += 1
            count[1] += not seen

    @property
    def seen_last_time(self) -> int | None:
        """How many of those that were not seen the previous report had seen; None where there is none to compare."""
        return self._seen_before if self._compared else None

    def totals(self) -> dict[str, Any]:
        """For the summary."""
        return {"consented": self.consented, "not_seen": len(self.devices), "seen_last_time": self.seen_last_time}

    def breaches(self, rule: Mapping[str, Any]) -> list[Breach]:
        """What is more than `fail_when_unseen` allows."""
        shares = {"ward": rule["wards"], "criticality": rule["criticalities"], "all": {"": rule["all"]}}
        found = []
        for (group, name), (devices, not_seen) in sorted(self._groups.items()):
            if group == "vantage":
                allowed = 0.0
                too_many = rule["vantages"] and not_seen == devices
            else:
                allowed = shares[group].get(name, 1.0)
                too_many = not_seen > allowed * devices + _ROUNDING
            if too_many:
                found.append(Breach(group, name, devices, not_seen, allowed))
        return found
