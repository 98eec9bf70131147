# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole report, from observations to pages: what it says, in both languages, whatever the input holds."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from jsonschema import Draft202012Validator

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.summary import summarize
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.collection import Observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import load_attestations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import load_waivers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report import run
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.csv import guarded
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.fleet import Fleet
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import Preview, look_at, sheet_name
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.html import _environment, css_string
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.run import (
    FaultError,
    Rules,
    build_report,
    verdicts_in,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.sheet_certificates import LITERAL_DAYS
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.staging import Staging
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import describe_policy, load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import messages
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import load_words

PLUGIN_UTILS = Path(run.__file__).parents[1]
NOW = datetime(2026, 11, 22, 17, 0, tzinfo=timezone.utc)
DAY = timedelta(days=1)
VERSIONS = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")


# --- a small hospital -----------------------------------------------------------------------------


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def certificate(name: str, start: int, end: int, **more: Any) -> dict[str, Any]:
    """A certificate valid from and until so many days from now."""
    return {
        "subject": f"CN={name},O=Hopital",
        "common_name": name,
        "issuer": "CN=CA des dispositifs,O=Hopital",
        "serial_number": "4A7F",
        "not_before": iso(NOW + start * DAY),
        "not_after": iso(NOW + end * DAY),
        "key": {"type": "rsa", "bits": 2048, "curve": None},
        "signature_algorithm": "sha256WithRSAEncryption",
        "names": {"dns": [name], "ip": []},
        "is_ca": False,
        "fingerprint_sha256": hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(),
        "pem": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        **more,
    }


def endpoint(port: int, service: str, *chain: dict[str, Any], **more: Any) -> dict[str, Any]:
    accepted = more.pop("accepted", ("TLSv1.2", "TLSv1.3"))
    return {
        "port": port,
        "service": service,
        "outcome": "tls",
        "versions": {
            version: {"status": "accepted", "evidence": "server_hello"}
            if version in accepted
            else {"status": "refused", "evidence": "alert:70"}
            for version in VERSIONS
        },
        "negotiated": {"version": "TLSv1.2", "cipher": "TLS_AES_256_GCM_SHA384"},
        "client_certificate": "not_requested",
        "chain": list(chain),
        "trust": {"status": "trusted", "anchor": "CN=Racine", "detail": ""},
        "name_match": True,
        "handshake": "completed",
        "error": None,
        "connections": 4,
        **more,
    }


def visit(device: str, *endpoints: dict[str, Any], offset: float | None = 0.2, **more: Any) -> dict[str, Any]:
    samples = [
        {
            "source": "http_date",
            "endpoint": "https:443",
            "offset_seconds": offset,
            "uncertainty_seconds": 0.6,
            "evidence": True,
        }
    ]
    return {
        "schema_version": 1,
        "device": device,
        "source": "network",
        "vantage": "poste-bio",
        "started_at": iso(NOW - timedelta(hours=1)),
        "finished_at": iso(NOW - timedelta(hours=1)),
        "outcome": "observed",
        "reason": None,
        "connections": 4 * len(endpoints),
        "bytes_sent": 900 * len(endpoints),
        "bytes_received": 5000 * len(endpoints),
        "endpoints": list(endpoints),
        "ports": {},
        "clock": {"samples": samples if offset is not None else []},
        **more,
    }


def card(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "address": "10.20.1.14",
        "names": [f"{name}.hopital.example"],
        "endpoints": [{"port": 443, "service": "https"}],
        "ports": [{"port": 23, "service": "telnet"}, {"port": 80, "service": None}],
        "ports_allowed": [],
        "peers": [],
        "consent": True,
        "class": "imaging",
        "criticality": "high",
        "service": "Imagerie",
        "inventory_number": "INV-1",
        "in_use": None,
        "vendor_limits": {},
        "invalid": None,
        **more,
    }


HOSTILE = (
    "../../../etc/passwd",
    "<script>alert(1)</script>",
    "=cmd|'/C calc'!A0",
    "\u202egnp.exe",
    "nul\x00 bel\x07 esc\x1b[31m",
    "half\ud800",
    '"; } body { display: none } /*',
    "{{ 7 * 7 }}{% raw %}",
    "]]><!--",
    "x" * 5000,
)


def hospital() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    ca = certificate("CA des dispositifs", -2000, 2000, is_ca=True, issuer="CN=Racine")
    mine = certificate("echo-004.hopital.example", -300, 48)
    cards, seen = [], []

    def add(device: dict[str, Any], *observations: dict[str, Any]) -> None:
        cards.append(device)
        seen.extend(observations)

    add(
        card(
            "echo-004",
            endpoints=[{"port": 443, "service": "https"}, {"port": 2762, "service": "dicom"}],
            peers=[{"address": "10.0.0.9", "port": 2762, "service": "dicom", "names": ["pacs.hopital.example"]}],
        ),
        visit(
            "echo-004",
            endpoint(443, "https", mine, ca, accepted=("TLSv1.0", "TLSv1.2")),
            endpoint(2762, "dicom", mine, ca),
            offset=-720.4,
            ports={"23": "open", "80": "closed"},
        ),
        visit(
            "peer:10.0.0.9:2762",
            endpoint(2762, "dicom", certificate("pacs.hopital.example", -400, -3), ca),
            offset=None,
        ),
    )
    add(
        card(
            "biochimie-12",
            criticality="critical",
            service="Laboratoire",
            in_use=True,
            vendor_limits={"tls_versions": "La version 4.2 ne connaît pas TLS 1.2."},
        ),
        visit(
            "biochimie-12",
            endpoint(443, "https", certificate("biochimie-12.hopital.example", -370, -5), ca, accepted=("TLSv1.0",)),
            ports={"23": "closed", "80": "open"},
        ),
    )
    add(
        card("moniteur-7", criticality="critical"),
        visit(
            "moniteur-7",
            endpoint(443, "https", outcome="silent", accepted=()),
            offset=None,
            outcome="aborted",
            reason="stopped_answering",
        ),
    )
    add(card("pompe-21"), visit("pompe-21", offset=None, outcome="unreachable", reason="no_answer"))
    add(card("ecg-3", consent=False), visit("ecg-3", offset=None, outcome="skipped", reason="consent_missing"))
    add(card("lit-118"))
    add({"name": "irm-2", "invalid": "device_endpoints[0].service: unknown service 'htps'", "service": "Imagerie"})
    good = certificate("scanner-1.hopital.example", -20, 345)
    add(card("scanner-1"), visit("scanner-1", endpoint(443, "https", good, ca), ports={"23": "closed", "80": "closed"}))
    for text in HOSTILE:
        add(
            card(text, names=[text], service=text, inventory_number=text, **{"class": text}),
            visit(
                text,
                endpoint(
                    443, "https", certificate(text, -3, 3, issuer=text, names={"dns": [text] * 99, "ip": [text]}), ca
                ),
                vantage=text,
            ),
        )
    return cards, seen


WAIVERS = [
    {
        "check": "open_ports",
        "device": "biochimie-12",
        "reason": "insecure_service_open",
        "justification": "=HYPERLINK(1) marché 2027",
        "approver": "RSSI",
        "until": "2027-03-01",
    }
]
ATTESTATIONS = [
    {
        "check": "label",
        "device": "scanner-1",
        "result": "pass",
        "by": "A. Martin",
        "on": "2026-11-01",
        "until": "2027-11-01",
    }
]


def rules(**policy: Any) -> Rules:
    return Rules(load_policy(policy), load_attestations(ATTESTATIONS), load_waivers(WAIVERS), NOW)


def make(
    dest: Path,
    language: str = "both",
    cards: Sequence[Mapping[str, Any]] | None = None,
    seen: Sequence[Mapping[str, Any]] = (),
    info: Mapping[str, Any] | None = None,
    **policy: Any,
) -> tuple[Fleet, bool]:
    if cards is None:
        cards, seen = hospital()
    with (
        Observations({device["name"] for device in cards}) as observations,
        Staging(look_at(str(dest))) as out,
    ):
        for position, entry in enumerate(seen):
            observations.add_entry(entry, position)
        fleet = build_report(cards, observations, rules(**policy), language, out, info)
        return fleet, out.commit()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("pages") / "report"
    make(dest, info={"play": "Audit <b>de nuit</b>", "own key": ["a", "b"]})
    return dest


def plain(text: str) -> str:
    """A text with ordinary spaces, as a person compares it."""
    return re.sub(r"\s+", " ", text).strip()


class Page(HTMLParser):
    """A page as a browser takes it apart; unbalanced tags are an error."""

    VOID = ("meta", "br", "link", "img", "input", "hr")

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.styles: list[str] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self._open == []
        self.text = plain(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("b", "span"):
            self.text += " "
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "style":
            self.styles.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.styles[-1] += data
        else:
            self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag and wanted.items() <= attrs.items()]


def pages(report: Path) -> Iterator[Path]:
    found = sorted(report.rglob("*.html"))
    assert found
    yield from found


def sheet(report: Path, device: str, language: str = "fr") -> Page:
    return Page(report / language / "devices" / sheet_name(device))


def text_of(report: Path, device: str, language: str = "fr") -> str:
    return sheet(report, device, language).text


def original(name: str) -> str:
    """The name of a device as it was given, from the one in summary.json (which can hold no lone surrogate)."""
    return next(device["name"] for device in hospital()[0] if device["name"].replace("\ud800", "\ufffd") == name)


def summary(report: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((report / "summary.json").read_text(encoding="utf-8"))
    return loaded


# --- the folder -----------------------------------------------------------------------------------


def test_the_folder_is_laid_out_as_promised(report: Path) -> None:
    names = [device["name"] for device in hospital()[0]]
    top = {str(path.relative_to(report)) for path in report.rglob("*") if path.is_file()}
    wanted = {"index.html", "summary.json", ".biomed-cert-hygiene-report"}
    for language in ("fr", "en"):
        wanted |= {f"{language}/{name}" for name in ("index.html", "findings.csv", "attestations-to-fill.csv")}
        wanted |= {f"{language}/devices/{sheet_name(name)}" for name in names}
    assert top == wanted


@pytest.mark.parametrize("language", ["fr", "en"])
def test_one_language_has_no_folder_of_its_own(tmp_path: Path, language: str) -> None:
    dest = tmp_path / "report"
    make(dest, language, [card("x")])
    assert {str(path.relative_to(dest)) for path in dest.rglob("*") if path.is_file()} == {
        "index.html",
        "findings.csv",
        "attestations-to-fill.csv",
        "summary.json",
        ".biomed-cert-hygiene-report",
        f"devices/{sheet_name('x')}",
    }
    assert Page(dest / "index.html").all("html") == [{"lang": language}]
    assert not Page(dest / "devices" / sheet_name("x")).all("a", hreflang="en" if language == "fr" else "fr")


def test_the_same_input_is_the_same_folder_byte_for_byte(tmp_path: Path) -> None:
    dest = tmp_path / "report"
    assert make(dest)[1] is True
    before = {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()}
    assert make(dest)[1] is False
    assert make(tmp_path / "other")[1] is True
    assert before == {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()}
    for path, data in before.items():
        assert (tmp_path / "other" / path.relative_to(dest)).read_bytes() == data
    cards, seen = hospital()
    cards[0]["service"] = "Urgences"
    assert make(dest, cards=cards, seen=seen)[1] is True
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "report"]  # nothing of the former is left


def test_a_preview_agrees_with_the_real_thing(tmp_path: Path) -> None:
    dest = tmp_path / "report"
    make(dest)
    cards, seen = hospital()
    with Observations({device["name"] for device in cards}) as observations, Preview(look_at(str(dest))) as out:
        for position, entry in enumerate(seen):
            observations.add_entry(entry, position)
        build_report(cards, observations, rules(), "both", out)
        assert out.commit() is False


def test_no_device_at_all_is_a_report_too(tmp_path: Path) -> None:
    make(tmp_path / "report", cards=[])
    assert summary(tmp_path / "report")["devices"] == []
    assert "Aucun dispositif dans ce rapport." in Page(tmp_path / "report" / "fr" / "index.html").text


# --- pages hold nothing that could act --------------------------------------------------------------


def test_pages_run_nothing_and_load_nothing(report: Path) -> None:
    for path in pages(report):
        page = Page(path)
        assert {tag for tag, _attrs in page.tags} <= {
            *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav", "section"),
            *("h1", "h2", "h3", "h4", "p", "a", "ul", "ol", "li", "dl", "dt", "dd", "div", "span", "b", "small", "br"),
            *("table", "thead", "tbody", "tr", "th", "td", "article", "details", "summary", "pre"),
        }
        for _tag, attrs in page.tags:
            assert not {name for name in attrs if name.startswith("on") or name in ("style", "src")}
            target = attrs.get("href")
            assert target is None or re.fullmatch(
                r"#[a-z]+|(?:\.\./)*[a-z./]*[a-z0-9-]*(?:\.html|\.csv|\.json)", target
            )


def test_links_lead_somewhere(report: Path) -> None:
    for path in pages(report):
        page = Page(path)
        ids = {attrs["id"] for _tag, attrs in page.tags if "id" in attrs}
        for link in page.all("a"):
            target = str(link["href"])
            assert target[1:] in ids if target.startswith("#") else (path.parent / target).resolve().is_file()


def test_the_policy_allows_exactly_the_styles_of_the_page(report: Path) -> None:
    for path in pages(report):
        page = Page(path)
        meta = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
        allowed = [
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in page.styles
        ]
        assert [attrs["content"] for attrs in meta] == [
            f"default-src 'none'; style-src {' '.join(allowed)}; base-uri 'none'; form-action 'none'"
        ]
        assert not any("url(" in text or "@import" in text or "<" in text for text in page.styles)


def test_hostile_text_is_shown_and_does_nothing(report: Path) -> None:
    for path in pages(report):
        raw = path.read_text(encoding="utf-8")
        assert "<script" not in raw
        assert "<b>de nuit" not in raw
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", raw)
    for language in ("fr", "en"):
        assert "<script>alert(1)</script>" in text_of(report, "<script>alert(1)</script>", language)
        assert "[U+202E]gnp.exe" in text_of(report, "\u202egnp.exe", language)
        assert "half[U+D800]" in text_of(report, "half\ud800", language)
        assert "nul[U+0000] bel[U+0007] esc[U+001B][31m" in text_of(report, HOSTILE[4], language)
        assert "{{ 7 * 7 }}{% raw %}" in text_of(report, "{{ 7 * 7 }}{% raw %}", language)
        assert "x" * 1300 not in text_of(report, "x" * 5000, language)
        assert "Audit <b>de nuit</b>" in Page(report / language / "index.html").text


def test_a_text_that_slipped_through_is_still_made_safe_by_the_last_net() -> None:
    template = _environment("fr").from_string("{{ text }}{{ nothing }}{{ number }}")
    assert template.render(text="\u202e<b>\x00", nothing=None, number=3) == "[U+202E]&lt;b&gt;[U+0000]3"
    with pytest.raises(UndefinedError):
        _environment("fr").from_string("{{ misspelt }}").render()


@pytest.mark.parametrize("text", ['"; } x { y', "</style><b>", "\\", "é\u202e", "a b-1"])
def test_a_css_string_says_the_text_and_ends_where_it_should(text: str) -> None:
    written = css_string(text)
    assert re.fullmatch(r'"(?:[A-Za-z0-9 ]|\\[0-9a-f]{1,6} )*"', written)
    said = re.sub(r"\\([0-9a-f]{1,6}) ", lambda found: chr(int(found[1], 16)), written[1:-1])
    assert said == text


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "endpoints",
                "certificate_files",
                "source",
                "vantage",
                "ports",
                "clock",
                "detail",
                "connections",
                "reason",
                "outcome",
                "started_at",
            ]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=()), max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_a_mangled_observation_still_gives_a_whole_report(entry: dict[str, Any]) -> None:
    seen = {**visit("x", endpoint(443, "https", certificate("x", -3, 3))), **entry}
    with Observations({"x"}) as observations, Preview(look_at("/nonexistent/report")) as out:
        observations.add_entry(seen, 0)
        fleet = build_report([card("x")], observations, rules(), "both", out)
    assert fleet.totals["devices"] == 1
    assert fleet.warnings == []


