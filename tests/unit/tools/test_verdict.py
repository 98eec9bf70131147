# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a run: nothing skipped goes unnamed, nothing failed or lost ends with 0, nothing started goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
JUNIT = """<testsuites><testsuite>
<testcase classname="tests.unit.test_a" name="test_one" time="3.5"/>
<testcase classname="tests.unit.test_a" name="test_two[a]@group of a" time="12.25"><failure message="no"/></testcase>
<testcase classname="tests.unit.test_a" name="test_three"><error message="no">trace</error></testcase>
<testcase classname="tests.unit.test_a" name="test_four"><skipped message="openssl is missing"/></testcase>
</testsuite></testsuites>"""


def left(folder: Path, sessions: dict[str, str], **files: str) -> Path:
    """What a run leaves: nox's report of these sessions with their results, and their files."""
    folder.mkdir(parents=True, exist_ok=True)
    report = [{"name": name, "result": result, "reason": "why not", "duration": 1} for name, result in sessions.items()]
    (folder / "nox.json").write_text(json.dumps({"result": 1, "sessions": report}), encoding="utf-8")
    for name, text in files.items():
        (folder / name.replace("_xml", ".xml").replace("_skips", ".skips")).write_text(text, encoding="utf-8")
    return folder


def added_up(verdict: ModuleType, *folders: Path) -> Any:
    found = verdict.Verdict()
    for folder in folders:
        verdict.read_folder(folder, found)
    return found


@pytest.mark.parametrize(
    ("sessions", "files", "counts"),
    [
        ({"mypy": "success", "style": "success"}, {}, (2, 0, 0)),
        ({"mypy": "failed", "style": "success"}, {}, (1, 1, 0)),
        # One that is told to end, or whose prerequisite failed.
        ({"mypy": "aborted"}, {}, (0, 1, 0)),
        ({"sanity_other": "skipped"}, {}, (0, 0, 1)),
        ({"unit": "failed"}, {"unit_xml": JUNIT}, (1, 2, 1)),
        # pytest crashed: before it wrote anything, while it wrote, after all tests had passed.
        ({"unit": "failed"}, {}, (0, 1, 0)),
        ({"unit": "failed"}, {"unit_xml": JUNIT[:200]}, (0, 1, 0)),
        ({"unit": "failed"}, {"unit_xml": JUNIT.replace("failure", "x").replace("error", "y")}, (3, 1, 1)),
        # Every test was skipped: no pass is made of that.
        ({"unit": "success"}, {"unit_xml": '<a><testcase name="b"><skipped message="c"/></testcase></a>'}, (0, 0, 1)),
        # pytest was interrupted: what was under way has no name and no verdict.
        ({"unit": "failed"}, {"unit_xml": '<a><testcase time="0"/></a>'}, (0, 1, 0)),
        ({"sanity": "success"}, {"sanity_skips": "test compile: no Python 3.9 here\ntest x: no y"}, (1, 0, 2)),
    ],
)
def test_everything_is_counted_once(
    verdict: ModuleType, tmp_path: Path, sessions: dict[str, str], files: dict[str, str], counts: tuple[int, int, int]
) -> None:
    found = added_up(verdict, left(tmp_path / "test", sessions, **files))
    assert (found.passed, found.failed, len(found.skips)) == counts


def test_a_run_that_died_has_failed_and_keeps_what_had_ended(verdict: ModuleType, tmp_path: Path) -> None:
    folder = left(tmp_path / "test", {}, unit_xml=JUNIT)
    (folder / "nox.json").unlink()
    found = added_up(verdict, folder, tmp_path / "more")
    assert (found.passed, found.failed, len(found.skips)) == (1, 4, 1)
    assert "more: ended before its end, or never began" in found.lines


def test_the_last_line_adds_up_both_runs(
    verdict: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verdict, "OUTPUT", tmp_path)
    left(tmp_path / "test", {"mypy": "success", "unit": "failed"}, unit_xml=JUNIT)
    left(tmp_path / "more", {"docs-check": "success", "unit_other": "skipped"})
    assert verdict.main(["--add-up", "test", "more"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "3 passed, 2 failed, 2 skipped"
    assert "  unit_other: why not" in lines
    assert "  tests.unit.test_a.test_four [unit]: openssl is missing" in lines
    slowest = lines.index("The slowest ten tests:")
    assert lines[slowest + 1].split() == ["12.2", "s", "tests.unit.test_a.test_two[a]"]


def test_all_well_ends_with_0(
    verdict: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verdict, "OUTPUT", tmp_path)
    left(tmp_path / "test", {"mypy": "success"})
    assert verdict.main(["--add-up", "test"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"


def test_the_cases_of_one_test_are_skipped_on_one_line(verdict: ModuleType) -> None:
    why = "this Python cannot set X448"
    skips = [("unit", f"a.test_group[{name}]", why) for name in ("1.2-X448", "1.3-X448")]
    skips += [("unit_other", "a.test_group[1.2-X448]", why), ("unit_other", "a.test_root", "needs root")]
    assert verdict.skip_lines(skips) == [
        f"a.test_group (3 times) [unit, unit_other]: {why}",
        "a.test_root [unit_other]: needs root",
    ]


#: Stands for nox: starts what has a session of its own and what loses its parent, says so, and waits.
STARTER = """
import os, subprocess, sys, time
subprocess.Popen(["sleep", "600"], start_new_session=True)
if not os.fork():
    # A daemon: its parent ends, and it does not care about SIGTERM.
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True).stdout.readline()
    os._exit(0)
os.wait()
print("all started", flush=True)
time.sleep(600)
"""
SUPERVISOR = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import verdict
verdict.TIDY = 1.0
popen = verdict.subprocess.Popen
verdict.subprocess.Popen = lambda command, **rest: popen([sys.executable, "-c", sys.argv[2]])
sys.exit(verdict.run_sessions("test", pathlib.Path(sys.argv[3])))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what lost its parent is found on Linux alone")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM])
def test_a_signal_or_the_end_of_its_time_ends_all_that_was_started(
    verdict: ModuleType, tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(ROOT / "tools"), STARTER, str(tmp_path / "test")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "all started\n"
    started = [pid for pid in verdict.descendants() if session_of(pid) != os.getsid(0)]
    assert len(started) >= 4
    process.send_signal(number)
    assert ("Hung" if number == signal.SIGALRM else "Told to stop") in process.stdout.read()
    assert process.wait() == number
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []


def session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0
