# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of the small hospital, rendered once for each file of tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.small_hospital import make


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("pages") / "report"
    make(dest, info={"play": "Audit <b>de nuit</b>", "own key": ["a", "b"]})
    return dest
