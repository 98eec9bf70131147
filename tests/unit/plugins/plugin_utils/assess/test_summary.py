# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts, order and totals."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.summary import (
    summarize,
    summarize_device,
    verdict_of,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.fields import CRITICALITIES
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import SEVERITIES, load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data

NOW = datetime(2026, 11, 22, 18, tzinfo=timezone.utc)


def finding(status: str = "pass", severity: str = "info", **changes: Any) -> dict[str, Any]:
    return {
        "check": "certificate_validity",
        "device": "d",
        "endpoint": "https:443",
        "status": status,
        "severity": severity,
        "reason": "valid",
        "observed": {},
        "expected": {},
        "owner": "biomed",
        "due": None,
        "source": "network",
        "references": [],
        **changes,
    }


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ([], "incomplete"),
        (["pass"], "compliant"),
        (["not_applicable"], "compliant"),
        (["pass", "waived"], "compliant_with_waivers"),
        (["pass", "waived", "not_assessed"], "incomplete"),
        (["not_assessed"], "incomplete"),
        (["pass", "waived", "not_assessed", "fail"], "non_compliant"),
        (["fail"], "non_compliant"),
    ],
)
def test_the_verdict(statuses: list[str], verdict: str) -> None:
    line = summarize_device({"name": "d"}, [finding(status) for status in statuses])
    assert line["verdict"] == verdict
    assert sum(line["counts"].values()) == len(statuses)
    assert verdict_of(line["counts"]) == verdict


def test_a_devices_line() -> None:
    card = {"name": "d", "class": "imaging", "criticality": "high", "service": "Radiology", "inventory_number": "42"}
    found = [finding(), finding("fail", "medium"), finding("fail", "high"), finding("waived", "critical")]
    line = summarize_device(card, iter(found))
    assert line == {
        "device": "d",
        "verdict": "non_compliant",
        "seen": None,
        "seen_before": None,
        "worst_severity": "high",
        "class": "imaging",
        "criticality": "high",
        "service": "Radiology",
        "inventory_number": "42",
        "firmware": None,
        "priority": 3 * 3 * 1.5,
        "counts": {"pass": 1, "fail": 2, "not_applicable": 0, "not_assessed": 0, "waived": 1},
        "next": {
            "check": "certificate_validity",
            "reason": "valid",
            "owner": "biomed",
            "due": None,
            "endpoint": "https:443",
        },
        "findings": found,
    }


@pytest.mark.parametrize(
    ("findings", "first"),
    [
        ([finding()], None),
        ([finding("waived", "critical")], None),
        # the gravest first
        (
            [finding("fail", "medium", reason="a"), finding("fail", "critical", reason="b"), finding("not_assessed")],
            "b",
        ),
        # of equally grave ones the clock, since a wrong one explains the others
        (
            [
                finding("fail", "critical", reason="a", due="2026-01-01"),
                finding("fail", "critical", reason="b", check="clock_offset", endpoint=None),
            ],
            "b",
        ),
        ([finding("fail", "critical", reason="a"), finding("fail", "high", reason="b", check="clock_offset")], "a"),
        # then the nearest date
        (
            [
                finding("fail", "high", reason="a", due=None),
                finding("fail", "high", reason="b", due="2027-03-01"),
                finding("fail", "high", reason="c", due="2027-01-09"),
            ],
            "c",
        ),
        # then the checklist's order
        ([finding("fail", "high", reason="a", check="certificate_name"), finding("fail", "high", reason="b")], "b"),
        # where nothing fails, what to look at first
        (
            [
                finding("not_assessed", reason="a", check="label"),
                finding("not_assessed", reason="b", check="time_zone"),
            ],
            "b",
        ),
    ],
)
def test_what_comes_next(findings: list[dict[str, Any]], first: str | None) -> None:
    step = summarize_device({"name": "d"}, findings)["next"]
    assert (None if step is None else step["reason"]) == first


@pytest.mark.parametrize(
    ("card", "failure", "priority"),
    [
        ({}, {}, 0),
        ({}, {"severity": "critical"}, 4 * 2 * 1.5),
        ({"criticality": "critical"}, {"severity": "critical"}, 4 * 4 * 1.5),
        ({"criticality": "low", "in_use": False}, {"severity": "medium"}, 2),
        ({"criticality": "low", "in_use": True}, {"severity": "medium"}, 3),
        ({"criticality": ["x"], "in_use": "perhaps"}, {"severity": "low"}, 1 * 2 * 1.5),
        ({"in_use": False}, {"severity": "high", "reason": "insecure_service_open"}, 3 * 2 * 1.5),
        ({"in_use": False}, {"severity": "critical", "reason": "clock_at_epoch"}, 4 * 2 * 1.5),
        # A port in clear that a firewall hides can be used by nobody on the network.
        (
            {"in_use": False},
            {
                "severity": "high",
                "reason": "insecure_service_open",
                "observed": {"insecure": [{"port": 23}], "hidden_from_network": [{"port": 23}, {"port": 80}]},
            },
            3 * 2,
        ),
        (
            {"in_use": False},
            {
                "severity": "high",
                "reason": "insecure_service_open",
                "observed": {"insecure": [{"port": 23}, {"port": 21}], "hidden_from_network": [{"port": 23}]},
            },
            3 * 2 * 1.5,
        ),
    ],
)
def test_the_clinical_priority(card: dict[str, Any], failure: dict[str, Any], priority: float) -> None:
    found = [finding(), finding("waived", "critical"), finding("not_assessed")]
    found += [finding("fail", **failure)] if failure else []
    assert summarize_device({"name": "d", **card}, found)["priority"] == priority


