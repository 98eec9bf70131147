# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a device and of its servers, whose clock is wrong, and what may be said of each side.

Pure: `now` is an argument. What was not observed is never excluded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import (
    ClockEstimate,
    believable,
    best_estimate,
    clock_readings,
    estimate_clock,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import (
    EndpointFacts,
    endpoint_facts,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.logins import Logins, device_logins
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import (
    Visit,
    device_visit,
    endpoint_seen,
    newest_network,
    peer_visit,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values import places
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list, as_mapping
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import (
    declared_names,
    peer_key,
    place_label,
)

DEVICE, PEER, NETWORK, CONTROL_NODE = "device", "peer", "network", "control_node"
CONFIDENCES = ("high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Said:
    """One thing said of one side. `reason` is one of diagnosis_live.yml, which tells whether it is a cause."""

    reason: str
    side: str
    endpoint: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    confidence: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Reason, category, side, owner, confidence and figures; no words yet."""
        known = load_data("diagnosis/diagnosis_live")["reasons"][self.reason]
        found: dict[str, Any] = {"reason": self.reason, "category": known["category"], "side": self.side}
        found["endpoint"] = self.endpoint
        if known["kind"] == "cause":
            found["owner"] = known["owner"]
            found["confidence"] = self.confidence or known["confidence"]
        else:
            found["categories"] = list(known.get("categories", [known["category"]]))
        found["figures"] = dict(self.figures)
        return found


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of the two sides and of the control node.

    device, peers: seconds against the control node, as read; None where no reading proves anything
    base:          how far the true time is from the control node's clock, where both sides agree that it is wrong
    """

    device: ClockEstimate | None
    peers: Mapping[str, ClockEstimate | None]
    base: float
    own: bool
    now: datetime

    @property
    def true_now(self) -> datetime:
        return moved(self.now, self.base)

    def shown(self, estimate: ClockEstimate | None) -> datetime | None:
        """What a side's own clock shows at `now`."""
        return None if estimate is None else moved(self.now, estimate.offset)


def moved(moment: datetime, seconds: float) -> datetime:
    """`moment`, so many seconds later; unmoved where no calendar goes that far."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return moment


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of a device and the servers that it talks to."""

    card: Mapping[str, Any]
    own: tuple[EndpointFacts, ...]
    peers: tuple[EndpointFacts, ...]
    visit: Visit
    peer_visits: Mapping[str, Visit]
    logins: Logins
    clocks: Clocks
    path: Mapping[tuple[str, str], Mapping[str, Any]]
    policy: Mapping[str, Any]


def gather_case(
    card: Mapping[str, Any],
    observations: Sequence[Observation],
    path: Sequence[Any],
    policy: Mapping[str, Any],
    now: datetime,
) -> Case:
    """What the latest observations of the device and of its peers tell (the arguments of `diagnose_live`)."""
    visit = device_visit(card, newest_network(observations, str(card["name"])), policy, now)
    logins = device_logins(observations, str(card["name"]), policy, now)
    own = []
    for item in map(as_mapping, as_list(card.get("endpoints"))):
        label = place_label(places.ENDPOINT, item)
        seen = endpoint_seen(visit, item.get("port"), item.get("service"))
        own.append(endpoint_facts(label, declared_names(card), visit, seen, peer=False))
    peers, visits, clocks = [], {}, {}
    for item in map(as_mapping, as_list(card.get("peers"))):
        found = peer_visit(newest_network(observations, peer_key(item)), policy, now)
        names = declared_names(item) or ((str(item.get("address")),) if not is_ip(item.get("address")) else ())
        label = place_label(places.PEER, item)
        peers.append(endpoint_facts(label, names, found, endpoint_seen(found, item.get("port"), None), peer=True))
        visits[label] = found
        clocks[label] = believable(estimate_clock(found.facts.samples, policy["clock_agreement_slack"]))
    device_clock = best_estimate(clock_readings(visit, logins, policy))
    return Case(
        card=card,
        own=tuple(own),
        peers=tuple(peers),
        visit=visit,
        peer_visits=visits,
        logins=logins,
        clocks=_compared(device_clock, clocks, policy, now),
        path={(str(one.get("side")), str(one.get("host"))): one for one in map(as_mapping, path)},
        policy=policy,
    )


def is_ip(address: Any) -> bool:
    """Whether this is an address, not a name."""
    return not any(letter.isalpha() for letter in str(address).partition("%")[0]) or ":" in str(address)


def side_of(facts: EndpointFacts) -> str:
    """The side that an endpoint is on."""
    return PEER if facts.peer else DEVICE


def _off(estimate: ClockEstimate | None, tolerance: float) -> bool:
    return estimate is not None and (estimate.low > tolerance or estimate.high < -tolerance)


def _compared(
    device: ClockEstimate | None,
    peers: Mapping[str, ClockEstimate | None],
    policy: Mapping[str, Any],
    now: datetime,
) -> Clocks:
    """Whose clock is wrong: the same error on the device and on a peer is the control node's own."""
    tolerance = policy["clock_offset_tolerance"]
    base, own = 0.0, False
    if device is not None and _off(device, tolerance):
        for estimate in peers.values():
            if estimate is None or not _off(estimate, tolerance):
                continue
            if abs(estimate.offset - device.offset) <= tolerance + estimate.uncertainty + device.uncertainty:
                base, own = (estimate.offset + device.offset) / 2, True
                break
    return Clocks(device, peers, base, own, now)


def beyond(case: Case, estimate: ClockEstimate) -> bool:
    """Whether a clock is off by more than is tolerated, whatever the uncertainty."""
    tolerance: float = case.policy["clock_offset_tolerance"]
    return estimate.low - case.clocks.base > tolerance or estimate.high - case.clocks.base < -tolerance
