# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change_journal action as a playbook meets it, run by a real ansible-playbook: options, a broken chain, who."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.biomed.cert_hygiene.plugins.action import change_journal as action

COLLECTIONS = Path(action.__file__).absolute().parents[4]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
LOGIN = pwd.getpwuid(os.getuid()).pw_name
SETTINGS = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_INJECT_FACT_VARS": "False"}
ALLOWED = {"kinds": ["time_sync"], "by": "The vendor", "on": "2026-01-01", "until": "2099-12-31", "reference": "A-1"}

pytestmark = pytest.mark.skipif(not PLAYBOOK.exists(), reason="no ansible-playbook beside this interpreter")


def asked(
    folder: Path, tasks: Sequence[Mapping[str, Any]], *arguments: str, **environment: str
) -> list[dict[str, Any]]:
    """Run tasks of the action, each whatever became of the one before; their results."""
    defaults = {
        "event": "ask",
        "kind": "time_sync",
        "ticket": "CHG-1",
        "journal": str(folder / "control" / "changes.jsonl"),
        "journal_vouched_by": "the test",
        "language": "en",
    }
    steps: list[dict[str, Any]] = [
        {
            "name": f"Ask {number}",
            "biomed.cert_hygiene.change_journal": {
                name: value for name, value in {**defaults, **task}.items() if value is not ...
            },
            "register": f"result_{number}",
            "ignore_errors": True,
        }
        for number, task in enumerate(tasks)
    ]
    results = ", ".join(f"result_{number}" for number in range(len(tasks)))
    kept = {"content": f"{{{{ [{results}] | to_json }}}}", "dest": str(folder / "results.json"), "mode": "0600"}
    steps.append({"name": "Keep the results", "ansible.builtin.copy": kept, "check_mode": False})
    play = [{"name": "Play", "hosts": "localhost", "gather_facts": False, "tasks": steps}]
    variables = {"device_in_use": False, "device_vendor_authorisation": [ALLOWED]}
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": host}}}))
    (folder / "play.yml").write_text(yaml.safe_dump(play))
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    finished = subprocess.run(
        [str(PLAYBOOK), "-i", "hosts.yml", "play.yml", *arguments],
        cwd=folder,
        env={**clean, **SETTINGS, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (folder / "results.json").exists(), finished.stdout + finished.stderr
    found: list[dict[str, Any]] = json.loads((folder / "results.json").read_text())
    return found


def journal(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "control/changes.jsonl").read_text("ascii").splitlines()]


def test_options_that_cannot_be_are_refused_with_one_message_that_names_them(tmp_path: Path) -> None:
    wrong: list[dict[str, Any]] = [
        {"event": ...},
        {"event": "authorised"},
        {"kind": "firmware"},
        {"batch_max": "many"},
        {"files": ["/etc/hosts"]},
        {"language": "de"},
        {"tickets": "CHG-1"},
        {"event": "began"},
        {"journal": ""},
    ]
    said = [
        "event",
        "authorised",
        "firmware",
        "batch_max",
        "files",
        "language",
        "tickets",
        "change_control_id",
        "change_control_journal",
    ]
    results = asked(tmp_path, wrong)
    for result, word in zip(results, said, strict=True):
        assert result["failed"] and word in result["msg"], result
        assert "Traceback" not in str(result)
    assert not (tmp_path / "control").exists()


def test_where_facts_become_variables_nothing_is_changed_unless_somebody_says_so_outside(tmp_path: Path) -> None:
    injected = {"ANSIBLE_INJECT_FACT_VARS": "True"}
    (refused,) = asked(tmp_path, [{}], **injected)
    assert refused["failed"] and "inject_facts_as_vars = False" in refused["msg"]
    assert not (tmp_path / "control").exists()
    (granted,) = asked(tmp_path, [{}], **injected, CERT_HYGIENE_INJECTED_FACTS_ACCEPTED="1")
    assert granted["granted"]


def test_a_broken_chain_stops_every_event_and_stays_as_it_is(tmp_path: Path) -> None:
    assert asked(tmp_path, [{}, {}])[0]["granted"]
    path = tmp_path / "control/changes.jsonl"
    broken = path.read_bytes().replace(b"CHG-1", b"CHG-2", 1)
    path.write_bytes(broken)
    for result in asked(tmp_path, [{}, {"event": "began", "id": "x"}]):
        assert result["failed"] and "line 2" in result["msg"] and str(path) in result["msg"]
    assert path.read_bytes() == broken
    assert asked(tmp_path, [{}], "--check")[0]["failed"]


def test_the_journal_says_who_as_awx_and_the_login_know_them(tmp_path: Path) -> None:
    tasks: list[dict[str, Any]] = [{"by": ""}, {"by": "A. Martin"}]
    for arguments, environment, said in (
        ((), {}, [f"login: {LOGIN}", f"A. Martin (login: {LOGIN})"]),
        (
            ("-e", "awx_user_name=a.martin", "-e", "tower_user_name=a.martin"),
            {},
            [f"AWX: a.martin, login: {LOGIN}", f"A. Martin (AWX: a.martin, login: {LOGIN})"],
        ),
        (("-e", "tower_user_name=b"), {}, [f"AWX: b, login: {LOGIN}", f"A. Martin (AWX: b, login: {LOGIN})"]),
        (
            ("-e", "awx_user_name="),
            {"SUDO_USER": "c"},
            [f"sudo: c, login: {LOGIN}", f"A. Martin (sudo: c, login: {LOGIN})"],
        ),
    ):
        asked(tmp_path, tasks, *arguments, **environment)
        assert [line["by"] for line in journal(tmp_path)[-2:]] == said


@pytest.mark.parametrize("nobody", ["", " ", "\t\n", None, "\u3000"])
def test_nobody_can_be_nobody(nobody: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SUDO_USER": nobody or "", "LOGNAME": "boss", "USER": "boss"}.items():
        monkeypatch.setenv(name, value)
    assert action._who(nobody, {"awx_user_name": nobody, "tower_user_name": nobody}) == f"login: {LOGIN}"


@pytest.mark.parametrize("given", ["x" * 5000, "\u202e" * 5000, "a\nb"])
def test_no_name_pushes_the_login_away(given: str) -> None:
    who = action._who(given, {"awx_user_name": given})
    assert who.endswith(f", login: {LOGIN})") and len(who) < 250 and "\n" not in who and "\u202e" not in who


def test_a_login_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert action._who("", {}) == f"login: uid {os.getuid()}"


# --- leave is not given in variables --------------------------------------------------------------------------------

ROLE = "biomed.cert_hygiene.change_control"
CHANGE = [
    {"ansible.builtin.include_role": {"name": ROLE, "tasks_from": "authorise"}},
    {
        "ansible.builtin.include_role": {"name": ROLE, "tasks_from": "record"},
        "vars": {"change_control_event": "began"},
        "when": "change_control_granted",
    },
    {"name": "Change", "ansible.builtin.file": {"path": "{{ changed }}", "state": "touch", "mode": "0600"},
     "when": "change_control_granted"},
]  # fmt: skip
FREE = {"device_in_use": False, "device_vendor_authorisation": [ALLOWED]}
IN_USE = {**FREE, "device_in_use": True}
EARLIER = "earlier"
TALKED_OVER: dict[str, dict[str, Any]] = {
    "granted": {"change_control_granted": True},
    "granted, with an id": {"change_control_granted": True, "change_control_id": "0123456789abcdef"},
    "granted, with the id of an earlier run": {"change_control_granted": True, "change_control_id": EARLIER},
    "the whole answer": {
        "change_control_granted": True,
        "change_control_answer": {"granted": True, "refusal": "", "reason": "", "id": EARLIER},
    },
    "another event": {"change_control_granted": True, "change_control_event": "verified"},
    "another kind": {"change_control_granted": True, "change_control_asked": "restore", "change_control_id": EARLIER},
}


def changed(folder: Path, host: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[int, str, bool]:
    """Run a change as a role makes it, with extra variables; the status, what was said, whether it was made."""
    variables = {
        "change_control_kind": "time_sync",
        "change_control_ticket": "CHG-1",
        "change_control_journal": str(folder / "control/changes.jsonl"),
        "change_control_journal_vouched_by": "the test",
        "report_language": "en",
        "changed": str(folder / "changed"),
    }
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = {"all": {"hosts": {"gw-1": {**local, **host}}, "vars": variables}}
    (folder / "gateways.yml").write_text(yaml.safe_dump(inventory))
    play = [{"name": "Play", "hosts": "all", "gather_facts": False, "tasks": CHANGE}]
    (folder / "change.yml").write_text(yaml.safe_dump(play))
    finished = subprocess.run(
        [str(PLAYBOOK), "-i", "gateways.yml", "change.yml", "-e", json.dumps(given)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", **SETTINGS},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    made = (folder / "changed").exists()
    (folder / "changed").unlink(missing_ok=True)
    return finished.returncode, " ".join((finished.stdout + finished.stderr).split()), made


def test_a_change_that_was_granted_is_made_and_what_the_command_line_decided_is_noted(tmp_path: Path) -> None:
    status, said, made = changed(tmp_path, FREE, {})
    assert (status, made) == (0, True), said
    assert [(entry["event"], entry["detail"]) for entry in journal(tmp_path)] == [("authorised", ""), ("began", "")]
    status, said, made = changed(tmp_path, IN_USE, {"device_in_use": False})
    assert (status, made) == (0, True), said
    assert journal(tmp_path)[2]["detail"] == "Given on the command line: device_in_use."


@pytest.mark.parametrize("what", TALKED_OVER)
def test_the_gate_is_not_talked_over(tmp_path: Path, what: str) -> None:
    changed(tmp_path, FREE, {})  # an earlier run, when the device was free
    earlier = journal(tmp_path)
    given = json.loads(json.dumps(TALKED_OVER[what]).replace(f'"{EARLIER}"', f'"{earlier[0]["id"]}"'))
    status, said, made = changed(tmp_path, IN_USE, given)
    assert (status != 0, made) == (True, False), said
    assert "leave is not given in variables" in said
    new = journal(tmp_path)[len(earlier) :]
    assert [entry["event"] for entry in new] == ["refused", "refused"], new
    assert "device_in_use" in new[0]["detail"] and "leave is not given in variables" in new[1]["detail"]
