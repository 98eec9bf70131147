# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins and access checks: their form, a device that is compliant at last, and any mixture of sources."""

from __future__ import annotations

import copy
import itertools
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.login_schema import faults

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.device import assess_device
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.settle import CONTRADICTIONS, settle
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.summary import summarize_device
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.table import CERTIFICATE, checks_in_order
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import find_reason, load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.messages import finding_actions, finding_message

HERE = Path(__file__)
NOW = datetime(2026, 11, 22, 18, tzinfo=timezone.utc)
LOGINS = yaml.safe_load((HERE.parents[1] / "assess" / "login_observations.yml").read_text(encoding="utf-8"))


def leaf(**changes: Any) -> dict[str, Any]:
    return {
        "subject": "CN=echo-004",
        "issuer": "CN=Hospital Root",
        "serial_number": "01",
        "not_before": "2026-08-19T18:00:00Z",
        "not_after": "2027-08-19T18:00:00Z",
        "key": {"type": "EC", "bits": 256, "curve": "secp256r1"},
        "signature_algorithm": "ecdsa-with-SHA256",
        "names": {"dns": ["echo-004.hopital.example"], "ip": []},
        "common_name": None,
        "is_ca": False,
        "fingerprint_sha256": "ab" * 32,
        "pem": "",
        **changes,
    }


def network() -> dict[str, Any]:
    refused, accepted = {"status": "refused", "evidence": "alert:70"}, {"status": "accepted"}
    return {
        "schema_version": 1,
        "device": "echo-004",
        "source": "network",
        "vantage": "localhost",
        "started_at": "2026-11-22T16:59:58Z",
        "finished_at": "2026-11-22T17:00:00Z",
        "outcome": "observed",
        "reason": None,
        "endpoints": [
            {
                "port": 443,
                "service": "https",
                "outcome": "tls",
                "versions": {
                    **dict.fromkeys(("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"), refused),
                    **dict.fromkeys(("TLSv1.2", "TLSv1.3"), accepted),
                },
                "negotiated": {"version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256"},
                "chain": [leaf()],
                "trust": {"status": "trusted", "anchor": "CN=Hospital Root", "detail": ""},
            }
        ],
        "ports": {"23": "closed", "80": "closed"},
        "clock": {
            "samples": [{"source": "http_date", "offset_seconds": 0.4, "uncertainty_seconds": 0.6, "evidence": True}]
        },
    }


def card(**changes: Any) -> dict[str, Any]:
    return {
        "name": "echo-004",
        "names": ["echo-004.hopital.example"],
        "endpoints": [{"port": 443, "service": "https"}],
        "ports": [{"port": 23}, {"port": 80}],
        "criticality": "high",
        **LOGINS["card"],
        **changes,
    }


def gateway(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(LOGINS["gateway"]), **changes}


def attested(*checks: str) -> list[dict[str, Any]]:
    return [
        {
            "check": check,
            "device": "echo-004",
            "result": "pass",
            "by": "A. Martin",
            "on": "2026-11-20",
            "until": "2027-11-20",
        }
        for check in checks
    ]


def whole() -> list[dict[str, Any]]:
    """All that can be seen of a healthy device."""
    file = {**LOGINS["certificate_file"], "chain": [leaf(subject="CN=echo-004 client")]}
    return [network(), gateway(certificate_files=[file]), LOGINS["access"]]


# --- their form ---


@pytest.mark.parametrize("entry", [*whole()[1:], gateway(source="appliance")], ids=lambda entry: entry["source"])
def test_the_observations_of_the_tests_keep_to_the_schema(entry: dict[str, Any]) -> None:
    assert faults(entry) == []


def test_a_login_that_failed_keeps_to_the_schema() -> None:
    head = {key: value for key, value in LOGINS["gateway"].items() if key in network()}
    head.pop("clock")
    assert faults({**head, "outcome": "unreachable", "reason": "no_answer"}) == []
    assert faults({**head, "outcome": "unreachable", "reason": None})
    assert faults(head)


@pytest.mark.parametrize(
    "spoilt",
    [
        gateway(subsets={"clok": {"status": "ok"}}),
        gateway(subsets={"clock": {"status": "fine"}}),
        gateway(source="network"),
        gateway(accounts=[{"name": "root", "can_login": True, "password": "$6$abc"}]),
        gateway(accounts=[{"name": "root", "can_login": True, "password": "set", "hash": "x"}]),
        gateway(trust_stores=[{"kind": "java", "path": "/a", "readable": True, "fingerprints_sha256": ["AB"]}]),
        gateway(certificate_files=[{**LOGINS["certificate_file"], "chain": [{"subject": "x"}]}]),
        gateway(listening=[{"protocol": "tcp", "address": "::", "port": 0}]),
        {**LOGINS["access"], "default_passwords": [{**LOGINS["access"]["default_passwords"][0], "password": "x"}]},
        {**LOGINS["access"], "admin_interface": [{"service": "ssh", "port": 22, "as": "root", "result": "refused"}]},
    ],
)  # fmt: skip
def test_the_schema_bites(spoilt: dict[str, Any]) -> None:
    assert faults(spoilt)


