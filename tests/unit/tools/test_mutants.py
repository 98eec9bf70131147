# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small changes that tools/mutants.py makes of a file."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import yaml


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("return a < b", {"return a <= b"}),
        ("return a == b and c", {"return a != b and c", "return a == b or c"}),
        ("return not a", {"return not not a"}),
        ("return a + 1", {"return a - 1", "return a + 2"}),
        ("return a is None", {"return a is not None"}),
        ("return a if b in c else d", {"return a if not b in c else d", "return a if b not in c else d"}),
        ("x: int | None = a", set()),
        ("return True", {"return False"}),
        ("return 'text'", set()),
    ],
)
def test_each_small_change_is_made_once(mutants: ModuleType, line: str, changed: set[str]) -> None:
    found = list(mutants.mutants_of(f"@made(frozen=True)\ndef f(a, b, c, d):\n    {line}\n"))
    assert {mutant.said for mutant in found} == changed and len(found) == len(changed)
    for mutant in found:
        compile(mutant.source, "mutant", "exec")


def test_the_table_names_files_and_tests_that_are_there(mutants: ModuleType, checkout: Path) -> None:
    table = yaml.safe_load(mutants.TABLE.read_text(encoding="utf-8"))
    for file, entry in table.items():
        assert all((checkout / path).exists() for path in [file, *entry["tests"]]), file
        same = set(entry.get("same", {}))
        if same:
            assert same <= {mutant.said for mutant in mutants.mutants_of((checkout / file).read_text("utf-8"))}, file
