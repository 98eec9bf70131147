# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names a certificate covers: what the strictest clients accept, and nothing more."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import describe_certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.host_names import (
    ip_of,
    name_match,
    names_only_in_common_name,
    uncovered_names,
)
from ansible_collections.biomed.cert_hygiene.tests.unit import pki_factory as pki


def leaf(*dns: str, ip: tuple[str, ...] = (), common_name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"names": {"dns": list(dns), "ip": list(ip)}, "common_name": common_name, **more}


@pytest.mark.parametrize(
    ("carried", "name", "covered"),
    [
        # exact
        ("echo.hopital.example", "echo.hopital.example", True),
        ("Echo.Hopital.EXAMPLE", "echo.hopital.example", True),
        ("echo.hopital.example", "ECHO.hopital.Example", True),
        ("echo.hopital.example", "echo2.hopital.example", False),
        ("echo.hopital.example", "x.echo.hopital.example", False),
        ("echo.hopital.example", "echo.hopital.exampl", False),
        ("hopital.example", "echo.hopital.example", False),
        ("echo", "echo", True),
        ("echo_004.hopital.example", "echo_004.hopital.example", True),
        ("echo.hopital.example", "echo", False),
        # trailing dot
        ("echo.hopital.example", "echo.hopital.example.", True),
        ("echo.hopital.example", "echo.hopital.example..", False),
        ("echo.hopital.example.", "echo.hopital.example", False),
        # wildcard
        ("*.hopital.example", "echo.hopital.example", True),
        ("*.HOPITAL.example", "ECHO.hopital.example.", True),
        ("*.hopital.example", "hopital.example", False),
        ("*.hopital.example", ".hopital.example", False),
        ("*.hopital.example", "a.b.hopital.example", False),
        ("*.hopital.example", "*.hopital.example", True),
        ("*.b.hopital.example", "*.hopital.example", False),
        ("*.hopital.example", "xn--cho-9la.hopital.example", True),
        ("echo*.hopital.example", "echo4.hopital.example", False),
        ("*echo.hopital.example", "4echo.hopital.example", False),
        ("e*o.hopital.example", "echo.hopital.example", False),
        ("a.*.example", "a.hopital.example", False),
        ("*.*.example", "a.hopital.example", False),
        ("*", "echo", False),
        ("*.", "echo.", False),
        ("*.example", "echo.example", False),
        ("*.example.", "a.example", False),
        ("*..example", "a..example", False),
        ("\u212ardio.example", "krdio.example", False),  # the Kelvin sign, whose small letter is k
        # internationalised names, by IDNA 2008: "ß", "ς" and joiners stand for themselves
        ("xn--strae-oqa.example", "Straße.example", True),
        ("strasse.example", "straße.example", False),
        ("xn--nxasmq6b.example", "βόλος.example", False),
        ("xn--nxasmm1c.example", "ΒΌΛΟς.example", True),
        ("xn--wgv71a119e.example", "日本語。example", True),
        ("xn--ls8h.example", "💩.example", False),
        *(
            (f"xn--{label.encode('punycode').decode()}.example", f"{label}.example", False)
            for label in ("\u0301foo", "-é", "é-", "ab--é", "é é", "💩")
        ),
        ("xn--bcher-kva.example", "Bu\u0308cher.example", True),
        ("echo.example", "ｅｃｈｏ.example", True),
        ("a..example", "a..example", False),
        ("xn--cho-9la.hopital.example", "écho.hopital.example", True),
        ("xn--cho-9la.hopital.example", "ÉCHO.hopital.example", True),
        ("xn--cho-9la.hopital.example", "xn--cho-9la.hopital.example", True),
        ("écho.hopital.example", "écho.hopital.example", False),
        ("*.xn--hpital-ixa.example", "a.hôpital.example", True),
        ("xn--cho-9la.hopital.example", "echo.hopital.example", False),
        # what is no name
        ("a.example\0.b.example", "a.example", False),
        (" a.example", "a.example", False),
        ("", "", False),
        ("", ".", False),
        ("a" * 300 + ".example", "a" * 300 + ".example", False),
        ("x", "é" * 300, False),
        ("x", "\ud800.example", False),
        # an address in a DNS name does not count
        ("10.20.1.14", "10.20.1.14", False),
        ("*.20.1.14", "10.20.1.14", False),
    ],
)
def test_host_names(carried: str, name: str, covered: bool) -> None:
    assert uncovered_names(leaf(carried), [name]) == ([] if covered else [name])


@pytest.mark.parametrize(
    ("carried", "name", "covered"),
    [
        ("10.20.1.14", "10.20.1.14", True),
        ("10.20.1.14", " 10.20.1.14 ", True),
        ("10.20.1.14", "10.20.1.15", False),
        ("10.20.1.14", "10.20.1.14.", False),
        ("10.20.1.14", "::ffff:10.20.1.14", False),
        ("2001:db8::1", "2001:DB8:0:0::1", True),
        ("2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001", True),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("2001:db8::1", "2001:db8::2", False),
        ("fe80::1", "fe80::1%eth0", True),
        ("::ffff:10.20.1.14", "::ffff:a14:10e", True),
        ("10.20.1.14", "echo.hopital.example", False),
        ("garbage", "10.20.1.14", False),
    ],
)
def test_addresses(carried: str, name: str, covered: bool) -> None:
    assert uncovered_names(leaf(ip=(carried,)), [name]) == ([] if covered else [name])


