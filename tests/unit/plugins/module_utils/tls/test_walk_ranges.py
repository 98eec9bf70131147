# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk against a server of every contiguous range of versions: exact statuses, evidence, and what it cost."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
from servers import pki
from servers.device import VERSIONS, Device, Tls, in_pieces, in_small_records, server_context, web_page
from servers.probe import exactly, probe, statuses

NAMES = list(VERSIONS)
RANGES = [tuple(NAMES[low : high + 1]) for low in range(4) for high in range(low, 4)]

Credentials = Callable[..., str]


def cost(versions: tuple[str, ...], kind: str = "rsa") -> int:
    """What the facts of a range cost: connections, as the device counts them.

    One hello for each version that is accepted, where TLS 1.2 stands for TLS 1.3, which marks it; one that asks for
    TLS 1.3 where it was not marked, else for the other kind of key (ECDSA only where no control must come next); one
    refusal; SSLv2 where TLS 1.0 was accepted; the last handshake.
    """
    marked = "TLSv1.3" in versions and "TLSv1.2" in versions
    if versions == ("TLSv1.3",):
        return 3
    second = not marked or kind == "ecdsa" or "TLSv1.0" not in versions
    return len(versions) - marked + second + 1 + ("TLSv1.0" in versions) + 1


@pytest.mark.parametrize("versions", RANGES, ids="-".join)
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_every_range_is_told_right_with_the_clock(
    credentials: Credentials, versions: tuple[str, ...], kind: str
) -> None:
    tls = Tls(server_context(credentials(kind), versions), web_page(-720))
    with Device(tls) as device:
        seen = probe(device.port, "https", [pki.NAME])
        assert statuses(seen) == exactly(*versions)
        assert seen["negotiated"]["version"] == versions[-1]
        assert seen["chain"] == pki.ders(pki.chain_of(3, kind)[0][:2])
        assert (seen["outcome"], seen["handshake"], seen["error"]) == ("tls", "completed", None)
        assert (seen["key_proof"], seen["further_chains"], seen["unknown"]) == ("proved", [], [])
        assert seen["client_certificate"] == "not_requested"
        (sample,) = seen["visit"]["clock"]["samples"]
        assert sample["source"] == "http_date" and sample["evidence"] is True
        assert abs(sample["offset_seconds"] + 720) <= sample["uncertainty_seconds"] <= 2
        # And one more, because the Date is far off: does it stand still?
        assert device.connections == seen["connections"] == cost(versions, kind) + 1 <= 8
        assert device.bytes_received == seen["visit"]["bytes_sent"]
        assert set(device.endings()) == {"eof"}
        assert tls.handshakes == 2
        assert all(len(link.received) <= 255 or link.number >= device.connections - 2 for link in device.links)


def test_a_modern_https_device_costs_four_connections_and_1100_bytes(credentials: Credentials) -> None:
    with Device(Tls(server_context(credentials()), web_page())) as device:
        seen = probe(device.port, "https", [pki.NAME])
        assert device.connections <= 4
        assert device.bytes_received <= 1100
        *hellos, last = device.links
        assert all(len(link.received) <= 255 for link in hellos)
        first_of_handshake = 5 + int.from_bytes(last.received[3:5], "big")
        assert first_of_handshake <= 255
    assert seen["versions"]["TLSv1.1"] == {"status": "refused", "evidence": "alert:70"}
    assert seen["versions"]["TLSv1.0"] == {"status": "refused", "evidence": "inferred"}
    assert seen["versions"]["SSLv2"] == {"status": "refused", "evidence": "inferred"}
    assert seen["versions"]["TLSv1.3"]["evidence"] == "server_hello"
    assert seen["answers_unsteadily"] is None


