# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""community.crypto.get_certificate: one task on each device, 50 forks."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Sequence
from pathlib import Path

from bench import install
from bench.farm import Endpoint, Farm
from bench.inventory import write_inventory
from bench.peers.base import Answers, Call, complete
from bench.places import ansible_environment, command

BUNDLE = "ansible==14.5.0"
FORKS = 50
PLAYBOOK = """\
- hosts: medical_devices
  gather_facts: false
  connection: local
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - community.crypto.get_certificate:
        host: "{{ device_address }}"
        port: "{{ device_endpoints[0].port }}"
        server_name: "{{ device_names[0] }}"
        ca_cert: "{{ root }}"
        get_certificate_chain: true
      register: got
    - ansible.builtin.copy:
        content: "{{ ansible_play_hosts_all | map('extract', hostvars, 'got') | to_json }}"
        dest: "{{ playbook_dir }}/answers.json"
        mode: "0600"
      run_once: true
"""


class GetCertificate:
    """The usual way to look at certificates with Ansible."""

    name = "get_certificate"
    title = f"community.crypto.get_certificate, {FORKS} forks"
    share = 100
    note = ""

    def __init__(self) -> None:
        self._collections = Path()

    def install(self) -> str:
        """The collection alone, out of the bundle."""
        self._collections, version = install.collection(BUNDLE, "community", "crypto")
        return version

    def call(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Call:
        """A play over an inventory of these devices; the second task only writes the answers down."""
        inventory = write_inventory(folder, targets)
        (folder / "certificates.yml").write_text(PLAYBOOK, encoding="utf-8")
        settings = ("-e", f"root={farm.authority.root}")
        return Call(
            (command("ansible-playbook"), "-i", str(inventory), *settings, "certificates.yml"),
            f"ansible-playbook --forks {FORKS} -i inventory.yml certificates.yml    # one get_certificate task",
            ansible_environment(self._collections, folder, forks=FORKS),
        )

    def answers(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Answers:
        """The registered results."""
        results = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
        given = {}
        for target, result in zip(targets, results, strict=True):
            expected = farm.chain(target)
            seen = [_fingerprint(pem) for pem in result.get("unverified_chain") or ()]
            checks = {
                "leaf": bool(result.get("cert")) and _fingerprint(result["cert"]) == expected[0],
                "chain": seen == list(expected),
                "signature": result.get("signature_algorithm") == "sha256WithRSAEncryption",
                "trust": bool(result.get("verified_chain")),
            }
            given[target.address] = {name for name, true in checks.items() if true}
        return complete(given, targets)


def _fingerprint(pem: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
