"""What all playbooks that change gateways share: a selection of nobody fails, a failure waits for the neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
#: playbook -> the variable that selects its gateways, and its default
CHANGING = {
    "push_root_ca": ("gateway_hosts", "gateways"),
    "time_sync": ("gateway_hosts", "gateways"),
    "account_hygiene": ("gateway_hosts", "gateways"),
    "tls_hardening": ("gateway_hosts", "gateways"),
    "restore_backup": ("restore_hosts", "medical_devices"),
}


def changes(play: dict[str, Any]) -> list[dict[str, Any]]:
    return [task for task in play.get("tasks", []) if "change_control_kind" in task.get("vars", {})]


def test_no_other_playbook_changes_gateways() -> None:
    found = {
        path.stem
        for path in PLAYBOOKS.glob("*.yml")
        if any(map(changes, yaml.safe_load(path.read_text(encoding="utf-8"))))
    }
    assert found == set(CHANGING)


@pytest.mark.parametrize("name", CHANGING)
def test_a_play_is_a_batch_of_change_control(name: str) -> None:
    variable, default = CHANGING[name]
    pattern = f"{variable} | default('{default}')"
    (play,) = yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8"))
    assert " ".join(play["hosts"].split()) == (
        f"{{{{ {pattern} if query('ansible.builtin.inventory_hostnames', {pattern}) | intersect(ansible_play_hosts_all)"
        " else ('all' if ansible_play_hosts_all else 'localhost') }}"
    )
    assert not {"any_errors_fatal", "max_fail_percentage", "ignore_unreachable"} & play.keys()
    (task,) = play["tasks"]
    assert task["ansible.builtin.include_role"] == {"name": "biomed.cert_hygiene.change_control", "tasks_from": "batch"}
    assert task["vars"]["change_control_selection"] == f"{{{{ {pattern} }}}}"
    assert task["vars"].get("change_control_selection_variable", "gateway_hosts") == variable
