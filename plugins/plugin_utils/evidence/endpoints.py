# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TLS endpoint as the checks look at it: what was seen of it, with dates parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit, broke_off_at
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    MAX_ITEMS,
    as_list,
    as_mapping,
    clean_text,
    clean_texts,
    optional_text,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import parse_instant

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


@dataclass(frozen=True, slots=True)
class Link:
    """One certificate of a chain. `not_before` and `not_after` are None where it could not be read.

    role: device | authority | anchor | root, as the judge of trust tells it of a path; None where it was not told.
    """

    entry: Mapping[str, Any]
    not_before: datetime | None
    not_after: datetime | None
    self_issued: bool
    role: str | None = None

    @property
    def readable(self) -> bool:
        """Whether its dates, and so the rest of it, were read."""
        return self.not_before is not None and self.not_after is not None and not self.entry.get("error")

    def unread(self, part: str) -> bool:
        """Whether this part of it ("key", "names") was there and could not be read."""
        return part in as_list(self.entry.get("unreadable"))

    def identity(self) -> dict[str, Any]:
        """Which certificate this is, in words and by fingerprint."""
        return {
            "subject": clean_text(self.entry.get("subject")),
            "fingerprint_sha256": clean_text(self.entry.get("fingerprint_sha256")),
        }


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
    shown_to: which hello got this chain: {"version", "key", "server_name"}; None where it is the only one
    further: the endpoint again, once for each other chain that it showed
    key_file: what a login tells of the private key's file: {"path", "safe", "detail"}
    """

    label: str | None
    peer: bool
    names: tuple[str, ...]
    seen: Mapping[str, Any] | None
    missing: str
    context: dict[str, Any] = field(default_factory=dict)
    aborted: bool = False
    visited_at: datetime | None = None
    chain: tuple[Link, ...] = ()
    path: tuple[Link, ...] = ()
    source: str | None = None
    key_file: Mapping[str, Any] | None = None
    unfinished: bool = False
    shown_to: Mapping[str, Any] | None = None
    further: tuple[EndpointFacts, ...] = ()

    @property
    def outcome(self) -> Any:
        """What the endpoint did when it was spoken to."""
        return None if self.seen is None else self.seen.get("outcome")

    def told(self, key: str) -> Any:
        """One part of what was observed; None where it was not."""
        return None if self.seen is None else self.seen.get(key)

    @property
    def unknown(self) -> list[str]:
        """What stayed open because the visit had used its connections or its time."""
        return clean_texts(self.told("unknown"))

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
        outcome = self.seen.get("outcome")
        if outcome == "tls":
            return None
        observed = dict(self.context, outcome=clean_text(outcome))
        if self.seen.get("error"):
            observed["error"] = clean_text(self.seen["error"])
        # In a visit that was broken off, silence says nothing of the endpoint; plaintext was seen all the same.
        if self.aborted and outcome != "not_tls":
            return Verdict("visit_aborted", observed)
        return Verdict(
            _OUTCOME_REASONS.get(outcome, "not_observed") if isinstance(outcome, str) else "not_observed", observed
        )

    def certificate_unseen(self) -> Verdict | None:
        """Why the certificate of the endpoint itself cannot be judged; None where it can."""
        if self.chain:
            leaf = self.chain[0]
            if leaf.readable:
                return None
            return unreadable(leaf)
        return self.unseen() or Verdict("visit_aborted" if self.aborted else "certificate_not_seen", dict(self.context))


def unreadable(link: Link) -> Verdict:
    """The verdict on a certificate that was sent and that cannot be read whole."""
    observed = link.identity()
    observed["error"] = clean_text(link.entry.get("error") or "")
    return Verdict("certificate_unreadable", observed)


def read_chain(entries: Any) -> tuple[Link, ...]:
    """The certificates as sent, leaf first."""
    links = []
    for item in as_list(entries):
        entry = as_mapping(item)
        subject = entry.get("subject")
        links.append(
            Link(
                entry,
                parse_instant(entry.get("not_before")),
                parse_instant(entry.get("not_after")),
                bool(subject) and subject == entry.get("issuer"),
            )
        )
    return tuple(links)


def read_path(entries: Any, chain: tuple[Link, ...]) -> tuple[Link, ...]:
    """The links of a path that was found, each with its role; what was sent is shown as it was sent.

    Empty where an observation tells none, or one that does not begin with the leaf of `chain`.
    """
    told = read_chain(entries)
    if not chain or not told or _fingerprint(told[0]) != _fingerprint(chain[0]):
        return ()
    sent = {_fingerprint(link): link for link in chain}
    return tuple(
        replace(
            sent.get(_fingerprint(link), link), role=role if isinstance(role := link.entry.get("role"), str) else None
        )
        for link in told
    )


def _fingerprint(link: Link) -> str:
    return str(link.entry.get("fingerprint_sha256"))


def judged_links(facts: EndpointFacts, *, signatures: bool) -> tuple[Link, ...]:
    """The certificates that count: those of the path that was found, by who signed whom and not by name.

    The signature of what ends the path does not: a root is trusted because it is in the store (RFC 5280, 6.1). Its key
    does. An observation that tells no path is judged by all that was sent but self-issued certificates above the leaf.
    """
    if not facts.path:
        return tuple(link for index, link in enumerate(facts.chain) if index == 0 or not link.self_issued)
    ends = ("anchor", "root") if signatures else ()
    return tuple(link for index, link in enumerate(facts.path) if index == 0 or link.role not in ends)


def links_by_name(chain: tuple[Link, ...]) -> tuple[Link, ...]:
    """The leaf and the issuers that were sent, by name: for an observation that tells no path."""
    found = list(chain[:1])
    while found and not found[-1].self_issued and len(found) <= len(chain):
        issuer = found[-1].entry.get("issuer")
        above = next((link for link in chain[1:] if link.entry.get("subject") == issuer and link not in found), None)
        if above is None:
            break
        found.append(above)
    return tuple(found)


def _shown_to(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: optional_text(entry.get(key)) for key in ("version", "key", "server_name")}


def _names_of(
    index: int, shown_to: Mapping[str, Any], main: Mapping[str, Any], facts: EndpointFacts
) -> tuple[str, ...]:
    """The declared names that the chain of this number must carry: all but those for which another one is shown.

    A client that sends no name may have been given any of them; one that sends a name is shown the chain of that name.
    """
    asked = shown_to.get("server_name")
    if index and asked != main.get("server_name"):
        return facts.names if asked is None else (asked,)
    elsewhere = {
        entry.get("server_name")
        for entry in map(as_mapping, as_list(facts.told("server_names")))
        if isinstance(entry.get("chain"), int) and entry["chain"] > 0
    }
    return tuple(name for name in facts.names if name not in elsewhere or name == asked)


def _with_further(facts: EndpointFacts) -> EndpointFacts:
    """The endpoint with each other chain that it showed, and who is shown which."""
    others = [entry for entry in map(as_mapping, as_list(facts.told("further_chains"))) if entry.get("chain")]
    if not others or facts.seen is None:
        return facts
    main = _shown_to(as_mapping(facts.told("chain_shown_to")))
    further = []
    for index, entry in enumerate(others[:MAX_ITEMS], 1):
        chain, shown_to = read_chain(entry["chain"]), _shown_to(as_mapping(entry.get("shown_to")))
        further.append(
            replace(
                facts,
                seen={**facts.seen, "chain": entry["chain"], "trust": entry.get("trust")},
                names=_names_of(index, shown_to, main, facts),
                chain=chain,
                path=read_path(as_mapping(entry.get("trust")).get("path"), chain),
                shown_to=shown_to,
            )
        )
    return replace(facts, names=_names_of(0, main, main, facts), shown_to=main, further=tuple(further))


def endpoint_facts(
    label: str, names: tuple[str, ...], visit: Visit, seen: Mapping[str, Any] | None, *, peer: bool
) -> EndpointFacts:
    """The facts of one endpoint from the visit that showed it, or did not."""
    chain = () if seen is None else read_chain(seen.get("chain"))
    facts = EndpointFacts(
        label=label,
        peer=peer,
        names=names,
        seen=seen,
        missing=visit.missing,
        context=visit.context,
        aborted=visit.aborted,
        visited_at=visit.at,
        chain=chain,
        path=() if seen is None else read_path(as_mapping(seen.get("trust")).get("path"), chain),
        unfinished=seen is not None and broke_off_at(visit, seen),
    )
    return _with_further(facts)


def file_facts(label: str, entry: Mapping[str, Any], source: str | None, at: datetime | None) -> EndpointFacts:
    """The facts of a certificate file that a login found."""
    key_file = None
    if isinstance(entry.get("key_path"), str):
        key_file = {
            "key_path": clean_text(entry["key_path"]),
            "key_safe": entry.get("key_safe") if isinstance(entry.get("key_safe"), bool) else None,
            "key_detail": clean_text(entry.get("key_detail") or ""),
        }
    chain = read_chain(entry.get("chain"))
    return EndpointFacts(
        label=label,
        peer=False,
        names=(),
        seen=None,
        missing="certificate_file_unreadable",
        context={"path": clean_text(entry.get("path")), "detail": clean_text(entry.get("detail") or "")},
        visited_at=at,
        chain=chain,
        path=read_path(entry.get("chain_path"), chain),
        source=source,
        key_file=key_file,
    )
