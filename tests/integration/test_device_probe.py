"""The module device_probe called by a task, as other playbooks call it: dictionaries in, observations out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab.hospital import Hospital

Probe = Callable[..., tuple[dict[str, Any], str]]


def description(hospital: Hospital, name: str, **changes: Any) -> dict[str, Any]:
    """A device of the demo hospital as a dictionary."""
    device = hospital.plan.device(name)
    return {
        "name": name,
        "address": device["address"],
        "names": [f"{name}.hopital.example"],
        "endpoints": [{key: device["endpoints"][0][key] for key in ("port", "service")}],
        "consent": True,
        **changes,
    }


def test_dictionaries_in_observations_out(probe: Probe, hospital: Hospital) -> None:
    hospital.forget()
    anchor = hospital.trust_anchor.read_text(encoding="ascii")
    result, _output = probe(
        devices=[
            description(hospital, "ct-001", ports=[20023]),
            description(hospital, "ecg-001", consent=False),
            description(hospital, "mri-003", endpoints=[{"port": 20443, "service": "htps"}]),
        ],
        trust_anchors=[anchor],
    )
    assert result["changed"] is False
    seen, no_consent, invalid = result["observations"]
    assert (seen["device"], seen["outcome"], seen["vantage"]) == ("ct-001", "observed", "vantage")
    endpoint = seen["endpoints"][0]
    assert endpoint["trust"]["status"] == "trusted"
    assert endpoint["name_match"] is True
    assert endpoint["negotiated"]["version"] == "TLSv1.3"
    assert endpoint["versions"]["TLSv1.1"]["status"] == "refused"
    assert endpoint["handshake"] == "completed"
    assert seen["ports"] == {"20023": "closed"}
    assert (no_consent["outcome"], no_consent["reason"]) == ("skipped", "consent_missing")
    assert (invalid["outcome"], invalid["reason"]) == ("skipped", "inventory_invalid")
    assert invalid["detail"].startswith("endpoints[0].service: unknown service 'htps'; use one of tls, https")
    assert list(hospital.contacts()) == [hospital.plan.device("ct-001")["address"]]
    assert result["statistics"]["outcomes"] == {"observed": 1, "unreachable": 0, "skipped": 2, "aborted": 0}
    assert (result["statistics"]["devices"], result["statistics"]["consented"]) == (3, 2)


def test_quick_is_quick(probe: Probe, hospital: Hospital) -> None:
    result, _output = probe(devices=[description(hospital, "ct-001")], depth="quick")
    (seen,) = result["observations"]
    assert seen["connections"] <= 2 and seen["bytes_sent"] <= 300
    assert seen["endpoints"][0]["versions"]["TLSv1.3"] == {"status": "accepted", "evidence": "inferred"}
    assert seen["endpoints"][0]["trust"]["status"] == "not_assessed"


def test_a_vantage_elsewhere_gives_the_same(probe: Probe, hospital: Hospital, tmp_path: Path) -> None:
    """Over a network the spool is fetched, and the vantage's clock is compared with ours."""
    devices = [description(hospital, "ct-001"), description(hospital, "monitor-001")]
    dest = tmp_path / "observations.jsonl"
    result, _output = probe(
        host={"ansible_connection": "elsewhere"},
        devices=devices,
        trust_anchors=[str(hospital.trust_anchor)],
        dest=str(dest),
    )
    assert result["observations"] == []
    right, slow = (json.loads(line) for line in dest.read_text(encoding="utf-8").splitlines())
    assert dest.stat().st_mode & 0o777 == 0o600
    assert right["endpoints"][0]["trust"]["status"] == "trusted"
    for observation, offset in ((right, 0), (slow, -720)):
        (sample,) = observation["clock"]["samples"]
        assert abs(sample["offset_seconds"] - offset) <= sample["uncertainty_seconds"] + 0.1
        assert 0.5 < sample["uncertainty_seconds"] < 5


