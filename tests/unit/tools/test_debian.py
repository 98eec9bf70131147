# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages for the tests: installed as root, and one that does not exist keeps no other away."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest


def test_every_listed_package_says_when_it_is_needed_and_for_what(debian: ModuleType) -> None:
    packages = debian.listed(debian.LIST.read_text(encoding="utf-8"))
    assert {package.when for package in packages} == {"test", "test-all"}
    names = [package.name for package in packages]
    assert names == sorted(set(names))


def test_a_package_is_missing_where_its_program_is_and_the_command_wants_it(
    debian: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "packages.txt"
    listed.write_text(
        "# a comment\na test sh a shell\nb test nowhere-b one\nc test-all nowhere-c another thing\n", "ascii"
    )
    monkeypatch.setattr(debian, "LIST", listed)
    assert [package.name for package in debian.missing(["test"])] == ["b"]
    assert [package.purpose for package in debian.missing(["test", "test-all"])] == ["one", "another thing"]


def test_a_package_that_does_not_exist_keeps_none_of_the_others_away(
    debian: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[str] = []

    def apt_install(packages: list[str]) -> None:
        if "openjdk-17" in packages:
            raise debian.AptError("E: no such package")
        installed.extend(packages)

    monkeypatch.setattr(debian, "apt_install", apt_install)
    assert debian.install_what_exists(["nginx", "openjdk-17", "slapd"]) == {"openjdk-17": "E: no such package"}
    assert installed == ["nginx", "slapd"]


@pytest.mark.parametrize(("root", "apt", "why"), [(False, True, "only root"), (True, False, "no apt-get")])
def test_where_nothing_can_be_installed_the_reason_is_said(
    debian: ModuleType, monkeypatch: pytest.MonkeyPatch, root: bool, apt: bool, why: str
) -> None:
    monkeypatch.setattr(debian.os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(debian.shutil, "which", lambda name: "/usr/bin/apt-get" if apt else None)
    with pytest.raises(debian.AptError, match=why):
        debian.apt_install(["nginx"])


def test_apt_refreshes_its_lists_once_and_then_says_what_went_wrong(
    debian: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[list[str]] = []
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(debian, "POLICY", policy)
    monkeypatch.setattr(debian.os, "geteuid", lambda: 0)
    monkeypatch.setattr(debian.shutil, "which", lambda name: "/usr/bin/apt-get")

    def call(command: list[str]) -> subprocess.CompletedProcess[str]:
        calls.append(command[:2])
        assert os.access(policy, os.X_OK)  # no service starts meanwhile
        return subprocess.CompletedProcess(command, 0 if command[1] == "update" else 100, "E: no such package")

    monkeypatch.setattr(debian, "call", call)
    with pytest.raises(debian.AptError, match="no such package"):
        debian.apt_install(["nothing"])
    assert calls == [["apt-get", "install"], ["apt-get", "update"], ["apt-get", "install"]]
    assert not policy.exists()


def test_a_policy_of_the_machine_s_own_is_left_as_it_is(
    debian: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("theirs", encoding="ascii")
    monkeypatch.setattr(debian, "POLICY", policy)
    with debian.no_service_started():
        pass
    assert policy.read_text(encoding="ascii") == "theirs"
