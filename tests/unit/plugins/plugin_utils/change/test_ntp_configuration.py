# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written into the configuration of each NTP client, and that all else in it stays as it was."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.ntp_configuration import Plan, plan

OURS = ["ntp1.hopital.example", "192.0.2.1"]
CHRONY = "/etc/chrony/chrony.conf"
SOURCES = "/etc/chrony/sources.d/biomed-cert-hygiene.sources"
DEBIAN = """\
# a comment about server names
confdir /etc/chrony/conf.d
pool 2.debian.pool.ntp.org iburst
sourcedir /run/chrony-dhcp
sourcedir /etc/chrony/sources.d
makestep 1 3
"""
TIMESYNCD = "/etc/systemd/timesyncd.conf"
DROP_IN = "/etc/systemd/timesyncd.conf.d/zz-biomed-cert-hygiene.conf"


def applied(client: str, files: Mapping[str, str], exclusive: bool = False, servers: list[str] | None = None) -> Plan:
    """The plan, after it was seen that what it writes needs no second run."""
    found = plan(client, files, servers or OURS, exclusive)
    after = {**files, **found.files}
    again = plan(client, {path: text for path, text in after.items() if text is not None}, servers or OURS, exclusive)
    assert again.files == {}
    assert again.reload == "none"
    return found


def own_lines(text: str | None) -> list[str]:
    return [line for line in (text or "").splitlines() if line and not line.startswith("#")]


def test_chrony_gets_a_source_file_and_is_not_restarted() -> None:
    found = applied("chrony", {CHRONY: DEBIAN})
    assert set(found.files) == {SOURCES}
    assert own_lines(found.files[SOURCES]) == ["server ntp1.hopital.example iburst", "server 192.0.2.1 iburst"]
    assert found.reload == "sources"
    assert found.foreign == ("2.debian.pool.ntp.org",)


def test_chrony_sets_aside_other_servers_and_nothing_else() -> None:
    other = "/etc/chrony/sources.d/other.sources"
    found = applied("chrony", {CHRONY: DEBIAN, other: "server 198.51.100.7\n"}, exclusive=True)
    assert found.files[CHRONY] == DEBIAN.replace("pool 2", "#time_sync_exclusive# pool 2").replace(
        "sourcedir /run", "#time_sync_exclusive# sourcedir /run"
    )
    assert found.files[other] == "#time_sync_exclusive# server 198.51.100.7\n"
    assert found.reload == "restart"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("confdir /etc/chrony/conf.d\n", "/etc/chrony/conf.d/biomed-cert-hygiene.conf"),
        ("driftfile /var/lib/chrony/drift", CHRONY),
        ("sourcedir /run/chrony-dhcp\n", CHRONY),
    ],
)
def test_chrony_without_a_folder_for_sources(text: str, path: str) -> None:
    found = applied("chrony", {CHRONY: text})
    assert set(found.files) == {path}
    assert own_lines(found.files[path])[-2:] == ["server ntp1.hopital.example iburst", "server 192.0.2.1 iburst"]
    assert found.reload == "restart"
    assert path != CHRONY or str(found.files[path]).startswith(text)


def test_what_is_there_already_is_left_alone() -> None:
    text = "server ntp1.hopital.example iburst\nserver 192.0.2.1 iburst\n"
    for client, path in (("chrony", CHRONY), ("ntpsec", "/etc/ntpsec/ntp.conf")):
        assert applied(client, {path: text}) == Plan()


def test_another_list_replaces_ours() -> None:
    first = applied("chrony", {CHRONY: "makestep 1 3\n"})
    second = applied("chrony", {CHRONY: str(first.files[CHRONY])}, servers=["192.0.2.9"])
    assert own_lines(second.files[CHRONY]) == ["makestep 1 3", "server 192.0.2.9 iburst"]
    sources = applied(
        "chrony",
        {CHRONY: "sourcedir /etc/chrony/sources.d\nserver 192.0.2.1\nserver ntp1.hopital.example\n", SOURCES: "x\n"},
    )
    assert sources.files == {SOURCES: None}


def test_ntpsec_is_not_left_waiting_for_a_third_server() -> None:
    text = "pool 0.debian.pool.ntp.org iburst\ntos minclock 4 minsane 3\nserver 127.127.1.0\n"
    found = applied("ntpsec", {"/etc/ntpsec/ntp.conf": text}, exclusive=True)
    written = str(found.files["/etc/ntpsec/ntp.conf"])
    assert own_lines(written)[-3:] == [
        "server ntp1.hopital.example iburst",
        "server 192.0.2.1 iburst",
        "tos minclock 1 minsane 1",
    ]
    assert "server 127.127.1.0\n" in written
    assert "tos minclock 1" not in str(applied("ntpsec", {"/etc/ntpsec/ntp.conf": text}).files)


def test_ntpsec_reads_a_folder_too() -> None:
    main, other = "/etc/ntpsec/ntp.conf", "/etc/ntpsec/ntp.d/site.conf"
    files = {main: "driftfile /var/lib/ntpsec/ntp.drift\n", other: "server 192.0.2.1 iburst\nserver 198.51.100.7"}
    found = applied("ntpsec", files)
    assert set(found.files) == {main}
    assert own_lines(found.files[main])[1:] == ["server ntp1.hopital.example iburst"]
    assert found.foreign == ("198.51.100.7",)
    alone = applied("ntpsec", files, exclusive=True)
    assert alone.files[other] == "server 192.0.2.1 iburst\n#time_sync_exclusive# server 198.51.100.7"


