# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read on a gateway: the output of real commands in, facts out; a subset that fails loses only itself."""

from __future__ import annotations

import base64
import json
import struct
import time
from typing import Any

import pytest
from unit import gateway_options

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway import accounts, files, listening, logs, trust
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway import time as times
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.gather import SUBSETS, gather
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.ntp_state import parse_chrony_sources
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.recording import RecordedHost, RecordingHost

OPTIONS: dict[str, Any] = {**gateway_options.OPTIONS, "now": 1795366800.0}


# -- time


def test_chrony_follows_and_is_slow() -> None:
    text = "0A000001,10.0.0.1,2,1795366790.123456789,0.002500,0.000001,0.00002,1.5,0.01,0.1,0.02,0.001,64.2,Normal\n"
    facts = times.parse_chrony_tracking(text)
    assert facts["synchronised"] is True
    assert facts["last_sync_at"] == "2026-11-22T16:59:50Z"
    # chrony says how far the system is behind NTP time; ours is positive for a fast clock.
    assert facts["offset_seconds"] == pytest.approx(-0.0025)


def test_chrony_without_a_source_is_not_synchronised() -> None:
    text = "00000000,,0,0.000000000,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised\n"
    assert times.parse_chrony_tracking(text) == {"synchronised": False, "last_sync_at": None, "offset_seconds": None}


def test_chrony_sources() -> None:
    text = (
        "^,*,ntp1.hopital.example,2,6,377,33,0.0001,0.0001,0.001\n"
        "^,?,10.0.0.2,0,6,0,4294967295,0.0,0.0,0.0\n"
        "#,-,GPS,0,4,377,1,0,0,0\n"
    )
    assert parse_chrony_sources(text) == [
        {"address": "ntp1.hopital.example", "reachable": True, "selected": True, "stratum": 2},
        {"address": "10.0.0.2", "reachable": False, "selected": False, "stratum": None},
        {"address": "GPS", "reachable": True, "selected": False, "stratum": None, "own_clock": True},
    ]


NTPQ = """     remote           refid      st t when poll reach   delay   offset  jitter
==============================================================================
*10.0.0.1        .GPS.            1 u   33   64  377    0.512   -0.210   0.040
 10.0.0.2        .INIT.          16 u    -   64    0    0.000    0.000   0.000
 0.debian.pool.n .POOL.          16 p    -   64    0    0.000    0.000   0.000
"""


def test_ntpq_peers() -> None:
    assert times.parse_ntpq_peers(NTPQ) == [
        {"address": "10.0.0.1", "reachable": True, "selected": True, "stratum": 1},
        {"address": "10.0.0.2", "reachable": False, "selected": False, "stratum": None},
    ]


def test_ntpq_gives_a_long_address_a_line_of_its_own() -> None:
    long = "2001:db8:1234:5678:9abc:def0:1234:5678"
    line = " .GPS.            1 u   33   64  377    0.512   -0.210   0.040\n"
    text = "".join(NTPQ.splitlines(keepends=True)[:2]) + f" 10.0.0.3       {line}*{long}\n                {line}"
    assert [(server["address"], server["selected"]) for server in times.parse_ntpq_peers(text)] == [
        ("10.0.0.3", False),
        (long, True),
    ]


def test_ntpq_variables() -> None:
    text = "associd=0 status=0615 leap_none, sync_ntp, 1 event, clock_sync,\nleap=00, stratum=2, offset=-1.250, clk=0\n"
    facts = times.parse_ntpq_variables(text, selected=True)
    assert facts == {"synchronised": True, "last_sync_at": None, "offset_seconds": pytest.approx(0.00125)}
    alarm = "associd=0 status=c016 leap_alarm, sync_unspec, 1 event, restart,\nleap=11, stratum=16, offset=0.0\n"
    for selected in (True, False):
        facts = times.parse_ntpq_variables(alarm, selected)
        assert facts == {"synchronised": False, "last_sync_at": None, "offset_seconds": None}


def test_ntpsec_names_no_kind_of_source() -> None:
    text = (
        "associd=0 status=0015 leap_none, sync_unspec, 1 event, clock_sync,\nleap=00, stratum=3, refid=192.0.2.1,\n"
        "reftime=eeae12c8.d62d7b84 2026-11-23T01:18:00.836Z, tc=6,\npeer=17767, offset=0.024195, frequency=0.0\n"
    )
    facts = times.parse_ntpq_variables(text, selected=True)
    assert (facts["synchronised"], facts["last_sync_at"]) == (True, "2026-11-23T01:18:00Z")
    assert facts["offset_seconds"] == pytest.approx(-0.000024195)
    lost = times.parse_ntpq_variables(text, selected=False)
    assert lost == {"synchronised": False, "last_sync_at": "2026-11-23T01:18:00Z", "offset_seconds": None}
    assert times.parse_ntpq_variables(text, selected=None)["synchronised"] is None
    later = times.parse_ntpq_variables(text.replace("eeae12c8.", "00000001."), selected=True)
    assert later["last_sync_at"] == "2036-02-07T06:28:17Z"


