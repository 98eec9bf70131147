# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzes every parser of what devices send, on all cores, for as long as it is told.

    python tests/fuzz/run.py --minutes 30
    python tests/fuzz/run.py --minutes 5 --targets judge,describe
    python tests/fuzz/run.py --replay tests/fuzz/corpus/describe/crash-0123456789ab.bin

Inputs are damaged seeds (see mutate.py); one that reaches a new line of the code, or gives a result of a new shape,
is damaged further. Each input has a time limit and each process a memory limit. What breaks is made small and saved
as corpus/<target>/crash-*.bin, hang-*.bin for what never came back, and what reached new lines as kept-*.bin: all of
them are replayed by the tests. The exit status is 1 when anything broke.

Lines are watched with sys.monitoring, hence from Python 3.12 on; before, the shape of the results has to do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tests")]

from fuzz.mutate import Mutator  # noqa: E402
from fuzz.targets import TARGETS, Target  # noqa: E402

#: How long a worker stays with the smallest target before it takes the next.
SLICE_SECONDS = 1.5
#: The longest that it stays with one.
LONGEST_SLICE = 4 * SLICE_SECONDS
#: Inputs that are damaged further, for each target.
MAX_POOL = 400
#: What a worker writes to the corpus of a target in one run.
MAX_KEPT = {"files": 3, "bytes": 4096}
SHRINK_SECONDS = 5.0
#: How long after its time limit an input that does not even stop for a signal is waited for.
PATIENCE = 10.0


class TooSlow(BaseException):
    """The input took longer than it may. No Exception, so that no parser's own handler hides it."""


@dataclass
class Figures:
    """What one target has been through."""

    executions: int = 0
    crashes: int = 0
    slowest: float = 0.0
    seconds: float = 0.0
    pool: int = 0
    lines: int = 0

    def add(self, other: Figures) -> None:
        self.executions += other.executions
        self.crashes += other.crashes
        self.slowest = max(self.slowest, other.slowest)
        self.seconds += other.seconds
        self.pool = max(self.pool, other.pool)
        self.lines = max(self.lines, other.lines)


# -- what was reached


class Lines:
    """The lines of the collection that ran since the last look; `fresh` is empty where Python can't tell."""

    def __init__(self) -> None:
        self.fresh: set[tuple[str, int]] = set()
        monitoring = getattr(sys, "monitoring", None)
        self.watched = monitoring is not None
        if monitoring is None:
            return
        self._plugins = f"{os.sep}plugins{os.sep}"

        def reached(code: CodeType, line: int) -> Any:
            if self._plugins in code.co_filename:
                self.fresh.add((code.co_filename, line))
            return monitoring.DISABLE

        monitoring.use_tool_id(monitoring.COVERAGE_ID, "fuzz")
        monitoring.register_callback(monitoring.COVERAGE_ID, monitoring.events.LINE, reached)
        monitoring.set_events(monitoring.COVERAGE_ID, monitoring.events.LINE)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow

    # CPU-seconds: a machine with other things to do is no finding. What waits for ever, the parent sees.
    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def failure_of(target: Target, data: bytes, cap: float) -> tuple[str, str] | None:
    """(where it broke, the whole story), or None."""
    try:
        with time_limit(cap):
            target.function(data)
    except TooSlow:
        return "too slow", f"more than {cap} CPU-seconds"
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {last.name}:{last.lineno}", traceback.format_exc()
    return None


