# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What attestations and waivers have in common: entries that people write, read strictly, in force for a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import (
    Problem,
    RecordError,
    closest,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import check_names
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import NO_END, has_no_end, parse_limit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import first_unseen

# A date with a year of two digits: read nowhere but in a French spreadsheet (see files.py).
_SHORT_YEAR = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2}", re.ASCII)

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Entry:
    """One written record as a reader of fields: every refusal names the list, the position and the field."""

    where: Where
    data: Mapping[str, Any]

    def refuse(self, key: str, name: str, **values: Any) -> RecordError:
        """The error to raise about one field."""
        return self.where.refuse(name, key, **values)

    def text(self, key: str) -> str:
        """A required text."""
        value = self.data.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.refuse(key, "text_needed")
        return clean_text(value)

    def name(self, key: str) -> str:
        """A required text that is compared with others: nothing in it may be invisible."""
        text, unseen = self.text(key), first_unseen(self.data[key])
        if unseen is not None:
            raise self.refuse(key, "unseen", code=f"U+{ord(unseen):04X}", value=text)
        return text

    def optional_name(self, key: str) -> str | None:
        """Such a text, or nothing."""
        return None if self.data.get(key) is None else self.name(key)

    def optional(self, key: str) -> str | None:
        """A text, or nothing."""
        return None if self.data.get(key) is None else self.text(key)

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """A required text among `choices`."""
        value = self.name(key)
        if value in choices:
            return value
        raise self.refuse(key, "not_known", value=value, close=closest(value, choices), choices=choices)

    def check(self) -> str:
        """The name of a check of the checklist."""
        return self.choice("check", check_names())

    def moment(self, key: str, *, end_of_day: bool) -> datetime:
        """A required date (whole day, UTC) or date and time; NO_END for what people write for that."""
        value = self.data.get(key)
        moment = parse_limit(value, end_of_day=end_of_day)
        if moment is None:
            short = isinstance(value, str) and _SHORT_YEAR.fullmatch(value.strip())
            raise self.refuse(key, "year_short" if short else "date_needed", value=value)
        return NO_END if has_no_end(moment) else moment


@dataclass(frozen=True, slots=True)
class Where:
    """A place that a record stands in: a file and its line, or a position of a list ("attestations[1]")."""

    place: str
    line: int | None = None
    language: str = "en"

    def refuse(self, name: str, about: str | None = None, **values: Any) -> RecordError:
        """The error to raise about this record, or about one of its fields."""
        return RecordError(Problem(name, values, about, self.place, self.line, self.language))

    def __str__(self) -> str:
        return Problem("", place=self.place, line=self.line).where("en")


def read_entries(
    name: str,
    entries: Any,
    required: Sequence[str],
    optional: Sequence[str],
    make: Callable[[Entry], Made],
    refused: list[Problem] | None = None,
) -> list[Made]:
    """What `make` makes of each entry of a list, a mapping with all required fields and no unknown one.

    ValueError for an entry that cannot be used; where there is a list of the `refused`, it is told there instead.
    """
    if entries is None:
        return []
    if not isinstance(entries, (list, tuple)):
        raise ValueError(f"{name}: a list is needed, not {type(entries).__name__}")
    found = []
    for index, data in enumerate(entries):
        try:
            found.append(make(read_entry(Where(f"{name}[{index}]"), data, required, optional)))
        except RecordError as error:
            if refused is None:
                raise
            refused.append(error.problem)
    return found


def read_entry(where: Where, data: Any, required: Sequence[str], optional: Sequence[str]) -> Entry:
    """One entry with all required fields and no unknown one; else RecordError."""
    if not isinstance(data, Mapping):
        raise where.refuse("mapping_needed", kind=type(data).__name__)
    known = (*required, *optional)
    # YAML 1.1 reads an unquoted `on` as true, as the key of a mapping too.
    data = {"on" if key is True else key: value for key, value in data.items()}
    for key in data:
        if key not in known:
            raise where.refuse(
                "field_unknown", clean_text(key), value=key, close=closest(str(key), known), choices=known
            )
    for key in required:
        if key not in data:
            raise where.refuse("field_missing", key)
    return Entry(where, data)