# --- compliant, at last ---


def verdict(observations: list[dict[str, Any]], attestations: Any = (), waivers: Any = (), **changes: Any) -> str:
    findings = assess_device(card(**changes), observations, load_policy(), NOW, attestations, waivers)
    return str(summarize_device(card(**changes), findings)["verdict"])


def test_a_device_that_was_looked_at_whole_is_compliant_and_one_can_tell_why() -> None:
    findings = assess_device(card(), whole(), load_policy(), NOW, attested("label", "cmms_record"))
    line = summarize_device(card(), findings)
    assert [item for item in findings if item["status"] != "pass"] == []
    assert (line["verdict"], line["next"], line["priority"], line["worst_severity"]) == ("compliant", None, 0, None)
    assert {item["check"] for item in findings} == {check.name for check in load_checklist().checks}
    sources = {item["check"]: item["source"] for item in findings if item["endpoint"] in (None, "https:443")}
    assert sources == {
        **dict.fromkeys(
            (
                "certificate_validity", "certificate_signature", "certificate_key", "certificate_trust",
                "certificate_name", "tls_versions", "tls_cipher",
            ),
            "network",
        ),
        **dict.fromkeys(
            (
                "clock_offset", "time_zone", "ntp_client", "stale_accounts", "tls_failure_logs", "open_ports",
                "config_backup", "trust_store",
            ),
            "gateway",
        ),
        **dict.fromkeys(("default_passwords", "admin_interface"), "access"),
        **dict.fromkeys(("label", "cmms_record"), "attestation"),
    }  # fmt: skip
    files = {item["check"]: item["source"] for item in findings if item["endpoint"] == "client:/etc/stunnel/client.pem"}
    assert files == dict.fromkeys(("certificate_validity", "certificate_signature", "certificate_key"), "gateway")


def test_each_thing_that_is_missing_makes_it_incomplete() -> None:
    both = attested("label", "cmms_record")
    assert verdict(whole(), both) == "compliant"
    for index in range(3):
        assert verdict([entry for position, entry in enumerate(whole()) if position != index], both) == "incomplete"
    for missing in ("label", "cmms_record"):
        assert verdict(whole(), attested(missing)) == "incomplete"
    for key in ("time_zone", "ntp_servers", "accounts", "trust_anchors_sha256"):
        assert verdict(whole(), both, **{key: None}) == "incomplete", key
    for subset in (
        "time_zone",
        "ntp",
        "accounts",
        "tls_failures",
        "trust_stores",
        "config_backup",
        "certificate_files",
    ):
        login = gateway(**{subset: None})
        login["subsets"][subset] = {"status": "failed", "detail": "x"}
        assert verdict([network(), login, LOGINS["access"]], both) == "incomplete", subset


def test_an_accepted_failure_is_told_in_the_verdict_and_a_new_one_is_not_accepted() -> None:
    both = attested("label", "cmms_record")
    waiver = {"check": "config_backup", "group": "imaging", "reason": "backup_missing", "justification": "j",
              "approver": "a", "until": "2026-12-31"}  # fmt: skip
    for backup, reached in (
        ({"made_at": None}, "compliant_with_waivers"),
        ({"made_at": "2020-01-01"}, "non_compliant"),
    ):
        seen = [network(), gateway(config_backup=backup), LOGINS["access"]]
        assert verdict(seen, both, [waiver], groups=["imaging"]) == reached
        assert verdict(seen, both, [waiver], groups=["laboratory"]) == "non_compliant"


def test_a_client_alone_shows_its_own_certificate() -> None:
    """What it uses as a client stands for the certificate that it does not serve."""
    findings = assess_device(card(endpoints=[]), [gateway(), *whole()[1:]], load_policy(), NOW)
    checks = [line.check.name for line in checks_in_order() if line.kind == CERTIFICATE]
    assert len(checks) == 3
    endpoints = {check: {item["endpoint"] for item in findings if item["check"] == check} for check in checks}
    assert endpoints == {check: {"client:/etc/stunnel/client.pem"} for check in checks}
    unseen = assess_device(card(endpoints=[]), [gateway()], load_policy(), NOW)
    assert [item["reason"] for item in unseen if item["check"] == "certificate_validity"] == ["endpoint_not_declared"]


