# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of device_probe alone: what runs on the vantage, without Ansible and without reading certificates.

As a script, in a process of its own: `engine.py TARGETS RESULT DEPTH SERVICE`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROUNDS = 3


class Engine:
    """Three rounds over the endpoints in one process; the fastest counts, all are told."""

    note = "certificates are fetched, but not read"

    def __init__(self, name: str, title: str, depth: str, service: str, share: int = 1000) -> None:
        self.name = name
        self.title = title
        self.depth = depth
        self.service = service
        self.share = share

    def install(self) -> str:
        """It is here."""
        return DeviceProbe().install()

    def call(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Call:
        """This file, as a script."""
        devices = [
            {
                "name": target.name,
                "address": target.address,
                "names": [target.host_name],
                "endpoints": [{"port": target.port, "service": self.service}],
                "ports": [],
            }
            for target in targets
        ]
        (folder / "targets.json").write_text(json.dumps(devices), encoding="utf-8")
        script = str(Path(__file__).resolve())
        return Call(
            (sys.executable, script, "targets.json", "result.json", self.depth, self.service),
            f"python tests/bench/peers/engine.py targets.json result.json {self.depth} {self.service}",
            {**ansible_environment(ROOT / "collections", folder), "PYTHONPATH": str(ROOT / "collections")},
        )

    def answers(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Answers:
        """What the script measured of itself; the facts are those that the bytes hold."""
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        facts = ["leaf", "chain", "versions", "negotiated"] + (["clock"] if result["clocks"] else [])
        return Answers(result["complete"], tuple(facts), result)


def main(targets: str, result: str, depth: str, service: str) -> None:
    """Visit all targets, ROUNDS times, and write what it cost."""
    from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.device import Settings
    from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.round import Round

    devices = json.loads(Path(targets).read_text(encoding="utf-8"))
    seconds, walls = [], []
    for _round in range(ROUNDS):
        seen: list[dict[str, Any]] = []
        wall, cpu = time.perf_counter(), time.process_time()
        Round(Settings(depth=depth), 200, 0, seen.append).run(devices)
        seconds.append(time.process_time() - cpu)
        walls.append(time.perf_counter() - wall)
    report = {
        "rounds": ROUNDS,
        "cpu": min(seconds),
        "cpu_of_rounds": seconds,
        "wall": walls[seconds.index(min(seconds))],
        "connections": sum(entry["connections"] for entry in seen),
        "bytes_sent": sum(entry["bytes_sent"] for entry in seen),
        "complete": sum(
            1 for entry in seen if entry["outcome"] == "observed" and len(entry["endpoints"][0]["chain_der"]) == 2
        ),
        "clocks": sum(1 for entry in seen if entry["clock"]["samples"]),
    }
    Path(result).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
else:
    from bench.farm import Endpoint, Farm
    from bench.peers.base import Answers, Call
    from bench.peers.device_probe import DeviceProbe
    from bench.places import ROOT, ansible_environment
