# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that can be read and that speak of nothing: told with their line, never dropped."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import Attestation, Attestations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import Problem, closest
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import Waiver, Waivers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import check_names
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_mapping
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text

Record = Attestation | Waiver

#: Looking for the name that was meant reads the whole inventory: not for thousands of rows of another hospital.
_MOST_GUESSES = 20
# The calendar of the person is ahead of UTC by up to 14 hours.
_AHEAD = timedelta(hours=14)


def strangers(
    attestations: Attestations, waivers: Waivers, devices: Collection[str], groups: Collection[str], now: datetime
) -> list[Problem]:
    """Why a record cannot count in any report of this inventory.

    devices, groups: all those of the inventory, audited now or not
    """
    guesses = 0
    found = []

    def unknown(record: Record, about: str, name: str, known: Collection[str]) -> None:
        nonlocal guesses
        guesses += 1
        near = closest(name, known) if guesses <= _MOST_GUESSES else None
        found.append(record.where.refuse(f"{about}_unknown", about, value=name, close=near).problem)

    for record in (*attestations, *waivers):
        if record.device is not None and record.device not in devices:
            unknown(record, "device", record.device, devices)
        elif isinstance(record, Waiver) and record.group is not None and record.group not in groups:
            unknown(record, "group", record.group, groups)
        elif isinstance(record, Attestation) and record.on - now > _AHEAD:
            found.append(record.where.refuse("in_the_future", "on", value=instant_text(record.on)[:10]).problem)
    return found


# A certificate file, or one of several addresses: not seen tonight, it may be there all the same.
_SEEN_ONLY = re.compile(r"^(client|file):|@")


class Unheard:
    """Looks, device by device, for records about it that no finding heard."""

    def __init__(self, attestations: Attestations, waivers: Waivers, now: datetime) -> None:
        self._by_device: dict[str, list[Record]] = {}
        self._now = now
        for record in (*attestations, *waivers):
            # A record for all endpoints of its check is heard by whatever finding there is.
            if record.device is not None:
                self._by_device.setdefault(record.device, []).append(record)

    def of(self, device: str, findings: Iterable[Mapping[str, Any]]) -> list[Problem]:
        """Why records of this device had no say in its findings."""
        records = self._by_device.get(device)
        if not records:
            return []
        by_check: dict[str, list[Mapping[str, Any]]] = {}
        for finding in findings:
            by_check.setdefault(finding["check"], []).append(finding)
        return [problem for record in records for problem in self._unheard(record, by_check.get(record.check, []))]

    def _unheard(self, record: Record, findings: list[Mapping[str, Any]]) -> Iterable[Problem]:
        if record.until < self._now:
            return
        endpoints = [str(finding["endpoint"]) for finding in findings if finding["endpoint"] is not None]
        if record.endpoint is not None and record.endpoint not in endpoints:
            if _SEEN_ONLY.search(record.endpoint):
                return
            near = closest(record.endpoint, endpoints)
            yield record.where.refuse("endpoint_unknown", "endpoint", value=record.endpoint, close=near).problem
        elif isinstance(record, Attestation) and record.result == "fail" and record.on <= self._now:
            spoken_for = [item for item in findings if record.endpoint in (None, item["endpoint"])]
            if spoken_for and all(item["status"] == "pass" and item["source"] != "attestation" for item in spoken_for):
                yield record.where.refuse("outvoted", "result").problem


def unknown_limits(card: Mapping[str, Any]) -> list[Problem]:
    """The manufacturer's limits of a card that name no check."""
    names = check_names()
    return [
        Problem("not_known", {"value": check, "close": closest(check, names), "choices": names}, place=place)
        for check in as_mapping(card.get("vendor_limits"))
        if check not in names
        for place in [f"{card['name']}, device_vendor_limits"]
    ]
