# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several actions take: what is let through, and one sentence for each that is not."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.options import (
    anchor_texts,
    at_least,
    local_source,
    named_once,
    profile_folders,
    writable_file,
)


def nowhere(path: str) -> str:
    raise AssertionError(f"{path} was looked for beside the playbook")


def test_each_option_has_a_least_value() -> None:
    at_least({"timeout": 0.1, "rate": 0, "other": -5}, {"timeout": 0.1, "rate": 0})
    for value in (0.09, -1, math.nan):
        with pytest.raises(ValueError, match=f"^timeout must be at least 0.1, not {value}\\.$"):
            at_least({"timeout": value}, {"timeout": 0.1})


def test_a_device_is_named_once() -> None:
    named_once(["a", "b"])
    with pytest.raises(ValueError, match=r"^the device name 'b' is given twice\.$"):
        named_once(["a", "b", "c", "b", "c"])


def test_a_file_is_looked_for_from_the_working_directory_then_beside_the_playbook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/srv/somebody")
    (tmp_path / "root.pem").touch()
    assert local_source("root.pem", nowhere) == "root.pem"
    assert local_source("other.pem", lambda path: f"/plays/{path}") == "/plays/other.pem"
    assert local_source("/none/root.pem", nowhere) == "/none/root.pem"
    assert local_source("~/root.pem", nowhere) == "/srv/somebody/root.pem"
    text = "-----BEGIN CERTIFICATE-----\n~"
    assert local_source(text, nowhere) == text


def test_what_is_no_anchor_is_named(tmp_path: Path) -> None:
    assert anchor_texts([], nowhere) == []
    with pytest.raises(ValueError, match=r"none\.pem"):
        anchor_texts([str(tmp_path / "none.pem")], nowhere)


def test_a_folder_of_profiles_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert profile_folders([str(tmp_path)], nowhere) == [str(tmp_path)]
    with pytest.raises(ValueError, match=r"^profile_folders: 'file' is no folder\.$"):
        profile_folders([str(tmp_path), "file"], lambda path: str(tmp_path / path))


def test_a_file_to_write_lies_in_a_folder_that_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writable_file(None) is None
    assert writable_file("") is None
    monkeypatch.chdir(tmp_path)
    assert writable_file("a.jsonl") == str(tmp_path / "a.jsonl")
    with pytest.raises(ValueError, match=f"^dest '{tmp_path}' is a folder; name a file in it\\.$"):
        writable_file(str(tmp_path))
    with pytest.raises(ValueError, match=f"^dest: '{tmp_path}/none' is no folder that can be written to\\.$"):
        writable_file("none/a.jsonl")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match=f"^dest: '{tmp_path}' is no folder that can be written to\\.$"):
        writable_file("a.jsonl")
