# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes the files that decide, one small change at a time, and names the changes that no test notices.

    .venv/bin/python tools/mutants.py [part of a file's name …]

Which files, by which tests, and which changes make no difference: tests/mutants.yml. Fails below 95 % noticed.

Each change is tried in a fork of this process, which has loaded what the tests import, and by the tests first that ran
the changed lines: most changes are noticed by the first of them.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests" / "mutants.yml"
ENOUGH = 0.95
MEMORY = 4 << 30
#: Since Python 3.12; without it the tests run in their own order.
_WATCH: Any = vars(sys).get("monitoring")
#: What most tests import; nothing of the collection, which differs from fork to fork.
LOADED = (
    *("hypothesis", "jinja2", "jsonschema", "xdist.plugin", "ansible.errors", "ansible.plugins.action"),
    *("cryptography.x509", "cryptography.x509.ocsp", "cryptography.hazmat.primitives.asymmetric.rsa"),
    *("cryptography.hazmat.primitives.serialization.pkcs12", "multiprocessing.pool", "asyncio", "http.server"),
)
_OTHER: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: `said` is its line as changed, in the table and in the report; `lines`: those of its statement."""

    said: str
    source: str
    lines: range


def mutants_of(source: str) -> Iterator[Mutant]:
    """Every small change of a file, one at a time."""
    before = ast.unparse(ast.parse(source)).splitlines()
    for number, (node, _change) in enumerate(_changes(ast.parse(source))):
        tree = ast.parse(source)
        for position, (_node, change) in enumerate(_changes(tree)):
            if position == number:
                change()
                break
        text = ast.unparse(ast.fix_missing_locations(tree))
        line = next((new for old, new in zip(before, text.splitlines(), strict=False) if old != new), None)
        if line is not None:
            yield Mutant(line.strip(), text, _lines_of(tree, node.lineno))


def _lines_of(tree: ast.AST, line: int) -> range:
    """The lines of the innermost statement at `line`, without its body."""
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    inner = max(
        (node for node in statements if node.lineno <= line <= (node.end_lineno or 0)), key=lambda node: node.lineno
    )
    body = getattr(inner, "body", None)
    return range(inner.lineno, body[0].lineno if body else (inner.end_lineno or line) + 1)


def _changes(tree: ast.AST) -> Iterator[tuple[Any, Callable[[], None]]]:
    """What can be changed: the node, and a function that does it. Texts, types, decorators and zip's `strict` stay."""
    decorators = [part for node in ast.walk(tree) for part in getattr(node, "decorator_list", ())]
    kept = {id(part) for decorator in decorators for part in ast.walk(decorator)}
    # What `zip(strict=True)` raises would be a mistake of ours, and no input's.
    kept |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "strict"}
    for node in ast.walk(tree):
        if id(node) in kept:
            continue
        if isinstance(node, ast.Compare):
            for place, operator in enumerate(node.ops):
                if type(operator) in _OTHER:
                    yield node, partial(node.ops.__setitem__, place, _OTHER[type(operator)]())
        elif isinstance(node, (ast.BoolOp, ast.BinOp)) and type(node.op) in _OTHER and not _is_type(node):
            yield node, partial(setattr, node, "op", _OTHER[type(node.op)]())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, partial(setattr, node, "operand", ast.UnaryOp(ast.Not(), node.operand))
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, partial(setattr, node, "value", not node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            yield node, partial(setattr, node, "value", node.value + 1)
        elif isinstance(node, (ast.If, ast.IfExp)):
            yield node, partial(setattr, node, "test", ast.UnaryOp(ast.Not(), node.test))


def _is_type(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)


class Reached:
    """Asks which tests run which lines of a file; `tests` by line, those that run when the file is loaded by none."""

    def __init__(self, file: Path) -> None:
        self.file, self.test, self.tests = str(file), "", {}  # type: ignore[var-annotated]

    def pytest_configure(self) -> None:
        if _WATCH:
            _WATCH.use_tool_id(_WATCH.COVERAGE_ID, "mutants")
            _WATCH.register_callback(_WATCH.COVERAGE_ID, _WATCH.events.LINE, self._line)
            _WATCH.set_events(_WATCH.COVERAGE_ID, _WATCH.events.LINE)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.test = nodeid
        if _WATCH:
            _WATCH.restart_events()

    def _line(self, code: Any, line: int) -> object:
        if self.test and os.path.realpath(code.co_filename) == self.file:
            self.tests.setdefault(line, set()).add(self.test)
        return _WATCH.DISABLE


class First:
    """Runs the tests in `names` first."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: item.nodeid not in self.names)


def _tests(tree: Path, tests: list[str], plugin: object) -> int:
    """pytest's verdict on the copy `tree`; for a process of its own."""
    os.chdir(tree)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    return int(pytest.main(["-qx", "-p", "no:cacheprovider", *tests], plugins=[plugin]))


def _forked(seconds: float, work: Callable[[], int]) -> int:
    """The process that does it; it ends by itself after `seconds`."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.alarm(int(seconds) + 1)
        os._exit(work())
    finally:
        os._exit(1)


def reached(file: str, tests: list[str], tree: Path) -> tuple[dict[int, set[str]], float]:
    """The tests that run each line of the unchanged file, and the seconds that all take. Fails where one fails."""
    target, began = Reached((tree / file).resolve()), time.monotonic()
    reader, writer = os.pipe()

    def work() -> int:
        failed = _tests(tree, tests, target)
        with os.fdopen(writer, "w", encoding="utf-8") as pipe:
            yaml.safe_dump({} if failed else {line: sorted(names) for line, names in target.tests.items()}, pipe)
        return failed

    pid = _forked(600, work)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        found = yaml.load(pipe, yaml.CSafeLoader) or {}
    if os.waitpid(pid, 0)[1]:
        raise SystemExit(f"{file}: its tests fail without any change")
    return {line: set(names) for line, names in found.items()}, time.monotonic() - began


def unnoticed(file: str, tests: list[str], mutants: list[Mutant], trees: list[Path]) -> list[Mutant]:
    """The changes with which no test fails; one that never ends is noticed."""
    by_line, seconds = reached(file, tests, trees[0])
    sys.dont_write_bytecode = True
    free, running, missed = list(trees), {}, set()  # type: ignore[var-annotated]
    for number, mutant in enumerate([*mutants, *[None] * len(trees)]):
        if mutant is None or not free:
            if not running:
                continue
            pid, status = os.wait()
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            done, tree = running.pop(pid)
            if status == 0:
                missed.add(done)
            shutil.copy2(ROOT / file, tree / file)
            free.append(tree)
        if mutant is not None:
            tree = free.pop()
            (tree / file).write_text(mutant.source, encoding="utf-8")
            first = First(set().union(*(by_line.get(line, ()) for line in mutant.lines)))
            running[_forked(20 + 5 * seconds, partial(_tests, tree, tests, first))] = number, tree
    sys.dont_write_bytecode = False
    return [mutants[number] for number in sorted(missed)]


def main() -> int:
    """Try all; print what no test noticed, and the counts by file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    for name in LOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    tried = missed = 0
    with tempfile.TemporaryDirectory() as folder:
        trees = [_copy(Path(folder).resolve() / str(number)) for number in range(options.jobs)]
        for file, entry in yaml.safe_load(TABLE.read_text(encoding="utf-8")).items():
            if options.files and not any(part in file for part in options.files):
                continue
            same, source = entry.get("same", {}), (ROOT / file).read_text(encoding="utf-8")
            mutants = [mutant for mutant in mutants_of(source) if mutant.said not in same]
            left = unnoticed(file, entry["tests"], mutants, trees)
            tried, missed = tried + len(mutants), missed + len(left)
            print(f"{file}: {len(mutants) - len(left)} noticed, {len(left)} not, {len(same)} without a difference")
            for mutant in left:
                print(f"    {mutant.said}  (line {mutant.lines.start})")
            sys.stdout.flush()
    share = (tried - missed) / (tried or 1)
    print(f"{tried - missed} of {tried} changes noticed ({share:.1%})")
    return 0 if share >= ENOUGH else 1


def _copy(tree: Path) -> Path:
    """A copy of the checkout that imports itself as the collection."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    home = tree / "collections" / "ansible_collections" / "biomed"
    home.mkdir(parents=True, exist_ok=True)
    (home / "cert_hygiene").symlink_to(tree)
    return tree


if __name__ == "__main__":
    sys.exit(main())
