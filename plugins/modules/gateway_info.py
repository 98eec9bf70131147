#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a login on a Linux gateway tells."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_info
short_description: Read the clock, NTP client, accounts, ports, logs, trust stores and certificate files of a gateway
version_added: "1.0.0"
description:
  - Reads on a Linux gateway what its network side cannot show, in one run, and returns one observation of the source
    V(gateway) that the P(biomed.cert_hygiene.assess#filter) filter and the M(biomed.cert_hygiene.report) action judge.
  - Changes nothing. Needs Python 3.9 or newer on the gateway and nothing else.
  - Works without privilege, and says for each subset what a privileged login would add.
  - A subset that cannot be gathered loses only itself. Its state in RV(observation.subsets) tells why.
  - Password hashes, private keys and keystore passwords never leave the gateway.
options:
  subsets:
    description: What to read.
    type: list
    elements: str
    choices:
      - clock
      - time_zone
      - ntp
      - accounts
      - listening
      - tls_failures
      - trust_stores
      - certificate_files
      - config_backup
      - system
    default:
      - clock
      - time_zone
      - ntp
      - accounts
      - listening
      - tls_failures
      - trust_stores
      - certificate_files
      - config_backup
      - system
  log_days:
    description: How many days back the logs are searched for TLS failures.
    type: int
    default: 7
  log_files:
    description: Further log files, as paths or patterns.
    type: list
    elements: str
    default: []
  own_addresses:
    description:
      - Addresses or names that probes come from. The failures that they leave in the logs are not counted.
      - The machine that this login comes from, and the one that C(device_vantage) names, need not be named.
    type: list
    elements: str
    default: []
  java_keystores:
    description:
      - Further Java keystores. JKS files need no password to be read; PKCS#12 files are read by C(keytool), with the
        password handed over in the environment.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The keystore.
        type: path
        required: true
      password_file:
        description: A file on the gateway whose first line is the password.
        type: path
      password_env:
        description: An environment variable of the login that holds the password.
        type: str
  nss_databases:
    description: Folders of NSS databases, read by C(certutil).
    type: list
    elements: path
    default: []
  bundles:
    description: PEM bundles that applications are told to trust.
    type: list
    elements: path
    default: []
  certificate_files:
    description:
      - Further certificate files, beside those that the configurations of nginx, Apache, haproxy, stunnel and mosquitto
        name.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The certificate file.
        type: path
        required: true
      key_path:
        description: Its private key, whose permissions are looked at. Its content is not.
        type: path
      role:
        description: Whether the gateway shows it as a server or as a client.
        type: str
        choices: [server, client]
        default: server
  backup_paths:
    description: Patterns of the files that configuration backups leave on the gateway.
    type: list
    elements: str
    default: []
  command_timeout:
    description: Seconds that each command may take.
    type: float
    default: 10.0
  record:
    description:
      - Also return everything that was read, as RV(record), to be parsed again later with O(recorded).
      - It holds configuration files, logs and account names, but no password hash, private key or keystore password.
        Keep it as you would keep the gateway's own backup.
    type: bool
    default: false
  recorded:
    description:
      - Parse what was recorded on a gateway with O(record) instead of looking at this one.
      - The observation is as old as the recording. It has no clock, and nothing that the recording was not asked for.
    type: dict
  dest:
    description:
      - A file on the control node that the observation is added to, as one line of JSON, readable by its owner only.
        Many gateways of one play may share it.
      - A gateway that cannot be reached, or that cannot run the module, leaves a line that says so.
    type: path
extends_documentation_fragment:
  - biomed.cert_hygiene.attributes
attributes:
  check_mode:
    details: Looking changes nothing, so that the gateway is read in check mode too; O(dest) is not written.
seealso:
  - module: biomed.cert_hygiene.device_probe
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
"""

EXAMPLES = r"""
- name: Read everything that this login may see
  biomed.cert_hygiene.gateway_info:
  register: gateway

- name: Read every gateway of the play into one file, and judge it later
  biomed.cert_hygiene.gateway_info:
    dest: gateways.jsonl

- name: The clock follows a server
  ansible.builtin.assert:
    that: gateway.observation.ntp.synchronised

- name: Read the clock and the trust stores alone, a PKCS#12 keystore included
  biomed.cert_hygiene.gateway_info:
    subsets: [clock, ntp, trust_stores]
    java_keystores:
      - path: /opt/engine/conf/truststore.p12
        password_file: /opt/engine/conf/truststore.pass
  become: true
"""

RETURN = r"""
observation:
  description: What was seen. Subsets that were not gathered are absent.
  type: dict
  returned: always
  contains:
    subsets:
      description:
        - For each subset its C(status) (V(ok), V(not_asked), V(not_permitted), V(not_supported), V(failed)) and a
          C(detail).
      type: dict
      returned: always
  sample:
    schema_version: 1
    device: gw-imaging-1
    source: gateway
    outcome: observed
    clock:
      samples:
        - {source: login, endpoint: , offset_seconds: -90.1, uncertainty_seconds: 0.4, evidence: true}
    time_zone: {name: Europe/Paris, utc_offset_seconds: 3600}
    ntp: {client: chrony, running: true, synchronised: true, servers: []}
    subsets:
      clock: {status: ok, detail: ""}
record:
  description: Everything that was read.
  type: dict
  returned: when O(record) is true
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.gather import SUBSETS, gather
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.recording import (
    RecordedHost,
    RecordingHost,
    check_record,
)


def main() -> None:
    """Gather the wanted subsets."""
    names = list(SUBSETS)
    module = AnsibleModule(
        argument_spec={
            "subsets": {"type": "list", "elements": "str", "choices": names, "default": names},
            "log_days": {"type": "int", "default": 7},
            "log_files": {"type": "list", "elements": "str", "default": []},
            "own_addresses": {"type": "list", "elements": "str", "default": []},
            "java_keystores": {
                "type": "list",
                "no_log": False,
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "password_file": {"type": "path", "no_log": False},
                    "password_env": {"type": "str", "no_log": False},
                },
                "mutually_exclusive": [("password_file", "password_env")],
            },
            "nss_databases": {"type": "list", "elements": "path", "default": []},
            "bundles": {"type": "list", "elements": "path", "default": []},
            "certificate_files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "key_path": {"type": "path", "no_log": False},
                    "role": {"type": "str", "choices": ["server", "client"], "default": "server"},
                },
            },
            "backup_paths": {"type": "list", "elements": "str", "default": []},
            "command_timeout": {"type": "float", "default": 10.0},
            "record": {"type": "bool", "default": False},
            "recorded": {"type": "dict"},
            # Taken by the action.
            "dest": {"type": "path"},
        },
        mutually_exclusive=[("record", "recorded")],
        supports_check_mode=True,
    )
    params = module.params
    host: Host
    for name in ("log_days", "command_timeout"):
        if not params[name] > 0:
            module.fail_json(msg=f"gateway_info: {name} must be greater than 0, and is {params[name]}.")
    wanted, recorded = params["subsets"], params["recorded"]
    if recorded is not None:
        try:
            check_record(recorded)
        except ValueError as problem:
            module.fail_json(msg=f"gateway_info: recorded: {problem}.")
        host, now = RecordedHost(recorded), float(recorded["now"])
        # A clock is read live or not at all; what the recording did not ask cannot be asked any more.
        wanted = [name for name in wanted if name in recorded["subsets"] and name != "clock"]
    else:
        host = RecordingHost(params["command_timeout"]) if params["record"] else Host(params["command_timeout"])
        now = time.time()
    # Java's own keystore of public authorities has a password that is no secret.
    options = {**params, "now": now, "java_default": {"password": "changeit"}}
    facts = gather(host, wanted, options)
    # Not "started" and "finished": Ansible makes booleans of those.
    clock = {"started": now, "finished": now if recorded is not None else time.time()}
    result = {"changed": False, "facts": facts, "vantage_clock": clock}
    if isinstance(host, RecordingHost):
        result["record"] = {**host.record, "now": now, "subsets": wanted}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
