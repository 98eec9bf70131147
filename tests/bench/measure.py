# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command and says what it cost: seconds, processor seconds, memory."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SAMPLE_SECONDS = 0.1
_MEBI = 1024 * 1024


class RunFailed(Exception):
    """The command ended badly; the message has its last words."""


@dataclass(frozen=True)
class Cost:
    """What a command and everything that it started cost.

    wall, cpu: seconds; cpu is user and system time of the command and of all its descendants.
    peaks:     MiB by part (see `part_of`), the highest resident set of any one process of that part.
    parts:     processor seconds by part, as last seen: what a process spends in its last tenth of a second is missing.
    together:  MiB, the highest sum over all processes at one moment, each shared page counted once (PSS);
               0 when it was not sampled.
    """

    wall: float
    cpu: float
    peaks: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, float] = field(default_factory=dict)
    together: float = 0.0


def part_of(command_line: str, first: bool) -> str:
    """Which part of an Ansible run a process is."""
    if "AnsiballZ" in command_line:
        return "module"
    return "controller" if first else "worker"


class _Memory(threading.Thread):
    """Looks at a process and its descendants until it is told to stop."""

    def __init__(self, pid: int, together: bool) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._sum = together
        self._over = threading.Event()
        self.peaks: dict[str, float] = {}
        self.together = 0.0
        self._seconds: dict[tuple[str, int], float] = {}

    @property
    def parts(self) -> dict[str, float]:
        """Processor seconds by part."""
        found: dict[str, float] = {}
        for (part, _pid), seconds in self._seconds.items():
            found[part] = found.get(part, 0.0) + seconds
        return found

    def run(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            total = 0.0
            for pid in self._family():
                try:
                    command_line = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
                    peak = _field(f"/proc/{pid}/status", "VmHWM:")
                    seconds = processor_seconds(pid)
                    if self._sum:
                        total += _field(f"/proc/{pid}/smaps_rollup", "Pss:")
                except OSError:
                    continue
                part = part_of(command_line, pid == self._pid)
                self.peaks[part] = max(self.peaks.get(part, 0.0), peak)
                self._seconds[part, pid] = seconds
            self.together = max(self.together, total)

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _family(self) -> list[int]:
        found, waiting = [], [self._pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    children = Path(f"/proc/{pid}/task/{task}/children").read_text()
                    waiting.extend(int(child) for child in children.split())
            except OSError:
                continue
        return found


def _field(path: str, name: str) -> float:
    """A size of a /proc file, in MiB."""
    with open(path) as handle:
        for line in handle:
            if line.startswith(name):
                return int(line.split()[1]) * 1024 / _MEBI
    return 0.0


def processor_seconds(pid: int) -> float:
    """User and system time of a process, all its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    memory: bool = False,
    accept: Sequence[int] = (0,),
) -> Cost:
    """Run to the end, output in `log`. `memory` samples the sum over all processes too (a little dearer)."""
    with log.open("wb") as out:
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=folder
        )
        watcher = _Memory(process.pid, memory)
        watcher.start()
        try:
            _pid, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            wall = time.monotonic() - started
            watcher.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accept:
        said = log.read_text(errors="replace")[-3000:]
        raise RunFailed(f"{command[0]} ended with {process.returncode}:\n{said}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, watcher.peaks, watcher.parts, watcher.together)
