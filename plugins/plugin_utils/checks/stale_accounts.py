# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on accounts: who can log in, against who may, and until when (annex 1, item 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.access import can_log_in
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import from_login
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import Account
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import MAX_ITEMS, as_mapping, clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text, parse_limit


def judge_accounts(device: Mapping[str, Any], data: Sequence[Account], now: datetime) -> Verdict:
    """stale_accounts: every account that can log in is on the device's list, and not past its date."""
    listed = device.get("accounts")
    accounts = [account for account in data if account.name]
    observed: dict[str, Any] = {
        "accounts": [clean_text(account.name) for account in accounts if can_log_in(account, now)][:MAX_ITEMS]
    }
    if not isinstance(listed, (list, tuple)):
        return Verdict("account_list_missing", observed)
    allowed = {name: entry for entry in map(as_mapping, listed) if isinstance(name := entry.get("name"), str) and name}
    expected = {"accounts": [clean_text(name) for name in allowed][:MAX_ITEMS]}
    stale: list[dict[str, Any]] = []
    unlisted: list[str] = []
    unsure: list[str] = []
    for account in accounts:
        state = can_log_in(account, now)
        if state is False:
            continue
        entry = allowed.get(account.name)
        until = None if entry is None else parse_limit(entry.get("until"), end_of_day=True)
        # A date that nobody can read is no leave.
        lapsed = entry is not None and entry.get("until") is not None and (until is None or until < now)
        if entry is not None and not lapsed:
            continue
        if state is None:
            unsure.append(clean_text(account.name))
        elif entry is None:
            unlisted.append(clean_text(account.name))
        else:
            stale.append(
                {
                    "name": clean_text(account.name),
                    "until": None if until is None else instant_text(until)[:10],
                    "owner": None if entry.get("owner") is None else clean_text(entry["owner"]),
                }
            )
    observed.update(
        stale=[entry["name"] for entry in stale][:MAX_ITEMS],
        stale_accounts=stale[:MAX_ITEMS],
        unlisted=unlisted[:MAX_ITEMS],
        undetermined=unsure[:MAX_ITEMS],
    )
    if stale:
        return Verdict("stale_account", observed, expected)
    if unlisted:
        return Verdict("unlisted_account", observed, expected)
    if unsure or not accounts:
        return Verdict("accounts_undetermined", observed, expected)
    return Verdict("accounts_as_listed", observed, expected)


CHECK = ("stale_accounts", "device", from_login("accounts", lambda s, told: judge_accounts(s.device, told.data, s.now)))
