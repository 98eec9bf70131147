# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revocation lists: what they may say of a certificate, and when they say nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.revocation import (
    CrlSourceError,
    RevocationBook,
    load_crls,
    parse_crl,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import parse_certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError
from ansible_collections.biomed.cert_hygiene.tests.unit import pki_factory as pki

NOW = pki.NOW
Reason = x509.ReasonFlags

ROOT = pki.make("Root", ca=True)
MIDDLE = pki.make("Middle", ROOT, ca=True, serial=0x51)
STRANGER = pki.make("Root", ca=True, label="stranger of that name")
NO_CRL_SIGN = pki.make("Silent", ROOT, ca=True, extra=[(pki.key_usage(authority=True, crl_sign=False), True)])
ODD_USAGE = pki.rebuild(
    pki.make("Odd", ROOT, ca=True),
    ROOT,
    extensions=b"".join(
        [
            *pki.raw_extensions(pki.make("Odd", ROOT, ca=True, without=[x509.KeyUsage])),
            pki.extension("2.5.29.15", bytes.fromhex("03020001")),
        ]
    ),
)
SERIAL = 0xB0


def point(url: str, reasons: frozenset[Reason] | None = None, of: x509.Name | None = None) -> x509.DistributionPoint:
    lists = None if of is None else [x509.DirectoryName(of)]
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, reasons, lists)


def device(issuer: pki.Identity = MIDDLE, **more: Any) -> pki.Identity:
    return pki.make("device", issuer, serial=SERIAL, **more)


def scope(**settings: Any) -> tuple[x509.ExtensionType, bool]:
    nothing: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**nothing, **settings}), True


DEVICE = device()


def of_middle(revoked: Any = (), **more: Any) -> bytes:
    return pki.crl(MIDDLE, revoked, **more)


URL = x509.UniformResourceIdentifier("http://crl.hopital.example/2.crl")
HELD = [(SERIAL, Reason.certificate_hold)]
GONE = [(SERIAL, Reason.key_compromise)]
UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\5\0"), True)
RELATIVE = pki.tlv(0x30, bytes.fromhex("0603550403"), pki.tlv(0x0C, b"List 2"))
WHOLE = x509.Name([*MIDDLE.certificate.subject, x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "LIST  2")])
POINTED = device(extra=[(x509.CRLDistributionPoints([point(URL.value)]), False)])
REASON_0 = pki.extension("2.5.29.21", b"\x0a\1\0")
UNKNOWN_ENTRY = pki.extension("1.3.6.1.4.1.99999.1", b"\5\0", critical=True)


def by_relative_name() -> pki.Identity:
    rdn = x509.RelativeDistinguishedName([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "List 2")])
    return device(extra=[(x509.CRLDistributionPoints([x509.DistributionPoint(None, rdn, None, None)]), False)])


def resigned(data: bytes, change: Any) -> bytes:
    """A list of MIDDLE with the parts of its body changed by `change`, signed anew."""
    parts = pki.elements(data)
    body = pki.tlv(0x30, *change(pki.elements(parts[0])))
    return pki.tlv(0x30, body, parts[1], pki.tlv(3, b"\0", MIDDLE.key.sign(body, ec.ECDSA(hashes.SHA256()))))


def with_scope(*fields: bytes) -> bytes:
    point = pki.extension("2.5.29.28", pki.tlv(0x30, *fields), critical=True)
    return resigned(of_middle(), lambda body: [*body, pki.tlv(0xA0, pki.tlv(0x30, point))])


def with_entry(extension: bytes, serial: int = 1) -> bytes:
    date = pki.tlv(0x17, b"261101000000Z")
    entry = pki.tlv(0x30, pki.tlv(2, b"\0" + bytes([serial])), date, pki.tlv(0x30, extension))
    return resigned(of_middle(), lambda body: [*body, pki.tlv(0x30, entry)])


@dataclass(frozen=True)
class Case:
    expect: str
    crls: Sequence[bytes]
    said: str = ""
    subject: pki.Identity = DEVICE
    issuer: pki.Identity = MIDDLE


