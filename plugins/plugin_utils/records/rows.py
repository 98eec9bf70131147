# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a record file, each with its line: CSV as spreadsheets save it, YAML as people type it.

Nothing in a row stops the others: what cannot be read of it is told with its line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.entry import Entry, Where, read_entry
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.files import (
    MAX_CHARACTERS,
    cell_value,
    columns,
    file_error,
    french_titles,
    plain,
    written_value,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import (
    Problem,
    RecordError,
    RecordFileError,
    closest,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text

_DELIMITERS = (";", "\t", ",")
#: Lines that one record may fill (a note of several lines); a quotation mark open for longer was forgotten.
_RECORD_LINES = 100
#: Lines above the titles that a spreadsheet's heading may fill.
_HEADING_LINES = 20
_SEPARATOR_HINT = re.compile(r'"?sep=([;,|\t])"?', re.IGNORECASE)

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Row:
    """One record as written."""

    where: Where
    data: Any


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is made of.

    key:    what it may be called in a YAML file ("attestations")
    required: the fields of each record; without their columns a CSV file is no such list
    optional: the fields that it may have too
    filled:   fields of which one at least is written in a row that somebody has filled in; others are passed over
    """

    key: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    filled: tuple[str, ...]


def read_records(
    path: str, text: str, wanted: Wanted, language: str, make: Callable[[Entry], Any]
) -> tuple[list[Any], list[Problem]]:
    """What `make` makes of each row of a file, and why the other rows are not used.

    language: of a refusal of the whole file (RecordFileError), as long as the file does not tell its own
    """
    if len(text) > MAX_CHARACTERS:
        raise file_error(path, "too_large", language, n=MAX_CHARACTERS)
    ending = path.rpartition(".")[2].lower()
    if ending in ("yml", "yaml", "json"):
        rows = _yaml_rows(path, text, wanted, language)
    elif ending in ("csv", "txt"):
        rows = _csv_rows(path, text.removeprefix("\ufeff"), wanted, language)
    else:
        raise file_error(path, "ending", language)
    found, problems = [], []
    for row in rows:
        try:
            if isinstance(row, Problem):
                problems.append(row)
            else:
                found.append(make(read_entry(row.where, _untitled(row.data), wanted.required, wanted.optional)))
        except RecordError as error:
            problems.append(error.problem)
    return found, problems


def _untitled(data: Any) -> Any:
    """A record without the check's title, which a sheet shows for its reader."""
    return {key: data[key] for key in data if key != "title"} if isinstance(data, Mapping) else data


# --- CSV ---


def _csv_rows(path: str, text: str, wanted: Wanted, language: str) -> Iterator[Row | Problem]:
    lines = re.split(r"\r\n|\n|\r", text)
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise file_error(path, "empty", language)
    hint = _SEPARATOR_HINT.fullmatch(lines[first].strip())
    if hint is not None:
        first += 1
    fields, delimiter, language = _head(path, lines, first, hint[1] if hint else None, wanted, language)
    number = first + 1
    while number < len(lines):
        where = Where(path, number + 1, language)
        # A record of its own reader: a quotation mark that is never closed shall not swallow the rows below.
        reader = csv.reader(
            (line + "\n" for line in lines[number : number + _RECORD_LINES]), delimiter=delimiter, strict=True
        )
        try:
            cells = next(reader, [])
            number += reader.line_num
        except csv.Error as error:
            number += 1
            name = "cell_too_large" if "limit" in str(error) else "quote_open"
            yield where.refuse(name).problem
            continue
        data = {
            field: value
            for field, cell in zip(fields, cells, strict=False)
            if field is not None and (value := cell_value(field, cell, language)) is not None
        }
        # A cell beyond the titles is one delimiter too many: the row's fields may have slipped.
        if any(cell.strip() for cell in cells[len(fields) :]):
            yield where.refuse("too_many_cells").problem
        elif any(field in data for field in wanted.filled):
            yield Row(where, data)


def _head(
    path: str, lines: Sequence[str], first: int, delimiter: str | None, wanted: Wanted, language: str
) -> tuple[list[str | None], str, str]:
    """The fields of the columns, what stands between them, and the language of their titles."""
    line = lines[first] if first < len(lines) else ""
    fields, sign = _fields(line, delimiter)
    missing = [field for field in wanted.required if field not in fields]
    if missing:
        for number in range(first + 1, min(first + _HEADING_LINES, len(lines))):
            below = _fields(lines[number], delimiter)[0]
            if all(field in below for field in wanted.required):
                raise file_error(path, "title_line", language, titles=number + 1)
        raise file_error(path, "columns_missing", language, first + 1, choices=missing)
    titles = _cells(line, sign)
    if any(plain(title) in french_titles() for title in titles):
        language = "fr"
    for position, (title, field) in enumerate(zip(titles, fields, strict=True)):
        if field is not None and field in fields[:position]:
            raise file_error(path, "column_twice", language, first + 1, value=title)
        # An endpoint's column that is not understood would make an attestation speak for all endpoints.
        open_titles = [key for key, other in columns().items() if other in wanted.optional and other not in fields]
        meant = None if field else closest(plain(title), open_titles, cutoff=0.75)
        if meant is not None:
            raise file_error(path, "column_unknown", language, first + 1, value=title, close=meant)
    return fields, sign, language


def _fields(line: str, delimiter: str | None) -> tuple[list[str | None], str]:
    """The fields by the sign between the titles by which most of them are known."""
    read = [
        ([columns().get(plain(title)) for title in _cells(line, sign)], sign)
        for sign in ([delimiter] if delimiter else _DELIMITERS)
    ]
    return max(read, key=lambda item: sum(field is not None for field in item[0]))


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


# --- YAML ---


def _yaml_rows(path: str, text: str, wanted: Wanted, language: str) -> Iterator[Row | Problem]:
    if not text.strip("\ufeff \t\r\n"):
        yield Where(path, None, language).refuse("empty").problem
        return
    try:
        yield from _yaml_list(path, text, wanted.key, language)
    except yaml.YAMLError as error:
        # One row that is no YAML makes no YAML of the file: each item of the list is read by itself.
        items = list(_items(text))
        if not items:
            raise _not_yaml(path, error, language) from None
        for start, item in items:
            try:
                yield from _yaml_list(path, item, wanted.key, language, start)
            except (yaml.YAMLError, RecordFileError, RecursionError) as problem:
                yield Where(path, start + 1, language).refuse("row_unreadable", detail=_detail(problem)).problem
    except RecursionError as error:
        raise _not_yaml(path, error, language) from None


def _not_yaml(path: str, error: Exception, language: str) -> RecordFileError:
    return file_error(path, "not_yaml", language, _line(error) + 1, detail=_detail(error))


def _line(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None)
    return 0 if mark is None else int(mark.line)


def _detail(error: Exception) -> str:
    return clean_text(getattr(error, "problem", None) or str(error).partition("\n")[0])


def _items(text: str) -> Iterator[tuple[int, str]]:
    """The items of a block sequence, cut at its dashes: (lines before it, text)."""
    lines = text.splitlines()
    dash = next((re.match(r" *- ", line) for line in lines if re.match(r" *- ", line)), None)
    starts = [] if dash is None else [number for number, line in enumerate(lines) if line.startswith(dash.group())]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=False):
        yield start, "\n".join(lines[start:end])


def _yaml_list(path: str, text: str, key: str, language: str, before: int = 0) -> Iterator[Row | Problem]:
    """The rows of a list; YAMLError where the text is no YAML."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if isinstance(root, yaml.MappingNode):
            lists = [value for name, value in root.value if getattr(name, "value", None) == key]
            if len(lists) > 1:
                raise file_error(path, "field_twice", language, lists[1].start_mark.line + 1)
            root = lists[0] if lists else root
        if root is None or root.tag == "tag:yaml.org,2002:null":
            return
        if not isinstance(root, yaml.SequenceNode):
            raise file_error(path, "list_needed", language, value=key)
        for node in root.value:
            where = Where(path, before + node.start_mark.line + 1, language)
            yield _yaml_row(loader, node, where)
    finally:
        loader.dispose()


def _yaml_row(loader: Any, node: yaml.Node, where: Where) -> Row | Problem:
    twice = _twice(node)
    if twice is not None:
        return where.refuse("field_twice", clean_text(twice)).problem
    try:
        data = loader.construct_object(node, deep=True)
    except Exception as error:  # a date that does not exist, a tag that is not known, …: each its own kind of error
        return where.refuse("row_unreadable", detail=_detail(error)).problem
    if isinstance(data, Mapping):
        data = {key: written_value("on" if key is True else key, value, "en") for key, value in data.items()}
    return Row(where, data)


def _twice(node: yaml.Node) -> str | None:
    """The name of a field that a row has twice: YAML itself would keep the last one and drop the other."""
    names: set[str] = set()
    for name, _value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(name, yaml.ScalarNode):
            if name.value in names:
                return str(name.value)
            names.add(name.value)
    return None
