# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles say in the terminal: the same sentences in both languages, with the same gaps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parents[1] for path in (ROOT / "roles").glob("*/vars/main.yml"))


def flat(words: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in words.items():
        found.update(flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": str(value)})
    return found


def words_of(role: Path) -> dict[str, dict[str, str]]:
    variables = yaml.safe_load((role / "vars" / "main.yml").read_text("utf-8"))
    named = variables.get(f"{role.name}_words") or {}
    return {language: flat(words) for language, words in named.items()}


@pytest.mark.parametrize("role", [role for role in ROLES if words_of(role)], ids=lambda role: role.name)
def test_both_languages_say_the_same(role: Path) -> None:
    words = words_of(role)
    assert set(words) == {"en", "fr"} and set(words["en"]) == set(words["fr"])
    for name, english in words["en"].items():
        french = words["fr"][name]
        assert french.strip() and re.findall("%[sd]", english) == re.findall("%[sd]", french), name


def test_the_roles_that_speak_are_found() -> None:
    assert {"config_backup", "time_sync", "account_hygiene"} <= {role.name for role in ROLES if words_of(role)}
