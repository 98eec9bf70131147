# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attestations and waivers from files, and the blank sheet that goes out and comes back."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.device import assess_device
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.summary import summarize
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import (
    load_attestation_file,
    load_attestations,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.files import RecordFileError, decode_records
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import load_waiver_file, load_waivers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.attestation_sheet import (
    FIELDS,
    attestation_sheet,
    needs_person,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy

NOW = datetime(2026, 11, 22, 18, tzinfo=timezone.utc)
HEAD = "device;check;endpoint;result;by;on;until;note\n"
ROW = "echo-004;label;;pass;A. Martin;2026-11-20;2027-11-20;\n"


def entries(text: str, path: str = "site.csv") -> list[Any]:
    found, problems = load_attestation_file(path, text)
    assert problems == []
    return [entry for group in found.entries.values() for entry in group]


# --- CSV ---


@pytest.mark.parametrize(
    "text",
    [
        HEAD + ROW,
        (HEAD + ROW).replace(";", ","),
        (HEAD + ROW).replace(";", "\t"),
        "\ufeff" + HEAD + ROW,
        (HEAD + ROW).replace("\n", "\r\n"),
        HEAD + ROW.replace("2026-11-20;2027-11-20", "20/11/2026;20/11/2027"),
        HEAD + ROW.replace(";pass;", ";Conforme;").replace("label", "Étiquette de contrôle"),
        "DM;Point de contrôle;Résultat;Par;Le;Jusqu\u2019au\necho-004;label;conforme;A. Martin;20/11/2026;20/11/2027\n",
        "Device;Check;Result (pass / fail);By;On;Until\necho-004;Maintenance label;yes;A. Martin;2026-11-20;20/11/2027",
        "until;on;by;result;check;device\n2027-11-20;2026-11-20;A. Martin;pass;label;echo-004\n",
        HEAD + "\n" + ROW + ";;;;;;;\n",
    ],
)
def test_what_spreadsheets_make_of_one_attestation(text: str) -> None:
    [entry] = entries(text)
    assert (entry.device, entry.check, entry.result, entry.by) == ("echo-004", "label", "pass", "A. Martin")
    assert (entry.on.date().isoformat(), entry.until.date().isoformat()) == ("2026-11-20", "2027-11-20")
    assert entry.until.hour == 23 and entry.endpoint is None and entry.note is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encodings_that_spreadsheets_save(encoding: str) -> None:
    text = HEAD + ROW.replace("A. Martin", "É. Fréon")
    assert entries(decode_records(text.encode(encoding)))[0].by == "É. Fréon"


def test_bad_rows_are_named_by_line_and_the_others_count() -> None:
    text = (
        HEAD + ROW
        + "echo-005;lable;;pass;A;2026-11-20;2027-11-20;\n"
        + '"echo-006";label;;pass;A;2026-11-20;2027-11-20;"a note\nof two lines"\n'
        + "echo-007;label;;maybe;A;2026-11-20;2027-11-20;\n"
        + "echo-008;label;;pass;;2026-11-20;2027-11-20;\n"
        + "echo-009;label;;pass;A;2026-11-20;2027-11-20;note;slipped\n"
        + "echo-010;label;;pass;A;31/11/2026;2027-11-20;\n"
        + ";label;;pass;A;2026-11-20;2027-11-20;\n"
    )  # fmt: skip
    found, problems = load_attestation_file("site.csv", text)
    assert sorted(device for device, _check in found.entries) == ["echo-004", "echo-006"]
    assert [problem.text("en").partition(":")[0] for problem in problems] == [
        "site.csv, line 3.check",
        "site.csv, line 6.result",
        "site.csv, line 7.by",
        "site.csv, line 8",
        "site.csv, line 9.on",
        "site.csv, line 10.device",
    ]
    assert "did you mean label?" in problems[0].text("en")


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("site.csv", " \n\n", "site.csv: the file is empty"),
        ("site.csv", "device;check\nx;label\n", "missing: result, by, on, until"),
        ("site.xlsx", "x", "site.xlsx: the name must end in .csv"),
        ("site.yml", "{", "not readable as YAML"),
        ("site.yml", "device: x", "site.yml: a list is needed"),
        ("site.json", '[{"device": "x"}', "not readable as YAML"),
        ("site.yml", "attestations: []\nattestations: []\n", "site.yml, line 2: this field is there twice"),
        ("site.csv", "Ward 3: checks of the year\n\n" + HEAD + ROW, "the titles of the columns stand on line 3"),
        ("site.csv", HEAD.replace("note", "On") + ROW, "site.csv, line 1: the column 'On' is there twice"),
        ("site.csv", HEAD.replace("endpoint", "end point") + ROW, "unknown column 'end point'; did you mean endpoint?"),
    ],
)
def test_what_is_no_list_of_attestations_is_refused_as_a_whole(path: str, text: str, said: str) -> None:
    with pytest.raises(RecordFileError) as refusal:
        load_attestation_file(path, text)
    assert said in str(refusal.value)


