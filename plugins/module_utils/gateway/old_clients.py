# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that spoke an old version of TLS, in the logs of services, and how far back those logs tell."""

from __future__ import annotations

import calendar
import glob
import gzip
import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import in_calendar, iso
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.log_times import stamp
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.logs import peer_of, tls_failure_cause
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.found import Log

#: Bytes of text that are read of one log with its rotated files.
MAX_BYTES = 256 * 1024 * 1024
_MAX_LINE = 8192
_MAX_PEERS = 1000
_MAX_FILES = 400

_VERSION = re.compile(r"(?<![\w.])(SSLv[23]|TLSv1(?:\.[0-3])?)(?!\w|\.\d)")
_OLD = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1")
_HINT = re.compile(r"SSLv|TLSv1|protocol|version", re.IGNORECASE)
_CLF = re.compile(r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d\d)(\d\d)\]")
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
#: stunnel names the peer on one line and the version on another; both carry the number of the connection.
_STUNNEL = re.compile(r"\bLOG\d\[([^\]\s]{1,40})\]: ")
_FROM = re.compile(r"[Cc]onnection from (?:::ffff:)?([0-9A-Fa-f:.]{3,45}):\d{1,5}\b")
_OURS = ("127.0.0.1", "::1")


@dataclass
class Peer:
    """One client. refused: each of its tries was turned away."""

    address: str
    versions: set[str] = field(default_factory=set)
    count: int = 0
    last: float | None = None
    refused: bool = True


@dataclass
class Clients:
    """What the logs of one service tell. told_since: the oldest line that holds a version."""

    since: float
    own: frozenset[str] = frozenset()
    peers: dict[str, Peer] = field(default_factory=dict)
    told_since: float | None = None
    connections: dict[str, str] = field(default_factory=dict)
    latest: str = ""

    def begin(self) -> None:
        """Another log follows."""
        self.told_since = None
        self.connections.clear()
        self.latest = ""

    def add_line(self, line: str, year: int, now: float) -> None:
        """A line that cannot be dated counts as one of these days."""
        numbered = _STUNNEL.search(line, 0, 200)
        came = _FROM.search(line)
        if came:
            self.latest = came[1]
            if numbered:
                if len(self.connections) > 10_000:
                    self.connections.clear()
                self.connections[numbered[1]] = came[1]
        if not _HINT.search(line):
            return
        versions = set(_VERSION.findall(line))
        refused = tls_failure_cause(line) == "protocol_version"
        if not versions and not refused:
            return
        moment = moment_of(line, year, now)
        if versions and moment is not None:
            self.told_since = moment if self.told_since is None else min(self.told_since, moment)
        old = {version for version in versions if version in _OLD}
        if (not old and not refused) or (moment is not None and moment < self.since):
            return
        address = self.connections.get(numbered[1], "") if numbered else ""
        address = address or peer_of(line) or self.latest or "unknown"
        if address in self.own or address in _OURS:
            return
        if address not in self.peers and len(self.peers) >= _MAX_PEERS:
            address = "others"
        peer = self.peers.setdefault(address, Peer(address))
        peer.versions |= old
        peer.count += 1
        peer.refused = peer.refused and refused
        if moment is not None:
            peer.last = moment if peer.last is None else max(peer.last, moment)


def moment_of(line: str, year: int, now: float) -> float | None:
    """When the line was written, as epoch seconds; None where it does not say.

    A client can put a date into its request: of several the latest counts, so that no old one hides it.
    """
    dated = [_clf_moment(found) for found in _CLF.finditer(line)]
    rest = _CLF.sub("", line) if dated else line
    told = stamp(rest, year)
    # syslog gives no year: what would lie ahead was written a year ago.
    dated.append(stamp(rest, year - 1) if told is not None and told > now + 86400 else told)
    return max((moment for moment in dated if moment is not None), default=None)


def _clf_moment(found: re.Match[str]) -> float | None:
    try:
        text = f"{found[3]}-{_MONTHS[found[2]]:02}-{found[1]}T{found[4]}:{found[5]}:{found[6]}{found[7]}:{found[8]}"
        moment = datetime.fromisoformat(text).timestamp()
    except (KeyError, ValueError):
        return None
    return moment if in_calendar(moment) else None


def old_clients(logs: Sequence[Log], days: float, own: Iterable[str], now: float) -> dict[str, Any]:
    """{"peers": [...], "blind": [{"log", "reason"}], "told_since"}; reads the files and those they were rotated to.

    blind: not_logged | no_file | too_short | too_long | not_readable. Where there is any, a client may be unseen.
    """
    clients = Clients(now - 86400.0 * days, frozenset(own))
    blind: list[dict[str, str]] = []
    told: list[float | None] = []
    for log in logs:
        clients.begin()
        reason = log.reason
        if log.path:
            reason = _read(log.path, clients, now) or reason
        if log.tells and not reason:
            told.append(clients.told_since)
            if not os.path.exists(log.path):
                reason = "no_file"
            elif clients.told_since is None or clients.told_since > clients.since:
                reason = "too_short"
        if reason:
            blind.append({"log": log.path, "reason": reason})
    since = max((moment for moment in told if moment is not None), default=None)
    return {
        "peers": [
            {
                "address": peer.address,
                "versions": sorted(peer.versions),
                "count": peer.count,
                "last_at": _iso(peer.last),
                "refused": peer.refused,
            }
            for peer in sorted(clients.peers.values(), key=lambda one: (-one.count, one.address))
        ],
        "blind": blind,
        "told_since": _iso(since),
    }


def _read(path: str, clients: Clients, now: float) -> str:
    """Why not all of it was read; empty where all was."""
    budget = MAX_BYTES
    year = time.localtime(now).tm_year
    found: list[tuple[float, str]] = []
    for name in glob.glob(glob.escape(path) + "*")[:_MAX_FILES]:
        if re.fullmatch(r"(?:[.-][\w.-]{1,40})?", name[len(path) :]) and os.path.isfile(name):
            found.append((os.stat(name).st_mtime, name))
    # The first that was ended before these days shows that there were lines before them.
    kept: list[str] = []
    for modified, name in sorted(found, reverse=True):
        kept.append(name)
        if modified < clients.since:
            break
    for name in reversed(kept):
        try:
            for line in _lines(name):
                budget -= len(line)
                if budget < 0:
                    return "too_long"
                clients.add_line(line[:_MAX_LINE], year, now)
        except (OSError, EOFError, zlib.error):
            return "not_readable"
    return ""


def _lines(path: str) -> Iterator[str]:
    with open(path, "rb") as plain:
        handle: IO[bytes] = gzip.GzipFile(fileobj=plain) if path.endswith(".gz") else plain  # type: ignore[assignment]
        while line := handle.readline(_MAX_LINE * 8):
            yield line.decode("utf-8", "replace")


def _iso(moment: float | None) -> str | None:
    return None if moment is None else iso(moment, "seconds")
