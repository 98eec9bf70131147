# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a gateway's clock follows, from the outputs and the files of the clients that there are, and what is judged."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from unit.gateway_host import NOW, facts, host

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.ntp_servers import (
    included,
    parse_busybox_command,
    parse_ntp_toml,
    parse_server_lines,
    parse_timesyncd_servers,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.ntp_client import judge_ntp

NAME, IP, OTHER = "ntp1.hopital.example", "192.0.2.10", "203.0.113.5"
CHRONYD = {"/proc/7/comm": "chronyd\n", "/proc/7/cmdline": "/usr/sbin/chronyd\0-u\0chrony\0"}
NTPD = {
    "/proc/9/comm": "ntpd\n",
    "/proc/9/cmdline": "/usr/sbin/ntpd\0-u\0ntp:ntp\0-g\0",
    "/etc/ntp.conf": f"server {NAME}\n",
}
NORMAL = f"C000020A,{IP},3,{NOW - 60},-0.000012,0.0,0.0001,1.2,0.0,0.03,0.01,0.03,64.4,Normal\n"
LOST = NORMAL.replace(str(NOW - 60), str(NOW - 30 * 86400))
LOCAL = f"7F7F0101,,10,{NOW - 9},0.000000000,0.0,0.0,0.000,0.000,0.000,0.0,0.0,0.0,Normal\n"
FOLLOWED = "^,*,{},2,6,377,33,0.0001,0.0001,0.001\n"
SILENT = "^,?,{},0,10,0,4294967295,0.0,0.0,0.0\n"
HEAD = "     remote           refid      st t when poll reach   delay   offset  jitter\n" + "=" * 78 + "\n"
PEER = "{}{:15} {:15} {} u   33   64  {:>3}    0.512   -0.210   0.040\n"
RV = (
    "associd=0 status=0615 leap_none, {}, 1 event, clock_sync,\nversion=4.2.6p5, leap=00, stratum=3,\n"
    "refid={}, reftime=eeb7e5b0.00000000, offset=-0.2\n"
)


def chrony(tracking: str, addresses: str, names: str | None = None, configuration: str = "") -> Any:
    commands = {"chronyc -c -n tracking": tracking, "chronyc -c -n sources": addresses}
    commands["chronyc -c -N sources"] = (1, "") if names is None else names  # type: ignore[assignment]
    return host({**CHRONYD, "/etc/chrony.conf": configuration or f"server {NAME} iburst\n"}, commands)


def ntpd(peers: str, rv: str, *, old: bool = False, files: dict[str, str | None] | None = None, **getent: str) -> Any:
    commands: dict[str, Any] = {"ntpq --version": "ntpq 4.2.6p5\n", "ntpq -c rv": rv}
    commands.update({"ntpq -wpn": (1, "") if old else HEAD + peers, "ntpq -pn": HEAD + peers})
    commands.update({f"getent ahosts {NAME}": "".join(f"{ip} STREAM\n" for ip in getent.values())} if getent else {})
    return host({**NTPD, **(files or {})}, commands)


TIMESYNC = "SystemNTPServers={0}\nServerName={0}\nServerAddress={1}\nNTPMessage={{ Leap=0, Stratum=2 }}\n"


def timesyncd(synchronised: str, details: str, touched: float | None = NOW) -> Any:
    files = {"/proc/5/comm": "systemd-timesyn\n", "/etc/systemd/timesyncd.conf": f"[Time]\nNTP = {NAME}\n"}
    files.update({} if touched is None else {"/run/systemd/timesync/synchronized": ""})
    commands = {"timedatectl show": f"NTPSynchronized={synchronised}\n", "timedatectl show-timesync --all": details}
    return host(files, commands, modified=touched or NOW)


CASES: dict[str, tuple[Any, list[str], str]] = {
    "chrony follows it, by address": (chrony(NORMAL, FOLLOWED.format(IP)), [IP], "ntp_synchronised_to_hospital"),
    "chrony, told by name": (
        chrony(NORMAL, FOLLOWED.format(IP), FOLLOWED.format(NAME)),
        [IP],
        "ntp_synchronised_to_hospital",
    ),
    "chrony 3, an address and a name": (chrony(NORMAL, FOLLOWED.format(IP)), [NAME], "ntp_state_unknown"),
    "chrony takes its own clock": (chrony(LOCAL, SILENT.format(IP)), [IP], "ntp_follows_itself"),
    "chrony 4 by name takes its own": (
        chrony(LOCAL, SILENT.format(IP), SILENT.format(NAME)),
        [NAME],
        "ntp_follows_itself",
    ),
    "chrony lost all for 30 days": (chrony(LOST, SILENT.format(IP)), [IP], "ntp_correction_too_old"),
    "chrony lost them just now": (chrony(NORMAL, SILENT.format(IP)), [IP], "ntp_servers_silent"),
    "chrony follows a public pool": (
        chrony(
            NORMAL, SILENT.format(IP) + FOLLOWED.format(OTHER), SILENT.format(NAME) + FOLLOWED.format("pool.example")
        ),
        [NAME],
        "ntp_wrong_server",
    ),
    "chrony tells no sources": (chrony(NORMAL, ""), [NAME], "ntp_state_unknown"),
    "chrony follows its radio clock": (
        chrony(NORMAL, "#,*,PHC0,0,4,377,1,0,0,0\n" + SILENT.format(IP)),
        [IP],
        "ntp_wrong_server",
    ),
    "ntpd takes its own clock": (
        ntpd(
            PEER.format(" ", IP, ".INIT.", 16, 0) + PEER.format("*", "127.127.1.0", ".LOCL.", 10, 377),
            RV.format("sync_local", "LOCAL(0)"),
        ),
        [IP],
        "ntp_follows_itself",
    ),
    "ntpd's own clock, by name": (
        ntpd(PEER.format("*", "LOCAL(0)", ".LOCL.", 10, 377), RV.format("sync_ntp", "LOCAL(0)")),
        [NAME],
        "ntp_follows_itself",
    ),
    "ntpd says sync_ntp for ever": (
        ntpd(PEER.format(" ", IP, OTHER, 2, 0), RV.format("sync_ntp", IP)),
        [IP],
        "ntp_not_synchronised",
    ),
    "ntpd's rv alone": (ntpd("", RV.format("sync_ntp", IP)), [NAME], "ntp_state_unknown"),
    "ntpq of RHEL 7": (
        ntpd(PEER.format("*", IP, ".GPS.", 1, 377), RV.format("sync_ntp", IP), old=True),
        [IP],
        "ntp_synchronised_to_hospital",
    ),
    "ntpq cut the address": (
        ntpd(PEER.format("*", "2001:db8:0:1::1", ".GPS.", 1, 377), RV.format("sync_ntp", IP), old=True),
        ["2001:db8:0:1::1"],
        "ntp_state_unknown",
    ),
    "ntpd, the configured name's address": (
        ntpd(PEER.format("*", IP, ".GPS.", 1, 377), RV.format("sync_ntp", IP), one=IP),
        [NAME],
        "ntp_synchronised_to_hospital",
    ),
    "ntpd, a name that nobody resolves": (
        ntpd(PEER.format("*", IP, ".GPS.", 1, 377), RV.format("sync_ntp", IP)),
        [NAME],
        "ntp_state_unknown",
    ),
    "ntpd follows a pool, the hospital's is dead": (
        ntpd(
            PEER.format(" ", IP, ".INIT.", 16, 0) + PEER.format("*", OTHER, ".GPS.", 1, 377),
            RV.format("sync_ntp", OTHER),
            one=IP,
        ),
        [NAME],
        "ntp_wrong_server",
    ),
    "ntpd follows its receiver": (
        ntpd(PEER.format("*", "127.127.20.0", ".GPS.", 0, 377), RV.format("sync_uhf_radio", ".GPS.")),
        [IP],
        "ntp_wrong_server",
    ),
    "timesyncd": (timesyncd("yes", TIMESYNC.format(NAME, IP)), [IP], "ntp_synchronised_to_hospital"),
    "timesyncd a month ago": (
        timesyncd("yes", TIMESYNC.format(NAME, IP), NOW - 30 * 86400),
        [NAME],
        "ntp_correction_too_old",
    ),
    "timesyncd, set by somebody else": (
        timesyncd("yes", TIMESYNC.format(NAME, IP).partition("NTPM")[0], None),
        [NAME],
        "ntp_servers_silent",
    ),
    "timesyncd follows a fallback": (
        timesyncd("yes", TIMESYNC.format("time.example", OTHER)),
        [NAME],
        "ntp_wrong_server",
    ),
    "timesyncd without a server": (timesyncd("yes", "", None), [NAME], "ntp_state_unknown"),
    "openntpd": (
        host(
            {
                "/proc/9/comm": "ntpd\n",
                "/proc/9/cmdline": "ntpd: ntp engine\0",
                "/etc/openntpd/ntpd.conf": f"servers {NAME}\n",
            }
        ),
        [NAME],
        "ntp_state_unknown",
    ),
    "ntpd-rs": (
        host({"/proc/9/comm": "ntp-daemon\n", "/etc/ntpd-rs/ntp.toml": f'[[source]]\naddress = "{NAME}:123"\n'}),
        [NAME],
        "ntp_state_unknown",
    ),
    "busybox": (
        host(
            {"/proc/9/comm": "ntpd\n", "/proc/9/cmdline": f"/usr/sbin/ntpd\0-n\0-N\0-lp\0{IP}\0"},
            links={"/usr/sbin/ntpd": "/bin/busybox"},
        ),
        [IP],
        "ntp_state_unknown",
    ),
    "nothing runs": (host({"/etc/chrony.conf": f"server {IP}\n"}), [IP], "ntp_client_missing"),
}


@pytest.mark.parametrize("case", CASES)
def test_whom_the_clock_follows(case: str) -> None:
    gateway, declared, reason = CASES[case]
    oldest = datetime.fromtimestamp(NOW, timezone.utc) - timedelta(days=1)
    found = facts(gateway, "ntp")
    assert found["subsets"]["ntp"] == {"status": "ok", "detail": ""}
    assert judge_ntp({"ntp_servers": declared}, found["ntp"], oldest=oldest).reason == reason


@pytest.mark.parametrize(
    ("command", "client"),
    [
        ("ntpd: ntp engine\0", "openntpd"),
        ("/usr/sbin/ntpd\0-f\0/etc/openntpd/ntpd.conf\0", "openntpd"),
        ("busybox\0ntpd\0", "busybox"),
        ("/usr/sbin/ntpd\0-p\0/var/run/ntpd.pid\0", "ntpd"),
    ],
)
def test_four_programs_are_called_ntpd(command: str, client: str) -> None:
    assert facts(host({"/proc/9/comm": "ntpd\n", "/proc/9/cmdline": command}), "ntp")["ntp"]["client"] == client


@pytest.mark.parametrize(
    ("files", "command", "servers"),
    [
        (
            {"/etc/chrony.conf": "include /etc/chrony.d/*.conf\n", "/etc/chrony.d/pool.conf": "pool a.example\n"},
            "",
            ["a.example"],
        ),
        (
            {
                "/etc/chrony.conf": "include /etc/local\nconfdir /etc/one /etc/two\nsourcedir /run/dhcp\n!server x\n",
                "/etc/local": "server 198.51.100.9\ninclude /etc/deeper\n",
                "/etc/deeper": "peer 198.51.100.8\ninclude /etc/local\n",
                "/etc/one/a.conf": "server 198.51.100.10\n",
                "/etc/two/b.conf": "Server\t198.51.100.11 # main\r\n",
                "/run/dhcp/eth0.sources": "server 198.51.100.12\n",
                "/run/dhcp/eth0.conf": "server 198.51.100.13\n",
            },
            "",
            ["198.51.100.9", "198.51.100.8", "198.51.100.10", "198.51.100.11", "198.51.100.12"],
        ),
        (
            {"/etc/chrony.conf": "server a.example\n", "/opt/c.conf": "server b.example\n"},
            "chronyd\0-f\0/opt/c.conf\0",
            ["b.example"],
        ),
    ],
)
def test_chrony_reads_further_files(files: dict[str, str], command: str, servers: list[str]) -> None:
    found = facts(host({"/proc/7/comm": "chronyd\n", "/proc/7/cmdline": command, **files}), "ntp")["ntp"]
    assert [server["address"] for server in found["servers"]] == servers


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("server -4 ntp1.example iburst\npool -6 ntp2.example\n", ["ntp1.example", "ntp2.example"]),
        ("server 127.127.1.0\nfudge 127.127.1.0 stratum 10\n", []),
        ("broadcastclient\nmanycastclient 239.255.254.254\n", ["broadcastclient", "manycastclient"]),
        ("servers pool.example weight 5\n", ["pool.example"]),
        ("#server a\n  server b\nserver\nserver -4\n", ["b"]),
    ],
)
def test_the_servers_of_a_file(text: str, servers: list[str]) -> None:
    assert parse_server_lines(text) == servers


