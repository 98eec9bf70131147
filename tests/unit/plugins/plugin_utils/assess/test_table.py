# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of checks: each check is registered in its own file, and CONTRIBUTING says truly how to add one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.table import (
    TableError,
    checks_in_order,
    match,
    registered_checks,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import check_names, load_checklist

CHECKS = load_checklist().checks


@pytest.mark.parametrize("name", sorted({*check_names(), *registered_checks()}))
def test_a_check_has_a_line_and_a_judge(name: str) -> None:
    """By name, whichever of the two is missing."""
    assert name in check_names()
    assert registered_checks().get(name) is not None


def test_the_table_stands_in_the_order_of_the_checklist() -> None:
    assert tuple(line.check.name for line in checks_in_order()) == check_names()


def test_a_check_is_registered_on_the_last_line_of_its_file(checkout: Path) -> None:
    for path in (checkout / "plugins" / "plugin_utils" / "checks").glob("[!_]*.py"):
        last = path.read_text(encoding="utf-8").rpartition("\nCHECK = ")[2]
        assert re.match(rf'\(\s*"{path.stem}",', last), path.name
        assert "\ndef " not in last and last.rstrip().endswith(")")


REGISTERED = registered_checks()
SPOILT: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no judge": (CHECKS, {name: REGISTERED[name] for name in REGISTERED if name != "label"}, "label: in rules/check"),
    "no line": (CHECKS[:-1], REGISTERED, f"{CHECKS[-1].name}: in checks/{CHECKS[-1].name}.py, and not in rules/"),
    "nothing registered": (CHECKS, {**REGISTERED, "label": None}, "checks/label.py does not end with CHECK"),
    "another's name": (CHECKS, {**REGISTERED, "label": REGISTERED["trust_store"]}, "checks/label.py does not end with"),
    "another level": (
        [replace(check, level="endpoint") for check in CHECKS if check.name == "label"],
        {"label": REGISTERED["label"]},
        "label: its level is endpoint, and checks/label.py is of the kind device",
    ),
    "an unknown kind": (CHECKS, {**REGISTERED, "label": ("label", "ward", print)}, "is of the kind ward"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_table_with_a_gap_is_refused_by_name(what: str) -> None:
    checks, registered, said = SPOILT[what]
    with pytest.raises(TableError, match=re.escape(said)):
        match(checks, registered)


# --- add a check, as CONTRIBUTING says ------------------------------------------------------------------------------


def steps(page: str) -> list[tuple[str, str, str]]:
    """(file, what is added to it, the line above which; "" at its end), step by step."""
    told = page.partition("\n**add a check.**")[2].partition("\n**add a reason.**")[0]
    found = []
    for step in re.split(r"\n(?=\d\. )", told)[1:]:
        block = re.search(r"^   ```\w+\n(.+?)^   ```", step, re.MULTILINE | re.DOTALL)
        named = [name for name in re.findall(r"`((?:plugins|tests)/\S+)`", step) if Path(name).suffix]
        if block:
            assert len(named) == 1, step
            # Without the indentation of the list alone: a line of the checklist keeps its own.
            text = "".join(line.removeprefix("   ") for line in block[1].splitlines(keepends=True))
            above = re.search(r"above `(.+?)`", step)
            found.append((named[0], text, above[1] if above else ""))
    return found


def run(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """One of our own commands in that checkout."""
    command = (sys.executable, *command)
    return subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=120, check=False)


def follow(home: Path, file: str, text: str, above: str) -> None:
    """One step of the page."""
    path = home / file
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    before, found, after = old.partition(f"\n{above}\n" if above else "\0")
    assert bool(found) == bool(above)
    path.write_text(f"{before}\n{text}{found}{after}" if before else text, encoding="utf-8")


def test_a_check_is_added_by_following_contributing(checkout: Path, tmp_path: Path) -> None:
    home = tmp_path / "checkout"
    for name in ("plugins", "tests/unit/plugins/plugin_utils/assess", "tools", "docs", "changelogs", "roles"):
        shutil.copytree(checkout / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for name in ("tests/unit/conftest.py", "galaxy.yml", "CHANGELOG.md", "pyproject.toml"):
        shutil.copy(checkout / name, home / name)
    place = home / "collections" / "ansible_collections" / "biomed"
    place.mkdir(parents=True)
    (place / "cert_hygiene").symlink_to(home)
    written = steps((checkout / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert [Path(step[0]).suffix for step in written] == [".yml", ".yml", ".py"]
    name = Path(written[2][0]).stem
    cases = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/plugins/plugin_utils/assess", "-k", f"{name}-")

    for step in written[:2]:
        follow(home, *step)
    without = run(home, *cases)
    assert without.returncode and f"{name}: in rules/checklist.yml, and no checks/{name}.py judges it" in without.stdout

    follow(home, *written[2])
    judged = run(home, *cases)
    assert judged.returncode == 0, judged.stdout
    made = run(home, "tools/generate_docs.py")
    assert made.returncode == 0, made.stdout + made.stderr
    for language in ("en", "fr"):
        assert f"`{name}_needed`" in (home / "docs" / "checks" / language / f"{name}.md").read_text(encoding="utf-8")
