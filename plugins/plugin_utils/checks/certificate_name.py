# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on names: every name that is expected is one that the certificate carries (white paper, 3.4)."""

from __future__ import annotations

from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts, unreadable
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_texts, optional_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.host_names import (
    names_only_in_common_name,
    uncovered_names,
)


def judge_name(facts: EndpointFacts) -> Verdict:
    """certificate_name: every expected name is one that the certificate carries (RFC 9525)."""
    unseen = facts.certificate_unseen()
    if unseen:
        return unseen
    if not facts.names:
        return Verdict("expected_name_missing", facts.chain[0].identity())
    leaf = facts.chain[0]
    names, compared = list(facts.names), leaf.compared()
    observed: dict[str, Any] = {
        "dns": clean_texts(leaf.names.dns),
        "ip": clean_texts(leaf.names.ip),
        "common_name": optional_text(leaf.common_name),
        "uncovered": [],
        **leaf.identity(),
    }
    expected = {"names": clean_texts(names)}
    missing = uncovered_names(compared, names)
    if not missing:
        return Verdict("name_covered", observed, expected)
    observed["uncovered"] = clean_texts(missing)
    if leaf.unread("names"):
        return unreadable(leaf)
    if names_only_in_common_name(compared, names):
        return Verdict("name_only_in_common_name", observed, expected)
    return Verdict("name_mismatch", observed, expected)


CHECK = ("certificate_name", "chain", lambda facts, s: judge_name(facts))
