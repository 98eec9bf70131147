# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several sources that answer one check: the worse one counts, and that they disagree is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import (
    SEVERITIES,
    Check,
    load_checklist,
)

#: Not assessed, but seen: a source that contradicts itself lets no other one pass.
CONTRADICTIONS = frozenset({"clock_sources_disagree"})

_PASS = 1


def _rank(check: Check, verdict: Verdict) -> int:
    """How much a verdict counts: failures by severity, then a contradiction, then a pass, then what was not seen."""
    reason = check.reasons.get(verdict.reason) or load_checklist().common[verdict.reason]
    if reason.status == "fail":
        return _PASS + 2 + len(SEVERITIES) - SEVERITIES.index(reason.severity)
    if verdict.reason in CONTRADICTIONS:
        return _PASS + 1
    return 0 if reason.status == "not_assessed" else _PASS


def settle(check: Check, verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that counts; of equals the first one.

    Where sources that saw something give different reasons, `observed.sources_disagree` lists them all as
    {"source", "reason"}.
    """
    if len(verdicts) == 1:
        return verdicts[0]
    ranked = [(_rank(check, verdict), verdict) for verdict in verdicts]
    worst = max(ranked, key=lambda item: item[0])[1]
    seen = [verdict for rank, verdict in ranked if rank]
    if len({verdict.reason for verdict in seen}) < 2:
        return worst
    told = [{"source": verdict.source or check.source, "reason": verdict.reason} for verdict in seen]
    return replace(worst, observed={**worst.observed, "sources_disagree": told})
