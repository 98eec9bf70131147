# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate files of a gateway's services, whether their keys are kept safe; the last backup; the system."""

from __future__ import annotations

import base64
import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host, NotPermitted, NotSupported
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import pem_certificates
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.certificates import (
    Certificate,
    certificates,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.found import inspect
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.running import PROGRAMS, load, mains_of
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.settings import (
    SERVICES,
    Reading,
    Unclear,
    read,
)

_MAX_CHAIN = 10


@dataclass(frozen=True)
class Named:
    """A certificate that a configuration names, and the key beside it where it is a file of its own.

    problem: why the certificates of this configuration are not known, in the place of them
    """

    service: str
    role: str
    path: str
    key_path: str | None
    problem: str = ""


#: Where configurations lie that no running process was seen to have, and, without the first of them, their parts.
_PLACES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "nginx": (
        PROGRAMS["nginx"].mains,
        ("/etc/nginx/conf.d/**/*.conf", "/etc/nginx/sites-enabled/*", "/etc/nginx/http.d/*", "/etc/nginx/vhosts.d/*"),
    ),
    "apache": (
        PROGRAMS["apache"].mains,
        (
            *("/etc/apache2/sites-enabled/*", "/etc/apache2/conf-enabled/*", "/etc/apache2/mods-enabled/ssl.conf"),
            *("/etc/httpd/conf.d/*.conf", "/etc/apache2/conf.d/*.conf", "/etc/apache2/vhosts.d/*.conf"),
        ),
    ),
    "haproxy": (("/etc/haproxy/*.cfg", "/etc/haproxy/conf.d/*.cfg"), ()),
    "stunnel": (("/etc/stunnel/*.conf",), ()),
    "mosquitto": (("/etc/mosquitto/mosquitto.conf",), ("/etc/mosquitto/conf.d/*.conf",)),
}


@dataclass
class _Look:
    """One service's configuration, read through `host`; hidden: what may not be read of it."""

    host: Host
    hidden: list[str] = field(default_factory=list)

    def read(self, path: str) -> str | None:
        try:
            return self.host.read(path)
        except NotPermitted:
            self.hidden.append(path)
            return ""

    def names(self, pattern: str) -> list[str]:
        closed = self.host.closed_folder(pattern)
        if closed is not None:
            self.hidden.append(closed)
        if not glob.has_magic(pattern):
            return [pattern]
        try:
            return self.host.glob(pattern)
        except NotSupported:  # a recording that did not look there
            return []


def certificate_files(host: Host, options: dict[str, Any]) -> dict[str, Any]:
    """{"certificate_files": [{"path", "service", "role", "chain_der", "key_path", "key_safe", "key_detail"}]}."""
    named: dict[tuple[str, str], Named] = {}
    hidden: list[str] = []
    processes = _processes(host)
    for service in SERVICES:
        look = _Look(host)
        for entry in _named_by(service, look, processes.get(service, [])):
            for found in _expand(host, entry):
                named.setdefault((found.path, found.role), found)
        for path in dict.fromkeys(look.hidden):
            # In the place of the certificates that it names.
            named.setdefault((path, "server"), Named(service, "server", path, None))
        hidden += dict.fromkeys(look.hidden)
    for entry in options["certificate_files"]:
        found = Named("other", entry.get("role", "server"), entry["path"], entry.get("key_path"))
        named.setdefault((found.path, found.role), found)
    groups = _group_names(host)
    files = [_describe(host, entry, groups) for entry in named.values()]
    return {
        "certificate_files": files,
        "detail": f"not read (privileged login needed): {', '.join(hidden[:5])}" if hidden else "",
    }


def _processes(host: Host) -> dict[str, list[list[str]]]:
    """The command lines of the TLS services that run here, without containers' and workers'."""
    services = {process: service for service, program in PROGRAMS.items() for process in program.processes}
    found: dict[str, list[list[str]]] = {}
    here = host.descriptor("/proc/self/ns/mnt")
    for path in host.glob("/proc/[0-9]*/comm"):
        service = services.get((host.read(path) or "").strip())
        folder = path.rpartition("/")[0]
        if service is None or host.descriptor(f"{folder}/ns/mnt") not in (None, here):
            continue
        words = re.split(r"[\0 ]+", (host.read(f"{folder}/cmdline") or "").strip("\0 "))
        # Without its words (a recording that did not ask), nothing is known of a process.
        if words != [""] and words[:2] != ["nginx:", "worker"]:
            found.setdefault(service, []).append(words)
    return found


def _named_by(service: str, look: _Look, processes: list[list[str]]) -> list[Named]:
    """The certificates that a service's configuration names; where it runs with TLS and none is found, that."""
    mains: list[str] = []
    try:
        mains = mains_of(
            service, [(words, 0.0) for words in processes], lambda path: look.read(path) is not None, look.names
        )
        mains = mains or _unstarted(service, look)
        found: list[Certificate] = []
        # Each stunnel has its own file, whose first lines count for that file alone.
        for group in [[main] for main in mains] if service == "stunnel" else [mains]:
            texts, reading = load(service, group, look.read, look.names)
            shown = certificates(service, reading, group, texts)
            if not shown and processes and not look.hidden and _serves(service, reading):
                raise Unclear("it serves TLS, and the certificate that it shows was not found")
            found += shown
    except Unclear as problem:
        places = mains or PROGRAMS[service].mains or (f"/etc/{service}",)
        return [Named(service, "server", places[0], None, f"unclear: {problem}")]
    return [Named(service, entry.role, entry.path, entry.key_path) for entry in found]