def test_exposure_comes_before_what_is_as_grave() -> None:
    found = [finding("fail", "high", reason="a"), finding("fail", "high", reason="insecure_service_open")]
    step = summarize_device({"name": "d"}, found)["next"]
    assert step is not None and step["reason"] == "insecure_service_open"
    cards = [{"name": name, "criticality": "high", "in_use": name == "used"} for name in ("idle", "used")]
    failures = [finding("fail", "high", device=card["name"]) for card in cards]
    assert [line["device"] for line in summarize(failures, cards, NOW)["devices"]] == ["used", "idle"]


def test_the_table_of_priorities_names_reasons_that_fail() -> None:
    reasons = [item for check in load_checklist().checks for item in check.reasons.values()]
    failing = {reason.name for reason in reasons if reason.status == "fail"}
    table = load_data("rules/priority")
    assert set(table["exposure"]) <= failing
    assert tuple(table["severity"]) == SEVERITIES and set(table["criticality"]) == set(CRITICALITIES)


def test_the_order_of_devices() -> None:
    cards = [
        {"name": "b-compliant", "criticality": "critical"},
        {"name": "a-compliant", "criticality": "low"},
        {"name": "unknown-high"},
        {"name": "low-critical", "criticality": "low"},
        {"name": "critical-high", "criticality": "critical"},
        {"name": "critical-critical", "criticality": "critical"},
        {"name": "medium-critical", "criticality": "medium"},
        {"name": "odd-critical", "criticality": "enormous"},
        {"name": "aborted", "criticality": "low"},
        {"name": "peer-aborted", "criticality": "low"},
    ]
    severity = {
        "unknown-high": "high",
        "low-critical": "critical",
        "critical-high": "high",
        "critical-critical": "critical",
        "medium-critical": "critical",
        "odd-critical": "critical",
    }
    found = [finding("fail", grade, device=name) for name, grade in severity.items()]
    found.append(finding("not_assessed", device="aborted", reason="visit_aborted"))
    found.append(finding("not_assessed", device="peer-aborted", reason="visit_aborted", endpoint="peer:pacs:2762"))
    found += [finding(device="a-compliant"), finding(device="b-compliant", status="waived", severity="critical")]
    names = [line["device"] for line in summarize(found, cards, NOW)["devices"]]
    assert names == [
        "aborted",
        "critical-critical",
        "critical-high",
        "medium-critical",
        "odd-critical",
        "unknown-high",
        "low-critical",
        "a-compliant",
        "b-compliant",
        "peer-aborted",
    ]


def test_the_totals() -> None:
    found = [
        finding("fail", "critical", device="a"),
        finding("fail", "low", device="a"),
        finding(device="b"),
        finding("waived", "high", device="b"),
        finding("not_assessed", device="c"),
    ]
    summary = summarize(found, [{"name": name} for name in "abcd"], NOW)
    assert summary["schema_version"] == 1
    assert summary["generated_at"] == "2026-11-22T18:00:00Z"
    assert summary["totals"] == {
        "devices": 4,
        "verdicts": {"non_compliant": 1, "incomplete": 2, "compliant_with_waivers": 1, "compliant": 0},
        "findings": {"pass": 1, "fail": 2, "not_applicable": 0, "not_assessed": 1, "waived": 1},
        "failures": {"critical": 1, "high": 0, "medium": 0, "low": 1, "info": 0},
    }
    assert json.loads(json.dumps(summary)) == summary


def test_nothing_is_dropped_in_silence() -> None:
    summary = summarize([finding("fail", "high", device="stranger")], [{"name": "silent"}], NOW)
    lines = {line["device"]: line for line in summary["devices"]}
    assert lines["silent"]["verdict"] == "incomplete" and lines["silent"]["next"] is None
    assert lines["stranger"]["verdict"] == "non_compliant" and lines["stranger"]["class"] is None


def ends(device: str, authority: str, fingerprint: str, **changes: Any) -> dict[str, Any]:
    observed = {
        "authority": authority,
        "authority_fingerprint_sha256": fingerprint,
        "not_after": "2026-12-02T18:00:00Z",
    }
    changes = {"reason": "authority_expires_urgently", "owner": "it", "device": device, **changes}
    return {**finding(changes.pop("status", "fail"), "high"), "observed": observed, **changes}


def test_an_authority_that_ends_is_one_cause_for_all_its_devices() -> None:
    found = [
        ends("b", "CN=Issuing", "01"),
        ends("a", "CN=Issuing", "01"),
        ends("a", "CN=Issuing", "01", endpoint="peer:pacs:2762"),
        ends("c", "CN=Issuing", "02"),
        ends("d", "CN=Issuing", "01", status="pass"),
        ends("e", "CN=Issuing", "01", status="waived"),
    ]
    told = summarize(found, [{"name": name} for name in "abcde"], NOW)["authorities"]
    assert [(entry["fingerprint_sha256"], entry["devices"], entry["owner"]) for entry in told] == [
        ("01", ["a", "b"], "it"),
        ("02", ["c"], "it"),
    ]
    assert told[0]["authority"] == "CN=Issuing" and told[0]["not_after"] == "2026-12-02T18:00:00Z"


def test_a_device_that_fell_silent_stands_before_other_aborted_visits() -> None:
    aborted = finding("not_assessed", reason="visit_aborted")
    silent = {**aborted, "device": "z", "observed": {"visit_reason": "stopped_answering"}}
    late = {**aborted, "device": "a", "observed": {"visit_reason": "visit_time_over"}}
    peer = {**silent, "device": "b", "endpoint": "peer:pacs:2762"}
    weights = (("a", "critical"), ("b", "critical"), ("z", "low"))
    devices = [{"name": name, "criticality": level} for name, level in weights]
    assert [line["device"] for line in summarize([silent, late, peer], devices, NOW)["devices"]] == ["z", "a", "b"]
