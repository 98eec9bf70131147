# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services of a gateway serve TLS: what runs, with which configuration. Reads files and /proc, starts nothing."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.found import Found, inspect
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.settings import Reading, Unclear, read

_MAX_FILE = 1024 * 1024
_MAX_FILES = 500
_ROUNDS = 12


@dataclass(frozen=True)
class Program:
    """processes: their names; flag: before the name of a configuration file; mains: where it is by default."""

    binaries: tuple[str, ...]
    processes: tuple[str, ...]
    flag: str
    mains: tuple[str, ...]


PROGRAMS = {
    "nginx": Program(("nginx",), ("nginx",), "-c", ("/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf")),
    # SUSE names its program by the way it works.
    "apache": Program(
        ("apache2", "httpd", "httpd-prefork", "httpd2-prefork"),
        (
            *("apache2", "httpd"),
            *(f"{name}-{way}" for name in ("httpd", "httpd2") for way in ("prefork", "worker", "event")),
        ),
        "-f",
        (
            *("/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/etc/apache2/httpd.conf"),
            "/usr/local/apache2/conf/httpd.conf",
        ),
    ),
    "haproxy": Program(("haproxy",), ("haproxy",), "-f", ("/etc/haproxy/haproxy.cfg",)),
    "stunnel": Program(("stunnel4", "stunnel"), ("stunnel4", "stunnel"), "", ("/etc/stunnel/stunnel.conf",)),
    "mosquitto": Program(("mosquitto",), ("mosquitto",), "-c", ()),
}
_FOLDERS = ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin")


def running(proc: str = "/proc") -> dict[str, list[tuple[list[str], float]]]:
    """(words of the command line, start as epoch seconds) of each service's first processes, without containers'."""
    found: dict[str, list[tuple[list[str], float]]] = {name: [] for name in PROGRAMS}
    names = {process: service for service, program in PROGRAMS.items() for process in program.processes}
    here = os.stat("/")
    booted = _booted(proc)
    for entry in sorted(int(name) for name in os.listdir(proc) if name.isdigit()):
        folder = f"{proc}/{entry}"
        try:
            with open(f"{folder}/stat", encoding="ascii", errors="replace") as handle:
                text = handle.read()
            comm = text[text.index("(") + 1 : text.rindex(")")]
            fields = text[text.rindex(")") + 2 :].split()
            service = names.get(comm)
            if service is None or fields[0] == "Z":
                continue
            root = os.stat(f"{folder}/root")
            if (root.st_dev, root.st_ino) != (here.st_dev, here.st_ino) and not _chrooted(folder):
                continue
            with open(f"{folder}/cmdline", "rb") as handle:
                words = re.split(r"[\0 ]+", handle.read(65536).decode("utf-8", "replace").strip("\0 "))
            parent = _comm(f"{proc}/{fields[1]}")
            started = booted + int(fields[19]) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            continue
        if parent != comm:
            found[service].append((words, started))
    return found


def _chrooted(folder: str) -> bool:
    """A process that went into a folder of this machine; a container has a root of its own."""
    return os.readlink(f"{folder}/ns/mnt") == os.readlink("/proc/self/ns/mnt")


def _comm(folder: str) -> str:
    try:
        with open(f"{folder}/comm", encoding="utf-8", errors="replace") as handle:
            return handle.read().strip()
    except OSError:
        return ""


def _booted(proc: str) -> float:
    with open(f"{proc}/stat", encoding="ascii") as handle:
        return next((float(line.split()[1]) for line in handle if line.startswith("btime")), 0.0)


def installed(service: str) -> str:
    """The program's file, empty where there is none."""
    places = (f"{folder}/{name}" for name in PROGRAMS[service].binaries for folder in _FOLDERS)
    return next((place for place in places if os.access(place, os.X_OK)), "")


def mains_of(
    service: str,
    processes: Iterable[tuple[list[str], float]],
    exists: Callable[[str], bool] = os.path.exists,
    names: Callable[[str], list[str]] = glob.glob,
) -> list[str]:
    """The files that the running processes were started with. Unclear where they are not named in full."""
    program = PROGRAMS[service]
    mains: list[str] = []
    for words, _started in processes:
        if service == "stunnel":
            named = [word for word in words[1:] if not word.startswith("-")][:1]
        else:
            named = [after for word, after in zip(words, words[1:]) if word == program.flag]
        # haproxy reads the files of a folder in their order.
        named = [item for name in named for item in (sorted(names(f"{name}/*.cfg")) or [name])]
        defaults = [name for name in program.mains if exists(name)][:1]
        # mosquitto alone needs no file, and then serves no TLS.
        if not named and not defaults and program.mains:
            raise Unclear(f"{service} was started without a file, and none is in {' or '.join(program.mains)}")
        for name in named or defaults:
            if not name.startswith("/"):
                raise Unclear(f"{service} was started with {name[:80]!r}, which is no full path")
            mains.append(name)
    return list(dict.fromkeys(mains))


def load(
    service: str, mains: Sequence[str], read_text: Callable[[str], str | None], names: Callable[[str], Iterable[str]]
) -> tuple[dict[str, str], Reading]:
    """(the texts of these files and of all that they include, by path; what they say). Unclear."""
    texts: dict[str, str] = {}
    asked: set[str] = set()
    wanted = list(mains)
    for _round in range(_ROUNDS):
        for path in wanted:
            text = read_text(path)
            if text is not None:
                if len(texts) >= _MAX_FILES:
                    raise Unclear("the configuration has too many files")
                texts[path] = text
        asked.update(wanted)
        reading = read(service, mains, texts)
        named = (path for pattern in dict.fromkeys(reading.patterns) for path in sorted(names(pattern)))
        wanted = [path for path in dict.fromkeys(named) if path not in asked]
        if not wanted:
            return texts, reading
    raise Unclear("files include each other too deeply")


def gather(service: str, mains: list[str]) -> tuple[dict[str, dict[str, Any]], Found]:
    """(path -> real, content, mode, modified; where it listens). Unclear, OSError."""
    files: dict[str, dict[str, Any]] = {}

    def read_text(path: str) -> str | None:
        if path not in files and os.path.isfile(path):
            files[path] = _file(path)
        return str(files[path]["content"]) if path in files else None

    _texts, reading = load(service, mains, read_text, glob.glob)
    return files, inspect(service, reading)


def _file(path: str) -> dict[str, Any]:
    with open(path, "rb") as handle:
        state = os.fstat(handle.fileno())
        data = handle.read(_MAX_FILE + 1)
    if len(data) > _MAX_FILE:
        raise Unclear(f"{path} is too long")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Unclear(f"{path} is not UTF-8") from None
    if "\0" in text:
        raise Unclear(f"{path} is no text")
    return {
        "real": os.path.realpath(path),
        "content": text,
        "mode": f"{stat.S_IMODE(state.st_mode):04o}",
        "modified": state.st_mtime,
    }
