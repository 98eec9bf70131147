# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the report, with its numbers and dates, and those of change control, in French and English."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import (
    LANGUAGES,
    french,
    require_language,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.labels import date_text, date_time_text


def _in_language(node: Any, language: str) -> Any:
    """Keep one language of a tree of texts: a mapping with the languages as its keys becomes the text."""
    if not isinstance(node, Mapping):
        return node
    if set(node) == set(LANGUAGES):
        text = node[language]
        return french(text) if language == "fr" and isinstance(text, str) else text
    return {key: _in_language(value, language) for key, value in node.items()}


class Words:
    """The words of one language. ``words["key"]`` is a text, a list, or a mapping of texts."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts: dict[str, Any] = _in_language(load_data("words/report_texts"), language)
        self._thousands: str = self._texts["thousands"]

    def __getitem__(self, key: str) -> Any:
        return self._texts[key]

    def fill(self, key: str, /, **values: Any) -> str:
        """Return the text ``key`` with its ``{places}`` filled."""
        return str(self._texts[key]).format(**values)

    def count(self, forms: Mapping[str, str], n: int, /, **values: Any) -> str:
        """Return the form for ``n`` things: French speaks of zero in the singular, English in the plural."""
        one = n < 2 if self.language == "fr" else n == 1
        return forms["one" if one else "many"].format(n=self.number(n), **values)

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number as the language writes it."""
        text = f"{value:,.{digits}f}"
        if self.language == "fr":
            text = text.replace(",", self._thousands).replace(".", ",")
        return text

    def size(self, octets: float) -> str:
        """Return an amount of data, in decimal units."""
        if octets < 1000:
            return str(self.fill("bytes", n=self.number(octets)))
        if octets < 1_000_000:
            return self.fill("kilobytes", n=self.number(octets / 1000, 1))
        return self.fill("megabytes", n=self.number(octets / 1_000_000, 1))

    def date(self, value: object) -> str:
        """Return the day (UTC) of a moment, as messages write it; nothing for no moment."""
        return _date(value, self.language) if isinstance(value, (str, datetime)) else ""

    def date_time(self, value: object) -> str:
        """Return a moment to the minute, in UTC and saying so; nothing for no moment."""
        return _instant(value, self.language) if isinstance(value, (str, datetime)) else ""


# Dates repeat a lot in a fleet (the same server, the same batch of certificates).
_date = functools.lru_cache(maxsize=4096)(date_text)
_instant = functools.lru_cache(maxsize=4096)(date_time_text)


@functools.cache
def load_words(language: str) -> Words:
    """Return the words of ``fr`` or ``en``."""
    return Words(language)


def change_text(path: str, language: str, /, **values: Any) -> str:
    """The text at "group.key", its places filled; what is filled in is one printable line. ValueError: no language."""
    node = load_data("words/change_texts")
    for key in path.split("."):
        node = node[key]
    text = str(node[require_language(language)])
    text = french(text) if language == "fr" else text
    return text.format(**{name: clean_text(value) for name, value in values.items()})
