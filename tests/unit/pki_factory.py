# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes certificates and revocation lists for tests: good ones with `cryptography`, and any kind of bad one.

`make` and `crl` build with `cryptography`. `rebuild` takes a certificate apart, replaces raw parts of it and signs it
anew with any algorithm: that is how a SHA-1 link, a negative serial number or a repeated extension comes about, which
no builder would make.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=timezone.utc)

_ALGORITHMS = {
    ("RSA", "md5"): "300d06092a864886f70d0101040500",
    ("RSA", "sha1"): "300d06092a864886f70d0101050500",
    ("RSA", "sha256"): "300d06092a864886f70d01010b0500",
    ("RSA", "sha384"): "300d06092a864886f70d01010c0500",
    ("RSA", "pss-sha1"): "300d06092a864886f70d01010a3000",
    ("RSA", "pss-sha256"): (
        "304106092a864886f70d01010a3034a00f300d06096086480165030402010500"
        "a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"
    ),
    ("EC", "sha1"): "300906072a8648ce3d0401",
    ("EC", "sha256"): "300a06082a8648ce3d040302",
    ("EC", "sha384"): "300a06082a8648ce3d040303",
    ("EC", "sha512"): "300a06082a8648ce3d040304",
    ("DSA", "sha1"): "300906072a8648ce380403",
    ("DSA", "sha256"): "300b0609608648016503040302",
    ("Ed25519", ""): "300506032b6570",
    ("Ed448", ""): "300506032b6571",
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


@functools.cache
def key(kind: str = "p256", label: str = "") -> Any:
    """A private key; the same one for the same arguments, so that a run makes few."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    if kind.startswith("dsa"):
        return dsa.generate_private_key(int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}[kind])


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key."""

    der: bytes
    key: Any

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.der)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    @property
    def private_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode("ascii")