def _unstarted(service: str, look: _Look) -> list[str]:
    """What is configured of a service that was not seen to run."""
    for patterns in _PLACES[service]:
        found = [path for pattern in patterns for path in look.names(pattern) if look.read(path) is not None]
        if found:
            return found if service in ("haproxy", "stunnel") or patterns is not _PLACES[service][0] else found[:1]
    return []


def _serves(service: str, reading: Reading) -> bool:
    """Whether it listens with TLS, by a certificate: mosquitto may have a common secret instead."""
    return bool(inspect(service, reading).endpoints) and not any(True for _item in reading.named("psk_hint"))


def parse_configuration(service: str, text: str) -> list[Named]:
    """The certificates that one configuration file names; none where it does not hold together."""
    try:
        reading = read(service, ["/configuration"], {"/configuration": text})
    except Unclear:
        return []
    found = certificates(service, reading, ["/configuration"], {"/configuration": text})
    return [Named(service, entry.role, entry.path, entry.key_path) for entry in found]


def _expand(host: Host, entry: Named) -> Iterator[Named]:
    """haproxy may name a folder of files."""
    if entry.service == "haproxy" and not entry.problem and host.state(entry.path + "/."):
        for path in host.glob(entry.path.rstrip("/") + "/*"):
            if not path.endswith((".key", ".issuer", ".ocsp", ".sctl", ".dh")):
                yield Named(entry.service, entry.role, path, None)
        return
    yield entry


def _describe(host: Host, entry: Named, groups: dict[int, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "path": entry.path,
        "service": entry.service,
        "role": entry.role,
        "chain_der": [],
        "key_path": entry.key_path,
        "key_safe": None,
        "key_detail": "",
        "detail": entry.problem,
    }
    if entry.problem:
        return found
    try:
        data = host.read_bytes(entry.path)
    except NotPermitted as problem:
        found["detail"] = str(problem)
        data = None
    else:
        if data is None:
            found["detail"] = "no such file"
    chain = pem_certificates(data or b"")
    if data and not chain:
        found["detail"] = "no certificate inside"
    found["chain_der"] = [base64.b64encode(der).decode("ascii") for der in chain[:_MAX_CHAIN]]
    key_path = entry.key_path
    if key_path is None and data and b"PRIVATE KEY-----" in data:
        key_path = found["key_path"] = entry.path
    if key_path is not None:
        found["key_safe"], found["key_detail"] = _key_state(host, key_path, groups)
    return found


def _key_state(host: Host, path: str, groups: dict[int, str]) -> tuple[bool | None, str]:
    state = host.state(path)
    if state is None:
        return None, "not seen"
    group = groups.get(state.gid, str(state.gid))
    return key_is_safe(state.mode, group), f"{state.mode:04o} owner {state.uid} group {group}"


def key_is_safe(mode: int, group: str) -> bool:
    """A private key is its owner's, at most readable by a group made for keys or for the service."""
    if mode & 0o037:
        return False
    return not mode & 0o040 or group not in ("users", "staff", "adm", "nogroup")


def _group_names(host: Host) -> dict[int, str]:
    found = {}
    for line in (host.read("/etc/group") or "").splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and fields[2].isdigit():
            found[int(fields[2])] = fields[0]
    return found


def config_backup(host: Host, options: dict[str, Any]) -> dict[str, Any]:
    """{"config_backup": {"made_at", "path"}}: the newest file among the patterns of `backup_paths`."""
    patterns = options["backup_paths"]
    if not patterns:
        raise NotSupported("no backup_paths given: name where this gateway's configuration backups lie")
    newest: tuple[float, str] | None = None
    for path in (path for pattern in patterns for path in host.glob(pattern)):
        state = host.state(path)
        if state is not None and state.size > 0 and (newest is None or state.modified > newest[0]):
            newest = (state.modified, path)
    closed = next((folder for folder in map(host.closed_folder, patterns) if folder is not None), None)
    if newest is None and closed is not None:
        raise NotPermitted(f"{closed} may be looked into by a privileged login only")
    if newest is None:
        return {"config_backup": {"made_at": None, "path": None}}
    return {"config_backup": {"made_at": iso(newest[0], "seconds"), "path": newest[1]}}


def system(host: Host, _options: dict[str, Any]) -> dict[str, Any]:
    """{"system": {"name", "kernel", "firmware"}}."""
    release = parse_os_release(host.read("/etc/os-release") or host.read("/usr/lib/os-release") or "")
    kernel = (host.read("/proc/sys/kernel/osrelease") or "").strip() or None
    firmware = None
    for path in ("/sys/class/dmi/id/bios_version", "/proc/device-tree/model", "/etc/firmware_version"):
        try:
            text = (host.read(path) or "").strip("\x00 \n")
        except NotPermitted:
            continue
        if text:
            firmware = text.splitlines()[0][:120]
            break
    return {"system": {"name": release, "kernel": kernel, "firmware": firmware}}


def parse_os_release(text: str) -> str | None:
    """PRETTY_NAME of an os-release file."""
    found = re.search(r"^PRETTY_NAME=(['\"]?)([^\r\n]*)\1[ \t]*\r?$", text, re.MULTILINE)
    return found[2][:120] if found else None
