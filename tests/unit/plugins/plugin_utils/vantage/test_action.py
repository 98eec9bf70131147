# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control-node halves share, without a playbook: tests/integration meets them as a playbook does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import packed, unpacked
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import NotAsked
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage import action
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.action import (
    Progress,
    VantageAction,
    VantageLost,
)

CONSENT = {"by": "Dr A. Martin", "on": "2026-09-01"}


class Half(VantageAction):
    """A control-node half whose module answers what the test says."""

    name = "half"

    def __init__(self, result: Any = None, transport: str = "ssh", **task: Any) -> None:
        self._task = SimpleNamespace(**{"delegate_to": None, "check_mode": False, **task})
        self._connection = SimpleNamespace(transport=transport)
        self.result, self.given = result, {}

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        raise NotImplementedError

    def _execute_module(self, **given: Any) -> Any:
        self.given = given
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    texts: list[str] = []
    monkeypatch.setattr(action, "display", SimpleNamespace(warning=texts.append, display=texts.append))
    return texts


def seen(*outcomes: str) -> list[dict[str, Any]]:
    return [{"device": f"d{number}", "outcome": outcome} for number, outcome in enumerate(outcomes)]


def test_each_device_is_planned_or_left_out_with_its_reason(said: list[str]) -> None:
    def plan(card: Mapping[str, Any], variables: Any) -> str:
        if card["invalid"]:
            raise NotAsked("inventory_invalid", card["invalid"])
        if not card["consent"]:
            raise NotAsked("consent_missing")
        return f"{card['address']} {variables.get('device_class')}"

    hosts = {
        "a": {"device_probe_consent": CONSENT, "device_class": "pump"},
        "b": {},
        "c": {"device_probe_consent": CONSENT, "device_names": [""]},
    }
    planned = Half().planned(["a", "b", "c"], {"hostvars": hosts}, plan)
    assert (planned.plans, planned.consented) == ({"a": "a pump"}, 2)
    assert planned.unasked("a", "it is lost") == ("aborted", "vantage_lost", "it is lost")
    assert planned.unasked("b", "it is lost") == ("skipped", "consent_missing", "")
    assert planned.unasked("c", "")[1] == "inventory_invalid"
    assert said == ["half: c is left out: device_names[0]: a host name is needed, not ''"]
    with pytest.raises(AnsibleActionFail, match=r"^half: 'd' is not in the inventory\.$"):
        Half().planned(["d"], {"hostvars": hosts}, plan)


def test_a_login_is_handed_on_unshown_and_the_answers_come_back_whole() -> None:
    half = Half({"answers": packed({"a": "1"}), "vantage_clock": {"started": 0.0, "finished": 0.0}})
    reply = half.ask_there({"timeout": 1.0}, {"a": {"password": "1"}}, {})
    assert reply.answers() == {"a": "1"}
    assert half.given["module_name"] == "biomed.cert_hygiene.half"
    handed = half.given["module_args"]
    assert unpacked(handed["logins"]) == {"a": {"password": "1"}}
    assert str(handed["logins"]) not in repr(handed)
    assert half.clock_of(reply).offset == pytest.approx(-(reply.asked + reply.answered) / 2)
    assert Half(transport="local").clock_of(reply).offset == 0.0


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (AnsibleConnectionFailure("no route"), "the vantage cannot be reached (no route)"),
        ({"failed": True, "msg": "no python"}, "no python"),
        ({"failed": True}, "the module failed without a word"),
    ],
)
def test_a_vantage_that_gives_nothing_says_why(result: Any, text: str) -> None:
    with pytest.raises(VantageLost) as lost:
        Half(result).ask_there({}, {}, {})
    assert str(lost.value) == text