def test_check_mode_looks_and_writes_nothing(probe: Probe, hospital: Hospital, tmp_path: Path) -> None:
    dest = tmp_path / "observations.jsonl"
    result, _output = probe(check=True, devices=[description(hospital, "ct-001")], dest=str(dest))
    assert result["statistics"]["outcomes"]["observed"] == 1
    assert not dest.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"devices": ["pump-99"]}, "'pump-99' is not in the inventory"),
        ({"devices": [{"address": "127.0.0.1"}]}, "devices[0] has no name"),
        ({"devices": [{"name": "a"}, {"name": "a"}]}, "the device name 'a' is given twice"),
        ({"devices": [7]}, "devices[0] must be an inventory name or a dictionary"),
        ({"devices": [], "timeout": 0}, "timeout must be at least 0.1, not 0"),
        ({"devices": [], "depth": "deep"}, "value of depth must be one of"),
        ({"devices": [], "trust_anchors": ["nowhere.pem"]}, "nowhere.pem"),
        ({"devices": [], "trust_anchors": ["hosts.yml"]}, "hosts.yml"),
        ({"devices": [], "dest": "/nonexistent/observations.jsonl"}, "'/nonexistent' is no folder"),
    ],
)
def test_one_clear_sentence_for_a_wrong_option(probe: Probe, options: dict[str, Any], sentence: str) -> None:
    result, output = probe(**options)
    assert result["failed"] is True
    assert sentence in result["msg"]
    assert "Traceback" not in output


def test_a_killed_visit_keeps_what_was_seen(probe: Probe, hospital: Hospital, tmp_path: Path) -> None:
    """Kill -9 of the module on the vantage: the device that was done is kept, the other is not observed."""
    dest = tmp_path / "observations.jsonl"

    def kill_when_half_done() -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    command = (process / "cmdline").read_bytes()
                    spools = [os.readlink(entry) for entry in (process / "fd").iterdir()]
                except OSError:
                    continue
                # Ours alone: other runs on this machine have their spools elsewhere.
                ours = f"{tmp_path}/cert-hygiene-"
                spool = [path for path in spools if path.startswith(ours) and path.endswith("observations.jsonl")]
                if b"AnsiballZ_device_probe" in command and spool and b"ct-001" in Path(spool[0]).read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
                    return
            time.sleep(0.05)

    killer = threading.Thread(target=kill_when_half_done)
    killer.start()
    result, _output = probe(
        devices=[description(hospital, "ct-001"), description(hospital, "monitor-002")],
        trust_anchors=[str(hospital.trust_anchor)],
        timeout=20,
        dest=str(dest),
    )
    killer.join()
    assert result["failed"] is True
    assert "1 of 2 devices were visited and are kept" in result["msg"]
    kept, lost = (json.loads(line) for line in dest.read_text(encoding="utf-8").splitlines())
    assert kept["outcome"] == "observed" and kept["endpoints"][0]["trust"]["status"] == "trusted"
    assert (lost["device"], lost["outcome"], lost["reason"]) == ("monitor-002", "skipped", "vantage_lost")


def test_an_unreachable_vantage_is_one_sentence(probe: Probe, hospital: Hospital) -> None:
    hospital.forget()
    result, _output = probe(
        host={"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9},
        devices=[description(hospital, "ct-001")],
    )
    assert "the visit from 'vantage' ended early: the vantage cannot be reached" in result["msg"]
    assert result["observations"][0]["reason"] == "vantage_lost"
    assert hospital.contacts() == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk needs root: a small file system is mounted")
def test_a_full_disk_is_one_sentence(probe: Probe, hospital: Hospital, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(disk)], check=True)
    try:
        result, _output = probe(devices=[description(hospital, "ct-001")], dest=str(disk / "observations.jsonl"))
        assert result["failed"] is True
        assert "cannot be written: No space left on device" in result["msg"]
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
