# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges the path from a device's certificate to an authority that the hospital trusts (RFC 5280 section 6).

Made for private authorities: a path is refused for what is wrong with it, never for what a public authority would
have added (names in an authority's certificate, key identifiers, key usage), and an old hash is no forgery.

How a verdict is reached:
1. Every path from the certificate to an anchor is looked for among the anchors and what the server sent, in whatever
   order it sent it. An issuer is a certificate whose subject is the issuer's name and whose key verifies the signature;
   key identifiers only say which one to try first. A path ends at the first anchor.
2. If there is none, the same again with the authorities that other devices of the run sent. A path that needs one of
   those is `incomplete_chain`: the device does not send what its clients need.
3. Of several paths the one with the least wrong counts, then the one with the fewest weak signatures and keys, then the
   one that holds longest; of several wrongs on one path, the gravest.
   Without any anchor given, what no anchor could mend is told all the same (self-signed, a broken signature, an
   intermediate that expired, a certificate that is not a server's); only the rest is not assessed.
4. If there is no path at all, the furthest point that was reached tells the cause. A missing issuer is an
   `unknown_authority`, unless the last certificate itself names an anchor as its issuer's issuer (authority key
   identifier by name), which makes it an `incomplete_chain`. Where the server sent nothing but its own certificate and
   nothing in the run knows the issuer, the detail says that the issuer may be an intermediate that was not sent.

The validity dates of the device's own certificate are left to the check of that name.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.client_rules import client_problems
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.path_rules import (
    Problem,
    Purpose,
    path_problems,
    quoted,
    shown,
    sturdiness,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.paths import DeadEnd, Findings, Path, PathFinder
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.revocation import Crl, RevocationBook, load_crls
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import (
    Certificate,
    parse_certificate,
    subject_inside,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import (
    CertificateSourceError,
    moment_text,
    parts_of,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.names import NameKey, name_key

# What a server sends is read so far; real chains have fewer than ten.
_MAX_SENT = 64

_TOLD_OF_LINK = ("subject", "fingerprint_sha256", "not_before", "not_after", "key", "signature_algorithm")


class _HasDer(Protocol):
    def public_bytes(self, encoding: Any) -> bytes: ...


AnyCertificate = bytes | _HasDer


@dataclass(frozen=True)
class _Unreadable:
    """A certificate above the device's own that cannot be read: its place in the chain, its subject where that can."""

    number: int
    subject: bytes | None
    why: str


@dataclass(frozen=True)
class _Verdict:
    """A path to an anchor, the gravest that is wrong with it, and what the revocation lists say."""

    problem: Problem
    path: Path
    revocation: dict[str, Any]

    def better_than(self, other: _Verdict) -> bool:
        if self.problem.gravity != other.problem.gravity:
            return self.problem.gravity < other.problem.gravity
        return sturdiness(self.path) > sturdiness(other.path)


class TrustJudge:
    """Judges chains against the trust anchors of one run.

    anchors        certificates that are trusted whatever signed them: roots, intermediates or single devices
    intermediates  every authority certificate seen in the run, whoever sent it; never trusted by themselves
    crls           revocation lists, as load_crls returns them or as bytes

    Certificates are DER bytes or `cryptography` certificates. Raises CertificateSourceError for an anchor, and
    CrlSourceError for a list, that cannot be read; an unreadable intermediate is left out.
    """

    def __init__(
        self,
        anchors: Iterable[AnyCertificate],
        intermediates: Iterable[AnyCertificate] = (),
        crls: Iterable[Crl | bytes] = (),
    ) -> None:
        self._paths = PathFinder(_anchors(anchors), _authorities(intermediates))
        self._revocations = RevocationBook(
            crl for given in crls for crl in ([given] if isinstance(given, Crl) else load_crls([given]))
        )

    def judge(self, chain: Sequence[bytes], now: datetime, purpose: Purpose = "server") -> dict[str, Any]:
        """The verdict on a chain as a server sent it, its own certificate first. Never raises because of the chain.

        status, cause (both closed lists):
          trusted                 anchor_reached | leaf_is_anchor
          self_signed             self_signed
          unknown_authority       issuer_unknown (nothing known has the issuer's name) | issuer_key_unknown (the name is
                                  known, with another key) | root_not_trusted (ends at a root that is no anchor)
          incomplete_chain        intermediate_known (another device of the run sends it) | intermediate_unknown
          expired_in_chain        intermediate_expired | anchor_expired
          not_yet_valid_in_chain  intermediate_not_yet_valid | anchor_not_yet_valid
          bad_signature           signature_invalid, or a signature that its maker had no right to make: not_a_ca |
                                  key_usage | path_length | name_constraints
          revoked                 leaf_revoked | intermediate_revoked
          purpose_not_server      extended_key_usage | key_usage_not_tls | netscape_type | authority_as_server
          some_clients_refuse     the keys of client_rules.REFUSED_BY; `clients` names those that refuse
          not_assessed            no_anchors | no_chain | leaf_unreadable | link_unreadable | algorithm_unsupported |
                                  critical_extension | name_constraints_unsupported | purpose (not for a TLS client) |
                                  chain_order (an authority's certificate comes first) | search_limit |
                                  must_staple (whether the server sends the OCSP answer that it must was not seen)
        anchor      subject of the anchor that the path leads to, or None
        link        subject of the certificate at fault, the name of the missing issuer for incomplete_chain and
                    unknown_authority, or None
        date        when the link expires, becomes valid or was revoked (ISO 8601), or None
        detail      an English sentence; names from the device are escaped and cut
        revocation  {status: good | revoked | not_assessed, detail} for the path that was judged
        path        the certificates that were judged, the device's own first and the anchor last: each {role, sent,
                    subject, fingerprint_sha256, not_before, not_after, key, signature_algorithm}, the last six as
                    describe_certificate tells them; `sent` is false for one that the server left out.
                    role: device | authority | anchor | root (it signed itself and is no anchor). Without a way to an
                    anchor it goes as far as the issuers are known; empty when the own certificate cannot be read

        `now` is timezone-aware. `purpose` is the side of TLS that the certificate is used on: where an extended key
        usage is present on the path, it must allow that side.
        """
        if now.tzinfo is None:
            raise ValueError("now must be timezone-aware")
        if not chain:
            return _result(Problem("not_assessed", "no_chain", "no certificate was seen"))
        try:
            sent = [parse_certificate(chain[0])]
        except DerError as exc:
            return _result(Problem("not_assessed", "leaf_unreadable", f"the certificate cannot be read: {exc}"))
        unreadable: list[_Unreadable] = []
        for number, data in enumerate(chain[1:_MAX_SENT], 2):
            try:
                sent.append(parse_certificate(data))
            except DerError as exc:
                unreadable.append(_Unreadable(number, subject_inside(data), str(exc)))
        if _is_reversed(sent):
            detail = f"{quoted(sent[0].subject)}, an authority, is sent before the certificate of the device"
            return _result(Problem("not_assessed", "chain_order", detail, shown(sent[0].subject)))
        # What the server sent is judged first: a path through what others sent must not hide what this one sends.
        for use_known in (False, True):
            best, findings = self._best(sent, use_known, now, purpose)
            if best is not None:
                return _result(best.problem, best.path, sent, best.revocation, anchored=True)
        end = max(findings.dead_ends, key=lambda one: (len(one.path), *sturdiness(one.path)), default=None)
        problem = self._explain(sent, end, findings.limited, unreadable)
        if problem.cause == "no_anchors" and end is not None:
            known = self._verdict(end.path, sent, now, purpose, anchored=False).problem
            problem = known if known.gravity > problem.gravity else problem
        return _result(problem, end.path if end is not None else (), sent)

    def _best(
        self, sent: Sequence[Certificate], use_known: bool, now: datetime, purpose: Purpose
    ) -> tuple[_Verdict | None, Findings]:
        """The path with the least wrong."""
        best: _Verdict | None = None

        def visit(path: Path) -> None:
            nonlocal best
            verdict = self._verdict(path, sent, now, purpose, anchored=True)
            if best is None or verdict.better_than(best):
                best = verdict

        findings = self._paths.find(sent, use_known, visit)
        return best, findings

    def _verdict(
        self, path: Path, sent: Sequence[Certificate], now: datetime, purpose: Purpose, *, anchored: bool
    ) -> _Verdict:
        anchor = path[-1]
        if len(path) == 1:
            fine = Problem("trusted", "leaf_is_anchor", f"{quoted(anchor.subject)} is itself a trust anchor")
        else:
            fine = Problem("trusted", "anchor_reached", f"the path leads to {quoted(anchor.subject)}")
        revocation, revoked = self._revocation(path, now)
        gravest = fine
        ders = {certificate.der for certificate in sent}
        for problem in (
            *path_problems(path, ders, now, anchored),
            *client_problems(path, sent, now, purpose, anchored),
            *revoked,
        ):
            # Of two that are equally grave, the one nearer to the anchor is the deeper cause.
            if problem.gravity >= gravest.gravity:
                gravest = problem
        return _Verdict(gravest, path, revocation)

    def _revocation(self, path: Path, now: datetime) -> tuple[dict[str, Any], list[Problem]]:
        """What the lists say of the links below the anchor: revoked if one is, good if all are."""
        if len(path) == 1:
            return _unasked("a trust anchor has no issuer that could revoke it"), []
        if not self._revocations:
            return _unasked("no revocation list was given"), []
        answers = [self._revocations.check(link, issuer, now) for link, issuer in itertools.pairwise(path)]
        problems = [
            Problem(
                "revoked",
                "intermediate_revoked" if position else "leaf_revoked",
                f"{quoted(link.subject)}: {answer.detail}",
                shown(link.subject),
                answer.date,
            )
            for position, (link, answer) in enumerate(zip(path[:-1], answers, strict=True))
            if answer.status == "revoked"
        ]
        statuses = [answer.status for answer in answers]
        status = next((status for status in ("revoked", "not_assessed") if status in statuses), "good")
        details = [answer.detail for answer in answers if answer.status == status]
        return {"status": status, "detail": "; ".join(details)}, problems

    def _explain(
        self, sent: Sequence[Certificate], end: DeadEnd | None, limited: bool, unreadable: Sequence[_Unreadable]
    ) -> Problem:
        """Why there is no path to an anchor: what stops the longest one, `end`."""
        if end is not None and end.cause == "root_not_trusted" and len(end.path) == 1:
            detail = f"{quoted(sent[0].subject)} signed itself and is no trust anchor"
            return Problem("self_signed", "self_signed", detail, shown(sent[0].subject))
        if end is None or limited:
            return Problem("not_assessed", "search_limit", "too many certificates of one name to try every path")
        if not self._paths.has_anchors and end.cause != "signature_invalid":
            return Problem("not_assessed", "no_anchors", "no trust anchor was given")
        last = end.path[-1]
        subject, issuer = quoted(last.subject), quoted(last.issuer)
        if end.cause == "root_not_trusted":
            detail = f"the path ends at {subject}, which is no trust anchor"
            return Problem("unknown_authority", "root_not_trusted", detail, shown(last.subject))
        if end.cause == "signature_invalid":
            detail = f"the signature on {subject} was not made by the key of {issuer}"
            return Problem("bad_signature", "signature_invalid", detail, shown(last.subject))
        if end.cause == "algorithm_unsupported":
            detail = f"the signature on {subject} uses an algorithm or a key that cannot be verified here"
            return Problem("not_assessed", "algorithm_unsupported", detail, shown(last.subject))
        for one in unreadable:
            if one.subject is None or name_key(one.subject) == last.issuer_key:
                which = f"certificate number {one.number} of the chain"
                name = which if one.subject is None else shown(one.subject)
                detail = f"{which}, which may be {issuer}, issuer of {subject}, cannot be read: {one.why}"
                return Problem("not_assessed", "link_unreadable", detail, name)
        if end.cause == "issuer_key_unknown":
            detail = f"{subject} was issued by a key of {issuer} that is not known"
            return Problem("unknown_authority", "issuer_key_unknown", detail, shown(last.issuer))
        if self._paths.names_an_anchor(_issuer_of_issuer(last)):
            detail = f"{issuer}, issuer of {subject}, was not sent; by its key identifier a trust anchor issued it"
            return Problem("incomplete_chain", "intermediate_unknown", detail, shown(last.issuer))
        detail = f"{issuer}, issuer of {subject}, is not known"
        if len(sent) == 1:
            detail += "; it may be an intermediate authority that was not sent"
        return Problem("unknown_authority", "issuer_unknown", detail, shown(last.issuer))


def _anchors(given: Iterable[AnyCertificate]) -> Iterator[Certificate]:
    for number, anchor in enumerate(given, 1):
        try:
            yield parse_certificate(_der_of(anchor))
        except DerError as exc:
            raise CertificateSourceError(
                f"trust anchor number {number} is not a readable certificate ({exc}). Export it again."
            ) from exc


def _authorities(given: Iterable[AnyCertificate]) -> Iterator[Certificate]:
    """Those that can be read and are authorities, each once: the same few come from every device of a run."""
    for data in dict.fromkeys(map(_der_of, given)):
        try:
            certificate = parse_certificate(data)
            if certificate.is_ca:
                yield certificate
        except DerError:
            continue


def _der_of(certificate: AnyCertificate) -> bytes:
    if isinstance(certificate, bytes):
        return certificate
    # Here and not above: whoever hands over such an object has the library, and this module loads without it.
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _is_reversed(sent: Sequence[Certificate]) -> bool:
    """Whether an authority stands first and a certificate that it or another of the chain issued comes later."""
    try:
        if not sent[0].is_ca:
            return False
        subjects = {certificate.subject_key for certificate in sent}
        return any(not certificate.is_ca and certificate.issuer_key in subjects for certificate in sent[1:])
    except DerError:
        return False


def _issuer_of_issuer(certificate: Certificate) -> Iterable[NameKey]:
    try:
        identifier = certificate.authority_key_id
    except DerError:
        return ()
    return identifier.issuer_keys if identifier is not None else ()


def _unasked(detail: str) -> dict[str, Any]:
    return {"status": "not_assessed", "detail": detail}


def _links(path: Path, sent: Sequence[Certificate], anchored: bool) -> list[dict[str, Any]]:
    """The links of a path as `judge` tells them."""
    ders = {certificate.der for certificate in sent}
    roles = ["device", *["authority"] * (len(path) - 1)][: len(path)]
    if anchored:
        roles[-1] = "anchor"
    elif len(path) > 1 and path[-1].subject_key == path[-1].issuer_key:
        roles[-1] = "root"
    return [
        {"role": role, "sent": link.der in ders, **parts_of(link.der, _TOLD_OF_LINK)}
        for role, link in zip(roles, path, strict=True)
    ]


def _result(
    problem: Problem,
    path: Path = (),
    sent: Sequence[Certificate] = (),
    revocation: dict[str, Any] | None = None,
    anchored: bool = False,
) -> dict[str, Any]:
    return {
        "status": problem.status,
        "cause": problem.cause,
        "anchor": shown(path[-1].subject) if anchored else None,
        "link": problem.link,
        "date": moment_text(problem.date) if problem.date is not None else None,
        "detail": problem.detail,
        **({"clients": list(problem.clients)} if problem.clients else {}),
        "revocation": revocation or _unasked("no path to a trust anchor was found"),
        "path": _links(path, sent, anchored),
    }
