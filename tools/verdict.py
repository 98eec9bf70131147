# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs sessions of noxfile.py two at a time, ends whatever they started, and adds up what they found.

    python tools/verdict.py test             the sessions with the tag `test`   (make test)
    python tools/verdict.py test-all         those with `test` or `more`        (make test-all)
    python tools/verdict.py more             those with `more` alone
    python tools/verdict.py --add-up test more    nothing is run: both verdicts as one

What nox cannot do: it forgets what its sessions started when it is told to end, and it counts no tests. Each pytest
test counts as itself, any other session as one; a session without a verdict, however it died, has failed. The exit
status is 1 where anything failed. The standard library alone: the last line is said even where nothing was installed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "tests" / "output"
TAGS = {"test": ("test",), "more": ("more",), "test-all": ("test", "more")}
MINUTES = int(os.environ.get("CERT_HYGIENE_MINUTES") or 0)
"""After so many a run is taken for hung and ended, so that what had ended by then keeps its verdict. 0: never."""

TIDY = 30.0
"""Seconds that the tests have to take down what they built, once they are told to end."""

PR_SET_CHILD_SUBREAPER = 36


# --- running ------------------------------------------------------------------------------------------------------


class Stopped(Exception):
    """By a signal, which is the argument."""


def run_sessions(name: str, folder: Path) -> int:
    """nox on these tags; returns the number of the signal that ended it before its end, else 0."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    nox = [sys.executable, "-m", "nox", "--parallel", "2", "--report", str(folder / "nox.json")]
    command = [*nox, "--noxfile", str(ROOT / "noxfile.py"), "--tags", *TAGS[name]]
    # Whatever loses its parent becomes our child, not the first process's, and so is found at the end.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, _stop)
    signal.alarm(MINUTES * 60)
    try:
        process = subprocess.Popen(command, env={**os.environ, "CERT_HYGIENE_RESULTS": str(folder)}, cwd=ROOT)
        process.wait()
        return 0
    except Stopped as stopped:
        why = "Hung" if stopped.args[0] == signal.SIGALRM else "Told to stop"
        print(f"\n{why}: ending what was started …", flush=True)
        return int(stopped.args[0])
    finally:
        signal.alarm(0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        end_descendants()


def _stop(number: int, _frame: object) -> None:
    raise Stopped(number)


def end_descendants() -> None:
    """Ask everything that was started to end, so that tests take down what they built; kill what does not."""
    signals: Iterator[int] = iter([signal.SIGTERM])
    deadline = time.monotonic() + TIDY
    while found := descendants():
        number = signal.SIGKILL if time.monotonic() > deadline else next(signals, 0)
        for pid in found if number else ():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > deadline + TIDY:
            return  # a process that cannot be killed is the kernel's
        time.sleep(0.05)


def descendants() -> list[int]:
    """All processes that this one and its children started and that still live. Empty where there is no /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # After the name, which may hold anything: the state and the parent.
            words = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            parents[int(entry.name)] = int(words[1])
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        parent = waiting.pop()
        children = [pid for pid, above in parents.items() if above == parent]
        found += children
        waiting += children
    return found


# --- adding up ----------------------------------------------------------------------------------------------------


@dataclass
class Verdict:
    """What the sessions came to. `skips`: (session, what, why); `times`: (seconds, test)."""

    lines: list[str] = field(default_factory=list)
    passed: int = 0
    failed: int = 0
    skips: list[tuple[str, str, str]] = field(default_factory=list)
    times: list[tuple[float, str]] = field(default_factory=list)


def read_folder(folder: Path, verdict: Verdict) -> None:
    """Add what a run left in its folder: nox's report, pytest's results, named skips."""
    try:
        sessions = json.loads((folder / "nox.json").read_text(encoding="utf-8"))["sessions"]
    except (OSError, ValueError, KeyError):
        # The run itself died, or never began. The tests that had ended by then keep their verdicts.
        sessions = [{"name": path.stem, "result": "unknown"} for path in sorted(folder.glob("*.xml"))]
        verdict.failed += 1
        verdict.lines.append(f"{folder.name}: ended before its end, or never began")
    for session in sessions:
        read_session(folder, session, verdict)