def test_files_that_a_file_names() -> None:
    assert included("includefile /etc/ntp/x\n#include /a\nINCLUDE /b\n") == ["/etc/ntp/x", "/b"]


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("[Time]\r\nNTP = a.example\r\n", ["a.example"]),
        ("[Time]\nNTP=a.example \\\n  b.example\n", ["a.example", "b.example"]),
        ("[Time]\n; NTP=a\n#NTP=b\nNTP=\nFallbackNTP=c\n", []),
        ("[Time]\nNTP=a\nNTP=b a\n", ["a", "b"]),
    ],
)
def test_the_servers_of_timesyncd(text: str, servers: list[str]) -> None:
    assert parse_timesyncd_servers(text) == servers


@pytest.mark.parametrize(
    ("command", "servers"),
    [
        ("ntpd -n -k /etc/k -p keyno:1:192.0.2.10 -S /etc/s", ["192.0.2.10"]),
        ("ntpd -dnNqp 192.0.2.10 -np192.0.2.11", ["192.0.2.10", "192.0.2.11"]),
        ("ntpd -S -p -p a.example", ["a.example"]),
        ("ntpd -nI eth0 -l", []),
        ("ntpd -np", []),
    ],
)
def test_the_servers_of_busybox(command: str, servers: list[str]) -> None:
    assert parse_busybox_command(command.split()) == servers


