# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chain entries, from sound certificates and from whatever devices send; and the certificates that a person names."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import (
    CertificateSourceError,
    describe_certificate,
    load_certificates,
)
from ansible_collections.biomed.cert_hygiene.tests.unit import pki_factory as pki

KEYS = {
    "subject",
    "issuer",
    "serial_number",
    "not_before",
    "not_after",
    "key",
    "signature_algorithm",
    "names",
    "common_name",
    "is_ca",
    "fingerprint_sha256",
    "pem",
}


def is_safe(entry: dict[str, Any]) -> bool:
    """Whether an entry survives JSON in UTF-8, as observations are stored."""
    return json.loads(json.dumps(entry, ensure_ascii=False).encode("utf-8")) == entry


# --- sound certificates ---------------------------------------------------------------------------------------------


def sound() -> dict[str, pki.Identity]:
    root = pki.make("Root", ca=True, kind="rsa2048", path_length=1)
    many = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Île-de-France"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Hôpital "du Lac", #1; <sud> \\ nord + est'),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, " bord "),
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "hopital"),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "dsi@hopital.example"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, "SN 0042"),
            x509.NameAttribute(NameOID.COMMON_NAME, "first"),
            x509.NameAttribute(NameOID.COMMON_NAME, "last"),
        ]
    )
    return {
        "rsa": root,
        "leaf": pki.make("leaf", root, dns=["a.example", "*.b.example"], ips=["10.0.0.1", "2001:db8::1"]),
        "p384": pki.make("p384", kind="p384"),
        "p521": pki.make("p521", kind="p521"),
        "ed25519": pki.make("ed25519", kind="ed25519"),
        "ed448": pki.make("ed448", kind="ed448"),
        "rsa1024": pki.make("rsa1024", kind="rsa1024"),
        "names": pki.make("x", root, subject=many),
        "empty subject": pki.make("x", root, subject=x509.Name([])),
        "serial 1": pki.make("x", root, serial=1),
        "serial with a high bit": pki.make("x", root, serial=0x80FF),
        "far future": pki.make("x", root, days=(-1, 365 * 5000)),
        "sha1": pki.rebuild(pki.make("x", root), root, "sha1"),
        "multi-valued": pki.make(
            "x",
            root,
            subject=x509.Name(
                [
                    x509.RelativeDistinguishedName(
                        [
                            x509.NameAttribute(NameOID.COMMON_NAME, "echo"),
                            x509.NameAttribute(NameOID.SERIAL_NUMBER, "7"),
                        ]
                    )
                ]
            ),
        ),
    }


SOUND = sound()


def by_cryptography(certificate: x509.Certificate) -> dict[str, Any]:
    """The same facts from an independent reader."""
    public = certificate.public_key()
    curve = public.curve.name if isinstance(public, ec.EllipticCurvePublicKey) else None
    bits = public.key_size if isinstance(public, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, dsa.DSAPublicKey)) else 0
    try:
        alt_names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        alt_names = x509.SubjectAlternativeName([])
    digits = f"{certificate.serial_number:x}"
    common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial_number": digits.zfill(len(digits) + len(digits) % 2),
        "not_before": certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "not_after": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "bits": bits,
        "curve": curve,
        "dns": alt_names.get_values_for_type(x509.DNSName),
        "ip": [str(address) for address in alt_names.get_values_for_type(x509.IPAddress)],
        "common_name": common_names[-1].value if common_names else None,
        "is_ca": certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca,
    }


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_certificate_reads_as_an_independent_reader_reads_it(case: str) -> None:
    identity = SOUND[case]
    entry = describe_certificate(identity.der)
    expected = by_cryptography(identity.certificate)
    bits, curve = expected.pop("bits"), expected.pop("curve")
    names = {"dns": expected.pop("dns"), "ip": expected.pop("ip")}
    assert set(entry) == KEYS
    assert {key: entry[key] for key in expected} == expected
    assert entry["names"] == names
    assert entry["key"]["curve"] == curve
    assert bits in (0, entry["key"]["bits"])
    assert entry["fingerprint_sha256"] == hashlib.sha256(identity.der).hexdigest()
    assert entry["pem"] == identity.pem
    assert is_safe(entry)


