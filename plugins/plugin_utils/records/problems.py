# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a line of a record file, or a whole file, is not used: said in French or English, with the way out."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import french


@dataclass(frozen=True, slots=True)
class Problem:
    """One sentence of record_files.yml (`name`), with its `values`, about a place.

    place: the file or the list; line: of the file, None for the whole; about: the field of the record
    language: the one that the file is written in
    """

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    about: str | None = None
    place: str = ""
    line: int | None = None
    language: str = "en"

    def text(self, language: str | None = None) -> str:
        """The whole sentence; in the file's own language if none is asked for."""
        language = language or self.language
        said = sentence(self.name, language, self.values)
        if self.about is None:
            return sentence("whole", language, {"where": self.where(language), "problem": said})
        titles = load_data("records/record_files")["columns"].get(self.about)
        label = titles["fr"][0] if language == "fr" and titles else clean_text(self.about)
        return sentence("field", language, {"where": self.where(language), "field": label, "problem": said})

    def where(self, language: str) -> str:
        """The file and the line."""
        if self.line is None:
            return clean_text(self.place)
        return sentence("line", language, {"path": clean_text(self.place), "line": self.line})

    def __str__(self) -> str:
        return self.text()


class RecordError(ValueError):
    """A record that cannot be used; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text())
        self.problem = problem


class RecordFileError(RecordError):
    """A file that is no list of records at all; the message names it, says why and what to do."""


def sentence(name: str, language: str, values: Mapping[str, Any]) -> str:
    """A sentence of record_files.yml; a `close` word among the values makes it ask whether that was meant."""
    texts = load_data("records/record_files")["problems"]

    def fill(key: str, values: Mapping[str, Any]) -> str:
        text = texts[key][language]
        return str((french(text) if language == "fr" else text).format(**values))

    shown = {key: _shown(key, value, language) for key, value in values.items()}
    hint = ""
    if values.get("close"):
        alike = _skeleton(str(values["close"])) == _skeleton(str(values.get("value")))
        hint = fill("did_you_mean_alike" if alike else "did_you_mean", {"close": clean_text(values["close"])})
    elif values.get("choices"):
        hint = fill("fields" if name == "field_unknown" else "give_one_of", shown)
    if "{hint}" in texts[name][language]:
        return fill(name, {**shown, "hint": hint})
    return fill(name, shown) + (f" ; {hint}" if language == "fr" else f"; {hint}") * bool(values.get("close"))


def _shown(key: str, value: Any, language: str) -> str:
    if key == "value":
        # A few aliases of YAML make a list of a few lines a text without end.
        text = type(value).__name__ if isinstance(value, (list, dict, set)) else clean_text(value)
        return f"«\u00a0{text}\u00a0»" if language == "fr" else repr(text)
    return ", ".join(map(clean_text, value)) if isinstance(value, (list, tuple)) else clean_text(value)


def _skeleton(text: str) -> str:
    """What is left of a name for the eye: composed or not, wide or narrow, with one kind of space and hyphen."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join("-" if unicodedata.category(char) == "Pd" else char for char in plain)


def closest(value: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that was meant, where one is near; neither case nor the kind of a hyphen keeps words apart."""
    words = {_skeleton(word).casefold(): word for word in known}
    found = difflib.get_close_matches(_skeleton(value).casefold(), list(words), n=1, cutoff=cutoff)
    return words[found[0]] if found else None
