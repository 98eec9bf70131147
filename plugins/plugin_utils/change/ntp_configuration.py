# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to write so that an NTP client asks the hospital's servers: a drop-in where the client has them, else the
smallest edit. Lines that are not about servers are never touched.

chrony.conf(5) (sourcedir, confdir), timesyncd.conf(5), ntp.conf(5); the order of drop-ins is systemd.syntax(7)'s.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.ntp_servers import (
    source_of,
    timesyncd_settings,
    with_included,
)

CLIENTS = ("chrony", "systemd-timesyncd", "ntpsec", "ntpd", "busybox")

_BEGIN = "# BEGIN biomed.cert_hygiene.time_sync"
_END = "# END biomed.cert_hygiene.time_sync"
_ASIDE = "#time_sync_exclusive# "
_NOTE = "# The hospital's time servers, written by biomed.cert_hygiene.time_sync. Changes made here by hand are lost.\n"
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:_-]{0,252}[A-Za-z0-9])?")
_CHRONY_MAIN = ("/etc/chrony/chrony.conf", "/etc/chrony.conf")
_NTPD_MAIN = ("/etc/ntpsec/ntp.conf", "/etc/ntp.conf")
_ALPINE_OPTIONS = "/etc/conf.d/ntpd"
_TIMESYNCD_MAIN = "/etc/systemd/timesyncd.conf"
#: The later of two folders loses its file of the same name.
_TIMESYNCD_FOLDERS = (
    "/etc/systemd/timesyncd.conf.d",
    "/run/systemd/timesyncd.conf.d",
    "/usr/local/lib/systemd/timesyncd.conf.d",
    "/usr/lib/systemd/timesyncd.conf.d",
    "/lib/systemd/timesyncd.conf.d",
)
#: Read last, so that it can put the hospital's servers first.
_TIMESYNCD_OWN = _TIMESYNCD_FOLDERS[0] + "/zz-biomed-cert-hygiene.conf"


@dataclass(frozen=True)
class Plan:
    """files: the new text by path, None for a file of ours that is no longer needed; only what differs.

    foreign: servers that are configured and are not the hospital's; reload: none | sources | restart
    """

    files: Mapping[str, str | None] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()
    reload: str = "none"


def plan(client: str, files: Mapping[str, str], servers: Sequence[str], exclusive: bool) -> Plan:
    """files: the client's configuration, text by absolute path. ValueError, in one sentence, for what cannot be."""
    for server in servers:
        # What is no plain name or address could carry a directive of its own into a configuration.
        if not isinstance(server, str) or not _HOST.fullmatch(server):
            raise ValueError(f"servers: {server!r} is no host name or address")
    if not servers:
        raise ValueError("servers: there is none")
    if client not in CLIENTS:
        raise ValueError(f"client: {client!r} is none of {', '.join(CLIENTS)}")
    wanted = list(dict.fromkeys(servers))
    return _PLANNERS[client](files, wanted, exclusive)


# --- chrony -------------------------------------------------------------------------------------------------------


def _chrony(files: Mapping[str, str], wanted: list[str], exclusive: bool) -> Plan:
    main = _main_file(files, _CHRONY_MAIN, "chrony")
    folders = _chrony_folders(files[main])
    own = _chrony_own(folders)
    read = _chrony_included(main, files, exclusive)
    after = {path: text for path, text in files.items() if path in read}
    elsewhere: list[str] = []
    foreign: list[str] = []
    for path in read:
        if path == own:
            continue
        text, kept, others = _without_foreign(_without_block(after[path]), wanted, exclusive and _ours(path))
        after[path] = _without_dhcp(text) if exclusive and path == main else text
        elsewhere += kept
        foreign += others
    missing = [server for server in wanted if server not in elsewhere]
    lines = "".join(f"server {server} iburst\n" for server in missing)
    result: dict[str, str | None] = dict(after)
    if own:
        result[own] = _NOTE + lines if missing else None
    elif missing:
        result[main] = _with_block(after[main], lines)
    changed = _changed(files, result)
    only_sources = all(path.endswith(".sources") for path in changed)
    return Plan(
        changed, tuple(dict.fromkeys(foreign)), "none" if not changed else "sources" if only_sources else "restart"
    )


