# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tries of passwords told, and which accounts can log in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list, as_mapping, clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import parse_limit


def access_entries(visit: Visit, key: str) -> list[Mapping[str, Any]]:
    """The tries of one kind ("default_passwords", "admin_interface")."""
    return [entry for entry in map(as_mapping, as_list(visit.facts.login.get(key))) if entry]


def access_place(entry: Mapping[str, Any]) -> str:
    """Where something was tried: "https:443/admin"."""
    path = entry.get("path")
    return clean_text(f"{entry.get('service')}:{entry.get('port')}{path if isinstance(path, str) else ''}")


def access_unchecked(visit: Visit) -> Verdict:
    """The verdict where nothing was tried."""
    return Verdict("visit_aborted" if visit.aborted else "access_not_checked", dict(visit.context))


def access_details(entries: list[Mapping[str, Any]]) -> str:
    """The first thing that the checker said about a try without an answer."""
    return next((clean_text(entry["detail"]) for entry in entries if entry.get("detail")), "")


def known_accounts(data: Sequence[Any]) -> list[Mapping[str, Any]]:
    """The accounts of a list that have a name."""
    return [entry for entry in map(as_mapping, data) if isinstance(entry.get("name"), str) and entry["name"]]


def can_log_in(account: Mapping[str, Any], now: datetime) -> bool | None:
    """Whether somebody can log in with it; None where this login could not tell."""
    expires = parse_limit(account.get("expires_on"), end_of_day=False)
    if expires is not None and expires <= now:
        return False
    state = account.get("can_login")
    return state if isinstance(state, bool) else None
