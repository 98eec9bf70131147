# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the parts of an observation are declared, and how one is read: once, at the door.

A part is a frozen dataclass whose fields are made by `told`: what kind of value the field holds, and what the JSON
Schema says of it. What has the wrong kind tells nothing, as if it had not been told, and is named: reading never
raises, whatever a device, a vantage or a file put there.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar, cast

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    MAX_ITEMS,
    MAX_TEXT,
    as_number,
    clean_text,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import parse_instant, parse_limit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible

PartT = TypeVar("PartT")

#: So many entries of a list are read; a device that tells more is heard no further.
_MOST = 10_000
#: So long is a text that is compared as it was sent; none is that honestly.
_LONGEST = 16_384
#: So many damaged places of one part are named.
_NAMED = 20


class Malformed(Exception):
    """A value is not of the kind that its field holds."""


class Kind(NamedTuple):
    """`read` gets the value (never None) and the list to which it adds the places in it that are damaged."""

    read: Callable[[Any, list[str]], Any]
    schema: Mapping[str, Any]
    empty: Callable[[], Any] = lambda: None


def _text(value: Any, _damaged: list[str]) -> str:
    if not isinstance(value, str):
        raise Malformed
    # What nearly all texts are, told at a tenth of the cost.
    return value if value.isascii() and value.isprintable() and len(value) <= MAX_TEXT else clean_text(value)


def _long_text(value: Any, _damaged: list[str]) -> str:
    if not isinstance(value, str):
        raise Malformed
    return visible(value)


def _as_sent(value: Any, _damaged: list[str]) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise Malformed
    return value


def _flag(value: Any, _damaged: list[str]) -> bool:
    if not isinstance(value, bool):
        raise Malformed
    return value


def _number(value: Any, _damaged: list[str]) -> float:
    number = as_number(value)
    if number is None:
        raise Malformed
    return number


def _whole(value: Any, _damaged: list[str]) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or as_number(value) is None:
        raise Malformed
    return value


def _shown(value: Any, _damaged: list[str]) -> str:
    try:
        return clean_text(value)
    except (ValueError, RecursionError):  # a number of thousands of digits has no text
        raise Malformed from None


def _mapping(value: Any, _damaged: list[str]) -> Mapping[str, Any]:
    if not isinstance(value, (dict, Mapping)):
        raise Malformed
    return value


def _port(value: Any, _damaged: list[str]) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
        raise Malformed
    return value


def _day(value: Any, _damaged: list[str]) -> Any:
    moment = parse_limit(value, end_of_day=False)
    if moment is None:
        raise Malformed
    return moment


def _last_day(value: Any, _damaged: list[str]) -> Any:
    return None if value is None else parse_limit(value, end_of_day=True)


def _instant(value: Any, _damaged: list[str]) -> Any:
    moment = parse_instant(value)
    if moment is None:
        raise Malformed
    return moment


_INSTANT = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$",
}

#: A text that a person reads: made visible, and cut.
TEXT = Kind(_text, {"type": "string"})
#: The same, with more room: what a server or a library said.
LONG_TEXT = Kind(_long_text, {"type": "string"})
#: A text that is compared with another one, as it was sent: whoever shows it makes it visible.
AS_SENT = Kind(_as_sent, {"type": "string"})
#: Whatever was told, as a person reads it.
SHOWN = Kind(_shown, {"type": "string"})
#: A dictionary that is read elsewhere.
MAPPING = Kind(_mapping, {"type": "object"})
#: A port as a number, or as an appliance writes it.
PORT = Kind(_port, {"type": "integer", "minimum": 1, "maximum": 65535})
#: A day from which on something does not count any more, and one up to which it counts, as an aware datetime.
DAY = Kind(_day, {"type": "string"})
LAST_DAY = Kind(_last_day, {"type": ["string", "null"]})
FLAG = Kind(_flag, {"type": "boolean"})
NUMBER = Kind(_number, {"type": "number"})
WHOLE = Kind(_whole, {"type": "integer"})
#: An aware datetime.
INSTANT = Kind(_instant, _INSTANT)