def name(common_name: str, organization: str | None = "Test Hospital") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def key_usage(*, authority: bool, crl_sign: bool | None = None) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority if crl_sign is None else crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def make(
    common_name: str,
    issuer: Identity | None = None,
    *,
    ca: bool = False,
    kind: str = "p256",
    label: str | None = None,
    path_length: int | None = None,
    days: tuple[float, float] = (-100, 600),
    dns: Sequence[str] = (),
    ips: Sequence[str] = (),
    subject: x509.Name | None = None,
    serial: int | None = None,
    without: Iterable[type[x509.ExtensionType]] = (),
    extra: Iterable[tuple[x509.ExtensionType, bool]] = (),
    digest: hashes.HashAlgorithm | None = None,
) -> Identity:
    """A certificate as a careful authority makes it; self-signed without `issuer`.

    `days` are those from NOW at which it starts and ends; `without` leaves extensions out; an extension in `extra`
    (with whether it is critical) replaces the usual one of its type. A key is made for each `label` (else the name).
    """
    own = key(kind, common_name if label is None else label)
    signer = issuer.key if issuer else own
    public = own.public_key()
    authority_key_id = (
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        if issuer is None
        else _authority_key_identifier(issuer)
    )
    usual: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca, path_length), True),
        (key_usage(authority=ca), True),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (authority_key_id, False),
    ]
    if not ca:
        usual.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    if dns or ips:
        alt_names = [*map(x509.DNSName, dns), *(x509.IPAddress(ip_address(text)) for text in ips)]
        usual.append((x509.SubjectAlternativeName(alt_names), False))
    extra = list(extra)
    left_out = {*without, *(type(value) for value, _critical in extra)}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject or name(common_name))
        .issuer_name(issuer.certificate.subject if issuer else subject or name(common_name))
        .public_key(public)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
    )
    for value, critical in [*(pair for pair in usual if type(pair[0]) not in left_out), *extra]:
        builder = builder.add_extension(value, critical)
    hashless = isinstance(signer, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    signed = builder.sign(signer, None if hashless else digest or hashes.SHA256())
    return Identity(signed.public_bytes(serialization.Encoding.DER), own)


def _authority_key_identifier(issuer: Identity) -> x509.AuthorityKeyIdentifier:
    try:
        own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except (x509.ExtensionNotFound, ValueError):
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def crl(
    issuer: Identity,
    revoked: Iterable[tuple[int, x509.ReasonFlags | None]] = (),
    *,
    days: tuple[float, float] = (-1, 6),
    revoked_on: float = -10,
    extra: Iterable[tuple[x509.ExtensionType, bool]] = (),
    signer: Identity | None = None,
) -> bytes:
    """A revocation list in DER, of `issuer` and signed by `signer` (the issuer itself if left out)."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(NOW + timedelta(days=days[0]))
        .next_update(NOW + timedelta(days=days[1]))
    )
    for serial, reason in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW + timedelta(days=revoked_on))
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    for value, critical in extra:
        builder = builder.add_extension(value, critical)
    signed = builder.sign((signer or issuer).key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


# --- raw parts ----------------------------------------------------------------------------------------------------


def tlv(tag: int, *contents: bytes) -> bytes:
    """A DER element."""
    content = b"".join(contents)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def elements(element: bytes) -> list[bytes]:
    """The whole elements inside a constructed one, which is trusted to be good DER."""
    content = element[_header(element) :]
    found = []
    while content:
        size = _header(content) + _length(content)
        found.append(content[:size])
        content = content[size:]
    return found


def content(element: bytes) -> bytes:
    """What stands inside an element."""
    return element[_header(element) :]


def _header(element: bytes) -> int:
    return 2 + (element[1] & 0x7F if element[1] & 0x80 else 0)


def _length(element: bytes) -> int:
    return int.from_bytes(element[2 : _header(element)], "big") if element[1] & 0x80 else element[1]


def extension(dotted: str, value: bytes, critical: bool | None = None) -> bytes:
    """A raw extension; `critical` may be written out as False, which DER forbids and old encoders do."""
    flag = b"" if critical is None else tlv(0x01, b"\xff" if critical else b"\x00")
    return tlv(0x30, _oid(dotted), flag, tlv(0x04, value))


def raw_name(*attributes: tuple[str, int, bytes]) -> bytes:
    """A Name of single-valued parts: (type, tag of the string, its bytes) each."""
    return tlv(0x30, *(tlv(0x31, tlv(0x30, _oid(kind), tlv(tag, value))) for kind, tag, value in attributes))


def _oid(dotted: str) -> bytes:
    known = x509.Name([x509.NameAttribute(x509.ObjectIdentifier(dotted), "x", _validate=False)]).public_bytes()
    return elements(elements(elements(known)[0])[0])[0]


TBS_PARTS = ("version", "serial", "algorithm", "issuer", "validity", "subject", "spki", "extensions")


def rebuild(identity: Identity, signer: Identity, digest: str = "sha256", **parts: bytes | None) -> Identity:
    """`identity` with raw parts of its signed body replaced (None leaves one out), signed anew by `signer`.

    The parts are TBS_PARTS, each a whole DER element; `extensions` may also be the raw extensions one after another.
    """
    body = dict(zip(TBS_PARTS, elements(elements(identity.der)[0]), strict=False))
    algorithm = bytes.fromhex(_ALGORITHMS[_family(signer.key), digest])
    body["algorithm"] = algorithm
    for part, value in parts.items():
        if part not in TBS_PARTS:
            raise ValueError(f"no such part: {part}")
        if value is None:
            del body[part]
        elif part == "extensions" and value[:1] == b"\x30":
            body[part] = tlv(0xA3, tlv(0x30, value))
        else:
            body[part] = value
    tbs = tlv(0x30, *body.values())
    signature = _sign(signer.key, tbs, digest)
    return replace(identity, der=tlv(0x30, tbs, algorithm, tlv(0x03, b"\0", signature)))


def signed(private: Any, data: bytes, digest: str) -> tuple[bytes, bytes]:
    """An algorithm and a signature over `data`, as they stand in certificates, lists and answers."""
    return bytes.fromhex(_ALGORITHMS[_family(private), digest]), tlv(0x03, b"\0", _sign(private, data, digest))


def raw_extensions(identity: Identity) -> list[bytes]:
    """The raw extensions of a certificate."""
    return elements(elements(elements(elements(identity.der)[0])[7])[0])


def _family(private: Any) -> str:
    for family, kind in (
        ("RSA", rsa.RSAPrivateKey),
        ("EC", ec.EllipticCurvePrivateKey),
        ("DSA", dsa.DSAPrivateKey),
        ("Ed25519", ed25519.Ed25519PrivateKey),
    ):
        if isinstance(private, kind):
            return family
    return "Ed448"


def _sign(private: Any, data: bytes, digest: str) -> bytes:
    algorithm = _HASHES.get(digest.removeprefix("pss-"))
    if isinstance(private, rsa.RSAPrivateKey):
        if digest.startswith("pss-"):
            salt = 20 if digest == "pss-sha1" else 32
            return private.sign(data, padding.PSS(padding.MGF1(algorithm), salt), algorithm)
        return private.sign(data, padding.PKCS1v15(), algorithm)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.sign(data, ec.ECDSA(algorithm))
    if isinstance(private, dsa.DSAPrivateKey):
        return private.sign(data, algorithm)
    return private.sign(data)
