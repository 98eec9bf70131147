"""The laboratory itself: what it isolates, and that nothing of it is left when it ends, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab.terminal import as_in_a_terminal

from gateways import lab as laboratory
from gateways import trees
from gateways.gateway import CGROUPS, StartError, call
from gateways.lab import Lab, Unavailable

COMMAND = [sys.executable, str(Path(laboratory.__file__))]


def needs(variant: str = "plain") -> None:
    try:
        laboratory.check_machine(variant)
        trees.layers(variant)
    except Unavailable as why:
        pytest.skip(str(why))


def leftovers(lab: Lab) -> list[str]:
    """What the machine still holds of a laboratory: namespaces, cgroups, mounts, processes."""
    found = [line for line in call(["ip", "netns", "list"]).stdout.splitlines() if line.startswith(lab.name)]
    found += [str(path) for top in CGROUPS for path in Path(top).glob(f"{lab.name}-*")]
    found += [line for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines() if str(lab.state) in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(lab.state) in (process / "mounts").read_text(encoding="utf-8", errors="replace"):
                found.append(f"{process}: {(process / 'cmdline').read_bytes()!r}")
        except OSError:
            continue
    return found


@pytest.mark.parametrize("variant", ["plain", "systemd"])
def test_nothing_is_left(variant: str, tmp_path: Path) -> None:
    needs(variant)
    lab = Lab(tmp_path / "state")
    with pytest.raises(ZeroDivisionError), lab:
        lab.add("one", variant)
        assert leftovers(lab)
        1 / 0  # noqa: B018
    assert leftovers(lab) == []
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_start_clears_after_itself(number: signal.Signals, tmp_path: Path) -> None:
    needs()
    lab = Lab(tmp_path / "state")
    process = subprocess.Popen(as_in_a_terminal(*COMMAND[1:], "up", "--state", str(lab.state), "--count", "200"))
    wait_for_a_gateway(lab, process)
    process.send_signal(number)
    assert process.wait(120) == 130
    assert leftovers(lab) == []


def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    needs()
    lab = Lab(tmp_path / "state")
    process = subprocess.Popen([*COMMAND, "up", "--state", str(lab.state), "--count", "200"])
    wait_for_a_gateway(lab, process)
    process.kill()
    process.wait()
    assert leftovers(lab)
    subprocess.run([*COMMAND, "up", "--state", str(lab.state), "--count", "1"], check=True)
    answer = subprocess.run(
        [*COMMAND, "run", "--state", str(lab.state), "--", "ssh", *ssh_options(lab), "hostname"],
        capture_output=True,
        text=True,
        check=False,
    )
    subprocess.run([*COMMAND, "down", "--state", str(lab.state)], check=True)
    assert answer.stdout == "gw-1\n", answer.stderr
    assert leftovers(lab) == []
    assert not lab.state.exists()


def wait_for_a_gateway(lab: Lab, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while not lab.inventory.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def ssh_options(lab: Lab, address: str = "192.0.2.11") -> list[str]:
    strict = ["-o", f"UserKnownHostsFile={lab.known_hosts}", "-o", "StrictHostKeyChecking=yes", "-F", "none"]
    return [*strict, "-o", "BatchMode=yes", "-i", str(lab.login_key), f"{trees.LOGIN}@{address}"]


def test_a_gateway_is_alone(lab: Lab) -> None:
    gateway = lab.add("alone")
    assert gateway.shell("hostname").strip() == "alone"
    processes = gateway.shell("ls -d /proc/[0-9]*").split()
    assert len(processes) < 8, processes
    # Neither the way out, nor the machine's clock, nor its settings.
    assert gateway.run("ip", "route", "show", "default").stdout == ""
    assert gateway.run("date", "--set", "2000-01-01", check=False).returncode != 0
    assert gateway.run("sh", "-c", "echo 1 > /proc/sys/kernel/panic", check=False).returncode != 0
    gateway.write("/etc/mark", "here\n")
    assert (gateway.upper / "etc/mark").exists()
    assert not any((layer / "etc/mark").exists() for layer in trees.layers("plain"))


def test_a_wrong_host_key_is_refused(lab: Lab, tmp_path: Path) -> None:
    gateway = lab.add("other-key")
    reached = lab.run("ssh", *ssh_options(lab, gateway.address), "sudo id -u")
    assert (reached.returncode, reached.stdout) == (0, "0\n"), reached.stderr
    known = lab.known_hosts.read_text(encoding="ascii")
    other = call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")])
    assert other.returncode == 0
    key = " ".join((tmp_path / "key.pub").read_text(encoding="ascii").split()[:2])
    try:
        lab.known_hosts.write_text(f"{gateway.address} {key}\n", encoding="ascii")
        refused = lab.run("ssh", *ssh_options(lab, gateway.address), "true")
    finally:
        lab.known_hosts.write_text(known, encoding="ascii")
    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr


def test_a_gateway_that_does_not_start_says_why(lab: Lab) -> None:
    with pytest.raises(StartError, match="NoSuchOption"):
        lab.add("broken", before=lambda gateway: gateway.write("/etc/ssh/sshd_config", "NoSuchOption yes\n") and None)
    # Nothing of it is in the way of the next one.
    assert lab.add("broken").listens(22)


def test_without_root_the_reason_is_named() -> None:
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    code = "import os, sys; sys.path.insert(0, sys.argv[1]); from gateways.lab import check_machine; "
    code += "os.setuid(65534); check_machine()"
    tests = str(Path(laboratory.__file__).resolve().parents[1])
    answer = call([sys.executable, "-c", code, tests])
    if "OSError" in answer.stderr:
        pytest.skip("this root has no other user to become")
    assert "Unavailable: making gateways needs root" in answer.stderr
