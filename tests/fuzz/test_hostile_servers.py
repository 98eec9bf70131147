# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All hostile devices in one round, over real sockets, with healthy ones among them.

Each costs a bounded time and a bounded memory and gets an outcome with its reason; the healthy ones get the same
observation, in the same time, as without them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import (
    VantageClock,
    certificates_of,
    intermediates_of,
    interpret,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from fuzz.targets import CORPUS

HERE = Path(__file__).resolve().parent
NAME = "echo-004.hopital.example"
HEALTHY = ("healthy-tls12", "healthy-tls13", "healthy-dicom")
SETTINGS = {"timeout": 2.0, "device_timeout": 6.0, "pause": 0.01, "max_bytes": 262144, "connection_budget": 12}

#: What the closing of the last connection may take, and what a busy machine may add.
CLOSING, BUSY = 0.5, 8.0
#: name -> (outcome of the visit, its reason, outcome of the endpoint, what the error says: "" for no error, None where
#: the outcome says it all).
EXPECTED = {
    "silence": ("aborted", "stopped_answering", "silent", None),
    "reset": ("observed", None, "reset", ""),
    "slow-refusal": ("aborted", "visit_time_over", "tls", "visit_time_over"),
    "trickle-tls": ("aborted", "stopped_answering", "silent", None),
    "trickle-text": ("observed", None, "not_tls", "answered without TLS: S"),
    "gigabytes": ("observed", None, "not_tls", "answered without TLS: "),
    "gigabytes-of-tls": ("observed", None, "tls", "excessive message size"),
    "gigabytes-of-records": ("observed", None, "tls", "unexpected message"),
    "record-of-64k": ("observed", None, "not_tls", "answered without TLS: \\x16\\x03\\x03\\xff\\xf0"),
    "message-of-16m": ("observed", None, "not_tls", "answered without TLS: \\x16\\x03\\x03"),
    "certificate-of-16m": ("observed", None, "tls", "excessive message size"),
    "warnings": ("observed", None, "tls", "refused every hello, last with alert 112"),
    "warnings-after-hello": ("observed", None, "tls", "too many warn alerts"),
    "empty-records": ("observed", None, "not_tls", "answered without TLS: \\x16\\x03\\x03\\x00\\x00"),
    "empty-records-after-hello": ("observed", None, "tls", "handshake: "),
    "empty-messages": ("observed", None, "not_tls", "answered without TLS: \\x16\\x03\\x03@\\x00"),
    "empty-messages-after-hello": ("observed", None, "tls", "unexpected message"),
    "one-byte-records": ("observed", None, "tls", "excessive message size"),
    "ten-thousand-certificates": ("observed", None, "tls", "excessive message size"),
    "megabyte-certificate": ("observed", None, "tls", "excessive message size"),
    "certificate-of-200k": ("observed", None, "tls", "excessive message size"),
    "heavy-names": ("observed", None, "tls", "excessive message size"),
    "huge-prime": ("observed", None, "tls", "Diffie-Hellman prime of 10000 bits"),
    "endless-header": ("observed", None, "tls", ""),
    "endless-line": ("observed", None, "tls", ""),
    "endless-body": ("observed", None, "tls", ""),
    "endless-interim": ("observed", None, "tls", ""),
    "one-byte-header": ("observed", None, "tls", ""),
    "trickled-header": ("observed", None, "tls", ""),
    "trickled-body": ("observed", None, "tls", ""),
    "thousand-tickets": ("observed", None, "tls", ""),
    "key-updates": ("observed", None, "tls", "no HTTP answer"),
    "key-updates-both-ways": ("observed", None, "tls", "asks for answers without end"),
    "tickets-without-end": ("observed", None, "tls", "no HTTP answer"),
    "empty-application-data": ("observed", None, "tls", "record too small"),
    "smtp-greeting": ("observed", None, "not_tls", "answered without TLS: 220-still here"),
    "smtp-line": ("observed", None, "not_tls", "answered without TLS: 220 xxx"),
    "smtp-trickle": ("aborted", "stopped_answering", "silent", None),
    "imap-untagged": ("observed", None, "not_tls", "answered without TLS: * OK"),
    "ftp-greeting": ("observed", None, "not_tls", "answered without TLS: 220-x"),
    "pop3-line": ("observed", None, "not_tls", "answered without TLS: +OK xxx"),
    "ldap-of-4g": ("observed", None, "not_tls", "answered without TLS: 0\\x84\\xff\\xff\\xff\\xff"),
    "ldap-of-8k": ("aborted", "stopped_answering", "silent", None),
    "rdp-of-64k": ("observed", None, "not_tls", "answered without TLS: \\x03\\x00\\xff\\xff"),
    "mysql-of-16m": ("observed", None, "not_tls", "answered without TLS: \\xff\\xff\\xff\\x00"),
    "mssql-of-64k": ("observed", None, "not_tls", "answered without TLS: \\x04\\x01\\xff\\xff"),
    "mssql-empty-packets": ("observed", None, "not_tls", "answered without TLS: empty packets"),
    "postgres-flood": ("observed", None, "not_tls", "answered without TLS: SSS"),
    "sntp-junk": ("observed", None, "tls", ""),
}


def _seconds(observation: dict[str, Any]) -> float:
    begun, ended = (datetime.fromisoformat(observation[key][:-1]) for key in ("started_at", "finished_at"))
    return (ended - begun).total_seconds()


def _round(farm: dict[str, dict[str, Any]], names: tuple[str, ...]) -> dict[str, Any]:
    """A round over these devices; its result, with the observations by device."""
    devices = [
        {
            "name": name,
            "address": farm[name]["address"],
            "names": [NAME],
            "endpoints": [{"port": farm[name]["port"], "service": farm[name]["service"]}],
            "ports": [],
            "sntp": farm[name].get("sntp", False),
            "consent": True,
        }
        for name in names
    ]
    task = json.dumps({"devices": devices, "settings": SETTINGS})
    command = [sys.executable, str(HERE / "visitor.py")]
    done = subprocess.run(command, input=task, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    result["by_name"] = {observation["device"]: observation for observation in result["observations"]}
    return result


@pytest.fixture(scope="module")
def farm() -> Iterator[dict[str, dict[str, Any]]]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "hostile.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="module")
def alone(farm: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return _round(farm, HEALTHY)


@pytest.fixture(scope="module")
def together(farm: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return _round(farm, tuple(farm))


def test_every_case_is_expected(farm: dict[str, dict[str, Any]]) -> None:
    assert set(farm) - set(HEALTHY) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_hostile_device_gets_its_outcome_and_reason(together: dict[str, Any], name: str) -> None:
    observation = together["by_name"][name]
    (endpoint,) = observation["endpoints"]
    outcome, reason, endpoint_outcome, error = EXPECTED[name]
    assert (observation["outcome"], observation["reason"]) == (outcome, reason)
    assert endpoint["outcome"] == endpoint_outcome
    if error:
        assert error in endpoint["error"]
    elif error == "":
        assert endpoint["error"] is None
    assert "detail" not in observation


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_hostile_device_costs_a_bounded_time_and_traffic(together: dict[str, Any], name: str) -> None:
    observation = together["by_name"][name]
    assert _seconds(observation) <= SETTINGS["device_timeout"] + CLOSING + BUSY
    assert observation["connections"] <= SETTINGS["connection_budget"]
    # A read may bring a little more than what was left of the budget.
    assert observation["bytes_received"] <= observation["connections"] * (SETTINGS["max_bytes"] + 16384)
    assert observation["bytes_sent"] <= observation["connections"] * 700


def test_all_of_them_together_cost_little_memory_and_time(together: dict[str, Any]) -> None:
    assert together["memory"] < 64 * 1024 * 1024
    # All are visited at once: no more than the slowest of them.
    assert together["wall"] <= SETTINGS["device_timeout"] + CLOSING + BUSY
    assert together["cpu"] < 6.0


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_neighbour_does_not_feel_them(alone: dict[str, Any], together: dict[str, Any], name: str) -> None:
    before, now = (
        {**result["by_name"][name]["endpoints"][0], "outcome of visit": result["by_name"][name]["outcome"]}
        for result in (alone, together)
    )
    assert before["outcome"] == "tls" and before["chain_der"] and before["outcome of visit"] == "observed"
    assert now == before
    samples = [result["by_name"][name]["clock"]["samples"] for result in (alone, together)]
    assert [len(found) for found in samples] == [name != "healthy-dicom"] * 2
    assert _seconds(together["by_name"][name]) <= _seconds(alone["by_name"][name]) + 2 * BUSY


def test_no_device_makes_the_others_wait(alone: dict[str, Any], together: dict[str, Any]) -> None:
    # CPU-seconds: however busy this machine is, this is what one device can take from the others at a time.
    assert alone["longest"] < 0.05
    assert together["longest"] < 0.15


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_they_said_is_judged_in_little_time(together: dict[str, Any], name: str) -> None:
    raw = together["by_name"][name]
    card = {"name": name, "names": [NAME], "address": "127.66.0.10"}
    root = (CORPUS / "pki" / "seed-root.bin").read_bytes()
    begun = time.process_time()
    judge = TrustJudge([root], intermediates_of(certificates_of([raw])))
    observation = interpret(raw, card, judge, "localhost", datetime(2026, 11, 22, tzinfo=timezone.utc), VantageClock())
    text = json.dumps(observation, allow_nan=False)
    assert time.process_time() - begun < 2.0
    assert len(text) < 2_000_000
    assert observation["endpoints"][0]["trust"]["status"] != "trusted"
