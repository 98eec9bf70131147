# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy: the hospital's values over the built-in ones, and a clear refusal of everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import (
    PolicyError,
    describe_policy,
    load_policy,
    weakened,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data

KEYS = {
    "renewal_window", "plan_days", "urgent_days", "plan_fraction", "urgent_fraction", "clock_offset_tolerance",
    "clock_agreement_slack", "clock_epoch_last_year", "min_rsa_bits", "min_ec_bits", "allowed_key_types",
    "weak_signature_hashes", "obsolete_tls_versions", "insecure_services", "observation_max_age_days",
    "tls_failures_repeated", "config_backup_max_age_days", "trust_store_roots", "cipher_preset",
    "fail_when_unseen", "ntp_correction_max_age_days",
}  # fmt: skip


def test_the_built_in_values() -> None:
    policy = load_policy()
    assert set(policy) == KEYS
    assert (policy["plan_days"], policy["urgent_days"]) == (90, 30)
    assert policy["plan_fraction"] * 3 == pytest.approx(1) and policy["urgent_fraction"] * 9 == pytest.approx(1)
    assert policy["renewal_window"] == "relative"
    assert policy["clock_offset_tolerance"] == 30
    assert (policy["min_rsa_bits"], policy["min_ec_bits"]) == (2048, 224)
    assert policy["obsolete_tls_versions"] == ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"]
    assert set(policy["weak_signature_hashes"]) == {"md2", "md4", "md5", "sha1"}
    services = {name: policy["insecure_services"][name][0] for name in ("telnet", "ftp", "http", "rsh")}
    assert services == {"telnet": 23, "ftp": 21, "http": 80, "rsh": 514}
    assert policy["observation_max_age_days"] == 7
    assert (policy["tls_failures_repeated"], policy["config_backup_max_age_days"]) == (5, 365)
    assert policy["trust_store_roots"] == []
    assert json.loads(json.dumps(policy)) == policy


@pytest.mark.parametrize("nothing", [None, {}])
def test_nothing_overridden(nothing: Any) -> None:
    assert load_policy(nothing) == load_policy()


@pytest.mark.parametrize(
    ("overrides", "key", "expected"),
    [
        ({"plan_days": 120}, "plan_days", 120),
        ({"plan_days": 45.5}, "plan_days", 45.5),
        ({"plan_fraction": 0.4}, "plan_fraction", 0.4),
        ({"plan_fraction": "1/2"}, "plan_fraction", 0.5),
        ({"renewal_window": "fixed"}, "renewal_window", "fixed"),
        ({"allowed_key_types": ["ec"]}, "allowed_key_types", ["ec"]),
        ({"weak_signature_hashes": []}, "weak_signature_hashes", []),
        ({"clock_offset_tolerance": 0}, "clock_offset_tolerance", 0),
        ({"tls_failures_repeated": 1}, "tls_failures_repeated", 1),
        ({"plan_fraction": 0.01, "urgent_fraction": 0.01}, "plan_fraction", 0.01),
        ({"urgent_days": 90}, "urgent_days", 90),
        (
            {"fail_when_unseen": {"criticalities": dict.fromkeys(("critical", "high", "medium", "low"), 1)}},
            "fail_when_unseen",
            {
                "all": 0.5,
                "vantages": True,
                "wards": {},
                "criticalities": dict.fromkeys(("critical", "high", "medium", "low"), 1),
            },
        ),
        (
            {"fail_when_unseen": {"wards": {"Imaging": 0.2}, "all": 0}},
            "fail_when_unseen",
            {"all": 0, "vantages": True, "wards": {"Imaging": 0.2}, "criticalities": {}},
        ),
        (
            {"trust_store_roots": ["AB:" * 31 + "AB", "sha256:" + "cd" * 32]},
            "trust_store_roots",
            ["ab" * 32, "cd" * 32],
        ),
    ],
)
def test_values_that_are_taken(overrides: dict[str, Any], key: str, expected: Any) -> None:
    policy = load_policy(overrides)
    assert policy[key] == expected
    assert {name: value for name, value in policy.items() if name not in overrides} == {
        name: value for name, value in load_policy().items() if name not in overrides
    }


def test_services_merge_one_by_one() -> None:
    given = {"http": None, "ftp": [21, 2121], "modbus": [502], "ends": [1, 65535]}
    services = load_policy({"insecure_services": given})["insecure_services"]
    assert "http" not in services
    assert (services["ftp"], services["modbus"], services["telnet"]) == ([21, 2121], [502], [23])
    assert services["ends"] == [1, 65535]


