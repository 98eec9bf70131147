#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin biomed.cert_hygiene.report."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: report
short_description: Turn observations of medical devices into a report for people
version_added: 0.1.0
description:
  - Assesses every device against the checklist, sums the findings up, and writes the report folder, in one pass.
  - >-
    The folder holds a fleet page, one printable sheet per device, C(summary.json) for other programs, C(findings.csv)
    for a spreadsheet or the CMMS, and C(attestations-to-fill.csv) with what still needs a person, in French, in English
    or in both.
  - >-
    The folder is written beside its place and swapped in as a whole: a reader sees the former report or the new one,
    also when the run is killed. With the same input and the same O(now), nothing changes.
  - A table of the most urgent devices is shown in the terminal, in the report's language (with O(language=both), that
    of the locale).
  - Everything happens on the control node. Nothing is sent to a device.
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
options:
  observations:
    description:
      - What was seen of the devices, as files with one observation a line (the
        O(biomed.cert_hygiene.device_probe#module:dest) of a visit), as observations themselves, or both.
      - The latest observation of a device, source and vantage counts.
      - A relative path starts at the folder that C(ansible-playbook) was started in. Files must lie outside O(dest).
      - A line that cannot be read is named, as a warning and in the report, and stops nothing. Where it still tells
        whose it is, that device is V(not_assessed). Where nothing at all can be read it is an error, and nothing is
        written.
    type: list
    elements: raw
    required: true
  devices:
    description:
      - The devices of the report. Observations of others are left out, with a warning.
      - An inventory name; the documented host variables are then read by the action itself. Do not hand over
        C(hostvars), whose cost grows with the square of the fleet.
      - Or a dictionary with a C(name), and what else is known of the device.
    type: list
    elements: raw
    required: true
  policy:
    description:
      - What differs from the built-in policy.
    type: dict
    default: {}
  attestations:
    description:
      - What persons saw and signed for, where no probe can look. Each has C(check), C(device), C(result) (C(pass),
        C(fail) or C(not_applicable)), C(by), C(on), C(until), and optionally C(endpoint) and C(note), which says why a
        check does not apply.
      - An entry may also be the path of a file of them, C(.yml) (a list) or C(.csv) (with a line of titles, in
        French or English), such as C(attestations-to-fill.csv) of an earlier report, filled in and kept outside
        O(dest).
      - What cannot be used (an entry, a line of a file, a whole file), or speaks of a device, check or endpoint that
        does not exist, is left out, with a warning that names it, here and in the report; it never stops a run.
      - One whose C(until) is past leaves its point not assessed. Of several in force, one that is C(fail) counts.
    type: list
    elements: raw
    default: []
  waivers:
    description:
      - Failures that are accepted for a time. Each has C(check), C(device) or C(group) (of the inventory), C(reason),
        C(justification), C(approver), C(until), and optionally C(endpoint).
      - An entry may also be the path of a C(.yml) or C(.csv) file of them. What cannot be used is left out and told, as
        with O(attestations); its failure stays one.
      - Of several in force, the one that ends first counts.
      - A waived failure stays visible and counts apart. Another reason of the same check is a failure again.
    type: list
    elements: raw
    default: []
  now:
    description:
      - The moment that the devices are judged at, such as V(2026-11-22T17:00:00Z). A time without a zone is UTC.
      - Without it, the time of the control node.
    type: raw
  dest:
    description:
      - The report folder. A relative path starts at the folder that C(ansible-playbook) was started in.
      - A folder that is neither empty nor an earlier report is refused and left as it is, and so is a symbolic link.
      - Keep nothing of your own in it. A file found there that is not part of a report, or a sheet that was filled in
        there, is moved to a folder beside it, with a warning.
    type: path
    default: report
  language:
    description:
      - The language of the report. With V(both), the folders C(fr) and C(en) lie under one C(index.html).
    type: str
    choices: [fr, en, both]
    default: both
  run_info:
    description:
      - What the fleet page shall say about the run. C(play), C(operator), C(reference) and C(vantages) have a label of
        their own; other keys are shown as they are.
    type: dict
    default: {}
  mode:
    description:
      - The mode of the report's files, as a quoted octal number. Folders may be entered by those who may read their
        files.
      - The report shows where devices are weak, so nobody but its owner reads it unless you say so.
    type: raw
    default: "0600"
attributes:
  check_mode:
    support: full
    description: Assesses everything, tells whether the folder would change, writes nothing.
  diff_mode:
    support: full
    description: Lists the devices whose verdict changed since the report that is in place.
  platform:
    support: full
    platforms: posix
    description: The control node must be a POSIX system.
notes:
  - The swap is a single step where the file system can exchange two folders (C(renameat2) with C(RENAME_EXCHANGE), on
    local Linux file systems). Elsewhere it is two renames, and a run killed between the two is made good by the next
    run.
  - O(dest) cannot be a mount point.
seealso:
  - module: biomed.cert_hygiene.device_probe
  - plugin: biomed.cert_hygiene.assess
    plugin_type: filter
  - plugin: biomed.cert_hygiene.summarize
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Report on the whole fleet from last night's visits
  biomed.cert_hygiene.report:
    observations:
      - observations.jsonl
    devices: "{{ groups['medical_devices'] }}"
    policy: "{{ audit_policy | default({}) }}"
    dest: report
    run_info:
      play: "{{ ansible_play_name }}"
      operator: "{{ lookup('ansible.builtin.env', 'USER') }}"
  run_once: true
  delegate_to: localhost
  register: fleet_report

- name: Stop where a device has a critical failure
  ansible.builtin.assert:
    that: fleet_report.failing.critical | length == 0
    fail_msg: "{{ fleet_report.failing.critical | join(', ') }}"
  run_once: true

- name: One sheet in French, from an observation at hand
  biomed.cert_hygiene.report:
    observations: "{{ visit.observations }}"
    devices: [echo-004]
    language: fr
    now: "2026-11-22T17:00:00Z"
    dest: fiche-echo-004
  delegate_to: localhost
"""

RETURN = r"""
report:
  description: The report folder, as an absolute path.
  returned: success
  type: str
  sample: /srv/audit/report
index:
  description: The first page to open.
  returned: success
  type: str
  sample: /srv/audit/report/index.html
totals:
  description: Devices by verdict, findings by status, failures by severity, and consented devices that were not seen.
  returned: success
  type: dict
  sample:
    devices: 2
    verdicts: {non_compliant: 1, incomplete: 1, compliant_with_waivers: 0, compliant: 0}
    findings: {pass: 15, fail: 2, not_applicable: 0, not_assessed: 19, waived: 0}
    failures: {critical: 1, high: 1, medium: 0, low: 0, info: 0}
    unseen: {consented: 2, not_seen: 1, seen_last_time: 1}
devices:
  description: Every device, aborted visits first, then the most urgent.
  returned: success
  type: list
  elements: dict
  contains:
    device:
      description: Its name.
      type: str
    verdict:
      description: V(non_compliant), V(incomplete), V(compliant_with_waivers) or V(compliant).
      type: str
    worst_severity:
      description: The severity of its worst failure; none without a failure.
      type: str
    sheet:
      description: Its sheet, as an absolute path (the French one where there are two).
      type: str
failing:
  description:
    - The names of the devices that fail, by severity. A device stands under each severity that it has a failure of.
    - C(not_visited) names the consented devices that were not seen, C(incomplete) those with that verdict.
  returned: success
  type: dict
  sample: {critical: [echo-004], high: [echo-004], medium: [], low: [], not_visited: [], incomplete: [echo-005]}
unseen:
  description:
    - The number of C(consented) devices, of those C(not_seen), and of those that the report before had seen
      (C(seen_last_time), none without such a report).
    - C(too_many) says in sentences where that is more than C(fail_when_unseen) of the policy allows.
  returned: success
  type: dict
  sample: {consented: 2, not_seen: 1, seen_last_time: 1, too_many: []}
  version_added: "1.0.0"
policy_weakened:
  description: The rules that the policy switches off or softens beyond their floor.
  returned: success
  type: list
  elements: dict
  sample: [{key: min_rsa_bits, value: 1024, limit: 2048}]
  version_added: "1.0.0"
records_unused:
  description:
    - Observations, attestations and waivers that count for nothing, each with its place and why, in both languages.
  returned: success
  type: list
  elements: dict
  sample:
    - {where: "site.csv, line 3", reason: device_unknown, fr: "...", en: "..."}
  version_added: "1.0.0"
"""
