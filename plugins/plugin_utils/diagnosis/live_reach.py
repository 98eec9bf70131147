# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a connection gets: TCP, the hellos, a certificate of the client, a version that both sides speak."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.case import (
    DEVICE,
    NETWORK,
    PEER,
    Case,
    Said,
    side_of,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.live_way import route_mtu
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Endpoint
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text

#: What an endpoint did instead of speaking TLS, once TCP had connected -> reason.
_NO_TLS = {
    "not_tls": "plaintext",
    "starttls_refused": "starttls_refused",
    "starttls_unavailable": "service_busy",
}
_CUT = {"reset": "reset_after_hello", "closed": "closed_after_hello", "silent": "silent_after_hello"}
#: The alert with which every hello was refused -> reason.
_ALERTS = {112: "name_not_known_here", 116: "client_certificate_required", 42: "client_certificate_required"}


def reach_said(case: Case, facts: EndpointFacts) -> Iterator[Said]:
    """How far a connection gets: address, TCP, TLS."""
    side, label = side_of(facts), facts.label
    seen = facts.seen
    if seen is None:
        visit = case.peer_visits.get(label or "") if facts.peer else case.visit
        unreachable = facts.missing in ("endpoint_unreachable", "device_unreachable")
        if unreachable and visit is not None:
            yield Said("no_answer", side if facts.peer else DEVICE, label)
        else:
            yield Said("endpoint_not_seen", side, label)
        return
    outcome = seen.outcome or ""
    if outcome == "refused":
        yield Said("port_closed", side, label, _error(facts))
        return
    if outcome == "unreachable":
        if seen.connections == 0:
            yield Said("endpoint_not_seen", side, label)
        else:
            yield Said("port_filtered", NETWORK, label, _error(facts))
        return
    if outcome not in ("tls", *_NO_TLS, *_CUT):
        yield Said("endpoint_not_seen", side, label)
        return
    yield Said("tcp_connects", side, label)
    if outcome in _NO_TLS:
        yield Said(_NO_TLS[outcome], side, label, _error(facts))
        return
    evidence = [state.evidence for state in seen.versions.values()]
    if outcome in _CUT:
        small = any(isinstance(one, str) and one.startswith("alert:") for one in evidence)
        lost = outcome == "silent" and small
        yield Said(
            "large_answers_lost" if lost else _CUT[outcome],
            NETWORK,
            label,
            {**route_mtu(case, facts), **_error(facts), "tried": _tried(seen)},
        )
        return
    yield Said("not_plaintext", side, label)
    yield from _hellos(case, facts, evidence)
    yield from _client_certificate(facts)


def _error(facts: EndpointFacts) -> dict[str, Any]:
    return {"detail": clean_text(facts.observed.error)}


def _tried(seen: Endpoint) -> list[str]:
    """The versions that were really offered."""
    return [version for version, state in seen.versions.items() if state.evidence not in (None, "inferred")]


def accepted(facts: EndpointFacts) -> list[str]:
    """The versions that an endpoint accepts, old to new."""
    return [version for version, state in facts.observed.versions.items() if state.status == "accepted"]


def _hellos(case: Case, facts: EndpointFacts, evidence: Sequence[Any]) -> Iterator[Said]:
    side, label, spoken = side_of(facts), facts.label, accepted(facts)
    figures: dict[str, Any] = {"accepted": spoken, **route_mtu(case, facts), **_error(facts)}
    if not spoken:
        alerts = [
            int(one[6:]) for one in evidence if isinstance(one, str) and one[:6] == "alert:" and one[6:].isdigit()
        ]
        alert = alerts[-1] if alerts else None
        if "silence" in evidence:
            # Small answers (alerts) come back, whole flights do not.
            yield Said("large_answers_lost", NETWORK, label, {**figures, "tried": _tried(facts.observed)})
            return
        reason = _ALERTS.get(alert, "every_hello_refused") if alert is not None else "every_hello_refused"
        yield Said(reason, side, label, {**figures, "alert": alert, "tried": _tried(facts.observed)})
        return
    obsolete = case.policy["obsolete_tls_versions"]
    states = {version: state.evidence for version, state in facts.observed.versions.items() if version not in obsolete}
    hung_up = [version for version, told in states.items() if told == "reset"]
    lost = [version for version, told in states.items() if told == "silence"]
    # A short ServerHello came, and nothing of the certificates behind it.
    if not facts.chain and (lost or "silence" in figures["detail"]):
        yield Said("large_answers_lost", NETWORK, label, {**figures, "tried": _tried(facts.observed)})
    elif hung_up:
        yield Said("modern_hello_reset", NETWORK, label, {**figures, "versions": hung_up})
    else:
        yield Said("no_reset", side, label)
    if all(version in obsolete for version in spoken):
        yield Said("only_old_versions", side, label, figures)
    elif not facts.peer or not case.own:
        yield Said("modern_version", side, label, figures)


def _client_certificate(facts: EndpointFacts) -> Iterator[Said]:
    asked = facts.observed.client_certificate
    side, label = side_of(facts), facts.label
    if asked == "required":
        yield Said("client_certificate_required", side, label)
    elif asked == "requested":
        yield Said("client_certificate_requested", side, label)
    elif asked == "not_requested":
        yield Said("client_certificate_not_asked", side, label)
    else:
        yield Said("client_certificate_unknown", side, label)


def overlap_said(case: Case) -> Iterator[Said]:
    """The versions of the device against those of each server. The device's as a server stand for those as a client."""
    own = sorted({version for facts in case.own for version in accepted(facts)})
    for facts in case.peers:
        theirs = accepted(facts)
        if not theirs:
            continue
        figures = {"device_versions": own, "peer_versions": theirs}
        if not own:
            yield Said("device_versions_unknown", DEVICE, facts.label, figures)
        elif set(own) & set(theirs):
            yield Said("versions_overlap", PEER, facts.label, {**figures, "common": sorted(set(own) & set(theirs))})
        else:
            # The side that is behind has to move.
            behind = all(version in case.policy["obsolete_tls_versions"] for version in theirs)
            yield Said("no_common_version", PEER if behind else DEVICE, facts.label, figures)
