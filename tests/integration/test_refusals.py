"""What is wrong in an inventory or on the command line: one clear sentence, nothing half-written, no packet in vain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integration.runs import Inventory, Run, edited_inventory, failing, keep_only, not_assessed
from lab.hospital import Hospital

Audit = Callable[..., Run]


@pytest.fixture
def two(hospital: Hospital, tmp_path: Path) -> Path:
    return edited_inventory(hospital, tmp_path / "two.yml", keep_only("ct-001", "mri-003"))


def assert_refused(run: Run, sentence: str, hospital: Hospital) -> None:
    assert run.status != 0, run.output
    assert sentence in run.said(), run.output
    assert "Traceback" not in run.output
    assert hospital.contacts() == {}


# --- the report folder ---


def test_a_folder_of_somebody_else_is_refused_untouched(
    audit: Audit, two: Path, tmp_path: Path, hospital: Hospital
) -> None:
    documents = tmp_path / "documents"
    documents.mkdir(mode=0o755)
    letter = documents / "letter.txt"
    letter.write_text("dear colleague", encoding="utf-8")
    before = letter.stat()
    run = audit(inventory=two, report_dir=str(documents))
    assert_refused(run, str(documents), hospital)
    assert [path.name for path in documents.iterdir()] == ["letter.txt"]
    assert letter.read_text(encoding="utf-8") == "dear colleague"
    assert letter.stat().st_mtime_ns == before.st_mtime_ns
    assert not (tmp_path / "documents.observations").exists()


def test_a_report_folder_that_cannot_be_made_is_refused_before_any_visit(
    audit: Audit, two: Path, tmp_path: Path, hospital: Hospital
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    run = audit(inventory=two, report_dir=str(tmp_path / "file" / "report"))
    assert_refused(run, str(tmp_path / "file"), hospital)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "home", "two.yml"]


def test_an_earlier_report_is_replaced_whole(audit: Audit, two: Path) -> None:
    first = audit(inventory=two)
    assert first.status == 0, first.output
    second = audit("--limit", "mri-003", inventory=two)
    assert second.status == 0, second.output
    assert list(second.devices()) == ["mri-003"]
    assert len(list(second.report.rglob("*mri-003*"))) and not list(second.report.rglob("*ct-001*"))


# --- settings ---


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"report_language": "de"}, "report_language"),
        ({"audit_fail_on": "terrible"}, "audit_fail_on"),
        ({"audit_policy": {"plan_dayz": 40}}, "plan_dayz"),
        ({"audit_policy": {"plan_days": "soon"}}, "plan_days"),
        ({"audit_probe_depth": "bottomless"}, "audit_probe_depth"),
    ],
    ids=["language", "threshold", "policy key", "policy value", "depth"],
)
def test_a_wrong_setting_is_named_before_any_visit(
    audit: Audit, two: Path, hospital: Hospital, variables: dict[str, Any], sentence: str
) -> None:
    run = audit(inventory=two, **variables)
    assert_refused(run, sentence, hospital)
    assert not run.report.exists()
    assert not (run.folder / "report.observations").exists()


@pytest.mark.parametrize("content", ["not a certificate", None], ids=["no certificate", "no file"])
def test_a_trust_anchor_that_is_none_is_named_before_any_visit(
    audit: Audit, two: Path, tmp_path: Path, hospital: Hospital, content: str | None
) -> None:
    anchor = tmp_path / "anchor.pem"
    if content is not None:
        anchor.write_text(content, encoding="utf-8")
    run = audit(inventory=two, audit_trust_anchors=[str(anchor)])
    assert_refused(run, str(anchor), hospital)
    assert not run.report.exists()


# --- the inventory ---


WRONG: list[tuple[str, object]] = [
    ("device_endpoints", [{"port": 20443, "service": "telepathy"}]),
    ("device_endpoints", "443"),
    ("device_endpoints", [{"port": 443000, "service": "https"}]),
    ("device_names", {"a": 1}),
    ("device_address", "127.0.0.1; reboot"),
    ("device_criticality", "very"),
    ("device_probe_consent", True),
    ("device_ports_watch", "{{ no_such_variable }}"),
]


def test_an_unreadable_variable_harms_its_device_alone(audit: Audit, tmp_path: Path, hospital: Hospital) -> None:
    names = [f"wrong-{number}" for number in range(len(WRONG))]

    def edit(group: Inventory) -> None:
        keep_only("ct-001", "mri-003")(group)
        hosts = group["children"]["imaging"]["hosts"]
        healthy = hosts.pop("ct-001")
        for name, (variable, value) in zip(names, WRONG, strict=True):
            hosts[name] = {**healthy, variable: value}

    # More than half of these devices cannot be visited, which alone would fail the run.
    rule = {"fail_when_unseen": {"all": 1}}
    run = audit(inventory=edited_inventory(hospital, tmp_path / "wrong.yml", edit), audit_policy=rule)
    assert run.status == 0, run.output
    devices = run.devices()
    for name, (variable, _value) in zip(names, WRONG, strict=True):
        assert f"{name} is left out: {variable}" in run.said()
        assert failing(devices[name]) == set()
        # Consent that cannot be read has its own reason, since it is the biomedical engineers' to mend.
        reason = "consent_invalid" if variable == "device_probe_consent" else "inventory_invalid"
        assert set(not_assessed(devices[name])["certificate_validity"]) == {reason}
    assert {reason for _c, _e, reason, _s in failing(devices["mri-003"])} == {"expired"}
    assert set(hospital.contacts()) == {hospital.plan.device("mri-003")["address"]}


def test_an_audit_of_unreadable_devices_alone_is_no_green_run(audit: Audit, tmp_path: Path, hospital: Hospital) -> None:
    def edit(group: Inventory) -> None:
        keep_only("ct-001")(group)
        group["children"]["imaging"]["hosts"]["ct-001"]["device_criticality"] = "very"

    run = audit(inventory=edited_inventory(hospital, tmp_path / "wrong.yml", edit))
    assert_refused(run, "the inventory of every selected device is wrong", hospital)
    assert "ct-001 is left out: device_criticality" in run.said()


HOSTILE = ["../x", "<script>alert(1)</script>", "a b", "..", "$(id)", "~root", "été-001", "{{ 7 * 7 }}"]


def test_hostile_device_names_harm_nothing(audit: Audit, tmp_path: Path, hospital: Hospital) -> None:
    def edit(group: Inventory) -> None:
        keep_only("ct-001")(group)
        hosts = group["children"]["imaging"]["hosts"]
        ct = hosts.pop("ct-001")
        for name in HOSTILE:
            hosts[name] = dict(ct)

    run = audit(inventory=edited_inventory(hospital, tmp_path / "hostile.yml", edit))
    assert run.status == 0, run.output
    devices = run.devices()
    assert set(devices) == set(HOSTILE)
    assert {name: device["verdict"] for name, device in devices.items()} == dict.fromkeys(HOSTILE, "incomplete")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "hostile.yml", "report", "report.observations"]
    for page in run.report.rglob("*.html"):
        assert "<script>alert" not in page.read_text(encoding="utf-8"), page
        assert run.report in page.resolve().parents
    assert hospital.contacts()[hospital.plan.device("ct-001")["address"]]["most_at_once"] == 1