def _chrony_folders(text: str) -> list[tuple[str, str]]:
    """(directive, folder) of each sourcedir and confdir, in order."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0].lower() in ("sourcedir", "confdir"):
            found += [(words[0].lower(), word.rstrip("/")) for word in words[1:] if not word.startswith(("#", "!"))]
    return found


def _chrony_own(folders: Sequence[tuple[str, str]]) -> str | None:
    for directive, suffix in (("sourcedir", "sources"), ("confdir", "conf")):
        for name, folder in folders:
            if name == directive and _ours(folder + "/"):
                return f"{folder}/biomed-cert-hygiene.{suffix}"
    return None


def _chrony_included(main: str, files: Mapping[str, str], exclusive: bool) -> list[str]:
    """The files that chronyd reads; with `exclusive` a file that it reads and we have not is a reason to stop."""

    def matching(pattern: str) -> list[str]:
        found = sorted(fnmatch.filter((path for path in files if path.count("/") == pattern.count("/")), pattern))
        if exclusive and not found and not re.search(r"[*?\[]", pattern):
            raise ValueError(f"chrony reads {pattern}, which was not found: its servers cannot be set aside")
        return found

    return list(with_included([main], files.get, matching))


def _without_dhcp(text: str) -> str:
    """Sources that DHCP leaves below /run are somebody else's too."""
    lines = text.splitlines(keepends=True)
    return "".join(_ASIDE + line if line.split()[:1] == ["sourcedir"] and " /run/" in line else line for line in lines)


# --- ntpd and ntpsec, busybox -------------------------------------------------------------------------------------


def _ntpd(files: Mapping[str, str], wanted: list[str], exclusive: bool) -> Plan:
    main = _main_file(files, _NTPD_MAIN, "ntpd")
    # ntpsec reads the folder after its main file; ntpd knows of none.
    folder = posixpath.dirname(main) + "/ntp.d"
    after: dict[str, str] = {}
    elsewhere: list[str] = []
    foreign: list[str] = []
    for path in (main, *sorted(path for path in files if posixpath.dirname(path) == folder)):
        after[path], kept, others = _without_foreign(_without_block(files[path]), wanted, exclusive)
        elsewhere += kept
        foreign += others
    lines = "".join(f"server {server} iburst\n" for server in wanted if server not in elsewhere)
    text = "\n".join(after.values())
    pools = any(line.split()[:1] == ["pool"] for line in text.splitlines())
    asked = _agreement(text)
    if not pools and asked > len(wanted) + (0 if exclusive else len(foreign)):
        # A client that waits for three servers to agree never follows one or two.
        lines += "tos minclock 1 minsane 1\n"
    after[main] = _with_block(after[main], lines) if lines else after[main]
    changed = _changed(files, after)
    return Plan(changed, tuple(foreign), "restart" if changed else "none")


def _agreement(text: str) -> int:
    """How many servers must agree (`tos minsane`, 1 by default)."""
    found = 1
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words[:1] == ["tos"] and "minsane" in words[:-1]:
            value = words[words.index("minsane") + 1]
            found = int(value) if value.isdigit() else found
    return found


def _busybox(files: Mapping[str, str], wanted: list[str], exclusive: bool) -> Plan:
    options = files.get(_ALPINE_OPTIONS)
    if options is None or " -p" not in options.replace('"', " "):
        return _ntpd(files, wanted, exclusive)
    lines = options.splitlines(keepends=True)
    foreign: list[str] = []
    for number, line in enumerate(lines):
        found = re.fullmatch(r'NTPD_OPTS="([^"]*)"\s*', line)
        if found:
            others = [name for name in re.findall(r"-p\s*(\S+)", found[1]) if name not in wanted]
            foreign += others
            rest = " ".join(re.sub(r"-p\s*\S+", "", found[1]).split())
            peers = " ".join(f"-p {name}" for name in [*wanted, *([] if exclusive else others)])
            lines[number] = f'NTPD_OPTS="{rest} {peers}"\n'
    changed = _changed(files, {_ALPINE_OPTIONS: "".join(lines)})
    return Plan(changed, tuple(foreign), "restart" if changed else "none")


