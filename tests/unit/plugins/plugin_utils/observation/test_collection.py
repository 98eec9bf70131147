# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a device's observations in files: the latest counts, and a line that cannot be read is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import UNREADABLE
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation import collection as module
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.collection import (
    ObservationError,
    Observations,
)


def observation(device: str, finished: str | None = "2026-11-22T17:00:00Z", **more: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "device": device,
        "source": "network",
        "vantage": "v1",
        "finished_at": finished,
        **more,
    }


def lines(path: Path, *entries: Any) -> str:
    path.write_text("".join((entry if isinstance(entry, str) else json.dumps(entry)) + "\n" for entry in entries))
    return str(path)


def test_the_latest_of_a_device_source_and_vantage_counts(tmp_path: Path) -> None:
    first = lines(
        tmp_path / "a.jsonl",
        observation("x", "2026-11-22T17:00:00Z", connections=1),
        observation("x", "2026-11-22T18:30:00+02:00", connections=2),  # 16:30 UTC
        observation("x", "2026-11-22T16:00:00Z", vantage="v2", connections=3),
    )
    second = lines(
        tmp_path / "b.jsonl", observation("x", "2026-11-21T17:00:00Z", connections=4), observation("y", connections=5)
    )
    with Observations({"x", "y"}) as found:
        found.add_file(first)
        found.add_file(second)
        assert [entry.connections for entry in found.of("x")] == [3, 1]
        assert [entry.connections for entry in found.of("y")] == [5]
        assert found.of("z") == []


def test_at_the_same_moment_the_later_line_counts_and_no_date_is_the_oldest(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.jsonl",
        observation("x", connections=1),
        observation("x", connections=2),
        observation("x", None, connections=3),
    )
    with Observations({"x"}) as found:
        found.add_file(path)
        assert [entry.connections for entry in found.of("x")] == [2]


def test_observations_in_memory_and_in_files_are_one_world(tmp_path: Path) -> None:
    with Observations({"x"}) as found:
        found.add_file(lines(tmp_path / "a.jsonl", observation("x", connections=1)))
        found.add_entry(observation("x", "2026-11-22T17:00:01Z", connections=2), 0)
        assert [entry.connections for entry in found.of("x")] == [2]


def test_peers_are_found_by_address_and_port_and_strangers_are_counted(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.jsonl",
        observation("peer:10.0.0.9:2762", connections=1),
        observation("stranger"),
        observation("x"),
    )
    with Observations({"x"}) as found:
        found.add_file(path)
        assert [entry.connections for entry in found.of_peer("10.0.0.9", 2762)] == [1]
        assert found.of_peer("10.0.0.9", 2762) is found.of_peer("10.0.0.9", 2762)
        assert found.of_peer("10.0.0.8", 2762) == []
        assert found.strangers == {"stranger"}


def test_few_peers_are_held_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PEERS_HELD", 2)
    path = lines(tmp_path / "a.jsonl", *(observation(f"peer:10.0.0.{n}:443", connections=n) for n in range(5)))
    with Observations(set()) as found:
        found.add_file(path)
        for _round in range(2):
            assert [found.of_peer(f"10.0.0.{n}", 443)[0].connections for n in range(5)] == list(range(5))
        assert len(found._peers) == 2