def test_a_policy_changes_nothing_for_the_next_one() -> None:
    load_policy()["insecure_services"]["telnet"].append(9)
    load_policy()["allowed_key_types"].append("x")
    load_policy({"insecure_services": {"telnet": None}})
    assert load_policy()["insecure_services"]["telnet"] == [23]
    assert "x" not in load_policy()["allowed_key_types"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"plan_day": 120}, ["policy.plan_day", "plan_days"]),
        ({"zzz": 1}, ["policy.zzz", "renewal_window", "observation_max_age_days"]),
        ({7: 1}, ["policy.7"]),
        ({"renewal_window": "fix"}, ["policy.renewal_window", "relative", "fixed?"]),
        ({"renewal_window": ["fixed"]}, ["policy.renewal_window"]),
        ({"plan_days": "120"}, ["policy.plan_days", "a number (days)", "at least 1"]),
        ({"plan_days": True}, ["policy.plan_days"]),
        ({"plan_days": 0}, ["policy.plan_days"]),
        ({"plan_days": float("nan")}, ["policy.plan_days"]),
        ({"plan_days": float("inf")}, ["policy.plan_days"]),
        ({"plan_days": None}, ["policy.plan_days"]),
        ({"min_rsa_bits": 2048.5}, ["policy.min_rsa_bits", "an integer (bits)"]),
        ({"plan_fraction": 0}, ["policy.plan_fraction", "1/3"]),
        ({"plan_fraction": 1}, ["policy.plan_fraction"]),
        ({"plan_fraction": "a third"}, ["policy.plan_fraction"]),
        ({"plan_fraction": "1/0"}, ["policy.plan_fraction"]),
        ({"plan_fraction": float("nan")}, ["policy.plan_fraction"]),
        ({"allowed_key_types": "rsa"}, ["policy.allowed_key_types", "ed25519"]),
        ({"allowed_key_types": ["rsa", "rot13"]}, ["policy.allowed_key_types"]),
        ({"obsolete_tls_versions": ["TLS 1.0"]}, ["policy.obsolete_tls_versions", "TLSv1.0"]),
        ({"insecure_services": ["telnet"]}, ["policy.insecure_services", "null"]),
        ({"insecure_services": {"telnet": 23}}, ["policy.insecure_services"]),
        ({"insecure_services": {"telnet": [0]}}, ["policy.insecure_services"]),
        ({"insecure_services": {"telnet": [65536]}}, ["policy.insecure_services"]),
        ({"allowed_key_types": 7}, ["policy.allowed_key_types"]),
        ({"allowed_key_types": {"rsa": 1}}, ["policy.allowed_key_types"]),
        ({"insecure_services": {"telnet": [True]}}, ["policy.insecure_services"]),
        ({"insecure_services": {5: [23]}}, ["policy.insecure_services"]),
        ({"trust_store_roots": "ab" * 32}, ["policy.trust_store_roots", "64 hexadecimal digits"]),
        ({"trust_store_roots": ["ab" * 20]}, ["policy.trust_store_roots"]),
        ({"trust_store_roots": [None]}, ["policy.trust_store_roots"]),
        ({"tls_failures_repeated": 0}, ["policy.tls_failures_repeated", "at least 1"]),
        # Numbers beyond reason, and what would take hours to compute or cannot even be written.
        ({"clock_offset_tolerance": 86401}, ["policy.clock_offset_tolerance", "at most 86400"]),
        ({"clock_offset_tolerance": 1e300}, ["policy.clock_offset_tolerance"]),
        ({"clock_agreement_slack": 1e9}, ["policy.clock_agreement_slack", "at most 3600"]),
        ({"tls_failures_repeated": 10**9}, ["policy.tls_failures_repeated", "at most 10000"]),
        ({"min_rsa_bits": 10**5000}, ["policy.min_rsa_bits", "this number"]),
        ({"observation_max_age_days": 100_000}, ["policy.observation_max_age_days", "at most 366"]),
        ({"plan_fraction": 1e-9}, ["policy.plan_fraction", "at least 0.01"]),
        ({"plan_fraction": "1e-999999999"}, ["policy.plan_fraction"]),
        ({"plan_fraction": "1/99999999999"}, ["policy.plan_fraction"]),
        ({"urgent_fraction": 10**400}, ["policy.urgent_fraction"]),
        ({"insecure_services": {"telnet": [10**50]}}, ["policy.insecure_services"]),
        ({"renewal_window": "x" * 10_000}, ["policy.renewal_window", "…"]),
        ({"fail_when_unseen": False}, ["policy.fail_when_unseen", "all: a share from 0 to 1"]),
        ({"fail_when_unseen": {"all": 1.1}}, ["policy.fail_when_unseen"]),
        ({"fail_when_unseen": {"all": None}}, ["policy.fail_when_unseen"]),
        ({"fail_when_unseen": {"all": True}}, ["policy.fail_when_unseen"]),
        ({"fail_when_unseen": {"all": float("nan")}}, ["policy.fail_when_unseen"]),
        ({"fail_when_unseen": {"vantages": 1}}, ["policy.fail_when_unseen"]),
        ({"fail_when_unseen": {"ward": {"x": 0.5}}}, ["policy.fail_when_unseen"]),
        ({"fail_when_unseen": {"wards": {"x": -1}}}, ["policy.fail_when_unseen"]),
        ({"fail_when_unseen": {"wards": {5: 0.1}}}, ["policy.fail_when_unseen"]),
        ({"fail_when_unseen": {"criticalities": {"vital": 0}}}, ["policy.fail_when_unseen", "critical, high"]),
        ({"urgent_days": 91}, ["policy.urgent_days", "plan_days (90)"]),
        ({"plan_fraction": 0.05}, ["policy.urgent_fraction", "plan_fraction"]),
        (["plan_days"], ["policy: a mapping", "list"]),
        ("plan_days", ["policy: a mapping", "str"]),
    ],
)
def test_what_is_refused_is_named(overrides: Any, said: list[str]) -> None:
    with pytest.raises(PolicyError) as refusal:
        load_policy(overrides)
    for words in said:
        assert words in str(refusal.value)
    assert isinstance(refusal.value, ValueError)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({}, []),
        # stricter, or no milder than the floor
        ({"plan_days": 3650, "clock_offset_tolerance": 0, "min_rsa_bits": 16384, "allowed_key_types": []}, []),
        ({"plan_days": 30, "urgent_days": 7, "clock_offset_tolerance": 300, "plan_fraction": 0.12}, []),
        ({"obsolete_tls_versions": ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2"]}, []),
        ({"cipher_preset": "anssi"}, []),
        ({"insecure_services": {"modbus": [502], "ftp": [21, 2121]}}, []),
        ({"fail_when_unseen": {"all": 0.1, "wards": {"x": 1}}}, []),
        # switched off, or beyond the floor
        ({"weak_signature_hashes": []}, [("weak_signature_hashes", ["md2", "md4", "md5", "sha1"])]),
        ({"weak_signature_hashes": ["md2", "md4", "md5"]}, [("weak_signature_hashes", ["sha1"])]),
        ({"obsolete_tls_versions": ["SSLv2", "SSLv3"]}, [("obsolete_tls_versions", ["TLSv1.0", "TLSv1.1"])]),
        ({"allowed_key_types": ["rsa", "dsa"]}, [("allowed_key_types", ["dsa"])]),
        ({"insecure_services": {"http": None}}, [("insecure_services", ["http 80", "http 8080"])]),
        ({"insecure_services": {"http": [80], "telnet": []}}, [("insecure_services", ["telnet 23", "http 8080"])]),
        ({"fail_when_unseen": {"all": 1, "vantages": False}}, [("fail_when_unseen", ["all", "vantages"])]),
        ({"cipher_preset": "legacy_device"}, [("cipher_preset", ["legacy_device"])]),
        ({"plan_days": 29, "urgent_days": 7}, [("plan_days", 30)]),
        ({"urgent_days": 6.9}, [("urgent_days", 7)]),
        ({"plan_fraction": "1/11", "urgent_fraction": 0.029}, [("plan_fraction", 0.1), ("urgent_fraction", 0.03)]),
        ({"clock_offset_tolerance": 300.5}, [("clock_offset_tolerance", 300)]),
        ({"clock_agreement_slack": 61}, [("clock_agreement_slack", 60)]),
        ({"min_rsa_bits": 2047}, [("min_rsa_bits", 2048)]),
        ({"min_ec_bits": 223}, [("min_ec_bits", 224)]),
        ({"observation_max_age_days": 32}, [("observation_max_age_days", 31)]),
        ({"tls_failures_repeated": 51}, [("tls_failures_repeated", 50)]),
        ({"config_backup_max_age_days": 731}, [("config_backup_max_age_days", 730)]),
    ],
)
def test_a_weakened_policy_is_told(overrides: dict[str, Any], told: list[tuple[str, Any]]) -> None:
    policy = load_policy(overrides)
    found = weakened(policy)
    assert [(item["key"], item.get("limit", item.get("entries"))) for item in found] == told
    assert all(item["value"] == policy[item["key"]] for item in found)


def test_each_key_says_what_would_weaken_it() -> None:
    for key, spec in load_data("rules/policy").items():
        assert "weak" in spec, f"{key}: from where on is it told? null if never"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_key_is_described(language: str) -> None:
    rows = describe_policy(language)
    assert [row["key"] for row in rows] == list(load_data("rules/policy"))
    for row in rows:
        assert len(row["description"]) > 15 and row["accepts"]


def test_a_policy_of_no_language() -> None:
    with pytest.raises(ValueError, match="language"):
        describe_policy("de")


def test_every_preset_of_the_policy_has_its_rules() -> None:
    presets = load_data("checks/cipher_presets")
    assert list(presets) == load_data("rules/policy")["cipher_preset"]["choices"]
    for preset in presets.values():
        assert set(preset) == {"refused", "min_dh_bits", "min_ec_bits", "title"}
