# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what a visit costs, beside other tools, and writes docs/benchmarks.md.

    .venv/bin/python tests/bench/run.py                       everything, about eight minutes (this is `make bench`)
    .venv/bin/python tests/bench/run.py --only engine,nmap    a part of it; prints, writes no page
    .venv/bin/python tests/bench/run.py --endpoints 10000     device_probe and its engine over so many endpoints
    .venv/bin/python tests/bench/run.py --quick               a few endpoints: do the scripts work?

As root, or where users may make namespaces, everything runs in a network namespace of its own, where nothing else
is counted and nothing else is disturbed; it holds nothing but a loopback.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

if __name__ == "__main__":
    # The scripts of this folder have the names of what they call: they are looked for in the package alone.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench import install, measure, page, suite
from bench.farm import Authority, Farm, FarmError
from bench.peers.base import Peer
from bench.places import DOCUMENT, HOME, ROOT

PARTS = ("faults", "scale", "audit")
SMALL, LARGE = 1000, 10000
_INSIDE = "CERT_HYGIENE_BENCH_NAMESPACE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0 also when a target is missed: a slow machine is no failure."""
    names = [tool.name for tool in (*suite.own_tools(1), *suite.other_tools())]
    parser = argparse.ArgumentParser(description="Measure what a visit costs, beside other tools.")
    parser.add_argument("--only", metavar="PART,…", default="", help="of: " + ", ".join([*names, *PARTS]))
    parser.add_argument("--endpoints", type=int, default=SMALL, help="endpoints for device_probe and its engine")
    parser.add_argument("--quick", action="store_true", help="a few endpoints, nothing installed but nginx")
    parser.add_argument("--results", type=Path, help="write the figures to this file, as JSON")
    options = parser.parse_args(arguments)
    chosen = [part for part in options.only.split(",") if part] or [*names, *PARTS]
    unknown = set(chosen) - {*names, *PARTS}
    if unknown:
        parser.error(f"--only: there is no {sorted(unknown)[0]}")
    if options.quick:
        chosen = [part for part in chosen if part not in {*(tool.name for tool in suite.other_tools()), "scale"}]
    try:
        prepared = _prepare(chosen, options)
        _enter_namespace()
        return _measure(chosen, options, *prepared)
    except (install.Unavailable, FarmError, measure.RunFailed) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2


