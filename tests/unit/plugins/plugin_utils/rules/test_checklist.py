# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checklist's data: complete, in both languages, and citing nothing that is not sure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import (
    OWNERS,
    SEVERITIES,
    STATUSES,
    Check,
    Reason,
    Text,
    check_names,
    find_reason,
    load_checklist,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.messages import _KINDS, placeholders

CHECKS = {
    "certificate_validity": "annex 1, 1",
    "certificate_signature": "annex 1, 1",
    "tls_versions": "annex 1, 1",
    "clock_offset": "annex 1, 2",
    "time_zone": "annex 1, 2",
    "ntp_client": "annex 1, 2",
    "default_passwords": "annex 1, 3",
    "stale_accounts": "annex 1, 3",
    "admin_interface": "annex 1, 3",
    "tls_failure_logs": "annex 1, 4",
    "open_ports": "annex 1, 4",
    "config_backup": "annex 1, 4",
    "cmms_record": "annex 1, 5",
    "label": "annex 1, 5",
    "certificate_trust": "white paper 1.2",
    "certificate_name": "white paper 3.4",
    "certificate_key": "white paper 2.2",
    "tls_cipher": "white paper 2.2",
    "trust_store": "white paper 3.4",
}

# Mapped with low confidence only, or not at all: not to be printed.
UNSURE = ("RDMP", "CSUP", "CSUP-2", "CSUP-3", "SBOM-2.3", "SGUD")
UNMAPPED = (
    "time_zone",
    "label",
    "certificate_trust",
    "certificate_name",
    "certificate_key",
    "tls_cipher",
    "trust_store",
)

REFERENCE = re.compile(
    r"annex 1, [1-5]|white paper \d\.\d|IEC 62443-4-2 CR \d\.\d{1,2}( RE\(\d\)| \(b\))?|IEC/TR 80001-2-2 [A-Z]{4}"
    r"|MDS2-2019 [A-Z]{4}-\d{1,2}(\.\d)*|NIST CSF 2\.0 [A-Z]{2}\.[A-Z]{2}-\d{2}|RFC \d{4}|DICOM PS3\.15"
)


def reasons() -> Iterator[tuple[str, Reason]]:
    checklist = load_checklist()
    for check in checklist.checks:
        for reason in check.reasons.values():
            yield f"{check.name}: {reason.name}", reason
    for reason in checklist.common.values():
        yield f"any: {reason.name}", reason


REASONS = dict(reasons())


def texts_of(reason: Reason) -> list[Text]:
    notes = [note.text for note in reason.notes]
    return [reason.title, reason.message, *notes, *reason.actions, *reason.peer_actions]


def test_the_checks_stand_in_the_order_of_the_white_paper() -> None:
    assert {check.name: check.annex for check in load_checklist().checks} == CHECKS
    assert check_names() == tuple(CHECKS)
    assert [check.order for check in load_checklist().checks] == list(range(19))


@pytest.mark.parametrize("check", load_checklist().checks, ids=lambda check: check.name)
def test_each_check_is_complete(check: Check) -> None:
    assert check.level in ("endpoint", "device")
    assert check.owner in OWNERS
    assert check.source in ("network", "gateway", "appliance", "access", "cmms", "attestation")
    assert check.attested_severity in SEVERITIES
    for text in (check.title, check.text):
        assert text.fr and text.en and text.fr != text.en
    assert len(check.text.en) > 60


@pytest.mark.parametrize("check", load_checklist().checks, ids=lambda check: check.name)
def test_each_check_cites_its_line_first_and_nothing_unsure(check: Check) -> None:
    assert check.references[0] == check.annex
    assert len(set(check.references)) == len(check.references)
    for reference in check.references:
        assert REFERENCE.fullmatch(reference), reference
        assert reference.rpartition(" ")[2] not in UNSURE
    if check.name in UNMAPPED:
        assert not any(
            word in reference for reference in check.references for word in ("62443", "80001", "MDS2", "NIST")
        )
    elif check.name != "cmms_record":
        assert {reference.split(" ")[0] for reference in check.references} >= {"IEC", "IEC/TR", "MDS2-2019", "NIST"}