def by_check(findings: list[dict[str, Any]], endpoint: str) -> dict[str, str]:
    return {item["check"]: item["reason"] for item in findings if item["endpoint"] == endpoint}


def test_a_file_that_two_services_name_is_as_exposed_as_the_worse_of_its_keys() -> None:
    safe = {**LOGINS["certificate_file"], "chain": [leaf()]}
    exposed = {**safe, "key_safe": False}
    for files in ([safe, exposed], [exposed, safe]):
        found = assess_device(card(), [gateway(certificate_files=files)], load_policy(), NOW)
        assert by_check(found, "client:/etc/stunnel/client.pem") == {
            "certificate_validity": "valid",
            "certificate_signature": "signature_strong",
            "certificate_key": "key_file_exposed",
        }


def test_a_file_without_a_certificate_is_told_once() -> None:
    empty = {**LOGINS["certificate_file"], "chain": []}
    found = assess_device(card(), [gateway(certificate_files=[empty])], load_policy(), NOW)
    assert by_check(found, "client:/etc/stunnel/client.pem") == {"certificate_validity": "certificate_file_unreadable"}
    found = assess_device(card(), [gateway(certificate_files=[{**empty, "key_safe": False}])], load_policy(), NOW)
    assert by_check(found, "client:/etc/stunnel/client.pem")["certificate_key"] == "key_file_exposed"


def test_a_partial_login_does_not_hide_a_fuller_one_of_another_source() -> None:
    clock_only = gateway(source="appliance", finished_at="2026-11-22T17:30:00Z", subsets={"clock": {"status": "ok"}})
    for key in set(LOGINS["gateway"]["subsets"]) - {"clock"}:
        clock_only.pop(key)
    found = {item["check"]: item for item in assess_device(card(), [gateway(), clock_only], load_policy(), NOW)}
    assert found["time_zone"]["reason"] == "time_zone_right" and found["time_zone"]["source"] == "gateway"


def test_a_later_run_that_tried_nothing_does_not_hide_an_open_factory_password() -> None:
    entry = {"service": "ssh", "port": 22, "account": "admin", "result": "accepted", "detail": ""}
    opened = {**LOGINS["access"], "default_passwords": [entry]}
    in_use = {
        **{key: opened[key] for key in ("schema_version", "device", "source", "vantage")},
        "outcome": "skipped",
        "reason": "device_in_use",
        **dict.fromkeys(("started_at", "finished_at"), "2026-11-22T17:59:00Z"),
    }
    found = {item["check"]: item for item in assess_device(card(), [opened, in_use], load_policy(), NOW)}
    assert found["default_passwords"]["reason"] == "default_password_accepted"


# --- any mixture of sources ---

CLOCK = load_checklist().by_name["clock_offset"]
CLOCK_REASONS = st.sampled_from([*CLOCK.reasons, "not_observed", "login_needed", "login_subset_failed"])
VERDICTS = st.lists(
    st.builds(Verdict, CLOCK_REASONS, source=st.sampled_from(["network", "gateway", "appliance"])),
    min_size=1,
    max_size=4,
)


def weight(reason: str) -> tuple[bool, int, bool, bool]:
    known = find_reason("clock_offset", reason)
    assert known is not None
    severity = {"critical": 4, "high": 3, "medium": 2, "low": 1}.get(known.severity, 0)
    return (known.status == "fail", severity, reason in CONTRADICTIONS, known.status == "pass")


@given(VERDICTS)
def test_the_worse_one_counts_whatever_the_order(verdicts: list[Verdict]) -> None:
    reached = {weight(settle(CLOCK, order).reason) for order in itertools.permutations(verdicts)}
    assert reached == {max(weight(item.reason) for item in verdicts)}


@given(VERDICTS)
def test_that_they_disagree_is_told_if_and_only_if_they_do(verdicts: list[Verdict]) -> None:
    settled = settle(CLOCK, verdicts)
    seen = {item.reason for item in verdicts if weight(item.reason) > (False, 0, False, False)}
    told = settled.observed.get("sources_disagree")
    assert (told is not None) == (len(seen) > 1)
    if told is not None:
        assert {entry["reason"] for entry in told} == seen
        assert settled.reason in seen


