# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a login on the device or its gateway told, subset by subset, and why it did not tell the rest.

A subset is one thing that a login asks (`clock`, `accounts`, …). The latest observation of each source counts, and of
these every one that answered the subset: a run that asked for the clock alone does not hide last night's accounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import (
    NO_CONSENT,
    Visit,
    device_visit,
    newest,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import Subset
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation

LOGIN_SOURCES = ("gateway", "appliance")
ACCESS_SOURCE = "access"

_UNTOLD = Subset()
_STATUS_REASONS = {
    "failed": "login_subset_failed",
    "not_permitted": "login_not_permitted",
    "not_supported": "login_not_supported",
    "not_asked": "login_not_asked",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One subset as one login told it: `data`, and what of it could not be read; else the `problem` instead of it."""

    source: str | None
    at: datetime | None
    data: Any
    problem: Verdict | None
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Logins:
    """The logins of one device that count, the latest first.

    missing: the verdict where no login counts
    """

    visits: tuple[tuple[str, Visit], ...]
    missing: Verdict

    def answers(self, subset: str) -> tuple[Answer, ...]:
        """Every login that told this subset; where none did, the one answer that says why. Never empty."""
        told: list[Answer] = []
        problems: list[Answer] = []
        for source, visit in self.visits:
            answer = _answer(source, visit, subset)
            (told if answer.problem is None else problems).append(answer)
        if told:
            return tuple(told)
        # Another source that could say more than "not asked" goes first.
        problems.sort(key=lambda answer: answer.problem is not None and answer.problem.reason == "login_not_asked")
        return tuple(problems[:1]) or (Answer(None, None, None, self.missing),)


def _answer(source: str, visit: Visit, subset: str) -> Answer:
    state = visit.facts.subsets.get(subset, _UNTOLD)
    data, damaged = getattr(visit.facts, subset), visit.facts.damaged_in(subset)
    status = state.status or ("ok" if data is not None or damaged else "not_asked")
    if status == "ok" and data is not None:
        return Answer(source, visit.at, data, None, damaged)
    if visit.aborted and state == _UNTOLD:
        return Answer(source, visit.at, None, Verdict("visit_aborted", dict(visit.context), source=source))
    reason = _STATUS_REASONS.get(status, "login_subset_failed")
    observed = {"subset": subset, "detail": state.detail}
    return Answer(source, visit.at, None, Verdict(reason, observed, source=source))


def device_logins(observations: Iterable[Observation], device: str, policy: Mapping[str, Any], now: datetime) -> Logins:
    """The logins on `device` among its observations."""
    usable: list[tuple[str, Visit]] = []
    problem: tuple[str, Visit] | None = None
    for source in LOGIN_SOURCES:
        observation = newest(observations, device, source)
        if observation is None:
            continue
        visit = device_visit({}, observation, policy, now)
        if visit.at is not None:
            usable.append((source, visit))
        elif problem is None:
            problem = (source, visit)
    if usable:
        usable.sort(key=lambda item: item[1].at.timestamp() if item[1].at else 0.0, reverse=True)
        return Logins(tuple(usable), Verdict("login_needed"))
    return Logins((), Verdict("login_needed") if problem is None else _unusable("login_needed", *problem))


def device_access(
    observations: Iterable[Observation], device: str, policy: Mapping[str, Any], now: datetime
) -> tuple[Visit | None, Verdict]:
    """The access check of `device`, and the verdict where there is none that counts."""
    told = list(observations)
    # A later run that tried nothing (the device was in use) does not hide what an earlier one found.
    tried = [entry for entry in told if entry.outcome in ("observed", "aborted")]
    observation = newest(tried, device, ACCESS_SOURCE) or newest(told, device, ACCESS_SOURCE)
    if observation is None:
        return None, Verdict("access_not_checked")
    visit = device_visit({}, observation, policy, now)
    if visit.at is None:
        return None, _unusable("access_not_checked", ACCESS_SOURCE, visit)
    return visit, Verdict("access_not_checked")


def _unusable(reason: str, source: str, visit: Visit) -> Verdict:
    """Why what was tried does not count; `reason` where the visit itself has nothing more precise."""
    plain = visit.missing in ("not_observed", "inventory_invalid", *NO_CONSENT)
    return Verdict(reason if plain else visit.missing, dict(visit.context), source=source)
