# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OCSP answer says good only while it is current, about this certificate, and signed by who may."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.ocsp import (
    OcspError,
    build_request,
    issuer_of,
    read_answer,
    with_answer,
)
from ansible_collections.biomed.cert_hygiene.tests.unit import pki_factory as pki

ISSUER = pki.make("Hospital Issuing", ca=True)
RSA_ISSUER = pki.make("Hospital RSA", ca=True, kind="rsa2048")
DEVICE = pki.make("echo-004", ISSUER, dns=["echo-004.hopital.example"])
RSA_DEVICE = pki.make("echo-005", RSA_ISSUER, dns=["echo-005.hopital.example"])
OTHER = pki.make("echo-006", ISSUER, dns=["echo-006.hopital.example"])
STRANGER = pki.make("Somebody Else", ca=True)
_SIGNING = (x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING]), False)
DELEGATE = pki.make("Hospital OCSP", ISSUER, extra=[_SIGNING])
FRESH_DELEGATE = pki.make("New OCSP", ISSUER, days=(0, 9), extra=[_SIGNING])
ENDING_DELEGATE = pki.make("Ending OCSP", ISSUER, days=(-90, 0), extra=[_SIGNING])
# A key usage whose only bit means nothing alone (encipherOnly).
ODD_DELEGATE = pki.rebuild(
    pki.make("Odd OCSP", ISSUER, extra=[_SIGNING]),
    ISSUER,
    extensions=b"".join(
        [
            *pki.raw_extensions(pki.make("Odd OCSP", ISSUER, extra=[_SIGNING], without=[x509.KeyUsage])),
            pki.extension("2.5.29.15", bytes.fromhex("03020001")),
        ]
    ),
)
EXPIRED_DELEGATE = pki.make("Old OCSP", ISSUER, days=(-90, -1), extra=[_SIGNING])
NO_DELEGATE = pki.make("Hospital Web", ISSUER, dns=["web.hopital.example"])


def answer(
    device: pki.Identity = DEVICE,
    issuer: pki.Identity = ISSUER,
    signer: pki.Identity | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    hours: tuple[float, float | None] = (-1, 24),
    delegates: tuple[pki.Identity, ...] = (),
    reason: x509.ReasonFlags | None = x509.ReasonFlags.key_compromise,
) -> bytes:
    revoked = status == ocsp.OCSPCertStatus.REVOKED
    signer = signer or issuer
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=device.certificate,
            issuer=issuer.certificate,
            algorithm=hashes.SHA1(),
            cert_status=status,
            this_update=pki.NOW + timedelta(hours=hours[0]),
            next_update=None if hours[1] is None else pki.NOW + timedelta(hours=hours[1]),
            revocation_time=pki.NOW - timedelta(days=3) if revoked else None,
            revocation_reason=reason if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, signer.certificate)
    )
    if delegates:
        builder = builder.certificates([delegate.certificate for delegate in delegates])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


REVOKED = answer(status=ocsp.OCSPCertStatus.REVOKED)
REFUSED = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
    serialization.Encoding.DER
)