@settings(max_examples=30)
@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=30))
def test_any_text_in_any_field_still_gives_a_whole_report(text: str) -> None:
    seen = visit(text, endpoint(443, text, certificate(text, -3, 3, **dict.fromkeys(("subject", "issuer"), text))))
    device = card(text, names=[text], vendor_limits={"certificate_name": text}, **{"class": text, "criticality": text})
    with Observations({text}) as observations, Preview(look_at("/nonexistent/report")) as out:
        observations.add_entry(seen, 0)
        fleet = build_report([device], observations, rules(), "both", out)
    assert fleet.warnings == []


# --- both languages -------------------------------------------------------------------------------


def test_both_languages_say_the_same_things(report: Path) -> None:
    for device in hospital()[0]:
        french, english = (sheet(report, device["name"], language) for language in ("fr", "en"))
        assert [tag for tag, _attrs in french.tags] == [tag for tag, _attrs in english.tags]
        assert (french.all("html"), english.all("html")) == ([{"lang": "fr"}], [{"lang": "en"}])
    for name in ("index.html", "findings.csv"):
        assert len((report / "fr" / name).read_text().splitlines()) == len(
            (report / "en" / name).read_text().splitlines()
        )


def test_every_failure_is_on_the_sheet_of_its_device(report: Path) -> None:
    for line in summary(report)["devices"]:
        failures = [finding for finding in line["findings"] if finding["status"] == "fail"]
        for language in ("fr", "en"):
            page = sheet(report, original(line["device"]), language)
            shown = len(page.all("article"))
            assert (shown == 0) == (failures == [])
            assert shown <= len(failures)
            for finding in failures:
                title = messages.reason_title(finding["check"], finding["reason"], language)
                assert plain(title) in page.text
            for finding in line["findings"]:
                assert plain(messages.check_title(finding["check"], language)) in page.text


