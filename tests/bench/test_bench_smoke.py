# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's scripts still work, and what a device feels has not grown. Counts only: times are the benchmark's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.device import silent
from servers.real import Unavailable

from bench import page
from bench.cases import CASES, Case
from bench.farm import Counters, _payload, endpoints
from bench.measure import part_of
from bench.peers.base import FACTS, Answers, complete
from bench.right_wrong import Answer, mark, measure
from bench.suite import Row, Run
from bench.targets import of_audits, of_faults, of_scale, of_tools

RUN = Path(__file__).with_name("run.py")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What a quick run measured."""
    file = tmp_path_factory.mktemp("bench") / "results.json"
    command = [sys.executable, str(RUN), "--quick", "--results", str(file)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if answer.returncode == 2 and "apt-get" in answer.stderr:
        pytest.skip(f"nginx is not installed and cannot be had: {answer.stderr.strip()}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = json.loads(file.read_text(encoding="utf-8"))
    if "namespace of its own" not in found["setting"]["counting"]:
        pytest.skip("no network namespace can be made here: what devices count would be anybody's")
    yield found


@pytest.mark.parametrize(
    ("tool", "connections", "facts"),
    [
        ("device_probe", 4, FACTS),
        ("engine", 4, ("leaf", "chain", "versions", "negotiated", "clock")),
        ("engine-no-date", 4, ("leaf", "chain", "versions", "negotiated")),
        ("engine-quick", 2, ("leaf", "chain", "versions", "negotiated")),
    ],
)
def test_a_modern_device_sees_so_many_connections(
    results: dict[str, Any], tool: str, connections: int, facts: tuple[str, ...]
) -> None:
    row = next(row for row in results["rows"] if row["name"] == tool)
    assert row["counted"]["connections"] == connections * row["endpoints"]
    assert (tuple(row["answers"]["facts"]), row["answers"]["complete"]) == (facts, row["endpoints"])


def test_the_devices_count_the_bytes_that_the_visit_says_it_sent(results: dict[str, Any]) -> None:
    row = next(row for row in results["rows"] if row["name"] == "device_probe")
    if row["counted"]["bytes_up"] is None:
        pytest.skip("nftables cannot be had: bytes are not counted")
    assert row["counted"]["bytes_up"] == row["answers"]["extra"]["bytes_sent"]
    assert row["counted"]["bytes_up"] <= 1100 * row["endpoints"]


def test_dead_and_silent_devices_cost_their_neighbours_nothing(results: dict[str, Any]) -> None:
    sound, broken = results["faults"]
    assert sound["extra"]["complete"] == sound["devices"]
    assert broken["extra"]["complete"] == broken["devices"] - 2


def test_the_audit_gives_every_device_a_sheet_in_each_language(results: dict[str, Any]) -> None:
    nothing, audit = results["audits"]
    assert (nothing["what"], audit["what"]) == ("a play that does nothing", "audit")
    assert (audit["extra"]["devices"], audit["extra"]["sheets"]) == (20, 40)
    assert set(audit["parts"]) == {"controller", "worker", "module"}


# -- the arithmetic, without a farm


def row(name: str, endpoints: int, cpu: float, connections: int = 0, peak: float = 0.0) -> Row:
    answers = Answers(endpoints, ("leaf",))
    counted = Counters(connections, 1000 * endpoints, 5000 * endpoints, 0.001 * endpoints)
    return Row(name, name, "1.0", "", f"{name} --all", endpoints, 1.0, cpu, counted, answers, {"module": peak})


def run(what: str, devices: int, wall: float, cpu: float = 1.0, together: float = 100.0) -> Run:
    return Run(what, devices, wall, cpu, {}, {"module": 50.0}, together)


def test_figures_are_compared_per_endpoint() -> None:
    rows = [row("device_probe", 1000, 3.0, 4000, 301.0), row("sslyze", 10, 1.5, 5390), row("nmap", 100, 2.9, 6600)]
    targets = {target.what: (target.measured, target.met) for target in of_tools(rows)}
    assert targets["client CPU of device_probe through Ansible, against sslyze"] == ("1/50", True)
    assert targets["client CPU of device_probe through Ansible, against nmap"] == ("1/10", False)
    assert targets["device_probe: connections per endpoint"] == ("4.00", True)
    assert targets["device_probe, 1000 endpoints: the largest process"][1] is False


@pytest.mark.parametrize(("more", "met"), [(4.9, True), (5.1, False)])
def test_one_time_out_more_is_the_most(more: float, met: bool) -> None:
    (target,) = of_faults([run("sound", 1000, 6.0), run("broken", 1000, 6.0 + more)])
    assert target.met is met


@pytest.mark.parametrize(("cpu", "met"), [(10.9, True), (11.1, False)])
def test_ten_times_the_devices_may_cost_eleven_times(cpu: float, met: bool) -> None:
    assert next(of_scale([run("small", 1000, 1.0), run("large", 10000, 9.0, cpu)])).met is met


def test_the_audit_has_a_target_for_time_and_one_for_memory() -> None:
    runs = [
        run("a play that does nothing", 1000, 2.0),
        run("audit", 1000, 15.1),
        run("audit", 10000, 89.0, 1.0, 1025.0),
    ]
    assert [target.met for target in of_audits(runs)] == [False, True, True, False]


def test_a_fact_is_a_tools_own_when_most_endpoints_have_it_right() -> None:
    targets = endpoints(3)
    given = {target.address: {"leaf", "key"} for target in targets[:2]} | {targets[2].address: {"leaf", "clock"}}
    answers = complete(given, targets)
    assert (answers.facts, answers.complete) == (("leaf", "key"), 2)


def test_dead_and_silent_devices_are_spread() -> None:
    kinds = [endpoint.kind for endpoint in endpoints(1000, dead=50, silent=50)]
    assert (kinds.count("dead"), kinds.count("silent")) == (50, 50)
    assert len({endpoint.address for endpoint in endpoints(10000)}) == 10000
    assert all(kind == "sound" for kind in kinds[1:10])


def test_headers_are_no_payload() -> None:
    # One SYN of 44 bytes, one bare acknowledgement, one segment with 100 bytes of data.
    assert _payload((3, 44 + 40 + 140), (1, 44)) == 100


@pytest.mark.parametrize(
    ("command_line", "first", "part"),
    [
        ("python\0ansible-playbook", True, "controller"),
        ("python\0ansible-playbook", False, "worker"),
        ("python\0AnsiballZ_device_probe.py", False, "module"),
    ],
)
def test_processes_are_told_apart(command_line: str, first: bool, part: str) -> None:
    assert part_of(command_line, first) == part


def test_the_page_names_what_was_missed_and_what_could_not_be_had() -> None:
    results = page.Results(rows=[row("device_probe", 1000, 3.0, 4001)], missing={"nmap": "no such package"})
    text = page.page(results)
    assert "**missed**" in text and "nmap could not be had for this run: no such package" in text
    assert "device_probe --all" in text


@pytest.mark.parametrize(("load", "said"), [("0.1", False), ("99.0", True)])
def test_the_page_says_when_the_machine_was_busy(load: str, said: bool) -> None:
    text = page.page(page.Results(setting={"load average at the start": load}))
    assert ("busy with other work" in text) is said


# -- right and wrong


@pytest.mark.parametrize(
    ("truth", "answer", "found"),
    [
        ("fault", "fault", "right"),
        ("fault", "sound", "wrong"),
        ("sound", "fault", "wrong"),
        ("fault", None, "open"),
        (frozenset({"TLSv1.2"}), {"TLSv1.1": False, "TLSv1.2": True}, "right"),
        (frozenset({"TLSv1.2"}), {"TLSv1.1": None, "TLSv1.2": True}, "open"),
        (frozenset({"TLSv1.2"}), {"TLSv1.1": None, "TLSv1.2": False}, "wrong"),
        (frozenset({"TLSv1.2"}), {"TLSv1.1": True, "TLSv1.2": True}, "wrong"),
    ],
)
def test_what_is_not_told_is_open_and_the_opposite_of_the_truth_is_wrong(
    truth: str | frozenset[str], answer: Answer, found: str
) -> None:
    case = Case("a server", "", truth, lambda _stand: silent)
    assert mark(case, answer) == found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_server_that_misleads_does_not_mislead_the_visit(case: Case) -> None:
    try:
        found = measure(case, "device_probe")
    except Unavailable as why:
        pytest.skip(str(why))
    assert mark(case, found["answer"]) != "wrong", found
    assert found["connections"] <= 12


def test_the_section_on_truth_outlives_the_page_around_it() -> None:
    section = page.right_and_wrong({"a server": {"probe": ("right", 3)}}, ["probe", "other"])
    text = page.page(page.Results(rows=[row("device_probe", 1000, 3.0, 4000)]))
    once = page.with_section(text, section)
    assert "right, 3" in section and "1 right, 0 open, 0 wrong; 3.00 connections each" in section
    assert page.section_of(text) == "" and page.section_of(once) == section
    assert page.with_section(once, section) == once
