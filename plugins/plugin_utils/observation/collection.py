# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the observations of one device among those of a fleet, without holding the fleet in memory.

Observation files (one JSON object a line) are read once to learn where each observation lies; an
observation is read again when its device's turn comes. The latest one of a device, source and vantage
counts. A line that cannot be read stands for an observation that tells nothing: it is named, and its device is not
assessed. The others are, whatever became of one line.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import OrderedDict
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, BinaryIO, NoReturn

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import (
    UNREADABLE,
    Observation,
    read_observation,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import PEER_PREFIX, peer_key

SCHEMA_VERSION = 1
_LINE_LIMIT = 16 * 1024 * 1024
_PEERS_HELD = 512
#: Of a line that cannot be read: how much is looked at for whose it is. Ours begin with that.
_HEAD = 4096
_KNOWN_KEYS = re.compile(r'(?<!\\)"(device|source|vantage|finished_at)"\s*:\s*("(?:[^"\\]|\\.)*")')


class ObservationError(ValueError):
    """An observation cannot be read; the message names the file and the line, and the way out."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an observation lies: in a file, or (``entry``) in memory."""

    moment: float
    file: int = -1
    offset: int = 0
    length: int = 0
    entry: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """An observation that could not be read: in which file and line (None: handed over directly), whose, and why."""

    place: str
    line: int | None
    device: str | None
    why: str


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode


class Observations:
    """The observations of a run, found by device. Use as a context manager: it keeps its files open."""

    def __init__(self, devices: Container[str]) -> None:
        """:param devices: names of the devices in the report; observations of others are counted, not used."""
        self._devices = devices
        self._files: list[tuple[str, BinaryIO]] = []
        self._places: dict[str, dict[tuple[str, str], _Place]] = {}
        self._peers: OrderedDict[str, list[Observation]] = OrderedDict()
        self.strangers: set[str] = set()
        self.unread: list[Unread] = []
        self._readable = False

    def __enter__(self) -> Observations:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for _path, handle in self._files:
            handle.close()

    # -- reading in

    def add_file(self, path: str) -> None:
        """Index one file of observations.

        :raises ObservationError: the file cannot be read
        """
        try:
            handle = open(path, "rb")  # noqa: SIM115 -- closed by __exit__
        except OSError as error:
            raise ObservationError(
                f"observations: '{path}' cannot be opened ({error.strerror}): "
                "name the file that the visit wrote (its 'dest')."
            ) from None
        number = len(self._files)
        self._files.append((path, handle))
        offset = 0
        line_number = 0
        try:
            while line := handle.readline(_LINE_LIMIT + 1):
                line_number += 1
                length = len(line)
                if length > _LINE_LIMIT:
                    self._leave_out(path, line_number, _told(line), f"longer than {_LINE_LIMIT // 2**20} MiB")
                    while line and not line.endswith(b"\n"):
                        line = handle.readline(_LINE_LIMIT)
                        length += len(line)
                elif not line.isspace():
                    self._add_line(line, number, line_number, offset)
                offset += length
        except OSError as error:
            raise ObservationError(
                f"observations: '{path}' cannot be read ({error.strerror}): name a file of observations, one a line."
            ) from None

    def _add_line(self, line: bytes, number: int, line_number: int, offset: int) -> None:
        told: Mapping[str, Any] | None = None
        try:
            told = self._parse(line, first=line_number == 1)
            self._note(told, number, offset, len(line))
        except (ValueError, RecursionError) as error:
            self._leave_out(self._files[number][0], line_number, _told(line) if told is None else told, _why(error))

    def add_entry(self, entry: Mapping[str, Any], position: int) -> None:
        """Take one observation that was handed over directly (plain data, as read from JSON)."""
        try:
            self._note(entry, -1, 0, 0)
        except ValueError as error:
            self._leave_out(f"observations[{position}]", None, entry, _why(error))

    def require_any(self) -> None:
        """Stop where nothing at all could be read: that is no report of devices, but the wrong file.

        :raises ObservationError: it names the first place
        """
        if self.unread and not self._readable and not self._places:
            first = self.unread[0]
            where = first.place if first.line is None else f"'{first.place}', line {first.line}"
            raise ObservationError(
                f"observations: {where} is not a readable observation ({first.why}), nor is anything else; nothing was "
                "written: name the files that a visit wrote (its 'dest')."
            )

    def _leave_out(self, place: str, line: int | None, told: Mapping[str, Any], why: str) -> None:
        """Note an observation that cannot be read; where it tells whose it is, it stands for that device's latest."""
        device = told.get("device")
        device = device if isinstance(device, str) and device else None
        self.unread.append(Unread(place, line, device, why))
        if device is None or not (device in self._devices or device.startswith(PEER_PREFIX)):
            return
        where = place if line is None else f"{place}, {line}"
        entry = {key: told.get(key) for key in ("device", "source", "vantage")}
        entry.update(outcome=UNREADABLE, detail=f"{where}: {why}")
        try:
            moment = _moment(told.get("finished_at"))
            entry["finished_at"] = told.get("finished_at")
        except ValueError:
            moment = float("-inf")
        # Without a date it may be the latest.
        self._place(device, entry, _Place(moment if moment > float("-inf") else float("inf"), entry=entry))

    @staticmethod
    def _parse(line: bytes, first: bool) -> Mapping[str, Any]:
        text = line.decode("utf-8-sig" if first else "utf-8")
        entry = _decode(text.strip())
        if not isinstance(entry, dict):
            raise ValueError("not a JSON object")
        return entry

    def _note(self, entry: Mapping[str, Any], file: int, offset: int, length: int) -> None:
        version = entry.get("schema_version", SCHEMA_VERSION)
        if version != SCHEMA_VERSION:
            raise ValueError(f"schema_version {version!r}; this version of the collection reads {SCHEMA_VERSION}")
        device = entry.get("device")
        if not isinstance(device, str) or not device:
            raise ValueError("no 'device'")
        moment = _moment(entry.get("finished_at") or entry.get("started_at"))
        self._readable = True
        if device not in self._devices and not device.startswith(PEER_PREFIX):
            self.strangers.add(device)
            return
        self._place(device, entry, _Place(moment, file, offset, length, entry if file < 0 else None))

    def _place(self, device: str, entry: Mapping[str, Any], place: _Place) -> None:
        key = (str(entry.get("source") or "network"), str(entry.get("vantage") or ""))
        places = self._places.setdefault(device, {})
        former = places.get(key)
        if former is None or place.moment >= former.moment:
            places[key] = place

    # -- handing out

    def of(self, device: str) -> list[Observation]:
        """Return the latest observations of one device, one per source and vantage, oldest first."""
        places = self._places.get(device)
        if not places:
            return []
        if len(places) == 1:
            return [self._read(device, place) for place in places.values()]
        ordered = sorted(places.items(), key=lambda item: (item[1].moment, item[0]))
        return [self._read(device, place) for _key, place in ordered]

    def of_peer(self, address: object, port: object) -> list[Observation]:
        """Return the latest observations of a server that devices depend on. They are shared: only read them."""
        name = peer_key({"address": address, "port": port})
        held = self._peers.get(name)
        if held is None:
            held = self.of(name)
            self._peers[name] = held
            if len(self._peers) > _PEERS_HELD:
                self._peers.popitem(last=False)
        else:
            self._peers.move_to_end(name)
        return held

    def _read(self, device: str, place: _Place) -> Observation:
        if place.entry is not None:
            return read_observation(place.entry)
        path, handle = self._files[place.file]
        handle.seek(place.offset)
        try:
            entry = self._parse(handle.read(place.length), first=place.offset == 0)
            if entry.get("device") != device:
                raise ValueError("another observation is in this place")
        except (OSError, ValueError, RecursionError) as error:
            raise ObservationError(
                f"observations: '{path}' changed while it was read ({_why(error)}); nothing was written: "
                "wait until the visit is over, then run again."
            ) from None
        return read_observation(entry)


def _moment(value: object) -> float:
    """Return an ISO 8601 time as seconds; nothing is the oldest of all.

    :raises ValueError: it is not a time
    """
    if value is None:
        return float("-inf")
    if not isinstance(value, str):
        raise ValueError("a time is not text")
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _told(line: bytes) -> dict[str, Any]:
    """Whose observation a line is that cannot be read, from where and when, as far as its beginning tells."""
    found: dict[str, Any] = {}
    for key, value in _KNOWN_KEYS.findall(line[:_HEAD].decode("utf-8", "replace")):
        with contextlib.suppress(ValueError):
            found.setdefault(key, json.loads(value))
    return found


def _why(error: BaseException) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, column {error.colno}"
    return str(error)[:200]
