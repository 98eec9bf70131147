# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gateway_info as a playbook meets it, on this machine and on recordings of real gateways: results, and one error each.

What it does over SSH is in tests/gateways/.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.login_schema import faults

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.recording import check_record
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation import interpret

COLLECTIONS = Path(interpret.__file__).absolute().parents[6]
RECORDINGS = Path(__file__).resolve().parents[1] / "module_utils" / "gateway" / "recordings"
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")

pytestmark = pytest.mark.skipif(not PLAYBOOK.exists(), reason="no ansible-playbook beside this interpreter")


def recording(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def run(folder: Path, tasks: Sequence[Mapping[str, Any]], *arguments: str) -> tuple[list[dict[str, Any]], str]:
    """Run gateway_info once for each set of options; the results, and all that was printed."""
    steps: list[dict[str, Any]] = [
        {"biomed.cert_hygiene.gateway_info": dict(options), "register": f"result_{number}", "ignore_errors": True}
        for number, options in enumerate(tasks)
    ]
    results = ", ".join(f"result_{number}" for number in range(len(tasks)))
    keep = {"content": f"{{{{ [{results}] | to_json }}}}", "dest": str(folder / "results.json"), "mode": "0600"}
    steps.append({"ansible.builtin.copy": keep, "check_mode": False, "diff": False, "no_log": True})
    play = [{"hosts": "gw-1", "gather_facts": False, "tasks": steps}]
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"gw-1": host}}}))
    (folder / "play.json").write_text(json.dumps(play))
    finished = subprocess.run(
        [str(PLAYBOOK), "-i", "hosts.yml", "play.json", *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    printed = finished.stdout + finished.stderr
    assert finished.returncode == 0, printed[-4000:]
    found: list[dict[str, Any]] = json.loads((folder / "results.json").read_text())
    return found, printed


def test_a_recording_becomes_an_observation_of_its_own_day(tmp_path: Path) -> None:
    kept = [recording(name) for name in ("java-privileged", "java-unprivileged", "timesyncd-privileged")]
    dest = tmp_path / "gateways.jsonl"
    results, printed = run(
        tmp_path, [{"recorded": entry["record"], "dest": str(dest), **entry["options"]} for entry in kept], "-vvvv"
    )
    seen = [result["observation"] for result in results]
    for observation in seen:
        assert faults(observation) == []
        assert (observation["device"], observation["outcome"]) == ("gw-1", "observed")
        # As old as the recording, whose clock can't be compared any more.
        assert observation["started_at"] == observation["finished_at"]
        assert observation["started_at"].startswith("2026-11-22T22:")
        assert observation["subsets"]["clock"]["status"] == "not_asked" and "clock" not in observation
    assert [observation["ntp"]["client"] for observation in seen] == ["chrony", "chrony", "systemd-timesyncd"]
    own = {entry["path"]: entry["chain"] for entry in seen[0]["certificate_files"]}["/etc/nginx/tls/server.pem"]
    assert own[0]["names"]["dns"] == ["java.hopital.example"]
    assert [json.loads(line) for line in dest.read_text().splitlines()] == seen
    assert dest.stat().st_mode & 0o777 == 0o600
    # What was handed over is not handed back.
    assert all("recorded" not in result["invocation"]["module_args"] for result in results if "invocation" in result)
    assert "Traceback" not in printed


def test_a_live_machine_is_recorded_and_reads_the_same(tmp_path: Path) -> None:
    subsets = ["time_zone", "listening", "system", "config_backup"]
    (tmp_path / "a.tar").write_text("x")
    options = {"subsets": subsets, "backup_paths": [f"{tmp_path}/*.tar"]}
    ((live,), _printed) = run(tmp_path, [{**options, "record": True}])
    check_record(live["record"])
    assert live["record"]["subsets"] == subsets
    results, _printed = run(
        tmp_path,
        [
            {**options, "recorded": live["record"]},
            # What it was not asked then cannot be told now.
            {"backup_paths": ["/elsewhere/*"], "recorded": live["record"]},
        ],
    )
    again, other = (result["observation"] for result in results)
    for name in ("time_zone", "system", "config_backup"):
        assert again[name] == live["observation"][name]
    assert again["config_backup"]["path"] == f"{tmp_path}/a.tar"
    assert other["subsets"]["accounts"]["status"] == "not_asked"
    assert other["subsets"]["config_backup"]["status"] == "not_supported" and "config_backup" not in other


def test_this_machine_has_no_offset_from_itself_and_check_mode_keeps_nothing(tmp_path: Path) -> None:
    dest = tmp_path / "gateways.jsonl"
    ((result,), _printed) = run(tmp_path, [{"subsets": ["clock"], "dest": str(dest)}], "--check")
    (sample,) = result["observation"]["clock"]["samples"]
    assert (sample["offset_seconds"], sample["uncertainty_seconds"]) == (0, 0)
    assert result["changed"] is False and not dest.exists()


def test_one_clear_error_for_each_bad_option(tmp_path: Path) -> None:
    record = recording("no-ntp-unprivileged")["record"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"subsets": ["clok"]}, "value of subsets must be one or more of"),
        ({"subset": ["clock"]}, "Unsupported parameters"),
        ({"log_days": "a week"}, "log_days"),
        ({"log_days": 0}, "log_days must be greater than 0, and is 0"),
        ({"command_timeout": -1}, "command_timeout must be greater than 0, and is -1"),
        ({"java_keystores": [{"password_file": "/a"}]}, "missing required arguments: path"),
        ({"java_keystores": [{"path": "/a", "password_file": "/b", "password_env": "C"}]}, "mutually exclusive"),
        ({"certificate_files": [{"path": "/a", "role": "peer"}]}, "value of role must be one of"),
        ({"dest": str(tmp_path)}, "is a folder; name a file in it"),
        ({"dest": str(tmp_path / "none" / "a.jsonl")}, "is no folder that can be written to"),
        ({"record": True, "recorded": record}, "mutually exclusive"),
        ({"recorded": "a text"}, "recorded"),
        ({"recorded": {"now": 1}}, "recorded: 'commands' is missing or of a wrong type"),
        ({"recorded": {**record, "files": {"/etc/passwd": "root"}}}, "recorded: 'files' has an entry"),
        ({"recorded": {**record, "now": 0}}, "recorded: 'now' is no time"),
    ]
    results, printed = run(tmp_path, [options for options, _message in cases])
    for (options, message), result in zip(cases, results, strict=True):
        assert result["failed"] is True, options
        assert message in result["msg"], (options, result["msg"])
        assert "\n" not in result["msg"].strip() and "observation" not in result
    assert "Traceback" not in printed and "MODULE FAILURE" not in printed
