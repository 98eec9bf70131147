# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on trust: the path from the leaf to an anchor (white paper, 1.2)."""

from __future__ import annotations

from datetime import datetime

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text

#: The verdicts of trust/judge.py that are failures; beside them there are trusted and not_assessed.
TRUST_FAILURES = (
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
    trust = facts.observed.trust
    status = trust.status or ""
    observed = {
        "status": status,
        "cause": trust.cause,
        "anchor": trust.anchor,
        "link": trust.link,
        "link_date": trust.date,
        "detail": trust.detail,
        "chain_length": len(facts.chain),
        "clients": list(trust.clients),
        **facts.chain[0].identity(),
        "issuer": clean_text(facts.chain[0].issuer),
    }
    expected = {"status": "trusted"}
    if status == "trusted":
        lapsed = _lapsed_since(facts, now)
        if lapsed is not None:
            # The path may or may not go through it: the next visit tells.
            return Verdict("trust_undetermined", {**observed, "lapsed": lapsed}, expected)
        if trust.revocation.asked is True and trust.revocation.status != "good":
            return Verdict("revocation_undetermined", {**observed, "detail": trust.revocation.detail}, expected)
        return Verdict("trusted", observed, expected)
    if status in TRUST_FAILURES:
        return Verdict(status, observed, expected)
    if trust.cause == "no_anchors" or (trust.cause is None and "trust anchor" in trust.detail):
        return Verdict("trust_anchors_missing", observed, expected)
    return Verdict("trust_undetermined", observed, expected)


def _lapsed_since(facts: EndpointFacts, now: datetime) -> str | None:
    """A link above the leaf that expired between the visit and now: "trusted" may no longer be true."""
    for link in facts.path[1:] or facts.chain[1:]:
        if link.not_after is not None and facts.visited_at is not None and facts.visited_at <= link.not_after < now:
            return clean_text(link.subject)
    return None


CHECK = ("certificate_trust", "chain", lambda facts, s: judge_trust(facts, s.now))
