# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's time zone and NTP client: chrony, systemd-timesyncd, ntpd, ntpsec, busybox."""

from __future__ import annotations

import math
import os
import re
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host

_ZONE_FOLDER = "/zoneinfo/"
#: Process name as the kernel keeps it (15 characters) -> client.
_DAEMONS = {"chronyd": "chrony", "systemd-timesyn": "systemd-timesyncd", "ntpd": "ntpd", "openntpd": "other"}
_CHRONY_CONFIGURATION = (
    "/etc/chrony/chrony.conf",
    "/etc/chrony.conf",
    "/etc/chrony/conf.d/*.conf",
    "/etc/chrony/sources.d/*.sources",
    "/etc/chrony.d/*.conf",
)
_NTPD_CONFIGURATION = ("/etc/ntpsec/ntp.conf", "/etc/ntp.conf")
_NTPSEC_FOLDER = ("/etc/ntpsec/ntp.d/*.conf",)
_TIMESYNCD_CONFIGURATION = (
    "/etc/systemd/timesyncd.conf",
    "/etc/systemd/timesyncd.conf.d/*.conf",
    "/run/systemd/timesyncd.conf.d/*.conf",
)


def time_zone(host: Host, _options: dict[str, Any]) -> dict[str, Any]:
    """{"time_zone": {"name", "utc_offset_seconds"}}."""
    name = None
    target = host.link("/etc/localtime")
    if target and _ZONE_FOLDER in target:
        name = target.split(_ZONE_FOLDER, 1)[1]
        for prefix in ("posix/", "right/"):
            name = name[len(prefix) :] if name.startswith(prefix) else name
    if name is None:
        written = (host.read("/etc/timezone") or "").split()
        name = written[0] if written else None
    if name is None and target is None:
        name = "UTC"  # no /etc/localtime: the C library's own default
    output = host.run("date", "+%z")
    return {"time_zone": {"name": name, "utc_offset_seconds": parse_utc_offset(output.stdout if output else "")}}


def parse_utc_offset(text: str) -> int | None:
    """Seconds east of UTC from "+0100"; None where it is none."""
    found = re.fullmatch(r"([+-])(\d\d)(\d\d)", text.strip())
    if not found:
        return None
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return -seconds if found[1] == "-" else seconds


def ntp(host: Host, _options: dict[str, Any]) -> dict[str, Any]:
    """{"ntp": {...}}: the client that runs, else the one that is configured."""
    running = _running_client(host)
    if running == "chrony" or (running is None and _configuration(host, _CHRONY_CONFIGURATION)):
        return {"ntp": _chrony(host, running is not None)}
    if running == "ntpd" or (running is None and _configuration(host, _NTPD_CONFIGURATION)):
        return {"ntp": _ntpd(host, running is not None)}
    if running == "busybox":
        return {"ntp": _busybox(host)}
    if running == "systemd-timesyncd" or (running is None and _has_timesyncd(host)):
        return {"ntp": _timesyncd(host, running is not None)}
    client = "other" if running else "none"
    return {"ntp": _facts(client, running=running is not None, synchronised=None if running else False)}


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


def _running_client(host: Host) -> str | None:
    found = set()
    for path in host.glob("/proc/[0-9]*/comm"):
        name = (host.read(path) or "").strip()
        if name == "ntpd":
            command = (host.read(os.path.dirname(path) + "/cmdline") or "").split("\x00")
            found.add("busybox" if _is_busybox(host, os.path.dirname(path), command) else "ntpd")
        elif name in _DAEMONS:
            found.add(_DAEMONS[name])
    for client in ("chrony", "ntpd", "busybox", "systemd-timesyncd", "other"):
        if client in found:
            return client
    return None


def _is_busybox(host: Host, process: str, command: list[str]) -> bool:
    executable = host.link(process + "/exe") or ""
    return os.path.basename(executable) == "busybox" or os.path.basename(command[0]) == "busybox"


def _configuration(host: Host, patterns: tuple[str, ...]) -> str | None:
    texts = [host.read(path) for pattern in patterns for path in host.glob(pattern)]
    present = [text for text in texts if text is not None]
    return "\n".join(present) if present else None


