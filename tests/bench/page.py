# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results as a page."""

from __future__ import annotations

import os
import platform
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from bench.peers.base import FACTS
from bench.suite import Row, Run
from bench.targets import Target, of_audits, of_faults, of_scale, of_tools


@dataclass
class Results:
    """All that was measured."""

    rows: list[Row] = field(default_factory=list)
    faults: list[Run] = field(default_factory=list)
    scale: list[Run] = field(default_factory=list)
    audits: list[Run] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    setting: dict[str, str] = field(default_factory=dict)

    def targets(self) -> list[Target]:
        """Every promise that these results speak of."""
        return [*of_tools(self.rows), *of_faults(self.faults), *of_scale(self.scale), *of_audits(self.audits)]


def machine() -> dict[str, str]:
    """What kind of machine this is, and nothing that tells which."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "processor": f"{os.cpu_count()} × {model}",
        "memory": f"{memory / 2**20:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": f"{platform.python_version()}, {' '.join(ssl.OPENSSL_VERSION.split()[:2])}",
        "ansible-core": version("ansible-core"),
        "cryptography": version("cryptography"),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A Markdown table whose columns stand in line in a terminal too."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |"

    rule = ("-" * (width - 1) + ":" if column in right else "-" * width for column, width in enumerate(widths))
    return "\n".join([line(head), "| " + " | ".join(rule) + " |", *(line(row) for row in rows)])


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def side_by_side(rows: Sequence[Row]) -> str:
    """The table of figures."""
    head = (
        "tool",
        "endpoints",
        "wall s per 1000",
        "CPU-s per 1000",
        "connections",
        "bytes up",
        "bytes down",
        "device CPU ms",
        "facts",
    )
    cells = []
    for row in rows:
        count = row.endpoints
        up, down = row.counted.bytes_up, row.counted.bytes_down
        cells.append(
            (
                row.title,
                str(count),
                _number(row.wall * 1000 / count),
                _number(row.cpu * 1000 / count),
                f"{row.counted.connections / count:.1f}",
                "–" if up is None else f"{up / count:,.0f}",
                "–" if down is None else f"{down / count:,.0f}",
                f"{row.counted.cpu * 1000 / count:.2f}",
                str(len(row.answers.facts)),
            )
        )
    return table(head, cells, range(1, len(head)))


def ratios(rows: Sequence[Row]) -> str:
    """Everything in units of device_probe."""
    probe = next((row for row in rows if row.name == "device_probe"), None)
    if probe is None:
        return ""
    cells = []
    for row in rows:
        pairs = [
            (row.wall, probe.wall),
            (row.cpu, probe.cpu),
            (row.counted.connections, probe.counted.connections),
            (row.counted.bytes_up, probe.counted.bytes_up),
            (row.counted.cpu, probe.counted.cpu),
        ]
        cells.append(
            (
                row.title,
                *(
                    "–" if not one or not other else _number(one / row.endpoints / (other / probe.endpoints))
                    for one, other in pairs
                ),
            )
        )
    head = ("tool", "wall", "client CPU", "connections", "bytes up", "device CPU")
    return table(head, cells, range(1, len(head)))


def facts(rows: Sequence[Row]) -> str:
    """Who tells what."""
    cells = [
        (
            row.title,
            *("yes" if fact in row.answers.facts else "" for fact in FACTS),
            f"{row.answers.complete} of {row.endpoints}",
        )
        for row in rows
    ]
    return table(("tool", *FACTS, "right for"), cells)


def runs(entries: Sequence[Run]) -> str:
    """Playbook runs."""
    head = (
        "run",
        "devices",
        "wall s",
        "CPU-s",
        "of which controller",
        "workers",
        "module",
        "all processes MiB",
        "largest MiB",
    )
    cells = []
    for run in entries:
        cells.append(
            (
                run.what,
                f"{run.devices:,}",
                f"{run.wall:.1f}",
                f"{run.cpu:.1f}",
                *(f"{run.parts.get(part, 0.0):.1f}" for part in ("controller", "worker", "module")),
                f"{run.together:.0f}",
                f"{max(run.peaks.values(), default=0):.0f}",
            )
        )
    return table(head, cells, range(1, len(head)))


def targets_table(entries: Sequence[Target]) -> str:
    """Promises kept and not kept."""
    cells = [(entry.what, entry.wanted, entry.measured, "met" if entry.met else "**missed**") for entry in entries]
    return table(("what", "wanted", "measured", ""), cells)


def page(results: Results) -> str:
    """docs/benchmarks.md."""
    setting = {**machine(), **results.setting}
    parts = [_TITLE, _FARM, _COUNTING.format(where=setting.pop("counting", "")), table(("", ""), list(setting.items()))]
    if float(setting.get("load average at the start", 0)) > 0.5 * (os.cpu_count() or 1):
        parts.append(_BUSY)
    entries = results.targets()
    if entries:
        parts += ["## Targets", targets_table(entries)]
    if results.rows:
        notes = {row.note: f"{row.title[0].upper()}{row.title[1:]}: {row.note}." for row in results.rows if row.note}
        parts += ["## Side by side", _SIDE_BY_SIDE, side_by_side(results.rows)]
        parts += ["The same, with device_probe through Ansible as the unit:", ratios(results.rows)]
        parts += [" ".join([_FACTS, *notes.values()]), facts(results.rows)]
    parts += [f"{tool} could not be had for this run: {reason}" for tool, reason in results.missing.items()]
    if results.faults:
        parts += ["## Dead and silent devices", _FAULTS, runs(results.faults)]
    if results.scale:
        parts += ["## Ten times the devices", "device_probe through Ansible.", runs(results.scale)]
    if results.audits:
        parts += ["## The whole audit", _AUDIT, runs(results.audits)]
        parts += [
            f"The report of {run.extra['devices']:,} devices has {run.extra['sheets']:,} sheets and takes"
            f" {run.extra['mebibytes']:.0f} MiB."
            for run in results.audits
            if run.extra
        ]
    if results.rows:
        commands = "\n".join(dict.fromkeys(row.shown for row in results.rows))
        told = {row.version: row.title for row in reversed(results.rows) if not row.name.startswith("engine")}
        parts += [
            "## Commands and versions",
            table(("tool", "version"), [(title, number) for number, title in reversed(told.items())]),
            f"```sh\n{commands}\n```",
            "`tests/bench/peers/` has one file for each of them.",
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def right_and_wrong(marks: Mapping[str, Mapping[str, tuple[str, int]]], tools: Sequence[str]) -> str:
    """The section on truth. `marks`: case -> tool -> (right | wrong | open, connections)."""
    cells = [(case, *(_told(found.get(tool)) for tool in tools)) for case, found in marks.items()]
    totals = ["**in all**"]
    for tool in tools:
        entries = [found[tool] for found in marks.values() if tool in found]
        counts = ", ".join(f"{sum(word == one for one, _n in entries)} {word}" for word in ("right", "open", "wrong"))
        mean = sum(number for _word, number in entries) / max(1, len(entries))
        totals.append(f"**{counts}; {_number(mean)} connections each**")
    return "\n\n".join([SECTION, _RIGHT_AND_WRONG, table(("the server", *tools), [*cells, tuple(totals)])])


def _told(found: tuple[str, int] | None) -> str:
    if found is None:
        return "not measured"
    word, connections = found
    return f"{'**wrong**' if word == 'wrong' else word}, {connections}"


def with_section(text: str, section: str) -> str:
    """The page with this section on truth, in the place of the one it had or before the commands."""
    before, found, rest = text.partition(SECTION)
    if found:
        rest = rest[rest.index("\n## ") + 1 :]
    else:
        before, mark, rest = text.partition("## Commands and versions")
        rest = mark + rest
    return f"{before}{section}\n\n{rest}"


def section_of(text: str) -> str:
    """The section on truth of a page; "" where it has none."""
    _before, found, rest = text.partition(SECTION)
    return (found + rest[: rest.index("\n## ")]).strip() if found else ""


#: Heading of the section that tests/bench/right_wrong.py writes.
SECTION = "## Right and wrong"

_RIGHT_AND_WRONG = """\
Servers that mislead: each has one fault, or what looks like one, and its truth is known. Every tool visits a server of
its own; the number is that of the connections that the server counted. *Right*: said, or plain from what it put out.
*Open*: it does not say, or says that it does not know. *Wrong*: it says the opposite, the worst that a tool can do.
`device_probe` visits at `depth: normal`; at `thorough` for the hole below an alert 70 and for SSL 2.0 beside TLS 1.2.
The others are asked for what the row is about (sslyze: `--certinfo`, or the six versions; testssl.sh: `-S`, `-p` or
`-s`), for each name that is declared, and get the root. Where some clients refuse a server and others do not, its truth
is a fault.

