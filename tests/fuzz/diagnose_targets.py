# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets: the error texts that a person hands over, which hold whatever a device or a server wrote."""

from __future__ import annotations

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.message import diagnose_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.rules import fold, lower
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from fuzz.registry import Shape, safe_json, target

_TOKENS = (
    b"certificate",
    b" has expired",
    b"alert ",
    b"0x80090325",
    b"error:0A000418",
    b"-188 ",
    b"\n",
    b"handshake failed",
)


@target("lines", _TOKENS)
def diagnosis(data: bytes) -> Shape:
    """One answer of the closed list for any text, and nothing in it that moves a terminal or breaks a file."""
    text = data.decode("utf-8", "surrogateescape")
    assert len(fold(text)) == len(lower(text)) == len(text)
    found = diagnose_text(text)
    known = load_data("diagnosis/diagnosis")["categories"]
    assert found["categories"] and len(set(found["categories"])) == len(found["categories"])
    assert set(found["categories"]) <= set(known)
    assert found["categories"] == ["unknown"] or "unknown" not in found["categories"]
    assert (found["confidence"] == "none") == (found["categories"] == ["unknown"])
    assert [cause["category"] for cause in found["causes"]] == found["categories"]
    assert found["actions"]
    assert found["evidence"].isprintable() and len(found["evidence"]) < 2500
    safe_json(found)
    return found["categories"][0], len(found["categories"]), found["stack"], found["confidence"]
