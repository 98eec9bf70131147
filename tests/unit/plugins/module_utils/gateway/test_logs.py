# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures whose line names nobody: who it was stands beside them, or they are told as nobody's."""

from __future__ import annotations

import time
from typing import Any

import pytest
from unit.gateway_host import NOW, facts, host

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.log_times import stamp
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.logs import Tally
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.tls_failure_logs import judge_failures
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy

OURS, DEVICE = "192.0.2.1", "10.20.1.14"
NIGHT = int(NOW) - 3600
MOSQUITTO = (
    "{at}: New connection from {peer}:51234 on port 8883.\n"
    "{at}: OpenSSL Error[0]: error:0A000418:SSL routines::tlsv1 alert unknown ca\n"
    "{at}: Client <unknown> disconnected: protocol error.\n"
)
ORTHANC = "E{glog}.000123 HttpServer.cpp:1840] SSL error: handshake failure\n"
XRDP = (
    "[{xrdp}] [INFO ] Socket 12: AF_INET6 connection received from ::ffff:{peer} port 51234\n"
    "[{xrdp}] [ERROR] SSL_accept: error:0A000076 no suitable signature algorithm\n"
)
DCMTK = "I: Association Received from {peer}\nE: TLS error: unable to get local issuer certificate\n"
SYSLOG = (
    "{iso} gw mosquitto[12]: New connection from {peer}:51234 on port 8883.\n"
    "{iso} gw other[3]: connection from 10.9.9.9:1\n"
    "{iso} gw mosquitto[12]: OpenSSL Error[0]: error:0A000418:SSL routines::tlsv1 alert unknown ca\n"
)


def written(text: str, peer: str, at: int) -> str:
    local = time.localtime(at)
    return text.format(
        peer=peer,
        at=at,
        glog=time.strftime("%m%d %H:%M:%S", local),
        xrdp=time.strftime("%Y%m%d-%H:%M:%S", local),
        iso=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
    )


def failures(text: str, peer: str, *own: str, times: int = 6) -> dict[str, Any]:
    tally = Tally(NOW - 7 * 86400, frozenset(own))
    for night in range(times):
        for line in written(text, peer, NIGHT - night * 86400).splitlines():
            tally.add_line(line, time.localtime(NIGHT).tm_year)
    groups = [{"peer": group.peer, "cause": group.cause, "count": group.count} for group in tally.groups.values()]
    return {"since": "2026-11-23T00:00:00Z", "total": tally.total, "groups": groups}


@pytest.mark.parametrize("text", [MOSQUITTO, XRDP, DCMTK, SYSLOG])
def test_the_line_before_names_the_peer(text: str) -> None:
    policy = load_policy()
    ours = failures(text, OURS, OURS)
    assert ours["total"] == 0 and judge_failures(ours, policy).reason == "no_repeated_failures"
    theirs = failures(text, DEVICE, OURS)
    assert {group["peer"] for group in theirs["groups"]} == {DEVICE}
    assert judge_failures(theirs, policy).reason == "repeated_tls_failures"


@pytest.mark.parametrize(
    "text", [ORTHANC, MOSQUITTO.partition("\n")[2], MOSQUITTO.replace("{at}: New", "1795000000: New")]
)
def test_nobody_is_no_incident(text: str) -> None:
    told = failures(text, DEVICE)
    assert {group["peer"] for group in told["groups"]} == {None}
    assert judge_failures(told, load_policy()).reason == "failures_without_address"
    assert judge_failures(failures(text, DEVICE, times=3), load_policy()).reason == "no_repeated_failures"


def test_two_who_connected_together_are_not_told_apart() -> None:
    first, _newline, rest = MOSQUITTO.partition("\n")
    told = failures(first.replace("{peer}", "10.9.9.9") + "\n" + first + "\n" + rest, DEVICE)
    assert {group["peer"] for group in told["groups"]} == {None}


@pytest.mark.parametrize(
    "line", ["[20261130-10:00:01] [ERROR] x", "E1130 10:00:01.123 x", "2026-11-30T10:00:01 x", "Nov 30 10:00:01 gw x"]
)
def test_the_times_of_services(line: str) -> None:
    assert stamp(line, 2026) == time.mktime((2026, 11, 30, 10, 0, 1, 0, 0, -1))


def test_our_own_address_need_not_be_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/var/log/mosquitto/mosquitto.log"
    files: dict[str, str | None] = {path: "".join(written(MOSQUITTO, OURS, NIGHT - night) for night in range(9))}
    gateway = host(files, {"getent ahosts vantage-1": f"{OURS} STREAM\n"}, {"SSH_CONNECTION": "192.0.2.77"})
    assert facts(gateway, "tls_failures")["tls_failures"]["total"] == 9
    named = facts(gateway, "tls_failures", own_addresses=["vantage-1"])
    assert named["tls_failures"]["total"] == 0
    logged_in = host(files, links={"SSH_CONNECTION": OURS})
    assert facts(logged_in, "tls_failures")["tls_failures"]["total"] == 0


def test_the_address_of_a_login_is_found_above_sudo(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {
        "/proc/self/environ": b"PATH=/bin\0",
        "/proc/self/stat": b"30 (python3 (x)) S 20 1",
        "/proc/20/environ": b"A=1\0SSH_CONNECTION=::ffff:192.0.2.1 51000 10.0.0.1 22\0",
        "/proc/20/stat": b"20 (bash) S 1 1",
    }
    for name, data in places.items():
        (tmp_path / name[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name[1:]).write_bytes(data)
    real = open
    monkeypatch.setattr("builtins.open", lambda name, *rest, **more: real(f"{tmp_path}{name}", *rest, **more))
    assert Host().caller() == OURS
    (tmp_path / "proc/20/environ").write_bytes(b"A=1\0")
    assert Host().caller() is None