def say(text: str) -> None:
    """Tell how far it is."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def _prepare(
    chosen: Sequence[str], options: argparse.Namespace
) -> tuple[str, str | None, Authority, list[Peer], dict[str, str], dict[str, str]]:
    """Install what is needed and make the certificates, while there still is a network."""
    HOME.mkdir(exist_ok=True)
    (HOME / ".gitignore").write_text("*\n")
    nginx = str(install.debian_shim(install.debian("nginx", "nginx")))
    try:
        nft = str(install.debian_shim(install.debian("nftables", "nft")))
    except install.Unavailable as reason:
        say(f"bytes cannot be counted: {reason}")
        nft = None
    if not os.environ.get(_INSIDE):
        say("making what is missing in .bench")
    own = suite.own_tools(12 if options.quick else options.endpoints)
    wanted = [tool for tool in (*own, *suite.other_tools()) if tool.name in chosen]
    tools, versions, missing = suite.installed(wanted, say)
    authority = Authority(HOME / "farm")
    large = not options.quick and {"scale", "audit"} & set(chosen)
    size = 20 if options.quick else max(LARGE if large else SMALL, options.endpoints)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        authority.make(size)
    return nginx, nft, authority, tools, versions, missing


def _enter_namespace() -> None:
    """Start again in a network namespace; stay where we are when that is not allowed."""
    if os.environ.get(_INSIDE):
        return
    for options in (["-n"], ["-r", "-n"]):
        try:
            if subprocess.run(["unshare", *options, "true"], capture_output=True, check=False).returncode == 0:
                break
        except OSError:
            continue
    else:
        say("no network namespace can be made: other traffic of this machine is counted too, and bytes are not")
        os.environ[_INSIDE] = "no"
        return
    os.environ[_INSIDE] = "yes"
    words = [sys.executable, *sys.argv]
    os.execvp("unshare", ["unshare", *options, "sh", "-c", 'ip link set lo up && exec "$@"', "bench", *words])


def _measure(
    chosen: Sequence[str],
    options: argparse.Namespace,
    nginx: str,
    nft: str | None,
    authority: Authority,
    tools: list[Peer],
    versions: dict[str, str],
    missing: dict[str, str],
) -> int:
    begun = time.monotonic()
    isolated = os.environ[_INSIDE] == "yes"
    results = page.Results(missing=missing)
    results.setting = {
        "load average at the start": f"{os.getloadavg()[0]:.1f}",
        "counting": "in a network namespace of its own" if isolated else "together with the machine's other traffic",
    }
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=HOME))
    bench = suite.Bench(folder, say)
    try:
        for size in _farms(chosen, options, tools):
            say(f"opening a farm of {size} endpoints")
            with Farm(folder / "farm", size, nginx, nft if isolated else None, authority) as farm:
                for part in _parts(bench, farm, chosen, options, tools, versions, results):
                    _one(part, options.quick, results)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    results.setting["load average at the end"] = f"{os.getloadavg()[0]:.1f}"
    results.setting["duration"] = f"{time.monotonic() - begun:.0f} s"
    _tell(results, options)
    return 0


def _parts(
    bench: suite.Bench,
    farm: Farm,
    chosen: Sequence[str],
    options: argparse.Namespace,
    tools: Sequence[Peer],
    versions: dict[str, str],
    results: page.Results,
) -> Iterator[tuple[str, Callable[[], None]]]:
    """What is to be measured on this farm: (name, what does it)."""
    small, large = (20, 20) if options.quick else (SMALL, LARGE)
    patience = 1.0 if options.quick else suite.TIMEOUT

    def compare() -> None:
        results.rows = suite.side_by_side(bench, farm, tools, versions)

    def break_some() -> None:
        results.faults = suite.faults(bench, farm, small, patience)

    def grow() -> None:
        sizes = (small, large)
        results.scale = [suite.probe_run(bench, farm, farm.endpoints(size), "device_probe") for size in sizes]

    def audit() -> None:
        results.audits = suite.audits(bench, farm, sorted({small, large}))

    if not results.rows and tools:
        yield "side by side", compare
    if not results.faults and "faults" in chosen:
        yield "faults", break_some
    if farm.size >= large and "scale" in chosen:
        yield "scale", grow
    if farm.size >= large and "audit" in chosen:
        yield "audit", audit


def _one(part: tuple[str, Callable[[], None]], strict: bool, results: page.Results) -> None:
    """Measure one part; what fails is told on the page, and does not take the rest with it."""
    name, measure_it = part
    try:
        measure_it()
    except measure.RunFailed as error:
        if strict:
            raise
        say(f"{name} failed: {error}")
        results.missing[name] = str(error).splitlines()[0]


def _farms(chosen: Sequence[str], options: argparse.Namespace, tools: Sequence[Peer]) -> list[int]:
    """The sizes to open: a large farm takes long to open, and is opened only for what needs it."""
    if options.quick:
        return [20]
    sizes = set()
    if tools or "faults" in chosen:
        sizes.add(max(SMALL, options.endpoints))
    if {"scale", "audit"} & set(chosen):
        sizes.add(LARGE)
    return sorted(sizes)


def _tell(results: page.Results, options: argparse.Namespace) -> None:
    text = page.page(results)
    if options.results:
        options.results.write_text(json.dumps(asdict(results), indent=1), encoding="utf-8")
    print()
    print(text if not options.quick else page.side_by_side(results.rows))
    if not (options.only or options.quick) and options.endpoints == SMALL:
        kept = page.section_of(DOCUMENT.read_text(encoding="utf-8")) if DOCUMENT.exists() else ""
        DOCUMENT.write_text(page.with_section(text, kept) if kept else text, encoding="utf-8")
        say(f"wrote {DOCUMENT.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
