# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on protocol versions: only what was accepted or refused counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import VERSIONS, Version
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import optional_text

#: What lets a refusal stand by itself: a ServerHello of another version, or "not this version" (RFC 8446, 6.2).
_PROOFS = ("server_hello", "alert:70")
_UNTOLD = Version()


def _statuses(states: Mapping[str, Version]) -> dict[str, str]:
    """Of each version: accepted, refused, or why neither can be said.

    A cut or another alert is a refusal only where a control was answered right afterwards; one that is inferred, only
    below an alert 70. SSL 2.0 has hellos of its own, and is inferred where what is left of its age is refused.
    """
    found: dict[str, str] = {}
    spoken_for = False
    for version in reversed(VERSIONS):
        entry = states.get(version, _UNTOLD)
        status, evidence = entry.status, entry.evidence
        inferred = evidence == "inferred" and (spoken_for or version == "SSLv2")
        if status == "refused":
            proved = evidence in _PROOFS or inferred or entry.control == "answered"
            status = "refused" if proved else "undetermined"
            spoken_for = spoken_for or evidence == "alert:70"
        found[version] = status
    return found


def _handshake_fails(facts: EndpointFacts) -> bool:
    """Whether no client gets to the end: the server answers a hello, then refuses or cuts what follows.

    A server that asked for a certificate may do so to us, who have none; one that turns away a plain hello too, or that
    the visit broke off at, may have had other reasons.
    """
    seen = facts.observed
    if facts.aborted or seen.client_certificate in ("requested", "required"):
        return False
    return seen.handshake in ("refused", "cut") and seen.answers_unsteadily is not True


def _why_open(facts: EndpointFacts) -> str:
    """Cut, met with silence while others were answered, or not asked."""
    if facts.observed.answers_unsteadily is True:
        return "answers_unsteadily"
    found = facts.observed.versions.values()
    silent = any((entry.status, entry.evidence) == ("no_answer", "silence") for entry in found)
    answered = any(entry.evidence == "server_hello" for entry in found)
    return "versions_unanswered" if silent and answered else "versions_undetermined"


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
    status = _statuses(facts.observed.versions)
    accepted = [version for version in VERSIONS if status[version] == "accepted"]
    open_questions = {
        version: status[version] for version in VERSIONS if status[version] not in ("accepted", "refused")
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
        ended = {"handshake": facts.observed.handshake, "error": optional_text(facts.observed.error)}
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
        return Verdict(_why_open(facts), observed, expected)
    return Verdict("modern_versions_only", observed, expected)


CHECK = ("tls_versions", "endpoint", lambda facts, s: judge_versions(facts, s.policy))
