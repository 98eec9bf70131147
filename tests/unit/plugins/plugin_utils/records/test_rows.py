# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bad row of each kind, in CSV, in YAML and in a list: told with its line, and nothing else is lost."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
import yaml

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import (
    load_attestation_file,
    load_attestations,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.files import decode_records
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import RecordFileError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.unheard import (
    Unheard,
    strangers,
    unknown_limits,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import load_waiver_file, load_waivers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import NO_END, instant_text

NOW = datetime(2026, 11, 22, 18, tzinfo=timezone.utc)
GOOD = {"device": "echo-004", "check": "label", "result": "pass", "by": "A", "on": "2026-11-20", "until": "2027-11-20"}
FIELDS = ("device", "check", "endpoint", "result", "by", "on", "until", "note")
ENGLISH = ";".join(FIELDS)
FRENCH = "DM;Point de contrôle;Point d'accès;Résultat;Contrôlé par;Le;Valable jusqu'au;Remarque"
WAIVER = {"device": "d", "check": "open_ports", "reason": "port_not_allowed", "justification": "j", "approver": "a",
          "until": "2027-01-01"}  # fmt: skip


def row(**changes: Any) -> dict[str, Any]:
    return {**GOOD, **changes}


def csv_text(head: str, *rows: dict[str, Any]) -> str:
    return "\n".join([head, *(";".join(str(entry.get(field, "")) for field in FIELDS) for entry in rows)])


# name of the sentence, changed fields, field that the sentence is about, its words in English, and in French
BAD_VALUES = [
    ("not_known", {"check": "lable"}, "check", "'lable' is not known; did you mean label?",
     "vouliez-vous dire label ?"),
    ("not_known", {"result": "bof"}, "result", "give one of pass, fail, not_applicable", "« bof » n'est pas connu"),
    ("date_needed", {"on": "last week"}, "on", "a date is needed", "une date est attendue"),
    ("date_needed", {"on": "31/11/2026"}, "on", "a date is needed", "une date est attendue"),
    ("date_needed", {"on": "11/20/2026"}, "on", "not '11/20/2026'", "et non « 11/20/2026 »"),
    ("date_needed", {"until": "2027-02-29"}, "until", "a date is needed", "une date est attendue"),
    ("date_needed", {"until": "46346"}, "until", "a date is needed", "une date est attendue"),
    ("date_needed", {"until": "0000-00-00"}, "until", "a date is needed", "une date est attendue"),
    ("date_needed", {"until": "20/11.2027"}, "until", "a date is needed", "une date est attendue"),
    ("date_needed", {"until": "99999-12-31"}, "until", "a date is needed", "une date est attendue"),
    ("until_before_on", {"until": "2026-11-19"}, "until", "before `on`", "précède celle du contrôle"),
    ("why_needed", {"result": "not applicable"}, "note", "needs its reason", "demande son motif"),
    ("unseen", {"device": "echo\u200b-004"}, "device", "(U+200B)", "caractère invisible (U+200B)"),
    ("unseen", {"device": "echo-004\u200f"}, "device", "(U+200F)", "caractère invisible (U+200F)"),
    ("unseen", {"check": "la\u00adbel"}, "check", "(U+00AD)", "caractère invisible (U+00AD)"),
    ("unseen", {"endpoint": "https\ufeff:443"}, "endpoint", "(U+FEFF)", "caractère invisible (U+FEFF)"),
    ("unseen", {"by": "A\u202eB"}, "by", "(U+202E)", "caractère invisible (U+202E)"),
    ("field_missing", {"by": ""}, "by", "this field is missing", "ce champ manque"),
    ("field_missing", {"device": " "}, "device", "this field is missing", "ce champ manque"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "about", "english", "french"), BAD_VALUES)
def test_a_bad_row_of_a_csv_file(name: str, changes: dict[str, Any], about: str, english: str, french: str) -> None:
    for head, words, line in ((ENGLISH, english, "line 3"), (FRENCH, french, "ligne 3")):
        found, [problem] = load_attestation_file("a.csv", csv_text(head, row(), row(**changes), row(device="b")))
        assert sorted(device for device, _check in found.entries) == ["b", "echo-004"]
        assert (problem.name, problem.about, problem.line) == (name, about, 3)
        said = str(problem).replace("\u00a0", " ")
        assert words in said and f"a.csv, {line}" in said, "the file's own language"


@pytest.mark.parametrize(("name", "changes", "about", "english", "french"), BAD_VALUES)
def test_a_bad_row_of_a_yaml_file(name: str, changes: dict[str, Any], about: str, english: str, french: str) -> None:
    bad = {key: value for key, value in row(**changes).items() if str(value).strip()}
    text = yaml.safe_dump([row(), bad, row(device="b")], sort_keys=False, allow_unicode=True)
    found, [problem] = load_attestation_file("a.yml", text, "fr")
    assert sorted(device for device, _check in found.entries) == ["b", "echo-004"]
    assert (problem.name, problem.about) == (name, about)
    assert english in problem.text("en") and french in str(problem).replace("\u00a0", " ")
    assert problem.line == 1 + text[: text.index("\n- ", text.index("\n- "))].count("\n") + 1


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("row_unreadable", "on: 2026-13-45"),  # a date that does not exist stops YAML itself
        ("row_unreadable", "on: 2026-11-20 25:00:00"),
        ("row_unreadable", "note: !!timestamp x"),
        ("row_unreadable", "note: !!int x"),
        ("row_unreadable", "note: !!bool x"),
        ("row_unreadable", "note: !!binary é"),
        ("row_unreadable", "note: !!python/object:os.system x"),
        ("row_unreadable", "note: !vault x"),
        ("row_unreadable", "note: " + "9" * 5000),
        ("row_unreadable", "? [a]\n  : b"),
        ("row_unreadable", "note: &a {b: *a}\n  <<: *a"),
        ("row_unreadable", "note: made: yes"),  # and what is no YAML at all
        ("row_unreadable", 'note: "open'),
        ("row_unreadable", "note: [open"),
        ("row_unreadable", "note: *nobody"),
        ("row_unreadable", "note: @home"),
        ("row_unreadable", "\tnote: tab"),
        ("field_twice", "result: fail"),
        ("text_needed", "note: 7"),
        ("text_needed", "note: [a, b]"),
        ("field_unknown", "till: 2027-01-01"),
        ("field_unknown", "7: x"),
        ("field_unknown", "null: x"),
    ],
)
def test_a_row_that_yaml_stumbles_over(name: str, written: str) -> None:
    field = written.partition(":")[0] if name != "field_twice" else ""
    fields = "".join(f"  {key}: {value}\n" for key, value in GOOD.items() if key != "device")
    bad = "".join(f"  {key}: {value}\n" for key, value in GOOD.items() if key not in ("device", field))
    text = f"- device: echo-004\n{fields}- device: echo-005\n{bad}  {written}\n- device: echo-006\n{fields}"
    found, [problem] = load_attestation_file("a.yml", text)
    assert sorted(device for device, _check in found.entries) == ["echo-004", "echo-006"]
    assert (problem.name, problem.line) == (name, 7)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("too_many_cells", "echo-005;label;;pass;A;2026-11-20;2027-11-20;note;slipped"),
        ("quote_open", '"echo-005;label;;pass;A;2026-11-20;2027-11-20;'),
        ("quote_open", 'echo-005;label;;pass;A;2026-11-20;2027-11-20;"never closed'),
        ("quote_open", 'echo-005;label;;pass;A;2026-11-20;2027-11-20;"closed" too soon'),
        ("cell_too_large", "echo-005;label;;pass;A;2026-11-20;2027-11-20;" + "x" * 200_000),
        ("field_missing", "echo-005;label;;pass"),
    ],
)
def test_a_row_that_csv_stumbles_over(name: str, bad: str) -> None:
    text = csv_text(ENGLISH, row(note='"a note\nof two lines"')) + f"\n{bad}\n" + csv_text("", row(device="b"))[1:]
    found, [problem] = load_attestation_file("a.csv", text)
    assert sorted(device for device, _check in found.entries) == ["b", "echo-004"]
    assert (problem.name, problem.line) == (name, 4)


