# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a verdict to a finding: what the table, the vendor's limits, attestations and waivers make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.applicable import not_applicable
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import Attestations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import Waivers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import Check, load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    MAX_ITEMS,
    as_list,
    as_mapping,
    clean_text,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import PEER_PREFIX

_ATTESTED = {"pass": "attested_pass", "fail": "attested_fail", "not_applicable": "attested_not_applicable"}


@dataclass(frozen=True, slots=True)
class FindingMaker:
    """Makes the findings of one device."""

    device: str
    card: Mapping[str, Any]
    vendor_limits: Mapping[str, Any]
    attestations: Attestations
    waivers: Waivers
    now: datetime
    groups: tuple[str, ...] = ()

    def make(self, check: Check, verdict: Verdict, endpoint: str | None, source: str | None = None) -> dict[str, Any]:
        """One finding, all keys present. KeyError for a reason that the table does not have.

        source: which kind of observation showed the endpoint, where it is not the check's usual one
        """
        common = load_checklist().common
        reason = check.reasons.get(verdict.reason) or common[verdict.reason]
        observed, expected, due = verdict.observed, verdict.expected, verdict.due
        source = verdict.source or source or check.source
        severity = reason.severity
        if reason.status == "not_assessed":
            attested = self.attestations.in_force(self.device, check.name, endpoint, self.now)
            if attested:
                result = attested[0].result
                observed = {"not_assessed": reason.name, "attestation": attested[0].as_dict()}
                others = [{"result": item.result, **item.as_dict()} for item in attested if item.result != result]
                if others:
                    observed["attested_otherwise"] = others[:MAX_ITEMS]
                reason, source = common[_ATTESTED[result]], "attestation"
                severity = check.attested_severity if result == "fail" else "info"
            elif (none := not_applicable(self.card, check.name, reason.name)) is not None:
                observed, reason = {"not_assessed": reason.name}, common[none]
            elif reason.person:
                lapsed = self.attestations.lapsed(self.device, check.name, endpoint, self.now)
                if lapsed:
                    observed = {"not_assessed": reason.name, "attestation": lapsed.as_dict()}
                    reason, source = common["attestation_expired"], "attestation"
        on_peer = endpoint is not None and endpoint.startswith(PEER_PREFIX)
        if reason.name in _ATTESTED.values():
            owner = "it" if on_peer else check.owner
        else:
            owner = reason.peer_owner if on_peer else reason.owner
        status = reason.status
        if status == "fail":
            waivers = self.waivers.in_force(self.device, check.name, reason.name, endpoint, self.now, self.groups)
            if waivers:
                status = "waived"
                expected = {**expected, "waiver": waivers[0].as_dict()}
                others = [item.as_dict() for item in waivers[1:] if item.says() != waivers[0].says()]
                if others:
                    expected["waived_otherwise"] = others[:MAX_ITEMS]
            # A limit of the device is none of the servers it talks to.
            if check.name in self.vendor_limits and not on_peer:
                owner = "vendor"
                expected = {**expected, "vendor_limit": clean_text(self.vendor_limits[check.name])}
        return {
            "check": check.name,
            "device": self.device,
            "endpoint": endpoint,
            "status": status,
            "severity": severity,
            "reason": reason.name,
            "observed": observed,
            "expected": expected,
            "owner": owner,
            "due": due,
            "source": source,
            "references": list(check.references),
        }


def finding_maker(
    device: Mapping[str, Any], attestations: Attestations, waivers: Waivers, now: datetime
) -> FindingMaker:
    """The maker for this device's card."""
    groups = tuple(group for group in as_list(device.get("groups")) if isinstance(group, str))
    limits = as_mapping(device.get("vendor_limits"))
    return FindingMaker(str(device["name"]), device, limits, attestations, waivers, now, groups)