def many(kind: Kind) -> Kind:
    """A tuple of such values. What is damaged in it keeps its place, empty: another one counts from the first."""
    read_one = kind.read

    def read(value: Any, damaged: list[str]) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise Malformed
        found = []
        for position, item in enumerate(value[:_MOST]):
            known = len(damaged)
            try:
                found.append(read_one(item, damaged))
            except Malformed:
                damaged.append("")
                found.append(kind.empty())
            if len(damaged) > known:
                damaged[known:] = [f"[{position}]{_dotted(place)}" for place in damaged[known:]]
        if len(value) > _MOST:
            damaged.append(f"[{_MOST}]")
        return tuple(found)

    return Kind(read, {"type": "array", "items": kind}, tuple)


def texts(kind: Kind = TEXT) -> Kind:
    """A tuple of texts, of those that people read the first ones; what is no text is left out."""
    read_all = many(kind).read
    most = MAX_ITEMS if kind is TEXT else _MOST

    def read(value: Any, damaged: list[str]) -> tuple[str, ...]:
        return tuple(item for item in read_all(value, damaged)[:most] if item is not None)

    return Kind(read, {"type": "array", "items": kind}, tuple)


def by_name(kind: Kind) -> Kind:
    """A dictionary of such values; a damaged one stays, empty."""
    read_one = kind.read

    def read(value: Any, damaged: list[str]) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Malformed
        found = {}
        for name, item in value.items():
            known, key = len(damaged), clean_text(name)
            try:
                found[key] = kind.empty() if item is None else read_one(item, damaged)
            except Malformed:
                damaged.append("")
                found[key] = kind.empty()
            if len(damaged) > known:
                damaged[known:] = [f"{key}{_dotted(place)}" for place in damaged[known:]]
        return found

    return Kind(read, {"type": "object", "additionalProperties": kind}, dict)


def part(cls: type[PartT]) -> Kind:
    """Another part; an empty one where it is not told."""

    def read(value: Any, damaged: list[str]) -> PartT:
        if not isinstance(value, (dict, Mapping)):
            raise Malformed
        return read_part(cls, value, damaged)

    return Kind(read, {"part": cls}, cls)


def told(
    kind: Kind, *, needed: bool = False, key: str | None = None, empty: Any = None, absent: bool = False, **schema: Any
) -> Any:
    """A field of a part. `needed`, `schema`: what the JSON Schema says beside the kind; reading is more lenient.

    key:   its name in JSON, where Python has another one
    empty: the value where it is not told, if not the kind's; absent: it is None
    """
    metadata = {"kind": kind, "needed": needed, "key": key, "schema": schema}
    default = None if absent else kind.empty() if empty is None else empty
    # pylint: disable=invalid-field-call
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)  # frozen: all may share it


@functools.cache
def _readers(cls: Any) -> dict[str, tuple[str, Callable[[Any, list[str]], Any], bool]]:
    """By the name in JSON: the name in Python, how to read it, and whether it has places of its own."""
    kinds = {field: field.metadata["kind"] for field in dataclasses.fields(cls) if "kind" in field.metadata}
    return {
        field.metadata["key"] or field.name: (field.name, kind.read, kind.empty() is not None)
        for field, kind in kinds.items()
    }


def read_part(cls: type[PartT], value: Mapping[str, Any], damaged: list[str]) -> PartT:
    """The part, and in `damaged` the places in it that could not be read ("chain[1].not_before")."""
    found: dict[str, Any] = {}
    readers = _readers(cast(Any, cls))
    for key, item in value.items():
        reader = readers.get(key)
        if reader is None or item is None:
            continue
        name, read, has_places = reader
        known = len(damaged) if has_places else 0
        try:
            found[name] = read(item, damaged)
        except Malformed:
            damaged.append(key)
            continue
        if has_places and len(damaged) > known:
            damaged[known:] = [f"{key}{_dotted(place)}" for place in damaged[known : known + _NAMED]]
    return cls(**found)


def _dotted(place: str) -> str:
    return f".{place}" if place and not place.startswith("[") else place