def test_timesyncd_an_empty_line_takes_back() -> None:
    text = "[Time]\nNTP=a.example b.example\nNTP=\nNTP=ntp.hopital.example\n#NTP=c\n"
    assert times.parse_timesyncd_servers(text) == ["ntp.hopital.example"]


def test_busybox_servers() -> None:
    assert times.parse_busybox_command(["ntpd", "-n", "-p", "10.0.0.1", "-p10.0.0.2"]) == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(("text", "seconds"), [("+0100\n", 3600), ("-0330", -12600), ("CET", None)])
def test_utc_offset(text: str, seconds: int | None) -> None:
    assert times.parse_utc_offset(text) == seconds


# -- accounts


def test_shadow_gives_states_and_no_hash() -> None:
    text = (
        "root:*:19000:0:99999:7:::\n"
        "tech:$y$j9T$secret$hash:19000:0:99999:7::20800:\n"
        "open::19000:0:99999:7:::\n"
        "old:!$6$x$y:19000:0:99999:7:::\n"
    )
    found = accounts.parse_shadow(text)
    assert {name: entry.state for name, entry in found.items()} == {
        "root": "locked",
        "tech": "set",
        "open": "empty",
        "old": "locked",
    }
    assert found["tech"].expires_on == "2026-12-13"
    assert "secret" not in repr(found)


def test_lastlog() -> None:
    record = struct.Struct("=i32s256s")
    data = record.pack(0, b"", b"") + record.pack(1795366800, b"pts/0", b"10.0.0.9")
    assert accounts.parse_lastlog(data) == {1: "2026-11-22T17:00:00Z"}


def test_who_can_log_in() -> None:
    host = RecordedHost(
        {
            "files": {
                "/etc/passwd": {
                    "text": "root:x:0:0:root:/admin:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n"
                    "tech:x:1000:1000::/home/tech:/bin/sh\nlocked:x:1001:1001::/home/locked:/bin/sh\n"
                },
                "/etc/shadow": {"text": "root:*:1::::::\ntech:$6$a$b:1::::::\nlocked:!:1::::::\ndaemon:*:1::::::\n"},
                "/etc/group": {"text": "sudo:x:27:tech\n"},
                "/etc/sudoers": {"text": "%sudo ALL=(ALL:ALL) ALL\n"},
                "/admin/.ssh/authorized_keys": {"text": "ssh-ed25519 AAAA admin\n"},
            },
            "privileged": True,
        }
    )
    found = {entry["name"]: entry for entry in accounts.accounts(host, OPTIONS)["accounts"]}
    assert {name: entry["can_login"] for name, entry in found.items()} == {
        "root": True,  # no password, but a key
        "daemon": False,
        "tech": True,
        "locked": False,
    }
    assert [name for name, entry in found.items() if entry["administrator"]] == ["root", "tech"]


def test_without_privilege_the_password_is_unknown_and_said_so() -> None:
    host = RecordedHost(
        {
            "files": {
                "/etc/passwd": {"text": "tech:x:1000:1000::/home/tech:/bin/sh\n"},
                "/etc/shadow": {"not_permitted": True},
            }
        }
    )
    found = accounts.accounts(host, OPTIONS)
    assert found["accounts"][0]["password"] == "unknown" and found["accounts"][0]["can_login"] is None
    assert "privileged" in found["detail"]


# -- ports

PROC_TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 0 100 0 0 10 0
   2: 0100007F:0016 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 102 1 0 100 0 0 10 0
