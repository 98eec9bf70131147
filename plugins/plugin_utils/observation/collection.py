# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the observations of one device among those of a fleet, without holding the fleet in memory.

Observation files (one JSON object a line) are read once to learn where each observation lies; an
observation is read again when its device's turn comes. The latest one of a device, source and vantage
counts. A line that cannot be read stops everything: a report must not be silently poorer than its input.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, BinaryIO, NoReturn

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation, read_observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import PEER_PREFIX, peer_key

SCHEMA_VERSION = 1
_LINE_LIMIT = 16 * 1024 * 1024
_PEERS_HELD = 512


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

    def __enter__(self) -> Observations:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for _path, handle in self._files:
            handle.close()

    # -- reading in

    def add_file(self, path: str) -> None:
        """Index one file of observations.

        :raises ObservationError: the file or one of its lines cannot be read
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
                    raise ValueError(f"longer than {_LINE_LIMIT // 2**20} MiB")
                if not line.isspace():
                    self._note(self._parse(line, first=line_number == 1), number, offset, length)
                offset += length
        except OSError as error:
            raise ObservationError(
                f"observations: '{path}' cannot be read ({error.strerror}): name a file of observations, one a line."
            ) from None
        except (ValueError, RecursionError) as error:
            raise ObservationError(
                f"observations: '{path}', line {line_number} is not a readable observation ({_why(error)}); "
                "nothing was written: run the visit again, or remove that line."
            ) from None

    def add_entry(self, entry: Mapping[str, Any], position: int) -> None:
        """Take one observation that was handed over directly (plain data, as read from JSON)."""
        try:
            self._note(entry, -1, 0, 0)
        except ValueError as error:
            raise ObservationError(
                f"observations[{position}] is not a readable observation ({_why(error)}); nothing was written: "
                "hand over what device_probe returned, or the path of its file."
            ) from None

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
        key = (str(entry.get("source") or "network"), str(entry.get("vantage") or ""))
        moment = _moment(entry.get("finished_at") or entry.get("started_at"))
        if device not in self._devices and not device.startswith(PEER_PREFIX):
            self.strangers.add(device)
            return
        places = self._places.setdefault(device, {})
        former = places.get(key)
        if former is None or moment >= former.moment:
            places[key] = _Place(moment, file, offset, length, entry if file < 0 else None)

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


def _why(error: BaseException) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, column {error.colno}"
    return str(error)[:200]
