# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices that a work order of the CMMS names."""

from __future__ import annotations

import csv
from collections.abc import Mapping

_DELIMITERS = (";", "\t", ",")


def read_work_order(text: str, numbers: Mapping[str, str]) -> dict[str, list[str]]:
    """{"devices": inventory names in order, each once; "unknown": what the inventory does not have}.

    text:    one device a line, its name or its number first; a CSV file's further columns are not read
    numbers: inventory name -> number in the CMMS ("" where it has none)

    ValueError where the text is no CSV.
    """
    by_number: dict[str, list[str]] = {}
    for name, number in numbers.items():
        if number:
            by_number.setdefault(number, []).append(name)
    delimiter = next((mark for mark in _DELIMITERS if mark in text), ";")
    rows = csv.reader(text.removeprefix("\ufeff").splitlines(), delimiter=delimiter)
    try:
        entries = [row[0].strip() for row in rows if row and row[0].strip()]
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num} cannot be read: {error}") from None
    devices: dict[str, None] = {}
    unknown: list[str] = []
    for position, entry in enumerate(entries):
        found = [entry] if entry in numbers else by_number.get(entry, [])
        devices.update(dict.fromkeys(found))
        # Headings: more lines follow, and nothing in it is a number.
        headings = position == 0 and len(entries) > 1 and not any(letter.isdigit() for letter in entry)
        if not found and not headings:
            unknown.append(entry)
    return {"devices": list(devices), "unknown": unknown}
