# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether there is room for a change is known before it begins. How files are written is in test_anchor_stores."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import files
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.files import StoreProblem

KILOBYTE = 1024


@pytest.fixture
def store(tmp_path: Path) -> str:
    path = tmp_path / "store"
    path.write_bytes(b"x" * 100 * KILOBYTE)
    return str(path)


def room(monkeypatch: pytest.MonkeyPatch, kilobytes: int, flag: int = 0, blocks: int = 10_000) -> None:
    """Every file system has that much room."""
    told = SimpleNamespace(f_flag=flag, f_blocks=blocks, f_bfree=kilobytes, f_bavail=kilobytes, f_frsize=KILOBYTE)
    monkeypatch.setattr(os, "statvfs", lambda _path: told)


@pytest.mark.parametrize(
    ("kilobytes", "enough"), [(115, False), (116, True)], ids=["less than the file and a margin", "exactly"]
)
def test_a_file_is_written_beside_itself(
    kilobytes: int, enough: bool, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room(monkeypatch, kilobytes)
    if enough:
        files.check_room([store])
        return
    with pytest.raises(StoreProblem, match="No space left on device"):
        files.check_room([store])


def test_files_and_copies_of_one_file_system_need_room_together(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = str(tmp_path / "not yet" / "there")
    room(monkeypatch, 231)
    with pytest.raises(StoreProblem, match="No space left on device"):
        files.check_room([store], copies)
    room(monkeypatch, 232)
    files.check_room([store], copies)
    with pytest.raises(StoreProblem, match="No space left on device"):
        files.check_room([store, str(tmp_path / "new")], copies)


def test_a_read_only_file_system_is_named(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    room(monkeypatch, 10_000, os.ST_RDONLY)
    with pytest.raises(StoreProblem, match=f"{os.path.dirname(store)} cannot be written to: Read-only file system"):
        files.check_room([store])


def test_a_file_system_that_counts_no_blocks_is_not_full(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    room(monkeypatch, 0, blocks=0)
    files.check_room([store])