@pytest.mark.parametrize(
    ("data", "status", "detail"),
    [
        (answer(), "good", ""),
        (answer(hours=(-1, None)), "good", ""),
        (answer(status=ocsp.OCSPCertStatus.REVOKED), "revoked", "revoked on 2026-11-19 (keyCompromise)"),
        (answer(status=ocsp.OCSPCertStatus.UNKNOWN), "not_assessed", "does not know the certificate"),
        (answer(device=OTHER), "not_assessed", "about another certificate"),
        (answer(hours=(-48, -24)), "not_assessed", "not current"),
        (answer(hours=(24, 48)), "not_assessed", "not current"),
        (answer(hours=(-48, None)), "not_assessed", "not current"),
        (answer(signer=STRANGER), "not_assessed", "not signed by"),
        (answer(signer=DELEGATE, delegates=(DELEGATE,)), "good", ""),
        (answer(signer=DELEGATE), "not_assessed", "not signed by"),
        (answer(signer=EXPIRED_DELEGATE, delegates=(EXPIRED_DELEGATE,)), "not_assessed", "not signed by"),
        (answer(signer=NO_DELEGATE, delegates=(NO_DELEGATE,)), "not_assessed", "not signed by"),
        (answer(signer=FRESH_DELEGATE, delegates=(FRESH_DELEGATE,)), "good", ""),
        (answer(signer=ENDING_DELEGATE, delegates=(ENDING_DELEGATE,)), "good", ""),
        (answer(signer=ODD_DELEGATE, delegates=(ODD_DELEGATE,)), "not_assessed", "not signed by"),
        (answer(status=ocsp.OCSPCertStatus.REVOKED, reason=None), "revoked", "revoked on 2026-11-19 (unspecified)"),
        (REFUSED, "not_assessed", "answered try_later"),
        (pki.tlv(0x30, pki.tlv(0x0A, b"\1")), "not_assessed", "answered malformed_request"),
        (pki.tlv(0x30, pki.tlv(0x0A, b"\2")), "not_assessed", "answered internal_error"),
        (pki.tlv(0x30, pki.tlv(0x0A, b"\5")), "not_assessed", "answered sig_required"),
        (pki.tlv(0x30, pki.tlv(0x0A, b"\6")), "not_assessed", "answered unauthorized"),
        (pki.tlv(0x30, pki.tlv(0x0A, b"\0")), "not_assessed", "an incomplete OCSP answer"),
        (pki.tlv(0x30), "not_assessed", "not an OCSP answer"),
        (pki.tlv(0x30, pki.tlv(2, b"\3")), "not_assessed", "not an OCSP answer"),
        (pki.tlv(0x30, pki.tlv(0x0A, b"\x7f" * 2000)), "not_assessed", "answered an unknown status"),
        (b"", "not_assessed", "cannot be read"),
        (b"<html>", "not_assessed", "cannot be read"),
    ],
)
def test_what_an_answer_is_worth(data: bytes, status: str, detail: str) -> None:
    read = read_answer(data, DEVICE.der, ISSUER.der, pki.NOW)
    assert read["status"] == status
    assert detail in read["detail"]
    assert read["date"] == ("2026-11-19T17:00:00Z" if status == "revoked" else None)


def test_rsa_answers_are_read_too() -> None:
    data = answer(RSA_DEVICE, RSA_ISSUER)
    assert read_answer(data, RSA_DEVICE.der, RSA_ISSUER.der, pki.NOW)["status"] == "good"


def resigned(data: bytes, signer: pki.Identity, digest: str, change: Any = None) -> bytes:
    """An answer signed anew with another algorithm, and its body changed."""
    status, wrapped = pki.elements(data)
    kind, octets = pki.elements(pki.elements(wrapped)[0])
    parts = pki.elements(pki.content(octets))
    body = parts[0] if change is None else pki.tlv(0x30, *change(pki.elements(parts[0])))
    basic = pki.tlv(0x30, body, *pki.signed(signer.key, body, digest), *parts[3:])
    return pki.tlv(0x30, status, pki.tlv(0xA0, pki.tlv(0x30, kind, pki.tlv(4, basic))))


SHOUTING = pki.make("HOSPITAL  ISSUING", ca=True, label="Hospital Issuing")
RENAMED = pki.make("Hospital Issued", ca=True, label="Hospital Issuing")
IMPOSTOR = pki.make("Hospital Issuing", ca=True, label="impostor")
FALSE_DELEGATE = pki.make("Hospital OCSP", IMPOSTOR, extra=[_SIGNING])
SELF_DELEGATE = pki.make("Hospital Issuing", label="impostor", extra=[_SIGNING])
SHA1_DELEGATE = pki.rebuild(DELEGATE, ISSUER, "sha1")
CODE_DELEGATE = pki.make("Hospital Code", ISSUER)
CRITICAL = pki.tlv(0xA1, pki.tlv(0x30, pki.extension("1.3.6.1.4.1.99999.1", b"\5\0", critical=True)))
PLAIN = pki.tlv(0xA1, pki.tlv(0x30, pki.extension("1.3.6.1.4.1.99999.1", b"\5\0")))


def named(issuer: pki.Identity) -> Any:
    """A change that names the issuer by the hash of its name in another certificate."""

    def digest(one: pki.Identity) -> bytes:
        return hashlib.sha1(one.certificate.subject.public_bytes()).digest()

    return lambda body: [*body[:-1], body[-1].replace(digest(ISSUER), digest(issuer))]


def twice(other: bytes) -> Any:
    """A change that makes an answer say what two say."""
    octets = pki.elements(pki.elements(pki.elements(other)[1])[0])[1]
    single = pki.elements(pki.elements(pki.elements(pki.content(octets))[0])[-1])
    return lambda body: [*body[:-1], pki.tlv(0x30, *pki.elements(body[-1]), *single)]


