# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCSP (RFC 6960): the question about one certificate, and what a responder's answer is worth. Nothing is sent here.

An answer says good only while it is current, about this very certificate, and signed by its issuer or by a responder
that the issuer has named (RFC 6960, 4.2.2.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.signatures import CRYPTOGRAPHY_ERROR

if CRYPTOGRAPHY_ERROR is None:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
    from cryptography.x509 import ocsp

CONTENT_TYPE = "application/ocsp-request"
MAX_ANSWER = 65536

#: Responders' clocks differ a little from ours.
_SLACK = timedelta(minutes=5)
#: An answer without nextUpdate is believed for a day.
_UNDATED = timedelta(days=1)


class OcspError(ValueError):
    """No question can be asked about this certificate; the text says why."""


def build_request(certificate: bytes, issuer: bytes) -> bytes:
    """The DER of a request about one certificate, given as DER with its issuer's."""
    try:
        subject = x509.load_der_x509_certificate(certificate)
        authority = x509.load_der_x509_certificate(issuer)
        # SHA-1 only names the issuer here, and is what every responder knows.
        request = ocsp.OCSPRequestBuilder().add_certificate(subject, authority, hashes.SHA1()).build()
        return request.public_bytes(serialization.Encoding.DER)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise OcspError(f"the certificate cannot be asked about: {error}") from None


def read_answer(answer: bytes, certificate: bytes, issuer: bytes, now: datetime) -> dict[str, Any]:
    """{"status": good | revoked | not_assessed, "detail", "date"}. Never raises for what the responder sent."""
    try:
        return _read(answer, x509.load_der_x509_certificate(certificate), x509.load_der_x509_certificate(issuer), now)
    except (
        ValueError,
        TypeError,
        OverflowError,
        UnsupportedAlgorithm,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as error:
        return _unknown(f"the OCSP answer cannot be read: {str(error)[:200]}")


def _read(answer: bytes, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> dict[str, Any]:
    response = ocsp.load_der_ocsp_response(answer[:MAX_ANSWER])
    if response.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
        return _unknown(f"the OCSP responder answered {response.response_status.name.lower()}")
    for single in response.responses:
        if single.serial_number == certificate.serial_number and _is_of(single, issuer):
            break
    else:
        return _unknown("the OCSP answer is about another certificate")
    if not _is_signed(response, issuer, now):
        return _unknown("the OCSP answer is not signed by the certificate's issuer or a responder that it named")
    begins = single.this_update_utc
    ends = single.next_update_utc or begins + _UNDATED
    # Written so that the last day of the calendar, which some responders give, cannot overflow.
    if begins > now + _SLACK or ends < now - _SLACK:
        return _unknown(f"the OCSP answer is not current: from {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC")
    if single.certificate_status == ocsp.OCSPCertStatus.GOOD:
        return {"status": "good", "detail": "", "date": None}
    if single.certificate_status == ocsp.OCSPCertStatus.REVOKED:
        moment = single.revocation_time_utc
        reason = single.revocation_reason.value if single.revocation_reason else "unspecified"
        return {
            "status": "revoked",
            "detail": f"revoked on {moment:%Y-%m-%d} ({reason}), says OCSP" if moment else f"revoked ({reason})",
            "date": moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None,
        }
    return _unknown("the OCSP responder does not know the certificate")


def _is_of(single: ocsp.OCSPSingleResponse, issuer: x509.Certificate) -> bool:
    """The answer names the issuer by hashes of its name and key (RFC 6960, 4.1.1)."""
    name = hashes.Hash(single.hash_algorithm)
    name.update(issuer.subject.public_bytes())
    key = hashes.Hash(single.hash_algorithm)
    key.update(_key_bits(issuer))
    return single.issuer_name_hash == name.finalize() and single.issuer_key_hash == key.finalize()


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The content of the key's BIT STRING, which the hash is made of."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    raise ValueError("the issuer's key is of an unknown kind")


def _is_signed(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> bool:
    if _verified(response, issuer):
        return True
    for delegate in response.certificates[:4]:
        usage = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING not in usage:
            continue
        if not delegate.not_valid_before_utc <= now <= delegate.not_valid_after_utc:
            continue
        try:
            delegate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            continue
        if _verified(response, delegate):
            return True
    return False


def _verified(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key = signer.public_key()
    digest = response.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(digest))
        elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(response.signature, response.tbs_response_bytes)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _unknown(detail: str) -> dict[str, Any]:
    return {"status": "not_assessed", "detail": detail, "date": None}


def issuer_of(certificate: bytes, candidates: Iterable[bytes]) -> bytes | None:
    """The first candidate that signed the certificate; all are DER."""
    try:
        subject = x509.load_der_x509_certificate(certificate)
        name = subject.issuer.public_bytes()
    except ValueError:
        return None
    for candidate in candidates:
        try:
            authority = x509.load_der_x509_certificate(candidate)
            if authority.subject.public_bytes() == name:
                subject.verify_directly_issued_by(authority)
                return candidate
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
    return None


def with_answer(trust: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """An endpoint's trust once OCSP has answered: a revocation ends trust, and no answer clears what a list revoked."""
    told = {"status": answer["status"], "detail": answer["detail"], "asked": True}
    listed = trust.get("revocation") or {}
    if listed.get("status") == "revoked":
        return dict(trust)
    if answer["status"] == "revoked" and trust["status"] == "trusted":
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
