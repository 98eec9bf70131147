# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that people write: attestations and waivers as YAML, or as CSV from a spreadsheet.

A row that cannot be used is refused and named by its line; its neighbours count. That is safe both ways: without its
attestation a point is not assessed, without its waiver a failure stays a failure.
"""

from __future__ import annotations

import csv
import functools
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import LANGUAGES

_MAX_CHARACTERS = 16 * 1024 * 1024
_DELIMITERS = (";", "\t", ",")
_FRENCH_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
# What a spreadsheet would compute gets an apostrophe in front when it is written; it goes when it is read.
_GUARDED = re.compile(r"\A'(?='*[=+\-@\t\r＝＋－＠])")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class RecordFileError(ValueError):
    """A file that is no list of records at all; the message names it, says why and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record as written. where: "attestations.csv, line 12", for messages and for findings."""

    where: str
    data: dict[Any, Any]


def decode_records(data: bytes) -> str:
    """The text of a file: UTF-8 (with or without a mark), UTF-16 with one, else what French Windows saves."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _plain(text: str) -> str:
    """A title or a word as it is compared: without case, accents of typography or spaces around."""
    return " ".join(text.replace("\u00a0", " ").replace("\u202f", " ").replace("\u2019", "'").casefold().split())


@functools.cache
def _columns() -> dict[str, str]:
    """Title -> field."""
    found = {}
    for field, titles in load_data("records/record_files")["columns"].items():
        for title in (field, *(word for language in LANGUAGES for word in titles[language])):
            found[_plain(title)] = field
    return found


@functools.cache
def _results() -> dict[str, str]:
    """Word -> pass or fail."""
    return {
        _plain(word): result
        for result, words in load_data("records/record_files")["result"].items()
        for word in (result, *(word for language in LANGUAGES for word in words[language]))
    }


@functools.cache
def _checks() -> dict[str, str]:
    """Name or title of a check -> its name."""
    return {
        _plain(word): check.name
        for check in load_checklist().checks
        for word in (check.name, check.title.fr, check.title.en)
    }


def column_titles(fields: Sequence[str], language: str) -> list[str]:
    """The titles that a sheet shows for these fields."""
    columns = load_data("records/record_files")["columns"]
    return [str(columns[field][language][0]) for field in fields]


def _value(field: str, text: str) -> Any:
    """A field of a spreadsheet as a record has it; None where it is empty."""
    text = _GUARDED.sub("", text.strip(), count=1).strip()
    if not text:
        return None
    if field == "result":
        return _results().get(_plain(text), text)
    if field == "check":
        return _checks().get(_plain(text), text)
    if field in ("on", "until"):
        day = _FRENCH_DATE.fullmatch(text)
        return f"{day[3]}-{int(day[2]):02d}-{int(day[1]):02d}" if day else text
    return text


def read_rows(path: str, text: str, key: str, needed: Sequence[str], filled: Sequence[str]) -> list[Row]:
    """The records of a file, by its name's ending.

    key:    what the list may be called in a YAML file ("attestations")
    needed: the columns without which a CSV file is no such list
    filled: fields of which one at least is written in a row that somebody has filled in; others are passed over
    """
    if len(text) > _MAX_CHARACTERS:
        raise RecordFileError(f"{path}: larger than {_MAX_CHARACTERS} characters; that is no list of {key}")
    ending = path.rpartition(".")[2].lower()
    if ending in ("yml", "yaml", "json"):
        return _read_yaml(path, text, key)
    if ending in ("csv", "txt"):
        return _read_csv(path, text, key, needed, filled)
    raise RecordFileError(f"{path}: the name must end in .csv, .yml or .yaml")


def _read_yaml(path: str, text: str, key: str) -> list[Row]:
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if isinstance(root, yaml.MappingNode):
                named = {getattr(name, "value", None): value for name, value in root.value}
                root = named.get(key, root)
            if root is None or root.tag == "tag:yaml.org,2002:null":
                return []
            if not isinstance(root, yaml.SequenceNode):
                raise RecordFileError(f"{path}: a list is needed, or a list under the key {key}")
            rows = []
            for node in root.value:
                where = f"{path}, line {node.start_mark.line + 1}"
                data = loader.construct_object(node, deep=True)
                rows.append(Row(where, data if isinstance(data, dict) else {"": data}))
            return rows
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = clean_text(getattr(error, "problem", None) or error)
        raise RecordFileError(f"{path}{line}: not readable as YAML ({problem}); nothing of it is used") from None
    except (RecursionError, ValueError) as error:
        if isinstance(error, RecordFileError):
            raise
        raise RecordFileError(f"{path}: not readable as YAML ({clean_text(error)}); nothing of it is used") from None


def _delimiter(first: str) -> str:
    """What stands between the titles: the sign by which most of them are known."""
    known = _columns()
    return max(_DELIMITERS, key=lambda sign: sum(_plain(part.strip('"')) in known for part in first.split(sign)))


def _read_csv(path: str, text: str, key: str, needed: Sequence[str], filled: Sequence[str]) -> list[Row]:
    text = text.removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text.partition("\n")[0]))
    try:
        head = next(reader, [])
        fields = [_columns().get(_plain(title)) for title in head]
        missing = [field for field in needed if field not in fields]
        if missing:
            raise RecordFileError(
                f"{path}, line 1: the first line must name the columns; missing: {', '.join(missing)}"
            )
        rows = []
        line = reader.line_num + 1
        for cells in reader:
            where, line = f"{path}, line {line}", reader.line_num + 1
            data = {
                field: value
                for field, cell in zip(fields, cells, strict=False)
                if field is not None and (value := _value(field, cell)) is not None
            }
            # A cell beyond the titles is one delimiter too many: the row's fields may have slipped.
            if any(cell.strip() for cell in cells[len(fields) :]):
                rows.append(Row(where, {"": "more cells than columns"}))
            elif any(field in data for field in filled):
                rows.append(Row(where, data))
        return rows
    except csv.Error as error:
        raise RecordFileError(f"{path}, line {reader.line_num}: not readable as CSV ({error})") from None


def as_mapping_row(row: Row) -> Mapping[Any, Any]:
    """The record, refused where it is none."""
    if "" in row.data:
        value = row.data[""]
        problem = value if value == "more cells than columns" else f"a mapping is needed, not {type(value).__name__}"
        raise ValueError(f"{row.where}: {problem}")
    return row.data