def beside(extension: bytes) -> Any:
    """A change that puts extensions beside what an answer says of its one certificate."""

    def change(body: list[bytes]) -> list[bytes]:
        [single] = pki.elements(body[-1])
        return [*body[:-1], pki.tlv(0x30, pki.tlv(0x30, *pki.elements(single), extension))]

    return change


UNKNOWN = answer(status=ocsp.OCSPCertStatus.UNKNOWN)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (resigned(answer(), ISSUER, "sha1"), "good"),
        (answer(signer=DELEGATE, delegates=(NO_DELEGATE, EXPIRED_DELEGATE, ISSUER, DELEGATE)), "good"),
        (resigned(answer(signer=DELEGATE, delegates=(SHA1_DELEGATE,)), DELEGATE, "sha1"), "good"),
        (answer(issuer=IMPOSTOR, signer=ISSUER), "not_assessed"),
        (resigned(answer(), ISSUER, "sha256", named(RENAMED)), "not_assessed"),
        (answer(signer=FALSE_DELEGATE, delegates=(FALSE_DELEGATE,)), "not_assessed"),
        (answer(signer=SELF_DELEGATE, delegates=(SELF_DELEGATE,)), "not_assessed"),
        (answer(signer=CODE_DELEGATE, delegates=(CODE_DELEGATE,)), "not_assessed"),
        (answer(signer=DELEGATE, delegates=(FALSE_DELEGATE, NO_DELEGATE)), "not_assessed"),
        (resigned(answer(), ISSUER, "sha256", lambda body: [*body, CRITICAL]), "not_assessed"),
        (resigned(answer(), ISSUER, "sha256", lambda body: [*body, PLAIN]), "good"),
        (resigned(REVOKED, ISSUER, "sha256", lambda body: [*body, CRITICAL]), "revoked"),
        (resigned(answer(), ISSUER, "sha256", twice(REVOKED)), "revoked"),
        (resigned(REVOKED, ISSUER, "sha256", twice(answer())), "revoked"),
        (resigned(answer(status=ocsp.OCSPCertStatus.UNKNOWN), ISSUER, "sha256", twice(REVOKED)), "revoked"),
        (resigned(answer(device=OTHER), ISSUER, "sha256", twice(answer())), "good"),
        (resigned(answer(), ISSUER, "sha256", twice(UNKNOWN)), "not_assessed"),
        (resigned(UNKNOWN, ISSUER, "sha256", twice(answer())), "not_assessed"),
        (resigned(REVOKED, ISSUER, "sha256", twice(UNKNOWN)), "revoked"),
        (resigned(answer(), ISSUER, "sha256", beside(CRITICAL)), "not_assessed"),
        (resigned(answer(), ISSUER, "sha256", beside(PLAIN)), "good"),
        (resigned(answer(), ISSUER, "sha256", lambda body: [pki.tlv(0xA0, b"\2\1\0"), *body]), "good"),
    ],
)
def test_whose_answer_and_how_it_is_signed(data: bytes, status: str) -> None:
    assert read_answer(data, DEVICE.der, ISSUER.der, pki.NOW)["status"] == status


@pytest.mark.parametrize("as_written_by", [ISSUER, SHOUTING])
def test_the_issuer_is_known_by_its_name_as_either_certificate_writes_it(as_written_by: pki.Identity) -> None:
    for data, status in ((answer(), "good"), (REVOKED, "revoked")):
        told = resigned(data, ISSUER, "sha256", named(as_written_by))
        assert read_answer(told, DEVICE.der, SHOUTING.der, pki.NOW)["status"] == status


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "pss-sha1", "pss-sha256"])
def test_rsa_answers_are_verified_whatever_their_hash_and_padding(digest: str) -> None:
    data = resigned(answer(RSA_DEVICE, RSA_ISSUER), RSA_ISSUER, digest)
    assert read_answer(data, RSA_DEVICE.der, RSA_ISSUER.der, pki.NOW)["status"] == "good"
    false = data[:-1] + bytes([data[-1] ^ 1])
    assert read_answer(false, RSA_DEVICE.der, RSA_ISSUER.der, pki.NOW)["status"] == "not_assessed"
    stranger = pki.make("Stranger RSA", ca=True, kind="rsa2048")
    forged = resigned(answer(RSA_DEVICE, RSA_ISSUER), stranger, digest)
    assert read_answer(forged, RSA_DEVICE.der, RSA_ISSUER.der, pki.NOW)["status"] == "not_assessed"


