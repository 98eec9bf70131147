# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a device may be changed now: ticket, the vendor's authorisation, out of clinical use.

What is missing or cannot be read is never an authorisation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import parse_limit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import first_unseen
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.labels import date_text, date_time_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import change_text

KINDS = ("root_ca", "time_sync", "time_step", "tls_hardening", "account_hygiene", "restore")
KINDS_OF_ROLES = {
    "root_ca": ("root_ca",),
    "time_sync": ("time_sync", "time_step"),
    "tls_hardening": ("tls_hardening",),
    "account_hygiene": ("account_hygiene",),
    "config_backup": ("restore",),
}
"""What the roles of this collection may ask for."""

AUTHORISATION = "device_vendor_authorisation"
IN_USE = "device_in_use"
WINDOWS = "device_maintenance_windows"
VARIABLES = (AUTHORISATION, IN_USE, WINDOWS)
"""The host variables that decide."""

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_NOTHING = ("none", "null", "nil", "n/a", "na", "nan", "false", "no", "non", "nein", "aucun", "aucune", "todo", "tbd")
_AUTHORISATION_FIELDS = ("kinds", "by", "on", "until", "reference")


@dataclass(frozen=True)
class Refusal:
    """`reason`: a key of `refusals` in data/change_texts.yml. `values`: what its text speaks of."""

    reason: str
    values: dict[str, Any] = field(default_factory=dict)

    def text(self, language: str) -> str:
        """One or two sentences: what is missing, in which variable."""
        values: dict[str, Any] = {}
        for name, value in self.values.items():
            if name == "next":
                key = "next_window" if value else "no_next_window"
                values[name] = change_text(key, language, date=date_time_text(value, language) if value else "")
            else:
                values[name] = date_text(value, language) if isinstance(value, datetime) else value
        return change_text(f"refusals.{self.reason}", language, **values)


@dataclass(frozen=True)
class Unreadable:
    """Stands for the value of a variable that could not be read, such as a template that fails."""

    problem: str


class _Refused(Exception):
    def __init__(self, reason: str, **values: Any) -> None:
        super().__init__(reason)
        self.refusal = Refusal(reason, values)


@dataclass(frozen=True)
class _Authorisation:
    kinds: tuple[str, ...]
    start: datetime
    end: datetime
    reference: str


@dataclass(frozen=True)
class _Window:
    """`released`: whether somebody of the ward is named who gave the device free."""

    start: datetime
    end: datetime
    released: bool


def decide(kind: str, ticket: Any, variables: Mapping[str, Any], now: datetime, pattern: str = "") -> Refusal | None:
    """None where the device may be changed at `now`, else why not.

    variables: the device's VARIABLES as plain data; one that is not set is left out or None.
    pattern: a regular expression that the whole ticket must match.
    """
    try:
        _ticket(ticket, pattern)
        for name in VARIABLES:
            value = variables.get(name)
            if isinstance(value, Unreadable):
                raise _Refused("unreadable", variable=name, problem=value.problem)
        _vendor_allows(kind, variables.get(AUTHORISATION), now)
        _out_of_use(variables.get(IN_USE), variables.get(WINDOWS), now)
    except _Refused as refused:
        return refused.refusal
    return None


def _ticket(ticket: Any, pattern: str) -> None:
    if not _says_something(ticket):
        raise _Refused("ticket_missing")
    try:
        fits = not pattern or re.fullmatch(pattern, ticket)
    except re.error as error:
        raise _Refused("pattern_broken", problem=str(error)) from None
    if not fits:
        raise _Refused("ticket_other", pattern=pattern)


def _says_something(text: Any) -> bool:
    """Whether a person may have meant it: a letter or a digit other than 0, nothing unseen, and no word for none."""
    if not isinstance(text, str) or first_unseen(text):
        return False
    said = any(letter.isalnum() and letter != "0" for letter in text)
    return said and text.strip().casefold() not in _NOTHING


def _vendor_allows(kind: str, value: Any, now: datetime) -> None:
    if value is None or value == []:
        raise _Refused("authorisation_missing")
    read = [_authorisation(entry, number) for number, entry in enumerate(_listed(value), 1)]
    fitting = [entry for entry in read if kind in entry.kinds]
    if not fitting:
        raise _Refused("authorisation_other_kind", kind=kind)
    if any(entry.start <= now <= entry.end for entry in fitting):
        return
    latest = max(fitting, key=lambda entry: entry.end)
    if latest.end < now:
        raise _Refused("authorisation_expired", kind=kind, reference=latest.reference, date=latest.end)
    coming = min((entry for entry in fitting if entry.start > now), key=lambda entry: entry.start)
    raise _Refused("authorisation_not_yet", kind=kind, reference=coming.reference, date=coming.start)


def _authorisation(entry: Any, number: int) -> _Authorisation:
    def broken(name: str) -> _Refused:
        return _Refused("authorisation_broken", number=number, field=name)

    if not isinstance(entry, Mapping):
        raise broken("kinds")
    # YAML 1.1 reads an unquoted `on` as true, as the key of a mapping too; written as JSON that is "true".
    entry = {"on" if key is True or key == "true" else key: item for key, item in entry.items()}
    for name in entry:
        if name not in _AUTHORISATION_FIELDS:
            raise broken(str(name))
    kinds = entry.get("kinds")
    if not isinstance(kinds, (list, tuple)) or not kinds or any(kind not in KINDS for kind in kinds):
        raise broken("kinds")
    for name in ("by", "reference"):
        if not _says_something(entry.get(name)):
            raise broken(name)
    start, end = parse_limit(entry.get("on"), end_of_day=False), parse_limit(entry.get("until"), end_of_day=True)
    if start is None:
        raise broken("on")
    if end is None or end < start:
        raise broken("until")
    return _Authorisation(tuple(map(str, kinds)), start, end, str(entry["reference"]))


def _out_of_use(in_use: Any, windows: Any, now: datetime) -> None:
    used = _flag(in_use)
    if used is False:
        return
    if windows is None or windows == []:
        raise _Refused("use_unknown" if used is None else "in_use")
    read = [_window(entry, number) for number, entry in enumerate(_listed(windows), 1)]
    open_now = [window for window in read if window.start <= now < window.end]
    if not open_now:
        coming = min((window.start for window in read if window.start > now), default=None)
        raise _Refused("no_window_now", next=coming)
    if used and not any(window.released for window in open_now):
        raise _Refused("not_released")


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _flag(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in (*_TRUE, *_FALSE):
        return value.strip().lower() in _TRUE
    raise _Refused("use_broken", value=value)


def _window(entry: Any, number: int) -> _Window:
    given = entry if isinstance(entry, Mapping) and set(entry) <= {"from", "to", "released_by"} else {}
    start, end = _zoned(given.get("from")), _zoned(given.get("to"))
    if start is None:
        raise _Refused("window_broken", number=number, field="from")
    if end is None or end <= start:
        raise _Refused("window_broken", number=number, field="to")
    if "released_by" in given and not _says_something(given["released_by"]):
        raise _Refused("window_broken", number=number, field="released_by")
    return _Window(start, end, "released_by" in given)


def _zoned(value: Any) -> datetime | None:
    """A moment that says its zone: at night, an hour more or less is a ward at work."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