def test_no_hello_is_padded(credentials: Credentials) -> None:
    """OpenSSL would pad a hello of 256 to 511 bytes to 512."""
    name = "a" * 60 + "." + "b" * 20 + ".example"
    with Device(Tls(server_context(credentials(), ("TLSv1.2",)), web_page())) as device:
        probe(device.port, "https", [name])
        assert 256 < 5 + int.from_bytes(device.links[-1].received[3:5], "big") < 300
        assert all(len(link.received) <= 255 for link in device.links[:-1])


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
@pytest.mark.parametrize("versions", [("TLSv1.2",), ("TLSv1.3",), ("TLSv1.2", "TLSv1.3")], ids="-".join)
@pytest.mark.parametrize("service", ["dicom", "mllp", "tls", "ldaps"])
def test_a_device_without_http_costs_four_connections(
    credentials: Credentials, service: str, versions: tuple[str, ...], kind: str
) -> None:
    with Device(Tls(server_context(credentials(kind), versions))) as device:
        seen = probe(device.port, service, [pki.NAME])
        assert device.connections <= 4 and device.bytes_received <= 1000
    assert (seen["handshake"], seen["key_proof"], len(seen["chain"])) == ("completed", "proved", 2)
    assert statuses(seen) == exactly(*versions)


def test_quick_costs_two_connections_and_300_bytes(credentials: Credentials) -> None:
    with Device(Tls(server_context(credentials()), web_page())) as device:
        seen = probe(device.port, "https", [pki.NAME], depth="quick")
        assert device.connections <= 2 and device.bytes_received <= 300
    assert statuses(seen) == exactly("TLSv1.2", "TLSv1.3")
    # The mark of a talked-down server proves TLS 1.3.
    assert seen["versions"]["TLSv1.3"]["evidence"] == "inferred"
    assert seen["chain"] and seen["visit"]["clock"]["samples"] == []


@pytest.mark.parametrize("versions", RANGES, ids="-".join)
def test_quick_is_right_in_all_that_it_says(credentials: Credentials, versions: tuple[str, ...]) -> None:
    with Device(Tls(server_context(credentials(), versions))) as device:
        seen = probe(device.port, "tls", [pki.NAME], depth="quick")
        truth = exactly(*versions)
        found = statuses(seen)
        # Without a control, an alert that is not about the version proves nothing.
        assert all(status in (truth[version], "not_tested", "undetermined") for version, status in found.items())
        assert found["TLSv1.2"] == truth["TLSv1.2"] and found["TLSv1.1"] == truth["TLSv1.1"]
        assert seen["chain"]
        assert device.connections <= (3 if versions == ("TLSv1.3",) else max(2, len(versions) + 1))


@pytest.mark.parametrize("kind", pki.KINDS)
@pytest.mark.parametrize("versions", [("TLSv1.2",), ("TLSv1.3",), ("TLSv1.2", "TLSv1.3")], ids="-".join)
def test_every_kind_of_key(credentials: Credentials, kind: str, versions: tuple[str, ...]) -> None:
    with Device(Tls(server_context(credentials(kind), versions), web_page())) as device:
        seen = probe(device.port, "https", [pki.NAME])
    assert statuses(seen) == exactly(*versions)
    assert seen["chain"] == pki.ders(pki.chain_of(3, kind)[0][:2])
    assert (seen["handshake"], len(seen["visit"]["clock"]["samples"])) == ("completed", 1)


@pytest.mark.parametrize("shape", [in_pieces(1), in_pieces(7), in_small_records(3), in_small_records(200)])
@pytest.mark.parametrize("versions", [("TLSv1.0",), ("TLSv1.2",), ("TLSv1.2", "TLSv1.3")], ids="-".join)
def test_however_the_server_cuts_its_bytes(credentials: Credentials, versions: tuple[str, ...], shape: object) -> None:
    with Device(Tls(server_context(credentials(), versions), shape=shape)) as device:  # type: ignore[arg-type]
        seen = probe(device.port, "dicom", [pki.NAME])
    assert statuses(seen) == exactly(*versions)
    assert len(seen["chain"]) == 2


def test_a_slow_writer_is_waited_for(credentials: Credentials) -> None:
    tls = Tls(server_context(credentials(), ("TLSv1.2",)), shape=in_pieces(300), pause=0.05)
    with Device(tls) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
        assert set(device.endings()) == {"eof"}
    assert statuses(seen) == exactly("TLSv1.2") and len(seen["chain"]) == 2


