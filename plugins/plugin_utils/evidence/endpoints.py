# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TLS endpoint as the checks look at it: what was seen of it, and why the rest was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit, broke_off_at
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import CertificateFile
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Certificate, Client, Endpoint
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import MAX_ITEMS, clean_text

#: What an endpoint did instead of speaking TLS -> why its certificate could not be looked at.
_OUTCOME_REASONS = {
    "not_tls": "plaintext_endpoint",
    "refused": "endpoint_refused",
    "silent": "endpoint_silent",
    "reset": "endpoint_reset",
    "closed": "endpoint_closed",
    "unreachable": "endpoint_unreachable",
    "starttls_refused": "starttls_refused",
    "starttls_unavailable": "service_busy",
}


_UNSEEN = Endpoint()


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """What is known of one endpoint.

    label:   "https:443", or "peer:pacs.hopital.example:2762" for a server that the device talks to
    seen:    its part of the observation; None where the visit does not show it
    missing: the reason for what is not seen, and `context` what goes with it
    names:   the names that its certificate must carry
    source:  which kind of observation showed it; None for a network visit
    path:    from the leaf to the anchor, or as far as the issuers are known; empty where no path was looked for
    unfinished: the visit broke off while this endpoint was looked at: what was seen counts, what was not may be worse
    shown_to: which hello got this chain; None where it is the only one
    further: the endpoint again, once for each other chain that it showed
    damaged: the places in its part of the observation that could not be read: more may be there than is judged
    key_file: what a login tells of the private key's file: {"path", "safe", "detail"}
    """

    label: str | None
    peer: bool
    names: tuple[str, ...]
    seen: Endpoint | None
    missing: str
    context: dict[str, Any] = field(default_factory=dict)
    aborted: bool = False
    visited_at: datetime | None = None
    chain: tuple[Certificate, ...] = ()
    path: tuple[Certificate, ...] = ()
    source: str | None = None
    key_file: Mapping[str, Any] | None = None
    unfinished: bool = False
    shown_to: Client | None = None
    further: tuple[EndpointFacts, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def outcome(self) -> str | None:
        """What the endpoint did when it was spoken to."""
        return None if self.seen is None else self.seen.outcome

    @property
    def observed(self) -> Endpoint:
        """What was seen of it; an endpoint that tells nothing where it was not."""
        return _UNSEEN if self.seen is None else self.seen

    @property
    def unknown(self) -> list[str]:
        """What stayed open because the visit had used its connections or its time."""
        return list(self.observed.unknown)

    @property
    def chains_unknown(self) -> list[str]:
        """What of `unknown` may show another certificate: a further name, and the handshake for another key."""
        return [name for name in self.unknown if name == "key_proof" or name.startswith("server_name:")]

    @property
    def key_exposed(self) -> bool:
        """Whether others on the device can read the private key beside this certificate."""
        return self.key_file is not None and self.key_file["key_safe"] is False

    @property
    def empty_file(self) -> bool:
        """Whether this is a certificate file in which nothing was found; `certificate_validity` says so, once."""
        return self.source is not None and not self.chain

    def unseen(self) -> Verdict | None:
        """Why the endpoint could not be looked at; None where it spoke TLS."""
        if self.seen is None:
            return Verdict(self.missing, dict(self.context))
        outcome = self.seen.outcome
        if outcome == "tls":
            return None
        observed = dict(self.context, outcome=outcome or "")
        if self.seen.error:
            observed["error"] = clean_text(self.seen.error)
        # In a visit that was broken off, silence says nothing of the endpoint; plaintext was seen all the same.
        if self.aborted and outcome != "not_tls":
            return Verdict("visit_aborted", observed)
        return Verdict(_OUTCOME_REASONS.get(str(outcome), "not_observed"), observed)

    def certificate_unseen(self) -> Verdict | None:
        """Why the certificate of the endpoint itself cannot be judged; None where it can."""
        if self.chain:
            leaf = self.chain[0]
            if leaf.readable:
                return None
            return unreadable(leaf)
        return self.unseen() or Verdict("visit_aborted" if self.aborted else "certificate_not_seen", dict(self.context))


def unreadable(link: Certificate) -> Verdict:
    """The verdict on a certificate that was sent and that cannot be read whole."""
    observed = link.identity()
    observed["error"] = clean_text(link.error)
    return Verdict("certificate_unreadable", observed)


def read_path(told: Sequence[Certificate], chain: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """The links of a path that was found, each with its role; what was sent is shown as it was sent.

    Empty where an observation tells none, or one that does not begin with the leaf of `chain`.
    """
    if not chain or not told or _fingerprint(told[0]) != _fingerprint(chain[0]):
        return ()
    sent = {_fingerprint(link): link for link in chain}
    return tuple(replace(sent.get(_fingerprint(link), link), role=link.role) for link in told)


def _fingerprint(link: Certificate) -> str:
    return str(link.fingerprint_sha256)


def judged_links(facts: EndpointFacts, *, signatures: bool) -> tuple[Certificate, ...]:
    """The certificates that count: those of the path that was found, by who signed whom and not by name.

    The signature of what ends the path does not: a root is trusted because it is in the store (RFC 5280, 6.1). Its key
    does. An observation that tells no path is judged by all that was sent but self-issued certificates above the leaf.
    """
    if not facts.path:
        return tuple(link for index, link in enumerate(facts.chain) if index == 0 or not link.self_issued)
    ends = ("anchor", "root") if signatures else ()
    return tuple(link for index, link in enumerate(facts.path) if index == 0 or link.role not in ends)


def links_by_name(chain: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """The leaf and the issuers that were sent, by name: for an observation that tells no path."""
    found = list(chain[:1])
    while found and not found[-1].self_issued and len(found) <= len(chain):
        issuer = found[-1].issuer
        above = next((link for link in chain[1:] if link.subject == issuer and link not in found), None)
        if above is None:
            break
        found.append(above)
    return tuple(found)


def _names_of(index: int, shown_to: Client, main: Client, facts: EndpointFacts) -> tuple[str, ...]:
    """The declared names that the chain of this number must carry: all but those for which another one is shown.

    A client that sends no name may have been given any of them; one that sends a name is shown the chain of that name.
    """
    asked = shown_to.server_name
    if index and asked != main.server_name:
        return facts.names if asked is None else (asked,)
    elsewhere = {entry.server_name for entry in facts.observed.server_names if entry.chain}
    return tuple(name for name in facts.names if name not in elsewhere or name == asked)


def _with_further(facts: EndpointFacts) -> EndpointFacts:
    """The endpoint with each other chain that it showed, and who is shown which."""
    if facts.seen is None:
        return facts
    others = [entry for entry in facts.seen.further_chains if entry.chain]
    if not others:
        return facts
    main = facts.seen.chain_shown_to
    further = []
    for index, entry in enumerate(others[:MAX_ITEMS], 1):
        further.append(
            replace(
                facts,
                seen=replace(facts.seen, chain=entry.chain, trust=entry.trust),
                names=_names_of(index, entry.shown_to, main, facts),
                chain=entry.chain,
                path=read_path(entry.trust.path, entry.chain),
                shown_to=entry.shown_to,
            )
        )
    return replace(facts, names=_names_of(0, main, main, facts), shown_to=main, further=tuple(further))


def endpoint_facts(
    label: str, names: tuple[str, ...], visit: Visit, seen: Endpoint | None, *, peer: bool
) -> EndpointFacts:
    """The facts of one endpoint from the visit that showed it, or did not."""
    chain = () if seen is None else seen.chain
    elsewhere = visit.facts.damaged_in("endpoints", "died_port", "addresses_not_visited")
    facts = EndpointFacts(
        label=label,
        peer=peer,
        names=names,
        seen=seen,
        missing="observation_damaged"
        if seen is None and elsewhere and visit.missing == "not_observed"
        else visit.missing,
        context=visit.context if seen is not None or not elsewhere else {**visit.context, "damaged": list(elsewhere)},
        aborted=visit.aborted,
        visited_at=visit.at,
        chain=chain,
        path=() if seen is None else read_path(seen.trust.path, chain),
        unfinished=seen is not None and broke_off_at(visit, seen),
        damaged=() if seen is None else (*seen.damaged, *elsewhere),
    )
    return _with_further(facts)


def file_facts(label: str, entry: CertificateFile, source: str | None, at: datetime | None) -> EndpointFacts:
    """The facts of a certificate file that a login found."""
    key_file = None
    if entry.key_path is not None:
        key_file = {"key_path": entry.key_path, "key_safe": entry.key_safe, "key_detail": entry.key_detail}
    return EndpointFacts(
        label=label,
        peer=False,
        names=(),
        seen=None,
        missing="certificate_file_unreadable",
        context={"path": clean_text(entry.path), "detail": entry.detail},
        visited_at=at,
        chain=entry.chain,
        path=read_path(entry.chain_path, entry.chain),
        source=source,
        key_file=key_file,
        damaged=entry.damaged,
    )
