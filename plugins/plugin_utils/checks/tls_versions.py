# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on protocol versions: only what was accepted or refused counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    as_mapping,
    clean_text,
    optional_text,
)

VERSIONS = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")


#: What lets a refusal stand by itself: a ServerHello of another version, or "not this version" (RFC 8446, 6.2).
_PROOFS = ("server_hello", "alert:70")


def _statuses(states: Mapping[str, Any]) -> dict[str, str]:
    """Of each version: accepted, refused, or why neither can be said.

    A cut or another alert is a refusal only where a control was answered right afterwards; one that is inferred, only
    below an alert 70. SSL 2.0 has hellos of its own, and is inferred where what is left of its age is refused.
    """
    found: dict[str, str] = {}
    spoken_for = False
    for version in reversed(VERSIONS):
        entry = as_mapping(states.get(version))
        status, evidence = entry.get("status", "not_tested"), entry.get("evidence")
        inferred = evidence == "inferred" and (spoken_for or version == "SSLv2")
        if status == "refused":
            proved = evidence in _PROOFS or inferred or entry.get("control") == "answered"
            status = "refused" if proved else "undetermined"
            spoken_for = spoken_for or evidence == "alert:70"
        found[version] = status if isinstance(status, str) else "not_tested"
    return found


def _handshake_fails(facts: EndpointFacts) -> bool:
    """Whether no client gets to the end: the server answers a hello, then refuses or cuts what follows.

    A server that asked for a certificate may do so to us, who have none; one that turns away a plain hello too, or that
    the visit broke off at, may have had other reasons.
    """
    if facts.aborted or facts.told("client_certificate") in ("requested", "required"):
        return False
    return facts.told("handshake") in ("refused", "cut") and facts.told("answers_unsteadily") is not True


def judge_versions(facts: EndpointFacts, policy: Mapping[str, Any]) -> Verdict:
    """tls_versions: no obsolete version is accepted, and a modern one is, to the end (RFC 8996, RFC 9325).

    Silence, a reset or an untried version is never a refusal: it leaves the verdict open, unless another obsolete
    version was accepted, which fails on its own. A version that is agreed upon, and with which no handshake ends, is of
    use to nobody: that is said here and not of the key, which may be sound.
    """
    obsolete = policy["obsolete_tls_versions"]
    expected = {"obsolete": list(obsolete), "modern": [version for version in VERSIONS if version not in obsolete]}
    if facts.outcome == "not_tls":
        return Verdict("plaintext_service", dict(facts.context, outcome="not_tls"), expected)
    states = as_mapping(facts.told("versions"))
    status = _statuses(states)
    accepted = [version for version in VERSIONS if status[version] == "accepted"]
    open_questions = {
        version: clean_text(status[version]) for version in VERSIONS if status[version] not in ("accepted", "refused")
    }
    observed = {
        "accepted": accepted,
        "accepted_obsolete": [version for version in accepted if version in obsolete],
        "refused": [version for version in VERSIONS if status[version] == "refused"],
        "undetermined": open_questions,
        "unknown": facts.unknown,
    }
    modern = [version for version in VERSIONS if version not in obsolete]
    if facts.outcome == "tls" and _handshake_fails(facts):
        ended = {"handshake": facts.told("handshake"), "error": optional_text(facts.told("error"))}
        return Verdict("handshake_fails", {**observed, **ended}, expected)
    if observed["accepted_obsolete"]:
        only = all(status[version] == "refused" for version in modern)
        return Verdict("only_obsolete_versions" if only else "obsolete_versions_accepted", observed, expected)
    unseen = facts.unseen()
    if unseen:
        return unseen
    if any(version in open_questions for version in obsolete) or not accepted:
        if facts.aborted:
            return Verdict("visit_aborted", {**facts.context, **observed}, expected)
        unsteady = facts.told("answers_unsteadily") is True
        return Verdict("answers_unsteadily" if unsteady else "versions_undetermined", observed, expected)
    return Verdict("modern_versions_only", observed, expected)


CHECK = ("tls_versions", "endpoint", lambda facts, s: judge_versions(facts, s.policy))
