# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which roots may be pushed: every reason to refuse one, and the sound ones that are not refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.root import (
    RootRefused,
    judged_root,
    store_name,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import CertificateSourceError
from ansible_collections.biomed.cert_hygiene.tests.unit import pki_factory as pki

POLICY = load_policy()


def fingerprint(identity: pki.Identity) -> str:
    return identity.certificate.fingerprint(pki.hashes.SHA256()).hex()


def root(**options: object) -> pki.Identity:
    return pki.make("CHU Exemple Racine", ca=True, **options)


SOUND: list[tuple[str, Callable[[], pki.Identity]]] = [
    ("EC", root),
    ("RSA-2048", lambda: root(kind="rsa2048", label="r2048")),
    ("Ed25519", lambda: root(kind="ed25519", label="ed")),
    ("own SHA-1 signature", lambda: pki.rebuild(*[root(kind="rsa2048", label="r2048")] * 2, digest="sha1")),
    ("expires soon", lambda: root(days=(-100, 0.1))),
]


@pytest.mark.parametrize("make", [case[1] for case in SOUND], ids=[case[0] for case in SOUND])
def test_a_sound_root_may_be_pushed(make: Callable[[], pki.Identity]) -> None:
    made = make()
    found = judged_root([made.pem], fingerprint(made).upper(), POLICY, pki.NOW)
    assert found.fingerprint == fingerprint(made)
    assert found.name == f"chu-exemple-racine-{fingerprint(made)[:8]}"
    assert "PRIVATE" not in found.pem


def leaf() -> pki.Identity:
    return pki.make("pacs.hopital.example", root(), dns=["pacs.hopital.example"])


def damaged() -> pki.Identity:
    made = root()
    return pki.replace(made, der=made.der[:-4] + bytes(byte ^ 0x55 for byte in made.der[-4:]))


REFUSED: list[tuple[str, Callable[[], pki.Identity], str]] = [
    ("leaf", leaf, "no certificate of an authority"),
    ("self-signed leaf", lambda: pki.make("gateway"), "no certificate of an authority"),
    ("no basic constraints", lambda: root(without=[pki.x509.BasicConstraints]), "no certificate of an authority"),
    ("no keyCertSign", lambda: root(extra=[(pki.key_usage(authority=False), True)]), "may not sign certificates"),
    ("intermediate", lambda: pki.make("Issuing", root(), ca=True), "is no root: .*Racine.* has signed it"),
    ("expired", lambda: root(days=(-100, -1)), "expired on 2026-11-21"),
    ("not yet valid", lambda: root(days=(1, 100)), "not valid before 2026-11-23"),
    ("RSA-1024", lambda: root(kind="rsa1024", label="r1024"), r"not accepted \(RSA, 1024 bits\)"),
    ("DSA", lambda: root(kind="dsa2048", label="dsa"), r"not accepted \(DSA"),
    ("MD5", lambda: pki.rebuild(*[root(kind="rsa2048", label="r2048")] * 2, digest="md5"), "md5, which is broken"),
    ("another's signature", lambda: pki.rebuild(root(), pki.make("x", ca=True)), "not signed by its own key"),
    ("damaged", damaged, "not signed by its own key"),
]


@pytest.mark.parametrize(("make", "why"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_refused(make: Callable[[], pki.Identity], why: str) -> None:
    made = make()
    # Not through `cryptography`, which may refuse to read it.
    asked = pki.hashes.Hash(pki.hashes.SHA256())
    asked.update(made.der)
    with pytest.raises(RootRefused, match=why):
        judged_root([made.der], asked.finalize().hex(), POLICY, pki.NOW)


@pytest.mark.parametrize("given", ["", None, "ab" * 20, "g" * 64, 12])
def test_no_fingerprint_no_root(given: object) -> None:
    with pytest.raises(RootRefused, match="64 hexadecimal digits"):
        judged_root([root().pem], given, POLICY, pki.NOW)


def test_another_fingerprint_is_refused_before_all_else() -> None:
    with pytest.raises(RootRefused, match="this is another certificate"):
        judged_root([leaf().pem], "0" * 64, POLICY, pki.NOW)


def test_two_certificates_are_refused() -> None:
    with pytest.raises(RootRefused, match="2 certificates"):
        judged_root([root().pem + pki.make("Other", ca=True).pem], fingerprint(root()), POLICY, pki.NOW)


def test_a_private_key_in_the_file_is_refused_and_never_shown() -> None:
    made = root()
    with pytest.raises(CertificateSourceError, match="private key") as caught:
        judged_root([made.pem + made.private_pem], fingerprint(made), POLICY, pki.NOW)
    assert made.private_pem.splitlines()[1] not in str(caught.value)


def test_a_policy_may_ask_for_more() -> None:
    made = root(kind="rsa2048", label="r2048")
    with pytest.raises(RootRefused, match="RSA of 3072 bits"):
        judged_root([made.pem], fingerprint(made), load_policy({"min_rsa_bits": 3072}), pki.NOW)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("CHU Exemple – Autorité racine", "chu-exemple-autorite-racine-ffffffff"),
        ("../../etc/passwd", "etc-passwd-ffffffff"),
        (None, "root-ffffffff"),
        ("株式会社", "root-ffffffff"),
        ("-" * 300, "root-ffffffff"),
        ("a" * 300, "a" * 40 + "-ffffffff"),
    ],
)
def test_names_are_safe_file_names(given: str | None, name: str) -> None:
    assert store_name(given, "f" * 64) == name