# --- systemd-timesyncd --------------------------------------------------------------------------------------------


def _timesyncd(files: Mapping[str, str], wanted: list[str], exclusive: bool) -> Plan:
    settings = _timesyncd_settings(files)
    configured, fallback = settings["NTP"] or [], settings["FallbackNTP"]
    foreign = tuple(server for server in configured if server not in wanted)
    enough = configured == wanted if exclusive else configured[: len(wanted)] == wanted
    if enough and not (exclusive and fallback != []):
        text = None
    else:
        # The first that answers is followed: the hospital's stand first. The empty line takes back what came before.
        names = wanted if exclusive else [*wanted, *foreign]
        text = f"{_NOTE}[Time]\nNTP=\nNTP={' '.join(names)}\n" + ("FallbackNTP=\n" if exclusive else "")
    changed = _changed(files, {_TIMESYNCD_OWN: text})
    return Plan(changed, foreign, "restart" if changed else "none")


def _timesyncd_settings(files: Mapping[str, str]) -> dict[str, list[str] | None]:
    """NTP and FallbackNTP without our drop-in; FallbackNTP is None where the built-in ones count."""
    names: dict[str, str] = {}
    for folder in reversed(_TIMESYNCD_FOLDERS):
        for path in files:
            if posixpath.dirname(path) == folder and path.endswith(".conf") and path != _TIMESYNCD_OWN:
                names[posixpath.basename(path)] = path
    order = [path for path in (_TIMESYNCD_MAIN, *(names[name] for name in sorted(names))) if path in files]
    found: dict[str, list[str] | None] = {"NTP": [], "FallbackNTP": None}
    for path in order:
        for key, values in timesyncd_settings(files[path]):
            if key in found:
                found[key] = [*(found[key] or []), *values] if values else []
    return found


# --- what they share ----------------------------------------------------------------------------------------------


def _main_file(files: Mapping[str, str], places: Sequence[str], client: str) -> str:
    for path in places:
        if path in files:
            return path
    raise ValueError(f"{client} has no configuration in {' or '.join(places)}")


def _ours(path: str) -> bool:
    """Whether a file is the administrator's to change: /run and /usr are not."""
    return path.startswith("/etc/")


def _without_foreign(text: str, wanted: Sequence[str], exclusive: bool) -> tuple[str, list[str], list[str]]:
    """(text, the hospital's servers in it, the others); with `exclusive` the others' lines are set aside."""
    kept: list[str] = []
    foreign: list[str] = []
    lines = []
    for line in text.splitlines(keepends=True):
        server = source_of(line)
        other = server is not None and server not in wanted
        if server is not None:
            (foreign if other else kept).append(server)
        lines.append(_ASIDE + line if other and exclusive else line)
    return "".join(lines), kept, foreign


def _without_block(text: str) -> str:
    return re.sub(rf"(?ms)^{re.escape(_BEGIN)}$.*?^{re.escape(_END)}$\n?", "", text)


def _with_block(text: str, lines: str) -> str:
    joint = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{joint}{_BEGIN}\n{lines}{_END}\n"


def _changed(before: Mapping[str, str], after: Mapping[str, str | None]) -> dict[str, str | None]:
    return {path: text for path, text in sorted(after.items()) if before.get(path) != text}


_PLANNERS: dict[str, Callable[[Mapping[str, str], list[str], bool], Plan]] = {
    "chrony": _chrony,
    "systemd-timesyncd": _timesyncd,
    "ntpsec": _ntpd,
    "ntpd": _ntpd,
    "busybox": _busybox,
}
