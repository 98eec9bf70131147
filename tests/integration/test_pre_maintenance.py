"""Before a maintenance visit: one device, a ward or a work order in; the technician's sheets out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integration.runs import Run, run_audit
from lab.hospital import Hospital

PLAYBOOK = "biomed.cert_hygiene.pre_maintenance"


@pytest.fixture
def prepare(hospital: Hospital, collections: Path, tmp_path: Path) -> Callable[..., Run]:
    def run(*arguments: str, **variables: Any) -> Run:
        hospital.forget()
        return run_audit(
            hospital.inventory, tmp_path, *arguments, variables=variables, collections=collections, playbook=PLAYBOOK
        )

    return run


def sheets(run: Run) -> set[str]:
    """The devices that have a sheet."""
    summary = json.loads((run.folder / "pre_maintenance" / "summary.json").read_text(encoding="utf-8"))
    return {device["device"] for device in summary["devices"]}


def test_one_device_is_gathered_whole_and_no_other_is_touched(prepare: Callable[..., Run], hospital: Hospital) -> None:
    run = prepare(device="ecg-002")
    assert run.status == 0, run.output
    assert sheets(run) == {"ecg-002"}
    assert set(hospital.contacts()) == {hospital.plan.device("ecg-002")["address"]}
    (sheet,) = (run.folder / "pre_maintenance" / "devices").glob("*.html")
    text = sheet.read_text(encoding="utf-8")
    assert str(sheet) in run.said()
    order = [
        "First: the device&#39;s date and time",
        "What to do",
        "Request to IT, ready to send",
        "What remains to be",
    ]
    assert sorted(text.rindex(part) for part in order) == [text.rindex(part) for part in order]


def test_a_ward_is_prepared_by_its_name_in_french(prepare: Callable[..., Run]) -> None:
    run = prepare(device="cardiology", report_language="fr")
    assert run.status == 0, run.output
    assert sheets(run) == {"ecg-001", "ecg-002", "holter-003", "holter-006", "recorder-004", "recorder-005"}
    text = next((run.folder / "pre_maintenance" / "devices").glob("ecg-002*.html")).read_text(encoding="utf-8")
    assert "Demande à la DSI, prête à envoyer" in text


@pytest.mark.parametrize(
    "lines",
    [
        "ct-001\nrecorder-004\n",
        "Dispositif;Atelier\nct-001;A\nrecorder-004;B\n",
        '\ufeff"N° d\'inventaire";"Motif"\r\n"DM-00001";"MP; annuelle"\r\n"recorder-004";""\r\n',
        "DM-00001\trecorder\n\nrecorder-004\n",
    ],
)
def test_a_work_order_names_devices_by_name_or_number(prepare: Callable[..., Run], tmp_path: Path, lines: str) -> None:
    order = tmp_path / "ot.csv"
    order.write_text(lines, encoding="utf-8", newline="")
    run = prepare(work_order=str(order))
    assert run.status == 0, run.output
    assert sheets(run) == {"ct-001", "recorder-004"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "No device to prepare: give -e device=NAME"),
        ({"device": "echo-0004"}, "'echo-0004' selects no host"),
        ({"device": "echo-0004", "report_language": "fr"}, "« echo-0004 » ne désigne aucun hôte"),
    ],
)
def test_nothing_named_is_a_clear_refusal(
    prepare: Callable[..., Run], hospital: Hospital, variables: dict[str, str], said: str
) -> None:
    run = prepare(**variables)
    assert run.status != 0
    assert said in run.said()
    assert hospital.contacts() == {}
    assert not (run.folder / "pre_maintenance").exists()


@pytest.mark.parametrize("lines", ["ct-001\nct-01\n", "ct-01\n", "unknown\n", "DM-99999\nct-001\n"])
def test_a_device_that_the_inventory_lacks_is_named_and_nothing_is_touched(
    prepare: Callable[..., Run], hospital: Hospital, tmp_path: Path, lines: str
) -> None:
    order = tmp_path / "ot.csv"
    order.write_text(lines, encoding="utf-8")
    run = prepare(work_order=str(order))
    assert run.status != 0
    unknown = next(line for line in lines.splitlines() if line != "ct-001")
    assert f"names devices that are not in this inventory: {unknown}" in run.said()
    assert hospital.contacts() == {}


def test_factory_passwords_are_not_tried_without_leave_or_on_a_device_whose_use_is_not_known(
    prepare: Callable[..., Run], collections: Path
) -> None:
    without_leave = prepare(device="recorder-004")
    assert not list(without_leave.folder.glob("pre_maintenance.observations/*.access.*"))
    # The record of tries must last, which a test's own folder does not: somebody vouches for it here.
    run = prepare(
        device="recorder-004",
        access_checks_authorised_by="Dr A. Martin, BIO-2026-031",
        audit_access_state_dir=str(without_leave.folder / "tries"),
        audit_access_state_dir_vouched_by="the test",
    )
    assert run.status == 0, run.output
    (told,) = run.folder.glob("pre_maintenance.observations/*.access.observations.jsonl")
    (access,) = [json.loads(line) for line in told.read_text(encoding="ascii").splitlines()]
    assert (access["outcome"], access["reason"]) == ("skipped", "device_in_use")
    assert not access.get("default_passwords")
