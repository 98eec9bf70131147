# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on protocol versions: only what was accepted or refused counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_mapping, clean_text

VERSIONS = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def judge_versions(facts: EndpointFacts, policy: Mapping[str, Any]) -> Verdict:
    """tls_versions: no obsolete version is accepted, and a modern one is (RFC 8996, RFC 9325).

    Silence, a reset or an untried version is never a refusal: it leaves the verdict open, unless another obsolete
    version was accepted, which fails on its own.
    """
    obsolete = policy["obsolete_tls_versions"]
    expected = {"obsolete": list(obsolete), "modern": [version for version in VERSIONS if version not in obsolete]}
    if facts.outcome == "not_tls":
        return Verdict("plaintext_service", dict(facts.context, outcome="not_tls"), expected)
    states = as_mapping((facts.seen or {}).get("versions"))
    status: dict[str, str] = {}
    for version in VERSIONS:
        found = as_mapping(states.get(version)).get("status", "not_tested")
        status[version] = found if isinstance(found, str) else "not_tested"
    accepted = [version for version in VERSIONS if status[version] == "accepted"]
    open_questions = {
        version: clean_text(state) for version, state in status.items() if state not in ("accepted", "refused")
    }
    observed = {
        "accepted": accepted,
        "accepted_obsolete": [version for version in accepted if version in obsolete],
        "refused": [version for version in VERSIONS if status[version] == "refused"],
        "undetermined": open_questions,
    }
    modern = [version for version in VERSIONS if version not in obsolete]
    if observed["accepted_obsolete"]:
        only = all(status[version] == "refused" for version in modern)
        return Verdict("only_obsolete_versions" if only else "obsolete_versions_accepted", observed, expected)
    unseen = facts.unseen()
    if unseen:
        return unseen
    if any(version in open_questions for version in obsolete) or not accepted:
        if facts.aborted:
            return Verdict("visit_aborted", {**facts.context, **observed}, expected)
        return Verdict("versions_undetermined", observed, expected)
    return Verdict("modern_versions_only", observed, expected)


CHECK = ("tls_versions", "endpoint", lambda facts, s: judge_versions(facts, s.policy))
