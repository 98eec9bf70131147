# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's vectors through our reader and judge: PKITS, and what `cryptography` is tested with.

PKITS says in a file's name whether its path is valid. Where we, or OpenSSL beside us, say otherwise stands in
differences.yml, each with its reason. A chain that we accept and that is not valid, outside that table, fails; so does
an exception, and a difference that is none any more. We accept what leads to an anchor, was cleared by the lists and is
within its own dates, as the checks on trust and validity do together.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.ocsp import read_answer
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.revocation import Crl, CrlSourceError, load_crls
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import parse_instant
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import signatures
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import parse_certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import (
    CertificateSourceError,
    describe_certificate,
    load_certificates,
)

vectors = pytest.importorskip("cryptography_vectors", reason="the package cryptography-vectors is not installed")

ROOT = Path(vectors.__file__).parent / "x509"
PKITS = ROOT / "PKITS_data"
NOW = datetime(2020, 6, 1, tzinfo=timezone.utc)
DIFFERENCES: dict[str, dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("differences.yml").read_text(encoding="utf-8")
)
CERTIFICATES = {path.stem: path.read_bytes() for path in sorted((PKITS / "certs").glob("*.crt"))}
ANCHOR = CERTIFICATES["TrustAnchorRootCertificate"]
# Certificate policies (sections 4.8 to 4.12) decide nothing here.
POLICY = re.compile("polic", re.IGNORECASE)
CASES = [name for name in CERTIFICATES if re.match("(Valid|Invalid).*EE$", name) and not POLICY.search(name)]


def lists() -> Iterator[Crl]:
    for path in sorted((PKITS / "crls").glob("*.crl")):
        try:
            yield from load_crls([path])
        except CrlSourceError:
            continue  # refused by name: it clears nothing


JUDGE = TrustJudge([ANCHOR], crls=lists())


def chain(leaf: bytes) -> list[bytes]:
    """A leaf with every authority of PKITS that bears the name of an issuer, as a server that sends too much."""
    authorities = [data for name, data in CERTIFICATES.items() if not name.endswith("EE") and data != ANCHOR]
    found, wanted = [leaf], [parse_certificate(leaf).issuer_key]
    while wanted:
        name = wanted.pop(0)
        for data in authorities:
            certificate = parse_certificate(data)
            if certificate.subject_key == name and data not in found:
                found.append(data)
                wanted.append(certificate.issuer_key)
    return found


def accepted(leaf: bytes) -> bool:
    """Whether the judge of trust and the dates of the certificate let a chain pass."""
    verdict, entry = JUDGE.judge(chain(leaf), NOW), describe_certificate(leaf)
    begins, ends = parse_instant(entry["not_before"]), parse_instant(entry["not_after"])
    dated = begins is not None and ends is not None and begins <= NOW <= ends
    return dated and verdict["status"] == "trusted" and verdict["revocation"]["status"] == "good"


def holds(table: str, case: str, agrees: bool) -> None:
    """Fail for a difference that no reason is given for, and for a reason without a difference."""
    known = DIFFERENCES[table].get(case)
    assert agrees or known, f"{case}: a difference without a reason in differences.yml, {table}"
    assert not (agrees and known), f"{case}: no difference any more; take it out of differences.yml, {table}"


@pytest.mark.parametrize("case", CASES)
def test_pkits(case: str) -> None:
    ours, valid = accepted(CERTIFICATES[case]), case.startswith("Valid")
    holds("false_accepts" if ours else "false_rejects", case, ours == valid)


def test_every_difference_is_of_a_case() -> None:
    assert {case for table in ("false_accepts", "false_rejects", "openssl") for case in DIFFERENCES[table]} <= set(
        CASES
    )
    assert len(CASES) > 150


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pkits")

    def write(name: str, *certificates: bytes) -> None:
        texts = [describe_certificate(data)["pem"] for data in certificates]
        (folder / name).write_text("".join(texts), encoding="ascii")

    for case in CASES:
        leaf, *others = chain(CERTIFICATES[case])
        write(f"{case}.pem", leaf)
        write(f"{case}.chain.pem", *others)
    write("anchor.pem", ANCHOR)
    readable = [x509.load_der_x509_crl(path.read_bytes()) for path in sorted((PKITS / "crls").glob("*.crl"))]
    (folder / "crls.pem").write_bytes(b"".join(crl.public_bytes(serialization.Encoding.PEM) for crl in readable))
    return folder


@pytest.mark.parametrize("case", CASES)
def test_openssl_beside_us(case: str, pems: Path) -> None:
    """What OpenSSL says of the same chain: where it refuses what we accept, or accepts what is not valid, is told."""
    command = [
        "openssl",
        "verify",
        "-attime",
        str(int(NOW.timestamp())),
        "-crl_check_all",
        "-extended_crl",
        "-use_deltas",
    ]
    files = ["-CAfile", "anchor.pem", "-CRLfile", "crls.pem", f"{case}.pem"]
    if (pems / f"{case}.chain.pem").stat().st_size:
        files[:0] = ["-untrusted", f"{case}.chain.pem"]
    done = subprocess.run([*command, *files], cwd=pems, capture_output=True, text=True, timeout=30, check=False)
    theirs, ours = done.returncode == 0, accepted(CERTIFICATES[case])
    holds("openssl", case, theirs == case.startswith("Valid") and (theirs or not ours))


