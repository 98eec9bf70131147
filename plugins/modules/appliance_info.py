#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a login on a device without Python tells."""

from __future__ import annotations

DOCUMENTATION = r"""
module: appliance_info
short_description: Read clock, NTP, accounts and firmware of devices without Python, by their device profile
version_added: "1.0.0"
description:
  - Asks devices that have a command line over SSH, or a JSON status page over HTTP(S), and returns one observation per
    device of the source V(appliance).
  - A B(device profile) says how to ask and how to read. It is a YAML file, so that a new kind of device needs no code.
    C(docs/en/device_profiles.md) says how to write one and how to try it without the device.
  - Many devices are asked at the same time in one run, one session each, from the host that the task runs on (the
    vantage). The answers are read on the control node.
  - Host keys and certificates are checked before anything is sent. One login is tried once, never twice.
  - For the C(ssh) transport the vantage needs C(paramiko) 3.4 or newer. The C(openssh) transport uses its C(ssh), for
    devices that know old algorithms only. The control node needs C(jmespath).
  - This is no C(network_cli) or C(httpapi) connection, because those keep one persistent connection and one process for
    each host, and cannot ask from a vantage.
options:
  devices:
    description:
      - Inventory names. Of each, the host variables C(device_address), C(device_names), C(device_profile),
        C(device_login) (C(user), and C(password), C(private_key_file) on the vantage, C(enable_password) or C(token),
        best vaulted), C(device_ssh_host_key), C(device_login_port), C(device_login_pin), C(device_login_exception) and
        C(device_probe_consent) are read.
      - Without recorded consent a device is never asked.
    type: list
    elements: raw
    required: true
  timeout:
    description: Seconds that a device may stay silent (connecting, or in an answer) before its session is ended.
    type: float
    default: 10.0
  device_timeout:
    description: Seconds that one device may take in all.
    type: float
    default: 60.0
  concurrency:
    description: Devices asked at the same time. Those behind one address are asked one after the other.
    type: int
    default: 32
  recorded:
    description:
      - "Parse answers that were saved earlier instead of asking, as C({device name: {output name: text}}). No device is
        contacted and no login needed."
    type: dict
  dest:
    description: A file on the control node for the observations, one JSON object a line, readable by its owner only.
    type: path
  logins:
    description: Filled in by the control node from C(device_login); a playbook cannot give it.
    type: str
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
  - biomed.cert_hygiene.attributes.session
attributes:
  check_mode:
    details: Looking changes nothing on a device, so that it is asked in check mode too. O(dest) is not written.
seealso:
  - module: biomed.cert_hygiene.gateway_info
  - module: biomed.cert_hygiene.device_probe
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
"""

EXAMPLES = r"""
- name: Ask every device of the play that has a profile
  biomed.cert_hygiene.appliance_info:
    devices: "{{ ansible_play_hosts_all }}"
    trust_anchors: [/etc/pki/hospital-root.pem]
    profile_folders: [profiles]
  run_once: true
  delegate_to: probe-imaging.hopital.example
  register: asked

- name: Try a new profile on what a device once answered
  biomed.cert_hygiene.appliance_info:
    devices: [echo-004]
    profile_folders: [profiles]
    recorded:
      echo-004:
        clock: "2026-11-22 17:00:00 UTC"
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
observations:
  description:
    - One observation per device, in the order of O(devices). Empty with O(dest).
    - C(outcome) V(observed), V(unreachable) (C(reason) V(name_not_resolved) or V(no_answer)), V(skipped) (never
      contacted, V(consent_missing), V(consent_future), V(consent_lapsed), V(consent_invalid),
      V(inventory_invalid), V(profile_missing), V(paramiko_missing),
      V(openssh_missing), V(key_unusable) or V(not_recorded)) or V(aborted) (V(host_key_unknown),
      V(host_key_mismatch), V(certificate_refused), V(no_ssh), V(no_tls), V(no_http), V(no_common_algorithm),
      V(login_refused), V(prompt_missing), V(stopped_answering), V(answer_too_long), V(visit_time_over),
      V(address_busy), V(vantage_lost) or V(unexpected)). What was answered before counts.
  type: list
  elements: dict
  returned: always
  sample:
    - schema_version: 1
      device: echo-004
      source: appliance
      outcome: observed
      ntp: {client: other, running: true, synchronised: true, servers: []}
      subsets:
        ntp: {status: ok, detail: ""}
statistics:
  description: How the sessions ended.
  type: dict
  returned: always
  sample:
    devices: 3
    consented: 3
    outcomes: {observed: 2, unreachable: 1, skipped: 0, aborted: 0}
"""

import platform
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.ask import ask_all
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import (
    APPLIANCE_INFO,
    DESCRIPTIONS,
    LOGINS,
    packed,
    unpacked,
)


def main() -> None:
    """Ask the devices that the action has described; their answers travel back as they are."""
    module = AnsibleModule(
        argument_spec={**APPLIANCE_INFO, **DESCRIPTIONS, **LOGINS},
        supports_check_mode=True,
    )
    params = module.params
    if params["logins"] is None or not all(
        isinstance(device, dict) and device.get("consent") is True for device in params["devices"]
    ):
        module.fail_json(msg="appliance_info: this half is called by the action of the same name, never by itself.")
    anchors = "".join(params["trust_anchors"])
    started = time.time()
    asked = ask_all(
        [{**device, "anchors_pem": anchors} for device in params["devices"]],
        unpacked(params["logins"]),
        params["timeout"],
        params["device_timeout"],
        params["concurrency"],
    )
    module.exit_json(
        changed=False,
        answers=packed(asked),
        vantage_host=platform.node(),
        vantage_clock={"started": started, "finished": time.time()},
    )


if __name__ == "__main__":
    main()