def test_aliases_that_stand_for_a_text_without_end_are_told_in_a_word() -> None:
    lists = "".join(
        f"- &{letter} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, letter in zip("abcdefghi", "bcdefghij", strict=True)
    )
    lines = "\n  ".join(f"{key}: {value}" for key, value in row(on="*j").items())
    found, problems = load_attestation_file("a.yml", f"- &a [x]\n{lists}- {lines}\n")
    assert list(found) == [] and "not 'list'" in str(problems[-1])


def test_a_quotation_mark_inside_a_cell_is_a_letter() -> None:
    found, problems = load_attestation_file("a.csv", csv_text(ENGLISH, row(note='a screen of 5" only')))
    assert not problems and next(iter(found)).note == 'a screen of 5" only'


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("first", ["", "\n\n", "sep=;\n", '"sep=;"\n'])
def test_what_spreadsheets_put_above_the_titles_and_between_lines(first: str, ends: str) -> None:
    text = (first + csv_text(ENGLISH, row(), row(check="lable"))).replace("\n", ends)
    found, [problem] = load_attestation_file("a.csv", text)
    assert [entry.device for entry in found] == ["echo-004"]
    assert problem.line == 3 + first.count("\n")


# --- whole files ---


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"PK\x03\x04\x14\x00", "workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "workbook"),
        (csv_text(ENGLISH, row()).encode("utf-16-le"), "utf16"),
        (csv_text(ENGLISH, row()).encode("utf-16-be"), "utf16"),
        (b"a;b\x00;c", "not_text"),
        (csv_text(ENGLISH, row()).encode("utf-32"), "not_text"),
        (b"", "empty"),
        (b"\xef\xbb\xbf\r\n", "empty"),
        (b"\xff\xfe", "empty"),
        (f"Contrôles 2026\n;;;\n{FRENCH}\n".encode(), "title_line"),
        (b"device;check\n", "columns_missing"),
        (b"sep=;", "columns_missing"),
        (f"Contrôles 2026\n{FRENCH}\n".encode(), "title_line"),
    ],
)
def test_a_file_that_is_no_list_has_its_own_sentence(data: bytes, name: str) -> None:
    for language in ("fr", "en"):
        with pytest.raises(RecordFileError) as refusal:
            load_attestation_file("a.csv", decode_records(data, "a.csv", language), language)
        assert refusal.value.problem.name == name
        assert str(refusal.value).startswith("a.csv")
        assert str(refusal.value) == refusal.value.problem.text(language)


