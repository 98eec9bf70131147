# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions: none forgets a folder of tests, and the caller's own settings change no result."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
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


def test_what_belongs_together_stays_on_one_worker(tmp_path: Path) -> None:
    """By the scheduler of tests/conftest.py: with some versions of pytest, pytest-xdist's own finds no group."""
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "gateways").mkdir()
    told = tmp_path / "workers"
    for name in ("one", "two"):
        text = f"""
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(12))
def test_{name}(number):
    with pathlib.Path({str(told)!r}).open("a") as file:
        print("{name}", os.environ["PYTEST_XDIST_WORKER"], file=file)
"""
        (tmp_path / "gateways" / f"test_{name}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    settings = ("-c", os.devnull, "--rootdir", str(tmp_path), "--import-mode=importlib")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(
        [*command, *settings, str(tmp_path)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = told.read_text(encoding="utf-8").splitlines()
    assert (len(lines), len(set(lines))) == (24, 2)
