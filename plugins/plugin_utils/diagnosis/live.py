# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was seen of a device and of its servers to the causes of a failure, in order. Pure: `now` is an argument.

Each topic (clock, address, route, TCP, TLS, chain, name, dates, ...) says of each side one of three things: a cause
with its figures, "excluded, and how", or "open": it could not be looked at. What was not observed is never excluded.
The reasons, their words and how sure they are, are in diagnosis_live.yml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.case import (
    CONFIDENCES,
    Case,
    Said,
    gather_case,
    side_of,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.live_chain import (
    chain_said,
    dates_said,
    name_said,
    strength_said,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.live_clock import clock_said
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.live_reach import overlap_said, reach_said
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.live_way import way_said
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import read_observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data


def diagnose_live(
    card: Mapping[str, Any],
    observations: Iterable[Any],
    path: Sequence[Any],
    policy: Mapping[str, Any],
    now: datetime,
) -> dict[str, list[dict[str, Any]]]:
    """{"causes", "excluded", "open"}: what was found out, the most probable cause first.

    card:         the device's, with the peers that are looked at
    observations: network observations of the device and of its peers, and its logins; the latest of each counts
    path:         what path_info told of each side: {"side", "host", "addresses", "route", "mtu", "error"}
    now:          an aware datetime, by the control node's clock
    """
    case = gather_case(card, read_observations(observations), path, policy, now)
    said = [*clock_said(case), *way_said(case)]
    for facts in (*case.own, *case.peers):
        said += _endpoint(case, facts)
    said += overlap_said(case)
    kinds: dict[str, list[Said]] = {"cause": [], "excluded": [], "open": []}
    reasons = load_data("diagnosis/diagnosis_live")["reasons"]
    for one in said:
        kinds[reasons[one.reason]["kind"]].append(one)
    order = list(reasons)
    causes = sorted(
        (one.as_dict() for one in kinds["cause"]),
        key=lambda one: (CONFIDENCES.index(one["confidence"]), order.index(one["reason"])),
    )
    return {
        "causes": causes,
        "excluded": [one.as_dict() for one in kinds["excluded"]],
        "open": [one.as_dict() for one in kinds["open"]],
    }


def _endpoint(case: Case, facts: EndpointFacts) -> Iterator[Said]:
    side, label = side_of(facts), facts.label
    reached = list(reach_said(case, facts))
    yield from reached
    if not facts.chain:
        if reached[-1].reason != "endpoint_not_seen":
            yield Said("certificate_not_seen", side, label)
    elif not facts.chain[0].readable:
        yield Said("certificate_unreadable", side, label, facts.chain[0].identity())
    else:
        yield from chain_said(case, facts)
        yield from name_said(facts)
        yield from dates_said(case, facts)
        yield from strength_said(case, facts)