# --- YAML ---


@pytest.mark.parametrize("head", ["", "attestations:\n", "---\n# ward 3\n"])
def test_a_yaml_file(head: str) -> None:
    text = head + (
        "- {device: echo-004, check: label, result: pass, by: A, on: 2026-11-20, until: 2027-11-20}\n"
        "- device: echo-005\n  check: label\n"
        "- echo-006\n"
    )
    found, problems = load_attestation_file("site.yml", text)
    [[entry]] = list(found.entries.values())
    start = head.count("\n")
    assert str(entry.where) == f"site.yml, line {start + 1}"
    assert [str(problem) for problem in problems] == [
        f"site.yml, line {start + 2}.result: this field is missing",
        f"site.yml, line {start + 4}: a mapping is needed, not str",
    ]


@pytest.mark.parametrize("text", ["---\n", "[]", "attestations: []", "# none yet\n"])
def test_an_empty_list_has_nothing_to_say(text: str) -> None:
    assert entries(text, "site.yml") == []


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_an_empty_yaml_file_is_told_and_stops_nothing(text: str) -> None:
    found, problems = load_attestation_file("site.yml", text, "fr")
    assert list(found) == [] and [str(problem) for problem in problems] == [
        "site.yml\u00a0: le fichier est vide\u00a0: le remplir, ou ne plus le nommer"
    ]


# --- what comes of it ---


def test_an_expired_line_leaves_its_point_not_assessed_and_is_named() -> None:
    found, _problems = load_attestation_file("site.csv", HEAD + ROW.replace("2027-11-20", "2026-11-21"))
    [label] = [
        item for item in assess_device({"name": "echo-004"}, [], load_policy(), NOW, found) if item["check"] == "label"
    ]
    assert (label["status"], label["reason"]) == ("not_assessed", "attestation_expired")
    assert label["observed"]["attestation"]["where"] == "site.csv, line 2"


def test_files_and_lists_count_together() -> None:
    listed = load_attestations(
        [
            {
                "check": "label",
                "device": "echo-004",
                "result": "fail",
                "by": "B",
                "on": "2026-11-21",
                "until": "2027-01-01",
            }
        ]
    )
    found = listed.joined(load_attestation_file("site.csv", HEAD + ROW)[0])
    assert [entry.result for entry in found.entries["echo-004", "label"]] == ["fail", "pass"]
    assert found.find("echo-004", "label", None, NOW).result == "fail"  # type: ignore[union-attr]


WAIVERS = "group;device;check;reason;justification;approver;until\n"


