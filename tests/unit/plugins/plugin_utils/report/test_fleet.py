# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet page: totals, order, reasons, rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from unit.small_hospital import NOW, Page, hospital, original, plain, summary

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.summary import summarize
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import sheet_name
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import describe_policy, load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import messages


def test_the_fleet_is_in_the_summarys_order_aborted_visits_first(report: Path) -> None:
    devices = [line["device"] for line in summary(report)["devices"]]
    assert devices[:3] == ["moniteur-7", "biochimie-12", "echo-004"]
    for language in ("fr", "en"):
        page = Page(report / language / "index.html")
        links = [str(link["href"]) for link in page.all("a") if str(link["href"]).startswith("devices/")]
        assert links == [f"devices/{sheet_name(original(name))}" for name in devices]
    text = Page(report / "fr" / "index.html").text
    assert text.index("Visites interrompues") < text.index("moniteur-7") < text.index("Les dispositifs, du plus urgent")


def test_the_streamed_summary_is_the_summary(report: Path) -> None:
    found = summary(report)
    findings = [finding for line in found["devices"] for finding in line["findings"]]
    whole = summarize(
        findings, [{**device, "name": device["name"].replace("\ud800", "\ufffd")} for device in hospital()[0]], NOW
    )
    assert found["totals"] == {**whole["totals"], "unseen": {"consented": 16, "not_seen": 3, "seen_last_time": None}}
    assert [line["device"] for line in found["devices"]] == [line["device"] for line in whole["devices"]]
    assert found["generated_at"] == whole["generated_at"]


def test_totals_are_said_in_words(report: Path) -> None:
    totals = summary(report)["totals"]
    text = Page(report / "en" / "index.html").text
    verdicts = totals["verdicts"]
    assert (
        f"{totals['devices']} devices examined: {verdicts['non_compliant']} not compliant, "
        f"{verdicts['incomplete']} incomplete." in text
    )
    assert "As of 22 November 2026 at 17:00 (UTC)." in text
    assert "connections opened" in text
    assert "poste-bio" in text
    assert "own key a, b" in text
    assert "Biomedical engineering:" in text


def test_why_things_were_not_assessed_is_counted(report: Path) -> None:
    found = summary(report)["devices"]
    text = Page(report / "en" / "index.html").text.split("What could not be assessed, and why")[-1]
    reasons = {f["reason"]: f["check"] for line in found for f in line["findings"] if f["status"] == "not_assessed"}
    assert len(reasons) > 5
    for reason, check in reasons.items():
        devices = sum(any(f["reason"] == reason for f in line["findings"]) for line in found)
        assert plain(f"{messages.reason_title(check, reason, 'en')} {devices} ") in text


def test_the_rules_applied_are_on_the_page_and_in_the_summary(report: Path) -> None:
    text = Page(report / "fr" / "index.html").text
    assert all(plain(entry["description"]) in text for entry in describe_policy("fr"))
    assert summary(report)["run"]["policy"] == load_policy()


def test_the_first_page_leads_to_both_languages(report: Path) -> None:
    page = Page(report / "index.html")
    assert {str(link["href"]) for link in page.all("a")} == {"fr/index.html", "en/index.html"}
    assert [attrs["lang"] for attrs in page.all("section")] == ["fr", "en"]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_on_a_phone_each_table_is_cards_and_each_cell_has_its_label(report: Path, language: str) -> None:
    source = (report / language / "index.html").read_text(encoding="utf-8")
    tables = re.findall(r"<table([^>]*)>\s*<thead><tr>(.*?)</tr>", source, re.DOTALL)
    assert {name for attributes, _head in tables for name in attributes.split('"')[1].split()} == {
        *("cards", "fleet", "how", "wards"),
    }
    for attributes, head in tables:
        cards, name = attributes.split('"')[1].split()
        assert cards == "cards"
        labelled = re.findall(rf"\.{name} td:nth-child\((\d+)\)::before", source)
        assert labelled == [str(number) for number in range(2, head.count("<th ") + 1)], name
