# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says of itself: a weakened policy on every page, devices not seen, records without effect."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from unit.small_hospital import NOW, Page, card, make, plain, summary, visit

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import Problem
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.former import read_former
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.told import unused_texts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import load_words


def test_a_weakened_policy_is_on_every_page(tmp_path: Path) -> None:
    make(tmp_path / "report", min_rsa_bits=1024, weak_signature_hashes=["md5"], insecure_services={"http": None})
    found = summary(tmp_path / "report")["run"]["policy_weakened"]
    assert [(item["key"], item.get("limit")) for item in found] == [
        ("min_rsa_bits", 2048),
        ("weak_signature_hashes", None),
        ("insecure_services", None),
    ]
    pages = sorted((tmp_path / "report").rglob("*.html"))
    assert len(pages) > 20
    for path in pages:
        text = Page(path).text
        french = "/fr/" in str(path) or path.parent.name == "report"
        title = "Politique affaiblie" if french else "Weakened policy"
        assert (
            title in text
            and "min_rsa_bits" in text
            and "2048" in text.replace("\u202f", "").replace(" ", "").replace(",", "")
        )
        assert "md2, md4, sha1" in text and "http 80, http 8080" in text


def test_the_built_in_policy_is_not_weakened(tmp_path: Path) -> None:
    make(tmp_path / "report")
    assert summary(tmp_path / "report")["run"]["policy_weakened"] == []
    for path in (tmp_path / "report").rglob("*.html"):
        assert "Politique affaiblie" not in Page(path).text and "Weakened policy" not in Page(path).text


def gone(name: str) -> dict[str, Any]:
    return visit(name, offset=None, outcome="unreachable", reason="no_answer")


def test_who_was_seen_the_last_time_is_told(tmp_path: Path) -> None:
    dest, cards = tmp_path / "report", [card("a"), card("b"), card("c", consent=False)]
    make(dest, cards=cards, seen=[visit("a"), gone("b")])
    assert summary(dest)["totals"]["unseen"] == {"consented": 2, "not_seen": 1, "seen_last_time": None}
    assert "1 of 2 devices that may be visited was not seen." in Page(dest / "index.html").text
    before = read_former(str(dest / "summary.json"))
    assert before.seen_before(NOW) == {"a": None, "b": None, "c": None}, "the same report made again"
    assert before.seen_before(NOW + timedelta(days=1)) == {"a": True, "b": False, "c": False}

    fleet, _changed = make(dest, cards=cards, seen=[gone("a"), gone("b")], now=NOW + timedelta(days=1))
    assert fleet.unseen.totals() == {"consented": 2, "not_seen": 2, "seen_last_time": 1}
    assert [breach.group for breach in fleet.breaches()] == ["all"]
    for page in ("fr/index.html", "index.html"):
        assert "2 dispositifs sur 2 dont la visite est autorisée n'ont pas été vus. Parmi eux, 1 l'avait été" in plain(
            Page(dest / page).text
        )
    french = plain(Page(dest / "fr" / "index.html").text)
    assert "Dispositifs non vus : 2 sur 2 ; la politique en admet 50 %." in french
    lines = {line["device"]: (line["seen"], line["seen_before"]) for line in summary(dest)["devices"]}
    assert lines == {"a": (False, True), "b": (False, False), "c": (False, False)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        '{"schema_version":1,"generated_at":"x"',
        '\n{"device":"a\\ud800","verdict":"incomplete"}',
        '\n{"device":"a","verdict":"incomplete","worst_severity":null}',
        "\udcff",
    ],
)
def test_a_report_of_an_older_version_or_a_damaged_one_tells_no_past(tmp_path: Path, text: str) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read_former(str(path)).seen_before(NOW) == {}
    assert read_former(str(tmp_path / "nothing")).verdicts == {}


def test_firmware_stands_in_sheet_table_and_summary(tmp_path: Path) -> None:
    login = {**visit("a"), "source": "gateway", "system": {"name": "x", "kernel": "y", "firmware": "=4.2 <b>"}}
    make(tmp_path / "report", "fr", cards=[card("a")], seen=[visit("a"), login])
    [line] = summary(tmp_path / "report")["devices"]
    assert line["firmware"] == "=4.2 <b>"
    [sheet] = (tmp_path / "report" / "devices").glob("*.html")
    assert "Version du logiciel =4.2 <b>" in Page(sheet).text
    table = (tmp_path / "report" / "findings.csv").read_text(encoding="utf-8-sig")
    head, *rows = csv.reader(io.StringIO(table, newline=""), delimiter=";")
    assert head[-1] == "Version du logiciel" and {row[-1] for row in rows} == {"'=4.2 <b>"}


def test_what_does_not_apply_has_its_place_on_the_sheet(tmp_path: Path) -> None:
    make(tmp_path / "report", cards=[card("a", has_label=False)], seen=[visit("a")])
    [line] = summary(tmp_path / "report")["devices"]
    assert line["counts"]["not_applicable"] == 1
    for language, title, count in (
        ("fr", "Ce qui est sans objet", "1 point sans objet"),
        ("en", "What does not apply", "1 point not applicable"),
    ):
        [sheet] = (tmp_path / "report" / language / "devices").glob("*.html")
        text = Page(sheet).text
        assert title in text and count in text
        to_fill = (tmp_path / "report" / language / "attestations-to-fill.csv").read_text(encoding="utf-8-sig")
        assert "a;label;" not in to_fill and "a;cmms_record;" in to_fill


def test_an_observation_that_cannot_be_read_is_named_and_its_device_alone_is_not_judged(tmp_path: Path) -> None:
    seen = [visit("a"), visit("b"), {**visit("b"), "schema_version": 9}]
    make(tmp_path / "report", cards=[card("a"), card("b")], seen=seen)
    told = summary(tmp_path / "report")
    assert [row["where"] for row in told["run"]["records_unused"]] == ["observations[2]"]
    assert "schema_version 9" in told["run"]["records_unused"][0]["fr"]
    assert "Observations illisibles" in Page(tmp_path / "report" / "fr" / "index.html").text
    reasons = {
        line["device"]: {finding["reason"] for finding in line["findings"] if finding["check"] == "open_ports"}
        for line in told["devices"]
    }
    assert reasons["b"] == {"observation_damaged"} and reasons["a"] != reasons["b"]
    assert not any(
        finding["status"] == "pass" and finding["source"] == "network"
        for line in told["devices"]
        if line["device"] == "b"
        for finding in line["findings"]
    )


def test_records_without_effect_are_on_the_first_page_and_in_the_summary(tmp_path: Path) -> None:
    cards = [card("a", vendor_limits={"tls_version": "x", "label": "y"})]
    fleet, _changed = make(tmp_path / "report", cards=cards)
    [told] = summary(tmp_path / "report")["run"]["records_unused"]
    assert told["reason"] == "not_known" and "did you mean tls_versions?" in told["en"] and "vouliez-vous" in told["fr"]
    assert "Attestations et dérogations sans effet" in Page(tmp_path / "report" / "fr" / "index.html").text
    many = [Problem("empty", place=f"{number}.csv") for number in range(300)]
    texts = unused_texts(many, load_words("fr"))
    assert len(texts) == 101 and texts[0].startswith("0.csv\u00a0: le fichier est vide\u00a0: ") and "200" in texts[-1]
    assert json.dumps(fleet.run({}))
