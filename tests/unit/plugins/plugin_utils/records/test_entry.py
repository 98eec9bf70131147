# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attestations and waivers: what people write is read strictly, and every refusal says where."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import load_attestations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import load_waivers

ATTESTATION = {"check": "label", "device": "d", "result": "pass", "by": "A", "on": "2026-09-01", "until": "2027-09-01"}
WAIVER = {"check": "tls_versions", "device": "d", "reason": "obsolete_versions_accepted", "justification": "j",
          "approver": "a", "until": "2027-09-01"}  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"check": "lable"}, "attestations[1].check: 'lable' is not known; did you mean label?"),
        ({"check": None}, "attestations[1].check: a text is needed"),
        ({"result": "ok"}, "attestations[1].result: 'ok' is not known; give one of pass, fail"),
        ({"by": " "}, "attestations[1].by: a text is needed"),
        ({"device": 7}, "attestations[1].device: a text is needed"),
        ({"on": "last week"}, "attestations[1].on: a date is needed"),
        ({"on": 20260901}, "attestations[1].on: a date is needed"),
        ({"until": "2026-08-31"}, "attestations[1].until: this date is before `on`"),
        ({"until": "09/01/2027"}, "attestations[1].until: a date is needed"),
        ({"till": "2027-01-01"}, "attestations[1].till: unknown field"),
        ({"note": ["x"]}, "attestations[1].note: a text is needed"),
    ],
)
def test_a_malformed_attestation_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as refusal:
        load_attestations([ATTESTATION, {**ATTESTATION, **changes}])
    assert str(refusal.value).startswith(said)


@pytest.mark.parametrize("field", ["check", "device", "result", "by", "on", "until"])
def test_no_field_of_an_attestation_may_miss(field: str) -> None:
    entry = {key: value for key, value in ATTESTATION.items() if key != field}
    with pytest.raises(ValueError, match=rf"attestations\[0\]\.{field}: this field is missing"):
        load_attestations([entry])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": "expired"}, "waivers[0].reason: 'expired' is not known"),
        # what is not a failure cannot be waived
        ({"reason": "versions_undetermined"}, "waivers[0].reason: 'versions_undetermined' is not known"),
        ({"reason": "obsolete_version_accepted"}, "did you mean obsolete_versions_accepted?"),
        ({"check": "tls"}, "waivers[0].check"),
        ({"justification": ""}, "waivers[0].justification: a text is needed"),
        ({"until": None}, "waivers[0].until: a date is needed"),
        ({"forever": True}, "waivers[0].forever: unknown field"),
    ],
)
def test_a_malformed_waiver_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as refusal:
        load_waivers([{**WAIVER, **changes}])
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "said"), [("x", "a list is needed, not str"), ({}, "not dict"), ([7], r"\[0\]: a mapping is needed")]
)
def test_what_is_no_list_of_mappings(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"attestations.*{said}"):
        load_attestations(value)
    with pytest.raises(ValueError, match=f"waivers.*{said}"):
        load_waivers(value)


def test_a_day_counts_to_its_end() -> None:
    waivers = load_waivers([WAIVER])
    find = ("d", "tls_versions", "obsolete_versions_accepted", "https:443")
    assert waivers.in_force(*find, at("2027-09-01T23:59:59"))
    assert not waivers.in_force(*find, at("2027-09-02T00:00:00"))


@pytest.mark.parametrize(
    "until", [date(2027, 9, 1), datetime(2027, 9, 1, 23, 59, 59), "2027-09-01T23:59:59Z", "2027-09-01T23:59:59"]
)
def test_dates_as_yaml_gives_them(until: Any) -> None:
    ((entry,),) = list(load_waivers([{**WAIVER, "until": until}]).entries.values())
    assert entry.until == at("2027-09-01T23:59:59")


def test_an_unquoted_on_is_true_in_yaml() -> None:
    entry: dict[Any, Any] = {key: value for key, value in ATTESTATION.items() if key != "on"}
    entry[True] = date(2026, 9, 1)
    assert load_attestations([entry]) == load_attestations([ATTESTATION])


def test_an_attestation_speaks_for_its_time_its_device_and_its_endpoint() -> None:
    entries = load_attestations([{**ATTESTATION, "check": "certificate_name", "endpoint": "https:443"}])
    now = at("2026-12-01T00:00:00")
    assert entries.find("d", "certificate_name", "https:443", now)
    assert not entries.find("d", "certificate_name", "dicom:2762", now)
    assert not entries.find("d", "certificate_name", None, now)
    assert not entries.find("e", "certificate_name", "https:443", now)
    assert not entries.find("d", "label", "https:443", now)
    assert not entries.find("d", "certificate_name", "https:443", at("2026-08-31T23:59:59"))
    assert not entries.find("d", "certificate_name", "https:443", at("2027-09-02T00:00:00"))


@pytest.mark.parametrize(
    ("now", "in_force", "lapsed"),
    [
        ("2026-08-31T23:59:59", False, False),
        ("2026-09-01T00:00:00", True, False),  # the day begins with its first second and ends with its last
        ("2027-09-01T23:59:59", True, False),
        ("2027-09-02T00:00:00", False, True),
    ],
)
def test_an_attestation_holds_from_its_first_second_to_its_last(now: str, in_force: bool, lapsed: bool) -> None:
    entries = load_attestations([ATTESTATION])
    assert bool(entries.find("d", "label", None, at(now))) is in_force
    assert bool(entries.lapsed("d", "label", None, at(now))) is lapsed


def test_what_lapsed_on_another_endpoint_is_not_told_here() -> None:
    entries = load_attestations([{**ATTESTATION, "endpoint": "https:443"}])
    assert entries.lapsed("d", "label", "dicom:2762", at("2028-01-01T00:00:00")) is None


def test_an_attestation_may_hold_for_one_moment() -> None:
    moment = "2026-09-01T10:00:00Z"
    [entry] = load_attestations([{**ATTESTATION, "on": moment, "until": moment}])
    assert entry.on == entry.until


def test_what_was_read_is_not_read_again() -> None:
    attestations, waivers = load_attestations([ATTESTATION]), load_waivers([WAIVER])
    assert load_attestations(attestations) is attestations
    assert load_waivers(waivers) is waivers
    assert load_attestations(None) == load_attestations(())
