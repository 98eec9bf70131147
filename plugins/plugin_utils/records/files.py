# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that people write: attestations and waivers as YAML, or as CSV from a spreadsheet.

A row that cannot be used is refused and named by its line; its neighbours count. That is safe both ways: without its
attestation a point is not assessed, without its waiver a failure stays a failure.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import Problem, RecordFileError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import LANGUAGES

MAX_CHARACTERS = 16 * 1024 * 1024
# How the workbooks of spreadsheets begin: a ZIP archive (.xlsx, .ods), a compound file (.xls).
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DATE = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?:[ T](\d{1,2}):(\d{2})(?::\d{2})?)?", re.ASCII)
# What a spreadsheet would compute gets an apostrophe in front when it is written; it goes when it is read.
_GUARDED = re.compile(r"\A'(?='*[=+\-@\t\r＝＋－＠])")


def decode_records(data: bytes, path: str = "", language: str = "en") -> str:
    """The text of a file: UTF-8 (with or without a mark), UTF-16 with one, else what French Windows saves.

    RecordFileError for a file that is no text, said in `language`.
    """
    if data.startswith(_WORKBOOKS):
        raise file_error(path, "workbook", language)
    if data.startswith(_UTF16):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    if "\0" in text:
        half = data.count(0) * 3 > len(data) and not data.startswith(_UTF16)
        raise file_error(path, "utf16" if half else "not_text", language)
    return text


def file_error(path: str, name: str, language: str, line: int | None = None, **values: Any) -> RecordFileError:
    """The refusal of a whole file."""
    return RecordFileError(Problem(name, values, None, path, line, language))


def plain(text: str) -> str:
    """A title or a word as it is compared: without case, accents, marks of typography or spaces around."""
    letters = unicodedata.normalize("NFKD", text.replace("\u2019", "'"))
    return " ".join("".join(sign for sign in letters if not unicodedata.combining(sign)).casefold().split())


@functools.cache
def columns() -> Mapping[str, str]:
    """Title -> field."""
    return {
        plain(title): field
        for field, titles in load_data("records/record_files")["columns"].items()
        for title in (field, *(word for language in LANGUAGES for word in titles[language]))
    }


@functools.cache
def french_titles() -> frozenset[str]:
    """The titles that only a French file has."""
    titles = load_data("records/record_files")["columns"]
    english = {plain(word) for field, words in titles.items() for word in (field, *words["en"])}
    return frozenset(plain(word) for words in titles.values() for word in words["fr"]) - english


@functools.cache
def _results() -> Mapping[str, str]:
    """Word -> pass, fail or not_applicable."""
    return {
        plain(word): result
        for result, words in load_data("records/record_files")["result"].items()
        for word in (result, *(word for language in LANGUAGES for word in words[language]))
    }


@functools.cache
def _checks() -> Mapping[str, str]:
    """Name or title of a check -> its name."""
    return {
        plain(word): check.name
        for check in load_checklist().checks
        for word in (check.name, check.title.fr, check.title.en)
    }


def column_titles(fields: tuple[str, ...], language: str) -> list[str]:
    """The titles that a sheet shows for these fields."""
    titles = load_data("records/record_files")["columns"]
    return [str(titles[field][language][0]) for field in fields]


def cell_value(field: str, text: str, language: str) -> Any:
    """A field of a spreadsheet as a record has it; None where it is empty."""
    text = _GUARDED.sub("", text.strip(), count=1).strip()
    return written_value(field, text, language) if text else None


def written_value(field: str, value: Any, language: str) -> Any:
    """A field as a person writes it -> as a record has it; what is not understood stays as it is, to be refused."""
    if field == "result" and isinstance(value, bool):  # an unquoted yes or no of YAML
        return "pass" if value else "fail"
    if not isinstance(value, str):
        return value
    if field == "result":
        return _results().get(plain(value), value)
    if field == "check":
        return _checks().get(plain(value), value)
    return _iso_date(value, language) if field in ("on", "until") else value


def _iso_date(text: str, language: str) -> str:
    """A date of a spreadsheet, the day first; two digits for the year mean this century, and only in French."""
    text = text.strip().lstrip("'\u2019").strip()
    day = _DATE.fullmatch(text)
    if day is None or (len(day[4]) == 2 and language != "fr"):
        return text
    year = day[4] if len(day[4]) == 4 else f"20{day[4]}"
    try:
        written = date(int(year), int(day[3]), int(day[1])).isoformat()
    except ValueError:
        return text
    return f"{written}T{int(day[5]):02d}:{day[6]}" if day[5] else written
