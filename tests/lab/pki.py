"""The demo hospital's own small PKI: a root, an issuing intermediate, a manufacturer's foreign root, and leaves.

Everything is made at start with `cryptography` alone (a bare Debian may lack the openssl command).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

# DER of the two algorithm identifiers' OIDs: same length, so one can be patched over the other.
_SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")
_SHA1_WITH_RSA = bytes.fromhex("06092a864886f70d010105")

# What a device's certificate is unless devices.yml says otherwise (days count from the hospital's start).
DEFAULT_RECIPE: dict[str, Any] = {
    "issuer": "hospital",  # hospital | hospital_ending (its intermediate ends in ten days) | self | manufacturer
    "key": "rsa2048",  # rsa2048 | rsa1024 | p256
    "signature": "sha256",  # sha256 | sha1
    "starts_in_days": -130,
    "ends_in_days": 600,
    "send_intermediate": True,
    "names": None,  # the device's own names
    "key_held": True,  # false: the device signs with another key than the certificate's (elliptic curves alone)
}


@dataclass(frozen=True)
class Authority:
    """One certification authority: its certificate and the key that signs."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


@dataclass(frozen=True)
class Pki:
    """The authorities of the demo hospital; `ending` is an intermediate that has ten days left."""

    root: Authority
    intermediate: Authority
    ending: Authority
    manufacturer: Authority
    made_at: datetime


@dataclass(frozen=True)
class Credentials:
    """What one TLS endpoint shows: the chain as sent (leaf first) and its private key, both PEM."""

    chain: Sequence[x509.Certificate]
    chain_pem: bytes
    key_pem: bytes


def make_pki(now: datetime) -> Pki:
    """Make the hospital's root and issuing intermediate, and the foreign root of a manufacturer."""
    root = _make_authority("Demo Hospital Root CA", None, now, days=7300, path_length=1)
    intermediate = _make_authority("Demo Hospital Issuing CA", root, now, days=3650, path_length=0)
    ending = _make_authority("Demo Hospital Sterilisation CA", root, now, days=10, path_length=0)
    manufacturer = _make_authority("Acme Devices Factory Root CA", None, now, days=7300, path_length=0)
    return Pki(root=root, intermediate=intermediate, ending=ending, manufacturer=manufacturer, made_at=now)


def fingerprint(certificate_pem: bytes) -> str:
    """The SHA-256 of a certificate, in hexadecimal."""
    return x509.load_pem_x509_certificate(certificate_pem).fingerprint(hashes.SHA256()).hex()


def issue(pki: Pki, names: Sequence[str], recipe: Mapping[str, Any]) -> Credentials:
    """Make one endpoint's certificate by `recipe` (see DEFAULT_RECIPE); an unknown key raises ValueError."""
    unknown = set(recipe) - set(DEFAULT_RECIPE)
    if unknown:
        raise ValueError(f"unknown certificate setting(s) {sorted(unknown)}: use {sorted(DEFAULT_RECIPE)}")
    settings = {**DEFAULT_RECIPE, **recipe}
    key = _make_key(settings["key"])
    shown_names = settings["names"] or list(names)
    signer: Authority | None
    if settings["issuer"] == "self":
        signer, above = None, []
    elif settings["issuer"] == "manufacturer":
        signer, above = pki.manufacturer, [pki.manufacturer.certificate]
    elif settings["issuer"] == "hospital":
        signer, above = pki.intermediate, [pki.intermediate.certificate]
    elif settings["issuer"] == "hospital_ending":
        signer, above = pki.ending, [pki.ending.certificate]
    else:
        raise ValueError(f"unknown issuer {settings['issuer']!r}: use hospital, hospital_ending, self or manufacturer")
    leaf = _make_leaf(
        shown_names,
        key,
        signer,
        not_before=pki.made_at + timedelta(days=settings["starts_in_days"]),
        not_after=pki.made_at + timedelta(days=settings["ends_in_days"]),
    )
    if settings["signature"] == "sha1":
        leaf = resign_with_sha1(leaf, signer.key if signer else key)
    chain = [leaf, *(above if settings["send_intermediate"] else [])]
    return Credentials(
        chain=chain,
        chain_pem=b"".join(pem(certificate) for certificate in chain),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        if settings["key_held"]
        else _other_key(key),
    )


def _other_key(key: PrivateKey) -> bytes:
    """A key file with another private key under the public one of the certificate, as PEM: OpenSSL takes it.

    It compares the public halves alone, so that this stands for a certificate that was installed without its key.
    """
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("key_held: false needs a key on an elliptic curve")
    der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    size = (key.key_size + 7) // 8
    mine = key.private_numbers().private_value.to_bytes(size, "big")
    other = ec.generate_private_key(key.curve).private_numbers().private_value.to_bytes(size, "big")
    body = base64.encodebytes(der.replace(mine, other, 1)).decode("ascii")
    return f"-----BEGIN EC PRIVATE KEY-----\n{body}-----END EC PRIVATE KEY-----\n".encode("ascii")


def pem(certificate: x509.Certificate) -> bytes:
    """Return the certificate as PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def resign_with_sha1(certificate: x509.Certificate, key: PrivateKey) -> x509.Certificate:
    """Return the same certificate with sha1WithRSAEncryption: `cryptography` refuses to build one, so patch the DER.

    Both algorithm identifiers (inside and outside the signed part) change, the signed part is signed anew, and
    nothing changes length: RSA signatures by one key are all as long as its modulus.
    """
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("a SHA-1 certificate can only be made with an RSA issuer")
    der = certificate.public_bytes(serialization.Encoding.DER)
    signed_part = certificate.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    signature = key.sign(signed_part, padding.PKCS1v15(), hashes.SHA1())
    patched = der.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)[: -len(signature)] + signature
    return x509.load_der_x509_certificate(patched)


def _make_key(kind: str) -> PrivateKey:
    if kind == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    sizes = {"rsa2048": 2048, "rsa1024": 1024}
    if kind not in sizes:
        raise ValueError(f"unknown key {kind!r}: use rsa2048, rsa1024 or p256")
    return rsa.generate_private_key(public_exponent=65537, key_size=sizes[kind])


def _subject(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Demo Hospital"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _make_authority(
    common_name: str, issuer: Authority | None, now: datetime, *, days: int, path_length: int
) -> Authority:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signer_key = issuer.key if issuer else key
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_subject(common_name))
        .issuer_name(issuer.certificate.subject if issuer else _subject(common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=800))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), critical=False)
        .sign(signer_key, hashes.SHA256())
    )
    return Authority(certificate=certificate, key=key)


def _make_leaf(
    names: Sequence[str], key: PrivateKey, issuer: Authority | None, *, not_before: datetime, not_after: datetime
) -> x509.Certificate:
    subject = _subject(names[0])
    signer_key = issuer.key if issuer else key
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), critical=False)
        .sign(signer_key, hashes.SHA256())
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
