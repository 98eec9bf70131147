# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as facts: one chain entry of an observation, and the certificates that a person names."""

from __future__ import annotations

import base64
import functools
import hashlib
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der, signatures
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import (
    GN_DNS,
    GN_IP,
    MAX_CACHED_BYTES,
    Certificate,
    parse_certificate,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.names import common_name, name_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.sources import Source, SourceError, SourceReader

_T = TypeVar("_T")

# A bundle of every public authority is 250 kB.
_MAX_FILE_BYTES = 16 * 1024 * 1024


class CertificateSourceError(SourceError):
    """A source of certificates that cannot be used; the message names it, says why and what to do."""


def describe_certificate(data: bytes) -> dict[str, Any]:
    """One chain entry of an observation. Never raises, whatever the bytes; all strings are safe for JSON.

    subject, issuer       RFC 4514, most specific part first, control characters escaped: "CN=echo-004,O=CHU"
    serial_number         lower-case hexadecimal, two digits a byte, no colons, "-" before a negative one
    not_before, not_after ISO 8601, UTC, to the second: "2027-01-09T10:00:00Z"
    key                   {type: RSA | EC | DSA | Ed25519 | Ed448 | X25519 | X448 | ML-DSA-65 and the like | other,
                          bits: int | None, curve: its SECG or Brainpool name as in "secp256r1", "explicit" when its
                          parameters are written out, or None}
    signature_algorithm   as in RFC 4055 and 5758: "sha256WithRSAEncryption", "ecdsa-with-SHA256", "ed25519",
                          "rsassaPss-sha256"; its number when unknown
    names                 {dns: [as written], ip: [canonical]} of the subject alternative names
    common_name           the most specific one of the subject, or None
    is_ca                 what the basic constraints say; False without them
    fingerprint_sha256    lower-case hexadecimal of the whole DER
    pem                   the certificate

    A field that cannot be read is None (an empty list for names) and `unreadable` lists the fields concerned, with
    "extensions" (a broken or repeated one), "version" or "trailing_data" where the frame itself is faulty. `unreadable`
    is absent from a sound certificate. What is no certificate at all is {"error", "fingerprint_sha256", "pem"}.
    """
    entry = dict(_remembered(bytes(data)))
    if "error" not in entry:
        entry["key"] = dict(entry["key"])
        entry["names"] = {kind: list(names) for kind, names in entry["names"].items()}
        if "unreadable" in entry:
            entry["unreadable"] = list(entry["unreadable"])
    return entry


def parts_of(data: bytes, parts: Sequence[str]) -> dict[str, Any]:
    """Some parts of a certificate's description; None for those that it has not."""
    entry = _remembered(data)
    return {part: dict(value) if isinstance(value := entry.get(part), dict) else value for part in parts}


def _remembered(data: bytes) -> dict[str, Any]:
    return _describe(data) if len(data) <= MAX_CACHED_BYTES else _describe.__wrapped__(data)


@functools.lru_cache(maxsize=1024)
def _describe(data: bytes) -> dict[str, Any]:
    identity = {"fingerprint_sha256": hashlib.sha256(data).hexdigest(), "pem": pem_text(data)}
    try:
        certificate = parse_certificate(data)
    except DerError as exc:
        return {"error": str(exc), **identity}
    unreadable = list(certificate.defects)

    def field(name: str, reader: Callable[[], _T]) -> _T | None:
        try:
            return reader()
        except DerError:
            unreadable.append(name)
            return None

    key = field("key", lambda: signatures.key_facts(certificate.spki)) or signatures.KeyFacts("other")
    names, names_sound = _names(certificate)
    if not names_sound:
        unreadable.append("names")
    entry: dict[str, Any] = {
        "subject": field("subject", lambda: name_text(certificate.subject)),
        "issuer": field("issuer", lambda: name_text(certificate.issuer)),
        "serial_number": serial_text(certificate.serial),
        "not_before": field("not_before", lambda: moment_text(certificate.not_before)),
        "not_after": field("not_after", lambda: moment_text(certificate.not_after)),
        "key": {"type": key.kind, "bits": key.bits, "curve": key.curve},
        "signature_algorithm": field(
            "signature_algorithm", lambda: signatures.algorithm_name(certificate.signature_algorithm)
        ),
        "names": names,
        "common_name": field("common_name", lambda: common_name(certificate.subject)),
        "is_ca": bool(field("is_ca", lambda: certificate.is_ca)),
        **identity,
    }
    if unreadable:
        entry["unreadable"] = unreadable
    return entry


def serial_text(serial: int | None) -> str | None:
    """A serial number as it is shown; see describe_certificate."""
    if serial is None:
        return None
    digits = f"{abs(serial):x}"
    return ("-" if serial < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)


def moment_text(moment: datetime) -> str:
    """A date as it is shown: ISO 8601, UTC, to the second."""
    return moment.replace(tzinfo=None, microsecond=0).isoformat() + "Z"


def pem_text(data: bytes) -> str:
    """DER as PEM."""
    text = base64.b64encode(data).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def der_of_entry(entry: Mapping[str, Any]) -> bytes:
    """The DER of a chain entry."""
    return base64.b64decode("".join(entry["pem"].splitlines()[1:-1]))


def _names(certificate: Certificate) -> tuple[dict[str, list[str]], bool]:
    """The DNS names and IP addresses that a certificate carries, and whether all could be read."""
    names: dict[str, list[str]] = {"dns": [], "ip": []}
    try:
        alt_names = certificate.alt_names
    except DerError:
        return names, False
    sound = True
    for tag, content in alt_names:
        if tag == GN_DNS:
            sound = sound and content.isascii()
            names["dns"].append(der.string(0x0C, content) or "")
        elif tag == GN_IP:
            try:
                names["ip"].append(str(ipaddress.ip_address(content)))
            except ValueError:
                sound = False
    return names, sound


def load_certificates(sources: Sequence[Source]) -> list[bytes]:
    """The DER of every certificate in `sources`, in order, each once.

    A source is a path (PEM with one certificate or many, or DER), PEM text, or the bytes of either. Raises
    CertificateSourceError: no such file, a directory, no certificate inside, a private key inside, an unreadable
    certificate.
    """
    reader = SourceReader(
        "certificate",
        ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"),
        CertificateSourceError,
        _MAX_FILE_BYTES,
    )
    found: dict[bytes, None] = {}
    for number, source in enumerate(sources, 1):
        for label, data in reader.blocks(source, number):
            found[_usable(label, data)] = None
    return list(found)


def _usable(label: str, data: bytes) -> bytes:
    """`data`, when all that an issuer needs can be read from it."""
    try:
        certificate = parse_certificate(data)
        if certificate.defects:
            raise DerError(", ".join(certificate.defects))
        name_text(certificate.subject)
        signatures.key_facts(certificate.spki)
        for moment in (certificate.not_before, certificate.not_after):
            moment_text(moment)
    except DerError as exc:
        raise CertificateSourceError(
            f"{label} is not a readable certificate ({exc}). Export it again, in PEM or DER."
        ) from exc
    return certificate.der