# --- the reader, beside `cryptography` ------------------------------------------------------------------------------

#: How `cryptography` refuses.
_REFUSED = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
FILES = {
    str(path.relative_to(ROOT)): path
    for pattern in ("*.pem", "*.der", "custom/**/*.pem", "custom/*.der", "ed*/*.pem", "PKITS_data/certs/*.crt")
    for path in sorted(ROOT.glob(pattern))
    if "crl" not in path.name and "private" not in path.name
}


def facts(certificate: x509.Certificate) -> dict[str, Any]:
    """What `cryptography` reads, in our words; a part that it refuses is left out."""
    found: dict[str, Any] = {}

    def read(part: str, value: Any) -> None:
        with contextlib.suppress(*_REFUSED):
            found[part] = value()

    def is_ca() -> bool:
        try:
            return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            return False

    def key() -> Any:
        public = certificate.public_key()
        names = {rsa.RSAPublicKey: "RSA", ec.EllipticCurvePublicKey: "EC", dsa.DSAPublicKey: "DSA"}
        kind = next((name for base, name in names.items() if isinstance(public, base)), None)
        return (kind, public.key_size) if kind else None

    read("serial", lambda: certificate.serial_number)
    read("dates", lambda: (certificate.not_valid_before_utc, certificate.not_valid_after_utc))
    read("is_ca", is_ca)
    read("key", key)
    read("tbs", lambda: certificate.tbs_certificate_bytes)
    return found


@pytest.mark.parametrize("name", FILES)
def test_the_reader_beside_cryptography(name: str) -> None:
    data = FILES[name].read_bytes()
    if b"BEGIN CERTIFICATE REQUEST" in data or b"PRIVATE KEY" in data:
        pytest.skip("no certificate")
    try:
        ders = load_certificates([data])
    except CertificateSourceError:
        ders = []
    for der in ders or [data]:
        entry = describe_certificate(der)
        assert JUDGE.judge([der, ANCHOR], NOW)["status"] != "trusted" or der == ANCHOR or name.startswith("PKITS")
        try:
            theirs = facts(x509.load_der_x509_certificate(der))
        except _REFUSED:
            continue
        holds("reader", name, "error" not in entry)
        if "error" in entry:
            continue
        ours = parse_certificate(der)
        unreadable = entry.get("unreadable", [])
        assert ours.serial == theirs.get("serial", ours.serial)
        assert ours.tbs == theirs.get("tbs", ours.tbs)
        if "dates" in theirs and not {"not_before", "not_after"} & set(unreadable):
            assert (ours.not_before, ours.not_after) == theirs["dates"]
        assert entry["is_ca"] == theirs.get("is_ca", entry["is_ca"])
        if theirs.get("key"):
            assert (entry["key"]["type"], entry["key"]["bits"]) == theirs["key"]


LISTS = {
    str(path.relative_to(ROOT)): path
    for pattern in ("custom/*crl*", "PKITS_data/crls/*.crl")
    for path in sorted(ROOT.glob(pattern))
}


@pytest.mark.parametrize("name", LISTS)
def test_revocation_lists_beside_cryptography(name: str) -> None:
    data = LISTS[name].read_bytes()
    load = x509.load_pem_x509_crl if b"-----BEGIN" in data else x509.load_der_x509_crl
    try:
        theirs = load(data)
        entries = {entry.serial_number: entry.revocation_date_utc for entry in theirs}
    except _REFUSED:
        theirs = None
    try:
        (ours,) = load_crls([data])
    except CrlSourceError:
        holds("lists", name, theirs is None)
        return
    holds("lists", name, True)
    if theirs is not None:
        assert {serial: entry.date for serial, entry in ours.entries.items()} == entries
        assert (ours.this_update, ours.next_update) == (theirs.last_update_utc, theirs.next_update_utc)
        assert ours.tbs == theirs.tbs_certlist_bytes


@pytest.mark.parametrize("good", [True, False])
def test_the_signature_of_a_list(good: bool) -> None:
    signer = parse_certificate(load_certificates([ROOT / "custom" / "valid_signature_cert.pem"])[0])
    (crl,) = load_crls([ROOT / "custom" / f"{'valid' if good else 'invalid'}_signature_crl.pem"])
    assert signatures.verify(signer.spki, crl.algorithm, crl.tbs, crl.signature) is good


@pytest.mark.parametrize("path", sorted((ROOT / "ocsp").glob("*.der")), ids=lambda path: path.name)
def test_no_answer_clears_a_certificate_that_it_is_not_about(path: Path) -> None:
    for name in ("GoodCACert", "ValidCertificatePathTest1EE"):
        answer = read_answer(path.read_bytes(), CERTIFICATES[name], ANCHOR, NOW)
        assert answer["status"] == "not_assessed"
        assert answer["detail"]
