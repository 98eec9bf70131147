#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services of a gateway serve TLS, with which configuration, and which old clients their logs name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tls_services_info
short_description: Tell which services of a gateway serve TLS, how they are configured, and which old clients they have
version_added: "1.0.0"
description:
  - Looks for nginx, Apache, haproxy, stunnel and mosquitto among the processes, reads the configuration that they were
    started with, and searches their logs for clients that spoke TLS 1.1 or older.
  - Asks every TCP port that listens here, and that no configuration explains, whether it speaks TLS. One connection
    from the machine to itself, and one hello, for each of them. Ports of SSH are left alone, and those of nginx,
    haproxy and stunnel, which may hand what they get on to another device; of these the configuration speaks.
  - Reads files and changes nothing; the only program that it starts is mosquitto, to ask for its version. Refuses to
    look without privilege (C(become)), as the processes of others would look like none.
  - The configuration may hold passwords. Use C(no_log), as the role P(biomed.cert_hygiene.tls_hardening#role) does.
options:
  days:
    description: How many days of logs count.
    type: float
    default: 14
  own_addresses:
    description: Addresses that audits come from. They are no clients.
    type: list
    elements: str
    default: []
  ask_ports:
    description: Whether the ports are asked. Without it, RV(others) is empty, and says nothing.
    type: bool
    default: true
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
attributes:
  check_mode:
    details: Looking changes nothing, so that the same is done in check mode.
  action:
    support: none
seealso:
  - plugin: biomed.cert_hygiene.tls_hardening
    plugin_type: filter
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
"""

EXAMPLES = r"""
- name: See who speaks TLS on a gateway
  biomed.cert_hygiene.tls_services_info:
    days: 30
  become: true
  no_log: true
  register: seen
"""

RETURN = r"""
services:
  description: The services that are installed.
  returned: always
  type: list
  elements: dict
  contains:
    service:
      description: Its name.
      type: str
      sample: nginx
    program:
      description: Its program.
      type: str
      sample: /usr/sbin/nginx
    running:
      description: Whether it runs.
      type: bool
    problem:
      description: Why its configuration cannot be read for sure; empty where it can.
      type: str
    version:
      description: The version of mosquitto; empty for the others.
      type: str
      sample: 2.0.11
    mains:
      description: The files that it was started with.
      type: list
      elements: str
      sample: [/etc/nginx/nginx.conf]
    files:
      description: The files of its configuration by path, each with C(real), C(content) and C(mode).
      type: dict
    edited_since_start:
      description: Whether a file was changed after the service was started.
      type: bool
    endpoints:
      description: Where it listens with TLS, each with C(address) (empty for all), C(port) and C(starttls).
      type: list
      elements: dict
    peers:
      description: Old clients, each with C(address), C(versions), C(count), C(last_at) and C(refused).
      type: list
      elements: dict
    blind:
      description:
        - Logs that cannot tell all old clients, each with C(log) and C(reason).
        - Reasons are V(not_logged), V(no_file), V(too_short) (they do not go back so far), V(too_long) and
          V(not_readable).
      type: list
      elements: dict
    told_since:
      description: The oldest line that names a version; null without one.
      type: str
others:
  description:
    - The listening ports that speak TLS and that no configuration which was read explains, each with C(address),
      C(port) and C(program).
    - One of a program that is known here is told as its C(problem) too.
  returned: always
  type: list
  elements: dict
  sample: [{address: 0.0.0.0, port: 8443, program: lighttpd}]
"""

import os
import re
import time
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.listening import listening
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.old_clients import old_clients
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.running import (
    PROGRAMS,
    gather,
    installed,
    mains_of,
    running,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.settings import Unclear
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.speaking import MOST_PORTS, speaking

#: A service writes nothing to its own configuration while it starts; clocks are read in whole seconds.
_START_SECONDS = 2.0
#: Not asked: SSH, and programs whose configuration is read, and which would hand the hello on to another device.
_LEFT_ALONE = (
    *("sshd", "dropbear", "ssh"),
    *(name for one in ("nginx", "haproxy", "stunnel") for name in PROGRAMS[one].processes),
)


def main() -> None:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "days": {"type": "float", "default": 14},
            "own_addresses": {"type": "list", "elements": "str", "default": []},
            "ask_ports": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    if os.geteuid() != 0:
        module.fail_json(
            msg="tls_services_info: looking needs privilege on the gateway (become: true); without it, services that "
            "run cannot be told from services that do not."
        )
    now = time.time()
    found = running()
    services = []
    for service in PROGRAMS:
        program = installed(service)
        if program or found[service]:
            services.append(_service(module, service, program, found[service], now))
    others = _others(services) if module.params["ask_ports"] else []
    for one in services:
        strange = [str(port["port"]) for port in others if port["program"] in PROGRAMS[one["service"]].processes]
        if strange and not one["problem"]:
            one["problem"] = f"port {', '.join(strange)} speaks TLS, which its configuration does not say"
    module.exit_json(changed=False, services=services, others=others)


def _others(services: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ports that speak TLS beside those of the configurations."""
    known = {endpoint["port"] for one in services for endpoint in one["endpoints"]}
    sockets = [
        entry
        for entry in listening(Host(), {})["listening"]
        if entry["protocol"] == "tcp" and entry["port"] not in known and entry["program"] not in _LEFT_ALONE
    ]
    places = {(_own_side(entry["address"]), entry["port"]): entry for entry in sockets[:MOST_PORTS]}
    found = {(places[place]["port"], places[place]["program"]): places[place] for place in speaking(places)}
    return [{key: entry[key] for key in ("address", "port", "program")} for entry in found.values()]


def _own_side(address: str) -> str:
    """Where the machine itself reaches what listens on this address."""
    return {"0.0.0.0": "127.0.0.1", "::": "localhost"}.get(address, address)


def _service(
    module: AnsibleModule, service: str, program: str, processes: list[tuple[list[str], float]], now: float
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "service": service,
        "program": program,
        "running": bool(processes),
        "problem": "",
        "version": "",
        "mains": [],
        "files": {},
        "edited_since_start": False,
        "endpoints": [],
        "peers": [],
        "blind": [],
        "told_since": None,
    }
    if not processes:
        return told
    try:
        told["mains"] = mains_of(service, processes)
        files, seen = gather(service, told["mains"])
    except (Unclear, OSError) as error:
        return {**told, "problem": str(error)}
    if not seen.endpoints:
        return told
    if service == "mosquitto" and program:
        said = module.run_command([program, "-h"])[1]
        version = re.search(r"version (\d+\.\d+[\w.]*)", said)
        told["version"] = version[1] if version else ""
    started = min(moment for _words, moment in processes)
    told["edited_since_start"] = any(file["modified"] > started + _START_SECONDS for file in files.values())
    told["files"] = {path: {key: file[key] for key in ("real", "content", "mode")} for path, file in files.items()}
    told["endpoints"] = [asdict(endpoint) for endpoint in seen.endpoints]
    return {**told, **old_clients(seen.logs, module.params["days"], module.params["own_addresses"], now)}


if __name__ == "__main__":
    main()