def test_files_as_people_keep_them(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    entries = [json.dumps(observation(name, connections=number)) for number, name in enumerate("xyz")]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n\r\n   \n".join(entries).encode())  # a mark, blank lines, no last line end
    with Observations(set("xyz")) as found:
        found.add_file(str(path))
        assert [found.of(name)[0].connections for name in "xyz"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("line", "device", "why"),
    [
        ('{"device": "x"', "x", "column"),
        ('{"schema_version":1,"device":"x","source":"network","vantage":"v1","started', "x", "column"),
        ("[1]", None, "not a JSON object"),
        ("nonsense", None, "column"),
        ('{"source": "network"}', None, "no 'device'"),
        ('{"device": ""}', None, "no 'device'"),
        ('{"device": ["x"]}', None, "no 'device'"),
        ('{"device": "x", "schema_version": 2}', "x", "schema_version 2"),
        ('{"device": "x", "finished_at": "yesterday"}', "x", "isoformat"),
        ('{"device": "x", "finished_at": 12}', "x", "a time is not text"),
        ('{"device": "x", "connections": NaN}', "x", "NaN is not JSON"),
        ('{"device": "x", "connections": -Infinity}', "x", "Infinity is not JSON"),
        ('{"detail": "\\"device\\": \\"x\\"", "device": "y", ', "y", "column"),
        ("[" * 100_000, None, "nested too deeply"),
    ],
)
def test_a_broken_line_is_named_and_stops_nothing(tmp_path: Path, line: str, device: str | None, why: str) -> None:
    path = lines(tmp_path / "a.jsonl", observation("x", connections=1), "", line, observation("z", connections=9))
    with Observations({"x", "y", "z"}) as found:
        found.add_file(path)
        found.require_any()
        [unread] = found.unread
        assert (unread.place, unread.line, unread.device) == (path, 3, device)
        assert why in unread.why and "\n" not in unread.why
        # It may be the latest of its device: an earlier one does not speak for it. The others are not touched.
        outcomes = {name: [entry.outcome for entry in found.of(name)] for name in ("x", "y", "z")}
        assert UNREADABLE in outcomes[device] if device else outcomes == {"x": [None], "y": [], "z": [None]}
        assert found.of("z")[0].connections == 9


def test_a_broken_line_with_its_date_is_followed_by_a_later_one(tmp_path: Path) -> None:
    torn = json.dumps(observation("x", "2026-11-22T17:00:00Z"))[:-1]
    for later, expected in (("2026-11-22T18:00:00Z", None), ("2026-11-22T16:00:00Z", UNREADABLE)):
        with Observations({"x"}) as found:
            found.add_file(lines(tmp_path / "a.jsonl", torn, observation("x", later)))
            assert [entry.outcome for entry in found.of("x")] == [expected]


def test_a_line_that_is_not_text_or_has_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    whole = json.dumps(observation("z", connections=9)).encode()
    path.write_bytes(b'{"device": "x\xff"}\n' + whole)
    with Observations({"z"}) as found:
        found.add_file(str(path))
        assert found.unread[0].why == "not UTF-8"
        assert found.of("z")[0].connections == 9
    monkeypatch.setattr(module, "_LINE_LIMIT", 1000)
    path.write_bytes(b'{"device": "x", "detail": "' + b"a" * 5000 + b'"}\n' + whole)
    with Observations({"x", "z"}) as found:
        found.add_file(str(path))
        assert (found.unread[0].line, found.unread[0].device) == (1, "x")
        assert "longer than" in found.unread[0].why
        assert found.of("z")[0].connections == 9
    path.write_bytes(b" " * 5000)
    with Observations({"x"}) as found, pytest.raises(ObservationError, match=r"line 1 .*longer than"):
        found.add_file(str(path))
        found.require_any()


@pytest.mark.parametrize("rest", [b"", b"nonsense\n", b"- hosts: all\n  tasks: []\n"])
def test_where_nothing_can_be_read_it_is_the_wrong_file(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(rest)
    with Observations({"x"}) as found:
        found.add_file(str(path))
        if not rest:
            found.require_any()
            return
        with pytest.raises(ObservationError, match=rf"'{path}', line 1 is not a readable observation"):
            found.require_any()


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    for place in (tmp_path / "none.jsonl", tmp_path):
        with Observations({"x"}) as found, pytest.raises(ObservationError, match="observations: '"):
            found.add_file(str(place))


def test_a_file_that_changes_meanwhile_is_not_misread(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", observation("x"))
    with Observations({"x"}) as found:
        found.add_file(path)
        Path(path).write_text("{}")
        with pytest.raises(ObservationError, match="changed while it was read"):
            found.of("x")


def test_an_entry_in_memory_is_checked_too() -> None:
    with Observations({"x"}) as found:
        found.add_entry({"connections": 1}, 3)
        with pytest.raises(ObservationError, match=r"observations\[3\]"):
            found.require_any()
        found.add_entry({"device": "x", "schema_version": 9}, 4)
        found.require_any()
        assert [entry.outcome for entry in found.of("x")] == [UNREADABLE]
