# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""summary.json and findings.csv: what programs read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from unit.small_hospital import PLUGIN_UTILS, endpoint, hospital, summary, visit

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report import run
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.csv import guarded
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.former import read_former
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import load_words


def schema(name: str) -> Draft202012Validator:
    loaded = json.loads(next(PLUGIN_UTILS.glob(f"*/{name}.schema.json")).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(loaded)
    return Draft202012Validator(loaded)


def test_the_summary_keeps_to_its_schema(report: Path) -> None:
    assert list(schema("summary").iter_errors(summary(report))) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found.pop("run"),
        lambda found: found["totals"]["verdicts"].update(perfect=1),
        lambda found: found["devices"][0].update(verdict="fine"),
        lambda found: found["devices"][0]["findings"][0].pop("references"),
        lambda found: found["devices"][0]["findings"][0].update(status="ok"),
        lambda found: found["devices"][0]["findings"][0].update(due="tomorrow"),
    ],
)
def test_the_summary_schema_bites(report: Path, spoil: Any) -> None:
    found = summary(report)
    spoil(found)
    assert list(schema("summary").iter_errors(found))


def test_the_checks_of_the_schema_are_those_of_the_checklist() -> None:
    known = schema("summary").schema["$defs"]["check"]["enum"]  # type: ignore[index,call-overload]
    assert set(known) == set(load_data("rules/checklist")["checks"])


def test_the_sources_of_the_schema_are_those_that_have_a_name() -> None:
    known = schema("summary").schema["$defs"]["finding"]["properties"]["source"]["enum"]  # type: ignore[index,call-overload]
    assert set(known) == set(load_data("words/labels")["source"])


def test_observations_keep_to_their_schema() -> None:
    check = schema("observation")
    for entry in hospital()[1]:
        assert list(check.iter_errors(entry)) == []
    for spoil in ({"outcome": "ok"}, {"reason": "tired"}, {"started_at": "now"}, {"ports": {"99999999": "open"}}):
        assert list(check.iter_errors({**visit("x", endpoint(443, "https")), **spoil}))
    assert list(check.iter_errors(visit("x", endpoint(443, "https"), outcome="skipped", reason="consent_missing")))


def test_the_summary_has_one_device_a_line_and_no_character_that_breaks_a_reader(report: Path) -> None:
    raw = (report / "summary.json").read_bytes()
    assert len([line for line in raw.decode("utf-8").splitlines() if line.startswith('{"device":')]) == len(
        hospital()[0]
    )
    assert b"\\ud800" not in raw
    assert read_former(str(report / "summary.json")).verdicts["echo-004"] == "non_compliant"
    assert read_former(str(report / "nothing.json")).verdicts == {}


def test_numbers_that_json_does_not_have_become_null() -> None:
    assert run.to_json({"a": float("nan"), "b": [float("inf"), 1.5]}) == b'{"a":null,"b":[null,1.5]}'


def rows(report: Path, language: str) -> list[list[str]]:
    raw = (report / language / "findings.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\n") == raw.count(b"\r\n")
    with (report / language / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=";", strict=True))


def test_the_csv_reads_back_in_both_languages(report: Path) -> None:
    findings = [finding for line in summary(report)["devices"] for finding in line["findings"]]
    for language in ("fr", "en"):
        found = rows(report, language)
        assert found[0] == load_words(language)["csv_header"]
        assert {len(row) for row in found} == {len(found[0])}
        assert [(row[6], row[11]) for row in found[1:]] == [(f["check"], f["reason"]) for f in findings]
        dates = {row[16] for row in found[1:] if row[0] == "biochimie-12" and row[16]}
        assert dates == {"17/11/2026" if language == "fr" else "2026-11-17"}


def test_no_cell_is_a_formula(report: Path) -> None:
    for language in ("fr", "en"):
        found = rows(report, language)
        assert not [cell for row in found for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
        assert any(row[0] == "'=cmd|'/C calc'!A0" for row in found)
        assert any("[U+202E]gnp.exe" in row[0] for row in found)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+33 1", "'+33 1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'[U+0009]=1"),
        ("\r=1", "'[U+000D]=1"),
        (" =1", "' =1"),
        ("\n=1", "'[U+000A]=1"),
        ("＝1", "'＝1"),
        ("échographe = 4", "échographe = 4"),
        (None, ""),
    ],
)
def test_a_formula_is_guarded(text: str | None, cell: str) -> None:
    assert guarded(text) == cell
