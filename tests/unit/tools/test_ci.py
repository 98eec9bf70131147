# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What continuous integration runs: both halves, whatever came of the first, and one last line for both."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
REPORT = '{{"sessions": [{{"name": "{0}-one", "result": "{1}"}}]}}'
PASSED = f"mkdir -p tests/output/{{0}} && echo '{REPORT}' > tests/output/{{0}}/nox.json"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose `make` and Python only write down what the test wants."""
    for name in (".ci/run", "tools/verdict.py"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(ROOT / name, tmp_path / name)
    for folder in ("bin", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="ascii")
    path.chmod(0o755)


def start(checkout: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PATH": f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.Popen([checkout / ".ci" / "run"], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("test", "more", "last"),
    [
        (PASSED.format("test", "success"), PASSED.format("more", "success"), "2 passed, 0 failed, 0 skipped"),
        (
            PASSED.format("test", "failed") + "; exit 1",
            PASSED.format("more", "success"),
            "1 passed, 1 failed, 0 skipped",
        ),
        (PASSED.format("test", "success"), PASSED.format("more", "skipped"), "1 passed, 0 failed, 1 skipped"),
        # Neither left a verdict: nothing could be set up.
        ("exit 2", "exit 127", "0 passed, 2 failed, 0 skipped"),
    ],
)
def test_the_last_line_is_the_verdict_on_both(checkout: Path, test: str, more: str, last: str) -> None:
    # Of a run before this one: no verdict of it counts.
    for name in ("test", "more"):
        subprocess.run(["sh", "-c", PASSED.format(name, "success")], cwd=checkout, check=True)
    program(checkout / "bin" / "make", f'[ "$1" = test ] || exit 0; {test}')
    program(checkout / ".venv" / "bin" / "python", more)
    with start(checkout) as running:
        assert running.stdout is not None
        assert running.stdout.read().splitlines()[-1] == last
    assert running.returncode == (0 if "0 failed" in last else 1)


def test_a_signal_goes_on_to_what_runs_and_nothing_else_begins(checkout: Path) -> None:
    ends = "trap 'echo ended; exit 143' TERM; echo begun; while :; do sleep 0.1; done"
    program(checkout / "bin" / "make", ends)
    program(checkout / ".venv" / "bin" / "python", PASSED.format("more", "success"))
    with start(checkout) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        running.send_signal(signal.SIGTERM)
        lines = running.stdout.read().splitlines()
    assert (lines[0], lines[-1]) == ("ended", "0 passed, 2 failed, 0 skipped")
    assert running.returncode == 1
