# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a chain names its deepest real cause, and a hostile chain costs bounded time."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.certificate_trust import TRUST_FAILURES
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.client_rules import REFUSED_BY
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.path_rules import sturdiness
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.paths import CONTRADICTS, FITS, MAY_FIT, fit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import signatures
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import parse_certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import (
    CertificateSourceError,
    describe_certificate,
    load_certificates,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.names import name_key
from ansible_collections.biomed.cert_hygiene.tests.unit import pki_factory as pki

NOW = pki.NOW
AKI, SKI = x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier
EKU, KU, BC = x509.ExtendedKeyUsage, x509.KeyUsage, x509.BasicConstraints

STATUSES = {
    "trusted": {"anchor_reached", "leaf_is_anchor"},
    "self_signed": {"self_signed"},
    "unknown_authority": {"issuer_unknown", "issuer_key_unknown", "root_not_trusted"},
    "incomplete_chain": {"intermediate_known", "intermediate_unknown"},
    "expired_in_chain": {"intermediate_expired", "anchor_expired"},
    "not_yet_valid_in_chain": {"intermediate_not_yet_valid", "anchor_not_yet_valid"},
    "bad_signature": {"signature_invalid", "not_a_ca", "key_usage", "path_length", "name_constraints"},
    "revoked": {"leaf_revoked", "intermediate_revoked"},
    "purpose_not_server": {"extended_key_usage", "key_usage_not_tls", "netscape_type", "authority_as_server"},
    "some_clients_refuse": set(REFUSED_BY),
    "not_assessed": {
        "no_anchors",
        "no_chain",
        "leaf_unreadable",
        "link_unreadable",
        "algorithm_unsupported",
        "critical_extension",
        "name_constraints_unsupported",
        "purpose",
        "chain_order",
        "search_limit",
        "must_staple",
    },
}


def test_the_check_knows_every_failure() -> None:
    assert set(STATUSES) == {"trusted", "not_assessed", *TRUST_FAILURES}


def well_formed(verdict: dict[str, Any]) -> bool:
    """Whether a verdict has the documented shape and survives JSON."""
    return (
        set(verdict) - {"clients"} == {"status", "cause", "anchor", "link", "date", "detail", "revocation", "path"}
        and verdict["cause"] in STATUSES[verdict["status"]]
        and set(verdict["revocation"]) == {"status", "detail"}
        and bool(verdict["detail"])
        and bool(verdict.get("clients")) == (verdict["status"] == "some_clients_refuse")
        and json.loads(json.dumps(verdict, ensure_ascii=False).encode("utf-8")) == verdict
    )


# --- the table ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    expect: str
    """status/cause"""
    anchors: Sequence[pki.Identity]
    chain: Sequence[pki.Identity | bytes]
    known: Sequence[pki.Identity] = ()
    purpose: Any = "server"

    def verdict(self) -> dict[str, Any]:
        judge = TrustJudge([one.der for one in self.anchors], [one.der for one in self.known])
        return judge.judge([one if isinstance(one, bytes) else one.der for one in self.chain], NOW, self.purpose)


ROOT = pki.make("Root", ca=True)
MIDDLE = pki.make("Middle", ROOT, ca=True)
DEVICE = pki.make("device", MIDDLE, dns=["device.hopital.example"])
STRANGER = pki.make("Stranger Root", ca=True)
STRANGER_MIDDLE = pki.make("Stranger Middle", STRANGER, ca=True)
SELF = pki.make("self")
EXPIRED = pki.make("expired", days=(-9, -1))
RSA_ROOT = pki.make("RSA Root", ca=True, kind="rsa2048")
RSA_MIDDLE = pki.make("RSA Middle", RSA_ROOT, ca=True, kind="rsa2048")
RSA_DEVICE = pki.make("rsa device", RSA_MIDDLE)
# Another key under the name of MIDDLE, as after a renewal with a new key.
OTHER_MIDDLE = pki.make("Middle", ROOT, ca=True, label="Middle, second key")


def issued(issuer: pki.Identity, **settings: Any) -> pki.Identity:
    return pki.make("device", issuer, **settings)


def long_chain(length: int) -> list[pki.Identity]:
    """A device below `length` authorities, the device first and the root last."""
    chain = [pki.make("Level 0", ca=True)]
    for level in range(1, length):
        chain.insert(0, pki.make(f"Level {level}", chain[0], ca=True))
    return [issued(chain[0]), *chain]


LONG = long_chain(9)


def cross_signed() -> dict[str, Case]:
    """The issuing authority has a certificate of its own root and one of an older root."""
    old_root = pki.make("Old Root", ca=True, days=(-4000, -5))
    new_root = pki.make("New Root", ca=True)
    by_old = pki.make("Crossed", old_root, ca=True)
    by_new = pki.make("Crossed", new_root, ca=True)
    stale = pki.make("Crossed", new_root, ca=True, days=(-900, -1))
    device = issued(by_new)
    # The new root, certified by the old one: the classic bridge for clients that know the old root alone.
    bridge = pki.make("New Root", old_root, ca=True)
    return {
        "cross-signed, both sent, new root known": Case(
            "trusted/anchor_reached", [new_root], [device, by_old, by_new, old_root]
        ),
        "cross-signed, a good certificate and a stale one": Case(
            "trusted/anchor_reached", [new_root], [device, by_new, stale]
        ),
        "cross-signed, a stale certificate before a good one": Case(
            "some_clients_refuse/twin_sent_first", [new_root], [device, stale, by_new]
        ),
        "cross-signed, one of tomorrow before a good one": Case(
            "some_clients_refuse/twin_sent_first",
            [new_root],
            [device, pki.make("Crossed", new_root, ca=True, days=(1, 900)), by_new],
        ),
        "cross-signed, one that starts and one that ends now": Case(
            "trusted/anchor_reached",
            [new_root],
            [
                device,
                pki.make("Crossed", new_root, ca=True, days=(0, 900)),
                pki.make("Crossed", new_root, ca=True, days=(-900, 0)),
                by_new,
            ],
        ),
        "cross-signed, the good path wins over an expired anchor": Case(
            "trusted/anchor_reached", [old_root, new_root], [device, by_old, by_new]
        ),
        "cross-signed, only the expired path is known": Case(
            "expired_in_chain/anchor_expired", [old_root], [device, by_old, by_new]
        ),
        "bridge sent though the new root is an anchor": Case(
            "trusted/anchor_reached", [new_root], [device, by_new, bridge, old_root]
        ),
        "bridge is the only way": Case("expired_in_chain/anchor_expired", [old_root], [device, by_new, bridge]),
        "the server sends a stale one, others send the good one": Case(
            "expired_in_chain/intermediate_expired", [new_root], [device, stale], [by_new]
        ),
    }


def name_constraints(
    permitted: Sequence[x509.GeneralName] = (), excluded: Sequence[x509.GeneralName] = ()
) -> pki.Identity:
    value = x509.NameConstraints(permitted or None, excluded or None)
    return pki.make("Bound", ROOT, ca=True, extra=[(value, True)])


DNS_BOUND = name_constraints([x509.DNSName("hopital.example")])
DNS_EXCLUDED = name_constraints(excluded=[x509.DNSName("dmz.hopital.example")])
IP_BOUND = name_constraints([x509.IPAddress(ip_network("10.20.0.0/16"))])
IP6_BOUND = name_constraints([x509.IPAddress(ip_network("2001:db8::/32"))])
HOSPITAL_NAME = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Hospital")])
DIRECTORY_BOUND = name_constraints([x509.DirectoryName(HOSPITAL_NAME)])
OTHER_DIRECTORY = (
    x509.NameConstraints(
        [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Other")]))], None
    ),
    True,
)
MAIL_BOUND = name_constraints(excluded=[x509.RFC822Name("c.example")])


def common_name(text: str) -> x509.NameAttribute:
    return x509.NameAttribute(NameOID.COMMON_NAME, text)


BOUND_RSA = pki.make("Bound RSA", RSA_ROOT, ca=True, kind="rsa2048")
BELOW_BOUND = pki.make("d", BOUND_RSA)


def excluding(base: bytes, *more: bytes) -> pki.Identity:
    """An authority that excludes one raw GeneralName."""
    value = pki.tlv(0x30, pki.tlv(0xA1, pki.tlv(0x30, base, *more)))
    extensions = [*pki.raw_extensions(BOUND_RSA), pki.extension("2.5.29.30", value, critical=True)]
    return pki.rebuild(BOUND_RSA, RSA_ROOT, extensions=b"".join(extensions))


#: Forms of names that are known and that no certificate of a device has: other, X.400, EDI, registered number.
OTHER_BOUNDS = {tag: excluding(pki.tlv(tag, b"\x2a")) for tag in (0xA0, 0xA3, 0xA5, 0x88)}
UNREADABLE_BOUNDS = {
    "an address without a mask": excluding(pki.tlv(0x87, bytes([10, 20, 0, 0]))),
    "an address cut short": excluding(pki.tlv(0x87, bytes([10, 20, 0, 0, 255, 255, 0]))),
    "an empty address": excluding(pki.tlv(0x87)),
    "a wildcard": excluding(pki.tlv(0x82, b"*.dmz.example")),
    "a trailing dot": excluding(pki.tlv(0x82, b"dmz.example.")),
    "a name in another alphabet": excluding(pki.tlv(0x82, "hôpital.example".encode())),
    "a directory name that is none": excluding(pki.tlv(0xA4, pki.tlv(0x30, b"\5\0"))),
    "a form that does not exist": excluding(pki.tlv(0xA2, b"")),
    "a minimum": excluding(pki.tlv(0x82, b"dmz.example"), pki.tlv(0x80, b"\1")),
}
URI_BOUND = name_constraints([x509.UniformResourceIdentifier("hopital.example")])


def constrained(authority: pki.Identity, **names: Any) -> list[pki.Identity]:
    return [issued(authority, **names), authority]


V1_ROOT = pki.rebuild(RSA_ROOT, RSA_ROOT, version=None, extensions=None)
V1_MIDDLE = pki.rebuild(RSA_MIDDLE, RSA_ROOT, version=None, extensions=None)
BARE = (KU, SKI, AKI)
BARE_ROOT = pki.make("Bare Root", ca=True, without=BARE)
BARE_MIDDLE = pki.make("Bare Middle", BARE_ROOT, ca=True, without=BARE)
PINNED = pki.make("pinned", without=[BC, KU], dns=["pinned.hopital.example"])
NOT_CA = pki.make("Not an authority", ROOT)


def corrupted(identity: pki.Identity) -> bytes:
    """The same certificate with the last byte of its signature changed."""
    return identity.der[:-1] + bytes([identity.der[-1] ^ 1])


def printable(identity: pki.Identity, signer: pki.Identity) -> pki.Identity:
    """The same certificate with its issuer's name in other letters, spaces and string types."""
    issuer = pki.raw_name(("2.5.4.10", 0x13, b"TEST   hospital "), ("2.5.4.3", 0x1E, "rsa middle".encode("utf-16-be")))
    return pki.rebuild(identity, signer, issuer=issuer)


def named_issuer(identity: pki.Identity) -> x509.AuthorityKeyIdentifier:
    """An authority key identifier that names the issuer's certificate by its own issuer and serial number."""
    certificate = identity.certificate
    return AKI(None, [x509.DirectoryName(certificate.issuer)], certificate.serial_number)


def constraints(content: bytes) -> pki.Identity:
    """An authority with raw basic constraints."""
    bare = pki.make("RSA Middle", RSA_ROOT, ca=True, kind="rsa2048", without=[BC])
    extensions = [*pki.raw_extensions(bare), pki.extension("2.5.29.19", pki.tlv(0x30, content), critical=True)]
    return pki.rebuild(bare, RSA_ROOT, extensions=b"".join(extensions))


def weird(identity: pki.Identity, signer: pki.Identity, *extensions: bytes) -> pki.Identity:
    return pki.rebuild(identity, signer, extensions=b"".join([*pki.raw_extensions(identity), *extensions]))


UNKNOWN_EXTENSION = "1.3.6.1.4.1.99999.1"
CRITICAL = (x509.UnrecognizedExtension(x509.ObjectIdentifier(UNKNOWN_EXTENSION), b"\5\0"), True)


def used_as(*bits: str) -> x509.KeyUsage:
    parts = {part: part in bits for part in KEY_USAGES}
    return x509.KeyUsage(**parts)


KEY_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def with_usage(identity: pki.Identity, signer: pki.Identity, bits: str) -> pki.Identity:
    """With a raw key usage."""
    return weird(identity, signer, pki.extension("2.5.29.15", bytes.fromhex(bits), critical=True))


ODD_MIDDLE = with_usage(pki.make("Odd", ROOT, ca=True, without=[KU]), ROOT, "03020001")


def purposes() -> dict[str, Case]:
    """What a server's certificate may be used for; as OpenSSL, GnuTLS and Java were seen to take it."""

    def case(expect: str, *extra: tuple[x509.ExtensionType, bool], **more: Any) -> Case:
        return Case(expect, [ROOT], [issued(MIDDLE, extra=extra, **more), MIDDLE])

    def usage(*numbers: str) -> tuple[EKU, bool]:
        return EKU([x509.ObjectIdentifier(number) for number in numbers]), False

    def netscape(value: bytes) -> tuple[x509.ExtensionType, bool]:
        return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.1"), value), False

    server, client, signing = (f"1.3.6.1.5.5.7.3.{number}" for number in (1, 2, 3))
    bound = pki.make("Bound", ROOT, ca=True, extra=[usage(client)])
    narrow_root = pki.make("Root", ca=True, extra=[usage(client)])
    pinned = pki.make("pinned", ca=True)
    not_tls, unsigned = "purpose_not_server/key_usage_not_tls", "some_clients_refuse/key_usage_without_signature"
    return {
        "server and client": case("trusted/anchor_reached", usage(server, client)),
        "no extended key usage": case("trusted/anchor_reached", without=[EKU]),
        "to sign code": case("purpose_not_server/extended_key_usage", usage(signing)),
        "client, and any": case("some_clients_refuse/any_purpose", usage(client, "2.5.29.37.0")),
        "server, and any": case("trusted/anchor_reached", usage(server, "2.5.29.37.0")),
        "server gated cryptography": case("some_clients_refuse/old_purpose", usage("1.3.6.1.4.1.311.10.3.3")),
        "no key usage": case("trusted/anchor_reached", without=[KU]),
        "signature and encipherment": case(
            "trusted/anchor_reached", (used_as("digital_signature", "key_encipherment"), True)
        ),
        "non-repudiation alone": case(not_tls, (used_as("content_commitment"), True)),
        "data encipherment alone": case(not_tls, (used_as("data_encipherment"), False)),
        "signing certificates alone": case(not_tls, (used_as("key_cert_sign", "crl_sign"), True)),
        "key encipherment alone": case(unsigned, (used_as("key_encipherment"), True)),
        "key agreement alone": case(unsigned, (used_as("key_agreement"), True)),
        "Netscape client": case("purpose_not_server/netscape_type", netscape(bytes.fromhex("03020780"))),
        "Netscape server": case("trusted/anchor_reached", netscape(bytes.fromhex("03020640"))),
        "a key usage that means nothing": Case(
            not_tls, [ROOT], [with_usage(pki.make("device", MIDDLE, without=[KU]), MIDDLE, "03020001"), MIDDLE]
        ),
        "enciphering an agreed key alone": Case(
            unsigned, [ROOT], [with_usage(pki.make("device", MIDDLE, without=[KU]), MIDDLE, "03020009"), MIDDLE]
        ),
        "an authority with a key usage that means nothing": Case(
            "bad_signature/key_usage", [ROOT], [issued(ODD_MIDDLE), ODD_MIDDLE]
        ),
        "Netscape, a bit of no meaning": case("purpose_not_server/netscape_type", netscape(bytes.fromhex("03020001"))),
        "Netscape nothing": case("purpose_not_server/netscape_type", netscape(bytes.fromhex("030100"))),
        "an authority as a server": Case(
            "purpose_not_server/authority_as_server", [ROOT], [pki.make("x", MIDDLE, ca=True), MIDDLE]
        ),
        "the authority itself as a server": Case("purpose_not_server/authority_as_server", [ROOT], [MIDDLE]),
        "an authority that is pinned stands for itself": Case("trusted/leaf_is_anchor", [pinned], [pinned]),
        "a client's certificate that is pinned": Case(
            "purpose_not_server/extended_key_usage", [bad := pki.make("c", extra=[usage(client)])], [bad]
        ),
        "an authority for clients": Case("some_clients_refuse/authority_purpose", [ROOT], [issued(bound), bound]),
        "a root for clients": Case("some_clients_refuse/authority_purpose", [narrow_root], [DEVICE, MIDDLE]),
        "must-staple": case("not_assessed/must_staple", (x509.TLSFeature([x509.TLSFeatureType.status_request]), False)),
        "must-staple, all of them": case(
            "not_assessed/must_staple", (x509.TLSFeature([x509.TLSFeatureType.status_request_v2]), False)
        ),
        "unreadable key usage": Case(
            "not_assessed/leaf_unreadable",
            [RSA_ROOT],
            [
                weird(pki.make("d", RSA_MIDDLE, without=[KU]), RSA_MIDDLE, pki.extension("2.5.29.15", b"\5\0")),
                RSA_MIDDLE,
            ],
        ),
        "not for a server, below an expired authority: the authority is graver": Case(
            "expired_in_chain/intermediate_expired",
            [ROOT],
            [issued(MIDDLE, extra=[usage(client)]), pki.make("Middle", ROOT, ca=True, days=(-900, -1))],
        ),
    }


def odd() -> dict[str, Case]:
    """Certificates that are signed well and written oddly: some clients read them, some do not."""

    def case(expect: str, **parts: bytes) -> Case:
        return Case(expect, [RSA_ROOT], [pki.rebuild(RSA_DEVICE, RSA_MIDDLE, **parts), RSA_MIDDLE])

    def dates(tag: int, end: bytes) -> bytes:
        return pki.tlv(0x30, pki.tlv(0x17, b"250101000000Z"), pki.tlv(tag, end))

    def rsa_key(exponent: int) -> bytes:
        modulus = RSA_ROOT.key.public_key().public_numbers().n
        numbers = pki.tlv(
            0x30, *(pki.tlv(2, number.to_bytes(257 if number > 99 else 1, "big")) for number in (modulus, exponent))
        )
        return pki.tlv(0x30, bytes.fromhex("300d06092a864886f70d0101010500"), pki.tlv(3, b"\0", numbers))

    named = (
        pki.key("p256", "odd")
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    field = pki.tlv(0x30, bytes.fromhex("06072a8648ce3d0101"), pki.tlv(2, prime.to_bytes(33, "big")))
    written = pki.tlv(0x30, b"\2\1\1", field)
    explicit = pki.tlv(0x30, pki.tlv(0x30, bytes.fromhex("06072a8648ce3d0201"), written), pki.elements(named)[1])
    padded_middle = pki.rebuild(RSA_MIDDLE, RSA_ROOT, serial=b"\2\2\0\5")
    return {
        "without seconds": case("some_clients_refuse/date_without_seconds", validity=dates(0x17, b"2812312359Z")),
        "a fraction of a second": case("some_clients_refuse/date_form", validity=dates(0x18, b"20281231235959.5Z")),
        "a time zone": case("some_clients_refuse/date_form", validity=dates(0x17, b"281231235959+0200")),
        "a generalised time before 2050": case("trusted/anchor_reached", validity=dates(0x18, b"20281231235959Z")),
        "for ever": case("trusted/anchor_reached", validity=dates(0x18, b"99991231235959Z")),
        "padded serial number": case("some_clients_refuse/serial_padded", serial=b"\2\4\0\0\0\5"),
        "padded negative serial number": case("some_clients_refuse/serial_padded", serial=b"\2\2\xff\x85"),
        "a zero that the sign needs": case("trusted/anchor_reached", serial=b"\2\2\0\x85"),
        "serial number nought": case("trusted/anchor_reached", serial=b"\2\1\0"),
        "padded serial number above": Case(
            "some_clients_refuse/serial_padded", [RSA_ROOT], [RSA_DEVICE, padded_middle]
        ),
        "extensions in version 1": case(
            "some_clients_refuse/version_without_extensions", version=pki.tlv(0xA0, b"\2\1\0")
        ),
        "exponent 1": case("some_clients_refuse/exponent", spki=rsa_key(1)),
        "exponent 3": case("trusted/anchor_reached", spki=rsa_key(3)),
        "exponent 4": case("some_clients_refuse/exponent", spki=rsa_key(4)),
        "explicit curve": case("some_clients_refuse/curve_parameters", spki=explicit),
    }


CASES: dict[str, Case] = {
    # trusted
    "as it should be": Case("trusted/anchor_reached", [ROOT], [DEVICE, MIDDLE]),
    "root sent too": Case("trusted/anchor_reached", [ROOT], [DEVICE, MIDDLE, ROOT]),
    "wrong order": Case("trusted/anchor_reached", [ROOT], [DEVICE, ROOT, MIDDLE]),
    "duplicates": Case("trusted/anchor_reached", [ROOT], [DEVICE, DEVICE, MIDDLE, MIDDLE, ROOT, ROOT]),
    "strangers in between": Case("trusted/anchor_reached", [ROOT], [DEVICE, STRANGER, SELF, MIDDLE, STRANGER_MIDDLE]),
    "several anchors": Case("trusted/anchor_reached", [STRANGER, RSA_ROOT, ROOT], [DEVICE, MIDDLE]),
    "issued by the root": Case("trusted/anchor_reached", [ROOT], [issued(ROOT)]),
    "anchor is an intermediate": Case("trusted/anchor_reached", [MIDDLE], [DEVICE]),
    "anchor is an intermediate that is sent": Case("trusted/anchor_reached", [MIDDLE], [DEVICE, MIDDLE, ROOT]),
    "anchor is the device's certificate": Case("trusted/leaf_is_anchor", [DEVICE], [DEVICE, MIDDLE]),
    "anchor is a self-signed device": Case("trusted/leaf_is_anchor", [ROOT, SELF], [SELF]),
    "an expired device is judged elsewhere": Case(
        "trusted/anchor_reached", [ROOT], [issued(MIDDLE, days=(-900, -1)), MIDDLE]
    ),
    "an expired anchor that is the device is judged elsewhere": Case("trusted/leaf_is_anchor", [EXPIRED], [EXPIRED]),
    "nine authorities": Case("trusted/anchor_reached", [LONG[-1]], LONG[:-1]),
    "nine authorities backwards": Case("trusted/anchor_reached", [LONG[-1]], [LONG[0], *reversed(LONG[1:])]),
    "garbage beside a good path": Case("trusted/anchor_reached", [ROOT], [DEVICE, b"garbage", MIDDLE, b""]),
    # what a private authority leaves out is no reason
    "no key usage, no key identifiers": Case("trusted/anchor_reached", [BARE_ROOT], [issued(BARE_MIDDLE), BARE_MIDDLE]),
    "root of version 1": Case("trusted/anchor_reached", [V1_ROOT], [RSA_DEVICE, RSA_MIDDLE]),
    "no extension at all in the device's certificate": Case(
        "trusted/anchor_reached", [RSA_ROOT], [pki.rebuild(RSA_DEVICE, RSA_MIDDLE, extensions=None), RSA_MIDDLE]
    ),
    "names in other letters and string types": Case(
        "trusted/anchor_reached", [RSA_ROOT], [printable(RSA_DEVICE, RSA_MIDDLE), RSA_MIDDLE]
    ),
    "issuer identified by name and number": Case(
        "trusted/anchor_reached", [ROOT], [issued(MIDDLE, extra=[(named_issuer(MIDDLE), False)]), MIDDLE]
    ),
    "old and new key under one name": Case(
        "trusted/anchor_reached", [ROOT], [issued(OTHER_MIDDLE, without=[AKI]), MIDDLE, OTHER_MIDDLE]
    ),
    "negative serial number": Case(
        "trusted/anchor_reached", [RSA_ROOT], [pki.rebuild(RSA_DEVICE, RSA_MIDDLE, serial=b"\2\1\xff"), RSA_MIDDLE]
    ),
    "critical written out as false": Case(
        "trusted/anchor_reached",
        [RSA_ROOT],
        [weird(RSA_DEVICE, RSA_MIDDLE, pki.extension(UNKNOWN_EXTENSION, b"", critical=False)), RSA_MIDDLE],
    ),
    # self_signed
    "self-signed": Case("self_signed/self_signed", [ROOT], [SELF]),
    "self-signed, with strangers": Case("self_signed/self_signed", [ROOT], [SELF, MIDDLE, ROOT]),
    "self-signed authority": Case("self_signed/self_signed", [ROOT], [pki.make("device", ca=True), NOT_CA]),
    "self-signed in SHA-1": Case("self_signed/self_signed", [ROOT], [pki.rebuild(RSA_ROOT, RSA_ROOT, "sha1")]),
    "self-signed of version 1": Case("self_signed/self_signed", [ROOT], [V1_ROOT]),
    # unknown_authority
    "unknown root sent": Case(
        "unknown_authority/root_not_trusted", [ROOT], [issued(STRANGER_MIDDLE), STRANGER_MIDDLE, STRANGER]
    ),
    "unknown root not sent": Case(
        "unknown_authority/issuer_unknown", [ROOT], [issued(STRANGER_MIDDLE), STRANGER_MIDDLE]
    ),
    "alone and unknown": Case("unknown_authority/issuer_unknown", [ROOT], [issued(STRANGER_MIDDLE)]),
    "alone, issuer known to end at a stranger": Case(
        "unknown_authority/root_not_trusted", [ROOT], [issued(STRANGER_MIDDLE)], [STRANGER_MIDDLE, STRANGER]
    ),
    "another key of a known name": Case("unknown_authority/issuer_key_unknown", [ROOT], [issued(OTHER_MIDDLE), MIDDLE]),
    "a stranger who took the root's name": Case(
        "unknown_authority/root_not_trusted",
        [ROOT],
        [issued(pki.make("Root", ca=True, label="impostor")), pki.make("Root", ca=True, label="impostor")],
    ),
    "of two dead ends the further one": Case(
        "unknown_authority/root_not_trusted",
        [ROOT],
        [
            issued(pki.make("Two ways", STRANGER, ca=True)),
            pki.make("Two ways", pki.make("Unseen", ca=True), ca=True),
            pki.make("Two ways", STRANGER, ca=True),
            STRANGER,
        ],
    ),
    "alone, issuer seen elsewhere is no authority": Case(
        "unknown_authority/issuer_unknown", [ROOT], [issued(NOT_CA)], [NOT_CA]
    ),
    "a missing certificate in a longer chain": Case("unknown_authority/issuer_unknown", [LONG[-1]], LONG[:3]),
    # incomplete_chain
    "intermediate not sent, seen elsewhere": Case("incomplete_chain/intermediate_known", [ROOT], [DEVICE], [MIDDLE]),
    "two not sent, seen elsewhere": Case("incomplete_chain/intermediate_known", [LONG[-1]], LONG[:3], LONG[3:]),
    "the wrong one of two keys sent": Case(
        "incomplete_chain/intermediate_known", [ROOT], [issued(OTHER_MIDDLE, without=[AKI]), MIDDLE], [OTHER_MIDDLE]
    ),
    "only the root sent": Case("incomplete_chain/intermediate_known", [ROOT], [DEVICE, ROOT], [MIDDLE, ROOT]),
    "not seen, but its certificate names the anchor": Case(
        "incomplete_chain/intermediate_unknown", [ROOT], [issued(MIDDLE, extra=[(named_issuer(MIDDLE), False)])]
    ),
    "not seen, its certificate names a stranger": Case(
        "unknown_authority/issuer_unknown",
        [ROOT],
        [issued(STRANGER_MIDDLE, extra=[(named_issuer(STRANGER_MIDDLE), False)])],
    ),
    # dates of what stands above
    "intermediate expired": Case(
        "expired_in_chain/intermediate_expired", [ROOT], [DEVICE, pki.make("Middle", ROOT, ca=True, days=(-900, -1))]
    ),
    "intermediate not yet valid": Case(
        "not_yet_valid_in_chain/intermediate_not_yet_valid",
        [ROOT],
        [DEVICE, pki.make("Middle", ROOT, ca=True, days=(1, 900))],
    ),
    "anchor expired": Case(
        "expired_in_chain/anchor_expired", [pki.make("Root", ca=True, days=(-900, -1))], [DEVICE, MIDDLE]
    ),
    "anchor not yet valid": Case(
        "not_yet_valid_in_chain/anchor_not_yet_valid", [pki.make("Root", ca=True, days=(1, 900))], [DEVICE, MIDDLE]
    ),
    "both expired: the anchor is the deeper cause": Case(
        "expired_in_chain/anchor_expired",
        [pki.make("Root", ca=True, days=(-900, -1))],
        [DEVICE, pki.make("Middle", ROOT, ca=True, days=(-900, -1))],
    ),
    "renewed root, the old one sent and the new one known": Case(
        "trusted/anchor_reached", [ROOT], [DEVICE, MIDDLE, pki.make("Root", ca=True, days=(-900, -1))]
    ),
    "missing and expired: expired is what sending it would not mend": Case(
        "expired_in_chain/intermediate_expired", [ROOT], [DEVICE], [pki.make("Middle", ROOT, ca=True, days=(-900, -1))]
    ),
    # bad_signature
    "device's signature broken": Case("bad_signature/signature_invalid", [ROOT], [corrupted(DEVICE), MIDDLE]),
    "intermediate's signature broken": Case("bad_signature/signature_invalid", [ROOT], [DEVICE, corrupted(MIDDLE)]),
    "signed by another key of that name": Case(
        "bad_signature/signature_invalid", [ROOT], [issued(OTHER_MIDDLE, without=[AKI]), MIDDLE]
    ),
    "names itself as issuer, signed by somebody else": Case(
        "bad_signature/signature_invalid", [ROOT], [pki.rebuild(RSA_ROOT, RSA_MIDDLE)]
    ),
    "two algorithms named": Case(
        "bad_signature/signature_invalid",
        [RSA_ROOT],
        [
            RSA_DEVICE.der.replace(bytes.fromhex("06092a864886f70d01010b"), bytes.fromhex("06092a864886f70d01010c"), 1),
            RSA_MIDDLE,
        ],
    ),
    "another algorithm named inside than outside": Case(
        "bad_signature/signature_invalid",
        [RSA_ROOT],
        [pki.rebuild(RSA_DEVICE, RSA_MIDDLE, algorithm=bytes.fromhex("300d06092a864886f70d01010c0500")), RSA_MIDDLE],
    ),
    "algorithm of another kind of key": Case(
        "bad_signature/signature_invalid",
        [RSA_ROOT],
        [pki.rebuild(RSA_DEVICE, pki.Identity(b"", pki.key("p256", "Middle"))), RSA_MIDDLE],
    ),
    "issued by a device": Case("bad_signature/not_a_ca", [ROOT], [issued(NOT_CA), NOT_CA]),
    "issued by an intermediate without constraints": Case(
        "bad_signature/not_a_ca",
        [ROOT],
        [issued(pki.make("M", ROOT, ca=True, without=[BC])), pki.make("M", ROOT, ca=True, without=[BC])],
    ),
    "intermediate of version 1": Case("bad_signature/not_a_ca", [RSA_ROOT], [RSA_DEVICE, V1_MIDDLE]),
    "a device without basic constraints, pinned as its own anchor": Case(
        "bad_signature/not_a_ca", [PINNED], [issued(PINNED)]
    ),
    "a device that carries its name alone, pinned as its own anchor": Case(
        "bad_signature/not_a_ca",
        [named := pki.make("named", without=[BC, KU, EKU], dns=["named.hopital.example"])],
        [issued(named)],
    ),
    "an old root that says nothing": Case(
        "trusted/anchor_reached", [bare := pki.make("bare", ca=True, without=[BC, KU])], [issued(bare)]
    ),
    "an old root that says that it signs certificates": Case(
        "trusted/anchor_reached",
        [old := pki.make("Old", ca=True, without=[BC])],
        [issued(old)],
    ),
    "neither false nor true": Case(
        "not_assessed/link_unreadable", [RSA_ROOT], [issued(BOTH := constraints(b"\1\1\0\1\1\xff")), BOTH]
    ),
    "an authority in two words": Case(
        "not_assessed/link_unreadable", [RSA_ROOT], [issued(TWICE := constraints(b"\1\1\xff\2\1\0\2\1\5")), TWICE]
    ),
    "a path length below nought": Case(
        "not_assessed/link_unreadable",
        [RSA_ROOT],
        [issued(BELOW := constraints(b"\1\1\xff" + pki.tlv(2, b"\x80" * 2000))), BELOW],
    ),
    "a path length before being an authority": Case(
        "not_assessed/link_unreadable", [RSA_ROOT], [issued(FIRST := constraints(b"\2\1\5\1\1\xff")), FIRST]
    ),
    "two blocks of extensions": Case(
        "not_assessed/link_unreadable",
        [RSA_ROOT],
        [
            RSA_DEVICE,
            pki.rebuild(
                RSA_MIDDLE,
                RSA_ROOT,
                extensions=pki.tlv(0xA3, pki.tlv(0x30, *pki.raw_extensions(RSA_MIDDLE)))
                + pki.tlv(0xA3, pki.tlv(0x30, pki.extension("2.5.29.19", b"\x30\0"))),
            ),
        ],
    ),
    "anchor that says it is no authority": Case("bad_signature/not_a_ca", [NOT_CA], [issued(NOT_CA)]),
    "key usage without signing certificates": Case(
        "bad_signature/key_usage",
        [ROOT],
        [
            issued(pki.make("M", ROOT, ca=True, extra=[(pki.key_usage(authority=False), True)])),
            pki.make("M", ROOT, ca=True, extra=[(pki.key_usage(authority=False), True)]),
        ],
    ),
    "path too long for an intermediate": Case(
        "bad_signature/path_length",
        [ROOT],
        [
            issued(pki.make("Lower", pki.make("Upper", ROOT, ca=True, path_length=0), ca=True)),
            pki.make("Lower", pki.make("Upper", ROOT, ca=True, path_length=0), ca=True),
            pki.make("Upper", ROOT, ca=True, path_length=0),
        ],
    ),
    "path too long for the anchor": Case(
        "bad_signature/path_length", [pki.make("Root", ca=True, path_length=0)], [DEVICE, MIDDLE]
    ),
    "path as long as allowed": Case(
        "trusted/anchor_reached", [pki.make("Root", ca=True, path_length=1)], [DEVICE, MIDDLE]
    ),
    "a self-issued link does not count": Case(
        "trusted/anchor_reached",
        [pki.make("Root", ca=True, path_length=0)],
        [
            issued(pki.make("Root", ROOT, ca=True, label="next root")),
            pki.make("Root", ROOT, ca=True, label="next root"),
        ],
    ),
    # name constraints
    "inside a DNS constraint": Case(
        "trusted/anchor_reached",
        [ROOT],
        constrained(DNS_BOUND, dns=["hopital.example", "A.Hopital.Example", "*.b.hopital.example"]),
    ),
    "outside a DNS constraint": Case(
        "bad_signature/name_constraints", [ROOT], constrained(DNS_BOUND, dns=["a.hopital.example", "a.autre.example"])
    ),
    "end of a label is not inside": Case(
        "bad_signature/name_constraints", [ROOT], constrained(DNS_BOUND, dns=["nothopital.example"])
    ),
    "common name outside a DNS constraint": Case(
        "bad_signature/name_constraints", [ROOT], [pki.make("a.autre.example", DNS_BOUND), DNS_BOUND]
    ),
    "common name that is no host name": Case("trusted/anchor_reached", [ROOT], constrained(DNS_BOUND)),
    "addresses are free under a DNS constraint": Case(
        "trusted/anchor_reached", [ROOT], constrained(DNS_BOUND, ips=["10.0.0.1"])
    ),
    "excluded": Case(
        "bad_signature/name_constraints", [ROOT], constrained(DNS_EXCLUDED, dns=["a.dmz.hopital.example"])
    ),
    "not excluded": Case("trusted/anchor_reached", [ROOT], constrained(DNS_EXCLUDED, dns=["a.hopital.example"])),
    "inside a network": Case("trusted/anchor_reached", [ROOT], constrained(IP_BOUND, ips=["10.20.1.14"])),
    "outside a network": Case("bad_signature/name_constraints", [ROOT], constrained(IP_BOUND, ips=["10.21.1.14"])),
    "IPv6 address under an IPv4 network": Case(
        "bad_signature/name_constraints", [ROOT], constrained(IP_BOUND, ips=["2001:db8::1"])
    ),
    "inside an IPv6 network": Case("trusted/anchor_reached", [ROOT], constrained(IP6_BOUND, ips=["2001:db8::1"])),
    "inside a directory": Case("trusted/anchor_reached", [ROOT], constrained(DIRECTORY_BOUND)),
    "outside a directory": Case(
        "bad_signature/name_constraints",
        [ROOT],
        [pki.make("x", DIRECTORY_BOUND, subject=pki.name("x", "Other")), DIRECTORY_BOUND],
    ),
    "a form that is not judged, unused": Case("trusted/anchor_reached", [ROOT], constrained(URI_BOUND, dns=["a.b"])),
    "a form that is not judged, used": Case(
        "not_assessed/name_constraints_unsupported",
        [ROOT],
        constrained(
            URI_BOUND, extra=[(x509.SubjectAlternativeName([x509.UniformResourceIdentifier("https://a.b/")]), False)]
        ),
    ),
    "a wildcard that stands for what is excluded": Case(
        "bad_signature/name_constraints", [ROOT], constrained(DNS_EXCLUDED, dns=["*.hopital.example"])
    ),
    "excluded, with a trailing dot": Case(
        "bad_signature/name_constraints", [ROOT], constrained(DNS_EXCLUDED, dns=["a.dmz.hopital.example."])
    ),
    "a wildcard inside what is excluded": Case(
        "bad_signature/name_constraints", [ROOT], constrained(DNS_EXCLUDED, dns=["*.dmz.hopital.example"])
    ),
    "a wildcard beside what is excluded": Case(
        "trusted/anchor_reached", [ROOT], constrained(DNS_EXCLUDED, dns=["*.lan.hopital.example"])
    ),
    "a wildcard one label above what is excluded": Case(
        "trusted/anchor_reached", [ROOT], constrained(DNS_EXCLUDED, dns=["*.example"])
    ),
    "a wildcard inside what is permitted": Case(
        "trusted/anchor_reached", [ROOT], constrained(DNS_BOUND, dns=["*.hopital.example"])
    ),
    "a wildcard wider than what is permitted": Case(
        "bad_signature/name_constraints", [ROOT], constrained(DNS_BOUND, dns=["*.example"])
    ),
    **{
        f"common name that is no host name: {text}": Case(
            "trusted/anchor_reached", [ROOT], [pki.make(text, DNS_BOUND), DNS_BOUND]
        )
        for text in ("10.20.1.14", "echo v1.2", "v1.2.3", "-a.example", "a..example", "2001:db8::1", "Dr. Who", "a.b-")
    },
    **{
        f"common name that is a host name: {text}": Case(
            "bad_signature/name_constraints", [ROOT], [pki.make(text, DNS_BOUND), DNS_BOUND]
        )
        for text in ("autre.example", "*.autre.example", "ECHO_4.autre.example", "xn--e1afmkfd.example")
    },
    "the second of two common names": Case(
        "bad_signature/name_constraints",
        [ROOT],
        [
            pki.make("x", DNS_BOUND, subject=x509.Name([common_name("a.autre.example"), common_name("device")])),
            DNS_BOUND,
        ],
    ),
    "a common name beside a DNS name does not count": Case(
        "trusted/anchor_reached", [ROOT], [pki.make("a.autre.example", DNS_BOUND, dns=["a.hopital.example"]), DNS_BOUND]
    ),
    "an e-mail address in the subject under a constraint on them": Case(
        "not_assessed/name_constraints_unsupported",
        [ROOT],
        [
            pki.make("x", MAIL_BOUND, subject=x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b.example")])),
            MAIL_BOUND,
        ],
    ),
    **{
        f"a constraint that cannot be read: {what}": Case(
            "not_assessed/link_unreadable", [RSA_ROOT], [BELOW_BOUND, bound]
        )
        for what, bound in UNREADABLE_BOUNDS.items()
    },
    "a self-issued certificate of the device is bound": Case(
        "bad_signature/name_constraints",
        [ROOT],
        [pki.make("Bound", DNS_BOUND, label="device of that name", dns=["a.autre.example"]), DNS_BOUND],
    ),
    "a form that is not judged beside one that is excluded": Case(
        "bad_signature/name_constraints",
        [ROOT],
        constrained(
            name_constraints([x509.UniformResourceIdentifier("a.b")], [x509.DNSName("dmz.hopital.example")]),
            extra=[
                (
                    x509.SubjectAlternativeName(
                        [x509.UniformResourceIdentifier("https://c.d/"), x509.DNSName("x.dmz.hopital.example")]
                    ),
                    False,
                )
            ],
        ),
    ),
    "a form that is not judged, used and permitted": Case(
        "not_assessed/name_constraints_unsupported",
        [ROOT],
        constrained(
            URI_BOUND,
            dns=[],
            extra=[(x509.SubjectAlternativeName([x509.UniformResourceIdentifier("https://hopital.example/")]), False)],
        ),
    ),
    "a self-issued link is not bound": Case(
        "trusted/anchor_reached",
        [pki.make("Root", ca=True, extra=[OTHER_DIRECTORY])],
        [
            pki.make("x", pki.make("Root", ROOT, ca=True, label="next root"), subject=pki.name("x", "Other")),
            pki.make("Root", ROOT, ca=True, label="next root"),
        ],
    ),
    # What needs no anchor is judged without one.
    "self-signed, without anchors": Case("self_signed/self_signed", [], [SELF, MIDDLE]),
    "broken signature, without anchors": Case("bad_signature/signature_invalid", [], [corrupted(DEVICE), MIDDLE]),
    "expired intermediate, without anchors": Case(
        "expired_in_chain/intermediate_expired", [], [DEVICE, pki.make("Middle", ROOT, ca=True, days=(-900, -1))]
    ),
    "expired and good intermediate, without anchors": Case(
        "not_assessed/no_anchors", [], [DEVICE, MIDDLE, pki.make("Middle", ROOT, ca=True, days=(-900, -1))]
    ),
    "expired root sent, without anchors": Case(
        "not_assessed/no_anchors", [], [DEVICE, MIDDLE, pki.make("Root", ca=True, days=(-900, -1))]
    ),
    "issued by a device, without anchors": Case("bad_signature/not_a_ca", [], [issued(NOT_CA), NOT_CA, ROOT]),
    "not for a server, without anchors": Case(
        "purpose_not_server/extended_key_usage",
        [],
        [issued(MIDDLE, extra=[(EKU([ExtendedKeyUsageOID.CLIENT_AUTH]), False)])],
    ),
    "unknown critical extension, without anchors": Case(
        "not_assessed/no_anchors",
        [],
        [weird(RSA_DEVICE, RSA_MIDDLE, pki.extension(UNKNOWN_EXTENSION, b"", critical=True)), RSA_MIDDLE],
    ),
    "authorities of other devices, without anchors": Case("not_assessed/no_anchors", [], [DEVICE], [MIDDLE, ROOT]),
    "an expired one of another key of that name before a good one": Case(
        "trusted/anchor_reached",
        [ROOT],
        [DEVICE, pki.make("Middle", ROOT, ca=True, days=(-900, -1), label="Middle, second key"), MIDDLE],
    ),
    "intermediate of another device, without anchors": Case("not_assessed/no_anchors", [], [DEVICE], [MIDDLE]),
    # not_assessed
    "no anchor": Case("not_assessed/no_anchors", [], [DEVICE, MIDDLE]),
    "no chain": Case("not_assessed/no_chain", [ROOT], []),
    "neither": Case("not_assessed/no_chain", [], []),
    "device's certificate unreadable": Case("not_assessed/leaf_unreadable", [ROOT], [b"garbage", MIDDLE]),
    "device's certificate cut short": Case("not_assessed/leaf_unreadable", [ROOT], [DEVICE.der[:-1], MIDDLE]),
    "bytes after the device's certificate": Case("not_assessed/leaf_unreadable", [ROOT], [DEVICE.der + b"\0", MIDDLE]),
    "extension repeated": Case(
        "not_assessed/leaf_unreadable",
        [RSA_ROOT],
        [weird(RSA_DEVICE, RSA_MIDDLE, *pki.raw_extensions(RSA_DEVICE)[:1]), RSA_MIDDLE],
    ),
    "extension repeated above": Case(
        "not_assessed/link_unreadable",
        [RSA_ROOT],
        [RSA_DEVICE, weird(RSA_MIDDLE, RSA_ROOT, *pki.raw_extensions(RSA_MIDDLE)[:1])],
    ),
    "dates unreadable above": Case(
        "not_assessed/link_unreadable",
        [RSA_ROOT],
        [RSA_DEVICE, pki.rebuild(RSA_MIDDLE, RSA_ROOT, validity=pki.tlv(0x30))],
    ),
    "the missing link may be the unreadable one": Case(
        "not_assessed/link_unreadable", [ROOT], [DEVICE, MIDDLE.der[:-9]]
    ),
    "unknown critical extension": Case(
        "not_assessed/critical_extension",
        [RSA_ROOT],
        [weird(RSA_DEVICE, RSA_MIDDLE, pki.extension(UNKNOWN_EXTENSION, b"", critical=True)), RSA_MIDDLE],
    ),
    "key identifiers that contradict a good signature": Case(
        "some_clients_refuse/key_identifier",
        [ROOT],
        [issued(MIDDLE, extra=[(AKI(b"\1" * 20, None, None), False)]), MIDDLE],
    ),
    "unknown critical extension in the anchor": Case(
        "not_assessed/critical_extension",
        [weird(RSA_ROOT, RSA_ROOT, pki.extension(UNKNOWN_EXTENSION, b"", critical=True))],
        [RSA_DEVICE, RSA_MIDDLE],
    ),
    "any purpose, not named one by one": Case(
        "some_clients_refuse/any_purpose",
        [ROOT],
        [issued(MIDDLE, extra=[(EKU([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)]), MIDDLE],
    ),
    "not for a server": Case(
        "purpose_not_server/extended_key_usage",
        [ROOT],
        [issued(MIDDLE, extra=[(EKU([ExtendedKeyUsageOID.CLIENT_AUTH]), False)]), MIDDLE],
    ),
    "for a client, used by a client": Case(
        "trusted/anchor_reached",
        [ROOT],
        [issued(MIDDLE, extra=[(EKU([ExtendedKeyUsageOID.CLIENT_AUTH]), False)]), MIDDLE],
        purpose="client",
    ),
    "for a server, used by a client": Case("not_assessed/purpose", [ROOT], [DEVICE, MIDDLE], purpose="client"),
    "unknown algorithm": Case(
        "not_assessed/algorithm_unsupported",
        [RSA_ROOT],
        [
            RSA_DEVICE.der.replace(bytes.fromhex("06092a864886f70d01010b"), bytes.fromhex("06092a864886f70d01017f")),
            RSA_MIDDLE,
        ],
    ),
    "issuer's key unusable": Case(
        "not_assessed/algorithm_unsupported",
        [pki.rebuild(ROOT, ROOT, spki=pki.tlv(0x30, pki.tlv(0x30, b"\6\1\x2a"), b"\3\1\0"))],
        [issued(ROOT)],
    ),
    "reversed": Case("not_assessed/chain_order", [ROOT], [ROOT, MIDDLE, DEVICE]),
    "reversed, of two": Case("not_assessed/chain_order", [ROOT], [ROOT, issued(ROOT)]),
    "an authority as a server, above it its own": Case(
        "purpose_not_server/authority_as_server", [ROOT], [MIDDLE, ROOT, STRANGER]
    ),
    "an authority first, another that cannot be read": Case(
        "purpose_not_server/authority_as_server", [ROOT], [MIDDLE, constraints(b"\1\1\0\1\1\xff")]
    ),
    "more namesakes than signatures are tried": Case(
        "not_assessed/search_limit",
        [ROOT],
        [DEVICE],
        [pki.make("Middle", ca=True, label=f"clone {index}", without=[SKI]) for index in range(40)],
    ),
    "a critical extension below the anchor itself": Case(
        "not_assessed/critical_extension",
        [ROOT],
        [pki.make("x", ROOT, extra=[CRITICAL])],
    ),
    "a critical extension of a pinned device": Case(
        "trusted/leaf_is_anchor",
        [(odd_one := pki.make("x", extra=[CRITICAL]))],
        [odd_one],
    ),
    "too deep": Case("not_assessed/search_limit", [(deep := long_chain(20))[-1]], deep[:-1]),
    **cross_signed(),
    **purposes(),
    **odd(),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict(case: str) -> None:
    verdict = CASES[case].verdict()
    assert f"{verdict['status']}/{verdict['cause']}" == CASES[case].expect
    assert well_formed(verdict)


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if case.expect.startswith("trusted/")])
def test_nothing_is_trusted_without_its_anchor(case: str) -> None:
    """Every trusted case depends on the anchors that were given, and on nothing else."""
    chain = [one if isinstance(one, bytes) else one.der for one in CASES[case].chain]
    everything = [one.der for one in (*CASES[case].anchors, *CASES[case].known)] + chain
    verdict = TrustJudge([STRANGER.der], everything).judge(chain, NOW)
    assert verdict["status"] not in ("trusted", "incomplete_chain")


def test_every_cause_is_met() -> None:
    met = {case.expect for case in CASES.values()} | {"revoked/leaf_revoked", "revoked/intermediate_revoked"}
    assert met == {f"{status}/{cause}" for status, causes in STATUSES.items() for cause in causes}


def test_of_a_chain_in_disorder_the_first_is_named() -> None:
    verdict = CASES["reversed"].verdict()
    assert verdict["link"] == "CN=Root,O=Test Hospital" and "CN=Root" in verdict["detail"]


@pytest.mark.parametrize(
    ("weak", "path"),
    [
        (0, [DEVICE, MIDDLE, ROOT]),
        (0, [RSA_DEVICE, RSA_MIDDLE, RSA_ROOT]),
        (0, [pki.make("x", kind="ed25519")]),
        (1, [pki.make("x", kind="rsa1024")]),
        (1, [pki.rebuild(RSA_DEVICE, RSA_MIDDLE, "sha1"), RSA_MIDDLE]),
        (0, [RSA_DEVICE, pki.rebuild(RSA_MIDDLE, RSA_ROOT, "sha1")]),
        (1, [pki.rebuild(RSA_DEVICE, RSA_MIDDLE, validity=pki.tlv(0x30)), RSA_MIDDLE]),
    ],
)
def test_the_weak_links_of_a_path(weak: int, path: list[pki.Identity]) -> None:
    assert sturdiness(tuple(parse_certificate(one.der) for one in path))[0] == -weak


SERIAL_ONLY = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(ROOT.certificate.subject)], 7)


@pytest.mark.parametrize(
    ("identifier", "issuer", "expected"),
    [
        (SERIAL_ONLY, pki.make("Middle", ROOT, ca=True, serial=7), FITS),
        (SERIAL_ONLY, pki.make("Middle", ROOT, ca=True, serial=8), CONTRADICTS),
        (SERIAL_ONLY, pki.make("Middle", STRANGER, ca=True, serial=7), CONTRADICTS),
        (bytes.fromhex("3003820107"), pki.make("Middle", ROOT, ca=True, serial=8), MAY_FIT),
        (pki.tlv(0x30, pki.tlv(0xA1, pki.tlv(0xA4, STRANGER.certificate.subject.public_bytes()))), MIDDLE, MAY_FIT),
    ],
)
def test_what_key_identifiers_by_name_and_number_say(identifier: Any, issuer: pki.Identity, expected: int) -> None:
    if isinstance(identifier, bytes):
        identifier = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.35"), identifier)
        device = pki.make("x", issuer, without=[AKI], extra=[(identifier, False)])
    else:
        device = pki.make("x", issuer, extra=[(identifier, False)])
    assert fit(parse_certificate(device.der), parse_certificate(issuer.der)) == expected


def test_the_clients_that_refuse_are_named() -> None:
    assert CASES["an authority for clients"].verdict()["clients"] == ["GnuTLS", "OpenSSL"]
    assert CASES["a root for clients"].verdict()["clients"] == ["OpenSSL"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_order_of_what_is_sent_does_not_count(order: tuple[int, ...]) -> None:
    rest = [MIDDLE, ROOT, STRANGER, OTHER_MIDDLE]
    judge = TrustJudge([ROOT.der])
    assert judge.judge([DEVICE.der, *(rest[index].der for index in order)], NOW)["status"] == "trusted"


# --- the path that was judged ---------------------------------------------------------------------------------------

WEAK_MIDDLE = pki.rebuild(pki.make("RSA Middle", RSA_ROOT, ca=True, kind="rsa2048"), RSA_ROOT, "sha1")
SHORT_MIDDLE = pki.make("RSA Middle", RSA_ROOT, ca=True, kind="rsa2048", days=(-900, 10))
SMALL_MIDDLE = pki.make("RSA Middle", pki.make("Small", RSA_ROOT, ca=True, kind="rsa1024"), ca=True, kind="rsa2048")
ROLLOVER = pki.make("RSA Root", RSA_ROOT, ca=True, kind="rsa2048", label="RSA Root, next key")

PATHS: dict[str, tuple[Case, list[tuple[str, pki.Identity]]]] = {
    "to the anchor, which was not sent": (
        Case("trusted", [RSA_ROOT], [RSA_DEVICE, RSA_MIDDLE, STRANGER]),
        [("device", RSA_DEVICE), ("authority", RSA_MIDDLE), ("anchor", RSA_ROOT)],
    ),
    "the anchor is the device": (Case("trusted", [SELF], [SELF]), [("anchor", SELF)]),
    "a weak twin is passed by, whichever comes first": (
        Case("trusted", [RSA_ROOT], [RSA_DEVICE, WEAK_MIDDLE, RSA_MIDDLE]),
        [("device", RSA_DEVICE), ("authority", RSA_MIDDLE), ("anchor", RSA_ROOT)],
    ),
    "a weak twin alone counts": (
        Case("trusted", [RSA_ROOT], [RSA_DEVICE, WEAK_MIDDLE]),
        [("device", RSA_DEVICE), ("authority", WEAK_MIDDLE), ("anchor", RSA_ROOT)],
    ),
    "the signature of an anchor is as good as another's": (
        Case("trusted", [WEAK_MIDDLE, RSA_ROOT], [RSA_DEVICE, RSA_MIDDLE]),
        [("device", RSA_DEVICE), ("anchor", WEAK_MIDDLE)],
    ),
    "a small key above is passed by": (
        Case(
            "trusted",
            [RSA_ROOT],
            [RSA_DEVICE, SMALL_MIDDLE, pki.make("Small", RSA_ROOT, ca=True, kind="rsa1024"), RSA_MIDDLE],
        ),
        [("device", RSA_DEVICE), ("authority", RSA_MIDDLE), ("anchor", RSA_ROOT)],
    ),
    "the twin that holds longest": (
        Case("trusted", [RSA_ROOT], [RSA_DEVICE, SHORT_MIDDLE, RSA_MIDDLE]),
        [("device", RSA_DEVICE), ("authority", RSA_MIDDLE), ("anchor", RSA_ROOT)],
    ),
    "through a rollover": (
        Case("trusted", [RSA_ROOT], [issued(ROLLOVER, label="d"), ROLLOVER]),
        [("device", issued(ROLLOVER, label="d")), ("authority", ROLLOVER), ("anchor", RSA_ROOT)],
    ),
    "what was not sent": (
        Case("incomplete_chain", [ROOT], [DEVICE], [MIDDLE]),
        [("device", DEVICE), ("authority", MIDDLE), ("anchor", ROOT)],
    ),
    "to a root that is no anchor": (
        Case("unknown_authority", [STRANGER], [DEVICE, MIDDLE, ROOT]),
        [("device", DEVICE), ("authority", MIDDLE), ("root", ROOT)],
    ),
    "as far as the issuers are known": (
        Case("unknown_authority", [STRANGER], [DEVICE, MIDDLE]),
        [("device", DEVICE), ("authority", MIDDLE)],
    ),
    "without anchors": (
        Case("not_assessed", [], [DEVICE, ROOT, MIDDLE]),
        [("device", DEVICE), ("authority", MIDDLE), ("root", ROOT)],
    ),
    "below a root that is no anchor": (
        Case("unknown_authority", [ROOT], [(own := issued(STRANGER)), STRANGER]),
        [("device", own), ("root", STRANGER)],
    ),
    "self-signed": (Case("self_signed", [ROOT], [SELF]), [("device", SELF)]),
    "nothing to begin with": (Case("not_assessed", [ROOT], [b"garbage", MIDDLE]), []),
}


@pytest.mark.parametrize("case", PATHS)
def test_the_path_that_was_judged(case: str) -> None:
    given, expected = PATHS[case]
    verdict = given.verdict()
    assert verdict["status"] == given.expect
    # Certificates that the tests make anew have other serial numbers: they are compared by subject and key.
    sent = {hashlib.sha256(one if isinstance(one, bytes) else one.der).hexdigest() for one in given.chain}
    for link, (role, identity) in zip(verdict["path"], expected, strict=True):
        entry = describe_certificate(identity.der)
        parts = ("subject", "key", "signature_algorithm", "not_before", "not_after")
        assert {part: link[part] for part in parts} == {part: entry[part] for part in parts}
        assert (link["role"], link["sent"]) == (role, link["fingerprint_sha256"] in sent)
    assert verdict["anchor"] == (
        verdict["path"][-1]["subject"] if verdict["path"] and verdict["path"][-1]["role"] == "anchor" else None
    )


# --- what a verdict says --------------------------------------------------------------------------------------------


def test_a_verdict_names_the_anchor_the_link_and_the_date() -> None:
    name = "CN={},O=Test Hospital".format
    trusted = CASES["as it should be"].verdict()
    assert (trusted["anchor"], trusted["link"], trusted["date"]) == (name("Root"), None, None)
    expired = CASES["intermediate expired"].verdict()
    assert (expired["anchor"], expired["link"]) == (name("Root"), name("Middle"))
    assert expired["date"] == "2026-11-21T17:00:00Z"
    assert "2026-11-21T17:00:00Z" in expired["detail"]
    missing = CASES["intermediate not sent, seen elsewhere"].verdict()
    assert (missing["anchor"], missing["link"]) == (name("Root"), name("Middle"))
    unknown = CASES["alone and unknown"].verdict()
    assert (unknown["anchor"], unknown["link"]) == (None, name("Stranger Middle"))
    assert "may be an intermediate authority that was not sent" in unknown["detail"]
    assert "may be" not in CASES["unknown root not sent"].verdict()["detail"]
    constraints = CASES["outside a network"].verdict()
    assert (constraints["link"], name("device") in constraints["detail"]) == (name("Bound"), True)


def test_the_certificate_that_was_cut_short_is_named_and_not_its_issuer() -> None:
    judge = TrustJudge([ROOT.der])
    cut = judge.judge([DEVICE.der, STRANGER.der, MIDDLE.der[:-9]], NOW)
    assert (cut["link"], "number 3" in cut["detail"]) == ("CN=Middle,O=Test Hospital", True)
    nameless = judge.judge([DEVICE.der, MIDDLE.der[:60]], NOW)
    assert (nameless["cause"], nameless["link"]) == ("link_unreadable", "certificate number 2 of the chain")
    # Another that cannot be read is not the issuer that is missing.
    other = judge.judge([DEVICE.der, STRANGER_MIDDLE.der[:-9]], NOW)
    assert (other["cause"], other["link"]) == ("issuer_unknown", "CN=Middle,O=Test Hospital")


def test_a_hostile_name_is_escaped_and_cut() -> None:
    hostile = pki.raw_name(("2.5.4.3", 0x0C, b"\x1b[2J\xed\xa0\x80" + "é\u202e".encode() * 3000))
    chain = [pki.rebuild(RSA_DEVICE, RSA_MIDDLE, issuer=hostile, subject=hostile).der]
    verdict = TrustJudge([RSA_ROOT.der]).judge(chain, NOW)
    assert well_formed(verdict)
    assert len(verdict["detail"]) < 1000
    assert verdict["detail"].isprintable()


@pytest.mark.parametrize(("shift", "status"), [(-1, "trusted"), (0, "trusted"), (1, "expired_in_chain")])
def test_the_last_second_of_an_intermediate_still_counts(shift: int, status: str) -> None:
    last = pki.make("Middle", ROOT, ca=True, days=(-10, 0))
    verdict = TrustJudge([ROOT.der]).judge([DEVICE.der, last.der], NOW + timedelta(seconds=shift))
    assert verdict["status"] == status


@pytest.mark.parametrize(("shift", "status"), [(-1, "not_yet_valid_in_chain"), (0, "trusted")])
def test_the_first_second_of_an_intermediate_counts(shift: int, status: str) -> None:
    first = pki.make("Middle", ROOT, ca=True, days=(0, 10))
    verdict = TrustJudge([ROOT.der]).judge([DEVICE.der, first.der], NOW + timedelta(seconds=shift))
    assert verdict["status"] == status


def test_now_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        TrustJudge([ROOT.der]).judge([DEVICE.der], datetime(2026, 11, 22))


def test_certificates_may_be_given_as_objects() -> None:
    judge = TrustJudge([ROOT.certificate], [MIDDLE.certificate])
    assert judge.judge([DEVICE.der], NOW)["cause"] == "intermediate_known"
    assert TrustJudge(load_certificates([ROOT.pem])).judge([DEVICE.der, MIDDLE.der], NOW)["status"] == "trusted"


def test_an_unreadable_anchor_is_an_error_and_an_unreadable_intermediate_is_not() -> None:
    with pytest.raises(CertificateSourceError, match="trust anchor number 2"):
        TrustJudge([ROOT.der, b"garbage"])
    judge = TrustJudge([ROOT.der], [b"garbage", MIDDLE.der, b""])
    assert judge.judge([DEVICE.der], NOW)["cause"] == "intermediate_known"


@pytest.mark.parametrize("known", [DEVICE, SELF, STRANGER_MIDDLE])
def test_what_other_devices_send_never_makes_a_chain_trusted(known: pki.Identity) -> None:
    judge = TrustJudge([ROOT.der], [known.der, MIDDLE.der])
    assert judge.judge([issued(STRANGER_MIDDLE).der], NOW)["status"] == "unknown_authority"
    assert judge.judge([SELF.der], NOW)["status"] == "self_signed"


def test_an_anchor_that_strict_readers_refuse_is_trusted() -> None:
    """An asterisk or an underscore in a PrintableString: some versions of `cryptography` refuse such a certificate."""
    subject = pki.raw_name(("2.5.4.3", 0x13, b"CHU_Root*"))
    root = pki.rebuild(RSA_ROOT, RSA_ROOT, subject=subject, issuer=subject)
    device = pki.rebuild(issued(RSA_ROOT), RSA_ROOT, issuer=subject)
    assert TrustJudge([root.der]).judge([device.der], NOW)["status"] == "trusted"


# --- signatures of every kind ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "digest"),
    [
        ("rsa2048", "md5"),
        ("rsa2048", "sha1"),
        ("rsa2048", "sha256"),
        ("rsa2048", "sha384"),
        ("rsa2048", "pss-sha1"),
        ("rsa2048", "pss-sha256"),
        ("rsa1024", "sha1"),
        ("p256", "sha1"),
        ("p384", "sha256"),
        ("p384", "sha384"),
        ("p521", "sha384"),
        ("p521", "sha512"),
        ("dsa1024", "sha1"),
        ("dsa2048", "sha256"),
        ("ed25519", ""),
        ("ed448", ""),
    ],
)
def test_a_signature_of_any_kind_and_age_is_verified(kind: str, digest: str) -> None:
    root = _root(kind, digest)
    device = pki.rebuild(pki.make("x", ROOT, without=[AKI]), root, digest, issuer=_subject(root))
    judge = TrustJudge([root.der])
    assert judge.judge([device.der], NOW)["status"] == "trusted"
    for position in (-1, -40):
        broken = bytearray(device.der)
        broken[position] ^= 1
        assert judge.judge([bytes(broken)], NOW)["status"] == "bad_signature"
    forged = device.der.replace(b"Test Hospital", b"Fest Hospital")
    assert TrustJudge([root.der]).judge([forged], NOW)["status"] != "trusted"


def _root(kind: str, digest: str) -> pki.Identity:
    made = pki.make("Signer", ca=True, kind="p256" if kind.startswith("dsa") else kind, label=f"{kind} {digest}")
    if not kind.startswith("dsa"):
        return made if kind.startswith("ed") else pki.rebuild(made, made, digest)
    private = pki.key(kind, "signer")
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signer = pki.Identity(made.der, private)
    return pki.rebuild(signer, signer, digest, spki=public)


def _subject(identity: pki.Identity) -> bytes:
    return pki.elements(pki.elements(identity.der)[0])[5]


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "dsa1024", "ed25519", "ed448"])
@pytest.mark.parametrize("signer", ["rsa2048", "p256", "dsa1024", "ed25519", "ed448"])
def test_a_signature_counts_for_its_own_key_alone(kind: str, signer: str) -> None:
    """A key of another kind or another owner is a wrong one, not one that cannot be judged."""
    digest = "" if signer.startswith("ed") else "sha256"
    made = pki.rebuild(DEVICE, pki.Identity(b"", pki.key(signer, "own")), digest)
    tbs, algorithm, bits = pki.elements(made.der)
    signature = bits[bits.index(b"\0", 2) + 1 :]

    def check(label: str, key_kind: str) -> bool | None:
        public = pki.key(key_kind, label).public_key()
        spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return signatures.verify(spki, algorithm, tbs, signature)

    assert check("own", signer) is True
    assert check("other", kind) is False


def test_two_spellings_of_one_signature_are_not_both_good() -> None:
    """Bits that do not count at the end of a signature: clients refuse them, and so does the judge."""
    for serial in range(1, 200):
        device = issued(MIDDLE, serial=serial).der
        if not device[-1] & 1:
            break
    bits = pki.elements(device)[2]
    position = len(device) - len(bits) + bits.index(b"\0", 2)
    assert device[position] == 0
    judge = TrustJudge([ROOT.der])
    assert judge.judge([device, MIDDLE.der], NOW)["status"] == "trusted"
    spelt_anew = device[:position] + b"\1" + device[position + 1 :]
    assert judge.judge([spelt_anew, MIDDLE.der], NOW)["status"] == "bad_signature"


def test_names_are_equal_whatever_the_order_inside_a_set() -> None:
    one = pki.tlv(0x30, bytes.fromhex("0603550403"), pki.tlv(0x0C, b"Echo"))
    two = pki.tlv(0x30, bytes.fromhex("0603550405"), pki.tlv(0x13, b"7"))
    names = [pki.tlv(0x30, pki.tlv(0x31, *parts)) for parts in ((one, two), (two, one), (one,))]
    assert name_key(names[0]) == name_key(names[1])
    assert name_key(names[0]) != name_key(names[2])


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        ("Hospital Root", "hospital ROOT", True),
        ("Hospital Root", "  Hospital   Root ", True),
        ("Hôpital", "HÔPITAL", True),
        ("Hôpital", "Ho\u0302pital", True),
        ("Hospital Root", "HospitalRoot", False),
        ("Hôpital", "Hopital", False),
        ("", " ", True),
        ("", "x", False),
    ],
)
def test_what_makes_two_names_equal(one: str, two: str, equal: bool) -> None:
    keys = [name_key(pki.raw_name(("2.5.4.3", 0x0C, text.encode()))) for text in (one, two)]
    assert (keys[0] == keys[1]) is equal
    assert keys[0] != name_key(pki.raw_name(("2.5.4.10", 0x0C, one.encode())))


