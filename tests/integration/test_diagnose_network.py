"""The playbook diagnose behind a real firewall: network namespaces and nftables. Needs root.

vantage 192.0.2.2 ── firewall ── 198.51.100.2 device (and, at .3, its server), each in a namespace of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.runs import environment
from unit import pki_factory as pki

VANTAGE, DEVICE, SERVER = "192.0.2.2", "198.51.100.2", "198.51.100.3"
PORT = 2762
NAMES = {DEVICE: "ct-9.hopital.example", SERVER: "pacs.hopital.example"}
_TODAY = (datetime.now(timezone.utc) - pki.NOW).total_seconds() / 86400
#: Runs in a namespace: TLS with these versions on this address, until it is ended. It counts its connections.
SERVE = """
import socket, ssl, sys, threading, warnings
warnings.simplefilter("ignore")
address, port, chain, least, most, count = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.set_ciphers("DEFAULT:@SECLEVEL=0")
context.minimum_version, context.maximum_version = (getattr(ssl.TLSVersion, one) for one in (least, most))
context.load_cert_chain(chain)
listener = socket.create_server((address, int(port)), backlog=16)
print("ready", flush=True)

def serve(connection):
    connection.settimeout(3)
    try:
        context.wrap_socket(connection, server_side=True).recv(1)
    except OSError:
        pass
    connection.close()

while True:
    connection, _address = listener.accept()
    open(count, "a").write(".")
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
"""


def run(*words: str) -> None:
    finished = subprocess.run(words, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{' '.join(words)}: {finished.stderr}"


def clear_leftovers() -> None:
    """End what a killed run left: namespaces are named after the process that made them."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    for space in (line.split()[0] for line in listed.splitlines() if line):
        made = re.fullmatch(r"dg(\d+)-\w+", space)
        if made and not Path(f"/proc/{made[1]}").exists():
            pids = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=False).stdout
            for pid in pids.split():
                os.kill(int(pid), signal.SIGTERM)
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)


