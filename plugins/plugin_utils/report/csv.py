# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""findings.csv: every finding on a line, for a spreadsheet or the CMMS.

``;`` between fields, UTF-8 with a byte-order mark, CRLF, dd/mm/yyyy in French: what spreadsheets and
CMMS set to French import without a question. A field that a spreadsheet would take for a formula
gets a leading apostrophe (OWASP, CSV injection).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.said import Said
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import Words

# The last four are the full-width forms that spreadsheets with an East Asian locale read alike.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def guarded(value: object, limit: int = 2000) -> str:
    """Return a field that shows ``value`` and that no spreadsheet computes."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    shown = visible(text, limit)
    return "'" + shown if text.lstrip(" \n").startswith(_FORMULA) else shown


def _field(text: str) -> str:
    """Quote a field where RFC 4180 asks for it. After visible() no line end can be in it."""
    return '"' + text.replace('"', '""') + '"' if ";" in text or '"' in text else text


def csv_head(words: Words) -> bytes:
    """Return the byte-order mark and the line of column names."""
    return b"\xef\xbb\xbf" + (";".join(map(_field, words["csv_header"])) + "\r\n").encode("utf-8")


def csv_lines(row: Mapping[str, Any], said: Sequence[Said], words: Words) -> bytes:
    """Return the lines of one device (its summary, findings included, and the words for them)."""
    language = words.language
    device = (
        guarded(row["device"]),
        guarded(row.get("inventory_number")),
        guarded(row.get("service")),
        guarded(labels.class_label(row["class"], language) if row.get("class") else None),
        guarded(labels.criticality_label(row["criticality"], language) if row.get("criticality") else None),
        labels.verdict_label(row["verdict"], language),
    )
    start = ";".join(map(_field, device))
    end = _field(guarded(row.get("firmware")))
    lines = [
        f"{start};{_finding(finding['check'], finding['reason'], finding['due'], told, language)};{end}\r\n"
        for finding, told in zip(row["findings"], said, strict=True)
    ]
    return "".join(lines).encode("utf-8")


@functools.lru_cache(maxsize=4096)
def _finding(check: str, reason: str, due: str | None, told: Said, language: str) -> str:
    """Return the fields of a finding. Most findings of a fleet are the same words, hence the cache."""
    fields = (
        check,
        told.check,
        _safe(told.endpoint),
        told.status,
        told.severity,
        reason,
        told.title,
        _safe(told.message),
        _safe(" ".join(f"{number}. {step}" for number, step in enumerate(told.actions, 1))),
        told.owner,
        _csv_date(due, language),
        told.source,
        told.references,
    )
    return ";".join(map(_field, fields))


def _safe(text: str) -> str:
    """Guard a text that was made visible before (then no tab or line end can lead it)."""
    return "'" + text if text.lstrip(" ").startswith(_FORMULA) else text


def _csv_date(value: object, language: str) -> str:
    """Return an ISO date as dd/mm/yyyy in French, as it is in English."""
    text = value if isinstance(value, str) else ""
    if language == "fr" and len(text) >= 10 and text[4] == text[7] == "-":
        return f"{text[8:10]}/{text[5:7]}/{text[:4]}"
    return guarded(text)