def test_the_anchors_own_signature_does_not_count() -> None:
    broken = pki.Identity(corrupted(ROOT), ROOT.key)
    assert TrustJudge([broken.der]).judge([DEVICE.der, MIDDLE.der], NOW)["status"] == "trusted"


# --- hostile chains and speed ---------------------------------------------------------------------------------------


def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    calls = itertools.count()
    original = signatures.verify

    def counting(*arguments: Any) -> bool | None:
        next(calls)
        return original(*arguments)

    monkeypatch.setattr(signatures, "verify", counting)
    return lambda: next(calls)


@pytest.mark.parametrize("without", [[], [AKI, SKI]], ids=["key identifiers", "no key identifiers"])
def test_fifty_namesakes_cost_bounded_time(without: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    clones = [pki.make("Clone", ca=True, label=f"clone {index}", without=without) for index in range(50)]
    # Every clone certifies every other one's key, as far as a chain can carry it.
    crossed = [pki.rebuild(clones[index % 7], clones[(index * 3 + 1) % 7]) for index in range(50)]
    device = issued(clones[0], without=without)
    calls = counted(monkeypatch)
    judge = TrustJudge([ROOT.der, *(pki.make("Clone", ca=True, label="honest", without=without).der,)])
    started = time.process_time()
    verdict = judge.judge([device.der, *(one.der for one in (*crossed, *clones))], NOW)
    assert time.process_time() - started < 1
    assert calls() <= 64
    assert verdict["status"] in ("unknown_authority", "not_assessed", "bad_signature")


def test_a_good_path_is_found_among_namesakes_without_trying_them(monkeypatch: pytest.MonkeyPatch) -> None:
    clones = [pki.make("Middle", ca=True, label=f"clone {index}") for index in range(40)]
    judge = TrustJudge([ROOT.der])
    calls = counted(monkeypatch)
    assert judge.judge([DEVICE.der, *(one.der for one in clones), MIDDLE.der], NOW)["status"] == "trusted"
    assert calls() == 2


def test_a_thicket_of_paths_costs_bounded_time() -> None:
    """Nine authorities with three certificates each: few signatures, and twenty thousand ways up to nowhere."""
    layer = [pki.make("Unseen", ca=True)]
    chain: list[pki.Identity] = []
    for level in range(9):
        layer = [pki.make(f"Thicket {level}", layer[0], ca=True) for _index in range(3)]
        chain += layer
    judge = TrustJudge([ROOT.der])
    for _index in range(3):  # more signatures are known each time
        started = time.process_time()
        verdict = judge.judge([issued(layer[0]).der, *(one.der for one in chain)], NOW)
        assert time.process_time() - started < 0.5
        assert verdict["cause"] == "search_limit"


def test_a_thousand_names_under_a_hundred_constraints_cost_bounded_time() -> None:
    bound = name_constraints([x509.DNSName(f"{number}.example") for number in range(100)])
    device = issued(bound, dns=[f"{number}.example" for number in range(1000)])
    started = time.process_time()
    verdict = TrustJudge([ROOT.der]).judge([device.der, bound.der], NOW)
    assert time.process_time() - started < 0.5
    assert verdict["cause"] == "name_constraints_unsupported"

    bound = name_constraints([x509.DNSName("example")], [x509.DNSName(f"{number}.test") for number in range(100)])
    device = issued(bound, dns=[f"{number}.example" for number in range(1000)])
    assert TrustJudge([ROOT.der]).judge([device.der, bound.der], NOW)["cause"] == "name_constraints_unsupported"


@pytest.mark.parametrize("tag", OTHER_BOUNDS)
def test_a_form_of_name_that_the_device_does_not_have_excludes_nothing(tag: int) -> None:
    device = pki.rebuild(BELOW_BOUND, BOUND_RSA)
    assert TrustJudge([RSA_ROOT.der]).judge([device.der, OTHER_BOUNDS[tag].der], NOW)["status"] == "trusted"


@pytest.mark.filterwarnings("ignore:Attribute's length")
@pytest.mark.parametrize(("size", "cause"), [(253, "name_constraints"), (254, "anchor_reached")])
def test_a_common_name_as_long_as_a_host_name_may_be(size: int, cause: str) -> None:
    text = ".".join(["a" * 60] * 4 + ["b" * (size - 244)])
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, text, _validate=False)
    device = pki.make("x", DNS_BOUND, subject=x509.Name([attribute]))
    assert TrustJudge([ROOT.der]).judge([device.der, DNS_BOUND.der], NOW)["cause"] == cause


