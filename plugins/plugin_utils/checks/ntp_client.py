# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on a device's NTP client, as a login tells it (annex 1, item 2)."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.logins import Answer
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import Subject, from_login
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list, as_mapping, clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text, parse_instant

_MAX_SERVERS = 50


@functools.lru_cache(maxsize=1024)
def _same_form(address: str) -> str:
    """An address or a name in the one form that is compared."""
    text = address.strip().rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


@functools.lru_cache(maxsize=1024)
def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _known_as(server: Mapping[str, Any]) -> set[str]:
    """All names and addresses under which the device knows this server."""
    names = [server["address"], *as_list(server.get("aliases"))]
    return {_same_form(name) for name in names if isinstance(name, str) and name}


def _is_other(known: set[str], wanted: set[str]) -> bool:
    """Whether a server is surely none of the wanted ones; a name and an address cannot be compared from here."""
    forms = {_is_address(text) for text in wanted}
    return not known & wanted and forms <= {_is_address(text) for text in known}


def judge_ntp(device: Mapping[str, Any], data: Mapping[str, Any], *, oldest: datetime | None = None) -> Verdict:
    """ntp_client: a client runs, and follows a server of the hospital that answers and has corrected the clock lately.

    oldest: the device's own time before which a correction is too old
    """
    servers = [
        server
        for server in map(as_mapping, as_list(data.get("servers"))[:_MAX_SERVERS])
        if isinstance(server.get("address"), str) and server["address"]
    ]
    declared = [server for server in as_list(device.get("ntp_servers")) if isinstance(server, str) and server]
    selected = [server for server in servers if server.get("selected") is True]
    last = parse_instant(data.get("last_sync_at"))
    observed: dict[str, Any] = {
        "client": clean_text(data.get("client") or "?"),
        "servers": [clean_text(server["address"]) for server in servers],
        "selected": [clean_text(server["address"]) for server in selected],
        "last_sync_at": None if last is None else instant_text(last),
    }
    expected = {"ntp_servers": [clean_text(server) for server in declared]}
    if data.get("client") in (None, "none") or data.get("running") is False:
        return Verdict("ntp_client_missing", observed, expected)
    if data.get("follows_itself") is True:
        return Verdict("ntp_follows_itself", observed, expected)
    if last is not None and oldest is not None and last < oldest:
        return Verdict("ntp_correction_too_old", observed, expected)
    if data.get("synchronised") is False:
        return Verdict("ntp_not_synchronised", observed, expected)
    if servers and not selected and all(server.get("selected") is False for server in servers if _was_seen(server)):
        seen = [server for server in servers if _was_seen(server)]
        if seen and all(server.get("reachable") is False for server in seen):
            return Verdict("ntp_servers_silent", observed, expected)
        if seen:
            return Verdict("ntp_not_synchronised", observed, expected)
    if not declared:
        return Verdict("ntp_servers_not_declared", observed, expected)
    wanted = {_same_form(server) for server in declared}
    reason = _reason(servers, selected, wanted)
    if reason == "ntp_wrong_server" and any(_known_as(server) & wanted for server in servers):
        observed["follows_other"] = True
    if reason == "ntp_synchronised_to_hospital" and data.get("synchronised") is not True:
        reason = "ntp_state_unknown"
    return Verdict(reason, observed, expected)


def _was_seen(server: Mapping[str, Any]) -> bool:
    """Whether the client told of it, beside its standing in the configuration."""
    return isinstance(server.get("selected"), bool)


def _reason(servers: Sequence[Mapping[str, Any]], selected: Sequence[Mapping[str, Any]], wanted: set[str]) -> str:
    """Of a client that says it is synchronised: whether it follows one of the wanted servers."""
    followed = [server for server in selected if _known_as(server) & wanted]
    if followed:
        silent = all(server.get("reachable") is False for server in followed)
        return "ntp_servers_silent" if silent else "ntp_synchronised_to_hospital"
    # A wanted name that another server goes by need not be compared any more.
    elsewhere = {name for server in servers if _was_seen(server) for name in _known_as(server) & wanted}
    rest = wanted - elsewhere
    asked = selected or servers
    if asked and all(server.get("own_clock") or not rest or _is_other(_known_as(server), rest) for server in asked):
        return "ntp_wrong_server"
    # Which one it follows was not told: right where it can only be one of the hospital's.
    if servers and not selected and all(_known_as(server) & wanted for server in servers):
        return "ntp_synchronised_to_hospital"
    return "ntp_state_unknown"


def _judge(s: Subject, told: Answer) -> Verdict:
    age = timedelta(days=s.policy["ntp_correction_max_age_days"])
    return judge_ntp(s.device, told.data, oldest=s.device_time(told.at) - age)


CHECK = ("ntp_client", "device", from_login("ntp", _judge))
