# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clinical priority: what to put right first, over a whole hospital (the table is data/priority.yml)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list, as_mapping
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data


def severity_weight(severity: Any) -> float:
    """How much a severity weighs; 0 for what is none."""
    weights: Mapping[Any, float] = load_data("rules/priority")["severity"]
    return weights.get(severity, 0) if isinstance(severity, str) else 0


def device_weight(device: Mapping[str, Any]) -> float:
    """How much a device weighs: its criticality, and more while it is, or may be, in clinical use."""
    table = load_data("rules/priority")
    criticality, in_use = device.get("criticality"), device.get("in_use")
    weight: float = table["criticality_unknown"]
    if isinstance(criticality, str):
        weight = table["criticality"].get(criticality, weight)
    use: float = table["in_use"]["true" if in_use else "false"] if isinstance(in_use, bool) else table["in_use_unknown"]
    return weight * use


def _hidden(finding: Mapping[str, Any]) -> bool:
    """Whether none of the ports that a finding is about answers from the network."""
    observed = as_mapping(finding.get("observed"))
    insecure, hidden = (
        {as_mapping(item).get("port") for item in as_list(observed.get(key))}
        for key in ("insecure", "hidden_from_network")
    )
    return bool(insecure) and insecure <= hidden


def finding_weight(finding: Mapping[str, Any]) -> float:
    """How much a failure weighs on any device: severity x exposure; 0 for what is no failure."""
    if finding.get("status") != "fail":
        return 0
    reason = finding.get("reason")
    exposure: float = load_data("rules/priority")["exposure"].get(reason, 1) if isinstance(reason, str) else 1
    return severity_weight(finding.get("severity")) * (1 if _hidden(finding) else exposure)


def device_priority(device: Mapping[str, Any], findings: Iterable[Mapping[str, Any]]) -> float:
    """The priority of a device: that of its weightiest failure; 0 where nothing fails."""
    return round(device_weight(device) * max(map(finding_weight, findings), default=0), 2)