"""


def test_listening_sockets_only() -> None:
    assert listening.parse_table(PROC_TCP, "0A") == [("0.0.0.0", 22, "100"), ("127.0.0.1", 8080, "101")]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
    ],
)
def test_kernel_addresses(text: str, address: str) -> None:
    assert listening.parse_address(text) == address


# -- logs

YEAR = 2026


@pytest.mark.parametrize(
    ("line", "cause", "peer"),
    [
        (
            "2026/11/22 10:00:00 [crit] 7#7: *1 SSL_do_handshake() failed (SSL: error:0A00006C:SSL routines::bad key "
            "share) while SSL handshaking, client: 10.20.1.14, server: 0.0.0.0:443",
            "handshake_failure",
            "10.20.1.14",
        ),
        (
            "2026/11/22 10:00:00 [info] 7#7: *2 SSL_do_handshake() failed (SSL: error:0A000418:SSL routines::tlsv1 "
            "alert unknown ca) while SSL handshaking, client: 10.20.1.15, server: 0.0.0.0:443",
            "unknown_authority",
            "10.20.1.15",
        ),
        (
            "Nov 22 10:00:00 gw haproxy[9]: 10.20.1.16:50122 [22/Nov] in/1: SSL handshake failure",
            "handshake_failure",
            "10.20.1.16",
        ),
        (
            "2026.11.22 10:00:00 LOG3[0]: SSL_accept: error:0A000415:SSL routines::sslv3 alert certificate expired",
            "certificate_expired",
            None,
        ),
        ("1795366800: OpenSSL Error[0]: error:0A000102:SSL routines::unsupported protocol", "protocol_version", None),
        ("Nov 22 10:00:00 gw app: TLS session resumed with 10.20.1.17", None, "10.20.1.17"),
        ("Nov 22 10:00:00 gw cron: certificate renewal done", None, None),
    ],
)
def test_a_line_of_a_log(line: str, cause: str | None, peer: str | None) -> None:
    assert logs.tls_failure_cause(line) == cause
    assert logs.peer_of(line) == peer


def test_failures_are_grouped_and_our_own_probes_left_out() -> None:
    line = "2026/11/22 10:00:00 [info] 7#7: *2 SSL_do_handshake() failed (unknown ca), client: {}, server: x"
    tally = logs.Tally(since=time.mktime((2026, 11, 20, 0, 0, 0, 0, 0, -1)), own_addresses=frozenset({"10.0.0.99"}))
    for address in ("10.20.1.14", "10.20.1.14", "10.0.0.99"):
        tally.add_line(line.format(address), YEAR)
    tally.add_line(line.format("10.20.1.14").replace("11/22", "11/01"), YEAR)  # too old
    assert tally.total == 2
    assert len(tally.groups) == 1
    group = next(iter(tally.groups.values()))
    assert (group.peer, group.cause, group.count) == ("10.20.1.14", "unknown_authority", 2)


def test_a_hostile_line_costs_little() -> None:
    tally = logs.Tally(since=0.0, own_addresses=frozenset())
    begun = time.process_time()
    for body in ("handshake" * 100_000, "SSL_accept " * 90_000, "1.1." * 250_000, "a:" * 500_000):
        tally.add_line("ssl error " + body, YEAR)
    assert time.process_time() - begun < 2


# -- trust and files


def jks(*certificates: bytes) -> bytes:
    body = b"\xfe\xed\xfe\xed" + struct.pack(">II", 2, len(certificates))
    for number, der in enumerate(certificates):
        alias = f"root{number}".encode()
        body += struct.pack(">IH", 2, len(alias)) + alias + struct.pack(">QH", 0, 5) + b"X.509"
        body += struct.pack(">I", len(der)) + der
    return body + bytes(20)


def test_a_jks_is_read_without_its_password() -> None:
    assert trust.jks_certificates(jks(b"first", b"second")) == [b"first", b"second"]


@pytest.mark.parametrize("cut", [5, 14, 30, 45])
def test_a_jks_that_is_cut_short(cut: int) -> None:
    with pytest.raises(trust.StoreError):
        trust.jks_certificates(jks(b"certificate")[:cut])


def test_pem_bundles_and_stores_that_fail_alone() -> None:
    der = b"\x30\x82\x00\x04abcd"
    pem = "-----BEGIN CERTIFICATE-----\n" + base64.b64encode(der).decode() + "\n-----END CERTIFICATE-----\n"
    path = "/etc/ssl/certs/ca-certificates.crt"
    host = RecordedHost(
        {
            "files": {path: {"text": "# roots\n" + pem}, "/opt/app/roots.pem": {"not_permitted": True}},
            "globs": {**{name: [] for name in (*trust.SYSTEM_BUNDLES, *trust.JAVA_KEYSTORES)}, path: [path]},
        }
    )
    stores = trust.trust_stores(host, {**OPTIONS, "bundles": ["/opt/app/roots.pem", "/nowhere.pem"]})["trust_stores"]
    assert [(store["kind"], store["readable"], store["fingerprints_sha256"], store["ends_on"]) for store in stores] == [
        ("system", True, [trust.fingerprint(der)], [None]),
        ("file", False, [], []),
        ("file", False, [], []),
    ]


def sequence(*parts: bytes, tag: int = 0x30) -> bytes:
    body = b"".join(parts)
    length = len(body).to_bytes(2, "big")
    return bytes([tag, 0x82]) + length + body


def ending(*end: bytes, version: bytes = sequence(b"\x02\x01\x02", tag=0xA0)) -> bytes:
    """The beginning of a certificate, as far as the day on which it ends."""
    start = sequence(b"260101000000Z", tag=0x17)
    return sequence(sequence(version, b"\x02\x01\x05", sequence(), sequence(), sequence(start, *end)))


@pytest.mark.parametrize(
    ("der", "day"),
    [
        (ending(sequence(b"310109120000Z", tag=0x17)), "2031-01-09"),
        (ending(sequence(b"991231235959Z", tag=0x17)), "1999-12-31"),
        (ending(sequence(b"500101000000Z", tag=0x17)), "1950-01-01"),
        (ending(sequence(b"20510109120000Z", tag=0x18)), "2051-01-09"),
        (ending(sequence(b"99991231235959Z", tag=0x18)), "9999-12-31"),
        (ending(sequence(b"310109120000Z", tag=0x17), version=b""), "2031-01-09"),
        (ending(sequence(b"311309120000Z", tag=0x17)), None),
        (ending(sequence(b"310109120000Z", tag=0x0C)), None),
        (ending(sequence(b"\xff\xfe", tag=0x17)), None),
        (ending(), None),
        (ending(sequence(b"310109120000Z", tag=0x17))[:-4], None),
        (b"\x30\x84\xff\xff\xff\xff", None),
        (b"", None),
    ],
)
def test_the_day_on_which_a_certificate_ends(der: bytes, day: str | None) -> None:
    assert trust.end_day(der) == day


@pytest.mark.parametrize(
    ("service", "text", "named"),
    [
        (
            "nginx",
            "server {\n  ssl_certificate /a.pem;\n  ssl_certificate_key /a.key;\n  proxy_ssl_certificate /c.pem;\n}",
            [("server", "/a.pem", "/a.key"), ("client", "/c.pem", None)],
        ),
        ("apache", "SSLCertificateFile /a.pem\nSSLCertificateKeyFile /a.key\n", [("server", "/a.pem", "/a.key")]),
        (
            "haproxy",
            "bind :443 ssl crt /a.pem\nserver x 10.0.0.1 ssl crt /c.pem\n",
            [("server", "/a.pem", None), ("client", "/c.pem", None)],
        ),
        (
            "stunnel",
            "cert = /a.pem\n[pacs]\nclient = yes\ncert=/c.pem\nkey=/c.key\n[web]\naccept=443\n",
            [("client", "/c.pem", "/c.key"), ("server", "/a.pem", None)],
        ),
        ("mosquitto", "certfile /a.pem\nkeyfile /a.key\n", [("server", "/a.pem", "/a.key")]),
    ],
)
def test_certificates_that_configurations_name(service: str, text: str, named: list[Any]) -> None:
    found = [(entry.role, entry.path, entry.key_path) for entry in files.parse_configuration(service, text)]
    assert found == named


@pytest.mark.parametrize(
    ("mode", "group", "safe"),
    [
        (0o600, "root", True),
        (0o640, "ssl-cert", True),
        (0o640, "users", False),
        (0o644, "root", False),
        (0o660, "x", False),
    ],
)
def test_a_key_is_its_owners(mode: int, group: str, safe: bool) -> None:
    assert files.key_is_safe(mode, group) is safe


def test_os_release() -> None:
    assert files.parse_os_release('NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12"\n') == "Debian GNU/Linux 12"


# -- all of it


def test_a_subset_that_fails_loses_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_host: object, _options: object) -> dict[str, Any]:
        raise RuntimeError("boom")

    monkeypatch.setitem(SUBSETS, "ntp", broken)
    facts = gather(RecordedHost({"files": {"/etc/passwd": {"text": ""}}}), ["ntp", "accounts", "listening"], OPTIONS)
    states = {name: state["status"] for name, state in facts["subsets"].items()}
    assert (states["ntp"], states["accounts"], states["listening"], states["clock"]) == (
        "failed",
        "ok",
        "not_supported",
        "not_asked",
    )
    assert facts["accounts"] == []


def test_what_was_recorded_reads_the_same_again() -> None:
    host = RecordingHost()
    names = [name for name in SUBSETS if name not in ("clock", "tls_failures")]
    live = gather(host, names, OPTIONS)
    again = gather(RecordedHost(json.loads(json.dumps(host.record))), names, OPTIONS)
    assert again == live
