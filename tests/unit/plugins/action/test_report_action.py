# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report action as a playbook meets it: run by a real ansible-playbook."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.biomed.cert_hygiene.plugins.action import report as action
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report import folder as report_folder

COLLECTIONS = Path(report_folder.__file__).absolute().parents[6]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
NOW = "2026-11-22T17:00:00Z"

pytestmark = pytest.mark.skipif(not PLAYBOOK.exists(), reason="no ansible-playbook beside this interpreter")

HOSTS = {
    "localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
    "echo-004": {
        "device_address": "10.20.1.14",
        "device_names": ["{{ inventory_hostname }}.hopital.example"],
        "device_endpoints": [{"port": 443, "service": "https"}],
        "device_class": "imaging",
        "device_criticality": "high",
        "device_service": "Échographie",
        "device_probe_consent": {"by": "A. Martin", "on": "2026-10-01", "reference": "BIO-1"},
    },
    "pompe-21": {"device_address": "10.20.1.15", "device_class": "infusion", "device_probe_consent": {}},
    "irm-2": {"device_address": "10.20.1.16", "device_endpoints": [{"port": 443, "service": "htps"}]},
}
DEVICES = [name for name in HOSTS if name != "localhost"]


def observation(device: str = "echo-004", **more: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "device": device,
        "source": "network",
        "vantage": "localhost",
        "started_at": "2026-11-22T16:00:00Z",
        "finished_at": "2026-11-22T16:00:02Z",
        "outcome": "observed",
        "reason": None,
        "connections": 1,
        "bytes_sent": 10,
        "bytes_received": 10,
        "endpoints": [{"port": 443, "service": "https", "outcome": "not_tls", "versions": {}, "chain": []}],
        "ports": {},
        "clock": {
            "samples": [{"source": "http_date", "offset_seconds": -720.0, "uncertainty_seconds": 0.6, "evidence": True}]
        },
        **more,
    }


