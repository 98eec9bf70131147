# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What change control says, in French or English (data/change_texts.yml)."""

from __future__ import annotations

from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import french, require_language


def change_text(path: str, language: str, /, **values: Any) -> str:
    """The text at "group.key", its places filled; what is filled in is one printable line. ValueError: no language."""
    node = load_data("words/change_texts")
    for key in path.split("."):
        node = node[key]
    text = str(node[require_language(language)])
    text = french(text) if language == "fr" else text
    return text.format(**{name: clean_text(value) for name, value in values.items()})