SUSE = "driftfile /var/lib/chrony/drift\ninclude /etc/chrony.d/*.conf\n"


@pytest.mark.parametrize(
    ("main", "other", "text", "aside"),
    [
        (SUSE, "/etc/chrony.d/pool.conf", "pool 2.suse.pool.ntp.org iburst\n", True),
        ("include /etc/chrony.local\n", "/etc/chrony.local", "server 198.51.100.9\n", True),
        ("include /etc/chrony/vendor.inc\n", "/etc/chrony/vendor.inc", "server 198.51.100.9 iburst\n", True),
        ("confdir /etc/chrony.extra\n", "/etc/chrony.extra/a.conf", "peer 198.51.100.10\n", True),
        # Not read, or not the administrator's.
        ("confdir /etc/chrony.extra\n", "/etc/chrony.extra/a.txt", "server 198.51.100.10\n", False),
        ("#include /etc/chrony.local\n", "/etc/chrony.local", "server 198.51.100.9\n", False),
        ("include /usr/share/vendor.conf\n", "/usr/share/vendor.conf", "server 198.51.100.9\n", False),
    ],
)
def test_servers_of_included_files_are_set_aside(main: str, other: str, text: str, aside: bool) -> None:
    found = applied("chrony", {"/etc/chrony.conf": main, other: text}, exclusive=True)
    assert found.files.get(other) == (f"#time_sync_exclusive# {text}" if aside else None)


def test_a_file_that_chrony_reads_and_nobody_found_stops_the_change() -> None:
    with pytest.raises(ValueError, match="chrony reads /srv/vendor"):
        plan("chrony", {"/etc/chrony.conf": "include /srv/vendor\n"}, OURS, True)
    assert plan("chrony", {"/etc/chrony.conf": "include /srv/vendor\n"}, OURS, False).reload == "restart"


@pytest.mark.parametrize("line", ["broadcastclient", "multicastclient 224.0.1.1", "manycastclient 239.255.254.254"])
def test_whoever_speaks_on_the_network_is_no_server_of_the_hospital(line: str) -> None:
    found = applied("ntpd", {"/etc/ntp.conf": f"{line}\nbroadcast 192.0.2.255\n"}, exclusive=True)
    assert str(found.files["/etc/ntp.conf"]).startswith(f"#time_sync_exclusive# {line}\nbroadcast 192.0.2.255\n")


def test_a_server_of_one_kind_of_address_is_that_server() -> None:
    text = "server -4 ntp1.hopital.example iburst\nserver -6 192.0.2.1\n"
    assert applied("ntpd", {"/etc/ntp.conf": text}, exclusive=True) == Plan()


def test_timesyncd_puts_the_hospital_first() -> None:
    found = applied("systemd-timesyncd", {TIMESYNCD: "[Time]\nNTP=198.51.100.7\n"})
    assert own_lines(found.files[DROP_IN]) == ["[Time]", "NTP=", "NTP=ntp1.hopital.example 192.0.2.1 198.51.100.7"]
    alone = applied("systemd-timesyncd", {TIMESYNCD: "[Time]\nNTP=198.51.100.7\n"}, exclusive=True)
    assert own_lines(alone.files[DROP_IN]) == ["[Time]", "NTP=", "NTP=ntp1.hopital.example 192.0.2.1", "FallbackNTP="]


def test_timesyncd_reads_drop_ins_in_its_order() -> None:
    files = {
        TIMESYNCD: "[Time]\nNTP=198.51.100.7\n",
        "/usr/lib/systemd/timesyncd.conf.d/10-vendor.conf": "[Time]\nNTP=198.51.100.8\n",
        "/etc/systemd/timesyncd.conf.d/10-vendor.conf": "[Time]\nNTP=\nNTP=ntp1.hopital.example 192.0.2.1\n",
    }
    assert applied("systemd-timesyncd", files) == Plan()


def test_busybox_keeps_its_other_options() -> None:
    found = applied("busybox", {"/etc/conf.d/ntpd": 'NTPD_OPTS="-N -p pool.ntp.org"\n'}, exclusive=True)
    assert found.files == {"/etc/conf.d/ntpd": 'NTPD_OPTS="-N -p ntp1.hopital.example -p 192.0.2.1"\n'}
    assert found.foreign == ("pool.ntp.org",)


@pytest.mark.parametrize(
    "server", ["", "-p", "a b", "a\nserver evil", "x;reboot", "ntp1#", "$(id)", "a" * 300, None, "[Time]"]
)
def test_no_server_carries_a_directive(server: str) -> None:
    with pytest.raises(ValueError, match="is no host name"):
        plan("chrony", {CHRONY: ""}, [server], False)


@pytest.mark.parametrize(
    ("client", "files", "servers", "words"),
    [
        ("chrony", {}, OURS, "no configuration"),
        ("chrony", {CHRONY: ""}, [], "there is none"),
        ("other", {CHRONY: ""}, OURS, "is none of"),
    ],
)
def test_what_cannot_be_done_is_said(client: str, files: dict[str, str], servers: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plan(client, files, servers, False)