@pytest.mark.parametrize("name", REASONS)
def test_each_reason_is_complete(name: str) -> None:
    reason = REASONS[name]
    assert reason.status in STATUSES and reason.status != "waived"
    assert reason.severity in SEVERITIES
    assert (reason.severity == "info") == (reason.status != "fail")
    assert reason.owner in OWNERS and reason.peer_owner in OWNERS
    assert bool(reason.actions) == (reason.status in ("fail", "not_assessed"))
    for text in texts_of(reason):
        assert text.fr.strip() and text.en.strip()


@pytest.mark.parametrize("name", REASONS)
def test_both_languages_give_the_same_figures(name: str) -> None:
    for text in texts_of(REASONS[name]):
        assert sorted(placeholders(text.fr)) == sorted(placeholders(text.en)), text.en
        assert {kind for _path, kind in placeholders(text.en)} <= set(_KINDS), text.en


@pytest.mark.parametrize("name", REASONS)
def test_french_is_set_as_french(name: str) -> None:
    for text in texts_of(REASONS[name]):
        words = re.sub(r"\{[^}]*\}", "x", text.fr)
        assert not re.search(r"[^\u00a0](?:[;!?»]|:(?=\s|$))", words), text.fr
        assert "« " not in words and '"' not in words
        assert "\u00a0" not in text.en


def test_sentences_end_as_sentences() -> None:
    for reason in REASONS.values():
        for text in (reason.message, *reason.actions, *reason.peer_actions, *(note.text for note in reason.notes)):
            assert text.fr.endswith(".") and text.en.endswith("."), text
        assert not reason.title.en.endswith(".")


def test_a_reason_of_the_check_goes_before_a_common_one() -> None:
    assert (
        find_reason("certificate_validity", "expired")
        is load_checklist().by_name["certificate_validity"].reasons["expired"]
    )
    assert find_reason("certificate_validity", "not_observed") is load_checklist().common["not_observed"]
    assert find_reason("certificate_validity", "clock_at_epoch") is None
    assert find_reason("nothing", "not_observed") is None
    shared = set(load_checklist().common)
    assert not any(shared & set(check.reasons) for check in load_checklist().checks)


def test_the_severities_that_the_checklist_fixes() -> None:
    critical = {name.split(": ")[1] for name, reason in REASONS.items() if reason.severity == "critical"}
    assert critical == {
        "expired",
        "authority_expired",
        "hospital_root_expired",
        "handshake_fails",
        "key_not_held",
        "only_obsolete_versions",
        "offset_breaks_validation",
        "clock_at_epoch",
        "expired_in_chain",
        "bad_signature",
        "revoked",
        "default_password_accepted",
        "password_empty",
        "admin_open_to_anonymous",
    }
    assert {name.split(": ")[1] for name, reason in REASONS.items() if reason.severity == "low"} == {
        "name_only_in_common_name"
    }


def test_what_a_finding_looks_up_is_declared_in_the_notes_conditions() -> None:
    paths = {path for reason in REASONS.values() for note in reason.notes for path, _value in note.when}
    assert paths == {
        "algorithm",
        "authority",
        "key_proof",
        "key_proof_detail",
        "unknown",
        "key_exchange",
        "weak_suites",
        "attestation.note",
        "attestation.where",
        "cause",
        "complete",
        "detail",
        "died_after",
        "device_clock.sees",
        "differs_from",
        "effect.sees",
        "effect.state",
        "error",
        "evidence",
        "follows_other",
        "hidden_from_network",
        "is_leaf",
        "lapsed",
        "last_sync_at",
        "link",
        "link_date",
        "literal_90_days",
        "locked_out",
        "name_matches",
        "not_allowed",
        "plan_from",
        "problem",
        "unknown_to_device",
        "unlisted",
        "untried_as_clinical",
        "visit_reason",
        "without",
        "zone_seconds",
    }


def test_the_data_has_no_unknown_key() -> None:
    data = load_data("rules/checklist")
    assert set(data) == {"shared", "peer_owner", "vendor_actions", "common_notes", "checks", "common_reasons"}
    check_keys = {"annex", "level", "source", "owner", "attested_severity", "title", "text", "references", "reasons"}
    reason_keys = {"status", "severity", "owner", "title", "message", "notes", "actions", "peer", "later", "person"}
    entries = dict(data["common_reasons"])
    for check in data["checks"].values():
        assert set(check) == check_keys
        entries.update(check["reasons"])
    for entry in entries.values():
        assert set(entry) <= reason_keys
        assert set(entry.get("peer", {})) <= {"owner", "actions"}
