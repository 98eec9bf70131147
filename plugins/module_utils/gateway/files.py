# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate files of a gateway's services, whether their keys are kept safe; the last backup; the system."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host, NotPermitted, NotSupported
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import pem_certificates

_MAX_CHAIN = 10


@dataclass(frozen=True)
class Named:
    """A certificate that a configuration names, and the key beside it where it is a file of its own."""

    service: str
    role: str
    path: str
    key_path: str | None


#: service -> where its configuration lies
_CONFIGURATIONS = {
    "nginx": ("/etc/nginx/nginx.conf", "/etc/nginx/conf.d/**/*.conf", "/etc/nginx/sites-enabled/*"),
    "apache": (
        "/etc/apache2/sites-enabled/*",
        "/etc/apache2/conf-enabled/*",
        "/etc/apache2/mods-enabled/ssl.conf",
        "/etc/httpd/conf/*.conf",
        "/etc/httpd/conf.d/*.conf",
    ),
    "haproxy": ("/etc/haproxy/*.cfg",),
    "stunnel": ("/etc/stunnel/*.conf",),
    "mosquitto": ("/etc/mosquitto/mosquitto.conf", "/etc/mosquitto/conf.d/*.conf"),
}


def certificate_files(host: Host, options: dict[str, Any]) -> dict[str, Any]:
    """{"certificate_files": [{"path", "service", "role", "chain_der", "key_path", "key_safe", "key_detail"}]}."""
    named: dict[tuple[str, str], Named] = {}
    hidden: list[str] = []
    for service, patterns in _CONFIGURATIONS.items():
        closed = [folder for folder in map(host.closed_folder, patterns) if folder is not None]
        for path in dict.fromkeys(path for pattern in patterns for path in (*host.glob(pattern), *closed)):
            try:
                if path in closed:
                    raise NotPermitted(f"{path} may be looked into by a privileged login only")
                text = host.read(path)
            except NotPermitted:
                hidden.append(path)
                # In the place of the certificates that it names.
                named[(path, "server")] = Named(service, "server", path, None)
                continue
            for entry in parse_configuration(service, text or ""):
                for found in _expand(host, entry):
                    named.setdefault((found.path, found.role), found)
    for entry in options["certificate_files"]:
        found = Named("other", entry.get("role", "server"), entry["path"], entry.get("key_path"))
        named.setdefault((found.path, found.role), found)
    groups = _group_names(host)
    files = [_describe(host, entry, groups) for entry in named.values()]
    return {
        "certificate_files": files,
        "detail": f"not read (privileged login needed): {', '.join(hidden[:5])}" if hidden else "",
    }


def parse_configuration(service: str, text: str) -> list[Named]:
    """The certificates that one configuration file names."""
    return list(_PARSERS[service](text))


def _nginx(text: str) -> Iterator[Named]:
    plain = re.sub("#.*", "", text)

    def values(directive: str) -> list[str]:
        return re.findall(rf"(?:^|[;{{}}])[ \t]*{directive}[ \t]+([^;\n]{{1,500}});", plain, re.MULTILINE)

    # The key that belongs to a certificate is the one of the same block; nginx wants them in the same order.
    yield from _pairs("nginx", "server", values("ssl_certificate"), values("ssl_certificate_key"))
    yield from _pairs("nginx", "client", values("proxy_ssl_certificate"), values("proxy_ssl_certificate_key"))


def _apache(text: str) -> Iterator[Named]:
    def values(directive: str) -> list[str]:
        return re.findall(rf"^[ \t]*{directive}[ \t]+(\S+)", text, re.MULTILINE | re.IGNORECASE)

    yield from _pairs("apache", "server", values("SSLCertificateFile"), values("SSLCertificateKeyFile"))
    yield from _pairs("apache", "client", values("SSLProxyMachineCertificateFile"), [])


def _haproxy(text: str) -> Iterator[Named]:
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        role = "server" if words[:1] == ["bind"] else "client"
        for position, word in enumerate(words[:-1]):
            if word == "crt":
                yield Named("haproxy", role, words[position + 1], None)


def _stunnel(text: str) -> Iterator[Named]:
    section: dict[str, str] = {}
    defaults: dict[str, str] = {}
    current = defaults

    def named(values: dict[str, str]) -> Iterator[Named]:
        if "cert" in values:
            role = "client" if values.get("client", "no").lower() == "yes" else "server"
            yield Named("stunnel", role, values["cert"], values.get("key"))

    sections = []
    for line in text.splitlines():
        line = line.split(";", 1)[0].split("#", 1)[0].strip()
        if line.startswith("[") and line.endswith("]"):
            section = {}
            sections.append(section)
            current = section
        elif "=" in line:
            key, _equals, value = line.partition("=")
            current[key.strip()] = value.strip()
    for values in sections or [{}]:
        yield from named({**defaults, **values})


def _mosquitto(text: str) -> Iterator[Named]:
    def values(option: str) -> list[str]:
        return re.findall(rf"^[ \t]*{option}[ \t]+(.+)$", text, re.MULTILINE)

    yield from _pairs("mosquitto", "server", values("certfile"), values("keyfile"))
    yield from _pairs("mosquitto", "client", values("bridge_certfile"), values("bridge_keyfile"))


_PARSERS = {"nginx": _nginx, "apache": _apache, "haproxy": _haproxy, "stunnel": _stunnel, "mosquitto": _mosquitto}


def _pairs(service: str, role: str, certificates: list[str], keys: list[str]) -> Iterator[Named]:
    for position, path in enumerate(certificates):
        key = keys[position] if position < len(keys) else None
        yield Named(service, role, path.strip().strip("\"'"), key.strip().strip("\"'") if key else None)


def _expand(host: Host, entry: Named) -> Iterator[Named]:
    """haproxy may name a folder of files."""
    if entry.service == "haproxy" and not host.state(entry.path + "/."):
        yield entry
        return
    if entry.service == "haproxy":
        for path in host.glob(entry.path.rstrip("/") + "/*.pem"):
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
        "detail": "",
    }
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
    found = re.search(r"^PRETTY_NAME=(['\"]?)(.*)\1[ \t]*$", text, re.MULTILINE)
    return found[2][:120] if found else None
