# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on the hash functions of a certificate's signatures (annex 1, item 1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import (
    EndpointFacts,
    judged_links,
    unreadable,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Certificate

_HASH = re.compile(
    r"sha3-(?:224|256|384|512)|sha512-(?:224|256)|sha-?(?:224|256|384|512|1)(?![0-9])|md[245]|ripemd-?160"
)
# Signatures whose hash is part of the algorithm, and strong.
_HASHLESS = re.compile(r"ed25519|ed448|(id-)?(ml|slh)-dsa-.*")


def signature_hash(algorithm: str | None) -> str | None:
    """The hash function in a signature algorithm's name ("sha256WithRSAEncryption" -> "sha256").

    "" where the algorithm needs none to be strong (Ed25519), None where it cannot be told.
    """
    if algorithm is None:
        return None
    name = algorithm.strip().lower()
    if _HASHLESS.fullmatch(name):
        return ""
    found = _HASH.search(name)
    if not found:
        return None
    # "sha-1" is an old spelling of sha1; in "sha3-256" the hyphen belongs to the name.
    return found[0] if found[0].startswith(("sha3-", "sha512-")) else found[0].replace("-", "")


def judge_signature(facts: EndpointFacts, policy: Mapping[str, Any]) -> Verdict:
    """certificate_signature: no weak hash from the leaf up to, and without, the root."""
    unseen = facts.certificate_unseen()
    if unseen:
        return unseen
    weak_hashes = policy["weak_signature_hashes"]
    expected = {"weak_hashes": list(weak_hashes)}
    unknown: Certificate | None = None
    links = judged_links(facts, signatures=True)
    for link in links:
        digest = signature_hash(link.signature_algorithm)
        if digest in weak_hashes:
            observed = {
                "algorithm": link.signature_algorithm,
                "hash": digest,
                **link.identity(),
                "is_leaf": link is links[0],
            }
            return Verdict("signature_weak", observed, expected)
        if digest is None and unknown is None:
            unknown = link
    if unknown is not None:
        verdict = unreadable(unknown)
        verdict.observed["algorithm"] = unknown.signature_algorithm or ""
        return verdict
    leaf = facts.chain[0]
    return Verdict(
        "signature_strong",
        {"algorithm": leaf.signature_algorithm or "", **leaf.identity()},
        expected,
    )


CHECK = (
    "certificate_signature",
    "certificate",
    lambda facts, s: None if facts.empty_file else judge_signature(facts, s.policy),
)
