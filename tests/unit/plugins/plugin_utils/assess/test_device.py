# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One device, judged: a table of what is seen and what must be found, and what holds for any input."""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess import device
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.device import assess_device, assess_devices
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.certificate_signature import signature_hash
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import (
    check_names,
    find_reason,
    load_checklist,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.messages import finding_actions, finding_message

NOW = datetime(2026, 11, 22, 18, tzinfo=timezone.utc)
LOGINS = yaml.load(Path(__file__).with_name("login_observations.yml").read_text(encoding="utf-8"), yaml.CSafeLoader)
ROWS = yaml.load(Path(__file__).with_name("assess_rows.yml").read_text(encoding="utf-8"), yaml.CSafeLoader)
KEYS = {
    "check", "device", "endpoint", "status", "severity", "reason", "observed", "expected", "owner", "due", "source",
    "references",
}  # fmt: skip
ENDPOINT_CHECKS = [check.name for check in load_checklist().checks if check.level == "endpoint"]


def certificate(subject: str, issuer: str, **changes: Any) -> dict[str, Any]:
    entry = {
        "subject": subject,
        "issuer": issuer,
        "serial_number": "01",
        "not_before": "2026-08-19T18:00:00Z",
        "not_after": "2027-08-19T18:00:00Z",
        "key": {"type": "RSA", "bits": 2048, "curve": None},
        "signature_algorithm": "sha256WithRSAEncryption",
        "names": {"dns": [], "ip": []},
        "common_name": None,
        "is_ca": False,
        "fingerprint_sha256": "ab" * 32,
        "pem": "",
    }
    return merged(entry, changes)


def base() -> dict[str, Any]:
    """A healthy device: its card, its observation, and a server that it may talk to."""
    versions = {
        name: {"status": "refused", "evidence": "alert:70"} for name in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1")
    }
    versions |= {name: {"status": "accepted", "evidence": "server_hello"} for name in ("TLSv1.2", "TLSv1.3")}
    return {
        "card": {
            "name": "echo-004",
            "address": "10.20.1.14",
            "names": ["echo-004.hopital.example"],
            "endpoints": [{"port": 443, "service": "https"}],
            "ports": [{"port": 23, "service": None}, {"port": 80, "service": None}],
            "ports_allowed": [],
            "peers": [],
            "consent": True,
        },
        "visit": {
            "schema_version": 1,
            "device": "echo-004",
            "source": "network",
            "started_at": "2026-11-22T16:59:58Z",
            "finished_at": "2026-11-22T17:00:00Z",
            "outcome": "observed",
            "reason": None,
            "endpoints": [None],
            "ports": {"23": "closed", "80": "closed"},
            "clock": {
                "samples": [
                    {"source": "http_date", "offset_seconds": 0.4, "uncertainty_seconds": 0.6, "evidence": True}
                ]
            },
        },
        "seen": {
            "port": 443,
            "service": "https",
            "outcome": "tls",
            "versions": versions,
            "negotiated": {
                "version": "TLSv1.3",
                "cipher": "TLS_AES_128_GCM_SHA256",
                "group": "x25519",
                "signature_algorithm": "rsa_pss_rsae_sha256",
            },
            "handshake": "completed",
            "key_proof": "proved",
            "trust": {"status": "trusted", "anchor": "CN=Hospital Root", "detail": ""},
        },
        "leaf": certificate(
            "CN=echo-004",
            "CN=Hospital Issuing",
            names={"dns": ["echo-004.hopital.example"], "ip": ["10.20.1.14"]},
            common_name="echo-004",
        ),
        "issuing": certificate(
            "CN=Hospital Issuing",
            "CN=Hospital Root",
            not_before="2025-01-01T00:00:00Z",
            not_after="2035-01-01T00:00:00Z",
        ),
    }


def merged(value: Any, changes: Any) -> Any:
    """`changes` over `value`; an empty mapping empties."""
    if not isinstance(value, dict) or not isinstance(changes, dict):
        return copy.deepcopy(changes)
    return {**value, **{key: merged(value.get(key), change) if change else change for key, change in changes.items()}}


def observation(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The observation of a device from its parts."""
    seen = dict(parts["seen"])
    seen.setdefault("chain", [parts["leaf"], parts["issuing"]])
    visit = dict(parts["visit"])
    if visit.get("endpoints") == [None]:
        visit["endpoints"] = [seen]
    return visit


def further_chain(parts: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Another chain of the same endpoint: by default that of the other key, under the same name."""
    hello = {"version": "TLSv1.3", "key": "any", "server_name": parts["card"]["names"][0]}
    return {
        "shown_to": {**hello, **{key: changes[key] for key in hello.keys() & changes.keys()}},
        "chain": [merged(parts["leaf"], changes.get("leaf", {})), parts["issuing"]],
        "trust": merged(parts["seen"]["trust"], changes.get("trust", {})),
    }


def scene(row: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The card and the observations that a row describes."""
    healthy = base()
    if row.keys() & {"login", "access", "appliance"}:
        healthy["card"] = merged(healthy["card"], LOGINS["card"])
    parts = {key: merged(value, row.get(key, {})) for key, value in healthy.items()}
    if "path" in row:
        parts["seen"]["trust"]["path"] = [{**parts["leaf"], "role": "device"}, *row["path"][1:]]
    if "further" in row:
        parts["seen"]["further_chains"] = [further_chain(parts, changes) for changes in row["further"]]
    card = parts["card"]
    seen = [] if row.get("lost") else [observation(parts)]
    if "peer" in row:
        peer = row["peer"]
        other = base()
        other["visit"].update(device="peer:10.20.9.1:2762")
        other["seen"].update(port=2762, service="dicom")
        other["leaf"]["names"] = {"dns": ["pacs.hopital.example"], "ip": []}
        other = {key: merged(value, peer.get(key, {})) for key, value in other.items() if key != "card"}
        server = {"address": "10.20.9.1", "port": 2762, "service": "dicom", "names": ["pacs.hopital.example"]}
        card["peers"] = [merged(server, peer.get("card", {}))]
        if not peer.get("lost"):
            seen.append(observation(other))
    for key, kind in (("login", "gateway"), ("access", "access"), ("appliance", "appliance")):
        if key in row:
            login = merged(LOGINS.get(kind, LOGINS["gateway"]), row[key])
            seen.append(
                {**login, "source": "appliance", "finished_at": "2026-11-22T16:35:00Z"} if key == "appliance" else login
            )
    if "file" in row:
        changes = {key: value for key, value in row["file"].items() if key != "leaf"}
        leaf = merged(parts["leaf"], row["file"].get("leaf", {}))
        [login] = [entry for entry in seen if entry["source"] == "gateway"]
        login["certificate_files"] = [{**LOGINS["certificate_file"], "chain": [leaf, parts["issuing"]], **changes}]
    return card, seen


def judged(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    card, seen = scene(row)
    policy = load_policy(row.get("policy"))
    return assess_device(card, seen, policy, NOW, row.get("attestations", ()), row.get("waivers", ()))


def row_name(row: Mapping[str, Any]) -> str:
    return f"{row['check']}-{row['reason']}"


@pytest.mark.parametrize("row", ROWS, ids=row_name)
def test_what_is_seen_gives_the_finding(row: dict[str, Any]) -> None:
    findings = judged(row)
    endpoint = row.get("endpoint", "https:443" if row["check"] in ENDPOINT_CHECKS else None)
    [found] = [item for item in findings if item["check"] == row["check"] and item["endpoint"] == endpoint]
    assert (found["reason"], found["status"], found["severity"]) == (row["reason"], row["status"], row["severity"])
    for key in ("owner", "due", "source"):
        if key in row:
            assert found[key] == row[key], key
    for key in ("observed", "expected"):
        for name, value in row.get(key, {}).items():
            if isinstance(value, dict) and name == "effect":
                assert {part: found[key][name].get(part) for part in value} == value
            else:
                assert found[key][name] == value, name
                assert type(found[key][name]) is type(value), name
    for name in row.get("absent", ()):
        assert name not in found["observed"]


@pytest.mark.parametrize("row", ROWS, ids=row_name)
def test_every_finding_has_its_form_and_its_words(row: dict[str, Any]) -> None:
    for found in judged(row):
        assert set(found) == KEYS
        assert json.loads(json.dumps(found)) == found
        for language in ("fr", "en"):
            message = finding_message(found, language)
            assert message and "{" not in message
            assert "relevé)" not in message and "not recorded" not in message, message
            for action in finding_actions(found, language):
                assert action and "{" not in action
            if found["status"] in ("fail", "not_assessed"):
                assert finding_actions(found, language), found["reason"]


def test_every_reason_of_the_table_has_a_row() -> None:
    seen = {(row["check"], row["reason"]) for row in ROWS}
    common = {row["reason"] for row in ROWS}
    checklist = load_checklist()
    missing = [
        f"{check.name}: {name}"
        for check in checklist.checks
        for name, reason in check.reasons.items()
        if not reason.later and (check.name, name) not in seen
    ]
    missing += [f"any: {name}" for name in checklist.common if name not in common]
    assert missing == []


def test_the_code_and_the_table_know_the_same_reasons() -> None:
    """Every reason that the judging code gives is in the table, and every line of the table is given somewhere."""
    rooms = Path(device.__file__).parents[1]
    literals: set[str] = set()
    given: set[str] = set()
    for path in [path for room in ("assess", "checks", "evidence") for path in (rooms / room).glob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                literals.add(node.value)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Verdict" and node.args:
                given |= {
                    part.value
                    for part in ast.walk(node.args[0])
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
    checklist = load_checklist()
    own = {name: reason for check in checklist.checks for name, reason in check.reasons.items()}
    known = {**own, **checklist.common}
    # "tls" and the like are compared with, inside of a conditional reason.
    assert given - set(known) <= {"refused", "unreadable"}
    assert {name for name, reason in known.items() if not reason.later} - literals == set()
    assert {name for name, reason in known.items() if reason.later} == set()


def test_a_reason_is_one_thing_whatever_the_check() -> None:
    checklist = load_checklist()
    names = [*checklist.common, *(name for check in checklist.checks for name in check.reasons)]
    assert len(names) == len(set(names))


def test_findings_come_in_the_order_of_the_checklist_then_of_the_endpoints() -> None:
    card, seen = scene({"peer": {}})
    card["endpoints"] = [{"port": 2762, "service": "dicom"}, {"port": 443, "service": "https"}]
    found = assess_device(card, seen, load_policy(), NOW)
    assert list(dict.fromkeys(item["check"] for item in found)) == list(check_names())
    expected = ["dicom:2762", "https:443", "peer:pacs.hopital.example:2762"]
    for check in ENDPOINT_CHECKS:
        assert [item["endpoint"] for item in found if item["check"] == check] == expected
    assert len(found) == 7 * 3 + 12
    assert found == assess_device(card, list(reversed(seen)), load_policy(), NOW)


def test_an_unreadable_inventory_card_is_judged_on_nothing() -> None:
    found = judged({"card": {"invalid": "device_names: …"}})
    assert [item["check"] for item in found] == list(check_names())
    assert {item["reason"] for item in found} == {"inventory_invalid"}


def test_a_device_that_is_only_a_client_is_not_compliant_by_silence() -> None:
    found = judged({"card": {"endpoints": [], "names": []}, "peer": {}})
    own = [item for item in found if item["check"] in ENDPOINT_CHECKS and item["endpoint"] is None]
    peers = [item for item in found if item["check"] in ENDPOINT_CHECKS and item["endpoint"] is not None]
    assert {item["reason"] for item in own} == {"endpoint_not_declared"} and len(own) == 7
    assert {item["status"] for item in peers} == {"pass"} and len(peers) == 7


def test_the_latest_visit_counts() -> None:
    card, [good] = scene({})
    bad = {
        **good,
        "finished_at": "2026-11-22T17:30:00Z",
        "outcome": "unreachable",
        "reason": "no_answer",
        "endpoints": [],
    }
    for order in ([good, bad], [bad, good]):
        found = assess_device(card, order, load_policy(), NOW)
        assert found[0]["reason"] == "device_unreachable"


@pytest.mark.parametrize("stray", [{"device": "echo-005"}, {"source": "gateway"}, {"source": "access"}])
def test_what_is_not_this_devices_network_visit_is_left_out(stray: dict[str, Any]) -> None:
    card, [good] = scene({})
    assert assess_device(card, [{**good, **stray}], load_policy(), NOW)[0]["reason"] == "not_observed"


def test_a_name_alone_is_a_card() -> None:
    [found, *_rest] = assess_device({"name": "echo-004"}, [], load_policy(), NOW)
    assert (found["reason"], found["endpoint"]) == ("not_observed", None)
    _card, seen = scene({})
    found = {item["check"]: item for item in assess_device({"name": "echo-004"}, seen, load_policy(), NOW)}
    assert found["certificate_validity"]["endpoint"] == "https:443"
    assert found["certificate_name"]["reason"] == "expected_name_missing"


def test_now_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="now"):
        assess_device({"name": "x"}, [], load_policy(), datetime(2026, 11, 22))


def test_a_fleet_gives_each_device_its_own_and_its_peers_observations() -> None:
    card, seen = scene({"peer": {"leaf": {"not_after": "2026-11-01T00:00:00Z"}}})
    other = {**card, "name": "echo-005"}
    found = assess_devices([card, other], seen, load_policy(), NOW)
    assert [item["device"] for item in found] == ["echo-004"] * 26 + ["echo-005"] * 26
    expired = [(item["device"], item["endpoint"]) for item in found if item["reason"] == "expired"]
    assert expired == [("echo-004", "peer:pacs.hopital.example:2762"), ("echo-005", "peer:pacs.hopital.example:2762")]


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("sha256WithRSAEncryption", "sha256"), ("sha1WithRSAEncryption", "sha1"), ("SHA-1 with RSA", "sha1"),
        ("ecdsa-with-SHA512", "sha512"), ("ecdsa-with-SHA3-256", "sha3-256"),
        ("sha512-256WithRSAEncryption", "sha512-256"),
        ("rsassaPss-sha384", "sha384"), ("md5WithRSAEncryption", "md5"), ("md2WithRSAEncryption", "md2"),
        ("dsa-with-SHA1", "sha1"), ("ed25519", ""), ("Ed448", ""), ("ML-DSA-65", ""), ("rsassaPss", None),
        ("1.2.643.7.1.1.3.2", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_the_hash_of_a_signature_algorithm(algorithm: Any, expected: str | None) -> None:
    assert signature_hash(algorithm) == expected


# --- whatever comes in ---

NASTY = st.sampled_from(
    ["\ud800", "\x00\x1b[2J", "\u202egnp.exe", "{observed}", "", "2026-11-22T17:00:00Z", "accepted", "tls"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | NASTY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | NASTY, inner, max_size=3),
    max_leaves=8,
)
PARTS = {
    "visit": ("finished_at", "outcome", "reason", "detail", "endpoints", "ports", "clock", "source"),
    "seen": ("port", "service", "outcome", "versions", "chain", "trust", "error"),
    "leaf": tuple(base()["leaf"]),
    "card": ("names", "endpoints", "ports", "ports_allowed", "peers", "consent", "vendor_limits"),
}
PATHS = [(part, key) for part, keys in PARTS.items() for key in keys]


@settings(max_examples=400)
@given(changes=st.dictionaries(st.sampled_from(PATHS), JSON, max_size=4))
def test_no_input_breaks_the_judgement(changes: dict[tuple[str, str], Any]) -> None:
    parts = base()
    for (part, key), value in changes.items():
        parts[part][key] = value
    for found in assess_device(parts["card"], [observation(parts)], load_policy(), NOW):
        assert set(found) == KEYS
        reason = find_reason(found["check"], found["reason"])
        assert reason is not None and reason.status == found["status"]
        json.dumps(found, allow_nan=False).encode("utf-8")
        for language in ("fr", "en"):
            text = finding_message(found, language) + "".join(finding_actions(found, language))
            text.encode("utf-8")
            assert "\x1b" not in text and "\u202e" not in text


@given(
    outcome=st.sampled_from(
        [
            "not_tls",
            "refused",
            "silent",
            "reset",
            "closed",
            "unreachable",
            "starttls_refused",
            "starttls_unavailable",
            None,
        ]
    ),
    visit=st.sampled_from(["observed", "aborted", "unreachable", "skipped", None]),
)
def test_nothing_that_was_not_seen_passes(outcome: str | None, visit: str | None) -> None:
    row = {
        "seen": {"outcome": outcome, "chain": [], "versions": {}},
        "visit": {"outcome": visit, "ports": {}, "clock": {"samples": []}},
    }
    assert {found["status"] for found in judged(row)} <= {"not_assessed", "fail"}


@given(
    statuses=st.lists(
        st.sampled_from(["accepted", "refused", "undetermined", "no_answer", "not_tested"]), min_size=6, max_size=6
    )
)
def test_versions_pass_only_where_all_obsolete_ones_are_refused(statuses: list[str]) -> None:
    names = ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
    row = {"seen": {"versions": {name: {"status": status} for name, status in zip(names, statuses, strict=True)}}}
    [found] = [item for item in judged(row) if item["check"] == "tls_versions"]
    refused = all(status == "refused" for status in statuses[:4])
    assert (found["status"] == "pass") == (refused and "accepted" in statuses[4:])
    assert (found["status"] == "fail") == ("accepted" in statuses[:4])


@given(lifetime=st.integers(1, 4000 * 86400), left=st.integers(-1000 * 86400, 4000 * 86400), fixed=st.booleans())
def test_the_renewal_windows(lifetime: int, left: int, fixed: bool) -> None:
    left = min(left, lifetime)
    end = NOW.timestamp() + left
    dates = [datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (end - lifetime, end)]
    row = {
        "leaf": {"not_before": dates[0], "not_after": dates[1]},
        "policy": {"renewal_window": "fixed" if fixed else "relative"},
    }
    found = next(item for item in judged(row) if item["check"] == "certificate_validity")
    # In ninths of seconds, so that nothing is rounded.
    plan = 9 * 90 * 86400 if fixed else min(9 * 90 * 86400, 3 * lifetime)
    urgent = 9 * 30 * 86400 if fixed else min(9 * 30 * 86400, lifetime)
    if 9 * left in (plan, urgent):
        return
    expected = (
        "expired" if left < 0
        else "expires_urgently" if 9 * left < urgent
        else "expires_within_window" if 9 * left < plan
        else "valid"
    )  # fmt: skip
    assert found["reason"] == expected
    assert found["observed"]["literal_90_days"] == (left < 90 * 86400)
    assert (found["due"] is None) == (expected == "valid")
