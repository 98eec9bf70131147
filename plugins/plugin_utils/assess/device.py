# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One device: what was observed, against the policy, check by check.

Pure: no socket, no clock. The order of the findings is the checklist's, then the device's own endpoints as
declared, then its peers'. Never a false pass: what was not seen is `not_assessed`, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.finding import finding_maker
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.settle import settle
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.access import (
    judge_admin_interface,
    judge_default_passwords,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.accounts import (
    judge_accounts,
    judge_empty_passwords,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.backup import judge_backup
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.certificate import (
    judge_key,
    judge_name,
    judge_signature,
    judge_trust,
    judge_validity,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.clock import (
    Reading,
    best_estimate,
    clock_readings,
    judge_clocks,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.logs import judge_failures
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.ports import judge_ports, listening_ports
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.time import judge_ntp, judge_time_zone
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.tls import judge_versions
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.trust_store import judge_trust_store
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import ClockEstimate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import (
    EndpointFacts,
    endpoint_facts,
    file_facts,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.logins import (
    ACCESS_SOURCE,
    Answer,
    Logins,
    device_access,
    device_logins,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import (
    Visit,
    device_visit,
    endpoint_seen,
    newest_network,
    peer_visit,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import load_attestations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import load_waivers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import Check, load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    MAX_ITEMS,
    as_list,
    as_mapping,
    clean_text,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import require_aware
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import (
    CLIENT,
    ENDPOINT,
    FILE,
    PEER,
    declared_names,
    peer_key,
    place_label,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything that the judges of one device need."""

    device: Mapping[str, Any]
    visit: Visit
    logins: Logins
    access: Visit | None
    no_access: Verdict
    own: tuple[EndpointFacts, ...]
    files: tuple[EndpointFacts, ...]
    peers: tuple[EndpointFacts, ...]
    clocks: tuple[Reading, ...]
    clock: ClockEstimate | None
    policy: Mapping[str, Any]
    now: datetime

    def device_time(self, at: datetime | None) -> datetime:
        """What the device's clock showed at `at`, as far as its offset is known."""
        moment = at or self.now
        try:
            return moment if self.clock is None else moment + timedelta(seconds=self.clock.offset)
        except OverflowError:
            return moment


_ENDPOINT_JUDGES: dict[str, Callable[[Subject, EndpointFacts], Verdict]] = {
    "certificate_validity": lambda s, facts: judge_validity(facts, s.policy, s.now, s.clock),
    "certificate_signature": lambda s, facts: judge_signature(facts, s.policy),
    "tls_versions": lambda s, facts: judge_versions(facts, s.policy),
    "certificate_trust": lambda s, facts: judge_trust(facts, s.now),
    "certificate_name": lambda s, facts: judge_name(facts),
    "certificate_key": lambda s, facts: judge_key(facts, s.policy),
}

#: The checks that a certificate file answers as well as an endpoint does: it has no TLS versions, and whom it is
#: shown to, under which name, is not written in it.
_FILE_CHECKS = frozenset({"certificate_validity", "certificate_signature", "certificate_key"})

#: Device check -> the subset of a login that tells it, and how that is judged.
_LOGIN_JUDGES: dict[str, tuple[str, Callable[[Subject, Answer], Verdict]]] = {
    "time_zone": ("time_zone", lambda s, told: judge_time_zone(s.device, told.data, s.device_time(told.at))),
    "ntp_client": ("ntp", lambda s, told: judge_ntp(s.device, told.data)),
    "stale_accounts": ("accounts", lambda s, told: judge_accounts(s.device, told.data, s.now)),
    "tls_failure_logs": ("tls_failures", lambda s, told: judge_failures(told.data, s.policy)),
    "config_backup": ("config_backup", lambda s, told: judge_backup(told.data, s.policy, s.now)),
    "trust_store": ("trust_stores", lambda s, told: judge_trust_store(s.device, told.data, s.policy)),
}


def _clock_verdicts(s: Subject) -> list[Verdict]:
    links = [
        (facts.label or "", link) for facts in (*s.own, *s.files, *s.peers) for link in facts.chain if link.readable
    ]
    return judge_clocks(s.clocks, links, s.policy, s.now)


def _port_verdicts(s: Subject) -> list[Verdict]:
    told = s.logins.answers("listening")[0] if s.logins.visits else None
    if told is not None and told.problem is None and told.source is not None:
        own = listening_ports(told.source, told.data)
        return [judge_ports(s.device, s.visit, _tls_ports(s.device), s.policy, own)]
    if told is not None and told.problem is not None and s.visit.at is None:
        return [told.problem]
    return [judge_ports(s.device, s.visit, _tls_ports(s.device), s.policy)]


def _access_verdict(s: Subject, judge: Callable[[Visit], Verdict]) -> Verdict:
    return s.no_access if s.access is None else replace(judge(s.access), source=ACCESS_SOURCE)


def _password_verdicts(s: Subject) -> list[Verdict]:
    found = [_access_verdict(s, judge_default_passwords)]
    if s.logins.visits:
        for told in s.logins.answers("accounts"):
            empty = None if told.problem is not None else judge_empty_passwords(told.data, s.now)
            if empty is not None:
                found.append(replace(empty, source=told.source))
    return found


_DEVICE_JUDGES: dict[str, Callable[[Subject], list[Verdict]]] = {
    "clock_offset": _clock_verdicts,
    "open_ports": _port_verdicts,
    "default_passwords": _password_verdicts,
    "admin_interface": lambda s: [_access_verdict(s, judge_admin_interface)],
    "cmms_record": lambda s: [Verdict("cmms_needed")],
    "label": lambda s: [Verdict("attestation_needed")],
}


def _device_verdict(check: Check, s: Subject) -> Verdict:
    """The verdict on a check that is made once for the whole device."""
    judge = _DEVICE_JUDGES.get(check.name)
    if judge is not None:
        return settle(check, judge(s))
    subset, judge_answer = _LOGIN_JUDGES[check.name]
    if not s.logins.visits:
        return s.logins.missing
    return settle(
        check,
        [told.problem or replace(judge_answer(s, told), source=told.source) for told in s.logins.answers(subset)],
    )


def _tls_ports(device: Mapping[str, Any]) -> frozenset[int]:
    ports = (as_mapping(item).get("port") for item in as_list(device.get("endpoints")))
    return frozenset(port for port in ports if isinstance(port, int))


def _own_facts(device: Mapping[str, Any], visit: Visit) -> tuple[EndpointFacts, ...]:
    """The declared endpoints; what was visited, where the card does not speak of endpoints at all."""
    declared = device.get("endpoints")
    if declared is None:
        declared = visit.facts.get("endpoints")
    names = declared_names(device)
    found = []
    for item in as_list(declared):
        entry = as_mapping(item)
        port, service = entry.get("port"), entry.get("service")
        seen = endpoint_seen(visit, port, service)
        label = place_label(ENDPOINT, {"service": service or (seen or {}).get("service"), "port": port})
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
        found.append(endpoint_facts(place_label(PEER, peer), declared_names(peer), visit, seen, peer=True))
    return tuple(found)


def _file_facts(logins: Logins) -> tuple[EndpointFacts, ...]:
    """The certificate files that logins found; each path once, as the latest login saw it."""
    found: dict[str, EndpointFacts] = {}
    if not logins.visits:
        return ()
    for told in logins.answers("certificate_files"):
        if told.problem is not None:
            # Asked for, and not seen: what the device uses as a client may be expired.
            if told.problem.reason in ("login_subset_failed", "login_not_permitted"):
                label = place_label(FILE, {"path": "*"})
                missing = EndpointFacts(label, False, (), None, told.problem.reason, told.problem.observed)
                found.setdefault(label, replace(missing, source=told.source))
            continue
        for entry in map(as_mapping, told.data[:MAX_ITEMS]):
            if isinstance(entry.get("path"), str) and entry["path"]:
                label = place_label(CLIENT if entry.get("role") == "client" else FILE, entry)
                facts = file_facts(label, entry, told.source, told.at)
                # One file that two services name is as exposed as the worse of its keys.
                if label not in found or (_exposed(facts) and not _exposed(found[label])):
                    found[label] = facts
    return tuple(found.values())


def _exposed(facts: EndpointFacts) -> bool:
    return facts.key_file is not None and facts.key_file["key_safe"] is False


def _endpoints_of(check: Check, s: Subject) -> list[EndpointFacts]:
    """The endpoints, files and servers that a check is made on."""
    own = s.own
    files: list[EndpointFacts] = []
    if check.name in _FILE_CHECKS and s.files:
        # Without a certificate one finding says so; the key beside it may be judged all the same.
        files = [
            facts
            for facts in s.files
            if facts.chain
            or check.name == "certificate_validity"
            or (check.name == "certificate_key" and _exposed(facts))
        ]
        if any(facts.chain for facts in files) and own[0].label is None and own[0].missing == "endpoint_not_declared":
            # A device that serves nothing over TLS: the certificate that it uses as a client is its own.
            own = ()
    return [*own, *files, *s.peers]


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
    logins = device_logins(observations, maker.device, policy, now)
    access, no_access = device_access(observations, maker.device, policy, now)
    clocks = clock_readings(visit, logins, policy)
    subject = Subject(
        device=device,
        visit=visit,
        logins=logins,
        access=access,
        no_access=no_access,
        own=_own_facts(device, visit),
        files=_file_facts(logins),
        peers=_peer_facts(device, observations, policy, now),
        clocks=clocks,
        clock=best_estimate(clocks),
        policy=policy,
        now=now,
    )
    findings = []
    for check in checks:
        judge = _ENDPOINT_JUDGES.get(check.name)
        if judge is None:
            findings.append(maker.make(check, _device_verdict(check, subject), None))
            continue
        for facts in _endpoints_of(check, subject):
            findings.append(maker.make(check, judge(subject, facts), facts.label, facts.source))
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