# -- one suite, one group: the second hello finds what the first did not offer


@pytest.mark.parametrize(
    ("ciphers", "kind", "cipher"),
    [
        ("CAMELLIA128-SHA", "rsa", "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"),
        ("AES128-CCM8", "rsa", "TLS_RSA_WITH_AES_128_CCM_8"),
        ("ARIA128-GCM-SHA256", "rsa", "TLS_RSA_WITH_ARIA_128_GCM_SHA256"),
        ("ECDHE-ECDSA-CAMELLIA128-SHA256", "ecdsa", "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256"),
        ("ECDHE-ARIA256-GCM-SHA384", "rsa", "TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384"),
        ("NULL-SHA256", "rsa", "TLS_RSA_WITH_NULL_SHA256"),
        ("ECDHE-ECDSA-AES256-CCM8", "ecdsa", "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8"),
        ("AES256-SHA256", "rsa", "TLS_RSA_WITH_AES_256_CBC_SHA256"),
        ("ECDHE-RSA-AES256-SHA384", "rsa", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    ],
)
def test_a_server_with_one_unusual_suite(credentials: Credentials, ciphers: str, kind: str, cipher: str) -> None:
    context = server_context(credentials(kind), ("TLSv1.2",), ciphers)
    with Device(Tls(context)) as device:
        seen = probe(device.port, "dicom", [pki.NAME], connection_budget=20)
        # Who only signs is found in the first of the further hellos.
        assert device.connections <= (8 if "_NULL_" in cipher else 12)
    assert (seen["negotiated"]["version"], seen["negotiated"]["cipher"]) == ("TLSv1.2", cipher)
    assert (seen["handshake"], seen["key_proof"]) == ("completed", "proved")
    assert statuses(seen) == exactly("TLSv1.2")
    assert len(seen["chain"]) == 2


@pytest.mark.parametrize("curve", ["secp384r1", "secp521r1", "X448", "brainpoolP256r1", "X25519", "secp256k1"])
@pytest.mark.parametrize("versions", [("TLSv1.2",), ("TLSv1.3",)], ids="-".join)
def test_a_server_with_one_group(credentials: Credentials, curve: str, versions: tuple[str, ...]) -> None:
    if versions == ("TLSv1.3",) and curve in ("brainpoolP256r1", "secp256k1"):
        pytest.skip("OpenSSL 3.0 has no TLS 1.3 with this curve")
    context = server_context(credentials("rsa"), versions, "ECDHE+AESGCM")
    try:
        context.set_ecdh_curve(curve)
    except (ValueError, ssl.SSLError):
        pytest.skip(f"this Python cannot set {curve}")
    with Device(Tls(context)) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
    assert statuses(seen) == exactly(*versions)
    assert len(seen["chain"]) == 2


def test_no_suite_in_common_is_asked_once_more_before_it_is_a_refusal(credentials: Credentials) -> None:
    """A server that speaks TLS 1.1 with one rare suite alone is not called a refusal of TLS 1.1."""
    context = server_context(credentials(), ("TLSv1.1", "TLSv1.2"), "CAMELLIA256-SHA")
    with Device(Tls(context)) as device:
        seen = probe(device.port, "dicom", [pki.NAME], connection_budget=20)
    assert statuses(seen) == exactly("TLSv1.1", "TLSv1.2")


def test_where_the_budget_ends_before_all_suites_were_offered_it_is_undetermined(credentials: Credentials) -> None:
    context = server_context(credentials(), ("TLSv1.2",), "NULL-SHA256")
    with Device(Tls(context)) as device:
        seen = probe(device.port, "dicom", [pki.NAME], connection_budget=4)
        assert device.connections == 4
    assert seen["versions"]["TLSv1.2"] == {"status": "undetermined", "evidence": "alert:40"}
    assert "connection_budget" in seen["error"]
