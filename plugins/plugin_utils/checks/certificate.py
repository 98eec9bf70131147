# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks on an endpoint's certificate: dates, signature, key, trust and name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import ClockEstimate, device_clock
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import (
    EndpointFacts,
    Link,
    unreadable,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    as_list,
    as_mapping,
    as_number,
    clean_text,
    clean_texts,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import (
    DAY_SECONDS,
    instant_text,
    whole_days,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.host_names import (
    names_only_in_common_name,
    uncovered_names,
)

#: Annex 1 item 1 says 90 days, whatever the lifetime: always shown beside the window that is used.
LITERAL_WINDOW_DAYS = 90

_HASH = re.compile(
    r"sha3-(?:224|256|384|512)|sha512-(?:224|256)|sha-?(?:224|256|384|512|1)(?![0-9])|md[245]|ripemd-?160"
)
# Signatures whose hash is part of the algorithm, and strong.
_HASHLESS = re.compile(r"ed25519|ed448|(id-)?(ml|slh)-dsa-.*")

_TRUST_FAILURES = (
    "self_signed",
    "unknown_authority",
    "incomplete_chain",
    "expired_in_chain",
    "not_yet_valid_in_chain",
    "bad_signature",
    "revoked",
)


def renewal_windows(lifetime_seconds: float, policy: Mapping[str, Any]) -> tuple[float, float]:
    """(plan, urgent): the seconds before the end of validity from which a renewal is planned, and is urgent.

    "relative": min(plan_days, lifetime x plan_fraction), and likewise urgent; "fixed": the days as they are.
    """
    plan, urgent = policy["plan_days"] * DAY_SECONDS, policy["urgent_days"] * DAY_SECONDS
    if policy["renewal_window"] == "fixed":
        return plan, urgent
    return min(plan, lifetime_seconds * policy["plan_fraction"]), min(
        urgent, lifetime_seconds * policy["urgent_fraction"]
    )


def _days(seconds: float) -> float:
    days = round(seconds / DAY_SECONDS, 2)
    return int(days) if days == int(days) else days


def judge_validity(
    facts: EndpointFacts, policy: Mapping[str, Any], now: datetime, clock: ClockEstimate | None
) -> Verdict:
    """certificate_validity: the leaf's own dates against `now`, never the device's own clock (RFC 5280, 4.1.2.5)."""
    unseen = facts.certificate_unseen()
    if unseen:
        return unseen
    leaf = facts.chain[0]
    start, end = leaf.not_before, leaf.not_after
    if start is None or end is None:
        return unreadable(leaf)
    lifetime = (end - start).total_seconds()
    left = (end - now).total_seconds()
    plan, urgent = renewal_windows(lifetime, policy)
    observed = leaf.identity()
    observed.update(
        not_before=instant_text(start),
        not_after=instant_text(end),
        lifetime_days=whole_days(lifetime),
        days_left=whole_days(left),
        literal_90_days=left < LITERAL_WINDOW_DAYS * DAY_SECONDS,
    )
    sees = device_clock(clock, leaf, now)
    if sees:
        observed["device_clock"] = sees
    expected = {
        "renewal_window": policy["renewal_window"],
        "window_days": _days(plan),
        "urgent_window_days": _days(urgent),
        "literal_window_days": LITERAL_WINDOW_DAYS,
        "plan_from": instant_text(_before(end, plan)),
    }
    due = end.date().isoformat()
    if left < 0:
        return Verdict("expired", observed, expected, due)
    if now < start:
        return Verdict("not_yet_valid", observed, expected)
    if left < urgent:
        return Verdict("expires_urgently", observed, expected, due)
    if left < plan:
        return Verdict("expires_within_window", observed, expected, due)
    return Verdict("valid", observed, expected)


def _before(moment: datetime, seconds: float) -> datetime:
    try:
        return moment - timedelta(seconds=seconds)
    except OverflowError:
        return moment


def _judged_links(facts: EndpointFacts, *, signatures: bool) -> tuple[Link, ...]:
    """The certificates that count: those of the path that was found, by who signed whom and not by name.

    The signature of what ends the path does not: a root is trusted because it is in the store (RFC 5280, 6.1). Its key
    does. An observation that tells no path is judged by all that was sent but self-issued certificates above the leaf.
    """
    if not facts.path:
        return tuple(link for index, link in enumerate(facts.chain) if index == 0 or not link.self_issued)
    ends = ("anchor", "root") if signatures else ()
    return tuple(link for index, link in enumerate(facts.path) if index == 0 or link.role not in ends)


def signature_hash(algorithm: Any) -> str | None:
    """The hash function in a signature algorithm's name ("sha256WithRSAEncryption" -> "sha256").

    "" where the algorithm needs none to be strong (Ed25519), None where it cannot be told.
    """
    if not isinstance(algorithm, str):
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
    unknown: Link | None = None
    for link in _judged_links(facts, signatures=True):
        algorithm = link.entry.get("signature_algorithm")
        digest = signature_hash(algorithm)
        if digest in weak_hashes:
            observed = {
                "algorithm": clean_text(algorithm),
                "hash": digest,
                **link.identity(),
                "is_leaf": link.entry is facts.chain[0].entry,
            }
            return Verdict("signature_weak", observed, expected)
        if digest is None and unknown is None:
            unknown = link
    if unknown is not None:
        verdict = unreadable(unknown)
        verdict.observed["algorithm"] = clean_text(unknown.entry.get("signature_algorithm"))
        return verdict
    leaf = facts.chain[0]
    return Verdict(
        "signature_strong",
        {"algorithm": clean_text(leaf.entry.get("signature_algorithm")), **leaf.identity()},
        expected,
    )


def key_problem(key: Mapping[str, Any], policy: Mapping[str, Any]) -> str | None:
    """The reason why a key is not accepted, "" where it is, None where it cannot be told."""
    kind = key.get("type")
    if not isinstance(kind, str):
        return None
    kind = kind.lower()
    bits = as_number(key.get("bits"))
    minimum = {"rsa": policy["min_rsa_bits"], "dsa": policy["min_rsa_bits"], "ec": policy["min_ec_bits"]}.get(kind)
    if minimum is not None and bits is not None and bits < minimum:
        return "key_too_small"
    if kind not in policy["allowed_key_types"]:
        return "key_type_not_allowed"
    return None if minimum is not None and bits is None else ""


def judge_key(facts: EndpointFacts, policy: Mapping[str, Any]) -> Verdict:
    """certificate_key: type and size of the public keys, from the leaf up to the anchor (RFC 9325).

    A private key that others on the device can read is lost, whatever its size.
    """
    if facts.key_file is not None and facts.key_file["key_safe"] is False:
        which = facts.chain[0].identity() if facts.chain else {}
        return Verdict("key_file_exposed", {**facts.key_file, **which})
    unseen = facts.certificate_unseen()
    if unseen:
        return unseen
    expected = {
        "min_rsa_bits": policy["min_rsa_bits"],
        "min_ec_bits": policy["min_ec_bits"],
        "allowed_key_types": list(policy["allowed_key_types"]),
    }
    found: dict[str, tuple[Link, Mapping[str, Any]]] = {}
    for link in _judged_links(facts, signatures=False):
        key = as_mapping(link.entry.get("key"))
        problem = None if _unreadable_part(link.entry, "key") else key_problem(key, policy)
        if problem != "":
            found.setdefault(problem or "certificate_unreadable", (link, key))
    for reason in ("key_too_small", "key_type_not_allowed", "certificate_unreadable"):
        if reason in found:
            link, key = found[reason]
            if reason == "certificate_unreadable":
                return unreadable(link)
            return Verdict(
                reason, {"key": _key(key), **link.identity(), "is_leaf": link.entry is facts.chain[0].entry}, expected
            )
    leaf = facts.chain[0]
    return Verdict("key_strong", {"key": _key(as_mapping(leaf.entry.get("key"))), **leaf.identity()}, expected)


def _unreadable_part(entry: Mapping[str, Any], part: str) -> bool:
    return part in as_list(entry.get("unreadable"))


def _key(key: Mapping[str, Any]) -> dict[str, Any]:
    bits = as_number(key.get("bits"))
    curve = key.get("curve")
    return {
        "type": clean_text(key.get("type")),
        "bits": None if bits is None else int(bits),
        "curve": None if curve is None else clean_text(curve),
    }


def judge_trust(facts: EndpointFacts, now: datetime) -> Verdict:
    """certificate_trust: the path from the leaf to an anchor, as judged when the chain was seen."""
    unseen = facts.certificate_unseen()
    if unseen:
        return unseen
    trust = as_mapping((facts.seen or {}).get("trust"))
    status = trust.get("status")
    observed = {
        "status": clean_text(status),
        "cause": _optional(trust.get("cause")),
        "anchor": _optional(trust.get("anchor")),
        "link": _optional(trust.get("link")),
        "link_date": _optional(trust.get("date")),
        "detail": clean_text(trust.get("detail")),
        "chain_length": len(facts.chain),
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


def _optional(value: Any) -> str | None:
    return None if value is None else clean_text(value)


def _lapsed_since(facts: EndpointFacts, now: datetime) -> str | None:
    """A link above the leaf that expired between the visit and now: "trusted" may no longer be true."""
    for link in facts.path[1:] or facts.chain[1:]:
        if link.not_after is not None and facts.visited_at is not None and facts.visited_at <= link.not_after < now:
            return clean_text(link.entry.get("subject"))
    return None


def judge_name(facts: EndpointFacts) -> Verdict:
    """certificate_name: every expected name is one that the certificate carries (RFC 9525)."""
    unseen = facts.certificate_unseen()
    if unseen:
        return unseen
    if not facts.names:
        return Verdict("expected_name_missing", facts.chain[0].identity())
    leaf = facts.chain[0].entry
    names = list(facts.names)
    # An observation may have been damaged on its way here: only what has the right shape is compared.
    carried = as_mapping(leaf.get("names"))
    common_name = leaf.get("common_name") if isinstance(leaf.get("common_name"), str) else None
    compared = {
        "names": {
            kind: [name for name in as_list(carried.get(kind)) if isinstance(name, str)] for kind in ("dns", "ip")
        },
        "common_name": common_name,
        "unreadable": as_list(leaf.get("unreadable")),
    }
    observed: dict[str, Any] = {
        "dns": clean_texts(carried.get("dns")),
        "ip": clean_texts(carried.get("ip")),
        "common_name": _optional(common_name),
        "uncovered": [],
        **facts.chain[0].identity(),
    }
    expected = {"names": clean_texts(names)}
    missing = uncovered_names(compared, names)
    if not missing:
        return Verdict("name_covered", observed, expected)
    observed["uncovered"] = clean_texts(missing)
    if _unreadable_part(leaf, "names"):
        return unreadable(facts.chain[0])
    if names_only_in_common_name(compared, names):
        return Verdict("name_only_in_common_name", observed, expected)
    return Verdict("name_mismatch", observed, expected)
