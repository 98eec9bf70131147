"""Parts of the audit alone, check mode, and findings that fail the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from integration.runs import Run, edited_inventory, failing, keep_only
from lab.hospital import Hospital

Audit = Callable[..., Run]


@pytest.fixture
def three(hospital: Hospital, tmp_path: Path) -> Path:
    """An inventory of a healthy device, one with a critical and one with a medium finding."""
    return edited_inventory(hospital, tmp_path / "three.yml", keep_only("ct-001", "mri-003", "analyser-002"))


def test_probe_alone_leaves_observations_and_no_report(audit: Audit, three: Path, hospital: Hospital) -> None:
    run = audit("--tags", "probe", inventory=three)
    assert run.status == 0, run.output
    assert not run.report.exists()
    assert len(list((run.folder / "report.observations").iterdir())) == 1
    assert len(hospital.contacts()) == 3
    judged = audit("--tags", "assess", inventory=three)
    assert judged.status == 0, judged.output
    assert len(judged.devices()) == 3
    assert hospital.contacts() == {}


def test_observations_of_an_earlier_run_are_never_judged_as_fresh(audit: Audit, three: Path) -> None:
    assert audit("--tags", "probe", inventory=three).status == 0
    folder = three.parent / "report.observations"
    (kept,) = folder.iterdir()
    stale = kept.rename(folder / "former-vantage-00000000.observations.jsonl")
    letter = folder / "letter.txt"
    letter.write_text("not ours", encoding="utf-8")
    run = audit("--limit", "mri-003", inventory=three)
    assert run.status == 0, run.output
    assert not stale.exists()
    assert letter.read_text(encoding="utf-8") == "not ours"


def test_check_mode_visits_and_judges_but_writes_nothing(audit: Audit, three: Path, hospital: Hospital) -> None:
    run = audit("--check", inventory=three)
    assert run.status == 0, run.output
    assert "nothing is written" in run.said()
    assert "mri-003" in run.output
    assert len(hospital.contacts()) == 3
    assert sorted(path.name for path in run.folder.iterdir()) == ["home", "three.yml"]


def test_findings_fail_the_run_when_asked_with_the_devices_named(audit: Audit, three: Path) -> None:
    run = audit(inventory=three, audit_fail_on="critical")
    assert run.status != 0
    assert "Devices with a finding of severity critical or worse (1): mri-003" in run.said()
    assert failing(run.devices()["mri-003"])
    for threshold, named in [("high", ["mri-003"]), ("medium", ["analyser-002", "mri-003"])]:
        run = audit("--tags", "report", inventory=three, audit_fail_on=threshold)
        assert run.status != 0
        assert f"severity {threshold} or worse ({len(named)}): {', '.join(named)}" in run.said()
    below = audit("--tags", "report", "--limit", "analyser-002", inventory=three, audit_fail_on="high")
    assert below.status == 0, below.output
    assert failing(below.devices()["analyser-002"])


def test_a_closed_firewall_is_no_green_night(audit: Audit, hospital: Hospital) -> None:
    run = audit("--limit", "bed-002,pump-002,ct-001")
    assert run.status != 0
    assert "too many devices were not seen: bed-002, pump-002." in run.said()
    assert "with the sheet of each device" in run.said() and "Devices not seen: 2 of 3" in run.said()
    assert run.summary()["totals"]["unseen"] == {"consented": 3, "not_seen": 2, "seen_last_time": None}
    # All of a vantage, whatever the share of all.
    lonely = audit("--limit", "bed-002", report_language="fr", audit_policy={"fail_when_unseen": {"all": 1}})
    assert lonely.status != 0
    assert "Aucun dispositif du poste d'interrogation localhost n'a été vu" in lonely.said().replace("\u00a0", " ")
    for rule in ({"all": 1}, {"all": 0.7, "wards": {"Soins de suite": 1}}):
        fine = audit("--limit", "bed-002,pump-002,ct-001", audit_policy={"fail_when_unseen": rule})
        assert fine.status == 0, fine.output
    rule = {"all": 1, "wards": {"Soins de suite": 0}}
    ward = audit("--limit", "bed-002,pump-002,ct-001", audit_policy={"fail_when_unseen": rule})
    assert ward.status != 0 and "Ward Soins de suite, devices not seen: 1 of 1" in ward.said()


def test_devices_not_seen_or_incomplete_fail_the_run_when_asked(audit: Audit) -> None:
    chosen = ("--limit", "bed-002,ct-001,mri-003")
    run = audit(*chosen, audit_fail_on="not_visited")
    assert run.status != 0 and "Devices that were not seen (1): bed-002" in run.said()
    run = audit("--tags", "report", *chosen, audit_fail_on=["incomplete", "not_visited"])
    assert run.status != 0
    assert "Devices whose assessment is incomplete ; Devices that were not seen (2): bed-002, ct-001" in run.said()
    run = audit("--tags", "report", *chosen, audit_fail_on=["never"])
    assert run.status == 0, run.output


def test_the_terminal_speaks_french_for_a_french_report(audit: Audit, three: Path) -> None:
    run = audit(inventory=three, report_language="fr", audit_fail_on="critical")
    assert "non conforme" in run.output.lower()
    assert "Dispositifs ayant un constat de gravité critique ou pire (1) : mri-003" in run.said()