@pytest.mark.parametrize(
    ("case", "key"),
    [
        ("rsa", {"type": "RSA", "bits": 2048, "curve": None}),
        ("rsa1024", {"type": "RSA", "bits": 1024, "curve": None}),
        ("leaf", {"type": "EC", "bits": 256, "curve": "secp256r1"}),
        ("p521", {"type": "EC", "bits": 521, "curve": "secp521r1"}),
        ("ed25519", {"type": "Ed25519", "bits": 256, "curve": None}),
        ("ed448", {"type": "Ed448", "bits": 456, "curve": None}),
    ],
)
def test_key_facts(case: str, key: dict[str, Any]) -> None:
    assert describe_certificate(SOUND[case].der)["key"] == key


def test_a_caller_may_change_its_entry_without_changing_the_next_one() -> None:
    first = describe_certificate(SOUND["leaf"].der)
    first["key"]["type"] = "changed"
    first["names"]["dns"].append("changed")
    first["subject"] = "changed"
    assert describe_certificate(SOUND["leaf"].der) == describe_certificate(bytes(bytearray(SOUND["leaf"].der)))
    assert describe_certificate(SOUND["leaf"].der)["names"]["dns"] == ["a.example", "*.b.example"]
    assert describe_certificate(SOUND["leaf"].der)["key"]["type"] == "EC"


RSA_SIGNER = pki.make("Signer", ca=True, kind="rsa2048")
EC_SIGNER = pki.make("EC signer", ca=True)
DSA_SIGNER = pki.Identity(b"", pki.key("dsa1024"))


@pytest.mark.parametrize(
    ("signer", "digest", "name"),
    [
        (RSA_SIGNER, "md5", "md5WithRSAEncryption"),
        (RSA_SIGNER, "sha1", "sha1WithRSAEncryption"),
        (RSA_SIGNER, "sha256", "sha256WithRSAEncryption"),
        (RSA_SIGNER, "sha384", "sha384WithRSAEncryption"),
        (RSA_SIGNER, "pss-sha1", "rsassaPss-sha1"),
        (RSA_SIGNER, "pss-sha256", "rsassaPss-sha256"),
        (EC_SIGNER, "sha1", "ecdsa-with-SHA1"),
        (EC_SIGNER, "sha256", "ecdsa-with-SHA256"),
        (EC_SIGNER, "sha512", "ecdsa-with-SHA512"),
        (DSA_SIGNER, "sha1", "dsa-with-SHA1"),
        (DSA_SIGNER, "sha256", "dsa-with-SHA256"),
        (SOUND["ed25519"], "", "ed25519"),
        (SOUND["ed448"], "", "ed448"),
    ],
)
def test_signature_algorithms(signer: pki.Identity, digest: str, name: str) -> None:
    assert describe_certificate(pki.rebuild(SOUND["leaf"], signer, digest).der)["signature_algorithm"] == name


# --- what devices send ----------------------------------------------------------------------------------------------

LEAF = pki.make("leaf", RSA_SIGNER, dns=["leaf.example"])
CN = "2.5.4.3"
SAN = "2.5.29.17"


def rebuilt(**parts: bytes | None) -> bytes:
    return pki.rebuild(LEAF, RSA_SIGNER, **parts).der


def validity(start: tuple[int, bytes], end: tuple[int, bytes]) -> bytes:
    return pki.tlv(0x30, pki.tlv(*start), pki.tlv(*end))


def alt_names(*names: tuple[int, bytes]) -> bytes:
    return pki.extension(SAN, pki.tlv(0x30, *(pki.tlv(*name) for name in names)))


def subject(tag: int, value: bytes, kind: str = CN) -> bytes:
    return rebuilt(subject=pki.raw_name((kind, tag, value)))


