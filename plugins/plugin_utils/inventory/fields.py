# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One field of what the inventory says, checked: a value in, the same value in one shape out.

Each raises `CardError` with a sentence that says what would do; in a list it begins with the place, `[0].port: …`.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.addresses import why_no_device
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.services import DIRECT_TLS, KNOWN_SERVICES
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.fingerprints import plain_fingerprint
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text, parse_limit

CRITICALITIES = ("critical", "high", "medium", "low")
HTTP_METHODS = ("GET", "HEAD")

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?")
#: host:port, [address]:port and [address]; an IPv6 address has two colons.
_WITH_PORT = re.compile(r"[^:\[\]]*:[^:]*|\[.*\](:.*)?")
_NAME = re.compile(r"(\*\.)?[^\s/\\:@\x00-\x1f\x7f]{1,253}")
_PATH = re.compile(r"/[!-~]{0,255}")


class Variables(Protocol):
    """A mapping, or what reads one host's variables one by one."""

    def get(self, key: str, /) -> Any:
        """The value, None where there is none."""


class CardError(ValueError):
    """One variable that can't be used; the text names it and says what would do."""


def read_variable(variables: Variables, key: str) -> Any:
    """The value, None where there is none. A template or a vault that fails is a `CardError`."""
    try:
        return variables.get(key)
    except Exception as error:
        raise CardError(f"cannot be read: {error}") from None


