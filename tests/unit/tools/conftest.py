# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The set-up and test scripts, imported as they import each other."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[3] / "tools"


@pytest.fixture(scope="session")
def _tools_on_the_path() -> Iterator[None]:
    sys.path.insert(0, str(TOOLS))
    yield
    sys.path.remove(str(TOOLS))


@pytest.fixture
def setup_env(_tools_on_the_path: None) -> ModuleType:
    return importlib.import_module("setup_env")


@pytest.fixture
def debian(_tools_on_the_path: None) -> ModuleType:
    return importlib.import_module("debian")


@pytest.fixture
def verdict(_tools_on_the_path: None) -> ModuleType:
    return importlib.import_module("verdict")


@pytest.fixture
def mutants(_tools_on_the_path: None) -> ModuleType:
    return importlib.import_module("mutants")
