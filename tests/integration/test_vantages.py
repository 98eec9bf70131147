"""Devices visited from several vantages, and vantages that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.runs import Run, edited_inventory, failing, keep_only, not_assessed
from lab.hospital import Hospital

Audit = Callable[..., Run]


def with_vantages(hospital: Hospital, path: Path, vantages: dict[str, dict[str, Any]], **of_device: str) -> Path:
    """Write an inventory of ct-001 and mri-003 with these vantage hosts; `of_device`: ward=vantage."""
    edited_inventory(hospital, path, keep_only("ct-001", "mri-003", "ecg-001"))
    inventory = yaml.safe_load(path.read_text(encoding="utf-8"))
    inventory["all"]["hosts"] = vantages
    for ward, vantage in of_device.items():
        inventory["all"]["children"]["medical_devices"]["children"][ward]["vars"]["device_vantage"] = vantage
    path.write_text(yaml.safe_dump(inventory), encoding="utf-8")
    return path


LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}


def test_each_vantage_visits_its_own_devices(audit: Audit, hospital: Hospital, tmp_path: Path) -> None:
    inventory = with_vantages(hospital, tmp_path / "i.yml", {"probe-2": LOCAL}, cardiology="probe-2")
    run = audit(inventory=inventory)
    assert run.status == 0, run.output
    files = {path.name.rsplit("-", 1)[0]: path.read_text() for path in (tmp_path / "report.observations").iterdir()}
    assert set(files) == {"localhost", "probe-2"}
    assert "ecg-001" in files["probe-2"] and "ct-001" in files["localhost"] and "ct-001" not in files["probe-2"]
    assert len(run.devices()) == 3
    assert len(hospital.contacts()) == 3


@pytest.mark.parametrize(
    "broken",
    [
        {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9},
        {"ansible_connection": "local", "ansible_python_interpreter": "/nonexistent/python3"},
    ],
    ids=["unreachable", "without python"],
)
def test_a_vantage_that_cannot_be_used_does_not_stop_the_others(
    audit: Audit, hospital: Hospital, tmp_path: Path, broken: dict[str, Any]
) -> None:
    inventory = with_vantages(hospital, tmp_path / "i.yml", {"a-probe": broken}, cardiology="a-probe")
    run = audit(inventory=inventory)
    assert run.status != 0
    assert "The audit is not whole" in run.said() and "a-probe: " in run.said()
    devices = run.devices()
    assert {reason for _c, _e, reason, _s in failing(devices["mri-003"])} == {"expired"}
    assert set(devices) == {"ct-001", "mri-003", "ecg-001"}
    assert set(not_assessed(devices["ecg-001"])["certificate_validity"]) == {"not_observed"}
    assert hospital.plan.device("ecg-001")["address"] not in hospital.contacts()


def test_no_usable_vantage_at_all_writes_no_report(audit: Audit, hospital: Hospital, tmp_path: Path) -> None:
    broken = {"ansible_connection": "local", "ansible_python_interpreter": "/nonexistent/python3"}
    inventory = with_vantages(
        hospital, tmp_path / "i.yml", {"a-probe": broken}, cardiology="a-probe", imaging="a-probe"
    )
    run = audit(inventory=inventory)
    assert run.status != 0
    assert "no vantage could be used. a-probe: " in run.said()
    assert not run.report.exists()


def test_localhost_in_the_inventory_is_still_the_control_node(audit: Audit, hospital: Hospital, tmp_path: Path) -> None:
    """Ansible goes by SSH to a localhost that is listed without a connection; the report needs none."""
    inventory = with_vantages(
        hospital, tmp_path / "i.yml", {"localhost": {}, "probe-2": LOCAL}, cardiology="probe-2", imaging="probe-2"
    )
    run = audit("--limit", "ct-001", inventory=inventory)
    assert run.status == 0, run.output
    assert list(run.devices()) == ["ct-001"]