@given(
    st.floats(-200, 200, allow_nan=False),
    st.floats(-200, 200, allow_nan=False),
    st.floats(0, 20, allow_nan=False),
    st.floats(0, 20, allow_nan=False),
)
def test_a_clock_passes_only_where_no_source_says_otherwise(
    one: float, other: float, first: float, second: float
) -> None:
    seen, login = network(), gateway()
    for observation, offset, uncertainty in ((seen, one, first), (login, other, second)):
        observation["clock"]["samples"][0].update(offset_seconds=offset, uncertainty_seconds=uncertainty)
    alone = [
        next(item for item in assess_device(card(), [entry], load_policy(), NOW) if item["check"] == "clock_offset")
        for entry in (seen, login)
    ]
    [both] = [
        item for item in assess_device(card(), [seen, login], load_policy(), NOW) if item["check"] == "clock_offset"
    ]
    statuses = {item["status"] for item in alone}
    if abs(one - other) > first + second + 5:
        assert (both["status"] == "fail") == ("fail" in statuses)
        assert ("sources_disagree" in both["observed"]) == (statuses == {"pass", "fail"})
    elif both["status"] == "pass":
        assert "fail" not in statuses
    low = max(one - first, other - second)
    high = min(one + first, other + second)
    if low <= high and both["status"] == "fail":
        assert high < -30 or low > 30


PORTS = st.sets(st.sampled_from([22, 23, 80, 443, 9000]))


@given(answering=PORTS, listening=PORTS, allowed=PORTS)
def test_a_port_that_either_side_shows_is_open(answering: set[int], listening: set[int], allowed: set[int]) -> None:
    seen = network()
    seen["endpoints"] = []
    seen["ports"] = {str(port): "open" if port in answering else "closed" for port in (22, 23, 80, 443, 9000)}
    login = gateway(listening=[{"protocol": "tcp", "address": "::", "port": port} for port in listening])
    device = card(ports_allowed=sorted(allowed))
    [found] = [
        item for item in assess_device(device, [seen, login], load_policy(), NOW) if item["check"] == "open_ports"
    ]
    opened = answering | listening
    expected = (
        "insecure_service_open" if opened & {23, 80}
        else "port_not_allowed" if opened - allowed - {443}
        else "only_allowed_ports"
    )  # fmt: skip
    assert found["reason"] == expected
    named = {
        key: {entry["port"] for entry in found["observed"][key]}
        for key in ("open", "unknown_to_device", "hidden_from_network")
    }
    assert named == {
        "open": opened,
        "unknown_to_device": answering - listening,
        "hidden_from_network": listening - answering,
    }


# --- whatever comes in ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["\ud800", "\x1b[2J", "ok", "", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "status", "port", "path", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
PATHS = [
    *((source, key) for source in ("gateway", "access") for key in LOGINS[source]),
    *(("gateway", "subsets", key) for key in LOGINS["gateway"]["subsets"]),
    *(
        ("gateway", part, key)
        for part in ("time_zone", "ntp", "tls_failures", "config_backup", "clock")
        for key in LOGINS["gateway"][part]
    ),
    *(
        ("gateway", part, 0, key)
        for part in ("accounts", "listening", "trust_stores", "certificate_files")
        for key in (LOGINS["certificate_file"] if part == "certificate_files" else LOGINS["gateway"][part][0])
    ),
    *(
        ("access", part, 0, key)
        for part in ("default_passwords", "admin_interface")
        for key in LOGINS["access"][part][0]
    ),
    *(("card", key) for key in (*LOGINS["card"], "groups")),
]


@settings(max_examples=300)
@given(changes=st.lists(st.tuples(st.sampled_from(PATHS), JSON), max_size=4))
def test_no_login_breaks_the_judgement(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    file = {**LOGINS["certificate_file"], "chain": [leaf()]}
    parts: dict[str, Any] = {
        "gateway": gateway(certificate_files=[file]),
        "access": copy.deepcopy(LOGINS["access"]),
        "card": card(groups=["imaging"]),
    }
    for path, value in changes:
        holder: Any = parts
        for key in path[:-1]:
            try:
                holder = holder[key]
            except (TypeError, LookupError):
                holder = {}
        if isinstance(holder, dict):
            holder[path[-1]] = value
    waivers = [{"check": "label", "group": "imaging", "reason": "attested_fail", "justification": "j", "approver": "a",
                "until": "2027-01-01"}]  # fmt: skip
    for found in assess_device(parts["card"], [parts["gateway"], parts["access"]], load_policy(), NOW, (), waivers):
        reason = find_reason(found["check"], found["reason"])
        assert reason is not None and reason.status == found["status"]
        json.dumps(found, allow_nan=False).encode("utf-8")
        for language in ("fr", "en"):
            text = finding_message(found, language) + "".join(finding_actions(found, language))
            text.encode("utf-8")
            assert "\x1b" not in text