CASES = {
    "not in the list": Case("good", [of_middle()], "is not in the revocation list of 2026-11-21"),
    "others in the list": Case("good", [of_middle([(1, None), (SERIAL + 1, None), (SERIAL << 8, None)])]),
    "in the list": Case("revoked", [of_middle(GONE)], "revoked on 2026-11-12T17:00:00Z, reason keyCompromise"),
    "no reason": Case("revoked", [of_middle([(SERIAL, None)])], "reason unspecified"),
    "on hold": Case("revoked", [of_middle(HELD)], "reason certificateHold"),
    "no list": Case("not_assessed", [], "no revocation list of its issuer"),
    "list of another issuer": Case("not_assessed", [pki.crl(ROOT, GONE)], "no revocation list of its issuer"),
    "signed by another": Case("not_assessed", [of_middle(GONE, signer=ROOT)], "was not signed by its issuer"),
    "signed by a stranger of that name": Case(
        "not_assessed", [pki.crl(ROOT, GONE, signer=STRANGER)], "not signed", device(ROOT), ROOT
    ),
    "issuer may not sign lists": Case(
        "not_assessed", [pki.crl(NO_CRL_SIGN)], "may not sign revocation lists", device(NO_CRL_SIGN), NO_CRL_SIGN
    ),
    "issuer may do nothing that is known": Case(
        "not_assessed", [pki.crl(ODD_USAGE)], "may not sign revocation lists", device(ODD_USAGE), ODD_USAGE
    ),
    "for no reason": Case("revoked", [with_entry(REASON_0, serial=SERIAL)], "reason unspecified"),
    "of the first version": Case("good", [resigned(of_middle(), lambda body: body[1:5])]),
    # age
    "first second": Case("good", [of_middle(days=(0, 9))]),
    "on hold, last second": Case("revoked", [of_middle(HELD, days=(-9, 0))]),
    "out of date": Case("not_assessed", [of_middle(days=(-9, -1))], "out of date since 2026-11-21T17:00:00Z"),
    "last second": Case("good", [of_middle(days=(-9, 0))]),
    "not yet valid": Case("not_assessed", [of_middle(GONE, days=(1, 9))], "not valid before 2026-11-23T17:00:00Z"),
    "a revocation outlives its list": Case("revoked", [of_middle(GONE, days=(-9, -1))], "reason keyCompromise"),
    "a hold does not outlive its list": Case("not_assessed", [of_middle(HELD, days=(-9, -1))], "out of date"),
    # several lists
    "the newest counts": Case(
        "good", [of_middle(HELD, days=(-5, 5)), of_middle(days=(-1, 9)), of_middle(days=(-9, 2))]
    ),
    "the newest counts in any order": Case("revoked", [of_middle(GONE, days=(-1, 9)), of_middle(days=(-5, 5))]),
    "a stale one beside a good one": Case("good", [of_middle(days=(-9, -2)), of_middle()]),
    "a forged newer one": Case("good", [of_middle(), of_middle(GONE, days=(-0.5, 6), signer=STRANGER)]),
    # scope
    "for users": Case("good", [of_middle(extra=[scope(only_contains_user_certs=True)])]),
    "for authorities": Case(
        "not_assessed", [of_middle(extra=[scope(only_contains_ca_certs=True)])], "another kind of certificate"
    ),
    "for users, of an authority": Case(
        "not_assessed", [pki.crl(ROOT, extra=[scope(only_contains_user_certs=True)])], "another kind", MIDDLE, ROOT
    ),
    "for authorities, of an authority": Case(
        "good", [pki.crl(ROOT, extra=[scope(only_contains_ca_certs=True)])], "", MIDDLE, ROOT
    ),
    "another distribution point": Case(
        "not_assessed",
        [of_middle(GONE, extra=[scope(full_name=[URL])])],
        "for other certificates",
        device(extra=[(x509.CRLDistributionPoints([point("http://crl.hopital.example/1.crl")]), False)]),
    ),
    "its distribution point": Case(
        "good",
        [of_middle(extra=[scope(full_name=[URL])])],
        "",
        device(extra=[(x509.CRLDistributionPoints([point("http://a.example/"), point(URL.value)]), False)]),
    ),
    "a distribution point that is named in no known way": Case(
        "not_assessed", [with_scope(pki.tlv(0xA0, pki.tlv(0xA0)))], "for other certificates", POINTED
    ),
    "a distribution point relative to the issuer": Case(
        "good", [with_scope(pki.tlv(0xA0, pki.tlv(0xA1, RELATIVE)))], "", by_relative_name()
    ),
    "a distribution point relative to the issuer, written whole in the list": Case(
        "good",
        [of_middle(extra=[scope(full_name=[x509.DirectoryName(WHOLE)])])],
        "",
        by_relative_name(),
    ),
    "another one relative to the issuer": Case(
        "not_assessed", [with_scope(pki.tlv(0xA0, pki.tlv(0xA1, RELATIVE)))], "for other certificates", POINTED
    ),
    "a distribution point for some reasons": Case(
        "not_assessed",
        [of_middle(extra=[scope(full_name=[URL])])],
        "for other certificates",
        device(extra=[(x509.CRLDistributionPoints([point(URL.value, reasons=frozenset([Reason.superseded]))]), False)]),
    ),
    "a distribution point of another issuer of lists": Case(
        "not_assessed",
        [of_middle(extra=[scope(full_name=[URL])])],
        "for other certificates",
        device(extra=[(x509.CRLDistributionPoints([point(URL.value, of=pki.name("Lists"))]), False)]),
    ),
    "a field of the scope that is not known": Case("not_assessed", [with_scope(pki.tlv(0x86, b"\xff"))], "only a part"),
    "of a version that is not known": Case(
        "not_assessed", [resigned(of_middle(), lambda body: [b"\2\1\2", *body[1:]])], "only a part"
    ),
    "a scope in two words": Case(
        "not_assessed", [with_scope(pki.tlv(0x81, b"\0"), pki.tlv(0x81, b"\0"))], "only a part"
    ),
    "a delta that does not call itself critical": Case(
        "not_assessed", [of_middle(extra=[(x509.DeltaCRLIndicator(1), False)])], "only a part"
    ),
    "an entry with an unknown critical extension": Case("not_assessed", [with_entry(UNKNOWN_ENTRY)], "only a part"),
    "an entry with an unknown extension": Case("good", [with_entry(pki.extension("1.3.6.1.4.1.99999.1", b"\5\0"))]),
    "an entry that cannot be read": Case("not_assessed", [with_entry(b"\5\0")], "only a part"),
    "an entry of another issuer": Case(
        "not_assessed", [with_entry(pki.extension("2.5.29.29", pki.tlv(0x30), critical=True))], "other issuers"
    ),
    "an unknown entry beside a revocation": Case("revoked", [with_entry(UNKNOWN_ENTRY, serial=SERIAL)]),
    "revoked, and removed below": Case(
        "revoked", [of_middle([(SERIAL, Reason.key_compromise), (SERIAL, Reason.remove_from_crl)])]
    ),
    "on hold, and revoked below": Case(
        "revoked", [of_middle([*HELD, (SERIAL, Reason.key_compromise)])], "reason keyCompromise"
    ),
    "some reasons": Case(
        "not_assessed", [of_middle(extra=[scope(only_some_reasons=frozenset([Reason.superseded]))])], "only a part"
    ),
    "some reasons, revoked": Case(
        "revoked", [of_middle(GONE, extra=[scope(only_some_reasons=frozenset([Reason.key_compromise]))])]
    ),
    "indirect": Case("not_assessed", [of_middle(GONE, extra=[scope(indirect_crl=True)])], "other issuers"),
    "delta alone": Case("not_assessed", [of_middle(extra=[(x509.DeltaCRLIndicator(1), True)])], "only a part"),
    "delta that revokes": Case(
        "revoked", [of_middle(days=(-2, 5)), of_middle(GONE, extra=[(x509.DeltaCRLIndicator(1), True)])]
    ),
    "delta that lifts": Case(
        "good", [of_middle(), of_middle([(SERIAL, Reason.remove_from_crl)], extra=[(x509.DeltaCRLIndicator(1), True)])]
    ),
    "hold in a delta older than the list": Case(
        "good", [of_middle(), of_middle(HELD, days=(-3, 5), extra=[(x509.DeltaCRLIndicator(1), True)])]
    ),
    "revoked in the list, nothing in a newer delta": Case(
        "revoked", [of_middle(GONE, days=(-2, 5)), of_middle(extra=[(x509.DeltaCRLIndicator(1), True)])]
    ),
    "unknown critical extension": Case("not_assessed", [of_middle(extra=[UNKNOWN])], "only a part"),
    "unknown critical extension, revoked": Case("revoked", [of_middle(GONE, extra=[UNKNOWN])]),
    "unknown extension": Case("good", [of_middle(extra=[(UNKNOWN[0], False)])]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_lists_say(name: str) -> None:
    case = CASES[name]
    book = RevocationBook(load_crls(case.crls))
    for _index in range(2):  # the second answer comes from what was remembered
        answer = book.check(parse_certificate(case.subject.der), parse_certificate(case.issuer.der), NOW)
        assert answer.status == case.expect
        assert case.said in answer.detail


# --- in a verdict ---------------------------------------------------------------------------------------------------


def judged(crls: Sequence[Any], chain: Sequence[pki.Identity] = (DEVICE, MIDDLE), **more: Any) -> dict[str, Any]:
    return TrustJudge([ROOT.der], more.pop("known", ()), crls).judge([one.der for one in chain], NOW)


def test_a_verdict_carries_what_the_lists_say() -> None:
    both = [of_middle(), pki.crl(ROOT)]
    assert judged([])["revocation"]["status"] == "not_assessed"
    assert judged(both)["revocation"]["status"] == "good"
    assert judged(load_crls(both))["status"] == "trusted"
    half = judged(both[:1])
    assert (half["status"], half["revocation"]["status"]) == ("trusted", "not_assessed")
    assert "serial number 51" in half["revocation"]["detail"]
    stale = judged([of_middle(days=(-9, -1)), pki.crl(ROOT)])
    assert (stale["status"], stale["revocation"]["status"]) == ("trusted", "not_assessed")


def test_a_revoked_certificate() -> None:
    verdict = judged([of_middle(GONE), pki.crl(ROOT)])
    assert (verdict["status"], verdict["cause"]) == ("revoked", "leaf_revoked")
    assert (verdict["link"], verdict["date"]) == ("CN=device,O=Test Hospital", "2026-11-12T17:00:00Z")
    assert verdict["revocation"]["status"] == "revoked"
    for part in ("serial number b0", "2026-11-12T17:00:00Z", "keyCompromise"):
        assert part in verdict["detail"]


def test_a_revoked_authority() -> None:
    verdict = judged([of_middle(), pki.crl(ROOT, [(0x51, Reason.ca_compromise)])])
    assert (verdict["status"], verdict["cause"], verdict["link"]) == (
        "revoked",
        "intermediate_revoked",
        "CN=Middle,O=Test Hospital",
    )


def test_revoked_is_graver_than_anything_else_on_the_path() -> None:
    expired = pki.make("Middle", ROOT, ca=True, days=(-900, -1))
    assert judged([], [DEVICE, expired])["status"] == "expired_in_chain"
    assert judged([of_middle(GONE)], [DEVICE, expired])["status"] == "revoked"
    assert judged([], [DEVICE], known=[MIDDLE.der])["status"] == "incomplete_chain"
    assert judged([of_middle(GONE)], [DEVICE], known=[MIDDLE.der])["status"] == "revoked"


def test_a_list_of_a_stranger_revokes_nothing() -> None:
    assert judged([pki.crl(MIDDLE, GONE, signer=STRANGER)])["status"] == "trusted"


def test_an_anchor_has_no_issuer_to_revoke_it() -> None:
    verdict = TrustJudge([DEVICE.der], (), [of_middle(GONE)]).judge([DEVICE.der, MIDDLE.der], NOW)
    assert (verdict["status"], verdict["revocation"]["status"]) == ("trusted", "not_assessed")


def test_an_unreadable_list_is_named() -> None:
    with pytest.raises(CrlSourceError, match="source number 1 is not a readable revocation list"):
        TrustJudge([ROOT.der], (), [b"garbage"])


# --- sources --------------------------------------------------------------------------------------------------------


def pem(data: bytes) -> str:
    return x509.load_der_x509_crl(data).public_bytes(serialization.Encoding.PEM).decode()


def test_every_kind_of_source(tmp_path: Path) -> None:
    one, two = of_middle(GONE), pki.crl(ROOT)
    (tmp_path / "one.crl").write_bytes(one)
    (tmp_path / "both.pem").write_text(pem(one) + pem(two))
    assert [crl.issuer_key for crl in load_crls([str(tmp_path / "both.pem")])] == [
        parse_crl(one).issuer_key,
        parse_crl(two).issuer_key,
    ]
    assert len(load_crls([str(tmp_path / "one.crl"), pem(two), two, tmp_path / "one.crl"])) == 4
    assert load_crls([]) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (ROOT.pem.encode(), "holds no revocation list: only CERTIFICATE"),
        (ROOT.der, "not a readable revocation list"),
        (ROOT.private_pem.encode(), "holds a private key"),
        (of_middle()[:-1], "cut short"),
        (of_middle() + b"\0x", "not a readable revocation list"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "list.crl"
    path.write_bytes(content)
    with pytest.raises(CrlSourceError) as caught:
        load_crls([str(path)])
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    with pytest.raises(CrlSourceError, match="no such file"):
        load_crls([str(tmp_path / "absent.crl")])


def test_an_independent_reader_reads_the_same() -> None:
    reasons = [reason for reason in Reason if reason is not Reason.unspecified]
    data = of_middle([(number + 1, reason) for number, reason in enumerate(reasons)] + [(0xFFFF, None)])
    crl = parse_crl(data)
    expected = {}
    for entry in x509.load_der_x509_crl(data):
        try:
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
        except x509.ExtensionNotFound:
            reason = "unspecified"
        expected[entry.serial_number] = (entry.revocation_date_utc, reason)
    assert {serial: (entry.date, entry.reason) for serial, entry in crl.entries.items()} == expected
    assert (crl.this_update, crl.next_update) == (NOW - timedelta(days=1), NOW + timedelta(days=6))


def test_a_list_without_a_next_one_and_without_entries() -> None:
    body = pki.elements(pki.elements(of_middle())[0])
    assert parse_crl(of_middle()).entries == {}
    without_next = pki.tlv(0x30, *body[:4], *body[5:])
    signature = MIDDLE.key.sign(without_next, ec.ECDSA(hashes.SHA256()))
    data = pki.tlv(0x30, without_next, body[1], pki.tlv(0x03, b"\0", signature))
    assert parse_crl(data).next_update is None
    answer = RevocationBook(load_crls([data])).check(
        parse_certificate(DEVICE.der), parse_certificate(MIDDLE.der), NOW + timedelta(days=9000)
    )
    assert answer.status == "good"


SCOPED = of_middle(GONE, extra=[scope(full_name=[URL])])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_mutation_raises_anything_else(data: st.DataObject) -> None:
    content = bytearray(SCOPED)
    for _index in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        crl = parse_crl(bytes(content))
    except DerError:
        return
    subject = device(extra=[(x509.CRLDistributionPoints([point(URL.value)]), False)])
    answer = RevocationBook([crl]).check(parse_certificate(subject.der), parse_certificate(MIDDLE.der), NOW)
    assert answer.status == ("revoked" if bytes(content) == SCOPED else "not_assessed")


def test_a_long_list_is_read_in_bounded_time() -> None:
    data = of_middle([(number + 1, Reason.superseded) for number in range(5000)])
    started = time.process_time()
    assert len(parse_crl(data).entries) == 5000
    assert time.process_time() - started < 1