def test_every_sentence_is_there_in_both_languages() -> None:
    for name, texts in load_data("records/record_files")["problems"].items():
        assert set(texts) == {"fr", "en"}, name
        assert {part.partition("}")[0] for part in texts["fr"].split("{")[1:]} == {
            part.partition("}")[0] for part in texts["en"].split("{")[1:]
        }, name


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("a.csv", "\n\ndevice;check\n", 3),
        ("a.csv", "\n" + ENGLISH.replace("endpoint", "end point") + "\n", 2),
        ("a.yml", "a: 1\nb: 2\n{open", 4),
        ("a.yml", "a: 1\nb: c: d\n", 2),
    ],
)
def test_a_refused_file_names_the_line(path: str, text: str, line: int) -> None:
    with pytest.raises(RecordFileError) as refusal:
        load_attestation_file(path, text)
    assert refusal.value.problem.line == line
    assert "()" not in str(refusal.value)


def test_a_column_of_their_own_beside_a_known_one_is_nobodys_business() -> None:
    found, problems = load_attestation_file("a.csv", csv_text(ENGLISH + ";notes", {**row(), "more": "x"}))
    assert problems == [] and len(list(found)) == 1


def test_a_date_under_an_unquoted_on_is_read_as_people_write_it() -> None:
    lines = "\n  ".join(f"{key}: {value}" for key, value in row(on="20/11/2026").items())
    found, problems = load_attestation_file("a.yml", f"- {lines}\n")
    assert problems == [] and instant_text(next(iter(found)).on) == "2026-11-20T00:00:00Z"