def parse_server_lines(text: str) -> list[str]:
    """The servers of a chrony.conf or ntp.conf: `server`, `pool` and `peer` lines."""
    servers = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if len(words) >= 2 and words[0].lower() in ("server", "pool", "peer") and words[1] not in servers:
            servers.append(words[1])
    return servers


def _chrony(host: Host, running: bool) -> dict[str, Any]:
    configured = parse_server_lines(_configuration(host, _CHRONY_CONFIGURATION) or "")
    tracking = host.run("chronyc", "-c", "-n", "tracking")
    # -N shows servers by the names they were configured with; before chrony 4 there are addresses only.
    sources = host.run("chronyc", "-c", "-N", "sources")
    if sources and sources.status != 0:
        sources = host.run("chronyc", "-c", "-n", "sources")
    facts = _facts("chrony", running=running, synchronised=None if running else False)
    if tracking and tracking.status == 0:
        facts.update(parse_chrony_tracking(tracking.stdout))
    seen = parse_chrony_sources(sources.stdout) if sources and sources.status == 0 else []
    facts["servers"] = _join_servers(configured, seen)
    return facts


def parse_chrony_tracking(text: str) -> dict[str, Any]:
    """Facts from `chronyc -c tracking`: 14 columns; positive system time = the local clock is slow of NTP time."""
    columns = text.strip().splitlines()[0].split(",") if text.strip() else []
    if len(columns) < 14:
        return {}
    synchronised = columns[13].strip() not in ("Not synchronised", "Not synchronized", "Unknown")
    return {
        "synchronised": synchronised,
        "last_sync_at": _iso(_number(columns[3])) if synchronised else None,
        # Our sign: positive = the device is fast.
        "offset_seconds": _negative(_number(columns[4])) if synchronised else None,
    }


def parse_chrony_sources(text: str) -> list[dict[str, Any]]:
    """Servers from `chronyc -c sources`: mode, state, name, stratum, poll, reach (octal), …"""
    servers = []
    for line in text.splitlines():
        columns = line.split(",")
        if len(columns) < 6 or columns[0] == "#":
            continue
        servers.append(
            {
                "address": columns[2],
                "reachable": columns[5] not in ("0", ""),
                "selected": columns[1] == "*",
                "stratum": int(columns[3]) if columns[3].isdigit() and columns[3] != "0" else None,
            }
        )
    return servers


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
    selected = details.get("ServerName") or details.get("ServerAddress")
    # Touched at each answer of the server.
    touched = host.state("/run/systemd/timesync/synchronized")
    seen = []
    if selected:
        answered = message["stratum"] is not None
        seen = [{"address": selected, "reachable": answered, "selected": bool(synchronised), **message}]
    return _facts(
        "systemd-timesyncd",
        running=running,
        synchronised=synchronised if running else False,
        servers=_join_servers(configured, seen),
        last_sync_at=None if touched is None else _iso(touched.modified),
    )


def parse_key_values(text: str) -> dict[str, str]:
    """KEY=VALUE lines."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def parse_timesyncd_servers(text: str) -> list[str]:
    """The servers of NTP= lines; an empty one takes back those before it (systemd.syntax)."""
    servers: list[str] = []
    for line in text.splitlines():
        key, _equals, value = line.strip().partition("=")
        if key == "NTP":
            servers = servers + value.split() if value.strip() else []
    return list(dict.fromkeys(servers))


def parse_ntp_message(text: str) -> dict[str, Any]:
    """The stratum of systemd-timesyncd's last answer: { Leap=0, Version=4, Mode=4, Stratum=2, … }."""
    found = re.search(r"Stratum=(\d+)", text)
    return {"stratum": int(found[1]) if found else None}


