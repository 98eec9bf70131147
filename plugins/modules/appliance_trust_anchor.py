#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root certificate on, or off, a device without Python."""

from __future__ import annotations

DOCUMENTATION = r"""
module: appliance_trust_anchor
short_description: Put a root certificate on a device without Python, or take one off, by its device profile
version_added: "1.0.0"
description:
  - Reads the SHA-256 fingerprints of the roots that the device of the task trusts, adds or removes one certificate as
    C(actions.upload_root_ca) of its B(device profile) says, and reads the list again in a session of its own.
  - What could not be read back is never a success, whatever the device said. A list that differs in anything but this
    one certificate fails the task too.
  - Where the profile has a C(test) (a connection that the device itself makes), it is run after the list was read.
  - The root is judged on the control node, before any connection, exactly as M(biomed.cert_hygiene.trust_anchor) does.
  - The host variables of the device and the way to it are those of M(biomed.cert_hygiene.appliance_info). Nothing is
    sent without C(device_probe_consent). The task is delegated to the host from which the device is reached.
  - It asks no change control. The role P(biomed.cert_hygiene.root_ca#role) does, and rolls back what fails.
options:
  fingerprint_sha256:
    description:
      - SHA-256 of the certificate in DER, as the authority told it by another way than the file came (a signed letter,
        a telephone call). Colons, spaces and capitals do not matter.
      - Required with O(state=present) and O(state=absent).
    type: str
  certificate:
    description:
      - The root certificate, as a file on the control node (PEM or DER), or PEM text. Required with O(state=present).
      - With O(state=absent), the root that is removed, in a file that may hold others. Without it, the removal cannot
        be put back.
    type: str
  state:
    description:
      - V(present) and V(absent) are about the certificate.
      - V(restored) puts back what O(kept_in) remembers, and reads the list to verify that. It changes nothing where
        nothing is remembered. A root that somebody else has added meanwhile is never removed; it fails the task.
      - V(settled) forgets what O(kept_in) remembers, once the change was verified.
    type: str
    choices: [present, absent, restored, settled]
    default: present
  name:
    description:
      - What the device is to call the certificate. By default made of its common name and the beginning of its
        fingerprint, in lower-case letters, digits and hyphens.
      - With O(state=absent), the name that the device itself shows is preferred.
    type: str
  policy:
    description: What differs from the built-in policy; its key sizes and key types are asked of the root.
    type: dict
    default: {}
  kept_in:
    description:
      - A file on the control node, one for each device, that remembers what is being changed. It is on disk before
        anything is sent, in a folder of mode 0700.
      - Where it remembers a change, O(state=present) and O(state=absent) refuse to begin another; check mode only
        tells, by RV(left_open).
    type: path
  test:
    description: Whether the profile's C(test) is run.
    type: bool
    default: true
  timeout:
    description: Seconds that the device may stay silent before a session is ended.
    type: float
    default: 10.0
  device_timeout:
    description: Seconds that one session may take in all.
    type: float
    default: 60.0
  device:
    description: Filled in by the control node; a playbook cannot give it.
    type: dict
  logins:
    description: Filled in by the control node; a playbook cannot give it.
    type: str
  looking:
    description: Filled in by the control node; a playbook cannot give it.
    type: bool
    default: false
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
  - biomed.cert_hygiene.attributes.session
attributes:
  check_mode:
    details: The list is read; the root is not sent and the connection not tested.
  diff_mode:
    description: Returns the fingerprints that the device lists before and after.
    support: full
seealso:
  - module: biomed.cert_hygiene.appliance_info
  - module: biomed.cert_hygiene.trust_anchor
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
"""

EXAMPLES = r"""
- name: What would be changed on each device, and nothing else
  biomed.cert_hygiene.appliance_trust_anchor:
    certificate: files/chu-exemple-root-2026.pem
    fingerprint_sha256: "9f86d081884c7d65 9a2feaa0c55ad015 a3bf4f1b2b0b822c d15d6c15b0f00a08"
    profile_folders: [profiles]
  delegate_to: "{{ device_vantage | default('localhost') }}"
  check_mode: true
  diff: true

- name: The root of 2016 is retired
  biomed.cert_hygiene.appliance_trust_anchor:
    state: absent
    certificate: files/chu-exemple-root-2016.pem
    fingerprint_sha256: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
    profile_folders: [profiles]
  delegate_to: "{{ device_vantage | default('localhost') }}"
"""

RETURN = r"""
trusted_before:
  description: SHA-256 fingerprints of the roots that the device listed.
  returned: where they could be read
  type: list
  elements: str
trusted_after:
  description: The same after the change, as read again; in check mode as predicted; none where it could not be read.
  returned: where they could be read before
  type: list
  elements: str
trusted_kept:
  description: The list as it was before the change that is put back.
  returned: with the state restored, where a change was remembered
  type: list
  elements: str
files:
  description:
    - The list as the role P(biomed.cert_hygiene.change_control#role) takes it for its journal; empty without a change.
  returned: always
  type: list
  elements: dict
fingerprint_sha256:
  description: The certificate's fingerprint, in plain lower-case digits.
  returned: with the states present and absent
  type: str
name:
  description: What the certificate is called on the device.
  returned: with the states present and absent
  type: str
subject:
  description: Whose certificate it is, as an RFC 4514 string; empty where only its fingerprint is known.
  returned: with the states present and absent
  type: str
tested:
  description: Whether the connection that the profile names was made by the device.
  returned: with the states present and absent
  type: bool
left_open:
  description: Whether O(kept_in) remembers a change that is neither put back nor settled.
  returned: always
  type: bool
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.ask import ask_all
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import (
    APPLIANCE_TRUST_ANCHOR,
    LOGINS,
    packed,
    unpacked,
)


def main() -> None:
    """Hold the one session that the action has described; the answer travels back as it is."""
    module = AnsibleModule(
        argument_spec={
            **APPLIANCE_TRUST_ANCHOR,
            **LOGINS,
            "device": {"type": "dict"},
            "looking": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    device = params["device"]
    if params["logins"] is None or not isinstance(device, dict) or device.get("consent") is not True:
        module.fail_json(
            msg="appliance_trust_anchor: this half is called by the action of the same name, not by itself."
        )
    if module.check_mode and not params["looking"]:
        module.fail_json(msg="appliance_trust_anchor: nothing is sent in check mode.")
    asked = ask_all(
        [{**device, "anchors_pem": "".join(params["trust_anchors"])}],
        unpacked(params["logins"]),
        params["timeout"],
        params["device_timeout"],
        1,
    )
    module.exit_json(changed=False, answers=packed(asked))


if __name__ == "__main__":
    main()
