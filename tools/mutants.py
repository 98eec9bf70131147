# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes the files that decide, one small change at a time, and names the changes that no test notices.

    .venv/bin/python tools/mutants.py [part of a file's name …]

Which files, by which tests, and which changes make no difference: tests/mutants.yml. Fails below 95 % noticed.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests" / "mutants.yml"
ENOUGH = 0.95
SECONDS = 180
_OTHER: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: `said` is how the table and the report call it, "line as changed"."""

    said: str
    source: str


def mutants_of(source: str) -> Iterator[Mutant]:
    """Every small change of a file, one at a time."""
    count = sum(1 for _change in _changes(ast.parse(source)))
    for number in range(count):
        tree = ast.parse(source)
        before = ast.unparse(tree).splitlines()
        for position, change in enumerate(_changes(tree)):
            if position == number:
                change()
                break
        text = ast.unparse(ast.fix_missing_locations(tree))
        line = next((new for old, new in zip(before, text.splitlines(), strict=False) if old != new), None)
        if line is not None:
            yield Mutant(line.strip(), text)


def _changes(tree: ast.AST) -> Iterator[Any]:
    """What can be changed, each as a function that does it. Texts, types and decorators stay as they are."""
    decorators = [part for node in ast.walk(tree) for part in getattr(node, "decorator_list", ())]
    kept = {id(part) for decorator in decorators for part in ast.walk(decorator)}
    for node in ast.walk(tree):
        if id(node) in kept:
            continue
        if isinstance(node, ast.Compare):
            for place, operator in enumerate(node.ops):
                if type(operator) in _OTHER:
                    yield lambda node=node, place=place: node.ops.__setitem__(place, _OTHER[type(node.ops[place])]())
        elif isinstance(node, (ast.BoolOp, ast.BinOp)) and type(node.op) in _OTHER and not _is_type(node):
            yield lambda node=node: setattr(node, "op", _OTHER[type(node.op)]())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield lambda node=node: setattr(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield lambda node=node: setattr(node, "value", not node.value)
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield lambda node=node: setattr(node, "value", node.value + 1)
        elif isinstance(node, (ast.If, ast.IfExp)):
            yield lambda node=node: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))


def _is_type(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)


def notices(mutant: Mutant, file: str, tests: list[str], tree: Path) -> bool:
    """Whether a test fails (or never ends) with this change in `tree`, a copy of the checkout."""
    path, original = tree / file, (ROOT / file).read_text(encoding="utf-8")
    path.write_text(mutant.source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
    try:
        done = subprocess.run(command, cwd=tree, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(original, encoding="utf-8")
    return done.returncode != 0


def main() -> int:
    """Try all; print what no test noticed, and the counts by file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    noticed = missed = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            trees.put(_copy(Path(folder) / str(number)))
        for file, entry in yaml.safe_load(TABLE.read_text(encoding="utf-8")).items():
            if options.files and not any(part in file for part in options.files):
                continue
            same = entry.get("same", {})
            mutants = [
                mutant for mutant in mutants_of((ROOT / file).read_text(encoding="utf-8")) if mutant.said not in same
            ]

            def seen(mutant: Mutant, file: str = file, tests: list[str] = entry["tests"]) -> bool:
                tree = trees.get()
                try:
                    return notices(mutant, file, tests, tree)
                finally:
                    trees.put(tree)

            results = list(pool.map(seen, mutants))
            noticed, missed = noticed + sum(results), missed + results.count(False)
            print(
                f"{file}: {sum(results)} noticed, {results.count(False)} not, {len(same)} without a difference",
                flush=True,
            )
            for mutant, found in zip(mutants, results, strict=True):
                if not found:
                    print(f"    {mutant.said}", flush=True)
    share = noticed / ((noticed + missed) or 1)
    print(f"{noticed} of {noticed + missed} changes noticed ({share:.1%})")
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
