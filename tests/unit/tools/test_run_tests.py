# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of the tests: one failure hides no other, nothing skipped goes unnamed, nothing failed ends with 0."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

JUNIT = """<testsuites><testsuite>
<testcase classname="tests.unit.test_a" name="test_one"/>
<testcase classname="tests.unit.test_a" name="test_two"><failure message="no">trace</failure></testcase>
<testcase classname="tests.unit.test_a" name="test_three"><error message="no">trace</error></testcase>
<testcase classname="tests.unit.test_a" name="test_four"><skipped message="openssl is missing"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def runner(run_tests: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(run_tests, "OUTPUT", tmp_path)
    return run_tests


def steps(runner: ModuleType, **actions: Any) -> list[Any]:
    return [runner.Step(name, "lint", action) for name, action in actions.items()]


def finish(runner: ModuleType, chosen: list[Any], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    status = runner.summarize(chosen, runner.run_all(chosen), 1.0)
    return status, capsys.readouterr().out.splitlines()


def test_a_failing_step_does_not_hide_the_others(runner: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def says_and_fails(log: Any) -> int:
        return int(log.run("sh", "-c", "echo the reason; exit 3"))

    def breaks(log: Any) -> int:
        raise ValueError("a broken step")

    status, lines = finish(runner, steps(runner, a=says_and_fails, b=breaks, c=lambda log: 0), capsys)
    assert status == 1
    assert lines[-1] == "1 passed, 2 failed, 0 skipped"
    assert "the reason" in lines
    assert "ValueError: a broken step" in lines


def test_all_well_ends_with_0(runner: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = finish(runner, steps(runner, a=lambda log: 0), capsys)
    assert (status, lines[-1]) == (0, "1 passed, 0 failed, 0 skipped")


def test_what_is_skipped_is_named_with_its_reason(runner: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def skips(log: Any) -> int:
        raise runner.Skip("nginx is missing")

    status, lines = finish(runner, steps(runner, servers=skips), capsys)
    assert status == 0
    assert "Skipped (1):" in lines
    assert "  servers: nginx is missing" in lines
    assert lines[-1] == "0 passed, 0 failed, 1 skipped"


def test_the_cases_of_one_test_are_skipped_on_one_line(runner: ModuleType) -> None:
    why = "this Python cannot set X448"
    unit = runner.Outcome("passed", skips=[("a.test_group[1.2-X448]", why), ("a.test_group[1.3-X448]", why)])
    other = runner.Outcome("passed", skips=[("a.test_group[1.2-X448]", why), ("a.test_root", "needs root")])
    assert runner.skip_lines({"unit": unit, "unit-other": other}) == [
        f"a.test_group (3 times) [unit, unit-other]: {why}",
        "a.test_root [unit-other]: needs root",
    ]


def test_pytest_s_own_tests_are_counted(runner: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(JUNIT, encoding="utf-8")
    outcome = runner.Outcome("failed")
    runner.read_junit(tmp_path / "unit.xml", outcome)
    assert (outcome.passed, outcome.failed) == (1, 2)
    assert outcome.skips == [("tests.unit.test_a.test_four", "openssl is missing")]


def test_a_pytest_that_dies_without_a_failure_is_a_failure(
    runner: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def dies(log: Any) -> int:
        (tmp_path / "unit.xml").write_text("<testsuites/>", encoding="utf-8")
        return 3

    status, lines = finish(runner, [runner.Step("unit", "unit", dies, junit=True)], capsys)
    assert (status, lines[-1]) == (1, "0 passed, 1 failed, 0 skipped")


def test_a_step_waits_for_those_that_it_comes_after(runner: ModuleType) -> None:
    order: list[str] = []

    def slow(log: Any) -> int:
        time.sleep(0.2)
        order.append("setup")
        return 0

    def then(log: Any) -> int:
        order.append("unit")
        return 0

    chosen = [runner.Step("setup", "setup", slow), runner.Step("unit", "unit", then, after=("setup",))]
    outcomes = runner.run_all(chosen)
    assert order == ["setup", "unit"]
    assert outcomes["setup"].passed == 0  # setting up is no test


def test_a_step_that_hangs_is_ended(runner: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "STEP_TIMEOUT", 0.3)
    started = time.monotonic()
    outcomes = runner.run_all(steps(runner, hangs=lambda log: log.run("sh", "-c", "sleep 60")))
    assert outcomes["hangs"].status == "failed"
    assert time.monotonic() - started < 30


def test_the_caller_s_ansible_settings_change_no_result(runner: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_STRATEGY", "free")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    environment = runner.base_environment()
    assert "ANSIBLE_STRATEGY" not in environment
    assert "PYTHONPATH" not in environment
    assert environment["PATH"].split(os.pathsep)[0] == str(runner.VENV / "bin")


def test_what_ansible_test_left_out_is_said_once_for_each_test(runner: ModuleType) -> None:
    text = (
        'WARNING: Skipping sanity test "compile" on Python 3.9 because it could not be found.\n'
        'WARNING: Skipping sanity test "compile" on Python 3.14 because it could not be found.\n'
        'WARNING: Required program "shellcheck" not found.\n'
    )
    assert runner.sanity_skips(text) == [
        "test compile: no Python 3.9, 3.14 here",
        'Required program "shellcheck" not found.',
    ]


def test_missing_packages_are_named_where_root_is_missing(runner: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(runner.shutil, "which", lambda name, path=None: None)
    with pytest.raises(runner.Skip, match=r"openssl \(.+\)"):
        runner.debian_packages(runner.Log("packages"))


def test_a_package_that_does_not_exist_keeps_none_of_the_others_away(
    runner: ModuleType, setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[str] = []

    def apt_install(packages: list[str]) -> None:
        if "openjdk-17" in packages:
            raise setup_env.SetupError("E: no such package")
        installed.extend(packages)

    monkeypatch.setattr(setup_env, "apt_install", apt_install)
    refused = runner.install_what_exists(runner.Log("packages"), ["nginx", "openjdk-17", "slapd"])
    assert refused == ["openjdk-17"]
    assert installed == ["nginx", "slapd"]


def test_pip_s_settings_reach_the_sanity_tests(runner: ModuleType) -> None:
    text = runner.pip_settings(Path(sys.prefix))
    assert text.startswith("[global]\n")
    assert "quiet = 2" in text


def test_the_steps_have_names_of_their_own_and_follow_steps_that_exist(run_tests: ModuleType) -> None:
    names = [step.name for step in run_tests.STEPS]
    assert len(names) == len(set(names))
    assert {name for step in run_tests.STEPS for name in step.after} <= set(names)
    assert {step.group for step in run_tests.STEPS} == {"setup", *run_tests.GROUPS}


def test_no_folder_of_tests_is_forgotten(run_tests: ModuleType) -> None:
    source = Path(run_tests.__file__).read_text(encoding="utf-8")
    tests = run_tests.ROOT / "tests"
    folders = {path.relative_to(tests).parts[0] for path in tests.rglob("test_*.py")} - {"output"}
    assert {folder for folder in folders if f'"tests/{folder}"' not in source} == set()
