# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurements: each opens what it needs, runs its commands, and returns plain results."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import install, measure
from bench.farm import Counters, Endpoint, Farm, endpoints
from bench.inventory import write_inventory
from bench.measure import Cost
from bench.peers.base import Answers, Call, Peer
from bench.peers.device_probe import DeviceProbe
from bench.peers.engine import Engine
from bench.peers.get_certificate import GetCertificate
from bench.peers.nmap import Nmap
from bench.peers.sslscan import Sslscan
from bench.peers.sslyze import Sslyze
from bench.places import ROOT, ansible_environment, command

#: Seconds that device_probe waits for an answer, when nothing is said.
TIMEOUT = 5.0
NOOP = """\
- hosts: medical_devices
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: nothing
      run_once: true
"""


@dataclass(frozen=True)
class Row:
    """One tool of the side-by-side table. Figures are of the whole run over `endpoints` endpoints."""

    name: str
    title: str
    version: str
    note: str
    shown: str
    endpoints: int
    wall: float
    cpu: float
    counted: Counters
    answers: Answers
    peaks: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One run of a playbook."""

    what: str
    devices: int
    wall: float
    cpu: float
    parts: dict[str, float]
    peaks: dict[str, float]
    together: float
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Bench:
    """Where a benchmark works, and what it tells while it does."""

    folder: Path
    say: Callable[[str], None]

    def place(self, name: str) -> Path:
        """An empty folder."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def own_tools(share: int) -> list[Peer]:
    """device_probe and its engine."""
    return [
        DeviceProbe(share=share),
        Engine("engine", "its engine alone, with the HTTP Date", "normal", "https", share),
        Engine("engine-no-date", "its engine alone, without the HTTP Date", "normal", "tls", share),
        Engine("engine-quick", "its engine alone, depth quick", "quick", "tls", share),
    ]


def other_tools() -> list[Peer]:
    """What it is compared with."""
    return [GetCertificate(), Sslyze(), Nmap(), Sslscan()]


def side_by_side(bench: Bench, farm: Farm, tools: Sequence[Peer], versions: dict[str, str]) -> list[Row]:
    """Each tool over the same farm, one after the other."""
    rows = []
    for tool in tools:
        targets = farm.endpoints(tool.share)
        folder = bench.place(tool.name)
        call = tool.call(farm, targets, folder)
        before = farm.counters()
        try:
            cost = measure.run(call.command, folder / "log", call.environment, folder, call.memory)
        except measure.RunFailed as error:
            bench.say(f"{tool.name}: {error}")
            continue
        counted = farm.counters().since(before)
        row = _row(tool, versions.get(tool.name, ""), call, targets, cost, counted, tool.answers(farm, targets, folder))
        rows.append(row)
        bench.say(
            f"{tool.name:<16}{row.endpoints:>6} endpoints {row.wall:7.1f} s {row.cpu:7.2f} CPU-s"
            f" {row.counted.connections / row.endpoints:6.1f} connections each"
        )
    return rows


def _row(
    tool: Peer, version: str, call: Call, targets: Sequence[Endpoint], cost: Cost, counted: Counters, answers: Answers
) -> Row:
    wall, cpu = cost.wall, cost.cpu
    rounds = answers.extra.get("rounds", 1)
    if rounds > 1:
        # The engine visits all of them several times in one process; its fastest round is its figure.
        wall, cpu = answers.extra["wall"], answers.extra["cpu"]
        up, down = counted.bytes_up, counted.bytes_down
        counted = Counters(
            counted.connections // rounds,
            None if up is None else up // rounds,
            None if down is None else down // rounds,
            counted.cpu / rounds,
        )
    return Row(
        tool.name,
        tool.title,
        version,
        tool.note,
        call.shown,
        len(targets),
        wall,
        cpu,
        counted,
        answers,
        dict(cost.peaks),
    )


def probe_run(bench: Bench, farm: Farm, targets: Sequence[Endpoint], what: str, timeout: float = TIMEOUT) -> Run:
    """device_probe through Ansible over these devices."""
    folder = bench.place("probe")
    tool = DeviceProbe(timeout=timeout)
    call = tool.call(farm, targets, folder)
    cost = measure.run(call.command, folder / "log", call.environment, folder, memory=True)
    answers = tool.answers(farm, targets, folder)
    run = _run(what, targets, cost, dict(answers.extra) | {"complete": answers.complete})
    bench.say(f"{what}: {run.wall:.1f} s, {run.cpu:.1f} CPU-s")
    return run


def _run(what: str, targets: Sequence[Endpoint], cost: Cost, extra: dict[str, Any] | None = None) -> Run:
    return Run(
        what, len(targets), cost.wall, cost.cpu, dict(cost.parts), dict(cost.peaks), cost.together, dict(extra or {})
    )


def faults(bench: Bench, farm: Farm, size: int, timeout: float = TIMEOUT) -> list[Run]:
    """None dead or silent, then one in ten."""
    broken = size // 20
    dead = broken if farm.drops else 0
    what = f"{dead} dead and {broken} silent" if dead else f"{broken * 2} silent"
    return [
        probe_run(bench, farm, endpoints(size), "all devices answer", timeout),
        probe_run(bench, farm, endpoints(size, dead, broken * 2 - dead), what, timeout),
    ]


def audits(bench: Bench, farm: Farm, sizes: Sequence[int]) -> list[Run]:
    """The audit playbook beside a play that does nothing, for each size."""
    runs = []
    for size in sizes:
        targets = endpoints(size)
        folder = bench.place("audit")
        inventory = write_inventory(folder, targets)
        (folder / "noop.yml").write_text(NOOP, encoding="utf-8")
        environment = ansible_environment(ROOT / "collections", folder)
        start = [command("ansible-playbook"), "-i", str(inventory)]
        anchors = '{"audit_trust_anchors": ["' + str(farm.authority.root) + '"]}'
        for what, play in (
            ("a play that does nothing", ["noop.yml"]),
            ("audit", ["biomed.cert_hygiene.audit", "-e", anchors]),
        ):
            cost = measure.run([*start, *play], folder / f"{play[0]}.log", environment, folder, memory=True)
            extra = _report_facts(folder / "report") if what == "audit" else {}
            runs.append(_run(what, targets, cost, extra))
            bench.say(f"{what}, {size} devices: {cost.wall:.1f} s, {cost.cpu:.1f} CPU-s, {cost.together:.0f} MiB")
    return runs


def _report_facts(report: Path) -> dict[str, Any]:
    import json

    summary = json.loads((report / "summary.json").read_text(encoding="utf-8"))
    sheets = sum(1 for _sheet in report.glob("**/devices/*.html"))
    size = sum(path.stat().st_size for path in report.rglob("*") if path.is_file())
    return {"devices": summary["totals"]["devices"], "sheets": sheets, "mebibytes": size / 2**20}


def installed(tools: Sequence[Peer], say: Callable[[str], None]) -> tuple[list[Peer], dict[str, str], dict[str, str]]:
    """(those that can be had, their versions, why the others cannot)."""
    there, versions, missing = [], {}, {}
    for tool in tools:
        try:
            versions[tool.name] = tool.install()
            there.append(tool)
        except install.Unavailable as reason:
            missing[tool.name] = str(reason)
            say(f"{tool.name} is left out: {reason}")
    return there, versions, missing
