# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files for their owner alone, whole or not there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.private_folder import (
    FolderError,
    private_folder,
    write_new,
)


def test_a_folder_is_made_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = private_folder(str(tmp_path / "a" / "b"), make=True)
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (Path(made), Path(made).parent)] == [0o700, 0o700]
    assert private_folder(made, make=True) == private_folder(made, make=False) == made


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert private_folder(str(tmp_path / "a"), make=False) == str(tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("make", [True, False])
@pytest.mark.parametrize("mode", [0o750, 0o705, 0o701, 0o720, 0o777])
def test_a_folder_that_others_may_use_is_refused_and_left_as_it_is(tmp_path: Path, mode: int, make: bool) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(FolderError, match="mode 0700"):
        private_folder(str(folder), make=make)
    assert folder.stat().st_mode & 0o777 == mode


def test_a_link_a_file_and_another_owner_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Path(private_folder(str(tmp_path / "mine"), make=True))
    (tmp_path / "link").symlink_to(mine)
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(0o600)
    for name in ("link", "file"):
        with pytest.raises(FolderError):
            private_folder(str(tmp_path / name), make=False)
    (tmp_path / "nowhere").symlink_to(tmp_path / "not-there")
    for name in ("file", "nowhere"):
        with pytest.raises(FolderError, match="cannot be made or read"):
            private_folder(str(tmp_path / name / "below"), make=True)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(FolderError, match="nobody else's"):
        private_folder(str(mine), make=True)


def test_a_file_is_written_for_its_owner_alone_and_its_hash_told(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        told = write_new(str(tmp_path / "x"), b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "x").read_bytes() == b"content" and told == hashlib.sha256(b"content").hexdigest()
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_disk_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fails(*_given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(FolderError, match=r"No space left on device.*nothing was left there"):
        write_new(str(tmp_path / "x"), b"content")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_lies_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def spoil(handle: int) -> None:
        real(handle)
        os.pwrite(handle, b"X", 0)

    monkeypatch.setattr(os, "fsync", spoil)
    with pytest.raises(FolderError, match="did not read back"):
        write_new(str(tmp_path / "x"), b"content" * 10000)
    assert os.listdir(tmp_path) == []


def test_nothing_is_written_through_a_link_that_waits_there(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "x.partial").symlink_to(tmp_path / "victim")
    with pytest.raises(FolderError, match="cannot be written"):
        write_new(str(tmp_path / "x"), b"content")
    assert (tmp_path / "victim").read_text() == "mine" and not (tmp_path / "x").exists()
