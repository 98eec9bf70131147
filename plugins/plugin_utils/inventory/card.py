# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device card: what the inventory says of one device, checked, as one plain dictionary.

A card is made for every device, also where a variable is wrong: its `invalid` then holds one sentence that names the
variable and the way out, the device is skipped for that reason, and its neighbours are visited.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.services import KNOWN_SERVICES
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import peer_key
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.fingerprints import plain_fingerprint
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text, parse_limit

CRITICALITIES = ("critical", "high", "medium", "low")
HTTP_METHODS = ("GET", "HEAD")

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?|[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?")
_NAME = re.compile(r"(\*\.)?[^\s/\\:@\x00-\x1f\x7f]{1,253}")
_PATH = re.compile(r"/[!-~]{0,255}")

_LOGIN_SECRETS = ("password", "enable_password", "token")


class Variables(Protocol):
    """A mapping, or what reads one host's variables one by one."""

    def get(self, key: str, /) -> Any:
        """The value, None where there is none."""


class CardError(ValueError):
    """One variable that can't be used; the text names it and says what would do."""


def device_card(name: str, variables: Variables) -> dict[str, Any]:
    """The card of an inventory host, from its documented host variables (docs/examples/inventory). Never raises.

    `device_address` defaults to `ansible_host`, and that to the inventory name.
    """

    def read(key: str) -> Any:
        value = _read(variables, _LABELS[key])
        if key == "address" and value is None:
            value = _read(variables, "ansible_host")
            return name if value is None else value
        return value

    return _card(name, read, _LABELS, _recorded_consent)


def card_from_dictionary(device: Mapping[str, Any]) -> dict[str, Any]:
    """The card of a device that was given as a dictionary. Never raises for a wrong value."""
    labels = {key: key for key in _LABELS}
    return _card(str(device.get("name")), lambda key: _read(device, key), labels, _flag)


#: card key -> host variable
_HOST_VARIABLES = {
    "address": "device_address",
    "names": "device_names",
    "endpoints": "device_endpoints",
    "ports": "device_ports_watch",
    "ports_allowed": "device_ports_allowed",
    "peers": "device_peers",
    "consent": "device_probe_consent",
    "sntp": "device_sntp",
    "class": "device_class",
    "criticality": "device_criticality",
    "service": "device_service",
    "inventory_number": "device_inventory_number",
    "vantage": "device_vantage",
    "profile": "device_profile",
    "time_zone": "device_time_zone",
    "ntp_servers": "device_ntp_servers",
    "in_use": "device_in_use",
    "vendor_limits": "device_vendor_limits",
    "accounts": "device_accounts",
    "trust_anchors_sha256": "device_trust_anchors_sha256",
}
#: The same, and what Ansible itself says of a host.
_LABELS = {**_HOST_VARIABLES, "groups": "group_names"}


def _read(variables: Variables, key: str) -> Any:
    try:
        return variables.get(key)
    except Exception as error:
        raise CardError(f"cannot be read: {error}") from None


def _card(
    name: str,
    read: Callable[[str], Any],
    labels: Mapping[str, str],
    check_consent: Callable[[Any], bool],
) -> dict[str, Any]:
    problems: list[str] = []

    def take(key: str, check: Callable[[Any], Any], default: Any) -> Any:
        try:
            value = read(key)
            return default if value is None else check(value)
        except CardError as error:
            text = str(error)
            problems.append(f"{labels[key]}{text if text.startswith(('[', '.')) else ': ' + text}")
            return default

    card: dict[str, Any] = {
        "name": name,
        "address": take("address", _address, None),
        "names": take("names", _names, []),
        "endpoints": take("endpoints", _endpoints, []),
        "ports": take("ports", _ports, []),
        "ports_allowed": take("ports_allowed", lambda value: [port["port"] for port in _ports(value)], None),
        "peers": take("peers", _peers, []),
        "consent": take("consent", check_consent, False),
        "sntp": take("sntp", _flag, False),
        "class": take("class", _text, None),
        "criticality": take("criticality", _criticality, None),
        "service": take("service", _text, None),
        "inventory_number": take("inventory_number", _text, None),
        "vantage": take("vantage", _text, "localhost"),
        "profile": take("profile", _text, None),
        "time_zone": take("time_zone", _text, None),
        "ntp_servers": take("ntp_servers", lambda value: [_address(entry) for entry in _list(value)], []),
        "in_use": take("in_use", _flag, None),
        "vendor_limits": take("vendor_limits", _vendor_limits, {}),
        "accounts": take("accounts", _accounts, None),
        "trust_anchors_sha256": take("trust_anchors_sha256", _fingerprints, []),
        "groups": take("groups", lambda value: [_text(entry) for entry in _list(value)], []),
        "invalid": None,
    }
    if card["address"] is None and not problems:
        problems.append(f"{labels['address']}: missing; give the address that the device answers on")
    if problems:
        card["invalid"] = "; ".join(problems)
    return card


def login_card(variables: Variables) -> dict[str, Any]:
    """How to log in on a device, from `device_login`, `device_login_port`, `device_ssh_host_key`, …. Never raises.

    `secrets` (password, enable_password, token) stand apart: they go where nothing is logged.
    """
    card: dict[str, Any] = {
        "user": None,
        "private_key_file": None,
        "secrets": {},
        **reach_card(variables),
    }
    try:
        try:
            login = _read(variables, "device_login") or {}
        except CardError:
            raise CardError("it cannot be read: is a variable in it undefined, or its vault closed?") from None
        if not isinstance(login, Mapping) or set(login) - {*_LOGIN_SECRETS, "user", "private_key_file"}:
            raise CardError("user, and password, private_key_file, enable_password or token are needed")
        card["user"] = _login_text(login, "user")
        card["private_key_file"] = _login_text(login, "private_key_file")
        texts = {key: _login_text(login, key) for key in _LOGIN_SECRETS}
        card["secrets"] = {key: text for key, text in texts.items() if text is not None}
    except CardError as error:
        # What stands in a login is never shown, whatever is wrong with it.
        card["invalid"] = f"device_login: {error}"
    return card


def reach_card(variables: Variables) -> dict[str, Any]:
    """How a device that one logs in on is reached and known: {"port", "host_key", "pin", "exception", "invalid"}."""
    card: dict[str, Any] = {"port": None, "host_key": None, "pin": None, "exception": None, "invalid": None}
    for key, variable, check in (
        ("port", "device_login_port", _port),
        ("host_key", "device_ssh_host_key", _text),
        ("pin", "device_login_pin", _pin),
        ("exception", "device_login_exception", _text),
    ):
        try:
            value = _read(variables, variable)
            card[key] = None if value is None else check(value)
        except CardError as error:
            card["invalid"] = f"{variable}: {error}"
    return card


def clinical_login(variables: Variables) -> dict[str, Any]:
    """The account that carers work with, from `device_clinical_login`: {"user", "password", "invalid"}. Never raises.

    Both are None where it is not given. What stands in it is never shown.
    """
    card: dict[str, Any] = {"user": None, "password": None, "invalid": None}
    try:
        try:
            login = _read(variables, "device_clinical_login")
        except CardError:
            raise CardError("it cannot be read: is a variable in it undefined, or its vault closed?") from None
        if login is None:
            return card
        if not isinstance(login, Mapping) or set(login) - {"user", "password"}:
            raise CardError("user and password are needed")
        texts = {key: _login_text(login, key) for key in ("user", "password")}
        for key, text in texts.items():
            if text is None or not (text + "x").isprintable() or (key == "user" and not text):
                raise CardError(f"{key} is missing, or holds a character that cannot be typed")
        card.update(texts)
    except CardError as error:
        card["invalid"] = f"device_clinical_login: {error}"
    return card


def _login_text(login: Mapping[str, Any], key: str) -> str | None:
    try:
        value = login.get(key)
    except Exception:  # a template with an undefined variable, a vault without its password: the text may hold secrets
        raise CardError(f"{key} cannot be read: is a variable in it undefined, or its vault closed?") from None
    if isinstance(value, (list, tuple, Mapping)):
        raise CardError(f"{key} must be a text")
    return None if value is None else str(value)


def _pin(value: Any) -> str:
    text = str(value).replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise CardError(f"the SHA-256 of the device's certificate in hexadecimal is needed, not {_show(value)}")
    return text


def _list(value: Any) -> Sequence[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
        raise CardError(f"a list is needed, not {_show(value)}")
    return value


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple, Mapping)):
        raise CardError(f"a text is needed, not {_show(value)}")
    return str(value)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "yes", "on", "1"):
        return True
    if str(value).lower() in ("false", "no", "off", "0"):
        return False
    raise CardError(f"true or false is needed, not {_show(value)}")


