# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""At which endpoint a visit was broken off."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit, broke_off_at

FIRST, LAST = SimpleNamespace(port=443), SimpleNamespace(port=2762)


@pytest.mark.parametrize(
    ("aborted", "died_port", "broken"),
    [(False, None, []), (True, None, [LAST]), (True, 443, [FIRST]), (True, 2762, [LAST]), (True, 80, [])],
)
def test_where_a_visit_was_broken_off(aborted: bool, died_port: int | None, broken: list[Any]) -> None:
    facts: Any = SimpleNamespace(died_port=died_port, endpoints=[FIRST, LAST])
    visit = Visit(facts, None, "visit_aborted", aborted=aborted)
    assert [seen for seen in (FIRST, LAST) if broke_off_at(visit, seen)] == broken  # type: ignore[arg-type]
