# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS failures in a gateway's journal and log files, since N days, grouped by peer and cause."""

from __future__ import annotations

import itertools
import re
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host, NotPermitted, NotSupported
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.log_times import stamp

LOG_FILES = (
    "/var/log/nginx/*error.log*",
    "/var/log/apache2/*error.log*",
    "/var/log/httpd/*error_log*",
    "/var/log/haproxy.log*",
    "/var/log/stunnel*/*.log*",
    "/var/log/stunnel*.log*",
    "/var/log/mosquitto/*.log*",
    "/var/log/syslog*",
    "/var/log/messages*",
)
#: More lines than this per source are not read: the newest files come first.
_MAX_LINES = 2_000_000
_MAX_GROUPS = 500
_SAMPLE = 240

#: The cheap first look at a line; only what passes is matched in full.
_HINT = re.compile(r"ssl|tls|handshake|certificate|x509|PKIX", re.IGNORECASE)
#: A line about TLS is a failure only with one of these; the first that fits names the cause.
_CAUSES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (cause, re.compile("|".join(phrases), re.IGNORECASE))
    for cause, phrases in (
        ("certificate_expired", ("certificate[ _](has )?expired", "CertificateExpired")),
        ("not_yet_valid", ("not yet valid", "NotYetValid")),
        (
            "unknown_authority",
            (
                "unknown[ _]ca",
                "unable to get (local )?issuer",
                "self[- ]signed",
                "path building failed",
                "unknown authority",
            ),
        ),
        ("hostname_mismatch", ("host ?name mismatch", "does(n't| not) match", "no subject alternative")),
        (
            "bad_certificate",
            (
                "bad[ _]certificate",
                "certificate[ _]unknown",
                "certificate verify failed",
                "peer did not return a certificate",
                "no required SSL certificate",
            ),
        ),
        (
            "protocol_version",
            (
                "unsupported[ _]protocol",
                "protocol[ _]version",
                "wrong version number",
                "version too low",
                "inappropriate fallback",
            ),
        ),
        ("no_shared_cipher", ("no shared cipher", "no suitable (signature|key)", "insufficient security", "no cipher")),
        ("plaintext_on_tls_port", ("http request", "unknown protocol", "wrong ssl version", "not an? SSL/TLS record")),
        (
            "connection_closed",
            (
                "unexpected eof",
                "connection reset",
                "closed (the )?connection .{0,80}handshak",
                "handshake.{0,80}(closed|reset|eof|timed out|timeout)",
                "SSL_accept.{0,80}(timed out|closed|reset)",
            ),
        ),
        (
            "handshake_failure",
            (
                "handshake[ _]failure",
                "handshake failed",
                "SSL handshake",
                r"SSL_do_handshake\(\) failed",
                "SSL_accept.{0,80}(error|fail)",
                "TLS (handshake )?error",
                "alert (number|fatal)",
                "Received fatal alert",
                "SSLHandshakeException",
            ),
        ),
    )
)
_FAILED = re.compile(
    "fail|error|alert|refus|reject|fatal|expired|unknown|closed|reset|timed? ?out|did not|mismatch|invalid|wrong|"
    "no shared|Exception|eof",
    re.IGNORECASE,
)

_IPV4 = r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"
_IPV6 = r"(?<![\w:])(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4}){1,6}(?![\w:])"
#: Who was spoken to: named as such first, then any address.
_PEER = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"client:? \[?({_IPV4}|{_IPV6})",
        rf"(?:from|peer|with|remote) \[?({_IPV4}|{_IPV6})",
        rf"\[?({_IPV4}|{_IPV6})\]?:\d+",
        rf"({_IPV4})",
    )
)

#: stunnel names the peer on one line and the failure on another; both carry the number of the connection.
_STUNNEL = re.compile(r"\bLOG\d\[([^\]\s]{1,40})\]: ")
_ACCEPTED = re.compile(r"accepted connection from (?:::ffff:)?([0-9a-f:.]{3,45}):\d{1,5}\s*$", re.IGNORECASE)
_MAX_CONNECTIONS = 10_000
#: mosquitto, dcmtk, Orthanc, xrdp name the peer on the line before the failure, which has none.
_ARRIVED = re.compile(
    rf"(?:connection|connected|accepted|association|client|socket)\b.{{0,60}}?\b(?:from|AF_INET6?)\b.{{0,20}}?"
    rf"(?:::ffff:)?\[?({_IPV4}|{_IPV6})",
    re.IGNORECASE,
)
#: Not the "Error[0]" of OpenSSL.
_PROGRAM = re.compile(r" (?!Error\[)([\w@./-]{1,40}\[\d+\]): ")
#: Seconds, or lines without a time, within which a connection that arrived and a failure belong together.
_TOGETHER = 5.0
#: Moments that are told of failures without an address.
_MAX_MOMENTS = 500


