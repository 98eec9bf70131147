# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How one device without Python is reached and asked: from its card, its login and its profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.fields import Variables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.login import login_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import NotAsked
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import Profile
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile_book import ProfileBook
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.rules import ProfileError

_DEFAULT_PORTS = {"ssh": 22, "openssh": 22, "http": 80, "https": 443}


@dataclass(frozen=True)
class DevicePlan:
    """One device that is to be asked. `task` is what the vantage is told; `secrets` go apart."""

    profile: Profile
    task: dict[str, Any]
    secrets: dict[str, str]


def device_plan(
    card: Mapping[str, Any],
    variables: Variables,
    book: ProfileBook,
    known_hosts: str | None,
    recorded: Mapping[str, Any] | None = None,
) -> DevicePlan:
    """How one device is asked; NotAsked when it is not. `recorded`: answers that stand for asking."""
    if card["invalid"]:
        raise NotAsked("inventory_invalid", card["invalid"])
    if recorded is not None and card["name"] not in recorded:
        raise NotAsked("not_recorded")
    if recorded is None and not card["consent"]:
        raise NotAsked(card["consent_reason"], card["consent_detail"] or "")
    if not card["profile"]:
        raise NotAsked("profile_missing")
    try:
        profile = book.get(card["profile"])
    except ProfileError as error:
        raise NotAsked("inventory_invalid", f"device_profile: {error}") from None
    if recorded is not None:
        return DevicePlan(profile, {}, {})
    login = login_card(variables)
    problem = login["invalid"] or _missing_in_login(profile, login)
    if problem:
        raise NotAsked("inventory_invalid", problem)
    task = {
        "name": card["name"],
        "address": card["address"],
        "names": [card["address"], *(name for name in card["names"] if name != card["address"])],
        "consent": True,
        "port": login["port"] or (profile.ssh or profile.http).get("port") or _DEFAULT_PORTS[profile.transport],
        "user": login["user"],
        "private_key_file": login["private_key_file"],
        "host_key": login["host_key"],
        "known_hosts": known_hosts,
        "verification": {
            "pin": login["pin"],
            "exception": bool(login["exception"]),
            "name": card["names"][0] if card["names"] else None,
        },
        **profile.as_task(),
    }
    return DevicePlan(profile, task, login["secrets"])


def _missing_in_login(profile: Profile, login: Mapping[str, Any]) -> str | None:
    """What the profile's way to log in needs and `device_login` does not give."""
    way = "ssh" if profile.transport in ("ssh", "openssh") else profile.http.get("authentication", "none")
    secrets = login["secrets"]
    if way in ("ssh", "basic", "digest") and not login["user"]:
        return "device_login: user is missing"
    if way in ("basic", "digest") and "password" not in secrets:
        return "device_login: password is missing"
    if way == "bearer" and "token" not in secrets:
        return "device_login: token is missing"
    if any(not text.isprintable() for text in secrets.values()):
        return "device_login: a secret holds a character that cannot be typed"
    if (profile.ssh.get("enable") or {}).get("password_prompt") and "enable_password" not in secrets:
        return "device_login: enable_password is missing"
    if profile.transport == "http" and way in ("basic", "bearer") and not login["exception"]:
        return (
            "device_login_exception: this profile sends the login over the network for anyone to read; "
            "write who allows that, or use https"
        )
    return None
