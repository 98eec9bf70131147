# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a path from a device's certificate to a trust anchor (RFC 5280 section 6.1).

The signatures are known to be good. An anchor is trusted whatever it lacks, but what it does say (its dates, that it is
no authority, how long a path may be, which names it may issue) is held against it, as clients do. What clients
refuse beside that is told by client_rules.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust import name_constraints
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import (
    GN_DNS,
    GN_IP,
    KEY_USAGE,
    Certificate,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import moment_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.names import name_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.signatures import algorithm_name, key_facts

Purpose = Literal["server", "client"]

GRAVITY = (
    "trusted",
    "not_assessed",
    "some_clients_refuse",
    "incomplete_chain",
    "purpose_not_server",
    "not_yet_valid_in_chain",
    "expired_in_chain",
    "bad_signature",
    "revoked",
)
"""the statuses that a path to an anchor may have, from nothing wrong to the gravest"""

_KEY_CERT_SIGN = 0x04
# For preferring one path to another alone: what is too weak is for the policy to say.
_STURDY_BITS = {"RSA": 2048, "DSA": 2048, "EC": 256}
_WEAK_HASH = re.compile(r"(?i)md[245]|sha1\b|sha1With")
_UNREADABLE = "unreadable name"
_SHOWN_NAME = 160

# Extensions that are processed here, or that restrict nothing that is judged here: a critical one of any other type
# must stop a client that does not know it (RFC 5280 section 4.2).
_KNOWN_EXTENSIONS = frozenset(
    der.oid(number)
    for number in (
        "2.5.29.14",  # subject key identifier
        "2.5.29.15",  # key usage
        "2.5.29.16",  # private key usage period
        "2.5.29.17",  # subject alternative name
        "2.5.29.18",  # issuer alternative name
        "2.5.29.19",  # basic constraints
        "2.5.29.30",  # name constraints
        "2.5.29.31",  # CRL distribution points
        "2.5.29.32",  # certificate policies
        "2.5.29.33",  # policy mappings
        "2.5.29.35",  # authority key identifier
        "2.5.29.36",  # policy constraints
        "2.5.29.37",  # extended key usage
        "2.5.29.46",  # freshest CRL
        "2.5.29.54",  # inhibit any policy
        "1.3.6.1.5.5.7.1.1",  # authority information access
        "1.3.6.1.5.5.7.1.11",  # subject information access
        "1.3.6.1.5.5.7.1.24",  # TLS feature
        "2.16.840.1.113730.1.1",  # Netscape certificate type
    )
)


@dataclass(frozen=True)
class Problem:
    """A status and cause as TrustJudge.judge lists them; `link` and `date` concern the certificate at fault, `clients`
    are those that refuse it."""

    status: str
    cause: str
    detail: str
    link: str | None = None
    date: datetime | None = None
    clients: tuple[str, ...] = ()

    @property
    def gravity(self) -> int:
        """How grave it is; for the problems of a path alone."""
        return GRAVITY.index(self.status)


def shown(name: bytes) -> str | None:
    """A distinguished name for a person, cut when it is very long; None when it cannot be read."""
    try:
        text = name_text(name)
    except DerError:
        return None
    return text if len(text) <= _SHOWN_NAME else text[:_SHOWN_NAME] + "…"


def quoted(name: bytes) -> str:
    """A distinguished name inside a sentence."""
    return f"'{shown(name) or _UNREADABLE}'"


def sturdiness(path: tuple[Certificate, ...]) -> tuple[int, datetime]:
    """By which of two paths that are as good a chain is judged: the one with the fewest weak links, then the one that
    holds longest. A weak or short-lived certificate beside a path that does without it harms nobody."""
    weak, ends = 0, []
    for link in path:
        try:
            ends.append(link.not_after)
            key = key_facts(link.spki)
            weak += key.bits is not None and key.bits < _STURDY_BITS.get(key.kind, 0)
            weak += link is not path[-1] and _WEAK_HASH.search(algorithm_name(link.signature_algorithm)) is not None
        except DerError:
            weak += 1
    return -weak, min(ends, default=datetime.max.replace(tzinfo=timezone.utc))


def path_problems(
    path: tuple[Certificate, ...], sent: Collection[bytes], now: datetime, anchored: bool
) -> Iterator[Problem]:
    """What is wrong with `path`, from the device's certificate up; `sent` is the DER of what the server sent.

    Where the path is not `anchored`, only what no anchor could mend: of a root that was sent, clients have their own.
    """
    anchor = path[-1]
    authorities_below = 0
    for position, link in enumerate(path):
        try:
            if position and (anchored or link.subject_key != link.issuer_key):
                yield from _date_problems(link, anchored and link is anchor, now)
            if position:
                yield from _authority_problems(path, position, authorities_below)
                authorities_below += link.subject_key != link.issuer_key
            if len(path) > 1 or not anchored:
                yield from _restriction_problems(link, position)
        except DerError as exc:
            yield _unreadable(link, position, str(exc))
        if link is anchor:
            return
        if anchored and link.der not in sent:
            detail = f"{quoted(link.subject)} was not sent; it leads to the trust anchor {quoted(anchor.subject)}"
            yield Problem("incomplete_chain", "intermediate_known", detail, shown(link.subject))


def _unreadable(link: Certificate, position: int, why: str) -> Problem:
    cause = "link_unreadable" if position else "leaf_unreadable"
    return Problem("not_assessed", cause, f"{quoted(link.subject)} cannot be read in full: {why}", shown(link.subject))


def _date_problems(link: Certificate, is_anchor: bool, now: datetime) -> Iterator[Problem]:
    what = "anchor" if is_anchor else "intermediate"
    if link.not_after < now:
        detail = f"{quoted(link.subject)} expired on {moment_text(link.not_after)}"
        yield Problem("expired_in_chain", f"{what}_expired", detail, shown(link.subject), link.not_after)
    if link.not_before > now:
        detail = f"{quoted(link.subject)} is not valid before {moment_text(link.not_before)}"
        yield Problem("not_yet_valid_in_chain", f"{what}_not_yet_valid", detail, shown(link.subject), link.not_before)


def _authority_problems(path: tuple[Certificate, ...], position: int, authorities_below: int) -> Iterator[Problem]:
    """Whether the certificate at `position` had the right to issue what stands below it."""
    issuer = path[position]

    def problem(cause: str, what: str) -> Problem:
        return Problem("bad_signature", cause, f"{quoted(issuer.subject)} {what}", shown(issuer.subject))

    is_ca, path_length = issuer.basic_constraints or (issuer is path[-1] and _may_be_old_root(issuer), None)
    if not is_ca:
        yield problem("not_a_ca", "issued a certificate without being an authority")
    elif not issuer.may(_KEY_CERT_SIGN):
        yield problem("key_usage", "issued a certificate though its key usage does not allow it")
    elif path_length is not None and authorities_below > path_length:
        yield problem("path_length", f"allows {path_length} authorities below it, the path has {authorities_below}")
    subtrees = issuer.name_constraints
    if subtrees is None:
        return
    for below, link in enumerate(path[:position]):
        if below and link.subject_key == link.issuer_key:
            continue
        allowed = name_constraints.allows(subtrees, link)
        if allowed is False:
            yield problem("name_constraints", f"may not issue the names of {quoted(link.subject)}")
        elif allowed is None:
            detail = f"{quoted(issuer.subject)} restricts a form of name that is not judged here"
            yield Problem("not_assessed", "name_constraints_unsupported", detail, shown(issuer.subject))


def _may_be_old_root(anchor: Certificate) -> bool:
    """Whether an anchor without basic constraints may issue: old roots say nothing, or that they sign certificates.

    A device that is pinned as its own anchor says what it is for, and is no authority for others.
    """
    usage = anchor.value(KEY_USAGE)
    named = any(tag in (GN_DNS, GN_IP) for tag, _content in anchor.alt_names)
    return (usage is not None and anchor.may(_KEY_CERT_SIGN)) or not (
        usage or named or anchor.extended_key_usages is not None
    )


def _restriction_problems(link: Certificate, position: int) -> Iterator[Problem]:
    """What stops a client although the link itself holds."""
    if link.defects:
        yield _unreadable(link, position, ", ".join(link.defects))
    for kind, (critical, _value) in link.extensions.items():
        if critical and kind not in _KNOWN_EXTENSIONS:
            detail = f"{quoted(link.subject)} has a critical extension that is not known here: {der.dotted(kind)}"
            yield Problem("not_assessed", "critical_extension", detail, shown(link.subject))
    # Read here so that one that cannot be read is told.
    _usages = link.extended_key_usages
