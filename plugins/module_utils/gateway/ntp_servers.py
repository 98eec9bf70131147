# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which time servers the configuration of an NTP client names, and which further files it reads. Pure.

chrony.conf(5), ntp.conf(5), timesyncd.conf(5) and systemd.syntax(7), ntpd.conf(5) of OpenNTPD, busybox's ntpd.c.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable

_SOURCES = ("server", "servers", "pool", "peer")
#: These follow whoever answers, or speaks, on a network.
_ANYBODY = ("manycastclient", "multicastclient", "broadcastclient")
#: Options of busybox ntpd that take a value (getopt: "nqNx" "wp:*k:S:l" "I:" "d" "46aAbgL").
_BUSYBOX_VALUES = "pkSI"
_MAX_FILES = 200


def _directive(line: str) -> tuple[str, list[str]]:
    """(name, words after it); chrony's comments begin with !, ;, # or %."""
    words = [] if line.lstrip()[:1] in tuple("!;#%") else line.split("#", 1)[0].split()
    return (words[0].lower(), words[1:]) if words else ("", [])


def source_of(line: str) -> str | None:
    """The server that one line of a chrony.conf or ntp.conf names; None for any other line.

    A client that takes the time from anybody is named by its directive. 127.127.x.y are ntpd's own clocks, no servers.
    """
    directive, words = _directive(line)
    if directive in _ANYBODY:
        return directive
    if directive not in _SOURCES:
        return None
    named = [word for word in words if word not in ("-4", "-6")]
    return None if not named or named[0].startswith("127.127.") else named[0]


def parse_server_lines(text: str) -> list[str]:
    """The servers of a chrony.conf, an ntp.conf or OpenNTPD's ntpd.conf, each once."""
    return list(dict.fromkeys(name for name in map(source_of, text.splitlines()) if name is not None))


def included(text: str) -> list[str]:
    """The patterns of the files that a chrony.conf or ntp.conf has read beside itself."""
    found = []
    for line in text.splitlines():
        directive, names = _directive(line)
        if directive in ("include", "includefile"):
            found += names[:1]
        elif directive in ("confdir", "sourcedir"):
            suffix = ".conf" if directive == "confdir" else ".sources"
            found += [posixpath.join(name, "*" + suffix) for name in names]
    return found


def with_included(
    mains: Iterable[str], read: Callable[[str], str | None], glob: Callable[[str], Iterable[str]]
) -> dict[str, str]:
    """The texts of these files and of those that they include, by path, in the order in which they are met."""
    texts: dict[str, str] = {}
    waiting = list(mains)
    while waiting and len(texts) < _MAX_FILES:
        path = waiting.pop(0)
        text = None if path in texts else read(path)
        if text is not None:
            texts[path] = text
            waiting = [*(name for pattern in included(text) for name in glob(pattern)), *waiting]
    return texts


def timesyncd_settings(text: str) -> list[tuple[str, list[str]]]:
    """(key, values) of each line of a timesyncd.conf, in order; an empty one takes back what came before it."""
    joined = re.sub(r"\\\r?\n", " ", text)
    pairs = (line.partition("=") for line in joined.splitlines() if line.strip()[:1] not in ("#", ";"))
    return [(key.strip(), value.split()) for key, equals, value in pairs if equals]


def parse_timesyncd_servers(text: str) -> list[str]:
    """The servers of the NTP= lines."""
    servers: list[str] = []
    for key, values in timesyncd_settings(text):
        if key == "NTP":
            servers = [*servers, *values] if values else []
    return list(dict.fromkeys(servers))


def parse_busybox_command(words: list[str]) -> list[str]:
    """The servers of `busybox ntpd -p SERVER -np SERVER -p keyno:1:SERVER`."""
    servers = []
    rest = iter(words)
    for word in rest:
        cluster = word[1:] if word.startswith("-") and not word.startswith("--") else ""
        for position, letter in enumerate(cluster):
            if letter in _BUSYBOX_VALUES:
                value = cluster[position + 1 :] or next(rest, "")
                if letter == "p" and value:
                    servers.append(re.sub(r"^keyno:\d+:", "", value))
                break
    return servers


def parse_ntp_toml(text: str) -> list[str]:
    """The servers of ntpd-rs: `address = "…"` in a [[source]], without its port."""
    found = re.findall(r"""^[ \t]*address[ \t]*=[ \t]*["']([^"'\n]{1,255})["']""", text, re.MULTILINE)
    return list(dict.fromkeys(re.sub(r"^\[(.*)\](:\d+)?$|^([^:]+):\d+$", r"\1\3", name) for name in found))