# --- dates ---


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2027-11-20", "2027-11-20T23:59:59Z"),
        ("20271120", "2027-11-20T23:59:59Z"),
        ("20/11/2027", "2027-11-20T23:59:59Z"),
        ("1/2/2027", "2027-02-01T23:59:59Z"),
        ("20.11.2027", "2027-11-20T23:59:59Z"),
        ("20-11-2027", "2027-11-20T23:59:59Z"),
        ("20/11/2027 14:30", "2027-11-20T14:30:00Z"),
        ("20/11/2027 14:30:15", "2027-11-20T14:30:00Z"),
        ("'20/11/2027", "2027-11-20T23:59:59Z"),
        ("'2027-11-20", "2027-11-20T23:59:59Z"),
        ("\u20192027-11-20", "2027-11-20T23:59:59Z"),
        ("' 20.11.2027", "2027-11-20T23:59:59Z"),
        ("31/12/9999", "9999-12-31T23:59:59Z"),
        ("9999-12-31", "9999-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59.999999-14:00", "9999-12-31T23:59:59Z"),
        ("9999-01-01", "9999-12-31T23:59:59Z"),
        ("31/12/2999", "9999-12-31T23:59:59Z"),
        ("3000-01-01T00:00:00+02:00", "9999-12-31T23:59:59Z"),
        ("20/11/27", "2027-11-20T23:59:59Z"),
        ("20.11.27", "2027-11-20T23:59:59Z"),
    ],
)
def test_dates_as_people_and_spreadsheets_write_them(written: str, read: str) -> None:
    short = written in ("20/11/27", "20.11.27")
    for head in (ENGLISH, FRENCH):
        found, problems = load_attestation_file("a.csv", csv_text(head, row(until=written)))
        if short and head == ENGLISH:
            assert [problem.name for problem in problems] == ["year_short"], "the day or the month first? it is asked"
        else:
            assert [instant_text(entry.until) for entry in found] == [read]
    found, problems = load_attestation_file("a.yml", yaml.safe_dump([row(until=written)]))
    assert [instant_text(entry.until) for entry in found] == ([] if short else [read])


@pytest.mark.parametrize("until", ["9999-12-31", "9999-12-31 23:59:59", "9999-12-31T23:59:59.5-11:00", "2999-12-31"])
def test_no_end_without_quotes_in_yaml(until: str) -> None:
    for load, entry in ((load_attestation_file, GOOD), (load_waiver_file, WAIVER)):
        lines = "\n  ".join(f"{key}: {value}" for key, value in {**entry, "until": until}.items())
        found, problems = load("a.yml", f"- {lines}\n")
        assert problems == [] and [item.until for item in found] == [NO_END]


@pytest.mark.parametrize(
    ("written", "result"),
    [
        ("yes", "pass"),
        ("no", "fail"),
        ("oui", "pass"),
        ("Non conforme", "fail"),
        ("sans objet", "not_applicable"),
        ("N/A", "not_applicable"),
    ],
)
def test_results_in_words(written: str, result: str) -> None:
    lines = "\n  ".join(f"{key}: {value}" for key, value in row(result=written, note="no account at all").items())
    found, problems = load_attestation_file("a.yml", f"- {lines}\n")
    assert problems == [] and next(iter(found)).result == result
    found, problems = load_attestation_file("a.csv", csv_text(FRENCH, row(result=written, note="aucun compte")))
    assert problems == [] and next(iter(found)).result == result


# --- records that can be read, and speak of nothing ---

DEVICES = ["echo-004", "echo-005", "\u00e9chographe-1", "monitor-001"]


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"device": "ehco-004"}, "device_unknown", "did you mean echo-004?"),
        ({"device": "ECHO-005"}, "device_unknown", "did you mean echo-005?"),
        ({"device": "echo\u2011004"}, "device_unknown", "did you mean echo-004 (other characters that look alike)?"),
        ({"device": "e\u0301chographe-1"}, "device_unknown", "did you mean échographe-1 (other characters"),
        ({"device": "zzz"}, "device_unknown", "is called 'zzz'"),
        ({"on": "2026-11-23 08:00:01"}, "in_the_future", "in the future: '2026-11-23'"),
        ({"on": "2026-12-24"}, "in_the_future", "in the future: '2026-12-24'"),
    ],
)
def test_a_record_of_nobody_is_told(changes: dict[str, Any], name: str, said: str) -> None:
    found, problems = load_attestation_file("a.csv", csv_text(ENGLISH, row(), row(**changes)))
    assert problems == []
    [problem] = strangers(found, load_waivers([]), DEVICES, [], NOW)
    assert (problem.name, problem.line) == (name, 3) and said in str(problem)
    if "did you mean" in said:
        assert " ; vouliez-vous dire" in problem.text("fr")
    [listed] = strangers(load_attestations([row(), row(**changes)]), load_waivers([]), DEVICES, [], NOW)
    assert listed.text("en").startswith("attestations[1].")


def test_a_waiver_of_nobody_is_told() -> None:
    group = {key: value for key, value in WAIVER.items() if key != "device"} | {"group": "imagin"}
    waivers = load_waivers([WAIVER, group, {**group, "group": "imaging"}])
    told = strangers(load_attestations([]), waivers, ["e"], ["imaging"], NOW)
    assert [problem.name for problem in told] == ["device_unknown", "group_unknown"]
    assert "did you mean imaging?" in str(told[1])


