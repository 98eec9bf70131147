# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a certificate may be pushed to gateways as the hospital's root: asked before any of them is reached."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.certificate_key import key_problem
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.certificate_signature import signature_hash
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.fingerprints import plain_fingerprint
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import signatures
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import parse_certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import (
    describe_certificate,
    load_certificates,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.sources import Source

_KEY_CERT_SIGN = 0x04  # RFC 5280 section 4.2.1.3, in the first byte
#: A root is not trusted for its own signature, hence not SHA-1. One made with these is older than 2009.
_BROKEN_HASHES = ("md2", "md4", "md5")


class RootRefused(ValueError):
    """A root that is not pushed; the message says why, and what to do."""


@dataclass(frozen=True)
class Root:
    """A root that may be pushed. name: what it is called in a store, in [a-z0-9-]."""

    pem: str
    fingerprint: str
    name: str
    subject: str
    not_after: str


def required_fingerprint(value: Any) -> str:
    """The fingerprint that a person gave, as 64 lower hexadecimal digits. RootRefused where it is none."""
    found = plain_fingerprint(value)
    if found is None:
        raise RootRefused(
            "fingerprint_sha256: 64 hexadecimal digits are needed, with or without colons, as the authority told them "
            "by another way than the file came"
        )
    return found


def judged_root(sources: Sequence[Source], fingerprint: Any, policy: Mapping[str, Any], now: datetime) -> Root:
    """The one certificate in `sources`. RootRefused, CertificateSourceError where it may not be pushed."""
    asked = required_fingerprint(fingerprint)
    found = load_certificates(sources)
    if len(found) != 1:
        raise RootRefused(f"{len(found)} certificates were given: give the root alone, in a file of its own")
    facts = describe_certificate(found[0])
    if facts["fingerprint_sha256"] != asked:
        raise RootRefused(
            f"its SHA-256 fingerprint is {facts['fingerprint_sha256']}, and {asked} was expected: this is another "
            "certificate. Ask the authority, by another way than the file came, before anything else"
        )
    certificate = parse_certificate(found[0])
    subject = visible(facts["subject"], 200)
    if not certificate.is_ca:
        raise RootRefused(f"{subject} is no certificate of an authority (basic constraints: CA is not set)")
    if not certificate.may(_KEY_CERT_SIGN):
        raise RootRefused(f"{subject} may not sign certificates (key usage without keyCertSign)")
    if certificate.subject_key != certificate.issuer_key:
        raise RootRefused(f"{subject} is no root: {visible(facts['issuer'], 200)} has signed it. Give that one's root")
    own = signatures.verify(certificate.spki, certificate.signature_algorithm, certificate.tbs, certificate.signature)
    digest = signature_hash(facts["signature_algorithm"])
    if digest in _BROKEN_HASHES:
        raise RootRefused(f"{subject} is signed with {digest}, which is broken: ask the authority for its present root")
    if own is False:
        raise RootRefused(f"{subject} is not signed by its own key: it is damaged, or no root")
    problem = key_problem(facts["key"]["type"], facts["key"]["bits"], policy)
    if problem != "":
        key = facts["key"]
        raise RootRefused(
            f"{subject} has a key that is not accepted ({key['type']}, {key['bits']} bits): the policy asks for "
            f"{', '.join(policy['allowed_key_types'])}, RSA of {policy['min_rsa_bits']} bits and EC of "
            f"{policy['min_ec_bits']} bits or more"
        )
    if certificate.not_after <= now:
        raise RootRefused(f"{subject} expired on {instant_text(certificate.not_after)}")
    if certificate.not_before > now:
        raise RootRefused(f"{subject} is not valid before {instant_text(certificate.not_before)}")
    return Root(facts["pem"], asked, store_name(facts["common_name"], asked), subject, facts["not_after"])


def store_name(common_name: str | None, fingerprint: str) -> str:
    """ "CHU Exemple Racine" as "chu-exemple-racine-1a2b3c4d": readable, and never the name of another root."""
    plain = unicodedata.normalize("NFKD", (common_name or "")[:200]).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
    return f"{words or 'root'}-{fingerprint[:8]}"
