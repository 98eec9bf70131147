# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to log in on a device, as the inventory says it: what is secret stands apart, and is never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory import fields
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.fields import CardError, Variables

_LOGIN_SECRETS = ("password", "enable_password", "token")


def login_card(variables: Variables) -> dict[str, Any]:
    """How to log in on a device, from `device_login`, `device_login_port`, `device_ssh_host_key`, …. Never raises.

    `secrets` (password, enable_password, token) stand apart: they go where nothing is logged.
    """
    card: dict[str, Any] = {"user": None, "private_key_file": None, "secrets": {}, **reach_card(variables)}
    try:
        try:
            login = fields.read_variable(variables, "device_login") or {}
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
        ("port", "device_login_port", fields.as_port),
        ("host_key", "device_ssh_host_key", fields.as_text),
        ("pin", "device_login_pin", _pin),
        ("exception", "device_login_exception", fields.as_text),
    ):
        try:
            value = fields.read_variable(variables, variable)
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
            login = fields.read_variable(variables, "device_clinical_login")
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
        raise CardError(f"the SHA-256 of the device's certificate in hexadecimal is needed, not {fields.shown(value)}")
    return text