@pytest.mark.parametrize(
    ("task_vars", "delegate_to", "vantage"),
    [
        ({}, None, "localhost"),
        ({"inventory_hostname": "a"}, None, "a"),
        ({"inventory_hostname": "a"}, "probe", "probe"),
    ],
)
def test_the_vantage_is_the_host_that_the_task_runs_on(
    task_vars: dict[str, Any], delegate_to: str | None, vantage: str
) -> None:
    assert Half(delegate_to=delegate_to).vantage(task_vars) == vantage


def test_the_observations_are_returned_or_written_and_peers_are_not_counted(tmp_path: Path) -> None:
    observations = seen("observed", "skipped", "unreachable")
    result = Half().looked(observations, devices=2, consented=1)
    assert result == {
        "changed": False,
        "observations": observations,
        "statistics": {
            "devices": 2,
            "consented": 1,
            "outcomes": {"observed": 1, "unreachable": 0, "skipped": 1, "aborted": 0},
        },
    }
    dest = tmp_path / "seen.jsonl"
    assert Half(check_mode=True).looked(observations, 2, 1, str(dest))["observations"] == []
    assert not dest.exists()
    lost = Half().looked(observations, 2, 1, str(dest), "the vantage is gone")
    assert (lost["failed"], lost["msg"], lost["observations"]) == (True, "half: the vantage is gone", [])
    assert [json.loads(line) for line in dest.read_text().splitlines()] == observations
    with pytest.raises(AnsibleActionFail, match=r"^half: '/none/a' cannot be written: No such file or directory\.$"):
        Half().looked(observations, 2, 1, "/none/a")


def test_a_spool_here_is_followed_and_taken_away(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action, "_PROGRESS_SECONDS", 0.0)
    progress = Progress("half from localhost", 3)
    with Half(transport="local").spool({}) as (path, read):
        assert read() == []
        Path(path).write_text('{"device": "a"}\n{"device": "b"}\n{"device"')
        assert [entry["device"] for entry in read()] == ["a", "b"]
    assert not Path(path).parent.exists()
    progress.show(0)
    progress.show(2)
    progress.show(3)
    progress.show(3, final=True)
    assert said[0] == "half from localhost: 0/3 devices and peers, starting"
    assert said[1].startswith("half from localhost: 2/3 devices and peers, about ")
    assert said[2:] == ["half from localhost: 3/3 devices and peers, done in 0 s"]


@pytest.mark.parametrize(
    ("vantage", "transport", "said", "refused"),
    [
        ("probe-2", "local", None, True),
        ("probe-2", "local", "ssh", True),
        ("probe-2", "local", "local", False),
        ("probe-2", "ssh", None, False),
        ("localhost", "local", None, False),
        (None, "local", None, False),
    ],
)
def test_work_that_would_be_done_on_another_host_is_refused(
    vantage: str | None, transport: str, said: str | None, refused: bool
) -> None:
    """ansible-core 2.21 keeps the first item's connection in a loop that delegates."""
    theirs = {} if said is None else {"ansible_connection": said}
    half = Half(transport=transport, delegate_to=vantage)
    task_vars = {"inventory_hostname": "echo-004", "ansible_delegated_vars": {vantage: theirs}}
    if refused:
        with pytest.raises(AnsibleActionFail, match="'probe-2' was to look, and the task has a connection to this"):
            half.vantage(task_vars)
    else:
        assert half.vantage(task_vars) == (vantage or "echo-004")


def test_what_was_sent_names_the_host_that_sent_it_and_another_host_is_an_error() -> None:
    assert "vantage_host" in VantageAction.taken
    half = Half({"vantage_host": "probe-room-7"})
    half.run_there({}, {})
    told = half.looked([*seen("observed", "skipped"), {"outcome": "aborted", "reason": "vantage_lost"}], 3, 2)
    assert [one.get("vantage_host") for one in told["observations"]] == ["probe-room-7", None, None]
    half.result = {"vantage_host": "control"}
    with pytest.raises(VantageLost, match="another host answered: control, where probe-room-7 had answered before"):
        half.run_there({}, {})
