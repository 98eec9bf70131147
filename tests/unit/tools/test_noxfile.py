# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions: none forgets a folder of tests, and the caller's own settings change no result."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def noxfile() -> Iterator[ModuleType]:
    pytest.importorskip("antsibull_nox", reason="nox is not installed beside this interpreter")
    before = Path.cwd()
    os.chdir(ROOT)  # where nox reads its files
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    os.chdir(before)


def test_no_folder_of_tests_is_forgotten(noxfile: ModuleType) -> None:
    source = Path(str(noxfile.__file__)).read_text(encoding="utf-8")
    tests = ROOT / "tests"
    folders = {path.relative_to(tests).parts[0] for path in tests.rglob("test_*.py")} - {"output"}
    assert {folder for folder in folders if f'"tests/{folder}"' not in source} == set()


def test_what_ansible_test_left_out_is_said_once_for_each_test(noxfile: ModuleType) -> None:
    text = (
        'WARNING: Skipping sanity test "compile" on Python 3.9 because it could not be found.\n'
        'WARNING: Skipping sanity test "compile" on Python 3.14 because it could not be found.\n'
        'WARNING: Required program "shellcheck" not found.\n'
    )
    assert noxfile.sanity_skips(text) == [
        "test compile: no Python 3.9, 3.14 here",
        'Required program "shellcheck" not found.',
    ]


def test_the_caller_s_ansible_settings_change_no_result(noxfile: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_STRATEGY", "free")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    variables = noxfile.variables()
    assert variables["ANSIBLE_STRATEGY"] is None
    assert variables["PYTHONPATH"] is None
    assert variables["PATH"].split(os.pathsep)[0] == str(ROOT / ".venv" / "bin")


def test_pip_s_settings_reach_the_sanity_tests(noxfile: ModuleType) -> None:
    text = noxfile.pip_settings(Path(sys.prefix))
    assert text.startswith("[global]\n")
    assert "quiet = 2" in text
