#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin biomed.cert_hygiene.diagnosis."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: diagnosis
short_description: Join an error message with what was seen of a device, and tell the cause and the next step
version_added: "1.0.0"
description:
  - Tells the probable causes of a device's failing connections in order, with figures, owner and confidence; what is
    excluded, and how; and what could not be looked at. What was not observed is never excluded.
  - The clocks come first. Dates of certificates are judged at the clock of each side, and the same error on the device
    and on its server means that this machine's own clock is wrong.
  - An error message is read as the filter P(biomed.cert_hygiene.diagnose#filter) reads it, and compared with what was
    seen. What contradicts it is told.
  - Writes a folder with C(index.html) and C(diagnosis.json), and shows the diagnosis in the terminal. Nothing is sent
    to anybody. The playbook C(biomed.cert_hygiene.diagnose) asks the device first.
options:
  device:
    description: The device and its C(peers), as M(biomed.cert_hygiene.diagnosis_plan) returns it.
    type: dict
    required: true
  vantage:
    description: The host that looked.
    type: str
    default: localhost
  observations:
    description:
      - Observations of the device (network and logins) and of its peers, or files that hold them. The latest of each
        counts.
    type: list
    elements: raw
    default: []
  path:
    description: What M(biomed.cert_hygiene.path_info) returned as C(targets).
    type: list
    elements: dict
    default: []
  error_text:
    description: The error message, as a text or a list of lines.
    type: raw
  error_file:
    description: A file on the control node that holds it. Goes before O(error_text).
    type: path
  policy:
    description: As for M(biomed.cert_hygiene.report).
    type: dict
    default: {}
  dest:
    description: The folder to write. A non-empty folder that is no report of this collection is refused.
    type: path
    default: diagnosis
  language:
    description: Language of the page; V(both) puts the language of the person's locale first, and the terminal has it.
    type: str
    choices: [fr, en, both]
    default: both
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
attributes:
  check_mode:
    details: Writes nothing.
seealso:
  - plugin: biomed.cert_hygiene.diagnose
    plugin_type: filter
  - module: biomed.cert_hygiene.diagnosis_plan
  - module: biomed.cert_hygiene.path_info
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
"""

EXAMPLES = r"""
- name: Plan
  biomed.cert_hygiene.diagnosis_plan:
    device: echo-004
  register: plan

- name: Look at the device and its servers
  biomed.cert_hygiene.device_probe:
    devices: ["{{ plan.device }}"]
    depth: handshake
  delegate_to: "{{ plan.vantage }}"
  register: visit

- name: Tell the cause
  biomed.cert_hygiene.diagnosis:
    device: "{{ plan.device }}"
    vantage: "{{ plan.vantage }}"
    observations: "{{ visit.observations }}"
    error_text: "SSLHandshakeException: PKIX path validation failed"
"""

RETURN = r"""
index:
  description: The page.
  type: str
  returned: success
diagnosis:
  description: The content of C(diagnosis.json).
  type: dict
  returned: success
  contains:
    categories:
      description: Categories of the causes in order, as the filter P(biomed.cert_hygiene.diagnose#filter) has them.
      type: list
      elements: str
      sample: [clock_skew]
    causes:
      description:
        - C(category), C(reason), C(side) (V(device), V(peer), V(network), V(control_node), or V(text) where only the
          message says so), C(endpoint), C(owner), C(confidence), C(figures), C(title), C(text), and C(from) (V(live),
          V(text), V(both)).
      type: list
      elements: dict
    excluded:
      description: What was excluded, and how.
      type: list
      elements: dict
    open:
      description: What could not be looked at.
      type: list
      elements: dict
    contradictions:
      description: Where the message and what was seen contradict each other, one sentence each in C(text).
      type: list
      elements: dict
    corroborated:
      description: The categories that the message and what was seen have in common.
      type: list
      elements: str
    actions:
      description: What to do, in order.
      type: list
      elements: dict
    request:
      description: The lines of a request to IT, by language.
      type: dict
"""
