#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin biomed.cert_hygiene.diagnosis_plan."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: diagnosis_plan
short_description: Say who is looked at for the diagnosis of a device, and from where
version_added: "1.0.0"
description:
  - Reads the inventory variables of one device, and says from which host its diagnosis starts and which servers are
    looked at. The device's own gateway (C(device_gateway)) goes before its C(device_vantage).
  - Fails with one sentence, and before anything was sent, for a device that is not in the inventory, that has no
    recorded consent or a mistake in its variables, and for a peer that is not written as host and port.
options:
  device:
    description: Inventory name of the device.
    type: str
    required: true
  peer:
    description:
      - The one server to look at, as C(host:port). All servers of C(device_peers) if left out.
      - Declared servers are known by their address and by their names; of others the port tells the service.
    type: str
  error_file:
    description: The file on the control node that holds the error message, if any. It must be readable.
    type: path
  language:
    description: Language of the sentence; V(both) means that of the person's locale.
    type: str
    choices: [fr, en, both]
    default: both
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
attributes:
  check_mode:
    details: It only reads the inventory.
seealso:
  - module: biomed.cert_hygiene.diagnosis
  - module: biomed.cert_hygiene.path_info
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
"""

EXAMPLES = r"""
- name: Plan the diagnosis of a device and its PACS
  biomed.cert_hygiene.diagnosis_plan:
    device: echo-004
    peer: pacs.hopital.example:2762
  register: plan
"""

RETURN = r"""
device:
  description: The device as M(biomed.cert_hygiene.device_probe) takes it, with the servers that are looked at.
  type: dict
  returned: success
vantage:
  description: The host that looks.
  type: str
  returned: success
  sample: gw-001
targets:
  description: The hosts whose name and route are asked, as M(biomed.cert_hygiene.path_info) takes them.
  type: list
  elements: dict
  returned: success
  sample: [{side: device, host: 192.0.2.14}]
"""