class Network:
    """The namespaces, the firewall's rules, and the servers behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spaces = {part: f"dg{os.getpid()}-{part}" for part in ("vantage", "firewall", "device")}
        self.root = pki.make("Network Root", ca=True, kind="rsa2048", days=(_TODAY - 30, _TODAY + 300))

    def open(self) -> None:
        clear_leftovers()
        firewall = self.spaces["firewall"]
        for space in self.spaces.values():
            run("ip", "netns", "add", space)
            run("ip", "-n", space, "link", "set", "lo", "up")
        for part, near, far in (("vantage", "192.0.2.1", VANTAGE), ("device", "198.51.100.1", DEVICE)):
            space = self.spaces[part]
            run("ip", "-n", firewall, "link", "add", part, "type", "veth", "peer", "name", "eth0", "netns", space)
            run("ip", "-n", firewall, "address", "add", f"{near}/24", "dev", part)
            run("ip", "-n", space, "address", "add", f"{far}/24", "dev", "eth0")
            run("ip", "-n", firewall, "link", "set", part, "up")
            run("ip", "-n", space, "link", "set", "eth0", "up")
            run("ip", "-n", space, "route", "add", "default", "via", near)
            # Whole segments on the wire, as on a real link: no offload joins them in between.
            for where, link in ((firewall, part), (space, "eth0")):
                self.inside(where, "ip", "link", "set", "dev", link, "gso_max_segs", "1")
        run("ip", "-n", self.spaces["device"], "address", "add", f"{SERVER}/24", "dev", "eth0")
        self.inside(firewall, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")

    def inside(self, space: str, *words: str) -> None:
        run("ip", "netns", "exec", space, *words)

    def close(self) -> None:
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)

    def rule(self, text: str) -> None:
        """One rule for what goes through the firewall, in place of those before."""
        firewall = self.spaces["firewall"]
        chain = f"chain c {{\ntype filter hook forward priority 0;\n{text}\n}}"
        table = f"flush ruleset\ntable ip t {{\n{chain}\n}}\n"
        path = self.folder / "rules.nft"
        path.write_text(table, encoding="ascii")
        self.inside(firewall, "nft", "-f", str(path))

    def serve(self, stack: ExitStack, address: str, versions: tuple[str, str]) -> None:
        leaf = pki.make(NAMES[address], self.root, kind="rsa2048", dns=[NAMES[address]], days=(_TODAY - 9, _TODAY + 90))
        chain = self.folder / f"{address}.pem"
        chain.write_text(leaf.pem + self.root.pem + leaf.private_pem, encoding="ascii")
        command = [sys.executable, "-c", SERVE, address, str(PORT), str(chain), *versions, str(self.counted(address))]
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.spaces["device"], *command], stdout=subprocess.PIPE, text=True
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    def counted(self, address: str) -> Path:
        return self.folder / f"{address}.count"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    if os.geteuid() != 0:
        pytest.skip("making network namespaces needs root")
    for program in ("ip", "nft", "sysctl"):
        if shutil.which(program) is None:
            pytest.skip(f"a real firewall needs the program {program}")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a real firewall needs network namespaces")
    made = Network(tmp_path_factory.mktemp("network"))
    try:
        made.open()
        yield made
    finally:
        made.close()


#: scenario -> (rule of the firewall, versions of the device, of its server, who is hidden behind the rule,
#:              (category, reason, side) of the first cause)
MODERN, OLD, NEW = ("TLSv1_2", "TLSv1_3"), ("TLSv1", "TLSv1"), ("TLSv1_3", "TLSv1_3")
CUT = "connection_reset"
SCENARIOS: dict[str, tuple[str, tuple[str, str], tuple[str, str], tuple[str, str, str] | None]] = {
    "nothing in the way": ("", MODERN, MODERN, None),
    "the firewall resets after the hello to the device": (
        f"ip daddr {DEVICE} tcp flags & psh == psh ip length > 52 reject with tcp reset",
        MODERN,
        MODERN,
        (CUT, "reset_after_hello", "network"),
    ),
    "the firewall resets after the hello to the server": (
        f"ip daddr {SERVER} tcp flags & psh == psh ip length > 52 reject with tcp reset",
        MODERN,
        MODERN,
        (CUT, "reset_after_hello", "network"),
    ),
    "a middlebox resets the large hello alone": (
        f"ip daddr {SERVER} ip length > 200 reject with tcp reset",
        MODERN,
        ("TLSv1", "TLSv1_2"),
        (CUT, "modern_hello_reset", "network"),
    ),
    "an MTU black hole before the device": (
        f"ip saddr {DEVICE} ip length > 700 drop",
        NEW,
        MODERN,
        (CUT, "large_answers_lost", "network"),
    ),
    "an MTU black hole before the server": (
        f"ip saddr {SERVER} ip length > 700 drop",
        MODERN,
        NEW,
        (CUT, "large_answers_lost", "network"),
    ),
    "the port of the server is filtered": (
        f"ip daddr {SERVER} tcp dport {PORT} drop",
        MODERN,
        MODERN,
        (CUT, "no_answer", "peer"),
    ),
    "the device is filtered": (
        f"ip daddr {DEVICE} tcp dport {PORT} drop",
        MODERN,
        MODERN,
        (CUT, "no_answer", "device"),
    ),
    "a device with TLS 1.0 alone, a server with TLS 1.3 alone": (
        "",
        OLD,
        NEW,
        ("protocol_mismatch", "no_common_version", "device"),
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_behind_a_firewall(network: Network, collections: Path, tmp_path: Path, name: str) -> None:
    rule, device, server, wanted = SCENARIOS[name]
    anchor = tmp_path / "anchor.pem"
    anchor.write_text(network.root.pem, encoding="ascii")
    host = {
        "device_address": DEVICE,
        "device_names": [NAMES[DEVICE]],
        "device_endpoints": [{"port": PORT, "service": "dicom"}],
        "device_peers": [{"address": SERVER, "port": PORT, "service": "dicom", "names": [NAMES[SERVER]]}],
        "device_probe_consent": {"by": "Dr A. Martin", "on": "2026-09-01"},
        "audit_trust_anchors": [str(anchor)],
        "audit_probe_timeout": 2,
    }
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"ct-9": host}}}), encoding="utf-8")
    for address in NAMES:
        network.counted(address).write_text("", encoding="ascii")
    network.rule(rule)
    with ExitStack() as stack:
        network.serve(stack, DEVICE, device)
        network.serve(stack, SERVER, server)
        command = [
            *("ip", "netns", "exec", network.spaces["vantage"]),
            *(str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory)),
            *("biomed.cert_hygiene.diagnose", "-e", "device=ct-9"),
        ]
        finished = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(tmp_path, collections),
            capture_output=True,
            text=True,
            timeout=300,  # bounded; how long it takes depends on the machine
            check=False,
        )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    found: dict[str, Any] = json.loads((tmp_path / "diagnosis" / "diagnosis.json").read_text(encoding="utf-8"))
    causes = [
        (cause["category"], cause["reason"], cause["side"])
        for cause in found["causes"]
        if cause["reason"] != "device_name_not_resolved"
    ]
    assert causes[:1] == ([] if wanted is None else [wanted]), json.dumps(found, indent=1)[:6000]
    if wanted is not None and wanted[0] == CUT:
        behind = f"peer:{NAMES[SERVER]}:{PORT}" if SERVER in rule else f"dicom:{PORT}"
        assert found["causes"][0]["endpoint"] == behind
        assert found["actions"][0]["category"] == "clock_skew"
        assert found["request"]["en"]
    # Counted where the device accepts: no more than the budget of a probe.
    assert all(len(network.counted(address).read_text(encoding="ascii")) <= 12 for address in NAMES)
