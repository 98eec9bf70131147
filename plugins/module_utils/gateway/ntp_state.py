# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What chronyc, ntpq and timedatectl print of the time: whom the clock follows, since when, how far off. Pure.

A server is {"address", "reachable", "selected", "stratum"}, with "aliases" where it is known by further names or
addresses, and "own_clock" where it is a clock of the machine itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso

#: chronyd's own clock in the place of a server (`local`): 127.127.1.1.
_CHRONY_LOCAL = "7F7F0101"
#: ntpd's own clocks by number and by name; type 1 is the undisciplined clock of the machine.
_OWN_CLOCK = re.compile(r"127\.127\.\d+\.\d+|[A-Z][A-Z0-9_]*\(\d+\)")
_ITSELF = re.compile(r"127\.127\.1\.\d+|LOCAL\(\d+\)|LOCL?|127\.0\.0\.1")
#: As wide as an address is printed without -w: what is longer was cut.
_NARROW = 15


def parse_chrony_tracking(text: str) -> dict[str, Any]:
    """Facts from `chronyc -c tracking`: 14 columns; positive system time = the local clock is slow of NTP time."""
    columns = text.strip().splitlines()[0].split(",") if text.strip() else []
    if len(columns) < 14:
        return {}
    synchronised = columns[13].strip() not in ("Not synchronised", "Not synchronized", "Unknown")
    itself = synchronised and columns[0].strip().upper() == _CHRONY_LOCAL
    told = {
        "synchronised": synchronised and not itself,
        "last_sync_at": moment(number(columns[3])) if synchronised and not itself else None,
        # Our sign: positive = the device is fast.
        "offset_seconds": negative(number(columns[4])) if synchronised and not itself else None,
    }
    return {**told, "follows_itself": True} if itself else told


def parse_chrony_sources(text: str) -> list[dict[str, Any]]:
    """Servers from `chronyc -c sources`: mode, state, name, stratum, poll, reach (octal), …"""
    servers = []
    for line in text.splitlines():
        columns = line.split(",")
        if len(columns) < 6:
            continue
        server = {
            "address": columns[2],
            "reachable": columns[5] not in ("0", ""),
            "selected": columns[1] == "*",
            "stratum": int(columns[3]) if columns[3].isdigit() and columns[3] != "0" else None,
        }
        servers.append({**server, "own_clock": True} if columns[0] == "#" else server)
    return servers


def named_chrony_sources(addresses: str, names: str) -> list[dict[str, Any]]:
    """The same sources as `chronyc -n` and `chronyc -N` tell them, in one order: each by its name and its address."""
    by_address, by_name = parse_chrony_sources(addresses), parse_chrony_sources(names)
    if len(by_address) != len(by_name):
        return by_name or by_address
    return [
        server if server["address"] == other["address"] else {**server, "aliases": [other["address"]]}
        for server, other in zip(by_name, by_address)
    ]


def parse_ntpq_variables(text: str, selected: bool | None) -> dict[str, Any]:
    """Facts from `ntpq -c rv`: no alarm, and a server that is followed; offset in milliseconds.

    selected: whether `ntpq -p` shows a server that is followed, None where it showed nothing. `sync_ntp` and the like
    stay for ever once a server is lost, and ntpsec says sync_unspec of every one on the network.
    """
    offset = re.search(r"\boffset=([-+0-9.eE]+)", text)
    leap = re.search(r"\bleap=(\d\d)", text)
    refid = re.search(r"\brefid=([^,\s]+)", text)
    alarm = "leap_alarm" in text or (leap is not None and leap[1] == "11")
    itself = not alarm and not selected and ("sync_local" in text or bool(refid and _ITSELF.fullmatch(refid[1])))
    told = "sync_" in text or leap is not None
    synchronised = None if not told else False if alarm or itself else selected
    milliseconds = number(offset[1]) if offset else None
    corrected = re.search(r"\breftime=([0-9a-f]{8})\.", text)
    facts = {
        "synchronised": synchronised,
        "last_sync_at": moment(_from_ntp(int(corrected[1], 16))) if corrected and not alarm and not itself else None,
        # ntpq gives the server's clock minus ours; our sign: positive = the device is fast.
        "offset_seconds": negative(milliseconds / 1000) if milliseconds is not None and synchronised else None,
    }
    return {**facts, "follows_itself": True} if itself else facts


def _from_ntp(seconds: int) -> int:
    """Unix seconds from those of NTP's era 0, or of era 1 (from 2036 on) where the highest bit is not set."""
    return seconds - 2208988800 + (0 if seconds & 0x80000000 else 1 << 32)


def parse_ntpq_peers(text: str, wide: bool = True) -> list[dict[str, Any]]:
    """Servers from `ntpq -wpn`: the first character tells the selection, reach is octal; a long address has a line.

    wide: false without -w (before 4.2.7), where a long address is cut: it then ends with "…", and is like no other.
    """
    servers = []
    for line in re.sub(r"(?m)^([^=\n]\S+)\n {2,}", r"\1 ", text).splitlines():
        words = line[1:].split()
        if len(words) < 10 or words[0] == "remote" or words[1] in (".POOL.", ".BCST."):
            continue
        cut = not wide and len(words[0]) >= _NARROW and ":" in words[0]
        server = {
            "address": words[0] + ("…" if cut else ""),
            "reachable": words[6] not in ("0",),
            "selected": line[0] in "*o",
            "stratum": int(words[2]) if words[2].isdigit() and words[2] != "16" else None,
        }
        servers.append({**server, "own_clock": True} if _OWN_CLOCK.fullmatch(words[0]) else server)
    return servers


def follows_itself(servers: Sequence[Mapping[str, Any]]) -> bool:
    """Whether what `ntpq -p` shows as followed is the machine's undisciplined clock."""
    return any(server["selected"] and _ITSELF.fullmatch(server["address"]) for server in servers)


def follows_a_server(servers: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether one of these is followed, and is not the undisciplined clock; None where nothing is shown."""
    return any(server["selected"] for server in servers) and not follows_itself(servers) if servers else None


def parse_key_values(text: str) -> dict[str, str]:
    """KEY=VALUE lines."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def parse_ntp_message(text: str) -> dict[str, Any]:
    """The stratum of systemd-timesyncd's last answer: { Leap=0, Version=4, Mode=4, Stratum=2, … }."""
    found = re.search(r"Stratum=(\d+)", text)
    return {"stratum": int(found[1]) if found else None}


def number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def negative(value: float | None) -> float | None:
    """The other sign; never a negative zero."""
    return None if value is None else 0.0 - value


def moment(seconds: float | None) -> str | None:
    """ISO 8601 of an age that a calendar knows; None for 0, which stands for never."""
    if not seconds:
        return None
    try:
        return iso(seconds, "seconds")
    except (OverflowError, ValueError, OSError):
        return None