def test_a_date_that_begins_in_another_time_zone_is_no_future() -> None:
    ahead = load_attestations([row(on="2026-11-23 08:00:00")])
    assert strangers(ahead, load_waivers([]), DEVICES, [], NOW) == []


def test_a_limit_of_a_check_that_is_not_there_is_told() -> None:
    [problem] = unknown_limits({"name": "a", "vendor_limits": {"tls_version": "x", "label": "y"}})
    assert str(problem) == "a, device_vendor_limits: 'tls_version' is not known; did you mean tls_versions?"


def test_thousands_of_strangers_are_told_without_guessing_for_each() -> None:
    many = load_attestations([row(device=f"other-{number}") for number in range(3000)])
    told = strangers(many, load_waivers([]), [f"echo-{number}" for number in range(10_000)], [], NOW)
    assert len(told) == 3000


def finding(check: str, endpoint: str | None, status: str = "not_assessed", source: str = "network") -> dict[str, Any]:
    return {"check": check, "endpoint": endpoint, "status": status, "source": source}


VERSIONS = finding("tls_versions", "https:443")


@pytest.mark.parametrize(
    ("changes", "findings", "names"),
    [
        ({}, [finding("label", None)], []),
        ({"endpoint": "https:443"}, [finding("label", None)], ["endpoint_unknown"]),
        (
            {"endpoint": "https:444", "check": "tls_versions"},
            [finding("tls_versions", "https:443")],
            ["endpoint_unknown"],
        ),
        ({"endpoint": "https:443", "check": "tls_versions"}, [finding("tls_versions", "https:443")], []),
        ({"endpoint": "https:444", "until": "2026-11-21"}, [finding("label", None)], []),
        ({"endpoint": "client:/etc/dicom.pem"}, [finding("label", None)], []),
        ({"endpoint": "https:443@192.0.2.7", "check": "tls_versions"}, [VERSIONS], []),
        ({"result": "fail"}, [finding("label", None, "pass")], ["outvoted"]),
        ({"result": "fail"}, [finding("label", None, "pass", "attestation")], []),
        ({"result": "fail"}, [finding("label", None, "fail")], []),
        ({"result": "pass"}, [finding("label", None, "pass")], []),
        ({"result": "fail", "on": "2026-11-22 18:00:00"}, [finding("label", None, "pass")], ["outvoted"]),
        ({"endpoint": "https:443", "until": "2026-11-22 18:00:00"}, [finding("label", None)], ["endpoint_unknown"]),
        ({"endpoint": "https:443", "until": "2026-11-22 17:59:59"}, [finding("label", None)], []),
        ({"device": "other"}, [], []),
    ],
)
def test_a_record_that_no_finding_heard_is_told(changes: Any, findings: Any, names: list[str]) -> None:
    unheard = Unheard(load_attestations([row(**changes)]), load_waivers([]), NOW)
    assert [problem.name for problem in unheard.of("echo-004", findings)] == names


# --- two that disagree ---


@pytest.mark.parametrize(
    ("results", "counts"),
    [
        (["pass", "fail"], "fail"),
        (["fail", "pass"], "fail"),
        (["fail", "not_applicable", "pass"], "fail"),
        (["not_applicable", "pass"], "pass"),
        (["pass", "not_applicable"], "not_applicable"),
    ],
)
@pytest.mark.parametrize("same_day", [True, False])
def test_of_attestations_that_disagree_the_failure_counts(results: list[str], counts: str, same_day: bool) -> None:
    entries = load_attestations(
        [
            row(result=result, note="n", on=f"2026-11-{20 if same_day else 10 + place}")
            for place, result in enumerate(results)
        ]
    )
    found = entries.in_force("echo-004", "label", None, NOW)
    assert len(found) == len(results)
    if counts == "fail" or not same_day:
        assert found[0].result == counts


def test_of_waivers_that_disagree_the_first_end_counts() -> None:
    waivers = load_waivers(
        [WAIVER, {**WAIVER, "until": "2026-12-24", "approver": "b"}, {**WAIVER, "until": "2026-11-01"}]
    )
    found = waivers.in_force("d", "open_ports", "port_not_allowed", None, NOW)
    assert [entry.approver for entry in found] == ["b", "a"]