def shrink(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """A smaller input that still fails, as far as a few seconds go."""
    deadline = time.monotonic() + SHRINK_SECONDS
    size = max(1, len(data) // 2)
    while size and time.monotonic() < deadline:
        at, smaller = 0, False
        while at < len(data) and time.monotonic() < deadline:
            candidate = data[:at] + data[at + size :]
            if fails(candidate):
                data, smaller = candidate, True
            else:
                at += size
        if not smaller:
            size //= 2
    return data


def save(target: str, kind: str, data: bytes) -> Path:
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
    path.write_bytes(data)
    return path


# -- the worker


@dataclass
class Hunt:
    """One target in one worker: its pool of inputs and what it has seen."""

    target: Target
    mutator: Mutator
    cap: float
    lines: Lines
    shapes: set[str] = field(default_factory=set)
    known_failures: set[str] = field(default_factory=set)
    seen_lines: int = 0
    kept: int = 0

    def replay(self) -> None:
        """Run what is there already, so that only what is new counts as new."""
        for data in list(self.mutator.seeds):
            if failure_of(self.target, data, self.cap * 5) is None:
                self.shapes.add(repr(self.target.function(data)))
        self.seen_lines += len(self.lines.fresh)
        self.lines.fresh.clear()

    def one_slice(self, current: IO[bytes], until: float) -> Figures:
        figures = Figures()
        begun = time.monotonic()
        while time.monotonic() < until:
            data = b""
            with suppress(TooSlow), time_limit(self.cap):
                data = self.mutator.make()
            current.seek(0)
            current.write(len(data).to_bytes(4, "big") + data)
            current.flush()
            started = time.process_time()
            shape, broke = None, False
            try:
                with time_limit(self.cap):
                    shape = self.target.function(data)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:
                broke = True
            took = time.process_time() - started
            figures.executions += 1
            figures.slowest = max(figures.slowest, took)
            if broke:
                figures.crashes += self._report(data)
            else:
                self._learn(data, repr(shape))
        figures.seconds = time.monotonic() - begun
        figures.pool, figures.lines = len(self.mutator.seeds), self.seen_lines
        return figures

    def _learn(self, data: bytes, shape: str) -> None:
        fresh = len(self.lines.fresh)
        if fresh:
            self.seen_lines += fresh
            self.lines.fresh.clear()
            if self.kept < MAX_KEPT["files"] and len(data) <= MAX_KEPT["bytes"]:
                self.kept += 1
                save(self.target.name, "kept", data)
        if fresh or shape not in self.shapes:
            self.shapes.add(shape)
            if len(self.mutator.seeds) >= MAX_POOL:
                self.mutator.seeds.pop(random.randrange(len(self.mutator.seeds)))
            self.mutator.seeds.append(data)

    def _report(self, data: bytes) -> int:
        failure = failure_of(self.target, data, self.cap)
        if failure is None:
            # Slow once, as the first of its kind: what it needed is remembered now.
            return 0
        where, _story = failure
        if where in self.known_failures:
            return 0
        self.known_failures.add(where)

        def fails(candidate: bytes) -> bool:
            found = failure_of(self.target, candidate, self.cap)
            return found is not None and found[0] == where

        small = shrink(data, fails)
        path = save(self.target.name, "crash", small)
        found = failure_of(self.target, small, self.cap)
        say({"crash": str(path.relative_to(ROOT)), "where": where, "story": found[1] if found else ""})
        return 1


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def work(options: argparse.Namespace) -> int:
    """One worker: every target in turn, a slice each, until it is ended."""
    limit = options.memory * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    lines = Lines()
    hunts: dict[str, Hunt] = {}
    names = options.targets
    turn = options.worker * len(names) // max(1, options.workers)
    with open(options.current, "wb") as current:
        while True:
            target = TARGETS[names[turn % len(names)]]
            turn += 1
            say({"start": target.name})
            hunt = hunts.get(target.name)
            if hunt is None:
                rng = random.Random(f"{options.seed} {options.worker} {target.name}")
                hunt = Hunt(target, Mutator(rng, target.inputs(), target.form, target.tokens), options.cap, lines)
                hunt.replay()
                hunts[target.name] = hunt
            until = time.monotonic() + SLICE_SECONDS * target.weight
            say({"target": target.name, "figures": asdict(hunt.one_slice(current, until))})


# -- the parent


class Worker:
    """A worker process, and a thread's worth of state on what it does."""

    def __init__(self, number: int, options: argparse.Namespace, folder: Path) -> None:
        self.number = number
        self.options = options
        self.current = folder / f"current-{number}"
        self.lives = 0
        self.start()

    def start(self) -> None:
        self.lives += 1
        self.target = ""
        self.heard = time.monotonic()
        self.rest = b""
        words = [sys.executable, str(HERE / "run.py"), "--worker", str(self.number), "--current", str(self.current)]
        words += ["--targets", ",".join(self.options.targets), "--cap", str(self.options.cap)]
        words += ["--memory", str(self.options.memory), "--workers", str(self.options.workers)]
        words += ["--seed", f"{self.options.seed}.{self.lives}"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)

    def messages(self) -> list[dict[str, Any]]:
        assert self.process.stdout is not None
        data = self.process.stdout.read()
        if data:
            self.heard = time.monotonic()
            self.rest += data
        *whole, self.rest = self.rest.split(b"\n")
        return [json.loads(line) for line in whole]

    def hangs(self) -> bool:
        quiet = time.monotonic() - self.heard
        return quiet > LONGEST_SLICE + SHRINK_SECONDS + 30 * self.options.cap + PATIENCE

    def input(self) -> bytes:
        """What it was busy with."""
        data = self.current.read_bytes() if self.current.exists() else b""
        return data[4 : 4 + int.from_bytes(data[:4], "big")]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def table(figures: dict[str, Figures]) -> str:
    lines = [f"{'target':<26}{'executions':>12}{'per second':>12}{'crashes':>9}{'slowest s':>11}{'pool':>6}"]
    total = Figures()
    for name, figure in sorted(figures.items()):
        rate = figure.executions / figure.seconds if figure.seconds else 0
        lines.append(
            f"{name:<26}{figure.executions:>12}{rate:>12.0f}{figure.crashes:>9}{figure.slowest:>11.3f}{figure.pool:>6}"
        )
        total.add(figure)
    rate = total.executions / total.seconds if total.seconds else 0
    lines.append(f"{'all':<26}{total.executions:>12}{rate:>12.0f}{total.crashes:>9}{total.slowest:>11.3f}")
    return "\n".join(lines)


def watch(options: argparse.Namespace, folder: Path) -> int:
    """Run the workers for the time that was asked, and say what they found."""
    figures = {name: Figures() for name in options.targets}
    workers = [Worker(number, options, folder) for number in range(options.workers)]
    end = time.monotonic() + options.minutes * 60
    told = time.monotonic()
    try:
        while time.monotonic() < end:
            time.sleep(0.2)
            for worker in workers:
                for message in worker.messages():
                    if "start" in message:
                        worker.target = message["start"]
                    elif "figures" in message:
                        figures[message["target"]].add(Figures(**message["figures"]))
                    else:
                        print(f"\nBROKEN {message['where']}: {message['crash']}\n{message['story']}", flush=True)
                dead = worker.process.poll() is not None
                if dead or worker.hangs():
                    worker.end()
                    kind = "killed by itself" if dead else "never came back"
                    name = worker.target or options.targets[0]
                    path = save(name, "hang", worker.input())
                    figures[name].crashes += 1
                    print(f"\nBROKEN {name}: {kind}: {path.relative_to(ROOT)}", flush=True)
                    if worker.lives > 20:
                        print("too many workers lost", flush=True)
                        return 1
                    worker.start()
            if time.monotonic() - told > 60:
                told = time.monotonic()
                done = sum(figure.executions for figure in figures.values())
                print(f"{(end - told) / 60:.0f} min left, {done} executions", flush=True)
    except KeyboardInterrupt:
        print("stopped", flush=True)
    finally:
        for worker in workers:
            worker.end()
    print(table(figures))
    return 1 if any(figure.crashes for figure in figures.values()) else 0


def replay(path: Path, options: argparse.Namespace) -> int:
    """Run one saved input and tell all."""
    target = TARGETS.get(path.resolve().parent.name)
    for each in [target] if target else [item for item in TARGETS.values() if path.resolve().parent in item.folders]:
        failure = failure_of(each, path.read_bytes(), options.cap)
        print(f"{each.name}: {failure[1] if failure else 'fine'}")
        if failure:
            return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the parsers of what devices send.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--targets", type=lambda text: text.split(","), default=sorted(TARGETS), help="all by default")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cap", type=float, default=2.0, help="CPU-seconds for one input")
    parser.add_argument("--memory", type=int, default=1024, help="MiB of address space for each worker")
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--current", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(sorted(TARGETS))}")
    if options.replay:
        return replay(options.replay, options)
    if options.worker is not None:
        return work(options)
    import tempfile

    with tempfile.TemporaryDirectory(prefix="cert-hygiene-fuzz-") as folder:
        return watch(options, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
