#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin biomed.cert_hygiene.visit_plan."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: visit_plan
short_description: Share medical devices out among vantages and ways of asking
version_added: "1.0.0"
description:
  - Reads C(device_vantage), C(device_profile) and C(device_probe_consent) of each device, and says which host visits it
    over the network and whether a login is to tell the rest.
  - Nothing is sent to a device. The role P(biomed.cert_hygiene.audit#role) begins with it.
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
options:
  devices:
    description: Inventory names.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
attributes:
  check_mode:
    details: It only reads the inventory.
seealso:
  - module: biomed.cert_hygiene.device_probe
  - module: biomed.cert_hygiene.gateway_info
  - module: biomed.cert_hygiene.appliance_info
"""

EXAMPLES = r"""
- name: Say who visits whom
  biomed.cert_hygiene.visit_plan:
    devices: "{{ ansible_play_hosts_all }}"
  run_once: true
  register: plan

- name: Visit what the control node itself can reach
  biomed.cert_hygiene.device_probe:
    devices: "{{ plan.vantages.localhost }}"
  delegate_to: localhost
  run_once: true
  when: "'localhost' in plan.vantages"
"""

RETURN = r"""
vantages:
  description: The devices that each vantage visits over the network. Every device is in one of them.
  type: dict
  returned: success
  sample: {localhost: [echo-004, gw-001], probe-lab.hopital.example: [analyser-001]}
gateways:
  description:
    - Devices with the profile V(linux_gateway) and a recorded consent, for M(biomed.cert_hygiene.gateway_info).
  type: list
  elements: str
  returned: success
  sample: [gw-001]
appliances:
  description: Devices with any other profile by vantage, for M(biomed.cert_hygiene.appliance_info).
  type: dict
  returned: success
  sample: {probe-lab.hopital.example: [analyser-001]}
"""
