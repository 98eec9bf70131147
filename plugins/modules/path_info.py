#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a vantage can tell of the way to a device without sending it anything."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: path_info
short_description: Tell how names resolve and which route leads to them, without sending them anything
version_added: "1.0.0"
description:
  - Says, from the host that the task runs on, which addresses a name has, whether there is a route, from which source
    address it starts, and which MTU the kernel knows for it.
  - Nothing is sent to the hosts that are named. A name is asked of the resolver of the vantage, as any program would;
    the route is asked of the kernel, with a UDP socket that is connected and never written to.
  - An MTU that is smaller behind a router is known only where that router has said so before.
options:
  targets:
    description: The hosts.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: A name or an address.
        type: str
        required: true
      side:
        description: Whose host it is. It is handed back as it is.
        type: str
        default: device
        choices: [device, peer]
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
attributes:
  check_mode:
    details: It only looks.
  action:
    support: none
seealso:
  - module: biomed.cert_hygiene.diagnosis
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
"""

EXAMPLES = r"""
- name: Ask the gateway of the device how it reaches the PACS
  biomed.cert_hygiene.path_info:
    targets:
      - {side: peer, host: pacs.hopital.example}
  delegate_to: gw-001
  register: path
"""

RETURN = r"""
targets:
  description: What is known of each, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    side:
      description: As it was given.
      type: str
      sample: peer
    host:
      description: As it was given.
      type: str
      sample: pacs.hopital.example
    addresses:
      description: Its addresses; none where the name cannot be resolved.
      type: list
      elements: str
      sample: [192.0.2.20]
    route:
      description: Whether there is a route. Null where there is no address to ask about.
      type: bool
      sample: true
    source:
      description: The address that packets to it would come from.
      type: str
      sample: 192.0.2.1
    mtu:
      description: The MTU that the kernel knows for the route, in octets.
      type: int
      sample: 1500
    error:
      description: Why there is no address or no route.
      type: str
      sample: null
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.path_info import look

_MOST = 64


def main() -> None:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "targets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "host": {"type": "str", "required": True},
                    "side": {"type": "str", "default": "device", "choices": ["device", "peer"]},
                },
            }
        },
        supports_check_mode=True,
    )
    targets = module.params["targets"]
    if len(targets) > _MOST:
        module.fail_json(msg=f"path_info: at most {_MOST} targets")
    module.exit_json(changed=False, targets=[{"side": target["side"], **look(target["host"])} for target in targets])


if __name__ == "__main__":
    main()