def test_the_servers_of_ntpd_rs() -> None:
    text = 'address = "a.example:123"\n#address = "b"\n[[source]]\naddress="[2001:db8::1]:123"\naddress = \'c\'\n'
    assert parse_ntp_toml(text) == ["a.example", "2001:db8::1", "c"]


@pytest.mark.parametrize(
    ("links", "files", "name"),
    [
        ({"/etc/localtime": "/usr/share/zoneinfo/uclibc/Europe/Paris"}, {}, "Europe/Paris"),
        ({"/etc/localtime": "/usr/share/zoneinfo/Etc/UTC"}, {"/etc/timezone": "Europe/Paris\n"}, "Etc/UTC"),
        (
            {"/etc/localtime": "/etc/localtime"},
            {"/etc/sysconfig/clock": '# x\nZONE="Europe/Paris"\nUTC=true\n'},
            "Europe/Paris",
        ),
        ({"/etc/localtime": "/etc/localtime"}, {"/etc/sysconfig/clock": "TIMEZONE='Europe/Berlin'\n"}, "Europe/Berlin"),
        ({}, {"/etc/TZ": "CET-1CEST,M3.5.0,M10.5.0/3\n"}, "CET-1CEST,M3.5.0,M10.5.0/3"),
        ({}, {"/etc/TZ": ":Europe/Paris\n"}, "Europe/Paris"),
        ({}, {"/etc/TZ": "CET-1\n", "/etc/config/system": "\toption zonename 'Europe/Paris'\n"}, "Europe/Paris"),
        ({"/etc/localtime": "/etc/localtime"}, {}, None),
        ({}, {}, "UTC"),
    ],
)
def test_the_time_zone(links: dict[str, str], files: dict[str, str | None], name: str | None) -> None:
    found = facts(host(files, {"date +%z": "+0100\n"}, links), "time_zone")["time_zone"]
    assert found == {"name": name, "utc_offset_seconds": 3600}
