# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an error text to its probable causes and the next steps. Pure: no network, no clock, no device."""

from __future__ import annotations

from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.clues import (
    actions_of,
    causes_of,
    diagnosis_of,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.text import MAX_TEXT, read_clues


def diagnose_text(text: str) -> dict[str, Any]:
    """What a message, a trace or a log says of a TLS failure.

    {"categories", "causes", "actions", "evidence", "confidence", "stack", "truncated"}: see the filter's documentation.
    """
    diagnosis = diagnosis_of(read_clues(text))
    return {
        "categories": list(diagnosis.categories),
        "causes": causes_of(diagnosis.categories),
        "actions": actions_of(diagnosis.categories),
        "evidence": diagnosis.clue.evidence if diagnosis.clue else "",
        "stack": diagnosis.clue.stack if diagnosis.clue else None,
        "confidence": diagnosis.confidence,
        "truncated": len(text) > MAX_TEXT,
    }


def diagnose_input(value: Any) -> dict[str, Any]:
    """The diagnosis of a text, or of a list of lines; ValueError for anything else."""
    if isinstance(value, (list, tuple)) and all(isinstance(line, str) for line in value):
        value = "\n".join(value)
    if not isinstance(value, str):
        raise ValueError(f"a text or a list of lines is needed, not {type(value).__name__}")
    return diagnose_text(value)
