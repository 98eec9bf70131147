# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two vantages, one of them a real second host over SSH: each device is visited from its own, on every ansible-core."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.runs import run_audit
from integration.second_host import NAME, missing, second_host
from integration.test_installed import INTERPRETERS, ids
from integration.test_vantages import with_vantages
from lab.hospital import Hospital
from lab.places import own_network

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(scope="module")
def probe_2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The host variables of the second host."""
    with second_host(tmp_path_factory.mktemp("probe-2"), own_network("second host") + ".0.2") as variables:
        yield variables


def observations(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()
    ]


@pytest.mark.parametrize("python", INTERPRETERS, ids=ids)
def test_each_vantage_sends_its_own_packets(
    hospital: Hospital, collections: Path, probe_2: dict[str, Any], tmp_path: Path, python: Path
) -> None:
    """localhost comes first: ansible-core 2.21 would keep its connection for the other items of one task's loop."""
    inventory = with_vantages(hospital, tmp_path / "i.yml", {"probe-2": probe_2}, cardiology="probe-2")
    run = run_audit(inventory, tmp_path, collections=collections, python=python)
    assert run.status == 0, run.output
    told = observations(tmp_path / "report.observations")
    senders = {seen["device"]: (seen["vantage"], seen["vantage_host"]) for seen in told}
    here = ("localhost", platform.node())
    assert senders == {"ct-001": here, "mri-003": here, "ecg-001": ("probe-2", NAME)}
    assert f"probe-2 ({NAME})" in "".join(
        page.read_text(encoding="utf-8") for page in (tmp_path / "report").rglob("*ecg-001*.html")
    )


@pytest.mark.parametrize("python", INTERPRETERS, ids=ids)
def test_a_loop_over_one_delegated_task_never_tells_another_hosts_visit(
    hospital: Hospital, collections: Path, probe_2: dict[str, Any], tmp_path: Path, python: Path
) -> None:
    """What somebody's own playbook may do: the second host looks itself, or the task fails and nothing was sent."""
    address = hospital.plan.device("ct-001")["address"]
    device = {"name": "ct-001", "address": address, "endpoints": [], "ports": [20443], "consent": True}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {
                "biomed.cert_hygiene.device_probe": {
                    "devices": [device],
                    "dest": str(tmp_path) + "/{{ item }}.jsonl",
                },
                "loop": ["localhost", "probe-2"],
                "delegate_to": "{{ item }}",
                "ignore_errors": True,
            }
        ],
    }
    (tmp_path / "loop.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    (tmp_path / "i.yml").write_text(yaml.safe_dump({"all": {"hosts": {"probe-2": probe_2}}}), encoding="utf-8")
    hospital.forget()
    run = run_audit(
        tmp_path / "i.yml", tmp_path, collections=collections, playbook=str(tmp_path / "loop.yml"), python=python
    )
    senders = {seen["vantage"]: seen["vantage_host"] for seen in observations(tmp_path)}
    if "probe-2" in senders:
        assert senders == {"localhost": platform.node(), "probe-2": NAME}
    else:
        assert "'probe-2' was to look, and the task has a connection to this machine instead" in run.said()
        assert hospital.contacts()[address]["connections"] == 1
