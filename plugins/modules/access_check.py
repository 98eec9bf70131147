#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether factory passwords still open a device, and who gets into its administration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: access_check
short_description: Try whether factory passwords still open a device, and who gets into its administration
version_added: "1.0.0"
description:
  - Tries the factory passwords that a B(device profile) lists, over SSH, HTTP(S) (basic, digest or a form), telnet and
    FTP, and whether the administration refuses an anonymous visitor and the carers' account. Returns one observation
    per device of the source V(access).
  - "Nothing is tried unless four things are on record: who authorised it (O(authorised_by)), the device's consent
    (C(device_probe_consent)), C(device_in_use=false), and a profile that names the accounts."
  - Each try is written down on the vantage before it is made. No account is tried more than O(tries_per_day) times
    within 24 hours, over all runs, also when two run at once or one is killed. The first sign of a lock-out ends the
    visit of that device, and the account is then left alone until a person removes its record.
  - What a device does not clearly answer is V(no_answer), never V(refused).
  - No password is returned, shown, or written to the record, at any verbosity.
  - C(docs/en/access_checks.md) says what to agree on beforehand and how to describe a device.
  - SSH needs C(paramiko) 3.4 or newer on the vantage. Devices that know old algorithms only are not tried over SSH.
options:
  devices:
    description:
      - Inventory names. Of each, the host variables C(device_address), C(device_names), C(device_profile),
        C(device_probe_consent), C(device_in_use), C(device_ssh_host_key), C(device_login_port), C(device_login_pin),
        C(device_login_exception) and C(device_clinical_login) (C(user) and C(password), best vaulted) are read.
    type: list
    elements: raw
    required: true
  authorised_by:
    description:
      - Who authorised these tries, and where that is written. Without it nothing is tried and the task fails.
    type: str
    required: true
  state_dir:
    description:
      - A folder on the vantage for the record of tries, made with mode 0700 where it is missing. Use the same one for
        every run, and one vantage for each device.
      - One that will not last (a container's layer, a folder in memory, C(/tmp)) is refused.
    type: path
    required: true
  state_dir_vouched_by:
    description:
      - Who knows that O(state_dir) lasts although it does not look so, such as a container's layer that is kept.
    type: str
    default: ""
  tries_per_day:
    description:
      - How often one account of a device may be tried within 24 hours, over all services, passwords and runs.
      - Stay below what locks an account on the most careful device; three wrong tries are common.
    type: int
    default: 2
  timeout:
    description: Seconds that a device may stay silent before its visit is ended.
    type: float
    default: 10.0
  device_timeout:
    description: Seconds that one device may take in all.
    type: float
    default: 120.0
  pause:
    description: Seconds between two sessions with one device.
    type: float
    default: 2.0
  concurrency:
    description: Devices visited at the same time. One address never sees two sessions at once.
    type: int
    default: 16
  dest:
    description: A file on the control node for the observations, one JSON object a line, readable by its owner only.
    type: path
  logins:
    description: Filled in by the control node; a playbook cannot give it.
    type: str
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
  - biomed.cert_hygiene.attributes.session
attributes:
  check_mode:
    details: Nothing is tried and no device contacted; RV(planned) says what would be tried. O(dest) is not written.
seealso:
  - module: biomed.cert_hygiene.appliance_info
  - module: biomed.cert_hygiene.device_probe
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
"""

EXAMPLES = r"""
- name: Say what would be tried, without trying it
  biomed.cert_hygiene.access_check:
    devices: [echo-004]
    authorised_by: "Dr A. Martin, BIO-2026-031"
    state_dir: /var/lib/biomed-cert-hygiene
  delegate_to: probe-imaging.hopital.example
  check_mode: true
  register: access

- name: Try the access to the devices that are out of use
  biomed.cert_hygiene.access_check:
    devices: "{{ ansible_play_hosts_all }}"
    authorised_by: "Dr A. Martin, BIO-2026-031"
    state_dir: /var/lib/biomed-cert-hygiene
    trust_anchors: [/etc/pki/hospital-root.pem]
    profile_folders: [profiles]
    dest: access.jsonl
  run_once: true
  delegate_to: probe-imaging.hopital.example
"""

RETURN = r"""
observations:
  description:
    - One observation per device, in the order of O(devices). Empty with O(dest) and in check mode.
    - C(default_passwords) has one entry for each factory account and service, with C(result) V(accepted), V(refused),
      V(locked_out), V(limit_reached), V(no_answer) or V(not_tried). C(admin_interface) has one for each place, as
      V(anonymous) and as V(clinical), with V(accepted), V(refused), V(no_answer) or V(not_tried). C(detail) says why.
    - C(outcome) V(observed), V(unreachable) (C(reason) V(name_not_resolved) or V(no_answer)), V(skipped) (never
      contacted, V(consent_missing), V(consent_future), V(consent_lapsed), V(consent_invalid),
      V(device_in_use), V(inventory_invalid), V(profile_missing), V(nothing_to_try) or
      V(paramiko_missing)) or V(aborted) (V(host_key_unknown), V(host_key_mismatch), V(certificate_refused), V(no_ssh),
      V(no_tls), V(no_http), V(no_ftp), V(no_common_algorithm), V(stopped_answering), V(answer_too_long),
      V(visit_time_over), V(address_busy), V(vantage_lost) or V(unexpected)). What was answered before counts.
  type: list
  elements: dict
  returned: always
  sample:
    - schema_version: 1
      device: echo-004
      source: access
      outcome: observed
      reason: null
      default_passwords:
        - {service: ssh, port: 22, account: service, result: refused, detail: ""}
      admin_interface:
        - {service: https, port: 443, path: /admin, as: anonymous, result: refused, detail: ""}
planned:
  description: What would be tried, by device. Never a password.
  type: dict
  returned: in check mode
  sample:
    echo-004:
      - {service: ssh, port: 22, path: null, account: service, as: null}
statistics:
  description: How the visits ended.
  type: dict
  returned: always
  sample:
    devices: 3
    consented: 3
    outcomes: {observed: 2, unreachable: 0, skipped: 1, aborted: 0}
"""


import platform

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.book import Book
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.tries import check_all
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import (
    ACCESS_CHECK,
    DESCRIPTIONS,
    LOGINS,
    packed,
    unpacked,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.lasting_folder import FolderUnfit, open_folder


def main() -> None:
    """Try what the action has planned; its results travel back as they are."""
    module = AnsibleModule(
        argument_spec={**ACCESS_CHECK, **DESCRIPTIONS, **LOGINS},
        supports_check_mode=True,
    )
    params = module.params
    if (
        params["logins"] is None
        or not params["authorised_by"].strip()
        or not all(isinstance(device, dict) and device.get("consent") is True for device in params["devices"])
    ):
        module.fail_json(msg="access_check: this half is called by the action of the same name, never by itself.")
    if module.check_mode:
        module.exit_json(changed=False)
    try:
        folder = open_folder(params["state_dir"], params["state_dir_vouched_by"])
    except FolderUnfit as problem:
        module.fail_json(msg=f"{problem}.")
    anchors = "".join(params["trust_anchors"])
    checked = check_all(
        [{**device, "common": {**device["common"], "anchors_pem": anchors}} for device in params["devices"]],
        unpacked(params["logins"]),
        Book(folder, params["tries_per_day"]),
        {key: params[key] for key in ("timeout", "device_timeout", "pause")},
        params["concurrency"],
    )
    module.exit_json(
        changed=False,
        answers=packed(checked),
        vantage_host=platform.node(),
    )


if __name__ == "__main__":
    main()
