# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass from observations to a folder: what lies in it, and what does not stop it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from unit.small_hospital import Page, card, hospital, make, rules, summary

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.collection import Observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report import run
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import Preview, look_at, sheet_name
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.run import (
    FaultError,
    build_report,
)


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
    assert "1 of 2 device(s) could not be judged, the first 'bad': KeyError: 'surprise' (test_run" in fleet.warnings[0]
    found = {line["device"]: line for line in summary(tmp_path / "report")["devices"]}
    assert found["bad"]["verdict"] == "incomplete"
    assert {finding["reason"] for finding in found["bad"]["findings"]} == {"inventory_invalid"}
    with pytest.raises(FaultError, match="the folder is as it was"):
        make(tmp_path / "report", "en", [card("bad")])
    assert len(summary(tmp_path / "report")["devices"]) == 2


def test_failing_names_each_device_under_each_severity(tmp_path: Path) -> None:
    fleet, _changed = make(tmp_path / "report", "en")
    failing = fleet.failing()
    assert list(failing) == ["critical", "high", "medium", "low", "not_visited", "incomplete"]
    assert set(failing["not_visited"]) == {"moniteur-7", "pompe-21", "lit-118"}
    assert {"moniteur-7", "pompe-21", "lit-118", "ecg-3", "irm-2", "scanner-1"} <= set(failing["incomplete"])
    assert "echo-004" in failing["critical"]
    assert "echo-004" in failing["high"]
    assert "scanner-1" not in {name for key, names in failing.items() if key != "incomplete" for name in names}


def test_progress_is_told_device_by_device(tmp_path: Path) -> None:
    told: list[int] = []
    with Observations(set()) as observations, Preview(look_at(str(tmp_path / "report"))) as out:
        build_report([card("a"), card("b")], observations, rules(), "fr", out, progress=told.append)
    assert told == [1, 2]
