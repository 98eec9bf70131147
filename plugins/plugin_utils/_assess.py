# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One device: what was observed, against the policy, check by check.

Pure: no socket, no clock. The order of the findings is the checklist's, then the device's own endpoints as
declared, then its peers'. Never a false pass: what was not seen is `not_assessed`, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._attestations import load_attestations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._check_certificate import (
    judge_key,
    judge_name,
    judge_signature,
    judge_trust,
    judge_validity,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._check_clock import judge_clock
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._check_ports import judge_ports
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._check_tls import judge_versions
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._checklist import load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._clean import as_list, as_mapping, clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._clock import (
    ClockEstimate,
    believable,
    estimate_clock,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._endpoint_facts import EndpointFacts, endpoint_facts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._finding import PEER_PREFIX, finding_maker
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._instants import require_aware
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._visits import (
    Visit,
    device_visit,
    endpoint_seen,
    newest_network,
    peer_key,
    peer_visit,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._waivers import load_waivers


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything that the judges of one device need."""

    device: Mapping[str, Any]
    visit: Visit
    own: tuple[EndpointFacts, ...]
    peers: tuple[EndpointFacts, ...]
    clock: ClockEstimate | None
    policy: Mapping[str, Any]
    now: datetime


_ENDPOINT_JUDGES: dict[str, Callable[[Subject, EndpointFacts], Verdict]] = {
    "certificate_validity": lambda s, facts: judge_validity(facts, s.policy, s.now, believable(s.clock)),
    "certificate_signature": lambda s, facts: judge_signature(facts, s.policy),
    "tls_versions": lambda s, facts: judge_versions(facts, s.policy),
    "certificate_trust": lambda s, facts: judge_trust(facts, s.now),
    "certificate_name": lambda s, facts: judge_name(facts),
    "certificate_key": lambda s, facts: judge_key(facts, s.policy),
}

_DEVICE_JUDGES: dict[str, Callable[[Subject], Verdict]] = {
    "clock_offset": lambda s: judge_clock(
        s.visit,
        s.clock,
        ((facts.label or "", link) for facts in (*s.own, *s.peers) for link in facts.chain if link.readable),
        s.policy,
        s.now,
    ),
    "open_ports": lambda s: judge_ports(s.device, s.visit, _tls_ports(s.device), s.policy),
    # What only a login, the CMMS or a person tells is not looked at from the network.
    "time_zone": lambda s: Verdict("login_needed"),
    "ntp_client": lambda s: Verdict("login_needed"),
    "default_passwords": lambda s: Verdict("login_needed"),
    "stale_accounts": lambda s: Verdict("login_needed"),
    "admin_interface": lambda s: Verdict("login_needed"),
    "tls_failure_logs": lambda s: Verdict("login_needed"),
    "config_backup": lambda s: Verdict("login_needed"),
    "trust_store": lambda s: Verdict("login_needed"),
    "cmms_record": lambda s: Verdict("cmms_needed"),
    "label": lambda s: Verdict("attestation_needed"),
}


def endpoint_label(service: Any, port: Any) -> str:
    """How a device's own endpoint is called in findings: "https:443"."""
    return f"{clean_text(service or 'tls')}:{clean_text(port)}"


def peer_label(peer: Mapping[str, Any]) -> str:
    """How a server that the device talks to is called in findings: by its first name, else its address."""
    names = _names(peer)
    return f"{PEER_PREFIX}{names[0] if names else clean_text(peer.get('address'))}:{clean_text(peer.get('port'))}"


def _names(card: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in as_list(card.get("names")) if isinstance(name, str) and name)


def _tls_ports(device: Mapping[str, Any]) -> frozenset[int]:
    ports = (as_mapping(item).get("port") for item in as_list(device.get("endpoints")))
    return frozenset(port for port in ports if isinstance(port, int))


def _own_facts(device: Mapping[str, Any], visit: Visit) -> tuple[EndpointFacts, ...]:
    """The declared endpoints; what was visited, where the card does not speak of endpoints at all."""
    declared = device.get("endpoints")
    if declared is None:
        declared = visit.facts.get("endpoints")
    names = _names(device)
    found = []
    for item in as_list(declared):
        entry = as_mapping(item)
        port, service = entry.get("port"), entry.get("service")
        seen = endpoint_seen(visit, port, service)
        label = endpoint_label(service or (seen or {}).get("service"), port)
        found.append(endpoint_facts(label, names, visit, seen, peer=False))
    if found:
        return tuple(found)
    # Nothing declared: of a device that nobody visited, the visit is the first thing to put right.
    undeclared = device.get("endpoints") is not None or visit.at is not None
    reason = "endpoint_not_declared" if undeclared else visit.missing
    return (EndpointFacts(None, False, names, None, reason, visit.context),)


def _peer_facts(
    device: Mapping[str, Any], observations: Iterable[Mapping[str, Any]], policy: Mapping[str, Any], now: datetime
) -> tuple[EndpointFacts, ...]:
    found = []
    for item in as_list(device.get("peers")):
        peer = as_mapping(item)
        visit = peer_visit(newest_network(observations, peer_key(peer)), policy, now)
        seen = endpoint_seen(visit, peer.get("port"), None)
        found.append(endpoint_facts(peer_label(peer), _names(peer), visit, seen, peer=True))
    return tuple(found)


def assess_device(
    device: Mapping[str, Any],
    observations: Iterable[Mapping[str, Any]],
    policy: Mapping[str, Any],
    now: datetime,
    attestations: Any = (),
    waivers: Any = (),
) -> list[dict[str, Any]]:
    """All findings of one device.

    device:       its card; only `name` is required
    observations: this device's own and its peers'; the latest of each counts
    policy:       what load_policy returned
    now:          an aware datetime
    attestations, waivers: lists of dictionaries, or what load_attestations and load_waivers made of them

    ValueError for a `now` without a zone, and for a malformed attestation or waiver.
    """
    now = require_aware(now)
    maker = finding_maker(device, load_attestations(attestations), load_waivers(waivers), now)
    checks = load_checklist().checks
    if device.get("invalid"):
        problem = {"problem": clean_text(device["invalid"])}
        return [maker.make(check, Verdict("inventory_invalid", dict(problem)), None) for check in checks]
    observations = [item for item in observations if isinstance(item, Mapping)]
    visit = device_visit(device, newest_network(observations, maker.device), policy, now)
    own = _own_facts(device, visit)
    peers = _peer_facts(device, observations, policy, now)
    clock = estimate_clock(as_mapping(visit.facts.get("clock")).get("samples"), policy["clock_agreement_slack"])
    subject = Subject(device, visit, own, peers, clock, policy, now)
    findings = []
    for check in checks:
        device_judge = _DEVICE_JUDGES.get(check.name)
        if device_judge:
            findings.append(maker.make(check, device_judge(subject), None))
            continue
        judge = _ENDPOINT_JUDGES[check.name]
        findings.extend(maker.make(check, judge(subject, facts), facts.label) for facts in (*own, *peers))
    return findings


def assess_devices(
    devices: Iterable[Mapping[str, Any]],
    observations: Iterable[Mapping[str, Any]],
    policy: Mapping[str, Any],
    now: datetime,
    attestations: Any = (),
    waivers: Any = (),
) -> list[dict[str, Any]]:
    """All findings of all devices, each device with its own observations and its peers'."""
    by_device: dict[Any, list[Mapping[str, Any]]] = {}
    for observation in observations:
        name = observation.get("device")
        if isinstance(name, str):
            by_device.setdefault(name, []).append(observation)
    attested, waived = load_attestations(attestations), load_waivers(waivers)
    findings: list[dict[str, Any]] = []
    for device in devices:
        keys = (device["name"], *(peer_key(as_mapping(peer)) for peer in as_list(device.get("peers"))))
        own = [observation for key in dict.fromkeys(keys) for observation in by_device.get(key, ())]
        findings.extend(assess_device(device, own, policy, now, attested, waived))
    return findings