def explicit_curve_key() -> bytes:
    """A P-256 key whose curve is written out, as some embedded OpenSSL builds do (RFC 3279 section 2.3.5)."""
    point = elements_of_spki()[1]
    prime = pki.tlv(0x02, b"\0" + (2**256 - 2**224 + 2**192 + 2**96 - 1).to_bytes(32, "big"))
    field = pki.tlv(0x30, pki.tlv(0x06, bytes.fromhex("2a8648ce3d0101")), prime)
    curve = pki.tlv(0x30, pki.tlv(0x04, b"\1" * 32), pki.tlv(0x04, b"\2" * 32))
    domain = pki.tlv(
        0x30, pki.tlv(0x02, b"\1"), field, curve, pki.tlv(0x04, b"\4" * 65), pki.tlv(0x02, b"\0" + b"\xff" * 32)
    )
    return pki.tlv(0x30, pki.tlv(0x30, pki.tlv(0x06, bytes.fromhex("2a8648ce3d0201")), domain), point)


def elements_of_spki() -> list[bytes]:
    return pki.elements(pki.elements(pki.elements(LEAF.der)[0])[6])


def spki(algorithm: bytes, key: bytes) -> bytes:
    return pki.tlv(0x30, algorithm, pki.tlv(0x03, b"\0" + key))


RSA_ID = pki.tlv(0x30, pki.tlv(0x06, bytes.fromhex("2a864886f70d010101")), b"\5\0")