def test_a_file_of_waivers() -> None:
    text = (
        WAIVERS
        + "imaging;;open_ports;port_not_allowed;spare;RSSI;31/12/2026\n"
        + ";echo-004;open_ports;port_not_allowed;spare;RSSI;2026-12-31\n"
        + "imaging;echo-004;open_ports;port_not_allowed;spare;RSSI;2026-12-31\n"
        + ";;open_ports;port_not_allowed;spare;RSSI;2026-12-31\n"
        + ";echo-004;open_ports;only_allowed_ports;spare;RSSI;2026-12-31\n"
    )
    found, problems = load_waiver_file("waivers.csv", text)
    assert [problem.text("en").partition(":")[0] for problem in problems] == [
        "waivers.csv, line 4.device",
        "waivers.csv, line 5.device",
        "waivers.csv, line 6.reason",
    ]
    ask = ("open_ports", "port_not_allowed", None, NOW)
    own, _groups = found.in_force("echo-004", *ask, groups=["imaging"])
    assert own.as_dict()["where"] == "waivers.csv, line 3"
    [shared] = found.in_force("echo-005", *ask, groups=["x", "imaging"])
    assert shared.as_dict()["group"] == "imaging"
    assert found.in_force("echo-005", *ask) == []
    assert load_waivers([]).joined(found) == found


# --- the blank sheet ---


def summary(*names: str) -> dict[str, Any]:
    cards = [{"name": name} for name in names]
    findings = [item for card in cards for item in assess_device(card, [], load_policy(), NOW)]
    return summarize(findings, cards, NOW)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_sheet_asks_for_what_needs_a_person(language: str) -> None:
    sheet = attestation_sheet(summary("echo-004"), language)
    assert sheet.startswith(b"\xef\xbb\xbf") and b"\r\n" in sheet
    head, *rows = csv.reader(io.StringIO(sheet.decode("utf-8-sig"), newline=""), delimiter=";")
    assert len(head) == len(FIELDS) and head[0] == ("DM" if language == "fr" else "Device")
    assert [row[1] for row in rows] == [
        "time_zone", "ntp_client", "default_passwords", "stale_accounts", "admin_interface", "tls_failure_logs",
        "config_backup", "cmms_record", "label", "trust_store",
    ]  # fmt: skip
    assert {row[0] for row in rows} == {"echo-004"} and all(row[4:] == [""] * 5 for row in rows)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_blank_sheet_says_nothing_and_a_filled_one_what_was_filled_in(language: str) -> None:
    sheet = decode_records(attestation_sheet(summary("echo-004", "=cmd", "'=x", "a;b", 'a"b'), language))
    assert entries(sheet) == []
    rows = list(csv.reader(io.StringIO(sheet, newline=""), delimiter=";"))
    filled = io.StringIO(newline="")
    good = "conforme" if language == "fr" else "pass"
    csv.writer(filled, delimiter=";").writerows(
        [rows[0], *([*row[:4], good, "A", "20/11/2026", "20/11/2027", ""] for row in rows[1:])]
    )
    found, problems = load_attestation_file("back.csv", filled.getvalue())
    assert problems == []
    assert {device for device, _check in found.entries} == {"echo-004", "=cmd", "'=x", "a;b", 'a"b'}
    after = assess_device({"name": "'=x"}, [], load_policy(), NOW, found)
    assert not any(needs_person(item) for item in after)


@given(
    st.text(
        alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cf", "Cn", "Co"]),
        min_size=1,
        max_size=20,
    )
)
def test_any_visible_name_comes_back_as_it_went(name: str) -> None:
    [[entry]] = list(
        load_attestation_file(
            "x.csv",
            decode_records(attestation_sheet(summary(name), "fr")).replace(
                ";;;;;\r\n", ";pass;A;2026-11-20;2027-11-20;\r\n", 1
            ),
        )[0].entries.values()
    )
    assert entry.device == name


def test_a_device_that_nothing_is_asked_of_has_no_row() -> None:
    assert attestation_sheet({"devices": [{"device": "x", "findings": []}]}, "fr").count(b"\r\n") == 1
    assert not needs_person({"status": "fail", "check": "label", "reason": "attested_fail"})
    assert not needs_person({"status": "not_assessed", "check": "label", "reason": "visit_aborted"})
