# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sheet of a device: what it says, in which order."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from unit.small_hospital import Page, card, certificate, endpoint, make, plain, sheet, summary, text_of, visit

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import sheet_name
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.sheet_certificates import LITERAL_DAYS
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import messages


def test_the_clock_comes_first_then_the_worst(report: Path) -> None:
    text = text_of(report, "echo-004")
    order = [
        "D'abord : la date et l'heure du dispositif",
        "Heure fausse",
        "12 minutes de retard",
        "1. Horloge décalée",
        "2. Certificat expiré",
        "3. ",
        "Ce qui reste à vérifier",
        "Ce qui est conforme",
        "Certificats vus",
        "La visite",
        "Visa du technicien",
    ]
    text = text.split("Fiche de contrôle")[1]  # after the links at the top
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_what_it_has_to_do_is_a_letter_that_is_ready_to_send(report: Path) -> None:
    source = (report / "en" / "devices" / sheet_name("echo-004")).read_text(encoding="utf-8")
    letter = html.unescape(re.findall(r'<pre class="letter">(.*?)</pre>', source, re.DOTALL)[0]).splitlines()
    assert letter[0] == "Subject: echo-004, points for IT to deal with"
    its = [
        finding
        for device in summary(report)["devices"]
        if device["device"] == "echo-004"
        for finding in device["findings"]
        if finding["status"] == "fail" and finding["owner"] == "it"
    ]
    assert its
    titles = {plain(messages.reason_title(finding["check"], finding["reason"], "en")) for finding in its}
    numbered = [line.split(". ", 1)[1] for line in letter if re.match(r"\d+\. ", line)]
    assert {line.split(" – ")[0] for line in numbered} == titles
    assert len([line for line in letter if line.startswith("   – ")]) >= len(titles)


def test_where_it_has_nothing_to_do_there_is_no_letter(report: Path) -> None:
    assert "Demande à la DSI" not in text_of(report, "scanner-1")


def test_what_is_alike_on_two_ports_is_said_once(report: Path) -> None:
    page = text_of(report, "echo-004", "en")
    title = plain(messages.reason_title("certificate_validity", "expires_within_window", "en"))
    assert page.count(f". {title}") == 1
    assert "https:443, dicom:2762" in page
    assert "server pacs.hopital.example:2762" in page
    assert "5 failures to put right" in page


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("moniteur-7", "Visite interrompue Le dispositif a cessé de répondre"),
        ("pompe-21", "Dispositif injoignable Le dispositif n'a répondu à aucune connexion"),
        ("ecg-3", "Dispositif non visité Aucun accord de visite"),
        ("lit-118", "Aucune visite Aucune observation de ce dispositif"),
        ("irm-2", "unknown service 'htps'"),
    ],
)
def test_a_visit_that_did_not_go_well_is_said_at_once_and_never_a_pass(report: Path, device: str, said: str) -> None:
    text = text_of(report, device)
    assert said in text
    assert "Heure non observée" in text
    assert "contrôler à la main" in text
    assert "Aucun point n'a pu être confirmé." in text
    assert next(line["verdict"] for line in summary(report)["devices"] if line["device"] == device) == "incomplete"


def test_checks_for_a_person_have_boxes_to_tick(report: Path) -> None:
    page = sheet(report, "scanner-1")
    rows = next(line for line in summary(report)["devices"] if line["device"] == "scanner-1")["findings"]
    unknown = {(finding["check"], finding["endpoint"]) for finding in rows if finding["status"] == "not_assessed"}
    assert len(page.all("td", **{"class": "c"})) == 3 * len(unknown)
    assert "Étiquette" not in page.text.split("Ce qui est conforme")[0].split("Ce qui reste")[1]  # attested


def test_what_was_not_looked_at_is_named_endpoint_by_endpoint(tmp_path: Path) -> None:
    endpoints = [{"port": port, "service": "https"} for port in (443, 8443)]
    make(tmp_path / "report", "en", [card("x", endpoints=endpoints)])
    text = Page(tmp_path / "report" / "devices" / sheet_name("x")).text
    title = messages.check_title("certificate_key", "en")
    assert f"{title} (https:443)" in text
    assert f"{title} (https:8443)" in text


def test_a_due_date_that_is_past_is_said_to_be(report: Path) -> None:
    assert "échéance dépassée : 17/11/2026" in text_of(report, "biochimie-12")
    assert "before 9 January 2027" in text_of(report, "echo-004", "en")


def test_a_waiver_and_a_limit_of_the_vendor_are_on_the_sheet(report: Path) -> None:
    text = text_of(report, "biochimie-12")
    assert "1 écart accepté" in text
    assert "RSSI" in text
    assert "marché 2027" in text
    assert "La version 4.2 ne connaît pas TLS 1.2." in text
    assert "ne pas intervenir sans l'accord du service" in text


def test_both_renewal_rules_are_shown_and_the_applied_one_is_named(tmp_path: Path) -> None:
    cards = [card("x")]
    seen = [visit("x", endpoint(443, "https", certificate("x.hopital.example", -40, 20)))]

    def windows(**policy: Any) -> str:
        make(tmp_path / "report", "en", cards, seen, **policy)
        path = tmp_path / "report" / "devices" / sheet_name("x")
        return Page(path).text

    assert LITERAL_DAYS == (90, 30)
    text = windows()
    assert text.count("Sécuriser l'IoMT") == 1
    assert "By lifetime (60 days: 20 then 6 days before the end) – rule applied 22 November 2026 (reached)" in text
    rule = "white paper's 90-day rule (90 then 30 days before the end)"
    assert f"{rule} 13 September 2026 (reached) 12 November 2026 (reached)" in text
    assert f"{rule} – rule applied" in windows(renewal_window="fixed")
    text = windows(renewal_window="fixed", plan_days=10, urgent_days=5)
    assert "set by the hospital (10 then 5 days before the end) – rule applied 2 December 2026 7 December 2026" in text


def test_a_list_without_end_is_cut(report: Path) -> None:
    assert "… et 80 de plus" in text_of(report, "<script>alert(1)</script>")


def test_certificate_files_that_a_login_found_are_shown_too(tmp_path: Path) -> None:
    login = {
        **visit("x", offset=None),
        "source": "gateway",
        "outcome": "aborted",
        "certificate_files": [
            {"path": "/etc/pacs/client.pem", "role": "client", "chain": [certificate("client.example", -3, 300)]},
            {"path": "/etc/pacs/other.pem", "chain": [certificate("client.example", -3, 300)]},
            {"path": "/etc/pacs/none.pem"},
            "nonsense",
        ],
    }
    make(tmp_path / "report", "en", [card("x")], [visit("x"), login])
    text = Page(tmp_path / "report" / "devices" / sheet_name("x")).text
    assert text.count("client.example presented on client file /etc/pacs/client.pem, file /etc/pacs/other.pem") == 1
    assert "Gateway login" in text
    assert "Visit aborted The device stopped" not in text  # the network visit went well


def test_a_certificate_that_cannot_be_read_is_shown_as_such(tmp_path: Path) -> None:
    broken = {"error": "ASN.1 <parse> error", "fingerprint_sha256": "ab" * 32, "pem": "x"}
    make(tmp_path / "report", "fr", [card("x")], [visit("x", endpoint(443, "https", broken))])
    page = Page(tmp_path / "report" / "devices" / sheet_name("x"))
    assert "ASN.1 <parse> error" in page.text
    assert "ab" * 32 in page.text
