# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The letter to IT: until when, in words that are said once."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.request import request_to_it
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.said import say
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import load_words

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
NB = "\u00a0"


@pytest.mark.parametrize(
    ("due", "fr", "en"),
    [
        ("2026-12-31", f"   Échéance{NB}: avant le 31/12/2026", "   Due: before 31 December 2026"),
        ("2026-11-30", f"   Échéance{NB}: avant le 30/11/2026", "   Due: before 30 November 2026"),
        ("2026-11-29", f"   Échéance dépassée{NB}: 29/11/2026", "   Overdue: 29 November 2026"),
        (None, "", ""),
    ],
)
def test_until_when(due: str | None, fr: str, en: str) -> None:
    finding = {
        "check": "certificate_trust",
        "reason": "unknown_authority",
        "severity": "high",
        "status": "fail",
        "owner": "it",
        "endpoint": "https:443",
        "observed": {"status": "unknown_authority"},
        "expected": {},
        "due": due,
        "source": "network",
        "references": [],
    }
    for language, line in (("fr", fr), ("en", en)):
        letter = request_to_it({}, "echo-004", [(finding, say(finding, language), "")], NOW, load_words(language))
        # The last line asks to be told; the one before is empty.
        assert letter[-3] == line if line else letter[-3].startswith("   – ")
