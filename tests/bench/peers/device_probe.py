# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""device_probe as a playbook calls it: one task for the whole fleet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.farm import Endpoint, Farm
from bench.inventory import write_inventory
from bench.peers.base import TRUE_VERSIONS, Answers, Call, complete
from bench.places import ROOT, ansible_environment, command

PLAYBOOK = """\
- hosts: medical_devices
  gather_facts: false
  tasks:
    - biomed.cert_hygiene.device_probe:
        devices: "{{ ansible_play_hosts_all }}"
        trust_anchors: ["{{ root }}"]
        depth: "{{ depth }}"
        timeout: "{{ seconds }}"
        dest: observations.jsonl
      delegate_to: localhost
      run_once: true
"""


class DeviceProbe:
    """The action and its module, through ansible-playbook; certificates read, trust and names judged."""

    note = ""

    def __init__(self, depth: str = "normal", share: int = 1000, timeout: float = 5.0) -> None:
        self.name = "device_probe" if depth == "normal" else f"device_probe-{depth}"
        self.title = "device_probe through Ansible" + ("" if depth == "normal" else f", depth {depth}")
        self.depth = depth
        self.timeout = timeout
        self.share = share

    def install(self) -> str:
        """It is here; the version is the collection's."""
        for line in (ROOT / "galaxy.yml").read_text(encoding="utf-8").splitlines():
            if line.startswith("version:"):
                return line.split()[1]
        return "?"

    def call(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Call:
        """A play over an inventory of these devices."""
        inventory = write_inventory(folder, targets)
        (folder / "probe.yml").write_text(PLAYBOOK, encoding="utf-8")
        settings = ("-e", f"depth={self.depth} seconds={self.timeout}", "-e", f"root={farm.authority.root}")
        return Call(
            (command("ansible-playbook"), "-i", str(inventory), *settings, "probe.yml"),
            f"ansible-playbook -i inventory.yml probe.yml    # one device_probe task, depth: {self.depth}",
            ansible_environment(ROOT / "collections", folder),
            memory=True,
        )

    def answers(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Answers:
        """The observations, against what is true of the farm."""
        lines = (folder / "observations.jsonl").read_text(encoding="utf-8").splitlines()
        observations = {entry["device"]: entry for entry in map(json.loads, lines)}
        given = {}
        for target in targets:
            observation = observations[target.name]
            given[target.address] = _facts(farm, target, observation) if observation["endpoints"] else set()
        found = complete(given, targets)
        return Answers(
            found.complete,
            found.facts,
            {
                "connections": sum(entry["connections"] for entry in observations.values()),
                "bytes_sent": sum(entry["bytes_sent"] for entry in observations.values()),
            },
        )


def _facts(farm: Farm, target: Endpoint, observation: dict[str, Any]) -> set[str]:
    endpoint = observation["endpoints"][0]
    chain = endpoint["chain"]
    expected = farm.chain(target)
    leaf = chain[0] if chain else {}
    versions = {name: entry["status"] == "accepted" for name, entry in endpoint["versions"].items()}
    known = all(entry["status"] in ("accepted", "refused") for entry in endpoint["versions"].values())
    samples = observation["clock"]["samples"]
    checks = {
        "leaf": leaf.get("fingerprint_sha256") == expected[0],
        "chain": [entry.get("fingerprint_sha256") for entry in chain] == list(expected),
        "versions": known and versions == TRUE_VERSIONS,
        "negotiated": bool((endpoint["negotiated"] or {}).get("cipher")),
        "key": leaf.get("key", {}).get("bits") == 2048,
        "signature": leaf.get("signature_algorithm") == "sha256WithRSAEncryption",
        "trust": endpoint["trust"]["status"] == "trusted",
        "name": endpoint["name_match"] is True,
        "clock": any(abs(sample["offset_seconds"]) < 5 for sample in samples),
    }
    return {name for name, true in checks.items() if true}
