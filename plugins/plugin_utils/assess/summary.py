# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From findings to a verdict per device, and to the fleet: who comes first, and what to do first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import (
    SEVERITIES,
    STATUSES,
    load_checklist,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.priority import (
    device_priority,
    finding_weight,
    severity_weight,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_mapping
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text, require_aware
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import PEER_PREFIX

SCHEMA_VERSION = 1
VERDICTS = ("non_compliant", "incomplete", "compliant_with_waivers", "compliant")

_NO_DUE = "9999-12-31"
#: White paper, annex 2: the clock comes first, since a wrong one explains most other failures.
_CLOCK_CHECK = "clock_offset"


def verdict_of(counts: Mapping[str, int]) -> str:
    """The verdict for these counts of findings by status; a device without any finding is incomplete."""
    if counts.get("fail"):
        return "non_compliant"
    if counts.get("not_assessed") or not any(counts.values()):
        return "incomplete"
    return "compliant_with_waivers" if counts.get("waived") else "compliant"


def _next(findings: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What to do first: the weightiest failure (of equals the clock, then the nearest date), else what to look at."""
    order = {check.name: check.order for check in load_checklist().checks}

    def urgency(finding: Mapping[str, Any]) -> tuple[Any, ...]:
        check = finding.get("check")
        return (
            finding.get("status") != "fail",
            -finding_weight(finding),
            check != _CLOCK_CHECK,
            finding.get("due") or _NO_DUE,
            order.get(str(check), len(order)),
        )

    open_findings = [finding for finding in findings if finding.get("status") in ("fail", "not_assessed")]
    if not any(finding.get("status") == "fail" for finding in open_findings):
        # Nothing fails: the checklist's own order says what to look at first.
        first = min(open_findings, key=lambda finding: order.get(str(finding.get("check")), len(order)), default=None)
    else:
        first = min(open_findings, key=urgency)
    if first is None:
        return None
    return {key: first.get(key) for key in ("check", "reason", "owner", "due", "endpoint")}


def summarize_device(
    device: Mapping[str, Any],
    findings: Iterable[Mapping[str, Any]],
    *,
    seen: bool | None = None,
    seen_before: bool | None = None,
    firmware: str | None = None,
) -> dict[str, Any]:
    """One device's line of the summary, its findings included.

    seen, seen_before: whether the device answered in this run and in the one before; None where that is not known
    """
    kept = list(findings)
    counts = dict.fromkeys(STATUSES, 0)
    worst: str | None = None
    for finding in kept:
        status = finding.get("status")
        if status in counts:
            counts[str(status)] += 1
        severity = finding.get("severity")
        if (
            status == "fail"
            and severity in SEVERITIES
            and (worst is None or SEVERITIES.index(severity) < SEVERITIES.index(worst))
        ):
            worst = str(severity)
    return {
        "device": device["name"],
        "verdict": verdict_of(counts),
        "seen": seen,
        "seen_before": seen_before,
        "worst_severity": worst,
        "class": device.get("class"),
        "criticality": device.get("criticality"),
        "service": device.get("service"),
        "inventory_number": device.get("inventory_number"),
        "firmware": firmware,
        "priority": device_priority(device, kept),
        "counts": counts,
        "next": _next(kept),
        "findings": kept,
    }


def add_authorities(found: dict[str, dict[str, Any]], line: Mapping[str, Any]) -> None:
    """Count one device's line into the authorities that end before what depends on them.

    One authority that ends is one cause, and one renewal, for all its devices: {fingerprint: {"authority", "not_after",
    "owner", "devices"}}.
    """
    for finding in line["findings"]:
        observed = as_mapping(finding.get("observed"))
        fingerprint = observed.get("authority_fingerprint_sha256")
        if finding.get("status") != "fail" or not fingerprint:
            continue
        entry = found.setdefault(
            str(fingerprint),
            {
                "authority": observed.get("authority"),
                "not_after": observed.get("not_after"),
                "owner": "it",
                "devices": {},
            },
        )
        entry["devices"][line["device"]] = None


def authorities_in_order(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The authorities to renew, the first to end first, each with the names of its devices."""
    told = [
        {**entry, "fingerprint_sha256": fingerprint, "devices": sorted(entry["devices"])}
        for fingerprint, entry in found.items()
    ]
    return sorted(told, key=lambda entry: (str(entry["not_after"]), entry["fingerprint_sha256"]))


def was_aborted(line: Mapping[str, Any]) -> bool:
    """Whether the visit of the device itself was broken off."""
    return any(
        finding.get("reason") == "visit_aborted" and not str(finding.get("endpoint") or "").startswith(PEER_PREFIX)
        for finding in line["findings"]
    )


def _stopped_answering(line: Mapping[str, Any]) -> bool:
    """Whether the device itself fell silent during its visit: somebody should go and look, before anything else."""
    return any(
        as_mapping(finding.get("observed")).get("visit_reason") == "stopped_answering"
        and not str(finding.get("endpoint") or "").startswith(PEER_PREFIX)
        for finding in line["findings"]
    )


def order_key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where a device stands in the fleet: those that fell silent first, then other aborted visits, then by clinical
    priority, then by name."""
    return (
        not _stopped_answering(line),
        not was_aborted(line),
        -line["priority"],
        -severity_weight(line["worst_severity"]),
        str(line["device"]),
    )


def empty_totals() -> dict[str, Any]:
    """Totals of no device."""
    return {
        "devices": 0,
        "verdicts": dict.fromkeys(VERDICTS, 0),
        "findings": dict.fromkeys(STATUSES, 0),
        "failures": dict.fromkeys(SEVERITIES, 0),
    }


def add_to_totals(totals: dict[str, Any], line: Mapping[str, Any]) -> None:
    """Count one device's line into the fleet's totals."""
    totals["devices"] += 1
    totals["verdicts"][line["verdict"]] += 1
    for status, number in line["counts"].items():
        totals["findings"][status] += number
    for finding in line["findings"]:
        if finding.get("status") == "fail" and finding.get("severity") in totals["failures"]:
            totals["failures"][finding["severity"]] += 1


def assemble(lines: Iterable[dict[str, Any]], now: datetime) -> dict[str, Any]:
    """The fleet's summary from its devices' lines."""
    totals = empty_totals()
    authorities: dict[str, dict[str, Any]] = {}
    kept = list(lines)
    for line in kept:
        add_to_totals(totals, line)
        add_authorities(authorities, line)
    return {
        "schema_version": SCHEMA_VERSION,
        "generated_at": instant_text(require_aware(now)),
        "totals": totals,
        "authorities": authorities_in_order(authorities),
        "devices": sorted(kept, key=order_key),
    }


def summarize(
    findings: Iterable[Mapping[str, Any]], devices: Iterable[Mapping[str, Any]], now: datetime
) -> dict[str, Any]:
    """The fleet's summary.

    A device without findings is there, incomplete; findings of a device that `devices` does not name are there too,
    with nothing but its name: nothing is dropped in silence.
    """
    by_device: dict[Any, list[Mapping[str, Any]]] = {}
    cards: dict[Any, Mapping[str, Any]] = {}
    for device in devices:
        cards[device["name"]] = device
        by_device.setdefault(device["name"], [])
    for finding in findings:
        by_device.setdefault(finding["device"], []).append(finding)
    return assemble(
        (summarize_device(cards.get(name, {"name": name}), found) for name, found in by_device.items()), now
    )
