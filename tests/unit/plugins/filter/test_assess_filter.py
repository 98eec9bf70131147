# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two filters: the right calls go through, the wrong ones are refused in one sentence."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.biomed.cert_hygiene.plugins.filter import assess as assess_module
from ansible_collections.biomed.cert_hygiene.plugins.filter import summarize as summarize_module
from ansible_collections.biomed.cert_hygiene.plugins.filter.assess import assess
from ansible_collections.biomed.cert_hygiene.plugins.filter.summarize import summarize

NOW = "2026-11-22T18:00:00Z"
EXAMPLE = yaml.safe_load(assess_module.EXAMPLES)
OBSERVATIONS = EXAMPLE[0]["vars"]["observations"]
DEVICES = EXAMPLE[0]["vars"]["devices"]


def test_the_documented_example_is_true() -> None:
    found = assess(OBSERVATIONS, DEVICES, now=NOW)
    assert (found[0]["check"], found[0]["reason"], found[0]["due"]) == (
        "certificate_validity", "expires_within_window", "2027-01-21",
    )  # fmt: skip
    assert [line for line in EXAMPLE[1]["ansible.builtin.assert"]["that"] if "==" in line] == [
        "findings[0].check == 'certificate_validity'",
        "findings[0].reason == 'expires_within_window'",
        "findings[0].due == '2027-01-21'",
    ]


@pytest.mark.parametrize("module", [assess_module, summarize_module])
def test_the_documentation_says_what_the_filter_takes(module: Any) -> None:
    documentation = yaml.safe_load(module.DOCUMENTATION)
    [(name, function)] = module.FilterModule().filters().items()
    assert documentation["name"] == name
    code = function.__code__
    taken = list(code.co_varnames[1 : code.co_argcount])
    assert list(documentation["options"]) == ["_input", *taken]
    positional = documentation["positional"].split(", ")
    assert taken[: len(positional)] == positional
    assert "_value" in yaml.safe_load(module.RETURN)


def test_the_documented_keys_are_the_findings() -> None:
    documented = set(yaml.safe_load(assess_module.RETURN)["_value"]["contains"])
    assert documented == set(assess(OBSERVATIONS, DEVICES, now=NOW)[0])
    summary = summarize(assess(OBSERVATIONS, DEVICES, now=NOW), DEVICES, now=NOW)
    documented = yaml.safe_load(summarize_module.RETURN)["_value"]["contains"]
    assert set(documented) == set(summary)
    assert set(documented["devices"]["contains"]) == set(summary["devices"][0])


def test_records_of_nobody_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(assess_module.display, "warning", told.append)
    attestation = {"check": "label", "result": "fail", "by": "b", "on": "2026-11-01", "until": "2027-01-01"}
    waiver = {"check": "open_ports", "group": "imagin", "reason": "port_not_allowed", "justification": "j",
              "approver": "a", "until": "2027-01-01"}  # fmt: skip
    cards = [{**DEVICES[0], "groups": ["imaging", None]}, {"name": "x", "groups": 7}]
    assess([], cards, attestations=[{**attestation, "device": "echo-04"}], waivers=[waiver], now=NOW)
    assert [re.sub(".*Not used: ", "", text) for text in told] == [
        "attestations[0].device: no device is called 'echo-04'; did you mean echo-004?",
        "waivers[0].group: no group is called 'imagin'; did you mean imaging?",
    ]


def test_policy_attestations_and_waivers_reach_the_judges() -> None:
    waiver = {"check": "certificate_validity", "device": "echo-004", "reason": "expires_urgently", "justification": "j",
              "approver": "a", "until": "2027-01-01"}  # fmt: skip
    attestation = {
        "check": "label",
        "device": "echo-004",
        "result": "pass",
        "by": "b",
        "on": "2026-11-01",
        "until": "2027-01-01",
    }
    found = assess(OBSERVATIONS, DEVICES, {"urgent_days": 90, "urgent_fraction": "1/3"}, [attestation], [waiver], NOW)
    by_check = {item["check"]: item for item in found}
    assert by_check["certificate_validity"]["status"] == "waived"
    assert by_check["label"]["reason"] == "attested_pass"


@pytest.mark.parametrize(
    "now",
    [
        NOW,
        "2026-11-22T18:00:00",
        "2026-11-22T19:00:00+01:00",
        datetime(2026, 11, 22, 18),
        datetime(2026, 11, 22, 18, tzinfo=timezone.utc),
    ],
)
def test_moments_that_are_understood(now: Any) -> None:
    assert summarize([], DEVICES, now)["generated_at"] == NOW


def test_the_clock_is_read_where_no_moment_is_given() -> None:
    before = datetime.now(timezone.utc).replace(microsecond=0)
    stamp = datetime.fromisoformat(summarize([], DEVICES)["generated_at"])
    assert before <= stamp <= datetime.now(timezone.utc)
    # The observation of the example will be too old on any day that this test runs, or the certificate over.
    assert assess([], DEVICES)[0]["reason"] == "not_observed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", DEVICES), "observations: a list is needed, not str"),
        (({"observations": []}, DEVICES), "observations: a list is needed, not dict"),
        (([1], DEVICES), "observations[0]: a dictionary is needed, not int"),
        (([], {"name": "x"}), "devices: a list is needed, not dict"),
        (([], ["echo-004"]), "devices[0]: a dictionary is needed, not str"),
        (([], [{"name": "a"}, {}]), "devices[1].name: a text is needed"),
        (([], [{"name": "a"}, {"name": "a"}]), "devices[1].name: 'a' is already the name of devices[0]"),
        (([], DEVICES, {"plan_day": 1}), "policy.plan_day: unknown key. Did you mean plan_days?"),
        (([], DEVICES, "fixed"), "policy: a mapping is needed, not str"),
        (([], DEVICES, {}, "x"), "attestations: a list is needed"),
        (([], DEVICES, {}, [], [{}]), "waivers[0].check: this field is missing"),
        (([], DEVICES, {}, [], [], "today"), "now: 'today' is not a date and time"),
        (([], DEVICES, {}, [], [], 7), "now: 7 is not a date and time"),
    ],
)
def test_assess_refuses_in_one_sentence(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=re.escape(f"biomed.cert_hygiene.assess: {said}")):
        assess(*arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", DEVICES), "findings: a list is needed, not str"),
        (([{}], DEVICES), "findings[0].device: a text is needed"),
        (([], None), "devices: a list is needed, not NoneType"),
        (([], DEVICES, "x"), "now: 'x' is not"),
    ],
)
def test_summarize_refuses_in_one_sentence(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=re.escape(f"biomed.cert_hygiene.summarize: {said}")):
        summarize(*arguments)


def test_a_fault_of_ours_is_not_dressed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(assess_module, "assess_devices", broken)
    with pytest.raises(KeyError):
        assess([], DEVICES, now=NOW)
