"""Which devices an audit is about, and the audits that are about nothing: never a green empty report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from integration.runs import Inventory, Run, edited_inventory, failing
from lab.hospital import Hospital

Audit = Callable[..., Run]


def assert_refused(run: Run, sentence: str, hospital: Hospital) -> None:
    assert run.status != 0, run.output
    assert sentence in run.said()
    assert "Traceback" not in run.output
    assert not run.report.exists()
    assert hospital.contacts() == {}


def test_limit_audits_one_device_and_touches_no_other(audit: Audit, hospital: Hospital) -> None:
    run = audit("--limit", "mri-003")
    assert run.status == 0, run.output
    assert list(run.devices()) == ["mri-003"]
    assert {reason for _check, _endpoint, reason, _severity in failing(run.devices()["mri-003"])} == {"expired"}
    assert set(hospital.contacts()) == {hospital.plan.device("mri-003")["address"]}


def test_a_ward_is_audited_by_its_group(audit: Audit, hospital: Hospital) -> None:
    run = audit(audit_hosts="cardiology")
    assert run.status == 0, run.output
    assert set(run.devices()) == {"ecg-001", "ecg-002", "holter-003", "holter-006", "recorder-004", "recorder-005"}


def test_a_pattern_may_exclude_and_a_file_may_limit(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "tonight").write_text("ecg-001\necg-002\nmri-003\n", encoding="utf-8")
    run = audit("--limit", f"@{tmp_path / 'tonight'}", audit_hosts="medical_devices:!imaging")
    assert run.status == 0, run.output
    assert set(run.devices()) == {"ecg-001", "ecg-002"}


@pytest.fixture
def with_a_server(hospital: Hospital, tmp_path: Path) -> Path:
    """The hospital's inventory with a server that is no medical device."""
    inventory = yaml.safe_load(hospital.inventory.read_text(encoding="utf-8"))
    inventory["all"]["hosts"] = {"fileserver": {}}
    path = tmp_path / "with-a-server.yml"
    path.write_text(yaml.safe_dump(inventory), encoding="utf-8")
    return path


def test_a_limit_that_leaves_no_device_is_refused(audit: Audit, with_a_server: Path, hospital: Hospital) -> None:
    run = audit("--limit", "fileserver", inventory=with_a_server)
    assert_refused(
        run, "No device to audit: the pattern medical_devices selects no host of this inventory under --limit", hospital
    )


def test_a_limit_that_matches_nothing_is_refused(audit: Audit, hospital: Hospital) -> None:
    assert_refused(audit("--limit", "nobody-here"), "no hosts to target", hospital)


def test_a_pattern_that_matches_nothing_is_refused(audit: Audit, hospital: Hospital) -> None:
    assert_refused(
        audit(audit_hosts="radiology"), "No device to audit: the pattern radiology selects no host", hospital
    )


def test_the_refusal_speaks_french(audit: Audit, hospital: Hospital) -> None:
    run = audit(audit_hosts="radiology", report_language="fr")
    assert_refused(run, "Aucun dispositif à auditer : le motif radiology", hospital)


@pytest.mark.parametrize("content", ["all: {}\n", "all: {hosts: {fileserver: {}}}\n"], ids=["empty", "no group"])
def test_an_inventory_without_devices_is_refused(
    audit: Audit, tmp_path: Path, hospital: Hospital, content: str
) -> None:
    path = tmp_path / "other.yml"
    path.write_text(content, encoding="utf-8")
    assert_refused(audit(inventory=path), "No device to audit", hospital)


def test_an_inventory_where_nobody_consented_is_refused(audit: Audit, tmp_path: Path, hospital: Hospital) -> None:
    def without_consent(group: Inventory) -> None:
        for ward in group["children"].values():
            ward["vars"].pop("device_probe_consent", None)

    run = audit(inventory=edited_inventory(hospital, tmp_path / "no-consent.yml", without_consent))
    number = len(hospital.plan.devices)
    assert_refused(run, f"of the {number} selected, no device has a recorded consent", hospital)


def test_limit_to_devices_without_consent_is_refused(audit: Audit, hospital: Hospital) -> None:
    assert_refused(audit("--limit", "ventilator-003"), "of the 1 selected, no device has a recorded consent", hospital)


@pytest.mark.parametrize("key", ["on", '"on"'], ids=["plain", "quoted"])
def test_consent_is_read_however_its_date_is_written(
    audit: Audit, tmp_path: Path, hospital: Hospital, key: str
) -> None:
    """YAML reads a plain `on` as true: an inventory written as the documentation shows it must work."""
    device = hospital.plan.device("ct-001")
    path = tmp_path / "one.yml"
    path.write_text(
        f"""
medical_devices:
  vars:
    device_probe_consent: {{by: Dr Martin, {key}: 2026-09-01, reference: BIO-1}}
    audit_trust_anchors: ["{hospital.trust_anchor}"]
  hosts:
    ct-001:
      device_address: {device["address"]}
      device_names: [ct-001.hopital.example]
      device_endpoints: [{{port: 20443, service: https}}]
""",
        encoding="utf-8",
    )
    run = audit(inventory=path)
    assert run.status == 0, run.output
    assert failing(run.devices()["ct-001"]) == set()
    assert device["address"] in hospital.contacts()
