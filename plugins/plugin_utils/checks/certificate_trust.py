# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on trust: the path from the leaf to an anchor (white paper, 1.2)."""

from __future__ import annotations

from datetime import datetime

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    as_mapping,
    clean_text,
    clean_texts,
    optional_text,
)

_TRUST_FAILURES = (
    "self_signed",
    "unknown_authority",
    "incomplete_chain",
    "expired_in_chain",
    "not_yet_valid_in_chain",
    "bad_signature",
    "revoked",
    "purpose_not_server",
    "some_clients_refuse",
)


def judge_trust(facts: EndpointFacts, now: datetime) -> Verdict:
    """certificate_trust: the path from the leaf to an anchor, as judged when the chain was seen."""
    unseen = facts.certificate_unseen()
    if unseen:
        return unseen
    trust = as_mapping((facts.seen or {}).get("trust"))
    status = trust.get("status")
    observed = {
        "status": clean_text(status),
        "cause": optional_text(trust.get("cause")),
        "anchor": optional_text(trust.get("anchor")),
        "link": optional_text(trust.get("link")),
        "link_date": optional_text(trust.get("date")),
        "detail": clean_text(trust.get("detail")),
        "chain_length": len(facts.chain),
        "clients": clean_texts(trust.get("clients")),
        **facts.chain[0].identity(),
        "issuer": clean_text(facts.chain[0].entry.get("issuer")),
    }
    expected = {"status": "trusted"}
    if status == "trusted":
        lapsed = _lapsed_since(facts, now)
        if lapsed is not None:
            # The path may or may not go through it: the next visit tells.
            return Verdict("trust_undetermined", {**observed, "lapsed": lapsed}, expected)
        revocation = as_mapping(trust.get("revocation"))
        if revocation.get("asked") is True and revocation.get("status") != "good":
            return Verdict(
                "revocation_undetermined", {**observed, "detail": clean_text(revocation.get("detail") or "")}, expected
            )
        return Verdict("trusted", observed, expected)
    if status in _TRUST_FAILURES:
        return Verdict(status, observed, expected)
    cause = trust.get("cause")
    if cause == "no_anchors" or (cause is None and "trust anchor" in observed["detail"]):
        return Verdict("trust_anchors_missing", observed, expected)
    return Verdict("trust_undetermined", observed, expected)


def _lapsed_since(facts: EndpointFacts, now: datetime) -> str | None:
    """A link above the leaf that expired between the visit and now: "trusted" may no longer be true."""
    for link in facts.path[1:] or facts.chain[1:]:
        if link.not_after is not None and facts.visited_at is not None and facts.visited_at <= link.not_after < now:
            return clean_text(link.entry.get("subject"))
    return None


CHECK = ("certificate_trust", "chain", lambda facts, s: judge_trust(facts, s.now))
