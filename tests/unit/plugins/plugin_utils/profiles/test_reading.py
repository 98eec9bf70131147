# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a device's words to its observation: saved answers of real programs, and answers that nobody should believe."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.login_schema import faults

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import Profile, read_profile
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile_book import ProfileBook
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.reading import SUBSETS, read_answers

PAGE = Path(__file__).resolve().parents[5] / "docs" / "en" / "device_profiles.md"
SAVED = Path(__file__).with_name("appliances")
ASKED = 1795366810.0


def example(name: str) -> Profile:
    """A profile that the documentation shows."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return next(read_profile(data) for data in map(yaml.safe_load, blocks) if f"name: {name}" in str(yaml.dump(data)))


def observe(
    profile: Profile, answers: dict[str, Any], outcome: str = "observed", offset: float = 0.0, **more: Any
) -> dict[str, Any]:
    raw = {
        "outcome": outcome,
        "reason": None,
        "detail": "",
        "started_at": "2026-11-22T17:00:10.000Z",
        "finished_at": "2026-11-22T17:00:11.000Z",
        "answers": {
            name: answer if isinstance(answer, dict) else {"text": answer, "asked": ASKED, "answered": ASKED + 0.2}
            for name, answer in answers.items()
        },
        **more,
    }
    observation = read_answers(profile, "dev-1", "vantage", raw, offset, 0.1)
    json.dumps(observation, allow_nan=False)
    assert faults(observation, certificates=False) == []
    return observation


def saved(folder: str) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (SAVED / folder).iterdir()}


def statuses(observation: dict[str, Any]) -> dict[str, str]:
    return {name: state["status"] for name, state in observation["subsets"].items()}


def test_a_busybox_linux() -> None:
    """Taken from busybox 1.35; ntpd and dropbear in the list of processes."""
    observation = observe(ProfileBook().get("busybox_linux"), saved("busybox"))
    assert observation["ntp"]["client"] == "busybox"
    assert observation["ntp"]["running"] is True
    assert [server["address"] for server in observation["ntp"]["servers"]] == ["10.0.0.1", "ntp2.hopital.example"]
    assert observation["time_zone"] == {"name": "Europe/Paris", "utc_offset_seconds": 3600}
    assert observation["listening"] == [{"protocol": "tcp", "address": "::", "port": 22, "program": None}]
    assert {account["name"]: account["can_login"] for account in observation["accounts"]} == {
        "root": True,
        "daemon": False,
        "service": True,
        "www-data": False,
    }
    assert [account["name"] for account in observation["accounts"] if account["administrator"]] == ["root"]
    assert observation["system"]["name"] == "Buildroot 2023.02.9"
    (sample,) = observation["clock"]["samples"]
    shown = int(saved("busybox")["now"])
    assert sample["offset_seconds"] == pytest.approx(shown + 0.5 - (ASKED + 0.1))
    assert sample["uncertainty_seconds"] == pytest.approx(0.1 + 0.5 + 0.1)
    assert {name for name, status in statuses(observation).items() if status != "ok"} == {
        "tls_failures",
        "trust_stores",
        "certificate_files",
        "config_backup",
    }


def test_a_busybox_linux_without_ntp() -> None:
    lines = saved("busybox")["processes"].splitlines()
    answers = {
        **saved("busybox"),
        "processes": "\n".join(line for line in lines if " ntpd" not in line) + "\n   9 root  tail -f /var/log/ntpd\n",
        "ntpd": "",
    }
    ntp = observe(ProfileBook().get("busybox_linux"), answers)["ntp"]
    assert (ntp["client"], ntp["running"], ntp["servers"]) == ("none", False, [])


@pytest.mark.parametrize(
    "processes",
    ["ps: not found\n", "", "  PID TTY          TIME CMD\n  812 pts/0    00:00:00 ps\n"],
    ids=["no ps", "nothing", "the processes of the terminal alone"],
)
def test_a_list_of_processes_that_is_none_is_no_missing_ntp_client(processes: str) -> None:
    answers = {**saved("busybox"), "processes": processes, "ntpd": "", "ntp": ""}
    observation = observe(ProfileBook().get("busybox_linux"), answers)
    assert statuses(observation)["ntp"] == "failed"
    assert "ntp" not in observation
    assert "processes is not what the profile expects" in observation["subsets"]["ntp"]["detail"]


def test_the_command_line_of_the_pages() -> None:
    observation = observe(example("acme_recorder"), saved("recorder"))
    assert observation["clock"]["samples"][0]["offset_seconds"] == pytest.approx(1795366805.5 - ASKED - 0.1)
    assert observation["ntp"]["synchronised"] is True
    # The header and its line are told apart from the entries by the words that the profile knows.
    assert [(entry["name"], entry["administrator"]) for entry in observation["accounts"]] == [
        ("admin", True),
        ("jmartin", False),
    ]


def test_the_json_pages_of_the_pages() -> None:
    answers = {"state": (SAVED / "state.json").read_text(), "users": (SAVED / "users.json").read_text()}
    observation = observe(example("acme_pump_gateway"), answers)
    (sample,) = observation["clock"]["samples"]
    # It shows fractions of a second: no half second is added.
    assert sample["offset_seconds"] == pytest.approx(1795366805.25 - ASKED - 0.1)
    assert sample["uncertainty_seconds"] == pytest.approx(0.2)
    assert observation["ntp"]["running"] is True
    assert [(server["address"], server["stratum"]) for server in observation["ntp"]["servers"]] == [
        ("10.0.0.1", 2),
        ("10.0.0.2", None),
    ]
    assert [entry["name"] for entry in observation["accounts"]] == ["admin", "nurse"]
    assert observation["system"]["firmware"] == "7.0.3"


def test_a_vantages_wrong_clock_is_taken_out() -> None:
    profile = profile_of("clock", regex=r"(?P<value>\d+)", format="epoch")
    sample = observe(profile, {"a": str(int(ASKED))}, offset=-100.0)["clock"]["samples"][0]
    assert sample["offset_seconds"] == pytest.approx(0.4 - 100)


def profile_of(fact: str, expect: str | None = None, **reading: Any) -> Profile:
    command: Any = {"command": "x", "expect": expect} if expect else "x"
    return read_profile(
        {
            "schema_version": 1,
            "name": "one",
            "transport": "ssh",
            "ssh": {"prompt": "#"},
            "commands": {"a": command},
            "facts": {fact: {"output": "a", **reading}},
        }
    )


NOON = 1795348800  # 2026-11-22T12:00:00Z


@pytest.mark.parametrize(
    ("reading", "text", "epoch"),
    [
        ({"regex": "(?P<value>.+)"}, "2026-11-22T12:00:00Z", NOON + 0.5),
        ({"regex": "(?P<value>.+)"}, "2026-11-22 12:00:00 UTC", NOON + 0.5),
        ({"regex": "(?P<value>.+)"}, "2026-11-22T13:00:00+0100", NOON + 0.5),
        ({"regex": "(?P<value>.+)"}, "2026-11-22T13:00:00.250 +01:00", NOON + 0.25),
        ({"regex": "(?P<value>.+)"}, "2026-11-22 12:00 UTC", NOON + 30),
        ({"regex": "(?P<value>.+)", "utc": True}, "2026-11-22 12:00:00", NOON + 0.5),
        ({"regex": r"(?P<value>\S+ \S+) (?P<zone>\S+)"}, "2026-11-22 13:00:00 +01:00", NOON + 0.5),
        ({"regex": "(?P<value>.+)", "format": "epoch"}, f"{NOON}.75", NOON + 0.75),
        (
            {"regex": r"(?P<day>\d+)/(?P<month>\d+)/(?P<year>\d+) (?P<hour>\d+):(?P<minute>\d+)", "utc": True},
            "22/11/2026 12:00",
            NOON + 30,
        ),
        (
            {
                "regex": r"(?P<month>\w+) (?P<day>\d+) (?P<hour>\d+):(?P<minute>\d+):(?P<second>\d+) (?P<zone>UTC) "
                r"(?P<year>\d+)"
            },
            "Sun Nov 22 12:00:00 UTC 2026",
            NOON + 0.5,
        ),
        (
            {
                "regex": r"Date: (?P<year>\d+)-(?P<month>\d+)-(?P<day>\d+)\n\s*Time: (?P<hour>\d+):(?P<minute>\d+):"
                r"(?P<second>\d+) (?P<zone>Z)",
                "lines": 2,
            },
            "x\nDate: 2026-11-22\n Time: 12:00:00 Z\n",
            NOON + 0.5,
        ),
        ({"regex": "(?P<value>.+)", "format": "epoch"}, "0", 0.5),
    ],
)
def test_times_in_many_forms(reading: dict[str, Any], text: str, epoch: float) -> None:
    observation = observe(profile_of("clock", **reading), {"a": text})
    (sample,) = observation["clock"]["samples"]
    assert sample["offset_seconds"] == pytest.approx(epoch - ASKED - 0.1)


@pytest.mark.parametrize("month", ["Feb", "févr.", "fév", "feb", "02", "2"])
def test_months_in_both_languages(month: str) -> None:
    regex = r"(?P<day>\d+) (?P<month>\S+) (?P<year>\d+) (?P<hour>\d+):(?P<minute>\d+):(?P<second>\d+)"
    observation = observe(profile_of("clock", regex=regex, utc=True), {"a": f"3 {month} 2026 12:00:00"})
    assert observation["clock"]["samples"][0]["offset_seconds"] == pytest.approx(1770120000.5 - ASKED - 0.1)


@pytest.mark.parametrize(
    ("fact", "reading", "text"),
    [
        ("clock", {"regex": "(?P<value>.+)"}, "2026-11-22 12:00:00"),
        ("clock", {"regex": "(?P<value>.+)"}, "2026-13-22 12:00:00Z"),
        ("clock", {"regex": "(?P<value>.+)", "format": "epoch"}, "nan"),
        ("clock", {"regex": "(?P<value>.+)", "format": "epoch"}, "1e300"),
        ("clock", {"regex": "(?P<value>.+)", "format": "epoch"}, "9" * 5000),
        ("clock", {"jmespath": "t"}, '{"t": 17}'),
        ("clock", {"jmespath": "t", "format": "epoch"}, '{"t": true}'),
        ("clock", {"jmespath": "t", "format": "epoch"}, '{"t": Infinity}'),
        ("clock", {"jmespath": "t", "format": "epoch"}, '{"t": [1]}'),
        ("clock", {"jmespath": "t"}, '{"t": nul'),
        ("clock", {"jmespath": "t"}, "[" * 100_000),
        ("clock", {"jmespath": "abs(t)"}, '{"t": "x"}'),
        ("time_zone.utc_offset_seconds", {"regex": "(?P<value>.+)"}, "1 hour"),
        ("time_zone.name", {"jmespath": "z"}, '{"z": true}'),
        ("time_zone.name", {"jmespath": "z"}, '{"z": "  "}'),
        ("ntp.running", {"regex": "(?P<value>.+)"}, "maybe"),
        ("ntp.synchronised", {"regex": "(?P<value>.+)", "map": {"locked": True}}, "free running"),
        ("ntp.offset_seconds", {"regex": "(?P<value>.+)"}, "inf"),
        ("accounts", {"regex": r"^(?P<name>\w+):", "each": True}, "% Unknown command"),
        ("accounts", {"jmespath": "users", "each": True}, '{"users": []}'),
        ("accounts", {"jmespath": "users", "each": True}, '{"users": {"a": 1}}'),
        ("accounts", {"jmespath": "users", "each": True}, '{"users": [{"id": 1}]}'),
        ("listening", {"jmespath": "ports", "each": True}, '{"ports": [443, 99999]}'),
        ("listening", {"jmespath": "ports", "each": True}, '{"ports": ["https"]}'),
        ("trust_stores.fingerprints_sha256", {"regex": "(?P<value>.+)", "each": True}, "AA:BB"),
        ("system.firmware", {"regex": "v(?P<value>.+)"}, ""),
    ],
)
def test_what_cannot_be_read_is_not_guessed(fact: str, reading: dict[str, Any], text: str) -> None:
    observation = observe(profile_of(fact, **reading), {"a": text})
    subset = fact.split(".")[0]
    assert statuses(observation)[subset] == "failed"
    assert subset not in observation
    assert observation["subsets"][subset]["detail"].startswith(f"{fact}: ")
    assert len(observation["subsets"][subset]["detail"]) < 500


@pytest.mark.parametrize(
    ("fact", "reading", "text", "value"),
    [
        ("ntp.running", {"regex": "on", "format": "present", "expect": "^NTP"}, "NTP is on", True),
        ("ntp.running", {"regex": "on$", "format": "present", "expect": "^NTP"}, "NTP is off", False),
        ("ntp.synchronised", {"regex": "(?P<value>.+)", "map": {"Locked": True}}, " locked ", True),
        ("ntp.offset_seconds", {"regex": r"(?P<value>-?\d+) ms", "format": "milliseconds"}, "-1500 ms", -1.5),
        ("ntp.client", {"jmespath": "c"}, '{"c": "dntpd"}', "other"),
        ("ntp.client", {"jmespath": "c"}, '{"c": "chrony"}', "chrony"),
        ("ntp.last_sync_at", {"jmespath": "t", "format": "epoch"}, f'{{"t": {NOON}}}', "2026-11-22T12:00:00Z"),
        ("ntp.servers", {"regex": "^server (?P<address>.+)", "each": True, "absent": [], "expect": "^NTP"}, "NTP", []),
        ("time_zone.utc_offset_seconds", {"regex": "(?P<value>.+)"}, "-03:30", -12600),
        ("time_zone.utc_offset_seconds", {"jmespath": "o", "format": "seconds"}, '{"o": 3600}', 3600),
        ("system.firmware", {"jmespath": "v"}, '{"v": 7}', "7"),
        ("system.firmware", {"jmespath": "v", "absent": "unknown"}, '{"w": 7}', "unknown"),
    ],
)
def test_values_of_every_kind(fact: str, reading: dict[str, Any], text: str, value: Any) -> None:
    head, tail = fact.split(".")
    assert observe(profile_of(fact, **reading), {"a": text})[head][tail] == value


def test_lists_of_every_kind() -> None:
    prints = "AB:" * 31 + "AB"
    stores = observe(
        profile_of("trust_stores.fingerprints_sha256", regex=r"SHA256 (?P<value>\S+)", each=True),
        {"a": f"SHA256 {prints}\nSHA256 {prints}\n"},
    )["trust_stores"]
    assert (stores[0]["fingerprints_sha256"], stores[0]["ends_on"]) == (["ab" * 32], [None])
    [store] = observe(
        profile_of("trust_stores.fingerprints_sha256", regex=r"(?P<value>\w{64}) until (?P<ends_on>\S+)", each=True),
        {"a": f"{'cd' * 32} until 2031-01-09\n{'ab' * 32} until 2027-01-09T10:00:00Z\n{'ef' * 32} until then\n"},
    )["trust_stores"]
    assert store["fingerprints_sha256"] == ["ab" * 32, "cd" * 32, "ef" * 32]
    assert store["ends_on"] == ["2027-01-09", "2031-01-09", None]
    listening = observe(
        profile_of("listening", jmespath="p", each=True),
        {"a": '{"p": [443, {"port": "123", "protocol": "UDP", "address": "*", "program": "ntpd"}]}'},
    )["listening"]
    assert listening == [
        {"protocol": "tcp", "address": "0.0.0.0", "port": 443, "program": None},
        {"protocol": "udp", "address": "0.0.0.0", "port": 123, "program": "ntpd"},
    ]


def test_no_password_of_a_device_gets_into_an_observation() -> None:
    text = '{"users": [{"name": "admin", "password": "hunter2", "hash": "$1$x", "expires_on": "2027-01-31T00:00:00"}]}'
    observation = observe(profile_of("accounts", jmespath="users", each=True), {"a": text})
    assert "hunter2" not in json.dumps(observation)
    assert "$1$x" not in json.dumps(observation)
    assert observation["accounts"][0]["expires_on"] == "2027-01-31"


def test_control_characters_and_length_are_tamed() -> None:
    observation = observe(profile_of("system.name", regex="(?P<value>.+)"), {"a": "\x1b[31mA\x07\u202e" + "b" * 5000})
    name = observation["system"]["name"]
    assert name.startswith("?[31mA??b")
    assert len(name) == 200


def test_a_session_that_never_was_tells_nothing() -> None:
    observation = observe(ProfileBook().get("generic_cli"), {}, "aborted", reason="login_refused", detail="no\nway")
    assert "subsets" not in observation
    assert (observation["outcome"], observation["reason"], observation["detail"]) == (
        "aborted",
        "login_refused",
        "no way",
    )


def test_half_a_session_tells_its_half() -> None:
    answers = {"clock": "2026-11-22 12:00:00 UTC", "ntp": {"text": None, "error": "the device went silent"}}
    observation = observe(ProfileBook().get("generic_cli"), answers, "aborted", reason="stopped_answering")
    assert set(observation["subsets"]) == set(SUBSETS)
    assert statuses(observation)["clock"] == "ok"
    assert statuses(observation)["ntp"] == "failed"
    assert "went silent" in observation["subsets"]["ntp"]["detail"]
    assert "it was not asked" in observation["subsets"]["accounts"]["detail"]


def test_a_page_that_the_login_may_not_read() -> None:
    answers = {"status": {"text": None, "error": "(403)", "status": "not_permitted"}}
    observation = observe(ProfileBook().get("generic_json"), answers)
    assert statuses(observation)["accounts"] == "not_permitted"
    assert statuses(observation)["tls_failures"] == "not_supported"


def test_what_was_recorded_gives_no_clock_sample() -> None:
    observation = observe(ProfileBook().get("generic_cli"), {"clock": {"text": "2026-11-22 12:00:00 UTC"}})
    assert observation["clock"] == {"samples": []}
    assert statuses(observation)["clock"] == "ok"


@pytest.mark.parametrize("name", ["busybox_linux", "generic_cli"])
@pytest.mark.parametrize(
    "text",
    ["a" * 262_144, "a\n" * 131_072, ":" * 262_144, "1 a 1:1 " * 32_768, "server " * 37_449, " " * 262_144],
    ids=["one line", "many lines", "colons", "columns", "words", "blanks"],
)
def test_hostile_answers_cost_little(name: str, text: str) -> None:
    profile = ProfileBook().get(name)
    begun = time.process_time()
    observe(profile, dict.fromkeys(profile.questions, text))
    assert time.process_time() - begun < 5
