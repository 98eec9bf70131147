# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of the hellos that we send."""

from __future__ import annotations

import pytest
from servers.device import hello_name, hello_version, records

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls import suites
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.hello import (
    can_be_server_name,
    client_hello,
    further_hellos,
    sslv2_client_hello,
    weak_hello,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import SSLV3, TLS10, TLS11, TLS12, TLS13

NAME = "echo-004.hopital.example"
VERSIONS = (SSLV3, TLS10, TLS11, TLS12, TLS13)


def offered(hello: bytes) -> list[int]:
    """The suites in a hello, less the signalling value."""
    at = 5 + 4 + 2 + 32 + 1
    size = int.from_bytes(hello[at : at + 2], "big")
    numbers = [int.from_bytes(hello[i : i + 2], "big") for i in range(at + 2, at + 2 + size, 2)]
    return [number for number in numbers if number != suites.RENEGOTIATION_INFO_SCSV]


def extension(hello: bytes, wanted: int) -> bytes | None:
    """The body of one extension."""
    at = 5 + 4 + 2 + 32 + 1
    at += 2 + int.from_bytes(hello[at : at + 2], "big") + 2
    if at == len(hello):
        return None
    at += 2
    while at < len(hello):
        number, size = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        if number == wanted:
            return hello[at + 4 : at + 4 + size]
        at += 4 + size
    return None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("length", [0, 3, 24, 40, 64, 100, 113, 114, 200, 253])
def test_no_hello_is_longer_than_255_bytes_whatever_the_name(version: int, length: int) -> None:
    name = ("a" * 50 + ".") * 5
    name = name[: length - 1] + "b" if length else None
    for hello in (
        client_hello(version, name).sent,
        client_hello(version, name, bare=True).sent,
        *further_hellos(version, name),
    ):
        assert len(hello) <= 255
        assert len(offered(hello)) >= 1
        assert int.from_bytes(hello[3:5], "big") == len(hello) - 5
        assert int.from_bytes(hello[6:9], "big") == len(hello) - 9


@pytest.mark.parametrize(("version", "most"), [(TLS13, 190), (TLS12, 174), (TLS11, 255), (TLS10, 255)])
def test_the_standard_hellos_are_small(version: int, most: int) -> None:
    assert len(client_hello(version, NAME).sent) <= most
    assert len(client_hello(version).sent) <= max(150, most)


@pytest.mark.parametrize("version", [TLS11, TLS10])
def test_an_old_hello_offers_every_suite_that_its_version_knows(version: int) -> None:
    """With a short name, or without extensions; beside a long name the suites for static Diffie-Hellman wait."""
    assert client_hello(version, "e.example").complete
    assert client_hello(version, NAME, bare=True).complete and client_hello(SSLV3).complete
    missing = set(suites.LEGACY_ALL) - set(client_hello(version, "a" * 20 + ".hopital.example").suites)
    assert missing and all(suites.LEGACY_NAMES[suite].startswith(("TLS_DH_DSS", "TLS_DH_RSA")) for suite in missing)


@pytest.mark.parametrize("version", [TLS13, TLS12])
@pytest.mark.parametrize("key", ["rsa", "ecdsa"])
def test_a_hello_asks_for_one_kind_of_key_alone(version: int, key: str) -> None:
    asked = {number for number in offered(client_hello(version, NAME, key=key).sent) if number >> 8 != 0x13}
    assert asked and {suites.key_of(number) for number in asked} == {key}


@pytest.mark.parametrize(
    ("suite", "key"),
    [
        (0x009C, "rsa"),
        (0xC02F, "rsa"),
        (0x0033, "rsa"),
        (0xC02B, "ecdsa"),
        (0xC00F, "ecdsa"),
        (0xC004, "ecdsa"),
        (0x0034, "any"),
        (0x0032, "any"),
        (0x1301, "any"),
    ],
)
def test_the_kind_of_key_of_a_suite(suite: int, key: str) -> None:
    assert suites.key_of(suite) == key


def test_the_weak_hello_offers_what_nobody_may_use_and_nothing_else() -> None:
    for version in (TLS12, TLS10, SSLV3):
        hello = weak_hello(version, NAME)
        words = ("NULL", "anon", "EXPORT", "RC4", "DES")
        assert all(any(word in suites.cipher_name(suite) for word in words) for suite in hello.suites)
        assert len(hello.sent) <= 255 and offered(hello.sent) == list(hello.suites)
        assert {0x0001, 0x0004, 0x0009, 0x000A, 0x0034, 0xC006} <= set(hello.suites)
    assert set(weak_hello(TLS12, NAME).suites) == set(suites.WEAK)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [NAME, "a" * 50 + "." + "b" * 60 + ".example", None])