def read_session(folder: Path, session: dict[str, object], verdict: Verdict) -> None:
    name, result = str(session["name"]), str(session["result"])
    counted = Verdict()
    if (folder / f"{name}.xml").exists():
        read_junit(folder / f"{name}.xml", name, counted)
    if (folder / f"{name}.skips").exists():
        lines = (folder / f"{name}.skips").read_text(encoding="utf-8").splitlines()
        counted.skips += [(name, name, line) for line in lines]
    if result == "skipped":
        counted.skips.append((name, name, str(session.get("reason") or "no reason given")))
    elif result == "success" and not counted.passed and not counted.times:
        counted.passed = 1
    elif result not in ("success", "unknown") and not counted.failed:
        counted.failed = 1
    seconds = float(str(session.get("duration") or 0))
    tests = f"{counted.passed} passed, {counted.failed} failed, {len(counted.skips)} skipped"
    verdict.lines.append(f"{name:<20}{result:<9}{seconds:7.0f} s  {tests}")
    verdict.passed += counted.passed
    verdict.failed += counted.failed
    verdict.skips += counted.skips
    verdict.times += counted.times


def read_junit(path: Path, session: str, verdict: Verdict) -> None:
    """Count pytest's tests; a file that was cut off is a failure."""
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except ElementTree.ParseError:
        verdict.failed += 1
        return
    for case in cases:
        if case.get("name") is None:
            continue  # what was under way when pytest was interrupted
        # pytest-xdist writes the group behind the name.
        name = re.sub(r"@[\w. -]+$", "", f"{case.get('classname')}.{case.get('name')}")
        verdict.times.append((float(case.get("time") or 0), name))
        skipped = case.find("skipped")
        if skipped is not None:
            verdict.skips.append((session, name, skipped.get("message") or "no reason given"))
        elif case.find("failure") is not None or case.find("error") is not None:
            verdict.failed += 1
        else:
            verdict.passed += 1


def skip_lines(skips: Sequence[tuple[str, str, str]]) -> list[str]:
    """Each skipped test by name with its reason; the cases of one test, and one test of several sessions, as one."""
    groups: dict[tuple[str, str], list[str]] = {}
    for session, what, why in skips:
        groups.setdefault((what.partition("[")[0], why), []).append(session)
    lines = []
    for (what, why), sessions in groups.items():
        times = f" ({len(sessions)} times)" if len(sessions) > 1 else ""
        where = "" if sessions == [what] else f" [{', '.join(dict.fromkeys(sessions))}]"
        lines.append(f"{what}{times}{where}: {why}")
    return lines


def say(verdict: Verdict, seconds: float | None = None) -> int:
    """Print it all; the last line adds up. Returns the exit status."""
    print("\n" + "\n".join(verdict.lines))
    if verdict.times:
        print("\nThe slowest ten tests:")
        print("\n".join(f"  {took:6.1f} s  {name}" for took, name in sorted(verdict.times, reverse=True)[:10]))
    if verdict.skips:
        print(f"\nSkipped ({len(verdict.skips)}):")
        print("\n".join(f"  {line}" for line in skip_lines(verdict.skips)))
    took = "" if seconds is None else f"{seconds:.0f} s in all. "
    print(f"\n{took}Each pytest test counts as itself, any other session as one.")
    print(f"{verdict.passed} passed, {verdict.failed} failed, {len(verdict.skips)} skipped")
    return 1 if verdict.failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the project's checks, and add up what they found.")
    parser.add_argument("names", nargs="+", choices=sorted(TAGS))
    parser.add_argument("--add-up", action="store_true", help="run nothing: add up what the last runs left")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    verdict = Verdict()
    stopped = 0
    for name in options.names:
        if not options.add_up and not stopped:
            stopped = run_sessions(name, OUTPUT / name)
        read_folder(OUTPUT / name, verdict)
    status = say(verdict, None if options.add_up else time.monotonic() - started)
    return 128 + stopped if stopped else status


if __name__ == "__main__":
    sys.exit(main())
