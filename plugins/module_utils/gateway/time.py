# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's time zone and NTP client: chrony, systemd-timesyncd, ntpd, ntpsec, busybox; OpenNTPD, ntpd-rs by name."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host, NotSupported
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.ntp_servers import (
    parse_busybox_command,
    parse_ntp_toml,
    parse_server_lines,
    parse_timesyncd_servers,
    with_included,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.ntp_state import (
    follows_a_server,
    follows_itself,
    moment,
    named_chrony_sources,
    parse_chrony_tracking,
    parse_key_values,
    parse_ntp_message,
    parse_ntpq_peers,
    parse_ntpq_variables,
)

_ZONE_FOLDER = "/zoneinfo/"
#: Trees of the same zones, for other C libraries and other counts of leap seconds.
_ZONE_TREES = ("posix/", "right/", "uclibc/")
_WRITTEN_ZONE = re.compile(r"""^[ \t]*(?:ZONE|TIMEZONE|option zonename)[ \t=]+["']?([A-Za-z0-9_+/-]+)""", re.MULTILINE)
#: Process name as the kernel keeps it (15 characters) -> client.
_DAEMONS = {
    "chronyd": "chrony",
    "systemd-timesyn": "systemd-timesyncd",
    "ntpd": "ntpd",
    "openntpd": "openntpd",
    "ntp-daemon": "ntpd-rs",
}
_CHRONY_CONFIGURATION = (
    "/etc/chrony/chrony.conf",
    "/etc/chrony.conf",
    "/etc/chrony/conf.d/*.conf",
    "/etc/chrony/sources.d/*.sources",
    "/etc/chrony.d/*.conf",
)
_NTPD_CONFIGURATION = ("/etc/ntpsec/ntp.conf", "/etc/ntp.conf")
_NTPSEC_FOLDER = ("/etc/ntpsec/ntp.d/*.conf",)
_OPENNTPD_CONFIGURATION = ("/etc/openntpd/ntpd.conf", "/etc/ntpd.conf", "/usr/local/etc/ntpd.conf")
_TIMESYNCD_CONFIGURATION = (
    "/etc/systemd/timesyncd.conf",
    "/etc/systemd/timesyncd.conf.d/*.conf",
    "/run/systemd/timesyncd.conf.d/*.conf",
)
#: Names that are looked up at most, to know the addresses behind them.
_MAX_NAMES = 6


def time_zone(host: Host, _options: dict[str, Any]) -> dict[str, Any]:
    """{"time_zone": {"name", "utc_offset_seconds"}}."""
    target = host.link("/etc/localtime")
    name = _zone_of(target) or _written_zone(host)
    if name is None and target is None:
        name = "UTC"  # no /etc/localtime: the C library's own default
    output = host.run("date", "+%z")
    return {"time_zone": {"name": name, "utc_offset_seconds": parse_utc_offset(output.stdout if output else "")}}


def _zone_of(target: str | None) -> str | None:
    if not target or _ZONE_FOLDER not in target:
        return None
    name = target.split(_ZONE_FOLDER, 1)[1]
    for tree in _ZONE_TREES:
        name = name.removeprefix(tree)
    return name


def _written_zone(host: Host) -> str | None:
    """The notes of Debian, RHEL, SUSE and OpenWrt; /etc/TZ of uClibc and musl names the zone, or spells it."""
    written = (host.read("/etc/timezone") or "").split()
    if written:
        return written[0]
    for path in ("/etc/sysconfig/clock", "/etc/config/system"):
        found = _WRITTEN_ZONE.search(host.read(path) or "")
        if found:
            return found[1]
    spelt = (host.read("/etc/TZ") or "").split()
    return spelt[0].lstrip(":") if spelt else None


def parse_utc_offset(text: str) -> int | None:
    """Seconds east of UTC from "+0100"; None where it is none."""
    found = re.fullmatch(r"([+-])(\d\d)(\d\d)", text.strip())
    if not found:
        return None
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return -seconds if found[1] == "-" else seconds


@dataclass(frozen=True)
class Daemon:
    """A process that keeps the time: the client it belongs to, the words of its command line."""

    client: str
    words: tuple[str, ...]


def ntp(host: Host, _options: dict[str, Any]) -> dict[str, Any]:
    """{"ntp": {...}}: the client that runs, else the one that is configured."""
    daemons = _daemons(host)
    found = {daemon.client for daemon in daemons}
    running = next((client for client in _ORDER if client in found), None)
    if running == "chrony" or (running is None and _configuration(host, _CHRONY_CONFIGURATION)):
        return {"ntp": _chrony(host, daemons)}
    if running == "ntpd" or (running is None and _configuration(host, _NTPD_CONFIGURATION)):
        return {"ntp": _ntpd(host, daemons)}
    if running == "busybox":
        return {"ntp": _busybox(host, daemons)}
    if running == "systemd-timesyncd" or (running is None and _has_timesyncd(host)):
        return {"ntp": _timesyncd(host, running is not None)}
    if running in ("openntpd", "ntpd-rs"):
        # Their states are told to nobody, or in words for people.
        return {"ntp": _facts(running, running=True, servers=_join_servers(_written(host, running, daemons), []))}
    return {"ntp": _facts("none", running=False, synchronised=False)}


#: Of several that run, the first that is here is asked.
_ORDER = ("chrony", "ntpd", "busybox", "openntpd", "ntpd-rs", "systemd-timesyncd")


def _facts(client: str, **known: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "client": client,
        "running": None,
        "synchronised": None,
        "servers": [],
        "last_sync_at": None,
        "offset_seconds": None,
    }
    facts.update(known)
    return facts


def _daemons(host: Host) -> list[Daemon]:
    found = []
    for path in host.glob("/proc/[0-9]*/comm"):
        client = _DAEMONS.get((host.read(path) or "").strip())
        if client is not None:
            process = os.path.dirname(path)
            words = [word for word in (host.read(process + "/cmdline") or "").split("\x00") if word]
            found.append(Daemon(_ntpd_kind(host, process, words) if client == "ntpd" else client, tuple(words)))
    return found


def _ntpd_kind(host: Host, process: str, words: Sequence[str]) -> str:
    """Four programs call themselves ntpd."""
    program = words[0] if words else ""
    files = [host.link(process + "/exe"), host.link(program) if program.startswith("/") else None, program]
    if "busybox" in [os.path.basename(name or "") for name in files]:
        return "busybox"
    # OpenNTPD tells its children's work in their titles.
    if program.startswith("ntpd: ") or any("openntpd" in (name or "") for name in (*files, *words)):
        return "openntpd"
    return "ntpd"


def _configuration(host: Host, patterns: tuple[str, ...]) -> str | None:
    texts = [host.read(path) for pattern in patterns for path in host.glob(pattern)]
    present = [text for text in texts if text is not None]
    return "\n".join(present) if present else None


def _written(host: Host, client: str, daemons: Sequence[Daemon]) -> list[str]:
    """The servers that a client's configuration names, with those of the files that it includes."""
    flag, places = _PLACES[client]
    named = [
        after
        for daemon in daemons
        for word, after in zip(daemon.words, daemon.words[1:])
        if daemon.client == client and word == flag and after.startswith("/")
    ]
    mains = named or [path for pattern in places for path in (_names(host, pattern) if "*" in pattern else [pattern])]
    texts = with_included(mains, host.read, lambda pattern: _names(host, pattern))
    parse = parse_ntp_toml if client == "ntpd-rs" else parse_server_lines
    return list(dict.fromkeys(server for text in texts.values() for server in parse(text)))


#: Client -> the option that names its configuration, and where that lies by default.
_PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "chrony": ("-f", _CHRONY_CONFIGURATION),
    "ntpd": ("-c", _NTPD_CONFIGURATION + _NTPSEC_FOLDER),
    "openntpd": ("-f", _OPENNTPD_CONFIGURATION),
    "ntpd-rs": ("-c", ("/etc/ntpd-rs/ntp.toml",)),
}