def test_what_is_not_covered_comes_back_in_its_order_and_spelling() -> None:
    names = ["B.example", "10.0.0.2", "a.example", "ÉCHO.example", "10.0.0.1"]
    assert uncovered_names(leaf("a.example", ip=("10.0.0.1",)), names) == ["B.example", "10.0.0.2", "ÉCHO.example"]
    assert uncovered_names(leaf("a.example"), []) == []


@pytest.mark.parametrize(
    ("entry", "names", "address", "match"),
    [
        (leaf("a.example"), ["a.example"], "10.0.0.1", True),
        (leaf("a.example"), ["a.example", "b.example"], "10.0.0.1", False),
        (leaf("a.example", ip=("10.0.0.1",)), ["b.example"], "10.0.0.1", False),
        # nothing declared
        (leaf("a.example", ip=("10.0.0.1",)), [], "10.0.0.1", True),
        (leaf("a.example", ip=("10.0.0.1",)), [], "10.0.0.2", None),
        (leaf("a.example"), [], "10.0.0.1", None),
        (leaf("a.example"), [], "2001:db8::1", None),
        (leaf("a.example"), [], "a.example", True),
        (leaf("a.example"), [], "b.example", False),
        (leaf("a.example"), [], "", None),
        (leaf(), [], "a.example", False),
        # the common name never counts
        (leaf(common_name="a.example"), ["a.example"], "", False),
        # unreadable
        ({"error": "not a certificate"}, ["a.example"], "a.example", None),
        (leaf("a.example", unreadable=["names"]), ["a.example"], "", True),
        (leaf("a.example", unreadable=["names"]), ["b.example"], "", None),
        (leaf("a.example", unreadable=["names"]), [], "b.example", None),
        (leaf("a.example", unreadable=["not_after"]), ["b.example"], "", False),
    ],
)
def test_name_match(entry: dict[str, Any], names: list[str], address: str, match: bool | None) -> None:
    assert name_match(entry, names, address) is match


@pytest.mark.parametrize(
    ("entry", "names", "only"),
    [
        (leaf(common_name="a.example"), ["a.example"], True),
        (leaf(common_name="A.Example"), ["a.example", "a.EXAMPLE."], True),
        (leaf(common_name="*.h.example"), ["a.h.example"], True),
        (leaf(common_name="10.0.0.1"), ["10.0.0.1"], True),
        (leaf(common_name="2001:db8::1"), ["2001:DB8::1"], True),
        (leaf(common_name="a.example"), ["a.example", "b.example"], False),
        (leaf(common_name="a.example"), [], False),
        (leaf(common_name=None), ["a.example"], False),
        (leaf("a.example", common_name="a.example"), ["a.example"], False),
        (leaf("b.example", common_name="a.example"), ["a.example"], False),
        (leaf(ip=("10.0.0.1",), common_name="a.example"), ["a.example"], False),
        (leaf(common_name="a.example", unreadable=["names"]), ["a.example"], False),
        (leaf(common_name="a.example\0.b"), ["a.example"], False),
        ({"error": "not a certificate"}, ["a.example"], False),
    ],
)
def test_names_only_in_the_common_name(entry: dict[str, Any], names: list[str], only: bool) -> None:
    assert names_only_in_common_name(entry, names) is only


def test_a_real_certificate() -> None:
    made = pki.make("echo-004.hopital.example", dns=["*.hopital.example"], ips=["10.20.1.14", "2001:db8::1"])
    entry = describe_certificate(made.der)
    names = ["echo-004.hopital.example", "10.20.1.14", "2001:db8:0::1"]
    assert name_match(entry, names, "") is True
    assert uncovered_names(entry, ["a.b.hopital.example"]) == ["a.b.hopital.example"]
    bare = describe_certificate(pki.make("echo-004.hopital.example").der)
    assert name_match(bare, names[:1], "") is False
    assert names_only_in_common_name(bare, names[:1]) is True


@pytest.mark.parametrize(
    ("text", "is_ip"), [("10.0.0.1", True), ("[::1]", True), ("10.0.0", False), ("", False), ("[", False), ("%", False)]
)
def test_ip_of(text: str, is_ip: bool) -> None:
    assert (ip_of(text) is not None) is is_ip


TEXT = st.text(max_size=30) | st.sampled_from(["\ud800", "xn--\ud800", "。", "a。b", "xn--", "\xad", "*.", "[", "::%"])


@settings(max_examples=400, deadline=None)
@given(st.lists(TEXT, max_size=3), st.lists(TEXT, max_size=3), TEXT, TEXT)
def test_no_text_raises(carried: list[str], names: list[str], address: str, common_name: str) -> None:
    entry = leaf(*carried, ip=(address,), common_name=common_name)
    left = uncovered_names(entry, names)
    assert [name for name in names if name in left] == left
    assert name_match(entry, names, address) in (True, False, None)
    names_only_in_common_name(leaf(common_name=common_name), names)


def test_a_long_name_costs_bounded_time() -> None:
    started = time.process_time()
    uncovered_names(leaf(*["a.example"] * 5000), ["é" * 100_000, "é" * 200, "a.b.c"])
    assert time.process_time() - started < 0.5
