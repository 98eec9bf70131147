# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an access check tries on one device, from its card, its profile and its logins; and its observation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import login_observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.access import PORTS
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import Profile

_CLEAR = ("http", "telnet")
_NO_HOST_KEY = "no host key is on record: give device_ssh_host_key or known_hosts"
_NO_ANCHOR = (
    "there is nothing to verify the device's certificate with: give trust_anchors, device_login_pin, or "
    "device_login_exception with who allows it"
)
_IN_THE_CLEAR = (
    "device_login_exception: this service sends the carers' login over the network for anyone to read; write who "
    "allows that"
)


@dataclass(frozen=True)
class AccessPlan:
    """`task`: what the vantage is told. `secrets`: the passwords, apart; a trial names one by its place."""

    task: dict[str, Any]
    secrets: list[str]

    def places(self) -> list[dict[str, Any]]:
        """What would be tried, for people: never a password."""
        return [
            {
                "service": trial["service"],
                "port": trial["port"],
                "path": trial.get("path") if trial["as"] else None,
                "account": trial["account"],
                "as": trial["as"],
            }
            for trial in self.task["trials"]
            if not trial["left_out"]
        ]


def plan_access(
    card: Mapping[str, Any],
    reach: Mapping[str, Any],
    clinical: Mapping[str, Any],
    profile: Profile,
    known_hosts: str | None,
    has_anchors: bool,
) -> AccessPlan:
    """Every factory password by every service that the profile names, then the administration."""
    rules = profile.access
    transport = "ssh" if profile.transport == "openssh" else profile.transport
    own_port = reach["port"] or (profile.ssh or profile.http).get("port")
    verified = has_anchors or reach["pin"] or reach["exception"]
    secrets: list[str] = []
    trials: list[dict[str, Any]] = []

    def trial(service: str, account: str | None, password: str | None, number: int, **more: Any) -> dict[str, Any]:
        rule = rules.services.get(service, {})
        left_out = ""
        if service == "ssh" and not reach["host_key"] and not known_hosts:
            left_out = _NO_HOST_KEY
        elif service == "https" and not verified:
            left_out = _NO_ANCHOR
        elif more.get("as") == "clinical" and service in _CLEAR and not reach["exception"]:
            left_out = _IN_THE_CLEAR
        if password is not None:
            secrets.append(password)
        return {
            "path": "/",
            "as": None,
            **rule,
            "service": service,
            "port": rule.get("port") or (own_port if service == transport else None) or PORTS[service],
            "account": account,
            "secret": None if password is None else len(secrets) - 1,
            "number": number,
            "left_out": left_out,
            **more,
        }

    for number, credential in enumerate(rules.credentials):
        for service in credential["services"]:
            trials.append(trial(service, credential["account"], credential["password"], number))
    for place in rules.admin:
        more = {key: value for key, value in place.items() if key != "service"}
        trials.append(trial(place["service"], None, None, -1, **more, **{"as": "anonymous"}))
        if clinical["user"] is not None:
            trials.append(
                trial(place["service"], clinical["user"], clinical["password"], -1, **more, **{"as": "clinical"})
            )
    return AccessPlan(
        task={
            "name": card["name"],
            "address": card["address"],
            "consent": True,
            "common": {
                "names": [card["address"], *(name for name in card["names"] if name != card["address"])],
                "host_key": reach["host_key"],
                "known_hosts": known_hosts,
                "private_key_file": None,
                "verification": {
                    "pin": reach["pin"],
                    "exception": bool(reach["exception"]),
                    "name": card["names"][0] if card["names"] else card["address"],
                },
            },
            "trials": trials,
        },
        secrets=secrets,
    )


def access_observation(
    name: str, vantage: str, checked: Mapping[str, Any], trials: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The observation of one device. `checked`: outcome, reason, detail, times, and the results of `trials`."""
    times = (checked["started_at"], checked["finished_at"])
    detail = checked.get("detail") or None
    observation = login_observation(name, "access", vantage, times, checked["outcome"], checked["reason"], detail)
    for trial, result in zip(trials, checked.get("results") or [], strict=False):
        entry = {"service": trial["service"], "port": trial["port"]}
        if trial["as"]:
            # A shell has no path.
            entry["path"] = trial["path"] if trial["service"] in ("http", "https") else None
            entry["as"] = trial["as"]
        else:
            entry["account"] = trial["account"]
        entry.update(result=result["result"], detail=result["detail"])
        observation.setdefault("admin_interface" if trial["as"] else "default_passwords", []).append(entry)
    return observation
