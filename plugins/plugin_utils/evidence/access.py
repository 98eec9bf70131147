# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tries of passwords told, and which accounts can log in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import Account, Try
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text


def access_place(entry: Try) -> str:
    """Where something was tried: "https:443/admin"."""
    return clean_text(f"{entry.service}:{entry.port}{entry.path}")


def access_unchecked(visit: Visit) -> Verdict:
    """The verdict where nothing was tried."""
    return Verdict("visit_aborted" if visit.aborted else "access_not_checked", dict(visit.context))


def access_details(entries: Iterable[Try]) -> str:
    """The first thing that the checker said about a try without an answer."""
    return next((entry.detail for entry in entries if entry.detail), "")


def can_log_in(account: Account, now: datetime) -> bool | None:
    """Whether somebody can log in with it; None where this login could not tell."""
    if account.expires_on is not None and account.expires_on <= now:
        return False
    return account.can_login