@dataclass
class Play:
    """A folder to play in, and what came of it."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": HOSTS}}))
        self.observe(observation())

    def observe(self, *entries: Mapping[str, Any] | str) -> None:
        lines = (entry if isinstance(entry, str) else json.dumps(entry) for entry in entries)
        (self.folder / "observations.jsonl").write_text("".join(f"{line}\n" for line in lines))

    def run(self, tasks: Sequence[Mapping[str, Any]], *arguments: str) -> tuple[list[dict[str, Any]], str]:
        """Run reports, each with these options; return their results and all that was printed."""
        steps: list[dict[str, Any]] = []
        for number, options in enumerate(tasks):
            task = {key: value for key, value in options.items() if key.startswith("task_")}
            defaults = {"observations": ["observations.jsonl"], "devices": DEVICES, "now": NOW}
            steps.append(
                {
                    "name": f"Report {number}",
                    "biomed.cert_hygiene.report": {
                        key: value
                        for key, value in {**defaults, **options}.items()
                        if key not in task and value is not ...
                    },
                    "register": f"result_{number}",
                    "ignore_errors": True,
                    **{key.removeprefix("task_"): value for key, value in task.items()},
                }
            )
        results = "[" + ", ".join(f"result_{number}" for number in range(len(tasks))) + "]"
        steps.append(
            {
                "name": "Keep the results",
                "ansible.builtin.copy": {
                    "content": "{{ " + results + " | to_json }}",
                    "dest": str(self.folder / "results.json"),
                    "mode": "0600",
                },
                "check_mode": False,
                "diff": False,
                "no_log": True,
            }
        )
        play = [{"name": "Play", "hosts": "localhost", "gather_facts": False, "tasks": steps}]
        (self.folder / "play.yml").write_text(yaml.safe_dump(play, allow_unicode=True))
        finished = subprocess.run(
            [str(PLAYBOOK), "-i", "hosts.yml", "play.yml", *arguments],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "LANG": "C.UTF-8",
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                "ANSIBLE_NOCOLOR": "1",
                "COLUMNS": "200",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        output = finished.stdout + finished.stderr
        assert finished.returncode == 0, output
        results = json.loads((self.folder / "results.json").read_text())
        assert isinstance(results, list)
        return results, output


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path / "play")


def test_a_report_from_files_and_inventory(play: Play) -> None:
    results, output = play.run([{"task_check_mode": True}, {}, {}, {"task_check_mode": True}])
    assert [result["changed"] for result in results] == [True, True, False, False]
    first = results[1]
    for result in results:
        assert result["report"] == str(play.folder / "report")
        assert result["index"] == str(play.folder / "report" / "index.html")
        assert result["totals"]["devices"] == 3
        assert result["totals"]["verdicts"] == {
            "non_compliant": 1,
            "incomplete": 2,
            "compliant_with_waivers": 0,
            "compliant": 0,
        }
        assert result["devices"][0]["device"] == "echo-004"
        assert result["devices"][0]["verdict"] == "non_compliant"
        assert result["failing"]["high"] == ["echo-004"] or result["failing"]["critical"] == ["echo-004"]
        assert set(result["failing"]) == {"critical", "high", "medium", "low", "not_visited", "incomplete"}
    assert all(Path(device["sheet"]).is_file() for device in first["devices"])
    assert stat.S_IMODE((play.folder / "report").stat().st_mode) == 0o700
    french = (play.folder / "report" / "fr" / "index.html").read_text(encoding="utf-8")
    assert "Échographie" in french
    assert "22/11/2026" in french
    assert not [name for name in os.listdir(play.folder) if name.startswith(".report")]
    assert "Check mode, nothing is written. The report would go to" in output
    assert f"Report: {play.folder}/report/index.html" in output
    assert f"Report unchanged: {play.folder}/report/index.html" in output
    assert output.count("3 devices examined: 1 not compliant, 2 incomplete.") == 4


def test_check_mode_writes_nothing(play: Play) -> None:
    (result, elsewhere), _output = play.run([{}, {"dest": "a/b/c"}], "--check")
    assert (result["changed"], elsewhere["changed"]) == (True, True)
    assert sorted(os.listdir(play.folder)) == [
        ".ansible",
        "hosts.yml",
        "observations.jsonl",
        "play.yml",
        "results.json",
    ]


def test_diff_mode_lists_the_verdicts_that_changed(play: Play) -> None:
    fewer = {"devices": ["pompe-21", "echo-004"], "observations": []}
    (_first, result, without), output = play.run([{}, {**fewer, "task_diff": True}, {}])
    (difference,) = result["diff"]
    assert difference["before"] == "echo-004: non_compliant\nirm-2: incomplete\n"
    assert difference["after"] == "echo-004: incomplete\n"
    assert "-echo-004: non_compliant" in output
    assert "diff" not in without


def test_language_mode_and_information_are_taken(play: Play) -> None:
    options = {
        "language": "fr",
        "mode": "0640",
        "dest": "sub/dossier",
        "run_info": {"play": "Audit {{ 40 + 2 }}"},
        "policy": {"clock_offset_tolerance": 3600},
    }
    (result,), output = play.run([options])
    folder = play.folder / "sub" / "dossier"
    assert result["report"] == str(folder)
    assert (folder / "findings.csv").is_file()
    assert not (folder / "fr").exists()
    assert stat.S_IMODE((folder / "index.html").stat().st_mode) == 0o640
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert "Audit 42" in (folder / "index.html").read_text(encoding="utf-8")
    assert "Heure juste" in next((folder / "devices").glob("echo-004-*")).read_text(encoding="utf-8")
    assert "Dispositif" in output
    assert "non conforme" in output


@pytest.mark.parametrize(
    ("option", "environment", "spoken"),
    [
        ("both", {"LANG": "fr_FR.UTF-8"}, "fr"),
        ("both", {"LANG": "fr_FR.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ("both", {"LANG": "C.UTF-8", "LC_MESSAGES": "fr_CH.UTF-8"}, "fr"),
        ("both", {}, "en"),
        ("fr", {"LANG": "C.UTF-8"}, "fr"),
        ("en", {"LANG": "fr_FR.UTF-8"}, "en"),
    ],
)
def test_the_terminal_speaks_the_reports_language_or_that_of_the_locale(
    monkeypatch: pytest.MonkeyPatch, option: str, environment: Mapping[str, str], spoken: str
) -> None:
    for name in ("LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert action._language(option) == spoken


def test_without_a_log_nothing_is_shown(play: Play) -> None:
    _results, output = play.run([{"task_no_log": True}])
    assert "devices examined" not in output
    assert (play.folder / "report" / "index.html").is_file()


def test_devices_and_observations_as_data(play: Play) -> None:
    device = {"name": "<b>x", "class": "infusion", "endpoints": [{"port": 443, "service": "https"}]}
    options = {
        "devices": [device, {"name": "bare"}, "echo-004"],
        "observations": [observation("<b>x"), observation("bare"), "observations.jsonl"],
        "waivers": [
            {
                "check": "clock_offset",
                "device": "bare",
                "reason": "offset_beyond_tolerance",
                "justification": "x",
                "approver": "y",
                "until": "2027-01-01",
            }
        ],
        "attestations": [
            {
                "check": "label",
                "device": "bare",
                "result": "pass",
                "by": "A. Martin",
                "on": "2026-11-01",
                "until": "2027-11-01",
            }
        ],
        "language": "en",
    }
    (result,), _output = play.run([options])
    assert not result.get("failed"), result
    summary = json.loads((play.folder / "report" / "summary.json").read_text())
    found = {line["device"]: line for line in summary["devices"]}
    assert set(found) == {"<b>x", "bare", "echo-004"}
    assert {finding["endpoint"] for finding in found["bare"]["findings"]} == {None, "https:443"}
    assert found["bare"]["counts"]["waived"] + found["bare"]["counts"]["pass"] >= 1
    assert "inventory_invalid" not in {finding["reason"] for finding in found["bare"]["findings"]}


def test_observations_of_other_devices_are_left_out_with_a_warning(play: Play) -> None:
    play.observe(observation(), observation("stranger"), observation("peer:10.0.0.9:443"))
    (result,), output = play.run([{}])
    assert result["totals"]["devices"] == 3
    assert "observations of 1 device(s) that are not in 'devices' were left out: stranger." in " ".join(output.split())


def test_now_as_a_yaml_date_and_without_one(play: Play) -> None:
    (dated, plain, none), _output = play.run(
        [{"now": "{{ '2026-11-22 17:00:00' }}"}, {"now": "2026-11-22T18:00:00+01:00"}, {"now": None}]
    )
    assert (dated["changed"], plain["changed"], none["changed"]) == (True, False, True)


BAD = [
    ({"devices": ["nobody"]}, r"'nobody' is not in the inventory"),
    ({"devices": [12]}, r"devices\[0\] is neither a name nor a dictionary"),
    ({"devices": [{"address": "x"}]}, r"devices\[0\] is neither"),
    ({"devices": [{"name": "a"}, {"name": "a"}]}, r"'a' is there twice"),
    ({"observations": ["none.jsonl"]}, r"none\.jsonl' cannot be opened"),
    ({"observations": [12]}, r"observations\[0\] is neither"),
    ({"observations": [{"device": ""}]}, r"observations\[0\] is not a readable observation"),
    ({"observations": ["report/o.jsonl"]}, r"lies inside dest"),
    ({"policy": {"plan_dayz": 3}}, r"plan_dayz"),
    ({"now": "yesterday"}, r"now: 'yesterday' is not a date"),
    ({"mode": "{{ 416 }}"}, r"mode: '416' is not usable: quote it"),
    ({"mode": "0666"}, r"only the owner may write"),
    ({"language": "de"}, r"language"),
    ({"surprise": 1}, r"surprise"),
    ({"observations": ...}, r"observations"),
    ({"dest": "documents"}, r"nothing was touched"),
    ({"dest": "play.yml"}, r"is a file"),
    ({"dest": "link"}, r"symbolic link"),
    ({"observations": ["broken.jsonl"]}, r"broken\.jsonl', line 1 is not .*nothing was written: name the files"),
]


def test_what_cannot_be_used_is_said_in_one_sentence_and_nothing_is_written(play: Play) -> None:
    (play.folder / "documents").mkdir()
    (play.folder / "documents" / "mine.txt").write_text("mine")
    (play.folder / "link").symlink_to(play.folder / "documents")
    (play.folder / "broken.jsonl").write_text("- hosts: all\n  tasks: []\n")
    results, _output = play.run([options for options, _said in BAD])
    for (options, said), result in zip(BAD, results, strict=True):
        assert result.get("failed") is True, options
        assert re.search(said, result["msg"]), (options, result["msg"])
        assert "Traceback" not in str(result.get("exception", "")) or "argument_spec" in str(result), options
        assert "\n" not in result["msg"]
    assert not [name for name in os.listdir(play.folder) if "report" in name]
    assert os.listdir(play.folder / "documents") == ["mine.txt"]


def test_the_documentation_and_the_code_agree_on_the_options() -> None:
    source = COLLECTIONS / "ansible_collections/biomed/cert_hygiene/plugins/modules/report.py"
    text = re.search(r'DOCUMENTATION = r"""\n(.*?)"""', source.read_text(encoding="utf-8"), re.DOTALL)
    assert text
    options = yaml.safe_load(text[1])["options"]
    documented = {
        name: {key: value for key, value in entry.items() if key != "description"} for name, entry in options.items()
    }
    assert documented == action.ARGUMENTS


def test_attestations_and_waivers_may_be_files(tmp_path: Path) -> None:
    play = Play(tmp_path / "play")
    (play.folder / "site.csv").write_text(
        "DM;Point de contrôle;Résultat;Par;Le;Jusqu'au\n"
        "echo-004;label;conforme;A. Martin;20/11/2026;20/11/2027\n"
        "echo-004;lable;conforme;A. Martin;20/11/2026;20/11/2027\n"
        "pompe-21;label;conforme;A. Martin;20/11/2026;31/12/9999\n"
        "localhost;label;conforme;A. Martin;20/11/2026;20/11/2027\n"
        "ehco-004;time_zone;non conforme;A. Martin;20/11/2026;20/11/2027\n",
        encoding="cp1252",
    )
    (play.folder / "waivers.yml").write_text(
        "- {check: tls_versions, group: ungrouped, reason: plaintext_service, justification: spare, approver: RSSI,"
        " until: 2026-12-31}\n"
    )
    [result], said = play.run([{"attestations": ["site.csv"], "waivers": ["waivers.yml"], "dest": "report"}])
    assert result["failed"] is False
    assert result["totals"]["findings"]["waived"] == 1
    said = re.sub(r"\s+", " ", said)
    assert "site.csv, ligne 3, « Point de contrôle » : « lable » n'est pas connu ; vouliez-vous dire label ?" in said
    assert "site.csv, ligne 6, « DM » : aucun DM ne s'appelle « ehco-004 » ; vouliez-vous dire" in said
    assert [item["reason"] for item in result["records_unused"]] == ["not_known", "device_unknown"]
    summary = json.loads((play.folder / "report" / "summary.json").read_text(encoding="utf-8"))
    [echo] = [line for line in summary["devices"] if line["device"] == "echo-004"]
    [label] = [item for item in echo["findings"] if item["check"] == "label"]
    assert (label["reason"], label["observed"]["attestation"]["where"]) == ("attested_pass", "site.csv, line 2")
    sheet = (play.folder / "report" / "fr" / "attestations-to-fill.csv").read_bytes()
    assert b"echo-004;time_zone;" in sheet and b"echo-004;label;" not in sheet

    # The sheet of a report is replaced with it: what was filled in must lie elsewhere.
    [inside], _said = play.run([{"attestations": ["report/fr/attestations-to-fill.csv"], "dest": "report"}])
    assert "lies inside dest" in inside["msg"]


def test_no_record_and_no_file_of_records_stops_a_run(tmp_path: Path) -> None:
    play = Play(tmp_path / "play")
    waiver = {"check": "tls_versions", "device": "echo-004", "reason": "plaintext_service", "justification": "spare",
              "approver": "RSSI", "until": "2026-12-31"}  # fmt: skip
    files = {
        "table.yml": (b"echo-004: pass\n", "list_needed"),
        "text.yml": (b"just a note", "list_needed"),
        "twice.yml": (b"waivers: []\nattestations: []\nwaivers: []\nattestations: []\n", "field_twice"),
        "broken.yml": (b"{open", "not_yaml"),
        "deep.yml": (b"[" * 100_000, "not_yaml"),
        "empty.csv": (b"", "empty"),
        "empty.yml": (b"", "empty"),
        "book.csv": (b"PK\x03\x04", "workbook"),
        "picture.csv": (b"\x89PNG\0\0", "not_text"),
        "titles.csv": (b"a;b\n1;2\n", "columns_missing"),
        "list.toml": (b"", "ending"),
    }
    for name, (data, _reason) in files.items():
        (play.folder / name).write_bytes(data)
    (play.folder / "folder.yml").mkdir()
    wanted = [*(reason for _data, reason in files.values()), "unreadable", "unreadable"]
    entries = [*files, "folder.yml", "missing.yml"]
    bad = [{"check": "x"}, 7, None, [waiver]]
    [result], said = play.run(
        [{"waivers": [*entries, waiver, *bad], "attestations": entries, "language": "en", "dest": "report"}]
    )
    assert result["failed"] is False, result
    assert result["totals"]["findings"]["waived"] == 1, "the one that can be used counts"
    listed = ["field_missing", "mapping_needed", "mapping_needed", "mapping_needed"]
    assert [item["reason"] for item in result["records_unused"]] == wanted + listed + wanted
    said = re.sub(r"\s+", " ", said)
    assert "Not used: table.yml: a list is needed, or a list under the key 'attestations'" in said
    missing = next(item["en"] for item in result["records_unused"] if item["where"] == "missing.yml")
    assert missing.startswith("missing.yml: the file cannot be read (No such file or directory): check its path")