def _ntpd(host: Host, running: bool) -> dict[str, Any]:
    text = _configuration(host, _NTPD_CONFIGURATION + _NTPSEC_FOLDER) or ""
    version = host.run("ntpq", "--version")
    client = (
        "ntpsec" if (version and "ntpsec" in version.stdout.lower()) or host.glob("/etc/ntpsec/ntp.conf") else "ntpd"
    )
    # Wide, or addresses of IPv6 are cut off.
    peers = host.run("ntpq", "-wpn")
    variables = host.run("ntpq", "-c", "rv")
    facts = _facts(client, running=running, synchronised=None if running else False)
    seen = parse_ntpq_peers(peers.stdout) if peers and peers.status == 0 else []
    if variables and variables.status == 0 and variables.stdout:
        facts.update(parse_ntpq_variables(variables.stdout, any(server["selected"] for server in seen)))
    facts["servers"] = _join_servers(parse_server_lines(text), seen)
    return facts


def parse_ntpq_variables(text: str, selected: bool) -> dict[str, Any]:
    """Facts from `ntpq -c rv`: no alarm and a source say that the clock follows; offset in milliseconds.

    selected: whether `ntpq -p` shows a server that is followed. ntpsec says sync_unspec of every one on the network.
    """
    offset = re.search(r"\boffset=([-+0-9.eE]+)", text)
    leap = re.search(r"\bleap=(\d\d)", text)
    alarm = "leap_alarm" in text or (leap is not None and leap[1] == "11")
    unsynchronised = alarm or ("sync_unspec" in text and not selected)
    milliseconds = _number(offset[1]) if offset else None
    corrected = re.search(r"\breftime=([0-9a-f]{8})\.", text)
    return {
        "synchronised": not unsynchronised if ("sync_" in text or leap) else None,
        "last_sync_at": _iso(_from_ntp(int(corrected[1], 16))) if corrected and not unsynchronised else None,
        # ntpq gives the server's clock minus ours; our sign: positive = the device is fast.
        "offset_seconds": _negative(milliseconds / 1000) if milliseconds is not None and not unsynchronised else None,
    }


def _from_ntp(seconds: int) -> int:
    """Unix seconds from those of NTP's era 0, or of era 1 (from 2036 on) where the highest bit is not set."""
    return seconds - 2208988800 + (0 if seconds & 0x80000000 else 1 << 32)


def parse_ntpq_peers(text: str) -> list[dict[str, Any]]:
    """Servers from `ntpq -wpn`: the first character tells the selection, reach is octal; a long address has a line."""
    servers = []
    for line in re.sub(r"(?m)^([^=\n]\S+)\n {2,}", r"\1 ", text).splitlines():
        words = line[1:].split()
        if len(words) < 10 or words[0] == "remote" or words[1] in (".POOL.", ".BCST."):
            continue
        servers.append(
            {
                "address": words[0],
                "reachable": words[6] not in ("0",),
                "selected": line[0] in "*o",
                "stratum": int(words[2]) if words[2].isdigit() and words[2] != "16" else None,
            }
        )
    return servers


def _busybox(host: Host) -> dict[str, Any]:
    """busybox ntpd answers no question: what it was told, and that it runs, is all there is to see."""
    servers: list[str] = []
    for path in host.glob("/proc/[0-9]*/comm"):
        if (host.read(path) or "").strip() != "ntpd":
            continue
        words = (host.read(os.path.dirname(path) + "/cmdline") or "").split("\x00")
        servers += parse_busybox_command(words)
    servers += parse_server_lines(host.read("/etc/ntp.conf") or "")
    return _facts("busybox", running=True, servers=_join_servers(servers, []))


def parse_busybox_command(words: list[str]) -> list[str]:
    """The servers of `busybox ntpd -p SERVER -p SERVER`."""
    servers = []
    for position, word in enumerate(words):
        if word == "-p" and position + 1 < len(words):
            servers.append(words[position + 1])
        elif word.startswith("-p") and len(word) > 2:
            servers.append(word[2:])
    return servers


def _join_servers(configured: list[str], seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was seen, then what is configured and was not seen under that name."""
    known = {server["address"] for server in seen}
    rest = [
        {"address": address, "reachable": None, "selected": None, "stratum": None}
        for address in dict.fromkeys(configured)
        if address not in known
    ]
    return seen + rest


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _negative(value: float | None) -> float | None:
    return None if value is None else 0.0 - value


def _iso(moment: float | None) -> str | None:
    if not moment:
        return None
    try:
        return iso(moment, "seconds")
    except (OverflowError, ValueError, OSError):
        return None