@dataclass
class Group:
    """One peer and one cause."""

    peer: str | None
    cause: str
    count: int = 0
    first: float | None = None
    last: float | None = None
    sample: str = ""
    moments: list[float] = field(default_factory=list)


@dataclass
class Connection:
    """One connection to stunnel: who it came from, and whether its failure was counted."""

    peer: str
    counted: bool = False


@dataclass
class Tally:
    """The failures of all sources so far. Lines of `own_addresses` (our probes) and older than `since` are left out.

    connections: those that stunnel numbered, in the source that is read
    arrived: by program, the connections that its lines told of lately: (peer, moment, the number of the line)
    """

    since: float
    own_addresses: frozenset[str]
    groups: dict[tuple[str | None, str], Group] = field(default_factory=dict)
    total: int = 0
    connections: dict[str, Connection] = field(default_factory=dict)
    arrived: dict[str, deque[tuple[str, float | None, int]]] = field(default_factory=dict)
    lines: int = 0

    def _note(self, line: str, year: int) -> None:
        """A line that tells of a connection, and of nothing else."""
        found = _ARRIVED.search(line, 0, 400)
        if found:
            known = self.arrived.setdefault(_program(line), deque(maxlen=20))
            known.append((found[1], stamp(line, year), self.lines))

    def _neighbour(self, line: str, moment: float | None) -> str | None:
        """Who connected to that program just before; None where that was nobody, or more than one."""
        peers = {
            peer
            for peer, at, number in self.arrived.get(_program(line), ())
            if (0 <= moment - at <= _TOGETHER if moment and at else self.lines - number <= _TOGETHER)
        }
        return peers.pop() if len(peers) == 1 else None

    def add_line(self, line: str, year: int) -> None:
        """Count a line, if it is a TLS failure."""
        self.lines += 1
        stunnel = _STUNNEL.search(line, 0, 200) if "LOG" in line[:200] else None
        accepted = _ACCEPTED.search(line, stunnel.end()) if stunnel and len(line) < 500 else None
        if stunnel and accepted:
            if len(self.connections) >= _MAX_CONNECTIONS:
                self.connections.clear()
            self.connections[stunnel[1]] = Connection(accepted[1])
            return
        if "from" in line[:400] or "AF_INET" in line[:400]:
            self._note(line, year)
        if not _HINT.search(line):
            return
        line = line[:2000]
        cause = tls_failure_cause(line)
        if cause is None:
            return
        moment = stamp(line, year)
        if moment is not None and moment < self.since:
            return
        peer = peer_of(line) or self._neighbour(line, moment)
        connection = self.connections.get(stunnel[1]) if stunnel else None
        if connection is not None:
            if connection.counted:
                return  # the same failure, told once more
            connection.counted = True
            peer = connection.peer
        if peer in self.own_addresses:
            return
        self.total += 1
        key = (peer, cause)
        if key not in self.groups and len(self.groups) >= _MAX_GROUPS:
            key = (None, cause)
        group = self.groups.setdefault(key, Group(*key))
        group.count += 1
        group.sample = line.strip()[:_SAMPLE]
        if moment is not None:
            group.first = moment if group.first is None else min(group.first, moment)
            group.last = moment if group.last is None else max(group.last, moment)
            if group.peer is None and len(group.moments) < _MAX_MOMENTS:
                group.moments.append(moment)


def _program(line: str) -> str:
    """ "mosquitto[12]" of a line of the journal or of syslog; empty in a program's own file."""
    found = _PROGRAM.search(line, 0, 200)
    return found[1] if found else ""


