# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The assess filter: observations in, findings out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: assess
short_description: Judge what was observed of medical devices against the preventive-maintenance checklist
version_added: 0.1.0
author: The biomed.cert_hygiene authors
description:
  - Turns observations into findings, one for each check of each device, or of each of its TLS endpoints.
  - What was not seen is never a pass. It is C(not_assessed), with the reason why.
  - The servers that a device talks to count too, where their observations are among the input.
  - For thousands of devices, leave observations in files and let M(biomed.cert_hygiene.report) read them.
positional: devices, policy
options:
  _input:
    description: The observations, as M(biomed.cert_hygiene.device_probe) returns them. Their order does not matter.
    type: list
    elements: dict
    required: true
  devices:
    description:
      - The devices to judge, as dictionaries with the options of M(biomed.cert_hygiene.device_probe).
        Only C(name) is required.
      - A device without any observation gets findings that say so.
      - Beside those options, C(ports_allowed), C(peers), C(vendor_limits), C(groups), C(time_zone), C(ntp_servers),
        C(accounts) and C(trust_anchors_sha256) count here.
    type: list
    elements: dict
    required: true
  policy:
    description: The hospital's own values over the built-in policy. An unknown key is an error.
    type: dict
    default: {}
  attestations:
    description:
      - What people saw where no probe can look. Each has C(check), C(device), C(result) (V(pass), V(fail) or
        V(not_applicable)), C(by), C(on) and C(until), and may have C(endpoint) and C(note), which says why a check does
        not apply.
      - An attestation only answers what could not be assessed otherwise, and only until its C(until). Once past, it
        gives the reason V(attestation_expired). Of several in force, one that is V(fail) counts.
      - One for a device that O(devices) does not name is told as a warning.
    type: list
    elements: dict
    default: []
  waivers:
    description:
      - Failures that the hospital accepts for a time. Each has C(check), C(device) or C(group), C(reason),
        C(justification), C(approver) and C(until), and may have C(endpoint).
    type: list
    elements: dict
    default: []
  now:
    description:
      - The moment to judge at, in ISO 8601. Without a zone it is UTC.
      - The control node's clock if left out.
    type: str
seealso:
  - plugin: biomed.cert_hygiene.summarize
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Judge one device as of a given day
  ansible.builtin.set_fact:
    findings: "{{ observations | biomed.cert_hygiene.assess(devices, now='2026-11-22T18:00:00Z') }}"
  vars:
    devices:
      - name: echo-004
    observations:
      - device: echo-004
        outcome: observed
        finished_at: "2026-11-22T17:00:00Z"
        endpoints:
          - port: 443
            service: https
            outcome: tls
            chain:
              - subject: CN=echo-004
                issuer: CN=Hospital CA
                not_before: "2026-01-21T00:00:00Z"
                not_after: "2027-01-21T00:00:00Z"

- name: Fewer than 90 days are left, and more than 30, so the renewal is to be planned
  ansible.builtin.assert:
    that:
      - findings[0].check == 'certificate_validity'
      - findings[0].reason == 'expires_within_window'
      - findings[0].due == '2027-01-21'

- name: Judge with the hospital's own values
  ansible.builtin.debug:
    msg: >-
      {{ observations | biomed.cert_hygiene.assess(devices, {'plan_days': 120}) | selectattr('status', 'eq', 'fail') }}
"""

RETURN = r"""
_value:
  description: The findings, in the order of O(devices), then of the checklist, then of the endpoints.
  type: list
  elements: dict
  contains:
    check:
      description: The check, one of the 19 of the checklist.
      type: str
      sample: certificate_validity
    device:
      description: The name of the device.
      type: str
    endpoint:
      description:
        - The endpoint, as C(service:port); C(peer:name:port) for a server that the device talks to; C(client:path) or
          C(file:path) for a certificate file.
        - Null for what is judged once for the whole device.
      type: str
      sample: "https:443"
    status:
      description: One of V(pass), V(fail), V(not_applicable), V(not_assessed) and V(waived).
      type: str
    severity:
      description: One of V(critical), V(high), V(medium), V(low) and V(info).
      type: str
    reason:
      description: Why, from a closed list.
      type: str
      sample: expires_within_window
    observed:
      description: What the verdict rests on. The person behind an attestation is in C(attestation).
      type: dict
    expected:
      description: What was asked. A waiver is in C(waiver), a limit of the manufacturer in C(vendor_limit).
      type: dict
    owner:
      description: Who has to act, one of V(biomed), V(it) and V(vendor).
      type: str
    due:
      description: The last day to act, where there is one.
      type: str
      sample: "2027-01-21"
    source:
      description: Where this is seen, one of V(network), V(gateway), V(appliance), V(access), V(cmms) and
        V(attestation).
      type: str
    references:
      description: The line of the white paper, and of the standards.
      type: list
      elements: str
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.device import assess_devices
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import load_attestations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import sentence
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.unheard import strangers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import load_waivers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.inputs import moment, named_devices, records

display = Display()


def assess(
    observations: Any, devices: Any, policy: Any = None, attestations: Any = (), waivers: Any = (), now: Any = None
) -> list[dict[str, Any]]:
    """See DOCUMENTATION. AnsibleFilterError, naming the argument, for anything that cannot be used."""
    try:
        cards, at = named_devices(devices), moment(now, datetime.now(timezone.utc))
        attested, waived = load_attestations(attestations), load_waivers(waivers)
        names, groups = (
            {card["name"] for card in cards},
            {str(g) for card in cards for g in as_list(card.get("groups"))},
        )
        for problem in strangers(attested, waived, names, groups, at):
            display.warning(f"biomed.cert_hygiene.assess: {sentence('not_used', 'en', {'problem': problem})}")
        return assess_devices(cards, records("observations", observations), load_policy(policy), at, attested, waived)
    except ValueError as error:
        raise AnsibleFilterError(f"biomed.cert_hygiene.assess: {error}") from error


class FilterModule:
    """The filter, as Ansible loads it."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Name of the filter -> the function."""
        return {"assess": assess}
