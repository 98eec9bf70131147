# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of the report: nothing in them acts, whatever the input holds, and both languages say the same."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from unit.small_hospital import (
    HOSTILE,
    Page,
    card,
    certificate,
    endpoint,
    hospital,
    original,
    pages,
    plain,
    rules,
    sheet,
    summary,
    text_of,
    visit,
)

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.collection import Observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import Preview, look_at
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.html import _environment, css_string
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.run import (
    build_report,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import messages
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import load_words


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