def test_a_hello_knows_which_suites_it_offers(version: int, name: str | None) -> None:
    for hello in (
        client_hello(version, name),
        client_hello(version, name, bare=True),
        client_hello(version, brief=True),
    ):
        assert list(hello.suites) == [number for number in offered(hello.sent) if number != 0x00FF]


def test_the_two_hellos_of_a_quick_visit_stay_under_300_bytes_with_a_name_of_29_characters() -> None:
    name = "bench-00001.hospital-farm.lab"
    assert len(name) == 29
    quick = [client_hello(TLS12, name, brief=True).sent, client_hello(TLS11, name, brief=True).sent]
    assert sum(map(len, quick)) <= 300
    kinds = {suites.cipher_name(number)[:10] for number in offered(quick[1])}
    assert {"TLS_RSA_WI", "TLS_ECDHE_"} <= kinds


@pytest.mark.parametrize("version", VERSIONS)
def test_the_hello_says_its_version_and_the_record_says_no_more_than_tls_1_0(version: int) -> None:
    hello = client_hello(version, NAME).sent
    assert hello_version(hello) == version
    assert int.from_bytes(hello[1:3], "big") == min(version, TLS10)


@pytest.mark.parametrize("version", [TLS12, TLS11, TLS10])
def test_bare_and_sslv3_hellos_have_no_extension_at_all(version: int) -> None:
    assert extension(client_hello(version, NAME).sent, 0) is not None
    assert extension(client_hello(version, NAME, bare=True).sent, 0) is None
    assert len(records(client_hello(version, NAME, bare=True).sent)) == 1
    assert extension(client_hello(SSLV3, NAME).sent, 0) is None


@pytest.mark.parametrize(
    ("version", "known"),
    [
        (TLS13, set(suites.TLS13_NAMES)),
        (TLS12, set(suites.TLS12_NAMES) | set(suites.LEGACY_NAMES)),
        (SSLV3, set(suites.LEGACY_NAMES)),
    ],
)
def test_first_and_further_hellos_together_offer_every_suite_of_the_version(version: int, known: set[int]) -> None:
    further = list(further_hellos(version, NAME))
    everything = {number for hello in (client_hello(version, NAME).sent, *further) for number in offered(hello)}
    assert known <= everything
    assert len(further) == {TLS13: 1, TLS12: 5, SSLV3: 0}[version]
    for hello in further:
        assert len(set(offered(hello))) == len(offered(hello))


def test_further_hellos_name_the_groups_and_signatures_that_the_first_does_not() -> None:
    wide = next(further_hellos(TLS12, NAME))
    groups, signatures = extension(wide, 10) or b"", extension(wide, 13) or b""
    for brainpool in (b"\x00\x1a", b"\x00\x1b", b"\x00\x1c"):
        assert brainpool in groups
    assert b"\x08\x08" in signatures  # Ed448
    assert 0xC02B in offered(wide)  # a usual suite again, for a server with an unusual group
    assert extension(next(further_hellos(TLS13, NAME)), 51) != b"\x00\x00"  # a key share, where the first has none
    assert extension(client_hello(TLS13, NAME).sent, 51) == b"\x00\x00"


def test_static_rsa_leads_so_that_the_device_signs_nothing() -> None:
    assert suites.cipher_name(offered(client_hello(TLS12).sent)[0]).startswith("TLS_RSA_WITH_")
    assert suites.cipher_name(offered(client_hello(TLS11).sent)[0]).startswith("TLS_RSA_WITH_")


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (NAME, NAME),
        ("echo-004.hopital.example.", NAME),
        ("échographe.hopital.example", "xn--chographe-93a.hopital.example"),
        ("dev_1.hopital.example", "dev_1.hopital.example"),
        ("10.20.1.14", None),
        ("fe80::1", None),
        ("[fe80::1]", None),
        ("*.hopital.example", None),
        ("a" * 64 + ".example", None),
        ("a..b", None),
        ("", None),
        ("\udcff.example", None),
    ],
)
def test_only_host_names_are_sent_as_server_name(name: str, sent: str | None) -> None:
    assert hello_name(client_hello(TLS12, name).sent) == sent
    assert can_be_server_name(name) is (sent is not None)


def test_the_sslv2_hello_offers_every_cipher_kind() -> None:
    hello = sslv2_client_hello()
    assert int.from_bytes(hello[:2], "big") == 0x8000 | (len(hello) - 2)
    assert len(hello) <= 64
    for kind in suites.SSLV2_CIPHER_KINDS:
        assert kind.to_bytes(3, "big") in hello
