# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What attestations and waivers have in common: entries that people write, read strictly, in force for a time."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import check_names
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import parse_limit


@dataclass(frozen=True, slots=True)
class Entry:
    """One written record as a reader of fields: every refusal names the list, the position and the field."""

    where: str
    data: Mapping[str, Any]

    def refuse(self, key: str, problem: str) -> ValueError:
        """The error to raise about one field."""
        return ValueError(f"{self.where}.{key}: {problem}")

    def text(self, key: str) -> str:
        """A required text."""
        value = self.data.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.refuse(key, "a text is needed")
        return clean_text(value)

    def optional(self, key: str) -> str | None:
        """A text, or nothing."""
        return None if self.data.get(key) is None else self.text(key)

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """A required text among `choices`."""
        value = self.text(key)
        if value in choices:
            return value
        close = difflib.get_close_matches(value, choices, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else "give one of " + ", ".join(choices)
        raise self.refuse(key, f"{value!r} is not known; {hint}")

    def check(self) -> str:
        """The name of a check of the checklist."""
        return self.choice("check", check_names())

    def moment(self, key: str, *, end_of_day: bool) -> datetime:
        """A required date (whole day, UTC) or date and time."""
        moment = parse_limit(self.data.get(key), end_of_day=end_of_day)
        if moment is None:
            raise self.refuse(key, "a date is needed, such as 2027-01-09")
        return moment


def read_entries(name: str, entries: Any, required: Sequence[str], optional: Sequence[str]) -> list[Entry]:
    """The entries of a list, each a mapping with all required fields and no unknown one; else ValueError."""
    if entries is None:
        return []
    if not isinstance(entries, (list, tuple)):
        raise ValueError(f"{name}: a list is needed, not {type(entries).__name__}")
    read = []
    for index, data in enumerate(entries):
        where = f"{name}[{index}]"
        if not isinstance(data, Mapping):
            raise ValueError(f"{where}: a mapping is needed, not {type(data).__name__}")
        read.append(read_entry(where, data, required, optional))
    return read


def read_entry(where: str, data: Mapping[Any, Any], required: Sequence[str], optional: Sequence[str]) -> Entry:
    """One entry with all required fields and no unknown one; else ValueError."""
    known = {*required, *optional}
    # YAML 1.1 reads an unquoted `on` as true, as the key of a mapping too.
    data = {"on" if key is True else key: value for key, value in data.items()}
    for key in data:
        if key not in known:
            raise ValueError(f"{where}.{key}: unknown field; the fields are {', '.join((*required, *optional))}")
    for key in required:
        if key not in data:
            raise ValueError(f"{where}.{key}: this field is missing")
    return Entry(where, data)