@pytest.mark.parametrize("edge", [timedelta(minutes=5), timedelta(minutes=5, seconds=1)])
def test_the_clocks_of_responders_differ_a_little(edge: timedelta) -> None:
    expected = "good" if edge <= timedelta(minutes=5) else "not_assessed"
    for at in (pki.NOW - timedelta(hours=1) - edge, pki.NOW + timedelta(hours=24) + edge):
        assert read_answer(answer(), DEVICE.der, ISSUER.der, at)["status"] == expected


def test_the_issuer_is_found_by_its_name_in_any_case_and_by_its_key() -> None:
    assert issuer_of(DEVICE.der, [b"junk", STRANGER.der, IMPOSTOR.der, SHOUTING.der]) == SHOUTING.der
    assert issuer_of(pki.rebuild(RSA_DEVICE, RSA_ISSUER, "sha1").der, [RSA_ISSUER.der]) == RSA_ISSUER.der
    assert issuer_of(DEVICE.der, [IMPOSTOR.der]) is None


@pytest.mark.parametrize(
    ("status", "answered", "expected"),
    [
        ("trusted", "revoked", "revoked"),
        ("some_clients_refuse", "revoked", "revoked"),
        ("trusted", "good", "trusted"),
        ("trusted", "not_assessed", "trusted"),
    ],
)
def test_an_answer_and_a_verdict(status: str, answered: str, expected: str) -> None:
    verdict = with_answer({"status": status, "cause": "x"}, {"status": answered, "detail": "d", "date": None})
    assert (verdict["status"], verdict["revocation"]["status"]) == (expected, answered)
    assert verdict["revocation"]["asked"] is True


@pytest.mark.parametrize(
    ("listed", "answered", "told"),
    [
        ("good", "not_assessed", "good"),
        ("good", "good", "good"),
        ("good", "revoked", "revoked"),
        ("not_assessed", "not_assessed", "not_assessed"),
        ("not_assessed", "good", "good"),
        ("revoked", "good", "revoked"),
    ],
)
def test_an_answer_beside_a_list(listed: str, answered: str, told: str) -> None:
    trust = {"status": "trusted", "cause": "x", "revocation": {"status": listed, "detail": "of the list"}}
    revocation = with_answer(trust, {"status": answered, "detail": "of OCSP", "date": None})["revocation"]
    by_list = listed == "revoked" or (listed, answered) == ("good", "not_assessed")
    assert (revocation["status"], revocation["detail"]) == (told, "of the list" if by_list else "of OCSP")
    assert revocation.get("asked", False) is (listed != "revoked")


def test_the_same_serial_of_another_issuer_is_another_certificate() -> None:
    twin = pki.make("twin", STRANGER, serial=DEVICE.certificate.serial_number)
    assert read_answer(answer(twin, STRANGER), DEVICE.der, ISSUER.der, pki.NOW)["status"] == "not_assessed"


def test_the_request_is_about_the_certificate() -> None:
    request: Any = ocsp.load_der_ocsp_request(build_request(DEVICE.der, ISSUER.der))
    assert request.serial_number == DEVICE.certificate.serial_number
    built = ocsp.OCSPRequestBuilder().add_certificate(DEVICE.certificate, ISSUER.certificate, hashes.SHA1()).build()
    assert build_request(DEVICE.der, ISSUER.der) == built.public_bytes(serialization.Encoding.DER)


def test_a_serial_number_below_zero_is_asked_about_too() -> None:
    negative = pki.rebuild(DEVICE, ISSUER, serial=pki.tlv(2, b"\xfe"))
    assert pki.tlv(2, b"\xfe") in build_request(negative.der, ISSUER.der)


def test_an_unreadable_certificate_cannot_be_asked_about() -> None:
    with pytest.raises(OcspError, match="cannot be asked about"):
        build_request(b"junk", ISSUER.der)


@given(st.data())
def test_a_spoilt_answer_is_never_good(data: st.DataObject) -> None:
    whole = bytearray(REVOKED)
    for _change in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    assert read_answer(bytes(whole), DEVICE.der, ISSUER.der, pki.NOW)["status"] != "good"
