# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCSP (RFC 6960): the question about one certificate, and what a responder's answer is worth. Nothing is sent here.

An answer says good only while it is current, about this very certificate, and signed by its issuer or by a responder
that the issuer has named (RFC 6960, 4.2.2.2). Certificates and signatures are read as those of a chain are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.paths import is_signed_by
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.revocation import reason_name
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der, signatures
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import (
    Certificate,
    parse_certificate,
    read_extensions,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import moment_text

CONTENT_TYPE = "application/ocsp-request"
MAX_ANSWER = 65536

#: Responders' clocks differ a little from ours.
_SLACK = timedelta(minutes=5)
#: An answer without nextUpdate is believed for a day.
_UNDATED = timedelta(days=1)
#: Responders send one certificate or two.
_MAX_DELEGATES = 16

_BASIC = der.oid("1.3.6.1.5.5.7.48.1.1")
_OCSP_SIGNING = der.oid("1.3.6.1.5.5.7.3.9")
_SHA1 = bytes.fromhex("300906052b0e03021a0500")
_DIGITAL_SIGNATURE = 0x80
# RFC 6960 section 4.2.1
_FAILURES = {1: "malformed_request", 2: "internal_error", 3: "try_later", 5: "sig_required", 6: "unauthorized"}
_GOOD, _REVOKED = 0x80, 0xA1


class OcspError(ValueError):
    """No question can be asked about this certificate; the text says why."""


@dataclass(frozen=True)
class _Single:
    """What an answer says of one certificate."""

    status: int
    this_update: datetime
    next_update: datetime | None
    revoked_at: datetime | None
    reason: str
    demands: bool
    """a critical extension stands beside it"""


def build_request(certificate: bytes, issuer: bytes) -> bytes:
    """The DER of a request about one certificate, given as DER with its issuer's."""
    try:
        subject = parse_certificate(certificate)
        if subject.serial is None:
            raise DerError("its serial number cannot be read")
        key = _key_bits(parse_certificate(issuer))
    except DerError as error:
        raise OcspError(f"the certificate cannot be asked about: {error}") from None
    # SHA-1 only names the issuer here, and is what every responder knows.
    hashes = [hashlib.sha1(part, usedforsecurity=False).digest() for part in (subject.issuer, key)]
    serial = subject.serial.to_bytes(subject.serial.bit_length() // 8 + 1, "big", signed=True)
    named = (der.element(der.OCTET_STRING, value) for value in hashes)
    question = der.element(der.SEQUENCE, _SHA1, *named, der.element(der.INTEGER, serial))
    for _layer in range(4):  # Request, requestList, TBSRequest, OCSPRequest
        question = der.element(der.SEQUENCE, question)
    return question


def read_answer(answer: bytes, certificate: bytes, issuer: bytes, now: datetime) -> dict[str, Any]:
    """{"status": good | revoked | not_assessed, "detail", "date"}. Never raises for what the responder sent."""
    try:
        return _read(answer[:MAX_ANSWER], parse_certificate(certificate), parse_certificate(issuer), now)
    except (DerError, OverflowError) as error:
        return _unknown(f"the OCSP answer cannot be read: {str(error)[:200]}")


def _read(answer: bytes, certificate: Certificate, issuer: Certificate, now: datetime) -> dict[str, Any]:
    outer = der.members(answer)
    if not outer or outer[0][0] != der.ENUMERATED:
        raise DerError("not an OCSP answer")
    code = der.integer(answer[outer[0][2] : outer[0][3]])
    if code:
        return _unknown(f"the OCSP responder answered {_FAILURES.get(code, 'an unknown status')}")
    start, stop = der.expect(answer, *_content(outer, 1), der.SEQUENCE)
    kind_start, kind_stop = der.expect(answer, start, stop, der.OID)
    if answer[kind_start:kind_stop] != _BASIC:
        raise DerError("an answer of an unknown type")
    start, stop = der.expect(answer, kind_stop, stop, der.OCTET_STRING)
    parts = der.members(answer[start:stop])
    basic = answer[start:stop]
    if [part[0] for part in parts[:3]] != [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        raise DerError("not an OCSP answer")
    tbs = basic[parts[0][1] : parts[0][3]]
    single = _about(tbs, certificate, issuer)
    if single is None:
        return _unknown("the OCSP answer is about another certificate")
    algorithm = basic[parts[1][1] : parts[1][3]]
    signature = der.whole_bytes(basic[parts[2][2] : parts[2][3]])
    signers = [issuer, *_named(_certificates(basic, parts[3:]), issuer, now)]
    if not any(signatures.verify(signer.spki, algorithm, tbs, signature) for signer in signers):
        return _unknown("the OCSP answer is not signed by the certificate's issuer or a responder that it named")
    return _told(single, now)


def _told(single: _Single, now: datetime) -> dict[str, Any]:
    begins, ends = single.this_update, single.next_update or single.this_update + _UNDATED
    # Written so that the last day of the calendar, which some responders give, cannot overflow.
    if begins > now + _SLACK or ends < now - _SLACK:
        return _unknown(f"the OCSP answer is not current: from {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC")
    if single.status == _REVOKED:
        moment = single.revoked_at
        on = f" on {moment:%Y-%m-%d}" if moment else ""
        return {
            "status": "revoked",
            "detail": f"revoked{on} ({single.reason}), says OCSP",
            "date": moment_text(moment) if moment else None,
        }
    if single.demands:
        return _unknown("the OCSP answer has a critical extension that is not known here")
    if single.status == _GOOD:
        return {"status": "good", "detail": "", "date": None}
    return _unknown("the OCSP responder does not know the certificate")


def _content(elements: list[der.Element], index: int) -> tuple[int, int]:
    if len(elements) <= index:
        raise DerError("an incomplete OCSP answer")
    return elements[index][2], elements[index][3]


def _about(tbs: bytes, certificate: Certificate, issuer: Certificate) -> _Single | None:
    """What ResponseData (RFC 6960 section 4.2.1) says of `certificate`: the gravest, where it says more than once."""
    fields = [field for field in der.members(tbs) if field[0] != 0xA0]  # without the version
    demands = any(_demands(tbs, field[2], field[3]) for field in fields[3:] if field[0] == 0xA1)
    found: _Single | None = None
    for _tag, _header, start, stop in der.children(tbs, *_content(fields, 2)):
        elements = der.children(tbs, start, stop)
        if not _is_about(tbs, _content(elements, 0), certificate, issuer):
            continue
        single = _single(tbs, elements, demands)
        if found is None or single.status == _REVOKED or (found.status == _GOOD and single.status != _GOOD):
            found = single
    return found


def _single(tbs: bytes, elements: list[der.Element], demands: bool) -> _Single:
    start, stop = _content(elements, 2)
    status, _header, first, last = elements[1]
    revoked_at, reason = None, "unspecified"
    if status == _REVOKED:
        told = der.children(tbs, first, last)
        revoked_at = der.time(told[0][0], tbs[told[0][2] : told[0][3]]) if told else None
        if len(told) > 1:
            inner, end = der.expect(tbs, told[1][2], told[1][3], der.ENUMERATED)
            reason = reason_name(der.integer(tbs[inner:end]))
    next_update = None
    for tag, _header, first, last in elements[3:]:
        if tag == 0xA0:
            kind, inner, end = der.read(tbs, first, last)
            next_update = der.time(kind, tbs[inner:end])
        elif tag == 0xA1:
            demands = demands or _demands(tbs, first, last)
    return _Single(status, der.time(elements[2][0], tbs[start:stop]), next_update, revoked_at, reason, demands)


def _demands(data: bytes, start: int, stop: int) -> bool:
    """Whether there is a critical extension, or one that cannot be read: none that matters here is critical."""
    inner, end = der.expect(data, start, stop, der.SEQUENCE)
    extensions, sound = read_extensions(data, inner, end)
    return not sound or any(critical for critical, _value in extensions.values())


def _is_about(tbs: bytes, bounds: tuple[int, int], certificate: Certificate, issuer: Certificate) -> bool:
    """A CertID names the issuer by hashes of its name and key (RFC 6960, 4.1.1).

    The name is hashed as the certificate writes it, and by some responders as the issuer does: they may differ in case.
    """
    fields = der.children(tbs, *bounds)
    if [field[0] for field in fields] != [der.SEQUENCE, der.OCTET_STRING, der.OCTET_STRING, der.INTEGER]:
        raise DerError("an answer about nothing")
    algorithm, name, key, serial = (tbs[field[2] : field[3]] for field in fields)
    digest = signatures.hash_function(algorithm)
    return (
        digest is not None
        and der.integer(serial) == certificate.serial
        and name in (digest(certificate.issuer), digest(issuer.subject))
        and key == digest(_key_bits(issuer))
    )


def _key_bits(issuer: Certificate) -> bytes:
    """The content of the key's BIT STRING, which the hash is made of."""
    fields = der.members(issuer.spki)
    start, stop = _content(fields, 1)
    return der.whole_bytes(issuer.spki[start:stop])


def _certificates(basic: bytes, rest: list[der.Element]) -> list[Certificate]:
    """The certificates that are sent along; what cannot be read is left out."""
    found = []
    for tag, _header, start, stop in rest:
        if tag == 0xA0:
            start, stop = der.expect(basic, start, stop, der.SEQUENCE)
            for _tag, header, _start, end in der.children(basic, start, stop)[:_MAX_DELEGATES]:
                try:
                    found.append(parse_certificate(basic[header:end]))
                except DerError:
                    continue
    return found


def _named(certificates: Iterable[Certificate], issuer: Certificate, now: datetime) -> list[Certificate]:
    """Those that `issuer` itself has named as responders (RFC 6960 section 4.2.2.2), in any order."""
    found = []
    for one in certificates:
        try:
            if (
                not one.defects
                and _OCSP_SIGNING in (one.extended_key_usages or ())
                and one.may(_DIGITAL_SIGNATURE)
                and one.not_before <= now <= one.not_after
                and one.issuer_key == issuer.subject_key
                and is_signed_by(one, issuer)
            ):
                found.append(one)
        except DerError:
            continue
    return found


def _unknown(detail: str) -> dict[str, Any]:
    return {"status": "not_assessed", "detail": detail, "date": None}


def issuer_of(certificate: bytes, candidates: Iterable[bytes]) -> bytes | None:
    """The first candidate that signed the certificate; all are DER."""
    try:
        subject = parse_certificate(certificate)
    except DerError:
        return None
    for candidate in candidates:
        try:
            authority = parse_certificate(candidate)
        except DerError:
            continue
        if authority.subject_key == subject.issuer_key and is_signed_by(subject, authority):
            return candidate
    return None


def with_answer(trust: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """An endpoint's trust once OCSP has answered: a revocation ends trust, and no answer clears what a list revoked."""
    told = {"status": answer["status"], "detail": answer["detail"], "asked": True}
    listed = trust.get("revocation") or {}
    if listed.get("status") == "revoked":
        return dict(trust)
    if answer["status"] == "revoked":
        return {
            **trust,
            "status": "revoked",
            "cause": "leaf_revoked",
            "detail": answer["detail"],
            "date": answer["date"],
            "revocation": told,
        }
    if answer["status"] == "not_assessed" and listed.get("status") == "good":
        return {**trust, "revocation": {**listed, "asked": True}}
    return {**trust, "revocation": told}