def _names(host: Host, pattern: str) -> list[str]:
    try:
        return host.glob(pattern)
    except NotSupported:  # a recording that did not look there
        return []


def _chrony(host: Host, daemons: Sequence[Daemon]) -> dict[str, Any]:
    tracking = host.run("chronyc", "-c", "-n", "tracking")
    # -N shows servers by the names they were configured with; before chrony 4 there are addresses only.
    by_name, by_address = (host.run("chronyc", "-c", flag, "sources") for flag in ("-N", "-n"))
    told = [output.stdout if output and output.status == 0 else "" for output in (by_address, by_name)]
    running = any(daemon.client == "chrony" for daemon in daemons)
    facts = _facts("chrony", running=running, synchronised=None if running else False)
    if tracking and tracking.status == 0:
        facts.update(parse_chrony_tracking(tracking.stdout))
    seen = named_chrony_sources(*told)
    if facts["synchronised"] and not seen:
        facts["synchronised"] = None  # whom it follows was not seen
    facts["servers"] = _join_servers(_written(host, "chrony", daemons), seen)
    return facts


def _has_timesyncd(host: Host) -> bool:
    return bool(host.glob("/*/systemd/systemd-timesyncd") or host.glob("/usr/lib/systemd/systemd-timesyncd"))


def _timesyncd(host: Host, running: bool) -> dict[str, Any]:
    shown = host.run("timedatectl", "show")
    timesync = host.run("timedatectl", "show-timesync", "--all")
    state = parse_key_values(shown.stdout) if shown and shown.status == 0 else {}
    details = parse_key_values(timesync.stdout) if timesync and timesync.status == 0 else {}
    configured = parse_timesyncd_servers(_configuration(host, _TIMESYNCD_CONFIGURATION) or "")
    configured += [
        name
        for key in ("SystemNTPServers", "LinkNTPServers", "RuntimeNTPServers")
        for name in details.get(key, "").split()
        if name not in configured
    ]
    synchronised = {"yes": True, "no": False}.get(state.get("NTPSynchronized", ""))
    message = parse_ntp_message(details.get("NTPMessage", ""))
    name, address = details.get("ServerName"), details.get("ServerAddress")
    # Touched at each answer of the server.
    touched = host.state("/run/systemd/timesync/synchronized")
    seen: list[dict[str, Any]] = []
    if name or address:
        # The kernel is in time, and this server has not answered: somebody else set it.
        answered = message["stratum"] is not None
        seen = [{"address": name or address, "reachable": answered, "selected": bool(synchronised) and answered}]
        seen[0].update(message, **({"aliases": [address]} if name and address and name != address else {}))
    elif synchronised:
        synchronised = None
    return _facts(
        "systemd-timesyncd",
        running=running,
        synchronised=synchronised if running else False,
        servers=_join_servers(configured, seen),
        last_sync_at=None if touched is None else moment(touched.modified),
    )


