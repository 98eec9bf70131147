# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One device: what was observed, against the policy, check by check.

Pure: no socket, no clock. The order of the findings is the checklist's, then the device's own endpoints as
declared, then its peers'. Never a false pass: what was not seen is `not_assessed`, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.finding import finding_maker
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.settle import (
    as_whole,
    settle,
    status_of,
    worst_chain,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.table import (
    CERTIFICATE,
    DEVICE,
    ENDPOINT,
    Registered,
    checks_in_order,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.endpoints import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import Subject, subject_of
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation, read_observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import load_attestations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import load_waivers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list, as_mapping, clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import require_aware
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import peer_key


def assess_device(
    device: Mapping[str, Any],
    observations: Iterable[Any],
    policy: Mapping[str, Any],
    now: datetime,
    attestations: Any = (),
    waivers: Any = (),
) -> list[dict[str, Any]]:
    """All findings of one device.

    device:       its card; only `name` is required
    observations: this device's own and its peers'; the latest of each counts. Plain data, or what read_observation
                  made of it
    policy:       what load_policy returned
    now:          an aware datetime
    attestations, waivers: lists of dictionaries, or what load_attestations and load_waivers made of them

    ValueError for a `now` without a zone, and for a malformed attestation or waiver.
    """
    now = require_aware(now)
    maker = finding_maker(device, load_attestations(attestations), load_waivers(waivers), now)
    if device.get("invalid"):
        problem = {"problem": clean_text(device["invalid"])}
        return [maker.make(line.check, Verdict("inventory_invalid", dict(problem)), None) for line in checks_in_order()]
    subject = subject_of(device, observations, policy, now)
    findings = []
    for line in checks_in_order():
        if line.kind == DEVICE:
            findings.append(maker.make(line.check, settle(line.check, line.judge(subject)), None))
            continue
        for facts in subject.places(with_files=line.kind == CERTIFICATE):
            verdict = _endpoint_verdict(line, facts, subject)
            if verdict is not None:
                findings.append(maker.make(line.check, verdict, facts.label, facts.source))
    return findings


def _endpoint_verdict(line: Registered, facts: EndpointFacts, subject: Subject) -> Verdict | None:
    """The verdict on one place: the worst of its chains; no pass where the visit broke off or may be shown others."""
    verdict: Verdict | None = line.judge(facts, subject)
    if verdict is not None and facts.further and line.kind != ENDPOINT:
        chains = [(facts, verdict), *((other, line.judge(other, subject)) for other in facts.further)]
        verdict = worst_chain(line.check, chains)
    if verdict is not None and facts.unfinished and status_of(line.check, verdict) == "pass":
        return Verdict("visit_aborted", {**facts.context, **verdict.observed}, verdict.expected)
    unseen = facts.chains_unknown if line.kind != ENDPOINT else []
    if verdict is not None and unseen and status_of(line.check, verdict) == "pass":
        return Verdict("visit_incomplete", {**verdict.observed, "unknown": unseen}, verdict.expected)
    return None if verdict is None else as_whole(line.check, verdict, facts.damaged)


def assess_devices(
    devices: Iterable[Mapping[str, Any]],
    observations: Iterable[Any],
    policy: Mapping[str, Any],
    now: datetime,
    attestations: Any = (),
    waivers: Any = (),
) -> list[dict[str, Any]]:
    """All findings of all devices, each device with its own observations and its peers'."""
    by_device: dict[str | None, list[Observation]] = {}
    for observation in read_observations(observations):
        by_device.setdefault(observation.device, []).append(observation)
    attested, waived = load_attestations(attestations), load_waivers(waivers)
    findings: list[dict[str, Any]] = []
    for device in devices:
        keys = (device["name"], *(peer_key(as_mapping(peer)) for peer in as_list(device.get("peers"))))
        own = [observation for key in dict.fromkeys(keys) for observation in by_device.get(key, ())]
        findings.extend(assess_device(device, own, policy, now, attested, waived))
    return findings
