# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on factory passwords: every one that is known of this device is refused (annex 1, item 3).

What was tried is judged, and only that: a try that did not come to an answer is never a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.access import (
    access_details,
    access_place,
    access_unchecked,
    can_log_in,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import Subject, from_access
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import Account, Try
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import MAX_ITEMS, clean_text


def judge_default_passwords(visit: Visit) -> Verdict:
    """default_passwords: every factory password that is known of this device is refused."""
    entries = visit.facts.default_passwords
    if not entries:
        return access_unchecked(visit)

    def told(*results: str) -> list[Try]:
        return [entry for entry in entries if entry.result in results]

    accepted, refused = told("accepted"), told("refused")
    observed: dict[str, Any] = {
        "accepted": _tries(accepted),
        "refused": _tries(refused),
    }
    if accepted:
        return Verdict("default_password_accepted", observed)
    if told("limit_reached"):
        return Verdict("access_limit_reached", observed)
    rest = [entry for entry in entries if entry.result != "refused"]
    if rest:
        observed.update(
            open=_tries(rest),
            locked_out=bool(told("locked_out")),
            detail=access_details(rest),
        )
        return Verdict("access_inconclusive", observed)
    return Verdict("default_passwords_refused", observed)


def _tries(entries: Sequence[Try]) -> list[str]:
    return [clean_text(f"{entry.account} ({access_place(entry)})") for entry in entries[:MAX_ITEMS]]


def judge_empty_passwords(data: Sequence[Account], now: datetime) -> Verdict | None:
    """default_passwords, the part that a login sees: an account that needs no password at all; None without one."""
    names = [
        clean_text(account.name)
        for account in data
        if account.name and account.password == "empty" and can_log_in(account, now)
    ]
    return Verdict("password_empty", {"accounts": names[:MAX_ITEMS]}) if names else None


def _verdicts(s: Subject) -> list[Verdict]:
    found = [from_access(s, judge_default_passwords)]
    if s.logins.visits:
        for told in s.logins.answers("accounts"):
            empty = None if told.problem is not None else judge_empty_passwords(told.data, s.now)
            if empty is not None:
                found.append(replace(empty, source=told.source))
    return found


CHECK = ("default_passwords", "device", _verdicts)
