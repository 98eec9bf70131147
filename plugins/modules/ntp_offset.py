#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a gateway's clock is from the hospital's time servers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ntp_offset
short_description: Ask time servers from a gateway how far its clock is from theirs
version_added: "1.0.0"
description:
  - Sends each server a few SNTP queries (RFC 4330) from the host that the task runs on, and compares the clocks.
  - Sets no clock and changes nothing. Needs no NTP client and no privilege on the gateway.
  - The role P(biomed.cert_hygiene.time_sync#role) asks with it, before it changes anything, whether the gateway reaches
    the servers, and how large the drift is.
options:
  servers:
    description: Names or addresses of the time servers. Only these are asked.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait for each answer.
    type: float
    default: 2.0
  queries:
    description: Queries for each server, at most 8. The answer with the least uncertainty counts.
    type: int
    default: 3
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
attributes:
  check_mode:
    details: Looking changes nothing, so that the servers are asked in check mode too.
  action:
    support: none
seealso:
  - module: biomed.cert_hygiene.gateway_info
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
"""

EXAMPLES = r"""
- name: Measure the drift of a gateway
  biomed.cert_hygiene.ntp_offset:
    servers: "{{ device_ntp_servers }}"
  register: drift
"""

RETURN = r"""
answered:
  description: How many servers gave a usable answer.
  returned: always
  type: int
  sample: 1
offset_seconds:
  description: Gateway minus server, from the least uncertain answer; negative when the gateway is slow. Null without.
  returned: always
  type: float
  sample: -90.0021
uncertainty_seconds:
  description: How much the offset may be wrong.
  returned: always
  type: float
  sample: 0.0004
servers:
  description: What each server answered.
  returned: always
  type: list
  elements: dict
  contains:
    server:
      description: The server, as it was given.
      type: str
      sample: ntp1.hopital.example
    addresses:
      description: The addresses that the gateway knows for that name.
      type: list
      elements: str
      sample: [192.0.2.1]
    address:
      description: The address that answered; null without an answer.
      type: str
      sample: 192.0.2.1
    offset_seconds:
      description: Gateway minus this server; null without a usable answer.
      type: float
      sample: -90.0021
    uncertainty_seconds:
      description: How much that may be wrong.
      type: float
      sample: 0.0004
    stratum:
      description: How far the server is from a reference clock.
      type: int
      sample: 2
    error:
      description: Why there is no usable answer; null where there is one.
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.ntp_offset import ask

_MAX_SERVERS = 16
_MAX_QUERIES = 8


def main() -> None:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "servers": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "float", "default": 2.0},
            "queries": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    given = module.params
    if len(given["servers"]) > _MAX_SERVERS:
        module.fail_json(msg=f"ntp_offset: at most {_MAX_SERVERS} servers")
    if not 0 < given["timeout"] <= 60 or not 1 <= given["queries"] <= _MAX_QUERIES:
        module.fail_json(
            msg=f"ntp_offset: timeout is more than 0 and at most 60 seconds, queries are 1 to {_MAX_QUERIES}"
        )
    servers = [ask(server, timeout=given["timeout"], queries=given["queries"]) for server in given["servers"]]
    usable = [server for server in servers if server["offset_seconds"] is not None]
    best: dict[str, Any] = min(usable, key=lambda server: server["uncertainty_seconds"], default={})
    module.exit_json(
        changed=False,
        answered=len(usable),
        offset_seconds=best.get("offset_seconds"),
        uncertainty_seconds=best.get("uncertainty_seconds"),
        servers=servers,
    )


if __name__ == "__main__":
    main()