This section is written by `.venv/bin/python tests/bench/right_wrong.py --write`, apart from the rest of the page."""

_TITLE = """\
# Benchmarks

<!-- Written by `make bench`; do not edit. -->

What a visit costs: the device that is visited, and the machine that visits. Every figure here comes from one run of
`make bench`, which takes about eight minutes and fetches what it compares with into `.bench/`.
`.venv/bin/python tests/bench/run.py --help` shows how to run a part of it."""

_FARM = """\
## The farm

One nginx with one worker serves all endpoints on the loopback: TLS 1.2 and 1.3, suites as nginx has them out of the
box, and for each endpoint an address and an RSA-2048 certificate of its own, sent with the intermediate authority that
issued it. Clients and nginx share the same processors, so wall times are pessimistic; CPU seconds and what the device
counts are not."""

_COUNTING = """\
Counted on the devices' side, {where}:
connections from the kernel's `PassiveOpens`; bytes as TCP payload, from nftables counters less the headers; device CPU
from nginx's own process. Client CPU is user and system time of the command and of all that it started, interpreter
start and inventory included; that of the engine is of the visit alone, the fastest of three rounds."""

_BUSY = """\
**The machine was busy with other work during this run.** Wall times are longer than they would be alone, CPU seconds by
a third or so; ratios between tools hold."""

_SIDE_BY_SIDE = """\
Per endpoint, or per 1000 endpoints. The slow ones visit fewer endpoints, as their row says."""

_FACTS = """\
A fact counts when the tool's own output has it and it is true. `versions`: six protocol versions told right;
`negotiated`: version and suite; `trust`: the chain judged against the farm's root; `name`: compared with the
certificate; `clock`: the device's offset."""

_FAULTS = """\
A dead device answers no packet; a silent one accepts the connection and says nothing. The time-out is 5 seconds."""

_AUDIT = """\
`biomed.cert_hygiene.audit` (visit, judge, write the report in French and English), beside a play over the same
inventory with one task that does nothing. "Workers" are the control node's half of the tasks: inventory variables,
certificates, judgement, pages. "All processes" counts shared memory once."""