def _ntpd(host: Host, daemons: Sequence[Daemon]) -> dict[str, Any]:
    version = host.run("ntpq", "--version")
    client = (
        "ntpsec" if (version and "ntpsec" in version.stdout.lower()) or host.glob("/etc/ntpsec/ntp.conf") else "ntpd"
    )
    # Wide, or addresses of IPv6 are cut off; ntpq 4.2.6 knows no -w.
    peers, wide = host.run("ntpq", "-wpn"), True
    if peers and peers.status != 0:
        peers, wide = host.run("ntpq", "-pn"), False
    variables = host.run("ntpq", "-c", "rv")
    running = any(daemon.client == "ntpd" for daemon in daemons)
    facts = _facts(client, running=running, synchronised=None if running else False)
    seen = parse_ntpq_peers(peers.stdout, wide) if peers and peers.status == 0 else []
    if variables and variables.status == 0 and variables.stdout:
        facts.update(parse_ntpq_variables(variables.stdout, follows_a_server(seen)))
    if follows_itself(seen):
        facts.update(synchronised=False, follows_itself=True, last_sync_at=None, offset_seconds=None)
    facts["servers"] = _join_servers(_written(host, "ntpd", daemons), _with_names(host, seen, daemons))
    return facts


def _with_names(host: Host, seen: list[dict[str, Any]], daemons: Sequence[Daemon]) -> list[dict[str, Any]]:
    """Servers that ntpq shows by their addresses, with the names of the configuration that lead there."""
    names: dict[str, list[str]] = {}
    addresses = {server["address"] for server in seen}
    for name in [name for name in _written(host, "ntpd", daemons) if not _is_address(name)][:_MAX_NAMES]:
        output = host.run("getent", "ahosts", name) if addresses else None
        if output and output.status == 124:
            break  # nobody answers for names here
        for line in output.stdout.splitlines() if output and output.status == 0 else ():
            if line.split():
                names.setdefault(line.split()[0], []).append(name)
    return [
        {**server, "aliases": list(dict.fromkeys(names[server["address"]]))} if server["address"] in names else server
        for server in seen
    ]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _busybox(host: Host, daemons: Sequence[Daemon]) -> dict[str, Any]:
    """busybox ntpd answers no question: what it was told, and that it runs, is all there is to see."""
    words = [list(daemon.words) for daemon in daemons if daemon.client == "busybox"]
    servers = [server for told in words for server in parse_busybox_command(told)]
    # The file is read where the command line names none.
    servers = servers or parse_server_lines(host.read("/etc/ntp.conf") or "")
    return _facts("busybox", running=True, servers=_join_servers(servers, []))


def _join_servers(configured: list[str], seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was seen, then what is configured and was not seen under that name."""
    known = {name for server in seen for name in (server["address"], *server.get("aliases", ()))}
    rest = [
        {"address": address, "reachable": None, "selected": None, "stratum": None}
        for address in dict.fromkeys(configured)
        if address not in known
    ]
    return seen + rest
