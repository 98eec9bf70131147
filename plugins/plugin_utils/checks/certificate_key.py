# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on a certificate's keys: type, size, and whether the private one is still private (white paper, 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import (
    EndpointFacts,
    judged_links,
    unreadable,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Certificate, Key


def key_problem(kind: str | None, bits: int | None, policy: Mapping[str, Any]) -> str | None:
    """The reason why a key is not accepted, "" where it is, None where it cannot be told."""
    if kind is None:
        return None
    kind = kind.lower()
    minimum = {"rsa": policy["min_rsa_bits"], "dsa": policy["min_rsa_bits"], "ec": policy["min_ec_bits"]}.get(kind)
    if minimum is not None and bits is not None and bits < minimum:
        return "key_too_small"
    if kind not in policy["allowed_key_types"]:
        return "key_type_not_allowed"
    return None if minimum is not None and bits is None else ""


def judge_key(facts: EndpointFacts, policy: Mapping[str, Any]) -> Verdict:
    """certificate_key: type and size of the public keys, from the leaf up to the anchor (RFC 9325).

    A private key that others on the device can read is lost, whatever its size; one that the device does not hold
    makes the certificate worthless.
    """
    if facts.key_file is not None and facts.key_exposed:
        which = facts.chain[0].identity() if facts.chain else {}
        return Verdict("key_file_exposed", {**facts.key_file, **which})
    unseen = facts.certificate_unseen()
    if unseen:
        return unseen
    proof = _proof(facts)
    if proof.get("key_proof") == "not_held":
        return Verdict("key_not_held", {**proof, **facts.chain[0].identity()})
    expected = {
        "min_rsa_bits": policy["min_rsa_bits"],
        "min_ec_bits": policy["min_ec_bits"],
        "allowed_key_types": list(policy["allowed_key_types"]),
    }
    found: dict[str, Certificate] = {}
    links = judged_links(facts, signatures=False)
    for link in links:
        problem = None if link.unread("key") else key_problem(link.key.type, link.key.bits, policy)
        if problem != "":
            found.setdefault(problem or "certificate_unreadable", link)
    for reason in ("key_too_small", "key_type_not_allowed", "certificate_unreadable"):
        if reason in found:
            link = found[reason]
            if reason == "certificate_unreadable":
                return unreadable(link)
            observed = {"key": _key(link.key), **link.identity(), "is_leaf": link is links[0]}
            return Verdict(reason, observed, expected)
    leaf = facts.chain[0]
    observed = {"key": _key(leaf.key), **leaf.identity(), **proof}
    return Verdict("key_strong", observed, expected)


def _proof(facts: EndpointFacts) -> dict[str, Any]:
    """Whether the endpoint was seen to hold the private key (proved | not_held | not_proved | not_tried).

    Nothing of a certificate file, which shows no handshake.
    """
    if facts.seen is None:
        return {}
    proof = facts.seen.key_proof
    known = proof if proof in ("proved", "not_held", "not_proved") else "not_tried"
    return {"key_proof": known, "key_proof_detail": facts.seen.key_proof_detail}


def _key(key: Key) -> dict[str, Any]:
    return {"type": key.type or "", "bits": key.bits, "curve": key.curve}


CHECK = (
    "certificate_key",
    "certificate",
    lambda facts, s: None if facts.empty_file and not facts.key_exposed else judge_key(facts, s.policy),
)
