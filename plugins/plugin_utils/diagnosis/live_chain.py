# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of an endpoint: chain against each side's anchors, revocation, name, dates, strength."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.certificate_key import judge_key
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.certificate_signature import judge_signature
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.trust_store import judge_trust_store
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.case import DEVICE, Case, Said, side_of
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import moment_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Trust
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    clean_text,
    clean_texts,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.fingerprints import plain_fingerprint
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import DAY_SECONDS, instant_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.host_names import (
    names_only_in_common_name,
    uncovered_names,
)

_TRUST = {
    "self_signed": "self_signed",
    "unknown_authority": "unknown_authority",
    "incomplete_chain": "incomplete_chain",
    "bad_signature": "bad_signature",
    "revoked": "revoked",
    "expired_in_chain": "expired_in_chain",
    "not_yet_valid_in_chain": "not_yet_valid",
    "purpose_not_server": "purpose_not_server",
    "some_clients_refuse": "some_clients_refuse",
}


def chain_said(case: Case, facts: EndpointFacts) -> Iterator[Said]:
    side, label = side_of(facts), facts.label
    trust = facts.observed.trust
    status = trust.status
    figures = {
        **facts.chain[0].identity(),
        "issuer": clean_text(facts.chain[0].issuer),
        "anchor": trust.anchor or "",
        "link": trust.link or "",
        "link_date": trust.date,
        "clients": list(trust.clients),
        "detail": trust.detail,
    }
    held = _held(case) if facts.peer else None
    known = {plain_fingerprint(link.fingerprint_sha256) for link in facts.chain}
    if held and known & held and status in ("self_signed", "unknown_authority", "not_assessed"):
        yield Said("device_holds_it", side, label, figures)
    elif status == "trusted":
        yield Said("chain_trusted", side, label, figures)
    elif status in _TRUST:
        # The dates of what was sent are judged apart, at the true time: only those of an anchor are left.
        dated = status in ("expired_in_chain", "not_yet_valid_in_chain")
        if not dated or (trust.cause in ("anchor_expired", "anchor_not_yet_valid") and not case.clocks.own):
            yield Said(_TRUST[status], side, label, {**figures, "not_before": trust.date})
    else:
        yield Said("chain_not_judged", side, label, figures)
    if facts.peer and not (held and known & held):
        yield from _device_store(case, facts, status)
    yield from _revocation(facts, trust)


def _held(case: Case) -> set[str | None] | None:
    """The fingerprints in the device's trust stores; None where no login told them."""
    stores = [
        store
        for answer in (case.logins.answers("trust_stores") if case.logins.visits else ())
        if answer.problem is None
        for store in answer.data
        if store.readable is True
    ]
    if not stores:
        return None
    return {plain_fingerprint(value) for store in stores for value in store.fingerprints_sha256} - {None}


def _device_store(case: Case, facts: EndpointFacts, status: Any) -> Iterator[Said]:
    """Whether the device holds the hospital's root, with which it would check this server."""
    if not case.logins.visits:
        yield Said("device_store_not_seen", DEVICE, facts.label)
        return
    for answer in case.logins.answers("trust_stores"):
        if answer.problem is not None:
            yield Said("device_store_not_seen", DEVICE, facts.label)
            continue
        verdict = judge_trust_store(case.card, answer.data, case.policy)
        figures = {key: clean_texts(verdict.observed.get(key)) for key in ("stores", "without", "missing")}
        if verdict.reason == "hospital_root_missing":
            yield Said("device_lacks_root", DEVICE, facts.label, figures)
        elif verdict.reason == "hospital_root_not_everywhere":
            yield Said("store_lacks_root", DEVICE, facts.label, figures)
        elif verdict.reason == "hospital_root_present" and status == "trusted":
            yield Said("device_holds_root", DEVICE, facts.label, figures)
        else:
            yield Said("device_store_not_seen", DEVICE, facts.label)


def _revocation(facts: EndpointFacts, trust: Trust) -> Iterator[Said]:
    told = trust.revocation
    side, label = side_of(facts), facts.label
    figures = {"detail": told.detail}
    if told.asked is not True or trust.status != "trusted":
        yield Said("revocation_not_asked", side, label)
    elif told.status == "good":
        yield Said("revocation_good", side, label, figures)
    elif "out of date" in figures["detail"]:
        yield Said("revocation_list_old", side, label, figures)
    else:
        yield Said("revocation_list_missing", side, label, figures)


def name_said(facts: EndpointFacts) -> Iterator[Said]:
    side, label, leaf = side_of(facts), facts.label, facts.chain[0]
    compared = leaf.compared()
    figures: dict[str, Any] = {
        "names": clean_texts(list(facts.names)),
        "carried": clean_texts([*leaf.names.dns, *leaf.names.ip]),
    }
    if not facts.names or leaf.unread("names"):
        yield Said("name_not_declared", side, label, figures)
        return
    missing = uncovered_names(compared, list(facts.names))
    figures["uncovered"] = clean_texts(missing)
    if not missing:
        yield Said("name_covered", side, label, figures)
    elif names_only_in_common_name(compared, list(facts.names)):
        yield Said("name_only_in_common_name", side, label, figures)
    else:
        yield Said("name_mismatch", side, label, figures)


def dates_said(case: Case, facts: EndpointFacts) -> Iterator[Said]:
    """Each certificate as sent, at the true time; what each side's own clock makes of it is the clock's topic."""
    side, label, true = side_of(facts), facts.label, case.clocks.true_now
    checker = case.clocks.device if facts.peer else None
    for position, link in enumerate(facts.chain):
        start, end = link.not_before, link.not_after
        if start is None or end is None:
            continue
        figures = {
            **link.identity(),
            "not_before": instant_text(start),
            "not_after": instant_text(end),
            "now": instant_text(true),
            "clock_shows": None if checker is None else moment_text(case.clocks.now.timestamp() + checker.offset),
        }
        if true > end:
            yield Said("expired" if position == 0 else "expired_above", side, label, figures)
            return
        if true < start:
            yield Said("not_yet_valid", side, label, figures)
            return
    leaf = facts.chain[0]
    if leaf.not_before is None or leaf.not_after is None:
        return
    figures = {
        **leaf.identity(),
        "not_before": instant_text(leaf.not_before),
        "not_after": instant_text(leaf.not_after),
        "clock_shows": None if checker is None else moment_text(case.clocks.now.timestamp() + checker.offset),
    }
    yield Said("dates_hold", side, label, figures)
    days = int((leaf.not_after - leaf.not_before).total_seconds() // DAY_SECONDS)
    limit = load_data("diagnosis/diagnosis_live")["longest_days"]
    lifetime = {"lifetime_days": days, "longest_days": limit}
    yield Said("lifetime_too_long" if days > limit else "lifetime_fits", side, label, lifetime)


def strength_said(case: Case, facts: EndpointFacts) -> Iterator[Said]:
    signature, key = judge_signature(facts, case.policy), judge_key(facts, case.policy)
    side, label = side_of(facts), facts.label
    weak = False
    for verdict, reasons in ((key, ("key_too_small", "key_type_not_allowed")), (signature, ("signature_weak",))):
        if verdict.reason in reasons:
            weak = True
            figures = {"algorithm": verdict.observed.get("algorithm"), "key": verdict.observed.get("key")}
            reason = "weak_signature" if verdict is signature else "weak_key"
            yield Said(reason, side, label, {**figures, "subject": verdict.observed.get("subject")})
    if not weak and signature.reason == "signature_strong" and key.reason == "key_strong":
        yield Said("strong_enough", side, label)
