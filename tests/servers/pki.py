# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for the servers of the tests, made once a session."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID

KINDS = ("rsa", "ecdsa", "p384", "ed25519", "ed448")
_START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def make_key(
    kind: str,
) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey:
    """A private key."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    return ec.generate_private_key(ec.SECP384R1() if kind == "p384" else ec.SECP256R1())


@functools.cache
def chain_of(length: int, kind: str = "rsa", padding: int = 0) -> tuple[tuple[bytes, ...], bytes]:
    """(certificates as PEM, leaf first and root last; the leaf's key as PEM). `padding` bytes swell the leaf."""
    issuer_name: x509.Name | None = None
    issuer_key = None
    pems: list[bytes] = []
    key = make_key(kind)
    for depth in range(length):
        leaf = depth == length - 1
        key = make_key(kind if leaf else "ecdsa" if kind != "rsa" else "rsa") if depth else key
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "echo-004" if leaf else f"CA {depth}")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer_name or name)
            .public_key(key.public_key())
            .serial_number(1000 + depth)
            .not_valid_before(_START)
            .not_valid_after(_START + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=not leaf, path_length=None), critical=True)
        )
        if leaf:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
            if padding:
                oid = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1")
                builder = builder.add_extension(x509.UnrecognizedExtension(oid, bytes(padding)), critical=False)
        signer = issuer_key or key
        digest = None if isinstance(signer, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)) else hashes.SHA256()
        certificate = builder.sign(signer, digest)
        pems.insert(0, certificate.public_bytes(serialization.Encoding.PEM))
        issuer_name, issuer_key = name, key
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return tuple(pems), key.private_bytes(*encoding)


NAME = "echo-004.hopital.example"


def ders(pems: Sequence[bytes]) -> list[bytes]:
    """PEM to DER."""
    return [x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER) for pem in pems]


def write(folder: Path, pems: Sequence[bytes], key: bytes, name: str = "server.pem") -> str:
    """One file with the key and the certificates as they are to be sent."""
    path = folder / name
    path.write_bytes(key + b"".join(pems))
    return str(path)