def tls_failure_cause(line: str) -> str | None:
    """Why TLS failed, in one of the words of this module; None where the line tells of no failure."""
    if not _FAILED.search(line):
        return None
    for cause, pattern in _CAUSES:
        if pattern.search(line):
            return cause
    return None


def peer_of(line: str) -> str | None:
    """The address on the other end, as far as the line tells."""
    for pattern in _PEER:
        found = pattern.search(line)
        if found:
            return found[1]
    return None


def tls_failures(host: Host, options: dict[str, Any]) -> dict[str, Any]:
    """{"tls_failures": {"since", "total", "groups"}}. NotPermitted where a log is there that may not be read."""
    now = options["now"]
    since = now - 86400.0 * options["log_days"]
    tally = Tally(since, _own_addresses(host, options["own_addresses"]))
    sources = 0
    year = time.localtime(now).tm_year
    lines, hidden = _journal(host, since)
    if lines is not None:
        sources += 1
        for line in lines:
            tally.add_line(line, year)
    patterns = [*LOG_FILES, *options["log_files"]]
    hidden += sorted({folder for folder in map(host.closed_folder, patterns) if folder is not None})
    for path in _newest_first(host, patterns, since):
        if lines is not None and path.startswith(("/var/log/syslog", "/var/log/messages")):
            continue  # the journal holds the same lines: they would count twice
        tally.connections.clear()
        tally.arrived.clear()
        try:
            for line in itertools.islice(host.lines(path), _MAX_LINES):
                tally.add_line(line, year)
            sources += 1
        except NotPermitted:
            hidden.append(path)
    if hidden:
        # The failures may stand there: counting the others would show too few.
        raise NotPermitted(f"{', '.join(hidden[:5])} may be read by a privileged login only")
    if not sources:
        raise NotSupported("no journal and no known log file")
    groups = sorted(tally.groups.values(), key=lambda group: (-group.count, group.cause, group.peer or ""))
    return {
        "tls_failures": {
            "since": iso(since, "seconds"),
            "total": tally.total,
            "groups": [
                {
                    "peer": group.peer,
                    "cause": group.cause,
                    "count": group.count,
                    "first_at": None if group.first is None else iso(group.first, "seconds"),
                    "last_at": None if group.last is None else iso(group.last, "seconds"),
                    "sample": group.sample,
                    **({"moments": [iso(moment, "seconds") for moment in group.moments]} if group.moments else {}),
                }
                for group in groups
            ],
        }
    }


def _own_addresses(host: Host, named: list[str]) -> frozenset[str]:
    """Where our probes come from: as it was told, by address or by name, and where this very login comes from."""
    found = set(named)
    for name in named:
        if not re.fullmatch(f"{_IPV4}|{_IPV6}", name, re.IGNORECASE):
            output = host.run("getent", "ahosts", name)
            found.update(line.split()[0] for line in (output.stdout if output else "").splitlines() if line.split())
    caller = host.caller()
    return frozenset([*found, caller] if caller else found)


def _journal(host: Host, since: float) -> tuple[Iterable[str] | None, list[str]]:
    """The journal's lines, or None where there is no journal; and its name, where not all of it may be read."""
    output = host.run("journalctl", "--no-pager", "--output=short-iso", "--lines=1")
    if output is None:
        return None, []
    if "insufficient permissions" in output.stderr or "not seeing messages from other users" in output.stderr:
        return None, ["the journal"]
    # A journal that nobody writes to is none: then syslog's files count.
    if output.status != 0 or not output.stdout.strip() or "-- No entries --" in output.stdout:
        return None, []
    output = host.run(
        "journalctl",
        "--no-pager",
        "--quiet",
        "--output=short-iso",
        "--grep=ssl|tls|handshake|certificate|x509|PKIX|connection.* from |association received",
        "--case-sensitive=false",
        f"--since=@{int(since)}",
        f"--lines={_MAX_LINES}",
    )
    if output is None or output.status not in (0, 1):
        raise OSError("the journal gave no answer")
    return output.stdout.splitlines(), []


def _newest_first(host: Host, patterns: list[str], since: float) -> list[str]:
    found = []
    for path in {path for pattern in patterns for path in host.glob(pattern)}:
        state = host.state(path)
        if state is not None and state.modified >= since:
            found.append((state.modified, path))
    return [path for _modified, path in sorted(found, reverse=True)]