# What is changed, what is then read, and which fields cannot be.
ODD: list[tuple[str, bytes, dict[str, Any], list[str]]] = [
    ("negative serial", rebuilt(serial=b"\2\2\xff\x01"), {"serial_number": "-ff"}, []),
    ("zero serial", rebuilt(serial=b"\2\1\0"), {"serial_number": "00"}, []),
    ("empty serial", rebuilt(serial=b"\2\0"), {"serial_number": None}, ["serial_number"]),
    ("huge serial", rebuilt(serial=pki.tlv(2, b"\1" * 400)), {"serial_number": "01" * 400}, []),
    ("bmp subject", subject(0x1E, "échographe".encode("utf-16-be")), {"common_name": "échographe"}, []),
    ("bmp surrogate", subject(0x1E, b"\xd8\x00\x00A"), {"common_name": "\ufffdA"}, []),
    ("bmp odd length", subject(0x1E, b"\x00A\x00"), {"common_name": "A\ufffd"}, []),
    ("universal", subject(0x1C, "é".encode("utf-32-be")), {"common_name": "é"}, []),
    ("universal surrogate", subject(0x1C, b"\0\0\xd8\0"), {"common_name": "\ufffd"}, []),
    ("teletex Latin-1", subject(0x14, b"H\xf4pital"), {"common_name": "Hôpital"}, []),
    ("printable asterisk", subject(0x13, b"*.hopital.example"), {"common_name": "*.hopital.example"}, []),
    ("printable underscore", subject(0x13, b"CHU_Root"), {"subject": "CN=CHU_Root"}, []),
    ("utf-8 that is Latin-1", subject(0x0C, b"H\xf4pital"), {"common_name": "Hôpital"}, []),
    ("utf-8 surrogate", subject(0x0C, b"\xed\xa0\x80"), {"common_name": "í\xa0\x80"}, []),
    ("name with NUL", subject(0x0C, b"a\0b"), {"common_name": "a\0b", "subject": "CN=a\\00b"}, []),
    ("terminal escape", subject(0x0C, b"\x1b[31m"), {"subject": "CN=\\1B[31m"}, []),
    ("text direction", subject(0x0C, "a\u202eb".encode()), {"subject": "CN=a\\E2\\80\\AEb"}, []),
    ("octets as a name", subject(0x04, b"\1\2"), {"subject": "CN=#04020102", "common_name": None}, []),
    ("unknown attribute", subject(0x0C, b"x", "1.2.3.4"), {"subject": "1.2.3.4=x", "common_name": None}, []),
    (
        "name that is no name",
        rebuilt(subject=b"\x30\x03\x02\x01\x01"),
        {"subject": None, "common_name": None, "not_after": "2028-07-14T17:00:00Z"},
        ["subject", "common_name"],
    ),
    (
        "month 13",
        rebuilt(validity=validity((0x17, b"261301000000Z"), (0x17, b"270101000000Z"))),
        {"not_before": None, "not_after": "2027-01-01T00:00:00Z", "subject": "CN=leaf,O=Test Hospital"},
        ["not_before"],
    ),
    (
        "no seconds and a zone",
        rebuilt(validity=validity((0x17, b"2601010000Z"), (0x17, b"270101000000+0130"))),
        {"not_before": "2026-01-01T00:00:00Z", "not_after": "2026-12-31T22:30:00Z"},
        [],
    ),
    (
        "two digits of a year",
        rebuilt(validity=validity((0x17, b"500101000000Z"), (0x17, b"491231235959Z"))),
        {"not_before": "1950-01-01T00:00:00Z", "not_after": "2049-12-31T23:59:59Z"},
        [],
    ),
    (
        "last moment there is",
        rebuilt(validity=validity((0x18, b"00010101000000Z"), (0x18, b"99991231235959Z"))),
        {"not_before": "0001-01-01T00:00:00Z", "not_after": "9999-12-31T23:59:59Z"},
        [],
    ),
    (
        "beyond the last moment",
        rebuilt(validity=validity((0x18, b"00000101000000Z"), (0x18, b"99991231235959-0100"))),
        {"not_before": None, "not_after": None},
        ["not_before", "not_after"],
    ),
    (
        "year 10000",
        rebuilt(validity=validity((0x18, b"20260101000000Z"), (0x18, b"100000101000000Z"))),
        {"not_after": None},
        ["not_after"],
    ),
    (
        "local time",
        rebuilt(validity=validity((0x18, b"20260101000000"), (0x18, b"20270101000000.5Z"))),
        {"not_before": None, "not_after": "2027-01-01T00:00:00Z"},
        ["not_before"],
    ),
    ("one date", rebuilt(validity=pki.tlv(0x30, pki.tlv(0x17, b"270101000000Z"))), {}, ["not_before", "not_after"]),
    (
        "bad IP",
        rebuilt(extensions=alt_names((0x82, b"a.example"), (0x87, b"\1\2\3"), (0x87, b"\x0a\1\2\3"))),
        {"names": {"dns": ["a.example"], "ip": ["10.1.2.3"]}},
        ["names"],
    ),
    (
        "Latin-1 DNS name",
        rebuilt(extensions=alt_names((0x82, b"h\xf4pital.example"))),
        {"names": {"dns": ["hôpital.example"], "ip": []}},
        ["names"],
    ),
    (
        "NUL in a DNS name",
        rebuilt(extensions=alt_names((0x82, b"a.example\0.b.example"))),
        {"names": {"dns": ["a.example\0.b.example"], "ip": []}},
        [],
    ),
    ("broken alternative names", rebuilt(extensions=pki.extension(SAN, b"\x30\x05\x82")), {"is_ca": False}, ["names"]),
    (
        "extension repeated",
        rebuilt(extensions=alt_names((0x82, b"first")) + alt_names((0x82, b"second"))),
        {"names": {"dns": ["first"], "ip": []}},
        ["extensions"],
    ),
    (
        "broken extension among others",
        rebuilt(extensions=pki.tlv(0x30, b"\1\1\0") + alt_names((0x82, b"kept"))),
        {"names": {"dns": ["kept"], "ip": []}},
        ["extensions"],
    ),
    (
        "critical written out as false",
        rebuilt(extensions=pki.extension("2.5.29.19", b"\x30\3\1\1\xff", critical=False)),
        {"is_ca": True},
        [],
    ),
    ("true that is not 255", rebuilt(extensions=pki.extension("2.5.29.19", b"\x30\3\1\1\1")), {"is_ca": True}, []),
    ("broken constraints", rebuilt(extensions=pki.extension("2.5.29.19", b"\x30\2\4\0")), {"is_ca": False}, ["is_ca"]),
    ("version 4", rebuilt(version=b"\xa0\3\2\1\3"), {"common_name": "leaf"}, ["version"]),
    ("version 1", rebuilt(version=None, extensions=None), {"is_ca": False, "names": {"dns": [], "ip": []}}, []),
    ("trailing bytes", LEAF.der + b"\0\0", {"common_name": "leaf"}, ["trailing_data"]),
    (
        "explicit curve",
        rebuilt(spki=explicit_curve_key()),
        {"key": {"type": "EC", "bits": 256, "curve": "explicit"}},
        [],
    ),
    (
        "unknown curve",
        rebuilt(spki=spki(bytes.fromhex("300c06072a8648ce3d020106012a"), b"\4")),
        {"key": {"type": "EC", "bits": None, "curve": "1.2"}},
        [],
    ),
    (
        "RSA of no bits",
        rebuilt(spki=spki(RSA_ID, bytes.fromhex("3006020100020103"))),
        {"key": {"type": "RSA", "bits": None, "curve": None}},
        [],
    ),
    (
        "RSA of 512 bits, modulus without its zero byte",
        rebuilt(spki=spki(RSA_ID, pki.tlv(0x30, pki.tlv(2, b"\x80" + b"\1" * 63), b"\2\1\3"))),
        {"key": {"type": "RSA", "bits": 512, "curve": None}},
        [],
    ),
    (
        "key of nobody",
        rebuilt(spki=spki(RSA_ID, b"")),
        {"key": {"type": "other", "bits": None, "curve": None}},
        ["key"],
    ),
    *(
        (
            f"{name} key",
            rebuilt(spki=spki(bytes.fromhex(algorithm), b"\1")),
            {"key": {"type": name, "bits": None, "curve": None}},
            [],
        )
        for name, algorithm in {
            "ML-DSA-44": "300b0609608648016503040311",
            "ML-DSA-87": "300b0609608648016503040313",
            "ML-KEM-512": "300b0609608648016503040401",
            "ML-KEM-1024": "300b0609608648016503040403",
            "SLH-DSA-SHA2-128s": "300b0609608648016503040314",
            "SLH-DSA-SHAKE-256f": "300b060960864801650304031f",
            "X25519": "300506032b656e",
        }.items()
    ),
    (
        "two blocks of extensions",
        rebuilt(extensions=pki.tlv(0xA3, pki.tlv(0x30)) * 2),
        {},
        ["extensions"],
    ),
    (
        "unknown kind of key",
        rebuilt(spki=spki(bytes.fromhex("300306012a"), b"\1")),
        {"key": {"type": "other", "bits": None, "curve": None}},
        [],
    ),
]