def words_with(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every place of the words file that has text in a language."""
    if isinstance(node, Mapping):
        if set(node) & {"fr", "en"}:
            yield path, node
        else:
            for key, value in node.items():
                yield from words_with(value, f"{path}.{key}")


def test_every_word_is_there_in_both_languages_with_the_same_places() -> None:
    found = list(words_with(load_data("words/report_texts")))
    assert len(found) > 100
    for path, node in found:
        assert set(node) == {"fr", "en"}, path
        if isinstance(node["fr"], str):
            places = [set(re.findall(r"\{\w+", node[language])) for language in ("fr", "en")]
            assert places[0] == places[1], path
            assert "{{" not in node["fr"] + node["en"], path
            assert "{%" not in node["fr"] + node["en"], path
        else:
            assert len(node["fr"]) == len(node["en"]), path


def test_every_observed_and_expected_value_has_a_name(report: Path) -> None:
    named = load_words("fr")["item"]
    found = {
        key
        for line in summary(report)["devices"]
        for finding in line["findings"]
        if finding["status"] == "fail"
        for key in (*finding["observed"], *finding["expected"])
    }
    assert found - set(named) <= {"vendor_limit", "waiver"}


@pytest.mark.parametrize(
    ("language", "zero", "one", "many"),
    [("fr", "0 écart", "1 écart", "10\u202f000 écarts"), ("en", "0 failures", "1 failure", "10,000 failures")],
)
def test_numbers_are_written_as_the_language_does(language: str, zero: str, one: str, many: str) -> None:
    words = load_words(language)
    for number, said in ((0, zero), (1, one), (10_000, many)):
        text = words.count(words["count_fail"], number)
        assert text.startswith(said + " ")
    assert words.number(1234.5, 1) == ("1\u202f234,5" if language == "fr" else "1,234.5")
    assert [words.size(n) for n in (12, 1500, 2_500_000)] == (
        ["12 octets", "1,5 ko", "2,5 Mo"] if language == "fr" else ["12 bytes", "1.5 kB", "2.5 MB"]
    )


# --- the device sheet -------------------------------------------------------------------------------


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


# --- the fleet page ---------------------------------------------------------------------------------


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
    assert found["totals"] == whole["totals"]
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


# --- summary.json and findings.csv --------------------------------------------------------------------


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
    assert verdicts_in(str(report / "summary.json"))["echo-004"] == "non_compliant"
    assert verdicts_in(str(report / "nothing.json")) == {}


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


# --- resilience ---------------------------------------------------------------------------------------


def test_a_device_that_cannot_be_judged_does_not_take_the_fleet_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = run.assess_device

    def fragile(device: Mapping[str, Any], *rest: Any) -> list[dict[str, Any]]:
        if device.get("consent") and device["name"] == "bad":
            raise KeyError("surprise")
        return judge(device, *rest)

    monkeypatch.setattr(run, "assess_device", fragile)
    fleet, _changed = make(tmp_path / "report", "en", [card("good"), card("bad")])
    assert len(fleet.warnings) == 1
    assert (
        "1 of 2 device(s) could not be judged, the first 'bad': KeyError: 'surprise' (test_pages" in fleet.warnings[0]
    )
    found = {line["device"]: line for line in summary(tmp_path / "report")["devices"]}
    assert found["bad"]["verdict"] == "incomplete"
    assert {finding["reason"] for finding in found["bad"]["findings"]} == {"inventory_invalid"}
    with pytest.raises(FaultError, match="the folder is as it was"):
        make(tmp_path / "report", "en", [card("bad")])
    assert len(summary(tmp_path / "report")["devices"]) == 2


def test_failing_names_each_device_under_each_severity(tmp_path: Path) -> None:
    fleet, _changed = make(tmp_path / "report", "en")
    failing = fleet.failing()
    assert list(failing) == ["critical", "high", "medium", "low"]
    assert "echo-004" in failing["critical"]
    assert "echo-004" in failing["high"]
    assert "scanner-1" not in {name for names in failing.values() for name in names}


def test_progress_is_told_device_by_device(tmp_path: Path) -> None:
    told: list[int] = []
    with Observations(set()) as observations, Preview(look_at(str(tmp_path / "report"))) as out:
        build_report([card("a"), card("b")], observations, rules(), "fr", out, progress=told.append)
    assert told == [1, 2]
