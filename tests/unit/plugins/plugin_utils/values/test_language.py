# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two languages, and the spaces of French."""

from __future__ import annotations

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import french, require_language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Motif : x", "Motif\u00a0: x"),
        ("Vraiment ?", "Vraiment\u00a0?"),
        ("« ECG »", "«\u00a0ECG\u00a0»"),
        ("un ; deux", "un\u00a0; deux"),
        ("adresse ::1", "adresse ::1"),
        ("12:30", "12:30"),
        ("{a:list} ; {b:list}.", "{a:list}\u00a0; {b:list}."),
    ],
)
def test_french_spaces(text: str, expected: str) -> None:
    assert french(text) == expected


def test_languages() -> None:
    assert require_language("fr") == "fr"
    with pytest.raises(ValueError, match="fr, en"):
        require_language("de")