@pytest.mark.parametrize(("data", "read", "unreadable"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
def test_a_faulty_certificate_gives_what_can_be_read(data: bytes, read: dict[str, Any], unreadable: list[str]) -> None:
    entry = describe_certificate(data)
    assert {key: entry[key] for key in read} == read
    assert entry.get("unreadable", []) == unreadable
    assert set(entry) - {"unreadable"} == KEYS
    assert entry["issuer"] == "CN=Signer,O=Test Hospital"
    assert is_safe(entry)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x84\xff\xff\xff\xff",
        b"not a certificate",
        LEAF.der[:-1],
        LEAF.der[1:],
        LEAF.der[:200],
        b"\x30" * 5000,
        b"\xff" * 1_000_000,
        pki.tlv(0x30, b"\x05\0" * 500_000),
        pki.tlv(0x30, pki.tlv(0x30, b""), pki.tlv(0x30, b""), pki.tlv(0x03, b"")),
        rebuilt(extensions=pki.extension("1.2.3", b"\0" * 65536)),
    ],
    ids=range(13),
)
def test_what_is_no_certificate_is_an_error_and_still_evidence(data: bytes) -> None:
    entry = describe_certificate(data)
    assert set(entry) == {"error", "fingerprint_sha256", "pem"}
    assert entry["error"]
    assert entry["fingerprint_sha256"] == hashlib.sha256(data).hexdigest()
    assert "-----BEGIN CERTIFICATE-----\n" in entry["pem"]
    assert is_safe(entry)


