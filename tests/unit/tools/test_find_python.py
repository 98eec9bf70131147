# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interpreter is chosen by trying: names that lie, lack something or are too old are passed over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "find-python.sh"
REAL = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
HERE = "{}.{}".format(*sys.version_info[:2])


def program(folder: Path, name: str, body: str) -> Path:
    """A shell script that stands for an interpreter."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def shell_tools(tmp_path: Path) -> Path:
    """A folder with the few programs that the script itself needs, and no Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "tr", "sed", "head"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def find(*arguments: str, path: list[Path], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.pathsep.join(map(str, path)), "HOME": "/nonexistent", **variables}
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_a_shim_that_fails_is_passed_over(tmp_path: Path, shell_tools: Path) -> None:
    shims = tmp_path / "shims"
    program(shims, "python3.14", "echo 'python3.14: command not found' >&2; exit 127")
    program(shims, "python3", f'exec "{REAL}" "$@"')
    answer = find(path=[shims, shell_tools])
    assert (answer.returncode, answer.stdout.strip()) == (0, REAL)


def test_a_name_later_on_the_path_is_tried_too(tmp_path: Path, shell_tools: Path) -> None:
    program(tmp_path / "a", "python3", "exit 1")
    program(tmp_path / "b", "python3", f'exec "{REAL}" "$@"')
    answer = find(path=[tmp_path / "a", tmp_path / "b", shell_tools])
    assert answer.stdout.strip() == REAL


def test_a_whole_python_wins_over_one_that_makes_no_environments(tmp_path: Path, shell_tools: Path) -> None:
    program(tmp_path / "bin", "python3.14", "echo bare /opt/bare/python3.14")
    program(tmp_path / "bin", "python3", f'exec "{REAL}" "$@"')
    assert find(path=[tmp_path / "bin", shell_tools]).stdout.strip() == REAL


def test_one_that_makes_no_environments_is_better_than_none(tmp_path: Path, shell_tools: Path) -> None:
    program(tmp_path / "bin", "python3.12", "echo bare /opt/bare/python3.12")
    answer = find(path=[tmp_path / "bin", shell_tools])
    assert (answer.returncode, answer.stdout.strip()) == (0, "/opt/bare/python3.12")


def test_pyenv_versions_are_found_beside_the_shims(tmp_path: Path, shell_tools: Path) -> None:
    (tmp_path / "pyenv" / "shims").mkdir(parents=True)
    program(tmp_path / "pyenv" / "versions" / f"{HERE}.9" / "bin", "python", f'exec "{REAL}" "$@"')
    answer = find(path=[tmp_path / "pyenv" / "shims", shell_tools])
    assert answer.stdout.strip() == REAL


def test_a_version_that_is_asked_for_is_the_one_given(tmp_path: Path, shell_tools: Path) -> None:
    program(tmp_path / "bin", "python3", f'exec "{REAL}" "$@"')
    assert find(HERE, path=[tmp_path / "bin", shell_tools]).stdout.strip() == REAL
    answer = find("3.10", path=[tmp_path / "bin", shell_tools])
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "3.10" in answer.stderr


def test_the_chosen_one_works_or_nothing_does(tmp_path: Path, shell_tools: Path) -> None:
    program(tmp_path / "bin", "python3", f'exec "{REAL}" "$@"')
    assert find(path=[shell_tools], PYTHON=REAL).stdout.strip() == REAL
    answer = find(path=[tmp_path / "bin", shell_tools], PYTHON="/opt/none/python3")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "/opt/none/python3" in answer.stderr


def test_nothing_at_all_ends_with_the_way_out(shell_tools: Path) -> None:
    answer = find(path=[shell_tools])
    assert answer.returncode == 1
    assert "make PYTHON=" in answer.stderr
