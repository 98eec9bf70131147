# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on a device's NTP client, as a login tells it (annex 1, item 2)."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import from_login
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


def judge_ntp(device: Mapping[str, Any], data: Mapping[str, Any]) -> Verdict:
    """ntp_client: a client runs, is synchronised, and is told the hospital's servers."""
    servers = [
        server
        for server in map(as_mapping, as_list(data.get("servers"))[:_MAX_SERVERS])
        if isinstance(server.get("address"), str) and server["address"]
    ]
    declared = [server for server in as_list(device.get("ntp_servers")) if isinstance(server, str) and server]
    selected = [server["address"] for server in servers if server.get("selected") is True]
    last = parse_instant(data.get("last_sync_at"))
    observed: dict[str, Any] = {
        "client": clean_text(data.get("client") or "?"),
        "servers": [clean_text(server["address"]) for server in servers],
        "selected": [clean_text(address) for address in selected],
        "last_sync_at": None if last is None else instant_text(last),
    }
    expected = {"ntp_servers": [clean_text(server) for server in declared]}
    if data.get("client") in (None, "none") or data.get("running") is False:
        return Verdict("ntp_client_missing", observed, expected)
    if data.get("synchronised") is False:
        return Verdict("ntp_not_synchronised", observed, expected)
    if not declared:
        return Verdict("ntp_servers_not_declared", observed, expected)
    wanted = {_same_form(server) for server in declared}
    known = {_same_form(server["address"]) for server in servers}
    if not wanted & known:
        # A list that could not be read is no list of wrong servers.
        return Verdict("ntp_wrong_server" if known else "ntp_state_unknown", observed, expected)
    followed = {_same_form(address) for address in selected}
    # A name and an address cannot be compared without asking the network.
    if followed and not followed & wanted and all(_is_address(text) for text in followed | wanted):
        return Verdict("ntp_wrong_server", {**observed, "follows_other": True}, expected)
    if data.get("synchronised") is not True:
        return Verdict("ntp_state_unknown", observed, expected)
    return Verdict("ntp_synchronised_to_hospital", observed, expected)


CHECK = ("ntp_client", "device", from_login("ntp", lambda s, told: judge_ntp(s.device, told.data)))
