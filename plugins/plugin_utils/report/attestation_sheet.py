# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blank attestation sheet: what still needs a person, ready to fill in with a spreadsheet and to be read back.

`;` between fields, UTF-8 with a byte-order mark, CRLF: what spreadsheets set to French open without a question.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.files import column_titles
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import find_reason
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.messages import check_title

FIELDS = ("device", "check", "endpoint", "title", "result", "by", "on", "until", "note")
_EMPTY = ("", "", "", "", "")

# OWASP, CSV injection; the reader takes one apostrophe off again.
_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")


def _guarded(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _bytes(rows: Iterable[Iterable[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";", lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode("utf-8", "replace")


def needs_person(finding: Mapping[str, Any]) -> bool:
    """Whether somebody in front of the device can answer what no probe could."""
    if finding.get("status") != "not_assessed":
        return False
    reason = find_reason(str(finding.get("check")), str(finding.get("reason")))
    return reason is not None and reason.person


def sheet_head(language: str) -> bytes:
    """The byte-order mark and the titles of the columns."""
    return b"\xef\xbb\xbf" + _bytes([column_titles(FIELDS, language)])


def sheet_lines(line: Mapping[str, Any], language: str) -> bytes:
    """One row for each finding of a device (its line of a summary) that needs a person."""
    return _bytes(
        (
            *(_guarded(value) for value in (line["device"], finding["check"], finding.get("endpoint"))),
            _guarded(check_title(finding["check"], language)),
            *_EMPTY,
        )
        for finding in line["findings"]
        if needs_person(finding)
    )


def attestation_sheet(summary: Mapping[str, Any], language: str) -> bytes:
    """The whole sheet of a summary."""
    return sheet_head(language) + b"".join(sheet_lines(line, language) for line in summary["devices"])
