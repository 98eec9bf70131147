# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was seen of a device and of its servers to the causes of a failure, in order. Pure: `now` is an argument.

Each topic (clock, address, route, TCP, TLS, chain, name, dates, ...) says of each side one of three things: a cause
with its figures, "excluded, and how", or "open": it could not be looked at. What was not observed is never excluded.
The reasons, their words and how sure they are, are in data/diagnosis_live.yml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.certificate import (
    judge_key,
    judge_signature,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.clock import best_estimate, clock_readings
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.trust_store import judge_trust_store
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import (
    ClockEstimate,
    believable,
    estimate_clock,
    moment_text,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import (
    EndpointFacts,
    Link,
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
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values import places
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    as_list,
    as_mapping,
    as_number,
    clean_text,
    clean_texts,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.fingerprints import plain_fingerprint
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import DAY_SECONDS, instant_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import (
    declared_names,
    peer_key,
    place_label,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.host_names import (
    names_only_in_common_name,
    uncovered_names,
)

DEVICE, PEER, NETWORK, CONTROL_NODE = "device", "peer", "network", "control_node"
CONFIDENCES = ("high", "medium", "low")

#: What an endpoint did instead of speaking TLS, once TCP had connected -> reason.
_CUT = {"reset": "reset_after_hello", "closed": "closed_after_hello", "silent": "silent_after_hello"}
#: The alert with which every hello was refused -> reason.
_ALERTS = {112: "name_not_known_here", 116: "client_certificate_required", 42: "client_certificate_required"}
_TRUST = {
    "self_signed": "self_signed",
    "unknown_authority": "unknown_authority",
    "incomplete_chain": "incomplete_chain",
    "bad_signature": "bad_signature",
    "revoked": "revoked",
    "expired_in_chain": "expired_in_chain",
    "not_yet_valid_in_chain": "not_yet_valid",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One thing said of one side. `reason` is one of data/diagnosis_live.yml, which tells whether it is a cause."""

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
        return _moved(self.now, self.base)

    def shown(self, estimate: ClockEstimate | None) -> datetime | None:
        """What a side's own clock shows at `now`."""
        return None if estimate is None else _moved(self.now, estimate.offset)


def _moved(moment: datetime, seconds: float) -> datetime:
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


def diagnose_live(
    card: Mapping[str, Any],
    observations: Iterable[Mapping[str, Any]],
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
    case = _case(card, [item for item in observations if isinstance(item, Mapping)], path, policy, now)
    said = [*_clock(case), *_way(case)]
    for facts in (*case.own, *case.peers):
        said += _endpoint(case, facts)
    said += _overlap(case)
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


# --- what is known --------------------------------------------------------------------------------------------------


def _case(
    card: Mapping[str, Any],
    observations: Sequence[Mapping[str, Any]],
    path: Sequence[Any],
    policy: Mapping[str, Any],
    now: datetime,
) -> Case:
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
        names = declared_names(item) or ((str(item.get("address")),) if not _is_ip(item.get("address")) else ())
        label = place_label(places.PEER, item)
        peers.append(endpoint_facts(label, names, found, endpoint_seen(found, item.get("port"), None), peer=True))
        visits[label] = found
        samples = as_mapping(found.facts.get("clock")).get("samples")
        clocks[label] = believable(estimate_clock(samples, policy["clock_agreement_slack"]))
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


def _is_ip(address: Any) -> bool:
    return not any(letter.isalpha() for letter in str(address).partition("%")[0]) or ":" in str(address)


def _side(facts: EndpointFacts) -> str:
    return PEER if facts.peer else DEVICE


# --- the golden rule ------------------------------------------------------------------------------------------------


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


def _beyond(case: Case, estimate: ClockEstimate) -> bool:
    tolerance: float = case.policy["clock_offset_tolerance"]
    return estimate.low - case.clocks.base > tolerance or estimate.high - case.clocks.base < -tolerance


def _clock_figures(case: Case, estimate: ClockEstimate) -> dict[str, Any]:
    return {
        "offset_seconds": round(estimate.offset - case.clocks.base, 3),
        "uncertainty_seconds": round(estimate.uncertainty, 3),
        "clock_shows": moment_text(case.clocks.now.timestamp() + estimate.offset),
        "tolerance_seconds": case.policy["clock_offset_tolerance"],
        "now": instant_text(case.clocks.true_now),
    }


def _refused_by(case: Case, estimate: ClockEstimate, links: Iterable[tuple[str | None, Link]]) -> dict[str, Any] | None:
    """The first certificate, valid in truth, that a side's own clock calls expired or not yet valid."""
    true = case.clocks.true_now
    low, high = (_moved(case.clocks.now, edge) for edge in (estimate.low, estimate.high))
    for label, link in links:
        start, end = link.not_before, link.not_after
        if start is None or end is None or not start <= true <= end:
            continue
        if low > end or high < start:
            return {
                "sees": "expired" if low > end else "not_yet_valid",
                "certificate_of": label,
                **link.identity(),
                "not_before": instant_text(start),
                "not_after": instant_text(end),
            }
    return None


def _links(facts: Sequence[EndpointFacts]) -> list[tuple[str | None, Link]]:
    return [(one.label, link) for one in facts for link in one.chain if link.readable]


def _clock(case: Case) -> Iterator[Said]:
    clocks = case.clocks
    if clocks.own and clocks.device is not None:
        figures = {**_clock_figures(case, clocks.device), "offset_seconds": round(-clocks.base, 3)}
        yield Said("own_clock_off", CONTROL_NODE, None, figures)
    # The device checks its servers' certificates (and shows its own, which others check at their time).
    everything = _links((*case.peers, *case.own))
    yield _one_clock(case, DEVICE, None, clocks.device, everything)
    for facts in case.peers:
        yield _one_clock(case, PEER, facts.label, clocks.peers.get(facts.label or ""), _links(case.own))
    if not clocks.own:
        compared = clocks.device is not None and any(clocks.peers.values())
        right = [one for one in (clocks.device, *clocks.peers.values()) if one is not None and not _beyond(case, one)]
        yield Said("own_clock_confirmed" if compared or right else "own_clock_not_compared", CONTROL_NODE)


def _one_clock(
    case: Case,
    side: str,
    label: str | None,
    estimate: ClockEstimate | None,
    links: Sequence[tuple[str | None, Link]],
) -> Said:
    if estimate is None:
        return Said("clock_not_read", side, label)
    figures = _clock_figures(case, estimate)
    if not _beyond(case, estimate):
        return Said("clock_right", side, label, figures)
    refused = _refused_by(case, estimate, links)
    if refused is not None:
        reason = "clock_sees_expired" if refused["sees"] == "expired" else "clock_sees_not_yet_valid"
        return Said(reason, side, label, {**figures, **refused})
    # Nothing that it must check is known: what it does to certificates cannot be told.
    known = any(link.not_before is not None for _label, link in links)
    day = abs(estimate.offset - case.clocks.base) >= DAY_SECONDS
    return Said("clock_off", side, label, figures, None if known and not day else "medium")


# --- address and route: nothing of this is sent to the device --------------------------------------------------------


def _way(case: Case) -> Iterator[Said]:
    targets: list[tuple[str, str, str | None]] = [(DEVICE, str(case.card.get("address")), None)]
    for item, facts in zip(map(as_mapping, as_list(case.card.get("peers"))), case.peers, strict=True):
        targets.append((PEER, str(item.get("address")), facts.label))
    for name in declared_names(case.card)[:1]:
        targets.append((DEVICE, name, None))
    for side, host, label in dict.fromkeys(targets):
        told = case.path.get((side, host))
        if told is None:
            if host in (str(case.card.get("address")),) or side == PEER:
                yield Said("way_not_looked_at", side, label, {"host": clean_text(host)})
            continue
        yield from _one_way(case, side, label, told)


def _one_way(case: Case, side: str, label: str | None, told: Mapping[str, Any]) -> Iterator[Said]:
    addresses = clean_texts(told.get("addresses"))
    figures = {
        "host": clean_text(told.get("host")),
        "addresses": addresses,
        "source": clean_text(told.get("source") or ""),
        "mtu": _octets(told),
        "detail": clean_text(told.get("error") or ""),
    }
    address = str(case.card.get("address"))
    declared_name = side == DEVICE and told.get("host") != address
    if not addresses:
        # The device's declared name is what its clients call; its address is what was visited.
        yield Said("device_name_not_resolved" if declared_name else "name_not_resolved", side, label, figures)
        return
    if declared_name:
        if _is_ip(address) and address not in addresses:
            yield Said("name_leads_elsewhere", side, label, {**figures, "address": clean_text(address)})
        else:
            yield Said("name_resolved", side, label, figures)
        return
    if not _is_ip(told.get("host")):
        yield Said("name_resolved", side, label, figures)
    if told.get("route") is False:
        yield Said("no_route", side, label, figures)
    elif told.get("route") is True:
        yield Said("route_found", side, label, figures)


def _octets(told: Mapping[str, Any]) -> int | None:
    mtu = as_number(told.get("mtu"))
    return None if mtu is None else int(mtu)


def _mtu(case: Case, facts: EndpointFacts) -> dict[str, Any]:
    """The route's MTU as the vantage knows it: of a smaller one further on it knows only if a router said so."""
    hosts = [str(case.card.get("address"))]
    if facts.peer:
        position = case.peers.index(facts)
        hosts = [str(as_mapping(as_list(case.card.get("peers"))[position]).get("address"))]
    told = case.path.get((_side(facts), hosts[0]), {})
    return {"mtu": _octets(told)}


# --- one endpoint ----------------------------------------------------------------------------------------------------


def _endpoint(case: Case, facts: EndpointFacts) -> Iterator[Said]:
    side, label = _side(facts), facts.label
    reached = list(_reach(case, facts))
    yield from reached
    if not facts.chain:
        if reached[-1].reason != "endpoint_not_seen":
            yield Said("certificate_not_seen", side, label)
    elif not facts.chain[0].readable:
        yield Said("certificate_unreadable", side, label, facts.chain[0].identity())
    else:
        yield from _chain(case, facts)
        yield from _name(facts)
        yield from _dates(case, facts)
        yield from _strength(case, facts)


def _reach(case: Case, facts: EndpointFacts) -> Iterator[Said]:
    """How far a connection gets: address, TCP, TLS."""
    side, label = _side(facts), facts.label
    seen = facts.seen
    if seen is None:
        visit = case.peer_visits.get(label or "") if facts.peer else case.visit
        unreachable = facts.missing in ("endpoint_unreachable", "device_unreachable")
        if unreachable and visit is not None:
            yield Said("no_answer", side if facts.peer else DEVICE, label)
        else:
            yield Said("endpoint_not_seen", side, label)
        return
    outcome = clean_text(seen.get("outcome"))
    if outcome == "refused":
        yield Said("port_closed", side, label, _error(facts))
        return
    if outcome == "unreachable":
        if seen.get("connections") == 0:
            yield Said("endpoint_not_seen", side, label)
        else:
            yield Said("port_filtered", NETWORK, label, _error(facts))
        return
    if outcome not in ("tls", "not_tls", "starttls_refused", *_CUT):
        yield Said("endpoint_not_seen", side, label)
        return
    yield Said("tcp_connects", side, label)
    if outcome in ("not_tls", "starttls_refused"):
        yield Said("plaintext" if outcome == "not_tls" else "starttls_refused", side, label, _error(facts))
        return
    evidence = [as_mapping(state).get("evidence") for state in as_mapping(seen.get("versions")).values()]
    if outcome in _CUT:
        small = any(isinstance(one, str) and one.startswith("alert:") for one in evidence)
        lost = outcome == "silent" and small
        yield Said(
            "large_answers_lost" if lost else _CUT[outcome],
            NETWORK,
            label,
            {**_mtu(case, facts), **_error(facts), "tried": _tried(seen)},
        )
        return
    yield Said("not_plaintext", side, label)
    yield from _hellos(case, facts, evidence)
    yield from _client_certificate(facts)


def _error(facts: EndpointFacts) -> dict[str, Any]:
    return {"detail": clean_text((facts.seen or {}).get("error") or "")}


def _tried(seen: Mapping[str, Any]) -> list[str]:
    """The versions that were really offered."""
    return [
        clean_text(version)
        for version, state in as_mapping(seen.get("versions")).items()
        if as_mapping(state).get("evidence") not in (None, "inferred")
    ]


def accepted(facts: EndpointFacts) -> list[str]:
    """The versions that an endpoint accepts, old to new."""
    states = as_mapping((facts.seen or {}).get("versions"))
    return [clean_text(version) for version, state in states.items() if as_mapping(state).get("status") == "accepted"]


def _hellos(case: Case, facts: EndpointFacts, evidence: Sequence[Any]) -> Iterator[Said]:
    side, label, spoken = _side(facts), facts.label, accepted(facts)
    figures: dict[str, Any] = {"accepted": spoken, **_mtu(case, facts), **_error(facts)}
    if not spoken:
        alerts = [
            int(one[6:]) for one in evidence if isinstance(one, str) and one[:6] == "alert:" and one[6:].isdigit()
        ]
        alert = alerts[-1] if alerts else None
        if "silence" in evidence:
            # Small answers (alerts) come back, whole flights do not.
            yield Said("large_answers_lost", NETWORK, label, {**figures, "tried": _tried(facts.seen or {})})
            return
        reason = _ALERTS.get(alert, "every_hello_refused") if alert is not None else "every_hello_refused"
        yield Said(reason, side, label, {**figures, "alert": alert, "tried": _tried(facts.seen or {})})
        return
    obsolete = case.policy["obsolete_tls_versions"]
    states = as_mapping((facts.seen or {}).get("versions"))
    hung_up = [
        clean_text(version)
        for version, state in states.items()
        if as_mapping(state).get("evidence") == "reset" and version not in obsolete
    ]
    lost = [
        clean_text(version)
        for version, state in states.items()
        if as_mapping(state).get("evidence") == "silence" and version not in obsolete
    ]
    # A short ServerHello came, and nothing of the certificates behind it.
    if not facts.chain and (lost or "silence" in figures["detail"]):
        yield Said("large_answers_lost", NETWORK, label, {**figures, "tried": _tried(facts.seen or {})})
    elif hung_up:
        yield Said("modern_hello_reset", NETWORK, label, {**figures, "versions": hung_up})
    else:
        yield Said("no_reset", side, label)
    if all(version in obsolete for version in spoken):
        yield Said("only_old_versions", side, label, figures)
    elif not facts.peer or not case.own:
        yield Said("modern_version", side, label, figures)


def _client_certificate(facts: EndpointFacts) -> Iterator[Said]:
    asked = (facts.seen or {}).get("client_certificate")
    side, label = _side(facts), facts.label
    if asked == "required":
        yield Said("client_certificate_required", side, label)
    elif asked == "requested":
        yield Said("client_certificate_requested", side, label)
    elif asked == "not_requested":
        yield Said("client_certificate_not_asked", side, label)
    else:
        yield Said("client_certificate_unknown", side, label)


# --- the chain against each side's anchors ----------------------------------------------------------------------------


def _chain(case: Case, facts: EndpointFacts) -> Iterator[Said]:
    side, label = _side(facts), facts.label
    trust = as_mapping((facts.seen or {}).get("trust"))
    status = trust.get("status")
    figures = {
        **facts.chain[0].identity(),
        "issuer": clean_text(facts.chain[0].entry.get("issuer")),
        "anchor": clean_text(trust.get("anchor") or ""),
        "link": clean_text(trust.get("link") or ""),
        "link_date": trust.get("date"),
        "detail": clean_text(trust.get("detail") or ""),
    }
    held = _held(case) if facts.peer else None
    known = {plain_fingerprint(link.entry.get("fingerprint_sha256")) for link in facts.chain}
    if held and known & held and status in ("self_signed", "unknown_authority", "not_assessed"):
        yield Said("device_holds_it", side, label, figures)
    elif status == "trusted":
        yield Said("chain_trusted", side, label, figures)
    elif isinstance(status, str) and status in _TRUST:
        # The dates of what was sent are judged apart, at the true time: only those of an anchor are left.
        dated = status in ("expired_in_chain", "not_yet_valid_in_chain")
        if not dated or (trust.get("cause") in ("anchor_expired", "anchor_not_yet_valid") and not case.clocks.own):
            yield Said(_TRUST[status], side, label, {**figures, "not_before": trust.get("date")})
    else:
        yield Said("chain_not_judged", side, label, figures)
    if facts.peer and not (held and known & held):
        yield from _device_store(case, facts, status)
    yield from _revocation(facts, trust)


def _held(case: Case) -> set[str | None] | None:
    """The fingerprints in the device's trust stores; None where no login told them."""
    stores = [
        store
        for answer in (case.logins.answers("trust_stores") if case.logins.visits else ())
        if answer.problem is None
        for store in map(as_mapping, as_list(answer.data))
        if store.get("readable") is True
    ]
    if not stores:
        return None
    return {plain_fingerprint(value) for store in stores for value in as_list(store.get("fingerprints_sha256"))} - {
        None
    }


def _device_store(case: Case, facts: EndpointFacts, status: Any) -> Iterator[Said]:
    """Whether the device holds the hospital's root, with which it would check this server."""
    if not case.logins.visits:
        yield Said("device_store_not_seen", DEVICE, facts.label)
        return
    for answer in case.logins.answers("trust_stores"):
        if answer.problem is not None:
            yield Said("device_store_not_seen", DEVICE, facts.label)
            continue
        verdict = judge_trust_store(case.card, as_list(answer.data), case.policy)
        figures = {key: clean_texts(verdict.observed.get(key)) for key in ("stores", "without", "missing")}
        if verdict.reason == "hospital_root_missing":
            yield Said("device_lacks_root", DEVICE, facts.label, figures)
        elif verdict.reason == "hospital_root_not_everywhere":
            yield Said("store_lacks_root", DEVICE, facts.label, figures)
        elif verdict.reason == "hospital_root_present" and status == "trusted":
            yield Said("device_holds_root", DEVICE, facts.label, figures)
        else:
            yield Said("device_store_not_seen", DEVICE, facts.label)


def _revocation(facts: EndpointFacts, trust: Mapping[str, Any]) -> Iterator[Said]:
    told = as_mapping(trust.get("revocation"))
    side, label = _side(facts), facts.label
    figures = {"detail": clean_text(told.get("detail") or "")}
    if told.get("asked") is not True or trust.get("status") != "trusted":
        yield Said("revocation_not_asked", side, label)
    elif told.get("status") == "good":
        yield Said("revocation_good", side, label, figures)
    elif "out of date" in figures["detail"]:
        yield Said("revocation_list_old", side, label, figures)
    else:
        yield Said("revocation_list_missing", side, label, figures)


# --- names, dates, strength -------------------------------------------------------------------------------------------


def _name(facts: EndpointFacts) -> Iterator[Said]:
    side, label, leaf = _side(facts), facts.label, facts.chain[0].entry
    carried = as_mapping(leaf.get("names"))
    compared: dict[str, Any] = {
        "names": {kind: [one for one in as_list(carried.get(kind)) if isinstance(one, str)] for kind in ("dns", "ip")},
        "common_name": leaf.get("common_name") if isinstance(leaf.get("common_name"), str) else None,
        "unreadable": as_list(leaf.get("unreadable")),
    }
    figures: dict[str, Any] = {
        "names": clean_texts(list(facts.names)),
        "carried": clean_texts([*compared["names"]["dns"], *compared["names"]["ip"]]),
    }
    if not facts.names or "names" in compared["unreadable"]:
        yield Said("name_not_declared", side, label, figures)
        return
    missing = uncovered_names(compared, list(facts.names))
    figures["uncovered"] = clean_texts(missing)
    if not missing:
        yield Said("name_covered", side, label, figures)
    elif names_only_in_common_name(compared, list(facts.names)):
        yield Said("name_only_in_common_name", side, label, figures)
    else:
        yield Said("name_mismatch", side, label, figures)


def _dates(case: Case, facts: EndpointFacts) -> Iterator[Said]:
    """Each certificate as sent, at the true time; what each side's own clock makes of it is the clock's topic."""
    side, label, true = _side(facts), facts.label, case.clocks.true_now
    checker = case.clocks.device if facts.peer else None
    for position, link in enumerate(facts.chain):
        start, end = link.not_before, link.not_after
        if start is None or end is None:
            continue
        figures = {
            **link.identity(),
            "not_before": instant_text(start),
            "not_after": instant_text(end),
            "now": instant_text(true),
            "clock_shows": None if checker is None else moment_text(case.clocks.now.timestamp() + checker.offset),
        }
        if true > end:
            yield Said("expired" if position == 0 else "expired_above", side, label, figures)
            return
        if true < start:
            yield Said("not_yet_valid", side, label, figures)
            return
    leaf = facts.chain[0]
    if leaf.not_before is None or leaf.not_after is None:
        return
    figures = {
        **leaf.identity(),
        "not_before": instant_text(leaf.not_before),
        "not_after": instant_text(leaf.not_after),
        "clock_shows": None if checker is None else moment_text(case.clocks.now.timestamp() + checker.offset),
    }
    yield Said("dates_hold", side, label, figures)
    days = int((leaf.not_after - leaf.not_before).total_seconds() // DAY_SECONDS)
    limit = load_data("diagnosis/diagnosis_live")["longest_days"]
    lifetime = {"lifetime_days": days, "longest_days": limit}
    yield Said("lifetime_too_long" if days > limit else "lifetime_fits", side, label, lifetime)


def _strength(case: Case, facts: EndpointFacts) -> Iterator[Said]:
    signature, key = judge_signature(facts, case.policy), judge_key(facts, case.policy)
    side, label = _side(facts), facts.label
    weak = False
    for verdict, reasons in ((key, ("key_too_small", "key_type_not_allowed")), (signature, ("signature_weak",))):
        if verdict.reason in reasons:
            weak = True
            figures = {"algorithm": verdict.observed.get("algorithm"), "key": verdict.observed.get("key")}
            reason = "weak_signature" if verdict is signature else "weak_key"
            yield Said(reason, side, label, {**figures, "subject": verdict.observed.get("subject")})
    if not weak and signature.reason == "signature_strong" and key.reason == "key_strong":
        yield Said("strong_enough", side, label)


# --- both sides -------------------------------------------------------------------------------------------------------


def _overlap(case: Case) -> Iterator[Said]:
    """The versions of the device against those of each server. The device's as a server stand for those as a client."""
    own = sorted({version for facts in case.own for version in accepted(facts)})
    for facts in case.peers:
        theirs = accepted(facts)
        if not theirs:
            continue
        figures = {"device_versions": own, "peer_versions": theirs}
        if not own:
            yield Said("device_versions_unknown", DEVICE, facts.label, figures)
        elif set(own) & set(theirs):
            yield Said("versions_overlap", PEER, facts.label, {**figures, "common": sorted(set(own) & set(theirs))})
        else:
            # The side that is behind has to move.
            behind = all(version in case.policy["obsolete_tls_versions"] for version in theirs)
            yield Said("no_common_version", PEER if behind else DEVICE, facts.label, figures)
