# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several sources, or several chains, that answer one check: the worse one counts, and what it stands for is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import (
    SEVERITIES,
    Check,
    Reason,
    load_checklist,
)

#: Not assessed, but seen: a source that contradicts itself lets no other one pass.
CONTRADICTIONS = frozenset({"clock_sources_disagree"})

_PASS = 1


def _reason(check: Check, verdict: Verdict) -> Reason:
    return check.reasons.get(verdict.reason) or load_checklist().common[verdict.reason]


def status_of(check: Check, verdict: Verdict) -> str:
    """What the table says of the verdict's reason: pass, fail, …"""
    return _reason(check, verdict).status


def _rank(check: Check, verdict: Verdict) -> int:
    """How much a verdict counts: failures by severity, then a contradiction, then a pass, then what was not seen."""
    reason = _reason(check, verdict)
    if reason.status == "fail":
        return _PASS + 2 + len(SEVERITIES) - SEVERITIES.index(reason.severity)
    if verdict.reason in CONTRADICTIONS:
        return _PASS + 1
    return 0 if reason.status == "not_assessed" else _PASS


def as_whole(check: Check, verdict: Verdict, damaged: Sequence[str]) -> Verdict:
    """What a verdict is worth where a part of what it rests on could not be read: what was seen fails, none passes."""
    status = status_of(check, verdict) if damaged else ""
    if status not in ("pass", "not_assessed"):
        return verdict
    observed = {**verdict.observed, "damaged": list(damaged)}
    return replace(verdict, reason="observation_damaged" if status == "pass" else verdict.reason, observed=observed)


def worst_chain(check: Check, chains: Sequence[tuple[EndpointFacts, Verdict]]) -> Verdict:
    """Of the verdicts on each chain that an endpoint shows the worst, which says to whom its chain is shown.

    What could not be judged of one chain is not made good by another: some client gets it.
    """

    def weight(verdict: Verdict) -> int:
        rank = _rank(check, verdict)
        return rank if rank > _PASS else _PASS - rank

    facts, worst = max(chains, key=lambda item: weight(item[1]))
    observed = {**worst.observed, "chains": len(chains)}
    if weight(worst):
        observed["shown_to"] = None if facts.shown_to is None else facts.shown_to.as_dict()
    return replace(worst, observed=observed)


def settle(check: Check, verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that counts; of equals the first one.

    Where sources that saw something give different reasons, `observed.sources_disagree` lists them all as
    {"source", "reason"}.
    """
    verdicts = [as_whole(check, verdict, verdict.damaged) for verdict in verdicts]
    if len(verdicts) == 1:
        return verdicts[0]
    ranked = [(_rank(check, verdict), verdict) for verdict in verdicts]
    worst = max(ranked, key=lambda item: item[0])[1]
    seen = [verdict for rank, verdict in ranked if rank]
    if len({verdict.reason for verdict in seen}) < 2:
        return worst
    told = [{"source": verdict.source or check.source, "reason": verdict.reason} for verdict in seen]
    return replace(worst, observed={**worst.observed, "sources_disagree": told})
