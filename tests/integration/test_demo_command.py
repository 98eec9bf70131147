"""`make demo`'s launcher: opens the hospital, audits it, closes it whatever happens."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from integration.runs import ROOT, environment
from lab.hospital import Hospital
from lab.places import own_network
from lab.plan import load_plan
from lab.terminal import as_in_a_terminal

DEMO = ROOT / "tests" / "lab" / "demo.py"


def start(folder: Path, collections: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        as_in_a_terminal(str(DEMO), *arguments),
        cwd=folder,
        env=environment(folder / "home", collections),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def is_closed(network: str) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((f"{network}.1.1", 20443)) != 0


def test_the_demo_audits_its_hospital_and_closes_it(collections: Path, tmp_path: Path) -> None:
    network = own_network(str(tmp_path))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = start(tmp_path, collections, "--network", network)
    output, _nothing = process.communicate(timeout=600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert process.returncode == 0, output
    assert f"The demo hospital is open: {len(load_plan().devices)} devices" in output
    assert "report/index.html" in output
    assert (tmp_path / "report" / "index.html").exists()
    assert (tmp_path / ".demo" / "contacts.json").exists()
    assert is_closed(network)
    # Under a minute where the machine is quiet, and how busy it is changes no verdict: counted in CPU-seconds.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 45


def test_the_demo_returns_the_playbook_s_status(collections: Path, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "letter.txt").write_text("dear colleague", encoding="utf-8")
    network = own_network(str(tmp_path))
    process = start(tmp_path, collections, "--network", network, "--report-dir", "documents")
    output, _nothing = process.communicate(timeout=600)
    assert process.returncode == 2, output
    assert [path.name for path in documents.iterdir()] == ["letter.txt"]
    assert is_closed(network)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_demo_closes_its_hospital(collections: Path, tmp_path: Path, number: signal.Signals) -> None:
    network = own_network(str(tmp_path))
    process = start(tmp_path, collections, "--network", network)
    assert process.stdout is not None
    assert "is open" in process.stdout.readline()
    while "TASK" not in process.stdout.readline():
        assert process.poll() is None
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # a terminal sends it to every process in the foreground
    else:
        process.send_signal(number)
    output, _nothing = process.communicate(timeout=600)
    assert process.returncode == 130, output
    assert is_closed(network)
    # Ansible's own workers may be interrupted anywhere, and show it.
    assert "/lab/demo.py" not in output.partition("Traceback")[2]


def test_a_killed_demo_leaves_no_hospital_behind(collections: Path, tmp_path: Path) -> None:
    network = own_network(str(tmp_path))
    process = start(tmp_path, collections, "--network", network)
    assert process.stdout is not None
    assert "is open" in process.stdout.readline()
    process.kill()
    process.wait(timeout=60)
    process.stdout.close()
    deadline = time.monotonic() + 300
    while not is_closed(network):
        assert time.monotonic() < deadline, "the hospital is still open"
        time.sleep(0.05)


def test_a_busy_address_is_named(hospital: Hospital, collections: Path, tmp_path: Path) -> None:
    network = ".".join(hospital.plan.device("ct-001")["address"].split(".")[:2])
    process = start(tmp_path, collections, "--network", network)
    output, _nothing = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "is in use: is another demo hospital running?" in output
    assert "Traceback" not in output
    assert not (tmp_path / "report").exists()
