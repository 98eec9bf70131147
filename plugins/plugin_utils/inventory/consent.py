# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a consent is on record, and holds today. What cannot be read is no consent, and says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory import fields
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.fields import CardError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import parse_limit

_KEYS = ("by", "on", "reference", "until")
_NEEDED = "who agreed and when is needed, as {by: …, on: 2026-01-31, reference: …}"
#: A day has begun somewhere on earth so long before it begins in Greenwich.
_EARLIEST_DAY = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class Consent:
    """`given`, else the reason (consent_missing | consent_future | consent_lapsed | consent_invalid) and a sentence."""

    given: bool
    reason: str | None = None
    detail: str | None = None


def read_consent(value: Any, now: datetime) -> Consent:
    """The consent of a record {by, on, reference, until}, as of `now`."""
    # A template of a ward that gives nothing is no mistake.
    if value is None or value is False or value == "" or value == {}:
        return Consent(False, "consent_missing")
    try:
        return _recorded(value, now)
    except CardError as error:
        return Consent(False, "consent_invalid", str(error))


def read_flag(value: Any, now: datetime) -> Consent:
    """The consent of a device given as a dictionary: true or false, or a record."""
    if isinstance(value, Mapping):
        return read_consent(value, now)
    try:
        given = value is not None and fields.as_flag(value)
    except CardError as error:
        return Consent(False, "consent_invalid", str(error))
    return Consent(True) if given else Consent(False, "consent_missing")


def _recorded(value: Any, now: datetime) -> Consent:
    if not isinstance(value, Mapping):
        raise CardError(f"{_NEEDED}, not {fields.shown(value)}")
    # YAML 1.1 reads an unquoted `on` as true, as the key of a mapping too.
    record = {"on" if key is True else key: entry for key, entry in value.items()}
    if len(record) < len(value):
        raise CardError("on: there twice, once with and once without quotes")
    for key in record:
        if key not in _KEYS:
            raise CardError(f"unknown key {fields.shown(key)}; {fields.meant(key, _KEYS)}")
    for key in ("by", "reference"):
        entry = record.get(key)
        if entry is not None and (not isinstance(entry, str) or not entry.strip()):
            raise CardError(f"{key}: a text is needed, not {fields.shown(entry)}; put it between quotes")
    if record.get("by") is None or record.get("on") is None:
        raise CardError(f"{_NEEDED}, not {fields.shown(value)}")
    on, until = _day(record, "on", end_of_day=False), _day(record, "until", end_of_day=True)
    if on is not None and on > now + _EARLIEST_DAY:
        return Consent(False, "consent_future", f"on: {record['on']} is still to come")
    if on is not None and until is not None and until < on:
        raise CardError(f"until: {record['until']} is before {record['on']}")
    if until is not None and until < now:
        return Consent(False, "consent_lapsed", f"until: {record['until']} is over")
    return Consent(True)


def _day(record: Mapping[str, Any], key: str, *, end_of_day: bool) -> datetime | None:
    """The moment of a date, as YAML reads it or as a text; None where there is none."""
    entry = record.get(key)
    if entry is None:
        return None
    moment = parse_limit(entry.strip() if isinstance(entry, str) else entry, end_of_day=end_of_day)
    if moment is None:
        raise CardError(f"{key}: a date such as 2026-01-31 is needed, not {fields.shown(entry)}")
    return moment
