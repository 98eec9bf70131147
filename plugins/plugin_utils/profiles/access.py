# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a device profile that access checks read: factory passwords, how a login looks, where one administers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.rules import (
    ProfileError,
    check_mapping,
    check_path,
    check_port,
    check_regex,
    one_of,
)

#: Every way to log in, and its usual port.
PORTS = {"ssh": 22, "http": 80, "https": 443, "telnet": 23, "ftp": 21}
#: Those that administer a device.
ADMIN_SERVICES = ("ssh", "http", "https", "telnet")
LOGINS = ("basic", "digest", "form")

_PATTERNS = {"telnet": ("login", "password", "accepted", "refused")}
_FORM = {"page", "path", "user", "password", "fields", "token", "accepted", "refused", "check", "logout"}


@dataclass(frozen=True)
class AccessRules:
    """What may be tried on one kind of device, and how.

    credentials: {"account", "password", "services"}
    services:    service -> what the profile says of it, checked
    admin:       {"service", and "port", "path", "login", "accepted", "refused" where given}
    """

    credentials: tuple[Mapping[str, Any], ...] = ()
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    admin: tuple[Mapping[str, Any], ...] = ()


def read_access(data: Mapping[str, Any], transport: str) -> AccessRules:
    """`transport`: the profile's own, which is meant where a factory password names no service."""
    services = data.get("access") or {}
    check_mapping("access", services, set(PORTS), set())
    for name, service in services.items():
        _check_service(f"access.{name}", name, service)
    own = "ssh" if transport == "openssh" else transport
    return AccessRules(
        credentials=_credentials(data.get("factory_credentials") or [], own, services),
        services=dict(services),
        admin=_admin(data.get("admin") or [], services),
    )


def _check_service(where: str, name: str, service: Any) -> None:
    patterns = _PATTERNS.get(name, ())
    known = {"port", "locked_out", *patterns, *(("path", "login", "form") if name in ("http", "https") else ())}
    check_mapping(where, service, known, set())
    check_port(f"{where}.port", service)
    for key in (*patterns, "locked_out"):
        if key in service:
            check_regex(f"{where}.{key}", service[key])
    if "path" in service:
        check_path(f"{where}.path", service["path"])
    if name not in ("http", "https"):
        return
    login = one_of(f"{where}.login", service.get("login", "basic"), LOGINS)
    if (login == "form") != ("form" in service):
        raise ProfileError(f"{where}.form: it is needed with login form, and with no other")
    if "form" in service:
        _check_form(f"{where}.form", service["form"])


def _check_form(where: str, form: Any) -> None:
    check_mapping(where, form, _FORM, {"path", "user", "password", "accepted", "refused"})
    for key in ("page", "path", "check", "logout"):
        if key in form:
            check_path(f"{where}.{key}", form[key])
    for key in ("user", "password"):
        _field(f"{where}.{key}", form[key])
    fields = form.get("fields") or {}
    if not isinstance(fields, Mapping) or not all(isinstance(text, str) for pair in fields.items() for text in pair):
        raise ProfileError(f"{where}.fields: names and texts are needed")
    if "token" in form:
        check_mapping(f"{where}.token", form["token"], {"field", "regex"}, {"field", "regex"})
        _field(f"{where}.token.field", form["token"]["field"])
        if "value" not in check_regex(f"{where}.token.regex", form["token"]["regex"]).groupindex:
            raise ProfileError(f"{where}.token.regex: the named group (?P<value>…) is needed")
    for key in ("accepted", "refused"):
        check_mapping(f"{where}.{key}", form[key], {"status", "regex"}, set())
        if not form[key]:
            raise ProfileError(f"{where}.{key}: status, regex or both are needed")
        _check_answer(f"{where}.{key}", form[key])
    if form["accepted"] == form["refused"]:
        raise ProfileError(f"{where}.accepted: it says the same as refused")


def _check_answer(where: str, answer: Mapping[str, Any]) -> None:
    status = answer.get("status", [200])
    if (
        not isinstance(status, list)
        or not status
        or not all(isinstance(code, int) and not isinstance(code, bool) and 200 <= code <= 599 for code in status)
    ):
        raise ProfileError(f"{where}.status: a list of HTTP status codes is needed")
    if "regex" in answer:
        check_regex(f"{where}.regex", answer["regex"])


def _field(where: str, name: Any) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[!-~]{1,100}", name):
        raise ProfileError(f"{where}: the name of a field is needed")


def _credentials(entries: Any, own: str, services: Mapping[str, Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(entries, list):
        raise ProfileError("factory_credentials: a list is needed")
    read = []
    for position, entry in enumerate(entries):
        where = f"factory_credentials[{position}]"
        if not isinstance(entry, Mapping) or set(entry) - {"account", "password", "services"}:
            # What stands in an entry is never shown: a slip of the pen may have put the password anywhere.
            raise ProfileError(f"{where}: account, password and services are known, and nothing else")
        for key in ("account", "password"):
            if key not in entry:
                raise ProfileError(f"{where}.{key}: missing")
            # YAML reads 0123 as 83 and no as false: only what stands in quotes is sure to be what was written.
            if not isinstance(entry[key], str) or not (entry[key] + "x").isprintable() or len(entry[key]) > 256:
                raise ProfileError(f"{where}.{key}: a text in quotes is needed, of characters that can be typed")
        if not entry["account"]:
            raise ProfileError(f"{where}.account: a name is needed")
        names = entry.get("services", [own])
        if not isinstance(names, list) or not names:
            raise ProfileError(f"{where}.services: a list is needed")
        for name in names:
            one_of(f"{where}.services", name, tuple(PORTS))
        read.append(
            {"account": entry["account"], "password": entry["password"], "services": tuple(dict.fromkeys(names))}
        )
    return tuple(read)


def _admin(entries: Any, services: Mapping[str, Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(entries, list):
        raise ProfileError("admin: a list is needed")
    for position, entry in enumerate(entries):
        where = f"admin[{position}]"
        check_mapping(where, entry, {"service", "port", "path", "login", "accepted", "refused"}, {"service"})
        service = one_of(f"{where}.service", entry["service"], ADMIN_SERVICES)
        check_port(f"{where}.port", entry)
        if service in ("ssh", "telnet"):
            if set(entry) - {"service", "port"}:
                raise ProfileError(f"{where}: a shell has service and port alone")
            continue
        # A page is known by what it shows: a status alone would take any page for the administration.
        check_mapping(where, entry, set(entry), {"path", "accepted"})
        check_path(f"{where}.path", entry["path"])
        login = one_of(f"{where}.login", entry.get("login", services.get(service, {}).get("login", "basic")), LOGINS)
        if login == "form" and "form" not in services.get(service, {}):
            raise ProfileError(f"{where}.login: form needs access.{service}.form")
        check_mapping(f"{where}.accepted", entry["accepted"], {"regex"}, {"regex"})
        check_mapping(f"{where}.refused", entry.get("refused") or {}, {"status", "regex"}, set())
        for key in ("accepted", "refused"):
            _check_answer(f"{where}.{key}", entry.get(key) or {})
    return tuple(entries)
