# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark is held to, and whether it was met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.suite import TIMEOUT, Row, Run


@dataclass(frozen=True)
class Target:
    """One promise: what, how it came out, and whether that will do."""

    what: str
    wanted: str
    measured: str
    met: bool


def _per_endpoint(row: Row) -> float:
    return row.cpu / row.endpoints


def of_tools(rows: Sequence[Row]) -> Iterator[Target]:
    """Against the others, and what a device feels."""
    by_name: Mapping[str, Row] = {row.name: row for row in rows}
    probe = by_name.get("device_probe")
    for name, wanted in (("sslyze", 50), ("get_certificate", 50), ("nmap", 10)):
        other = by_name.get(name)
        if probe and other:
            ratio = _per_endpoint(other) / _per_endpoint(probe)
            yield Target(
                f"client CPU of device_probe through Ansible, against {name}",
                f"≤ 1/{wanted}",
                f"1/{ratio:.0f}",
                ratio >= wanted,
            )
    for name, wanted in (("engine-no-date", 1500), ("engine", 600)):
        row = by_name.get(name)
        if row:
            speed = row.endpoints / row.cpu
            yield Target(f"{row.title}: endpoints per CPU-second", f"≥ {wanted}", f"{speed:.0f}", speed >= wanted)
    for name, connections, sent in (("device_probe", 4, 1100), ("engine-quick", 2, 300)):
        row = by_name.get(name)
        if row:
            seen = row.counted.connections / row.endpoints
            yield Target(
                f"{row.title}: connections per endpoint", f"≤ {connections}", f"{seen:.2f}", seen <= connections
            )
            if row.counted.bytes_up is not None:
                up = row.counted.bytes_up / row.endpoints
                yield Target(f"{row.title}: bytes sent per endpoint", f"≤ {sent}", f"{up:.0f}", up <= sent)
    if probe:
        yield _memory(f"device_probe, {probe.endpoints} endpoints", probe.peaks)


def _memory(what: str, peaks: Mapping[str, float]) -> Target:
    peak = max(peaks.values(), default=0.0)
    parts = ", ".join(f"{part} {size:.0f}" for part, size in sorted(peaks.items()))
    return Target(f"{what}: the largest process", "≤ 300 MiB", f"{peak:.0f} MiB ({parts})", peak <= 300)


def of_faults(runs: Sequence[Run]) -> Iterator[Target]:
    """One device in ten dead or silent."""
    if len(runs) == 2:
        more = runs[1].wall - runs[0].wall
        yield Target(
            f"{runs[1].what} of {runs[1].devices} devices, against none",
            f"≤ {TIMEOUT:g} s more (one time-out)",
            f"{more:+.1f} s",
            more <= TIMEOUT,
        )


def of_scale(runs: Sequence[Run]) -> Iterator[Target]:
    """Ten times the devices."""
    if len(runs) == 2:
        times, ratio = runs[1].devices / runs[0].devices, runs[1].cpu / runs[0].cpu
        yield Target(
            f"CPU of device_probe for {times:g} times the endpoints",
            f"≤ {times * 1.1:g} times",
            f"{ratio:.1f} times",
            ratio <= times * 1.1,
        )
        # What the controller holds is Ansible's: the inventory, which a play that does nothing holds too.
        module = {part: size for part, size in runs[1].peaks.items() if part == "module"}
        yield _memory(f"device_probe, {runs[1].devices} endpoints, on the vantage", module)


def of_audits(runs: Sequence[Run]) -> Iterator[Target]:
    """The whole playbook."""
    for run in runs:
        seconds = {1000: 15, 10000: 90}.get(run.devices)
        if run.what == "audit" and seconds:
            yield Target(f"audit of {run.devices} devices", f"≤ {seconds} s", f"{run.wall:.1f} s", run.wall <= seconds)
            yield Target(
                f"audit of {run.devices} devices: memory of all processes",
                "< 1 GiB",
                f"{run.together:.0f} MiB",
                run.together < 1024,
            )