def _address(value: Any) -> str:
    text = _text(value).strip()
    if not _HOST.fullmatch(text):
        raise CardError(f"an IPv4 or IPv6 address or a host name is needed, not {_show(value)}")
    return text


def _names(value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else list(_list(value))
    for position, name in enumerate(names):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise CardError(f"[{position}]: a host name is needed, not {_show(name)}")
    return [str(name) for name in names]


def _port(value: Any) -> int:
    try:
        port = int(str(value))
    except ValueError:
        port = 0
    if not 1 <= port <= 65535 or isinstance(value, bool):
        raise CardError(f"a TCP port from 1 to 65535 is needed, not {_show(value)}")
    return port


def _at(position: int, key: str, check: Callable[[Any], Any], value: Any) -> Any:
    try:
        return check(value)
    except CardError as error:
        raise CardError(f"[{position}].{key}: {error}") from None


def _service(value: Any) -> str:
    if value not in KNOWN_SERVICES:
        raise CardError(f"unknown service {_show(value)}; use one of {', '.join(KNOWN_SERVICES)}")
    return str(value)


def _http(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or set(value) - {"method", "path"}:
        raise CardError(f"method and path are needed, not {_show(value)}")
    method, path = str(value.get("method", "GET")).upper(), str(value.get("path", "/"))
    if method not in HTTP_METHODS:
        raise CardError(f"the method can be {' or '.join(HTTP_METHODS)}, not {_show(method)}")
    if not _PATH.fullmatch(path):
        raise CardError(f"the path begins with / and holds plain ASCII without spaces, not {_show(path)}")
    return {"method": method, "path": path}


def _mapping(position: int, value: Any, known: set[str], needed: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CardError(f"[{position}]: a dictionary with {', '.join(sorted(needed))} is needed, not {_show(value)}")
    unknown, missing = set(value) - known, needed - set(value)
    if unknown:
        raise CardError(
            f"[{position}]: unknown key {_show(sorted(map(str, unknown))[0])}; known: {', '.join(sorted(known))}"
        )
    if missing:
        raise CardError(f"[{position}]: {sorted(missing)[0]} is missing")
    return value


def _endpoints(value: Any) -> list[dict[str, Any]]:
    endpoints: list[dict[str, Any]] = []
    for position, entry in enumerate(_list(value)):
        entry = _mapping(position, entry, {"port", "service", "http"}, {"port", "service"})
        endpoint = {
            "port": _at(position, "port", _port, entry["port"]),
            "service": _at(position, "service", _service, entry["service"]),
        }
        if entry.get("http") is not None:
            endpoint["http"] = _at(position, "http", _http, entry["http"])
        if any(endpoint["port"] == other["port"] for other in endpoints):
            raise CardError(f"[{position}].port: {endpoint['port']} is declared twice")
        endpoints.append(endpoint)
    return endpoints


def _ports(value: Any) -> list[dict[str, Any]]:
    ports = []
    for position, entry in enumerate(_list(value)):
        if isinstance(entry, Mapping):
            entry = _mapping(position, entry, {"port", "service"}, {"port"})
            service = entry.get("service")
            ports.append(
                {
                    "port": _at(position, "port", _port, entry["port"]),
                    "service": None if service is None else _at(position, "service", _text, service),
                }
            )
        else:
            try:
                ports.append({"port": _port(entry), "service": None})
            except CardError as error:
                raise CardError(f"[{position}]: {error}") from None
    return ports


def _peers(value: Any) -> list[dict[str, Any]]:
    peers = []
    for position, entry in enumerate(_list(value)):
        entry = _mapping(position, entry, {"address", "port", "service", "names", "http"}, {"address", "port"})
        peer = {
            "address": _at(position, "address", _address, entry["address"]),
            "port": _at(position, "port", _port, entry["port"]),
            "service": _at(position, "service", _service, entry.get("service", "tls")),
            "names": _at(position, "names", _names, entry.get("names") or []),
        }
        if entry.get("http") is not None:
            peer["http"] = _at(position, "http", _http, entry["http"])
        peers.append(peer)
    return peers


def _recorded_consent(value: Any) -> bool:
    """A record says who agreed and when; a bare `true` is nobody's consent."""
    if value is False or value == "" or value == {}:
        return False
    # YAML 1.1 reads an unquoted `on` as true, as the key of a mapping too.
    if isinstance(value, Mapping) and value.get("by") and (value.get("on") or value.get(True)):
        return True
    raise CardError(f"who agreed and when is needed, as {{by: …, on: 2026-01-31, reference: …}}, not {_show(value)}")


def _criticality(value: Any) -> str:
    if value not in CRITICALITIES:
        raise CardError(f"one of {', '.join(CRITICALITIES)} is needed, not {_show(value)}")
    return str(value)


def _vendor_limits(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(check): _text(text) for check, text in value.items()}
    return {str(check): "" for check in _list(value)}


def _accounts(value: Any) -> list[dict[str, Any]]:
    """Who may have an account on the device; one without `until` has no end."""
    accounts = []
    for position, entry in enumerate(_list(value)):
        entry = _mapping(position, entry, {"name", "until", "owner"}, {"name"})
        name, until, owner = entry["name"], entry.get("until"), entry.get("owner")
        if not isinstance(name, str) or not name:
            raise CardError(f"[{position}].name: a text is needed, not {_show(name)}")
        moment = None if until is None else parse_limit(until, end_of_day=True)
        if until is not None and moment is None:
            raise CardError(f"[{position}].until: a date such as 2027-06-30 is needed, not {_show(until)}")
        accounts.append(
            {
                "name": str(name),
                "until": None if moment is None else instant_text(moment),
                "owner": None if owner is None else _at(position, "owner", _text, owner),
            }
        )
    return accounts


def _fingerprints(value: Any) -> list[str]:
    found = []
    for position, entry in enumerate([value] if isinstance(value, str) else _list(value)):
        fingerprint = plain_fingerprint(entry)
        if fingerprint is None:
            raise CardError(f"[{position}]: a SHA-256 of 64 hexadecimal digits is needed, not {_show(entry)}")
        found.append(fingerprint)
    return found


def distinct_peers(cards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The servers that consenting devices talk to, each once, as cards; names of all who declare it are joined."""
    peers: dict[str, dict[str, Any]] = {}
    for card in cards:
        if not card["consent"] or card["invalid"]:
            continue
        for peer in card["peers"]:
            known = peers.setdefault(
                peer_key(peer),
                {
                    "name": peer_key(peer),
                    "address": peer["address"],
                    "names": [],
                    "endpoints": [{key: peer[key] for key in ("port", "service", "http") if key in peer}],
                    "ports": [],
                    "peers": [],
                    "consent": True,
                    "sntp": False,
                    "invalid": None,
                },
            )
            known["names"] += [name for name in peer["names"] if name not in known["names"]]
    return list(peers.values())
