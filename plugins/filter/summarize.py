# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summarize filter: findings in, one verdict per device out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: summarize
short_description: Give each medical device its verdict, and say who comes first
version_added: 0.1.0
author: The biomed.cert_hygiene authors
description:
  - Turns the findings of the assess filter into a verdict per device, with what to do first, and into totals.
  - A device is V(non_compliant) if anything fails, else V(incomplete) if anything is not assessed, else
    V(compliant_with_waivers) if a failure is waived, else V(compliant).
positional: devices
options:
  _input:
    description: The findings, as P(biomed.cert_hygiene.assess#filter) returns them.
    type: list
    elements: dict
    required: true
  devices:
    description:
      - The devices that were judged, as dictionaries. Only C(name) is required. C(class), C(criticality), C(service)
        and C(inventory_number) are kept.
      - A device without findings is V(incomplete).
    type: list
    elements: dict
    required: true
  now:
    description:
      - The moment of the summary, in ISO 8601. Without a zone it is UTC.
      - The control node's clock if left out.
    type: str
seealso:
  - plugin: biomed.cert_hygiene.assess
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the devices to care for, the most pressing first
  ansible.builtin.debug:
    msg: "{{ summary.devices | rejectattr('verdict', 'eq', 'compliant') | map(attribute='device') }}"
  vars:
    findings: "{{ observations | biomed.cert_hygiene.assess(devices) }}"
    summary: "{{ findings | biomed.cert_hygiene.summarize(devices) }}"
"""

RETURN = r"""
_value:
  description: The summary of the fleet.
  type: dict
  contains:
    schema_version:
      description: The version of this form.
      type: int
      sample: 1
    generated_at:
      description: The moment of the summary, in UTC.
      type: str
      sample: "2026-11-22T18:00:00Z"
    totals:
      description:
        - The number of C(devices), of devices by verdict (C(verdicts)), of findings by status (C(findings)), and of
          failures by severity (C(failures)).
      type: dict
    authorities:
      description:
        - The certificates of authorities that end soon, or have ended, before what depends on them, the first to end
          first. One renewal each puts all their devices right.
      type: list
      elements: dict
      contains:
        authority:
          description: The subject of its certificate.
          type: str
        fingerprint_sha256:
          description: The SHA-256 fingerprint of that certificate.
          type: str
        not_after:
          description: When it ends.
          type: str
        owner:
          description: Who renews it.
          type: str
        devices:
          description: The names of the devices that depend on it.
          type: list
          elements: str
    devices:
      description:
        - One entry per device. Those that stopped answering during their visit come first, then those whose visit was
          broken off, then the gravest failure weighted by the
          device's criticality, then the name.
      type: list
      elements: dict
      contains:
        device:
          description: The name of the device.
          type: str
        verdict:
          description: V(non_compliant), V(incomplete), V(compliant_with_waivers) or V(compliant).
          type: str
        seen:
          description: Whether the device answered. Always null here, a report knows it.
          type: bool
        seen_before:
          description: The same, in the report before. Always null here, a report knows it.
          type: bool
        worst_severity:
          description: The gravest failure's severity, null where nothing fails.
          type: str
        class:
          description: The family of the device, as given.
          type: str
        criticality:
          description: How critical the device is, as given.
          type: str
        service:
          description: The ward, as given.
          type: str
        inventory_number:
          description: The inventory number, as given.
          type: str
        firmware:
          description: The firmware's version that a login told. Always null here, a report knows it.
          type: str
        priority:
          description:
            - The clinical priority of its weightiest failure, severity times criticality times exposure.
            - 0 where nothing fails.
          type: float
        counts:
          description: The number of findings by status.
          type: dict
        next:
          description:
            - What to do first, with C(check), C(reason), C(owner), C(due) and C(endpoint).
            - Null where nothing is left to do.
          type: dict
        findings:
          description: The findings of the device.
          type: list
          elements: dict
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.summary import summarize as summarize_findings
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.inputs import (
    moment,
    named_devices,
    named_findings,
)


def summarize(findings: Any, devices: Any, now: Any = None) -> dict[str, Any]:
    """See DOCUMENTATION. AnsibleFilterError, naming the argument, for anything that cannot be used."""
    try:
        return summarize_findings(
            named_findings(findings), named_devices(devices), moment(now, datetime.now(timezone.utc))
        )
    except ValueError as error:
        raise AnsibleFilterError(f"biomed.cert_hygiene.summarize: {error}") from error


class FilterModule:
    """The filter, as Ansible loads it."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Name of the filter -> the function."""
        return {"summarize": summarize}