def test_a_large_hostile_certificate_costs_bounded_time() -> None:
    many = pki.tlv(0x30, *(pki.tlv(0x82, b"a" * 4) for _index in range(10_000)))
    worst = [
        rebuilt(extensions=pki.extension(SAN, many)),
        rebuilt(extensions=pki.extension(SAN, b"") * 5000),
        rebuilt(subject=pki.raw_name(*((CN, 0x0C, "\ufdfa".encode() * 3) for _index in range(2500)))),
    ]
    started = time.process_time()
    for data in worst:
        describe_certificate(data)
    assert time.process_time() - started < 2


SOUND_ONES = [identity.der for identity in SOUND.values()]
FAULTY_ONES = [data for _case, data, _read, _unreadable in ODD]


@st.composite
def mutated(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    data = bytearray(draw(st.sampled_from(originals)))
    for _index in range(draw(st.integers(1, 6))):
        position = draw(st.integers(0, len(data) - 1))
        change = draw(st.integers(0, 3))
        if change == 0:
            data[position] = draw(st.integers(0, 255))
        elif change == 1:
            data[position] ^= 1 << draw(st.integers(0, 7))
        elif change == 2 and len(data) > 10:
            del data[position : position + draw(st.integers(1, 8))]
        else:
            data[position:position] = draw(st.binary(max_size=8))
    return bytes(data)


@settings(max_examples=500, deadline=None)
@given(mutated(SOUND_ONES + FAULTY_ONES))
def test_no_mutation_raises(data: bytes) -> None:
    assert is_safe(describe_certificate(data))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    assert "error" in describe_certificate(data)


@settings(max_examples=500, deadline=None)
@given(mutated(SOUND_ONES))
def test_what_a_strict_reader_accepts_is_read_alike(data: bytes) -> None:
    """The tolerant reader must never read another certificate than the strict one does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            certificate = x509.load_der_x509_certificate(data)
            dates = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            serial = certificate.serial_number
        except Exception:
            return
        entry = describe_certificate(data)
        for key, date in zip(("not_before", "not_after"), dates, strict=True):
            assert entry[key] == f"{date.replace(tzinfo=None).isoformat()}Z"
        assert int(entry["serial_number"], 16) == serial
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except Exception:
            return
        assert entry["names"]["dns"] == names.get_values_for_type(x509.DNSName)
        assert entry["names"]["ip"] == [str(address) for address in names.get_values_for_type(x509.IPAddress)]


# --- primitive readings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("2.5.4.3", "550403"),
        ("1.2.840.113549.1.1.11", "2a864886f70d01010b"),
        ("2.999.1", "883701"),
        ("0.9.2342.19200300.100.1.25", "0992268993f22c640119"),
        ("1.3.101.112", "2b6570"),
    ],
)
def test_object_identifiers(text: str, content: str) -> None:
    assert der.dotted(bytes.fromhex(content)) == text
    assert der.oid(text) == bytes.fromhex(content)


@pytest.mark.parametrize("content", ["", "80", "2a86", "2a" + "81" * 64 + "01"])
def test_an_unusable_object_identifier(content: str) -> None:
    with pytest.raises(der.DerError):
        der.dotted(bytes.fromhex(content))


@pytest.mark.parametrize(
    ("content", "value"), [("00", ""), ("0780", "80"), ("05ff", "e0"), ("03a0ff", "a0f8"), ("00a0", "a0")]
)
def test_bits_that_do_not_count_are_cleared(content: str, value: str) -> None:
    assert der.bits(bytes.fromhex(content)).hex() == value


# --- sources --------------------------------------------------------------------------------------------------------


@pytest.fixture
def trio() -> list[pki.Identity]:
    return [pki.make(f"Authority {number}", ca=True) for number in range(3)]


def test_every_kind_of_source(trio: list[pki.Identity], tmp_path: Path) -> None:
    ders = [identity.der for identity in trio]
    bundle = "".join(f"# {number}\n{identity.pem}" for number, identity in enumerate(trio))
    (tmp_path / "bundle.pem").write_text(bundle)
    (tmp_path / "windows.pem").write_bytes(bundle.replace("\n", "\r\n").encode("utf-8-sig"))
    (tmp_path / "notepad.pem").write_bytes(bundle.encode("utf-16"))
    (tmp_path / "one.der").write_bytes(ders[0])
    (tmp_path / "one.cer").write_bytes(ders[0] + b"\r\n")
    for source in ("bundle.pem", "windows.pem", "notepad.pem"):
        assert load_certificates([str(tmp_path / source)]) == ders, source
    for source in ("one.der", "one.cer"):
        assert load_certificates([str(tmp_path / source)]) == ders[:1], source
    assert load_certificates([bundle]) == ders
    assert load_certificates([ders[1], tmp_path / "one.der", trio[2].pem, bundle]) == [ders[1], ders[0], ders[2]]
    assert load_certificates([]) == []


def test_an_openssl_trusted_certificate_loses_its_settings(trio: list[pki.Identity]) -> None:
    data = trio[0].der + pki.tlv(0x30, pki.tlv(0x0C, b"alias"))
    text = base64.encodebytes(data).decode()
    source = f"-----BEGIN TRUSTED CERTIFICATE-----\n{text}-----END TRUSTED CERTIFICATE-----\n"
    assert load_certificates([source]) == [trio[0].der]


SERVER_AUTH, ANY_PURPOSE, EMAIL = (
    bytes.fromhex(text) for text in ("06082b06010505070301", "0604551d2500", "06082b06010505070304")
)


def trusted_for(trusted: Sequence[bytes] | None, rejected: Sequence[bytes] = ()) -> bytes:
    """Trust settings as `openssl x509 -addtrust -addreject` writes them."""
    return pki.tlv(
        0x30,
        b"" if trusted is None else pki.tlv(0x30, *trusted),
        pki.tlv(0xA0, *rejected) if rejected else b"",
        pki.tlv(0x0C, b"alias"),
    )


@pytest.mark.parametrize(
    ("settings", "usable"),
    [
        (b"", True),
        (trusted_for(None), True),
        (trusted_for([SERVER_AUTH, EMAIL], [EMAIL]), True),
        (trusted_for([ANY_PURPOSE]), True),
        (trusted_for(None, [EMAIL]), True),
        (trusted_for(None, [SERVER_AUTH]), False),
        (trusted_for(None, [EMAIL, ANY_PURPOSE]), False),
        (trusted_for([SERVER_AUTH], [SERVER_AUTH]), False),
        (trusted_for([EMAIL]), False),
        (trusted_for([]), False),
        (b"\x30\x09\x30", False),
    ],
)
def test_a_certificate_that_openssl_is_told_not_to_trust_is_refused_by_name(
    trio: list[pki.Identity], settings: bytes, usable: bool
) -> None:
    blocks = [trio[1].der, trio[0].der + settings]
    text = "".join(
        f"-----BEGIN TRUSTED CERTIFICATE-----\n{base64.encodebytes(one).decode()}-----END TRUSTED CERTIFICATE-----\n"
        for one in blocks
    )
    if usable:
        assert load_certificates([text]) == [trio[1].der, trio[0].der]
        return
    with pytest.raises(CertificateSourceError, match=r"certificate number 2 of the PEM text .* trust"):
        load_certificates([text])


@pytest.mark.parametrize("value", [b"*.hopital.example", b"CHU_Racine", b"R&D"])
def test_an_anchor_that_strict_readers_refuse_is_still_an_anchor(value: bytes) -> None:
    root = pki.rebuild(RSA_SIGNER, RSA_SIGNER, subject=pki.raw_name((CN, 0x13, value)))
    assert load_certificates([root.der]) == [root.der]


def encrypted(identity: pki.Identity, encoding: serialization.Encoding) -> bytes:
    return identity.key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )


def plain(
    identity: pki.Identity, encoding: serialization.Encoding, form: str = "PKCS8", kind: Any = serialization
) -> bytes:
    return identity.key.private_bytes(encoding, getattr(kind.PrivateFormat, form), kind.NoEncryption())


PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
KEY_SOURCES: dict[str, Callable[[pki.Identity], bytes]] = {
    "certificate and key": lambda who: who.pem.encode() + plain(who, PEM),
    "key and certificate": lambda who: plain(who, PEM, "TraditionalOpenSSL") + who.pem.encode(),
    "key": lambda who: plain(who, PEM),
    "encrypted key": lambda who: encrypted(who, PEM),
    "key without its end": lambda who: plain(who, PEM)[:-30],
    "PKCS 8": lambda who: plain(who, DER),
    "PKCS 1 or SEC 1": lambda who: plain(who, DER, "TraditionalOpenSSL"),
    "encrypted PKCS 8": lambda who: encrypted(who, DER),
    "PKCS 12": lambda who: pkcs12.serialize_key_and_certificates(
        b"x", who.key, who.certificate, None, serialization.BestAvailableEncryption(b"x")
    ),
}


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
@pytest.mark.parametrize("case", KEY_SOURCES)
def test_a_private_key_is_refused_and_never_shown(case: str, kind: str, tmp_path: Path) -> None:
    identity = pki.make("keyed", kind=kind)
    data = KEY_SOURCES[case](identity)
    path = tmp_path / "secret.bin"
    path.write_bytes(data)
    sources: list[Any] = [str(path), data]
    if b"-----BEGIN" in data:
        sources.append(data.decode())
    body = "".join(plain(identity, PEM).decode().splitlines()[1:-1])
    for source in sources:
        with pytest.raises(CertificateSourceError, match="private key") as caught:
            load_certificates([source])
        message = str(caught.value)
        assert ("secret.bin" in message) == (source == str(path))
        assert not any(body[start : start + 12] in message for start in range(0, len(body) - 12, 12))


@pytest.mark.parametrize("lines", [True, False])
def test_the_text_of_a_key_without_its_lines_is_not_taken_for_a_path(lines: bool) -> None:
    body = plain(pki.make("keyed"), PEM).decode().split("-----")[2]
    source = body if lines else body.replace("\n", "")
    with pytest.raises(CertificateSourceError) as caught:
        load_certificates([source])
    assert body[1:20] not in str(caught.value)
    assert "source number 1" in str(caught.value)


REQUEST = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(pki.name("device"))
    .sign(pki.key(), hashes.SHA256())
    .public_bytes(PEM)
)
BROKEN = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"hello", "not a readable certificate"),
        (b"\x30\x03\x02\x01", "not a readable certificate"),
        (REQUEST, "holds no certificate: only CERTIFICATE REQUEST"),
        (pki.crl(EC_SIGNER), "not a readable certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA", "never ends"),
        (BROKEN.format("not base64 !").encode(), "certificate number 1 of {path} is not readable"),
        (BROKEN.format("MAMCAQE=").encode(), "certificate number 1 of {path} is not a readable certificate"),
        ((LEAF.pem + BROKEN.format("MAMCAQE=")).encode(), "certificate number 2 of {path}"),
        (LEAF.der + LEAF.der, "trailing_data"),
        (rebuilt(validity=validity((0x17, b"261301000000Z"), (0x17, b"270101000000Z"))), "does not exist"),
        (b"-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n", "openssl pkcs7"),
        (pki.tlv(0x30, bytes.fromhex("06092a864886f70d010702"), b"\xa0\0"), "openssl pkcs7"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "source.pem"
    path.write_bytes(content)
    with pytest.raises(CertificateSourceError) as caught:
        load_certificates([LEAF.der, str(path)])
    assert said.format(path=path) in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_path_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for source, said in (
        (str(tmp_path / "absent.pem"), "no such file"),
        (str(tmp_path), "is a directory"),
        (str(tmp_path / "source.pem" / "below"), "cannot be read"),
    ):
        (tmp_path / "source.pem").touch()
        with pytest.raises(CertificateSourceError) as caught:
            load_certificates([source])
        assert source in str(caught.value)
        assert said in str(caught.value)
    for source in ("", " ", "a\0b", "a\nb", "x" * 5000):
        with pytest.raises(CertificateSourceError, match="source number 2"):
            load_certificates([LEAF.der, source])


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(CertificateSourceError, match="larger than"):
        load_certificates(["/dev/zero"])