def test_a_chain_of_ten_thousand_costs_bounded_time() -> None:
    judge = TrustJudge([ROOT.der])
    chain = [SELF.der, *(MIDDLE.der + index.to_bytes(2, "big") for index in range(10_000))]
    started = time.process_time()
    assert judge.judge(chain, NOW)["status"] == "self_signed"
    assert time.process_time() - started < 1


def test_the_signature_of_an_authority_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = [issued(MIDDLE, label="one key", serial=number + 1) for number in range(20)]
    judge = TrustJudge([ROOT.der])
    calls = counted(monkeypatch)
    for device in devices * 2:
        assert judge.judge([device.der, MIDDLE.der], NOW)["status"] == "trusted"
    assert calls() == len(devices) + 1


MUTABLE = [DEVICE, MIDDLE, ROOT, SELF, STRANGER_MIDDLE, RSA_DEVICE, RSA_MIDDLE, NOT_CA, DNS_BOUND]


@settings(max_examples=400, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.sampled_from(MUTABLE), min_size=1, max_size=6))
def test_no_mutation_raises_or_becomes_trusted(rng: random.Random, links: list[pki.Identity]) -> None:
    judge = TrustJudge([ROOT.der, RSA_ROOT.der], [MIDDLE.der, RSA_MIDDLE.der])
    chain = []
    for link in links:
        data = bytearray(link.der)
        for _index in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        chain.append(bytes(data))
    verdict = judge.judge(chain, NOW)
    assert well_formed(verdict)
    # Flips may cancel out; a certificate with any bit changed verifies under no key.
    if chain[0] not in {link.der for link in MUTABLE}:
        assert verdict["status"] != "trusted"
