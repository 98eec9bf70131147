#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin biomed.cert_hygiene.change_journal."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: change_journal
short_description: Ask whether a device may be changed, and keep the journal of changes
version_added: "1.0.0"
description:
  - With O(event=ask), decides whether the host of the task may be changed now, and writes the decision to the journal.
    A change needs a ticket, the vendor's authorisation for this kind of change (C(device_vendor_authorisation)), and
    the device out of clinical use (C(device_in_use=false), or a window of C(device_maintenance_windows) that is open;
    with C(device_in_use=true), one whose C(released_by) names who of the ward released it).
  - What is missing or cannot be read is never an authorisation. The refusal names the variable. Of what decides, the
    journal says what was given on the command line.
  - With other events, writes what became of a change that was granted.
  - Each line of the journal is a JSON object that holds the SHA-256 of the line before it, and is on disk before the
    task ends. A journal that was altered, would not last, or that others can read, fails the task.
  - Everything happens on the control node. Nothing is sent to the device. Most people use the role
    P(biomed.cert_hygiene.change_control#role).
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
options:
  event:
    description:
      - V(ask) decides; the journal gets C(authorised) or C(refused).
      - V(granted) fails unless the journal says that this run was authorised, and writes nothing else than a refusal.
      - V(summary) shows what became of each host of the play, once no host is to come or when this batch stops the run.
      - Anything else is written to the journal, unless it does not say that this very run was authorised to change this
        host, with this kind and ticket. No variable can stand for that.
    type: str
    required: true
    choices: [ask, granted, began, changed, unchanged, verified, failed, rolled_back, left_open, summary]
  kind:
    description: The kind of change.
    type: str
    required: true
    choices: [root_ca, time_sync, time_step, tls_hardening, account_hygiene, restore]
  journal:
    description:
      - The journal, a file on the control node. It is made, with mode 0600, where there is none.
    type: str
    default: ""
  journal_vouched_by:
    description: Who says that the journal's folder lasts, where it does not look so (a volume mounted in a container).
    type: str
    default: ""
  ticket:
    description: The change ticket.
    type: str
    default: ""
  ticket_pattern:
    description:
      - With O(event=ask), a regular expression that the whole ticket must match. Whatever it is, a ticket has a
        letter or a digit other than 0, no character that cannot be seen, and is no word for none.
    type: str
    default: ""
  by:
    description:
      - Who makes the change. Beside it are written the user of AWX (C(awx_user_name), C(tower_user_name)) or of
        C(sudo), and always the login.
    type: str
    default: ""
  batch_max:
    description: With O(event=ask), the most hosts that the batch of the play may have.
    type: int
    default: 1
  id:
    description: The RV(id) of the change that was granted; required by all events but V(ask) and V(summary).
    type: str
    default: ""
  files:
    description:
      - The files that the event is about, each with C(path), C(before_sha256), C(after_sha256) and C(diff).
      - Key material, passwords, tokens and hashes of passwords are taken out of C(diff) before it is written.
    type: list
    elements: dict
    default: []
  detail:
    description: One sentence for people.
    type: str
    default: ""
  stopping:
    description:
      - With O(event=summary), the hosts for which this batch stops the run. One of which nothing was journalled yet is
        shown as failed.
    type: list
    elements: str
    default: []
  language:
    description: Language of refusals, errors and the summary; V(both) takes that of the locale.
    type: str
    choices: [fr, en, both]
    default: both
attributes:
  check_mode:
    support: full
    description: Decides as always and looks whether the journal could be written. Writes nothing.
  diff_mode:
    support: none
    description: A journal only grows.
  platform:
    support: full
    platforms: posix
    description: The control node must be a POSIX system.
notes:
  - The chain shows lines that were altered, removed or put in. It cannot show that lines are missing at the end; copy
    the journal regularly to where the users of Ansible cannot write.
seealso:
  - module: biomed.cert_hygiene.gateway_info
"""

EXAMPLES = r"""
- name: Ask whether this gateway may be changed now
  biomed.cert_hygiene.change_journal:
    event: ask
    kind: root_ca
    ticket: CHG-2026-0117
    journal: /var/lib/biomed-cert-hygiene/changes.jsonl
  register: answer

- name: Write down that it begins
  biomed.cert_hygiene.change_journal:
    event: began
    kind: root_ca
    id: "{{ answer.id }}"
    ticket: CHG-2026-0117
    journal: /var/lib/biomed-cert-hygiene/changes.jsonl
    files:
      - path: /usr/local/share/ca-certificates/hospital.crt
        after_sha256: "{{ hospital_root_sha256 }}"
  when: answer.granted
"""

RETURN = r"""
granted:
  description: Whether the device may be changed.
  returned: O(event=ask)
  type: bool
reason:
  description: Why not, as one word; empty when granted.
  returned: O(event=ask)
  type: str
  sample: authorisation_expired
refusal:
  description: Why not, as a sentence that names the variable; empty when granted.
  returned: O(event=ask)
  type: str
id:
  description: Names this change of this device in the journal.
  returned: all events but O(event=summary)
  type: str
states:
  description: The hosts of the play by what became of them.
  returned: O(event=summary)
  type: dict
  sample: {verified: [gw-1], refused: [gw-2], untouched: [gw-3]}
shown:
  description: Whether the summary was shown now.
  returned: O(event=summary)
  type: bool
"""
