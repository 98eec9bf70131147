# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The config_archive action as a playbook meets it, run by a real ansible-playbook with the real age and GnuPG."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.biomed.cert_hygiene.plugins.action import config_archive as action

COLLECTIONS = Path(action.__file__).absolute().parents[4]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
KEY = "-----BEGIN " + "EC PRIVATE KEY-----\nMHcCAQEEIHsecretsecret\n"

pytestmark = pytest.mark.skipif(not PLAYBOOK.exists(), reason="no ansible-playbook beside this interpreter")


class Control:
    """A control node that is its own gateway gw-1."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.etc = root / "etc"
        self.etc.mkdir()
        (self.etc / "one.conf").write_text("first\n")
        (self.etc / "ssl.pem").write_text(KEY)
        self.said = ""

    def run(self, tasks: Sequence[Mapping[str, Any]], *arguments: str) -> list[dict[str, Any]]:
        """Run tasks of the action, each whatever became of the one before; their results."""
        taken = {"paths": [f"{self.etc}/one.conf", f"{self.etc}/ssl.pem"], "dest": f"{self.root}/backups"}
        steps: list[dict[str, Any]] = []
        for number, task in enumerate(tasks):
            options = {**({} if "state" in task else taken), **task}
            steps.append(
                {
                    "name": f"Run {number}",
                    "biomed.cert_hygiene.config_archive": {
                        name: value for name, value in options.items() if value is not ...
                    },
                    "register": f"result_{number}",
                    "ignore_errors": True,
                }
            )
        results = ", ".join(f"result_{number}" for number in range(len(tasks)))
        kept = {"content": f"{{{{ [{results}] | to_json }}}}", "dest": f"{self.root}/results.json", "mode": "0600"}
        steps.append(
            {
                "name": "Keep the results",
                "ansible.builtin.copy": kept,
                "check_mode": False,
                "diff": False,
                "no_log": True,
            }
        )
        play = [{"name": "Play", "hosts": "gw-1", "gather_facts": False, "tasks": steps}]
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (self.root / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"gw-1": host}}}))
        (self.root / "play.yml").write_text(yaml.safe_dump(play))
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.root), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        finished = subprocess.run(
            [str(PLAYBOOK), "-i", "hosts.yml", "play.yml", *arguments],
            cwd=self.root,
            env={**clean, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        self.said = finished.stdout + finished.stderr
        assert (self.root / "results.json").exists(), self.said
        found: list[dict[str, Any]] = json.loads((self.root / "results.json").read_text())
        return found


@pytest.fixture
def control(tmp_path: Path) -> Control:
    return Control(tmp_path)


def test_options_that_cannot_be_are_refused_with_one_message_that_names_them(control: Control) -> None:
    (control.root / "open").mkdir(mode=0o755)
    (control.root / "gw-2").mkdir()
    (control.root / "gw-2/x.tar.gz").write_bytes(b"")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"state": "lost"}, "lost"),
        ({"dest": ...}, "dest is missing"),
        ({"dest": f"{control.root}/open"}, "mode 0700"),
        ({"private_keys": True}, "give recipients"),
        ({"private_keys": "perhaps"}, "private_keys"),
        ({"recipients": ["a.martin@hopital.example"]}, "recipients must all be"),
        ({"recipient": []}, "recipient"),
        ({"archive": "AAAA"}, "not for playbooks"),
        ({"paths": ["etc/hosts"]}, "'etc/hosts' is no absolute path"),
        ({"state": "restored"}, "src is missing"),
        ({"state": "restored", "src": f"{control.root}/gw-2/x.tar.gz"}, "no backup of gw-1"),
        ({"state": "restored", "src": f"{control.root}/gw-1/x.tar.gz"}, "cannot be read"),
        ({"state": "undone"}, "kept_in"),
        ({"state": "settled"}, "kept_in"),
    ]
    results = control.run([task for task, _word in refused])
    for result, (task, word) in zip(results, refused, strict=True):
        assert result["failed"] and word in result["msg"] and not result["changed"], (task, result)
        assert result["msg"].count("\n") == 0
    assert not (control.root / "backups").exists() and os.listdir(control.root / "open") == []


def test_a_flag_given_as_text_counts_as_a_flag(control: Control) -> None:
    saved = control.run([{"private_keys": "false"}, {"private_keys": "no", "recipients": []}])
    assert [result["left_out"] for result in saved] == [
        [{"path": f"{control.etc}/ssl.pem", "reason": "private_key"}]
    ] * 2


@pytest.mark.parametrize("program", ["age", "gpg"])
def test_a_key_goes_out_and_back_encrypted_and_is_shown_nowhere(control: Control, program: str) -> None:
    if not shutil.which(program):
        pytest.skip(f"the program {program} is not installed (tools/debian-packages.txt)")
    keys = control.root / "keys"
    keys.mkdir(mode=0o700)
    opened: dict[str, Any]
    if program == "age":
        subprocess.run(["age-keygen", "-o", str(keys / "id")], check=True, capture_output=True)
        said = subprocess.run(["age-keygen", "-y", str(keys / "id")], check=True, capture_output=True, text=True)
        recipient, more, opened = said.stdout.strip(), {}, {"identity": str(keys / "id")}
    else:
        gpg = ["gpg", "--homedir", str(keys), "--batch", "--quiet"]
        made = [*gpg, "--passphrase", "", "--quick-generate-key", "backup@hopital.example", "rsa2048", "encr"]
        subprocess.run(made, check=True, capture_output=True)
        said = subprocess.run([*gpg, "--with-colons", "--list-keys"], check=True, capture_output=True, text=True)
        recipient = next(line.split(":")[9] for line in said.stdout.splitlines() if line.startswith("fpr"))
        more = opened = {"gnupg_home": str(keys)}
    (saved,) = control.run([{"recipients": [recipient], "private_keys": True, **more}], "-vvvv")
    assert saved["left_out"] == [] and saved["path"].endswith(f".{program}"), saved
    assert "secretsecret" not in control.said and "H4sI" not in control.said
    stored = Path(saved["path"]).read_bytes()
    assert b"one.conf" not in stored and stored[:2] != b"\x1f\x8b"
    (control.etc / "ssl.pem").unlink()
    back = {"state": "restored", "src": saved["path"]}
    closed, restored = control.run([{**back, "gnupg_home": str(control.root / "x")}, {**back, **opened}], "-vvvv")
    assert closed["failed"] and not closed["changed"]
    assert restored["changed"] and (control.etc / "ssl.pem").read_text() == KEY
    assert "secretsecret" not in control.said and "H4sI" not in control.said
    if program == "gpg":
        subprocess.run(["gpgconf", "--homedir", str(keys), "--kill", "all"], check=False, capture_output=True)


def test_an_archive_that_was_altered_changes_nothing(control: Control) -> None:
    (saved,) = control.run([{}])
    data = Path(saved["path"]).read_bytes()
    (control.etc / "one.conf").write_text("second\n")
    tasks = []
    for number, altered in enumerate(
        (data[:-30], data[:50] + b"\0" + data[51:], b"", b"age-encryption.org/v1\n", b"\x85\x01garbage")
    ):
        path = Path(saved["path"]).with_name(f"{number}.tar.gz")
        path.write_bytes(altered)
        tasks.append({"state": "restored", "src": str(path)})
    for result in control.run(tasks):
        assert result["failed"] and not result["changed"] and ".tar.gz' cannot be used: " in result["msg"], result
    assert "Traceback" not in control.said
    assert (control.etc / "one.conf").read_text() == "second\n"


def test_a_restore_is_kept_undone_and_settled(control: Control) -> None:
    (saved,) = control.run([{}])
    (control.etc / "one.conf").write_text("second\n")
    kept = {"kept_in": f"{control.root}/lib/restore"}
    undo = {"state": "undone", **kept}
    back = {"state": "restored", "src": saved["path"], "change_id": "change-1", **kept}
    predicted, looked = control.run([back, undo], "--check")
    assert predicted["changed"] and not looked["left_open"] and not (control.root / "lib").exists()
    restored, again, undone, open_still, settled, over = control.run(
        [back, back, undo, undo, {"state": "settled", **kept}, undo]
    )
    assert restored["changed"] and not again["changed"]
    assert undone["changed"] and undone["whole"] and undone["change_id"] == "change-1"
    assert open_still["left_open"] and not open_still["changed"] and not open_still["whole"]
    assert settled["changed"] and not over["left_open"]
    assert (control.etc / "one.conf").read_text() == "second\n"
