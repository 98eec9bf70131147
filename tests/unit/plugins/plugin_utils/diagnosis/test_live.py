# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live diagnosis: the first cause, what is excluded and what is open, from observations of both sides."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.live import diagnose_live
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.page import diagnosis, page, terminal
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.messages import placeholders

NOW = datetime(2026, 11, 22, 18, tzinfo=timezone.utc)
ROOT, OTHER = "ab" * 32, "cd" * 32
YEAR = 365 * 86400
DEVICE_NAME, PEER_NAME = "echo-004.hopital.example", "pacs.hopital.example"
VERSIONS = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")
REASONS = load_data("diagnosis/diagnosis_live")["reasons"]


def at(days: float) -> str:
    return (NOW + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def leaf(name: str, start: float = -100, end: float = 265, **changes: Any) -> dict[str, Any]:
    return {
        "subject": f"CN={name}",
        "issuer": "CN=Hospital Root",
        "serial_number": "01",
        "not_before": at(start),
        "not_after": at(end),
        "key": {"type": "rsa", "bits": 2048, "curve": None},
        "signature_algorithm": "sha256WithRSAEncryption",
        "names": {"dns": [name], "ip": []},
        "common_name": name,
        "is_ca": False,
        "fingerprint_sha256": "01" * 32,
        **changes,
    }


def versions(*spoken: str, **others: str) -> dict[str, Any]:
    found = {
        name: {"status": "accepted", "evidence": "server_hello"}
        if name in spoken
        else {"status": "refused", "evidence": "alert:70"}
        for name in VERSIONS
    }
    for name, evidence in others.items():
        found[name.replace("_", ".")] = {"status": "refused", "evidence": evidence}
    return found


def endpoint(name: str, port: int, service: str, **changes: Any) -> dict[str, Any]:
    return {
        "port": port,
        "service": service,
        "outcome": "tls",
        "versions": versions("TLSv1.2", "TLSv1.3"),
        "negotiated": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"},
        "client_certificate": "not_requested",
        "chain": [leaf(name)],
        "trust": {"status": "trusted", "cause": "anchor_reached", "anchor": "CN=Hospital Root", "detail": ""},
        "name_match": True,
        "handshake": "completed",
        "error": None,
        "connections": 4,
        **changes,
    }


def observation(device: str, ends: list[dict[str, Any]], offset: float | None = 0.0, **changes: Any) -> dict[str, Any]:
    sample = {"source": "http_date", "endpoint": "https:443", "uncertainty_seconds": 0.6, "evidence": True}
    samples = [] if offset is None else [{**sample, "offset_seconds": offset}]
    return {
        "schema_version": 1,
        "device": device,
        "source": "network",
        "vantage": "localhost",
        "started_at": at(0),
        "finished_at": at(0),
        "outcome": "observed",
        "reason": None,
        "connections": 4,
        "endpoints": ends,
        "ports": {},
        "clock": {"samples": samples},
        **changes,
    }


def login(*fingerprints: str) -> dict[str, Any]:
    store = {"kind": "system", "path": "/etc/ssl/certs", "readable": True, "fingerprints_sha256": list(fingerprints)}
    return {
        "schema_version": 1,
        "device": "echo-004",
        "source": "gateway",
        "started_at": at(0),
        "finished_at": at(0),
        "outcome": "observed",
        "subsets": {"trust_stores": {"status": "ok"}},
        "trust_stores": [store],
    }


CARD = {
    "name": "echo-004",
    "address": "192.0.2.14",
    "names": [DEVICE_NAME],
    "endpoints": [{"port": 443, "service": "https"}],
    "peers": [{"address": "192.0.2.20", "port": 2762, "service": "dicom", "names": [PEER_NAME]}],
    "trust_anchors_sha256": [ROOT],
    "consent": True,
}
PATH = [
    {
        "side": "device",
        "host": "192.0.2.14",
        "addresses": ["192.0.2.14"],
        "route": True,
        "source": "192.0.2.1",
        "mtu": 1500,
    },
    {
        "side": "device",
        "host": DEVICE_NAME,
        "addresses": ["192.0.2.14"],
        "route": True,
        "source": "192.0.2.1",
        "mtu": 1500,
    },
    {
        "side": "peer",
        "host": "192.0.2.20",
        "addresses": ["192.0.2.20"],
        "route": True,
        "source": "192.0.2.1",
        "mtu": 1500,
    },
]


def diagnose(
    device: dict[str, Any] | None = None,
    peer: dict[str, Any] | None = None,
    *,
    device_clock: float | None = 0.0,
    peer_clock: float | None = 0.0,
    device_visit: dict[str, Any] | None = None,
    peer_visit: dict[str, Any] | None = None,
    path: list[dict[str, Any]] | None = None,
    logins: list[dict[str, Any]] | None = None,
    card: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The diagnosis where everything is right, save for what is changed."""
    own = [endpoint(DEVICE_NAME, 443, "https", **(device or {}))]
    theirs = [endpoint(PEER_NAME, 2762, "dicom", **(peer or {}))]
    seen = [
        observation("echo-004", own, device_clock, **(device_visit or {})),
        observation("peer:192.0.2.20:2762", theirs, peer_clock, **(peer_visit or {})),
        *(logins if logins is not None else [login(ROOT)]),
    ]
    return diagnose_live({**CARD, **(card or {})}, seen, PATH if path is None else path, load_policy({}), NOW)


SERVER = "peer:pacs.hopital.example:2762"
UNTRUSTED = {"status": "unknown_authority", "cause": "issuer_unknown", "anchor": None, "detail": ""}
NOTHING = {name: {"status": "undetermined", "evidence": "reset"} for name in VERSIONS}
OLD = {"versions": versions("TLSv1.0"), "negotiated": {"version": "TLSv1.0", "cipher": ""}}
DEAD = {"chain": [], "negotiated": None, "trust": {"status": "not_assessed"}}
UNREACHABLE = {"outcome": "unreachable", "reason": "no_answer", "endpoints": [], "clock": {"samples": []}}

CASES: dict[str, tuple[dict[str, Any], tuple[str, str, str, str | None]]] = {
    # what differs from a sound device -> (category, reason, side, endpoint) of the first cause
    "the device's certificate expired": (
        {"device": {"chain": [leaf(DEVICE_NAME, end=-3)]}},
        ("expired", "expired", "device", "https:443"),
    ),
    "the server's certificate expired": (
        {"peer": {"chain": [leaf(PEER_NAME, end=-3)]}},
        ("expired", "expired", "peer", SERVER),
    ),
    "an authority above the server expired": (
        {"peer": {"chain": [leaf(PEER_NAME), leaf("ca", end=-1)]}},
        ("expired", "expired_above", "peer", SERVER),
    ),
    "not yet valid": ({"peer": {"chain": [leaf(PEER_NAME, start=2)]}}, ("clock_skew", "not_yet_valid", "peer", SERVER)),
    "the device lives in 2031": ({"device_clock": 5.0 * YEAR}, ("clock_skew", "clock_sees_expired", "device", None)),
    "the device's battery is dead": (
        {"device_clock": -56.0 * YEAR},
        ("clock_skew", "clock_sees_not_yet_valid", "device", None),
    ),
    "the server lives in 2031": ({"peer_clock": 5.0 * YEAR}, ("clock_skew", "clock_sees_expired", "peer", SERVER)),
    "both live in 2031: it is this machine that does not": (
        {
            "device_clock": 5.0 * YEAR,
            "peer_clock": 5.0 * YEAR,
            "device": {"chain": [leaf(DEVICE_NAME, start=1800, end=2000)]},
            "peer": {"chain": [leaf(PEER_NAME, start=1800, end=2000)]},
        },
        ("clock_skew", "own_clock_off", "control_node", None),
    ),
    "this machine is wrong and a certificate did expire": (
        {
            "device_clock": 1.0 * YEAR,
            "peer_clock": 1.0 * YEAR,
            "device": {"chain": [leaf(DEVICE_NAME, end=500)]},
            "peer": {"chain": [leaf(PEER_NAME, end=200)]},
        },
        ("expired", "expired", "peer", SERVER),
    ),
    "a few minutes off break nothing": ({"device_clock": -720.0}, ("clock_skew", "clock_off", "device", None)),
    "an hour off, to the second": ({"device_clock": 3600.0}, ("clock_skew", "clock_in_local_time", "device", None)),
    "expired, and a few minutes off": (
        {"device_clock": -720.0, "device": {"chain": [leaf(DEVICE_NAME, end=-3)]}},
        ("expired", "expired", "device", "https:443"),
    ),
    "a weak key counts more than a few minutes": (
        {
            "device_clock": -720.0,
            "device": {"chain": [leaf(DEVICE_NAME, key={"type": "rsa", "bits": 1024, "curve": None})]},
        },
        ("weak_crypto", "weak_key", "device", "https:443"),
    ),
    "among equals the clock goes first": (
        {"device_clock": -2 * 86400.0, "peer": {"client_certificate": "required"}},
        ("clock_skew", "clock_off", "device", None),
    ),
    "an old server and a recent device": ({"peer": OLD}, ("protocol_mismatch", "no_common_version", "peer", SERVER)),
    "TLS 1.3 alone against TLS 1.0 alone": (
        {"device": OLD, "peer": {"versions": versions("TLSv1.3")}},
        ("protocol_mismatch", "no_common_version", "device", SERVER),
    ),
    "the device speaks TLS 1.0 alone": (
        {"device": OLD, "card": {"peers": []}},
        ("protocol_mismatch", "only_old_versions", "device", "https:443"),
    ),
    "every hello is refused": (
        {"peer": {"versions": {name: {"status": "undetermined", "evidence": "alert:40"} for name in VERSIONS}, **DEAD}},
        ("protocol_mismatch", "every_hello_refused", "peer", SERVER),
    ),
    "the device signed its own": (
        {"device": {"trust": {**UNTRUSTED, "status": "self_signed"}}},
        ("unknown_ca", "self_signed", "device", "https:443"),
    ),
    "the server's authority is a stranger": (
        {"peer": {"trust": UNTRUSTED}},
        ("unknown_ca", "unknown_authority", "peer", SERVER),
    ),
    "the server leaves out its intermediate": (
        {"peer": {"trust": {**UNTRUSTED, "status": "incomplete_chain"}}},
        ("unknown_ca", "incomplete_chain", "peer", SERVER),
    ),
    "the device lacks the root": ({"logins": [login(OTHER)]}, ("unknown_ca", "device_lacks_root", "device", SERVER)),
    "the device's name is not in its certificate": (
        {"device": {"chain": [leaf("ecm-01.local")]}},
        ("hostname_mismatch", "name_mismatch", "device", "https:443"),
    ),
    "the server's name is not in its certificate": (
        {"peer": {"chain": [leaf("old-pacs.hopital.example")]}},
        ("hostname_mismatch", "name_mismatch", "peer", SERVER),
    ),
    "the server knows no such name": (
        {
            "peer": {
                "versions": {name: {"status": "undetermined", "evidence": "alert:112"} for name in VERSIONS},
                **DEAD,
            }
        },
        ("hostname_mismatch", "name_not_known_here", "peer", SERVER),
    ),
    "the device resets after the hello": (
        {"device": {"outcome": "reset", "versions": NOTHING, **DEAD}},
        ("connection_reset", "reset_after_hello", "network", "https:443"),
    ),
    "the server resets after the hello": (
        {"peer": {"outcome": "reset", "versions": NOTHING, **DEAD}},
        ("connection_reset", "reset_after_hello", "network", SERVER),
    ),
    "a large hello is reset, a smaller one is not": (
        {"peer": {"versions": versions("TLSv1.0", "TLSv1.2", TLSv1_3="reset")}},
        ("connection_reset", "modern_hello_reset", "network", SERVER),
    ),
    "nothing answers the hello": (
        {"peer": {"outcome": "silent", "versions": {}, **DEAD}},
        ("connection_reset", "silent_after_hello", "network", SERVER),
    ),
    "short answers come, long ones do not": (
        {"peer": {"versions": versions(**dict.fromkeys(["TLSv1_2", "TLSv1_3"], "silence")), **DEAD}},
        ("connection_reset", "large_answers_lost", "network", SERVER),
    ),
    "a ServerHello comes, and no certificate": (
        {"peer": {"versions": versions("TLSv1.3"), "error": "handshake: silence", "chain": []}},
        ("connection_reset", "large_answers_lost", "network", SERVER),
    ),
    "the port is filtered": (
        {"peer": {"outcome": "unreachable", "versions": {}, **DEAD}},
        ("connection_reset", "port_filtered", "network", SERVER),
    ),
    "the port is closed": (
        {"device": {"outcome": "refused", "versions": {}, **DEAD}},
        ("plaintext_or_wrong_port", "port_closed", "device", "https:443"),
    ),
    "the device answers nothing": (
        {"device_visit": UNREACHABLE},
        ("connection_reset", "no_answer", "device", "https:443"),
    ),
    "the server answers nothing": ({"peer_visit": UNREACHABLE}, ("connection_reset", "no_answer", "peer", SERVER)),
    "the device speaks plaintext": (
        {"device": {"outcome": "not_tls", "versions": {}, **DEAD}},
        ("plaintext_or_wrong_port", "plaintext", "device", "https:443"),
    ),
    "the server speaks plaintext": (
        {"peer": {"outcome": "not_tls", "versions": {}, **DEAD}},
        ("plaintext_or_wrong_port", "plaintext", "peer", SERVER),
    ),
    "the device wants a client certificate": (
        {"device": {"client_certificate": "required"}},
        ("client_certificate_required", "client_certificate_required", "device", "https:443"),
    ),
    "the server wants a client certificate": (
        {"peer": {"client_certificate": "required"}},
        ("client_certificate_required", "client_certificate_required", "peer", SERVER),
    ),
    "the device's key is weak": (
        {"device": {"chain": [leaf(DEVICE_NAME, key={"type": "rsa", "bits": 1024, "curve": None})]}},
        ("weak_crypto", "weak_key", "device", "https:443"),
    ),
    "the server's signature is weak": (
        {"peer": {"chain": [leaf(PEER_NAME, signature_algorithm="sha1WithRSAEncryption")]}},
        ("weak_crypto", "weak_signature", "peer", SERVER),
    ),
    "the revocation list is old": (
        {
            "peer": {
                "trust": {
                    "status": "trusted",
                    "anchor": "CN=R",
                    "revocation": {
                        "asked": True,
                        "status": "not_assessed",
                        "detail": "the list is out of date since x",
                    },
                }
            }
        },
        ("crl_expired", "revocation_list_old", "peer", SERVER),
    ),
    "there is no revocation list": (
        {
            "device": {
                "trust": {
                    "status": "trusted",
                    "anchor": "CN=R",
                    "revocation": {"asked": True, "status": "not_assessed", "detail": "no list was given"},
                }
            }
        },
        ("crl_unreachable", "revocation_list_missing", "device", "https:443"),
    ),
    "the server hangs up after the hello": (
        {"peer": {"outcome": "closed", "versions": {}, **DEAD}},
        ("connection_reset", "closed_after_hello", "network", SERVER),
    ),
    "the server will not start TLS": (
        {"peer": {"outcome": "starttls_refused", "versions": {}, **DEAD}},
        ("plaintext_or_wrong_port", "starttls_refused", "peer", SERVER),
    ),
    "the server takes nobody in": (
        {"peer": {"outcome": "starttls_unavailable", "versions": {}, **DEAD}},
        ("connection_reset", "service_busy", "peer", SERVER),
    ),
    "the anchor itself expired": (
        {"peer": {"trust": {**UNTRUSTED, "status": "expired_in_chain", "cause": "anchor_expired", "link": "CN=R"}}},
        ("expired", "expired_in_chain", "peer", SERVER),
    ),
    "the server's certificate was revoked": (
        {"peer": {"trust": {**UNTRUSTED, "status": "revoked"}}},
        ("unknown", "revoked", "peer", SERVER),
    ),
    "a signature is false": (
        {"device": {"trust": {**UNTRUSTED, "status": "bad_signature"}}},
        ("unknown_ca", "bad_signature", "device", "https:443"),
    ),
    "a certificate for clients": (
        {"peer": {"trust": {**UNTRUSTED, "status": "purpose_not_server", "link": "CN=x"}}},
        ("unknown", "purpose_not_server", "peer", SERVER),
    ),
    "some clients refuse": (
        {"peer": {"trust": {**UNTRUSTED, "status": "some_clients_refuse", "clients": ["GnuTLS"]}}},
        ("unknown", "some_clients_refuse", "peer", SERVER),
    ),
    "the name is in the common name alone": (
        {"peer": {"chain": [leaf(PEER_NAME, names={"dns": [], "ip": []})]}},
        ("hostname_mismatch", "name_only_in_common_name", "peer", SERVER),
    ),
    "the device's name leads nowhere": (
        {"path": [PATH[0], {**PATH[1], "addresses": [], "error": "Name or service not known"}, PATH[2]]},
        ("unknown", "device_name_not_resolved", "device", None),
    ),
    "valid for too long": (
        {"device": {"chain": [leaf(DEVICE_NAME, end=3000)]}},
        ("validity_too_long", "lifetime_too_long", "device", "https:443"),
    ),
    "the server's name leads nowhere": (
        {"path": [*PATH[:2], {**PATH[2], "addresses": [], "route": None, "error": "Name or service not known"}]},
        ("connection_reset", "name_not_resolved", "peer", SERVER),
    ),
    "there is no route to the device": (
        {"path": [{**PATH[0], "route": False}, *PATH[1:]], "device_visit": UNREACHABLE},
        ("connection_reset", "no_route", "device", None),
    ),
    "the device's name leads elsewhere": (
        {"path": [PATH[0], {**PATH[1], "addresses": ["192.0.2.99"]}, PATH[2]]},
        ("unknown", "name_leads_elsewhere", "device", None),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_cause_is_the_right_one(name: str) -> None:
    changes, wanted = CASES[name]
    found = diagnose(**changes)
    first = found["causes"][0]
    assert (first["category"], first["reason"], first["side"], first["endpoint"]) == wanted


def test_a_sound_device_has_no_cause_and_says_what_was_excluded() -> None:
    found = diagnose()
    assert found["causes"] == []
    excluded = {(one["reason"], one["side"]) for one in found["excluded"]}
    assert {
        ("clock_right", "device"),
        ("clock_right", "peer"),
        ("dates_hold", "peer"),
        ("chain_trusted", "device"),
    } <= excluded
    assert {("versions_overlap", "peer"), ("device_holds_root", "device"), ("route_found", "peer")} <= excluded
    assert {one["reason"] for one in found["open"]} == {"revocation_not_asked"}


def test_what_was_not_observed_is_open_and_never_excluded() -> None:
    found = diagnose_live(CARD, [], [], load_policy({}), NOW)
    assert found["causes"] == []
    assert found["excluded"] == []
    assert {(one["reason"], one["side"]) for one in found["open"]} >= {
        ("clock_not_read", "device"),
        ("clock_not_read", "peer"),
        ("endpoint_not_seen", "device"),
        ("endpoint_not_seen", "peer"),
        ("way_not_looked_at", "device"),
    }


def test_a_silent_endpoint_excludes_nothing_of_its_certificate() -> None:
    found = diagnose(peer={"outcome": "silent", "versions": {}, **DEAD})
    about = {one["reason"] for one in found["excluded"] if one["endpoint"] == SERVER}
    assert about <= {"clock_right", "tcp_connects", "route_found", "name_resolved"}
    assert "certificate_not_seen" in {one["reason"] for one in found["open"] if one["endpoint"] == SERVER}


def test_a_clock_that_may_or_may_not_be_past_the_end_is_not_said_to_be() -> None:
    sample = {"source": "http_date", "endpoint": "https:443", "evidence": True}
    wide = {**sample, "offset_seconds": 265 * 86400.0, "uncertainty_seconds": 86400.0}
    found = diagnose(device_visit={"clock": {"samples": [wide]}})
    assert [one["reason"] for one in found["causes"]] == ["clock_off"]


def test_a_device_that_holds_a_strangers_root_trusts_that_server() -> None:
    root = leaf("stranger", fingerprint_sha256=OTHER)
    found = diagnose(peer={"trust": UNTRUSTED, "chain": [leaf(PEER_NAME), root]}, logins=[login(ROOT, OTHER)])
    assert found["causes"] == []
    assert "device_holds_it" in {one["reason"] for one in found["excluded"]}


def test_without_a_login_the_trust_store_is_open() -> None:
    assert "device_store_not_seen" in {one["reason"] for one in diagnose(logins=[])["open"]}


def test_the_expiry_is_judged_at_the_true_time_and_the_clock_at_its_own() -> None:
    first = diagnose(device_clock=5.0 * YEAR)["causes"][0]
    assert first["figures"]["clock_shows"].startswith("2031-11-21")
    assert first["figures"]["not_after"] == at(265)
    assert (first["owner"], first["confidence"]) == ("biomed", "high")


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [None], {"versions": 3}, "\x00"])
@pytest.mark.parametrize("key", ["versions", "chain", "trust", "error", "outcome", "client_certificate"])
def test_a_damaged_observation_never_raises(key: str, value: Any) -> None:
    diagnose(device={key: value}, peer={key: value})


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_comes_from_a_device_is_read_without_a_crash(data: st.DataObject) -> None:
    """One part of a sound observation, at any depth, is replaced by anything; the words can still be written."""
    seen = [
        observation("echo-004", [endpoint(DEVICE_NAME, 443, "https")]),
        observation("peer:192.0.2.20:2762", [endpoint(PEER_NAME, 2762, "dicom")]),
        login(ROOT),
    ]
    path = copy.deepcopy(PATH)
    place: Any = data.draw(st.sampled_from([*seen, *path]))
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            place[key] = data.draw(ODD)
            break
        place = inner
    found = diagnose_live(CARD, seen, path, load_policy({}), NOW)
    whole = diagnosis("echo-004", "localhost", NOW, found, None)
    assert page(whole, ["fr", "en"])
    assert terminal(whole, "fr")


def test_every_cause_is_given_by_a_case() -> None:
    given = {one["reason"] for changes, _wanted in CASES.values() for one in diagnose(**changes)["causes"]}
    assert {name for name, known in REASONS.items() if known["kind"] == "cause"} - given == {"store_lacks_root"}


def test_a_store_of_an_application_that_lacks_the_root_is_told() -> None:
    both = login(ROOT)
    both["trust_stores"].append(
        {**both["trust_stores"][0], "kind": "java", "path": "cacerts", "fingerprints_sha256": []}
    )
    assert [one["reason"] for one in diagnose(logins=[both])["causes"]] == ["store_lacks_root"]


@pytest.mark.parametrize("name", REASONS)
def test_the_words_of_a_reason_have_the_same_figures_in_both_languages(name: str) -> None:
    text = REASONS[name]["text"]
    assert sorted(placeholders(text["fr"])) == sorted(placeholders(text["en"]))