def as_list(value: Any) -> Sequence[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
        raise CardError(f"a list is needed, not {shown(value)}")
    return value


def shown(value: Any) -> str:
    """A value as a sentence quotes it: short."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def as_text(value: Any) -> str:
    if isinstance(value, (list, tuple, Mapping)):
        raise CardError(f"a text is needed, not {shown(value)}")
    return str(value)


def as_flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "yes", "on", "1"):
        return True
    if str(value).lower() in ("false", "no", "off", "0"):
        return False
    raise CardError(f"true or false is needed, not {shown(value)}")


def meant(word: Any, known: Iterable[str]) -> str:
    """The known word that was perhaps meant, else all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(str(word).lower(), known, n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"


def as_address(value: Any) -> str:
    if not isinstance(value, str):
        raise CardError(f"an IPv4 or IPv6 address or a host name is needed as text, not {shown(value)}")
    text = value.strip()
    if "/" in text or "@" in text or _WITH_PORT.fullmatch(text):
        raise CardError(
            f"the address or the host name alone is needed, not {shown(value)}: "
            "no scheme, path, user or network size, and ports belong into device_endpoints"
        )
    if not _HOST.fullmatch(text) or ".." in text or not _is_whole(text):
        raise CardError(f"an IPv4 or IPv6 address or a host name is needed, not {shown(value)}")
    problem = why_no_device(text)
    if problem:
        raise CardError(f"{shown(value)} is no device's address: {problem}")
    return text


def _is_whole(text: str) -> bool:
    """Whether what has a colon is an IPv6 address."""
    try:
        return ":" not in text or bool(ipaddress.IPv6Address(text.partition("%")[0]))
    except ValueError:
        return False


def as_names(value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else list(as_list(value))
    for position, name in enumerate(names):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise CardError(f"[{position}]: a host name is needed, not {shown(name)}")
    return [str(name) for name in names]


def as_port(value: Any) -> int:
    try:
        port = int(str(value))
    except ValueError:
        port = 0
    if not 1 <= port <= 65535 or isinstance(value, bool):
        raise CardError(f"a TCP port from 1 to 65535 is needed, not {shown(value)}")
    return port


def _at(position: int, key: str, check: Callable[[Any], Any], value: Any) -> Any:
    try:
        return check(value)
    except CardError as error:
        raise CardError(f"[{position}].{key}: {error}") from None


def _as_service(value: Any) -> str:
    if value not in KNOWN_SERVICES:
        close = difflib.get_close_matches(str(value).lower(), KNOWN_SERVICES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise CardError(f"unknown service {shown(value)}; use one of {', '.join(KNOWN_SERVICES)}{hint}")
    return str(value)


def _as_http(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or set(value) - {"method", "path"}:
        raise CardError(f"method and path are needed, not {shown(value)}")
    method, path = str(value.get("method", "GET")).upper(), str(value.get("path", "/"))
    if method not in HTTP_METHODS:
        raise CardError(f"the method can be {' or '.join(HTTP_METHODS)}, not {shown(method)}")
    if not _PATH.fullmatch(path):
        raise CardError(f"the path begins with / and holds plain ASCII without spaces, not {shown(path)}")
    return {"method": method, "path": path}


def _mapping(position: int, value: Any, known: set[str], needed: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CardError(f"[{position}]: a dictionary with {', '.join(sorted(needed))} is needed, not {shown(value)}")
    unknown, missing = set(value) - known, needed - set(value)
    if unknown:
        word = sorted(map(str, unknown))[0]
        raise CardError(f"[{position}]: unknown key {shown(word)}; {meant(word, known)}")
    if missing:
        raise CardError(f"[{position}]: {sorted(missing)[0]} is missing")
    return value


def as_endpoints(value: Any) -> list[dict[str, Any]]:
    endpoints: list[dict[str, Any]] = []
    for position, entry in enumerate(as_list(value)):
        entry = _mapping(position, entry, {"port", "service", "http"}, {"port", "service"})
        endpoint = {
            "port": _at(position, "port", as_port, entry["port"]),
            "service": _at(position, "service", _as_service, entry["service"]),
        }
        if entry.get("http") is not None:
            endpoint["http"] = _at(position, "http", _as_http, entry["http"])
        shared = next((other for other in endpoints if other["port"] == endpoint["port"]), None)
        if shared is None:
            endpoints.append(endpoint)
        else:
            _share_port(position, shared, endpoint)
    return endpoints


def _share_port(position: int, endpoint: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Two services on one port, as HTTPS and DICOMweb of an archive, are one endpoint with two names.

    They are spoken over the same TLS; what is said before TLS cannot differ.
    """
    services = endpoint.get("services", [endpoint["service"]])
    if not {*services, other["service"]} <= set(DIRECT_TLS):
        raise CardError(
            f"[{position}].port: {other['port']} is declared twice, and not every service there begins with TLS"
        )
    if other["service"] not in services:
        endpoint["services"] = [*services, other["service"]]
    if "http" in other:
        endpoint.setdefault("http", other["http"])


def as_ports(value: Any) -> list[dict[str, Any]]:
    ports = []
    for position, entry in enumerate(as_list(value)):
        if isinstance(entry, Mapping):
            entry = _mapping(position, entry, {"port", "service"}, {"port"})
            service = entry.get("service")
            ports.append(
                {
                    "port": _at(position, "port", as_port, entry["port"]),
                    "service": None if service is None else _at(position, "service", as_text, service),
                }
            )
        else:
            try:
                ports.append({"port": as_port(entry), "service": None})
            except CardError as error:
                raise CardError(f"[{position}]: {error}") from None
    return ports


def as_peers(value: Any) -> list[dict[str, Any]]:
    peers = []
    for position, entry in enumerate(as_list(value)):
        entry = _mapping(position, entry, {"address", "port", "service", "names", "http"}, {"address", "port"})
        peer = {
            "address": _at(position, "address", as_address, entry["address"]),
            "port": _at(position, "port", as_port, entry["port"]),
            "service": _at(position, "service", _as_service, entry.get("service", "tls")),
            "names": _at(position, "names", as_names, entry.get("names") or []),
        }
        if entry.get("http") is not None:
            peer["http"] = _at(position, "http", _as_http, entry["http"])
        peers.append(peer)
    return peers


def as_criticality(value: Any) -> str:
    if value not in CRITICALITIES:
        raise CardError(f"one of {', '.join(CRITICALITIES)} is needed, not {shown(value)}")
    return str(value)


def as_vendor_limits(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(check): as_text(text) for check, text in value.items()}
    return {str(check): "" for check in as_list(value)}


def as_accounts(value: Any) -> list[dict[str, Any]]:
    """Who may have an account on the device; one without `until` has no end."""
    accounts = []
    for position, entry in enumerate(as_list(value)):
        entry = _mapping(position, entry, {"name", "until", "owner"}, {"name"})
        name, until, owner = entry["name"], entry.get("until"), entry.get("owner")
        if not isinstance(name, str) or not name:
            raise CardError(f"[{position}].name: a text is needed, not {shown(name)}")
        moment = None if until is None else parse_limit(until, end_of_day=True)
        if until is not None and moment is None:
            raise CardError(f"[{position}].until: a date such as 2027-06-30 is needed, not {shown(until)}")
        accounts.append(
            {
                "name": str(name),
                "until": None if moment is None else instant_text(moment),
                "owner": None if owner is None else _at(position, "owner", as_text, owner),
            }
        )
    return accounts


def as_fingerprints(value: Any) -> list[str]:
    found = []
    for position, entry in enumerate([value] if isinstance(value, str) else as_list(value)):
        fingerprint = plain_fingerprint(entry)
        if fingerprint is None:
            raise CardError(f"[{position}]: a SHA-256 of 64 hexadecimal digits is needed, not {shown(entry)}")
        found.append(fingerprint)
    return found
