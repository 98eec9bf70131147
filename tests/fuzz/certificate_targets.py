# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets: certificates, chains, and what an authority publishes about them."""

from __future__ import annotations

import base64
import contextlib
import functools
from typing import Any
from unittest import mock

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.certificate_trust import TRUST_FAILURES
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust import ocsp as trust_ocsp
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust import revocation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import signatures
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import parse_certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import describe_certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.host_names import name_match
from fuzz.mutate import split_chain
from fuzz.registry import CORPUS, NOW, Shape, safe_json, target

DER_TOKENS = (
    b"\x30\x80",
    b"\x30\x84\x7f\xff\xff\xff",
    b"\x06\x03\x55\x1d\x11",
    b"\x1f\x81\x00",
    b"\x02\x00",
    b"\x03\x00",
)


@target("der", DER_TOKENS)
def describe(data: bytes) -> Shape:
    """One entry of a chain: never an exception, always text that can be written, and the truth where it is known."""
    entry = describe_certificate(data)
    safe_json(entry)
    assert base64.b64decode("".join(entry["pem"].split("\n")[1:-2])) == data
    for key in ("subject", "issuer"):
        assert not any(ord(char) < 32 or ord(char) == 127 for char in entry.get(key) or ""), entry[key]
    if "error" in entry:
        assert set(entry) == {"error", "fingerprint_sha256", "pem"}
        return "error", "".join(char for char in entry["error"] if not char.isdigit())
    for names in ([], ["echo-004.hopital.example", "10.20.1.14"]):
        assert name_match(entry, names, "10.20.1.14") in (True, False, None)
    _agrees_with_cryptography(data, entry)
    return entry["key"]["type"], entry["signature_algorithm"], tuple(entry.get("unreadable", ())), entry["is_ca"]


def _agrees_with_cryptography(data: bytes, entry: dict[str, Any]) -> None:
    """Where a strict reader reads a certificate, ours says the same of it."""
    from cryptography import x509

    if "unreadable" in entry or len(data) > 8192:
        return
    try:
        certificate = x509.load_der_x509_certificate(data)
        serial, end = certificate.serial_number, certificate.not_valid_after_utc
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return
    assert int(entry["serial_number"], 16) == serial
    assert entry["not_after"] == end.replace(tzinfo=None).isoformat() + "Z"
    with contextlib.suppress(x509.ExtensionNotFound):
        assert entry["is_ca"] == extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with contextlib.suppress(x509.ExtensionNotFound):
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert entry["names"]["dns"] == names.get_values_for_type(x509.DNSName)


@functools.cache
def pki() -> tuple[bytes, bytes]:
    return (CORPUS / "pki" / "seed-root.bin").read_bytes(), (CORPUS / "pki" / "seed-issuing.bin").read_bytes()


@functools.cache
def _judge() -> TrustJudge:
    root, issuing = pki()
    return TrustJudge([root], [issuing], [(CORPUS / "crl" / "seed-two.bin").read_bytes()])


@functools.cache
def _sound_bodies() -> frozenset[bytes]:
    """The signed part of every certificate that the authorities of the corpus signed."""
    chains = [split_chain(path.read_bytes()) for path in (CORPUS / "chain").glob("seed-*.bin")]
    ders = [der for chain in chains for der in chain] + list(pki())
    return frozenset(parse_certificate(der).tbs for der in ders)


_STATUSES = {"trusted", "not_assessed", *TRUST_FAILURES}


@target("chain", DER_TOKENS, seeds=("chain",))
def judge(data: bytes) -> Shape:
    """The trust in a chain: a verdict for any bytes, and never `trusted` for what no authority signed."""
    chain = split_chain(data)
    verdict = _judge().judge(chain, NOW)
    safe_json(verdict)
    assert verdict["status"] in _STATUSES
    assert len(verdict["detail"]) < 4000
    if verdict["status"] == "trusted":
        assert parse_certificate(chain[0]).tbs in _sound_bodies(), "a false pass"
    return verdict["status"], verdict["cause"]


@target("chain", DER_TOKENS, seeds=("chain",))
def judge_unsigned(data: bytes) -> Shape:
    """The same where every signature fits, so that what lies behind the signatures is reached too."""
    with mock.patch.object(signatures, "verify", lambda *_parts: True):
        root, issuing = pki()
        unsigned = TrustJudge([root], [issuing], [(CORPUS / "crl" / "seed-two.bin").read_bytes()])
        verdict = unsigned.judge(split_chain(data), NOW)
    safe_json(verdict)
    assert verdict["status"] in _STATUSES
    return verdict["status"], verdict["cause"], verdict["revocation"]["status"]


@target("der", DER_TOKENS)
def crl(data: bytes) -> Shape:
    """A revocation list."""
    try:
        found = revocation.parse_crl(data)
    except DerError as error:
        return "".join(char for char in str(error) if not char.isdigit())
    assert len(found.entries) <= len(data)
    return found.partial, found.foreign, bool(found.entries), found.next_update is None


@functools.cache
def _sound_answers() -> frozenset[tuple[bytes, bytes]]:
    """Signed part and signature of the answers that the corpus's authority, or a responder that it named, signed."""
    from cryptography.x509 import ocsp

    found = set()
    for label in ("good", "revoked", "delegated"):
        data = (CORPUS / "ocsp_answer" / f"seed-{label}.bin").read_bytes()
        answer = ocsp.load_der_ocsp_response(data)
        found.add((answer.tbs_response_bytes, answer.signature))
    return frozenset(found)


@target("der", DER_TOKENS)
def ocsp_answer(data: bytes) -> Shape:
    """An OCSP answer: a status for any bytes, and no good one that nobody signed."""
    leaf = (CORPUS / "describe" / "seed-leaf.bin").read_bytes()
    answer = trust_ocsp.read_answer(data, leaf, pki()[1], NOW)
    safe_json(answer)
    assert answer["status"] in ("good", "revoked", "not_assessed") and len(answer["detail"]) < 400
    if answer["status"] != "not_assessed":
        signed = any(body in data and signature in data for body, signature in _sound_answers())
        assert signed, "nobody signed this"
    return answer["status"], "".join(char for char in answer["detail"] if char.isalpha())[:60]
