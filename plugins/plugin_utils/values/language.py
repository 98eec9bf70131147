# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two languages that a person may read, and how French is set."""

from __future__ import annotations

import re

LANGUAGES = ("fr", "en")

# French sets a space that does not break before these signs, and after an opening guillemet.
_BEFORE_SIGN = re.compile(r" (?=[:;!?»](?:\s|$)|»)")


def require_language(language: str) -> str:
    """`language` where we speak it; ValueError naming those that we do."""
    if language not in LANGUAGES:
        raise ValueError(f"language: {language!r} is not one of {', '.join(LANGUAGES)}")
    return language


def french(text: str) -> str:
    """`text` with the unbreakable spaces of French typography."""
    return _BEFORE_SIGN.sub("\u00a0", text).replace("« ", "«\u00a0")
