"""A root on devices without Python, by the profiles of the page on them, under change control and without.

The sshd and the nginx are real, the device behind them is tests/lab/root_stores.py: no real appliance runs here. What a
device trusts afterwards is asked of OpenSSL, in the device's own folder; how often it was reached, of its own logs.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.runs import ROOT, environment
from lab.places import own_network, own_port

PAGE = ROOT / "docs" / "en" / "device_profiles.md"
PROGRAM = ROOT / "tests" / "lab" / "root_stores.py"
CONSENT = {"by": "Dr A. Martin", "on": "2026-09-01", "reference": "BIO-2026-017"}
AUTHORISED = {
    "device_in_use": False,
    "device_vendor_authorisation": [
        {"kinds": ["root_ca"], "by": "Acme", "on": "2026-01-01", "until": "2099-12-31", "reference": "AUTH-1"}
    ],
}
PASSWORD = "correct-horse-7741"


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None or os.geteuid() != 0:
        pytest.skip(f"a device behind a real {name} needs root and {name}")
    return found


def openssl(*arguments: str, cwd: Path) -> str:
    return subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Root:
    file: Path
    fingerprint: str


def make_root(folder: Path, name: str) -> Root:
    # The one that is pushed is as long as roots are: a terminal takes only so much at once.
    key = ("rsa:4096",) if name == "root" else ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    openssl(
        *("req", "-x509", "-newkey", *key, "-noenc", "-days", "3000"),
        *("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/O=CHU Exemple/CN=CHU Exemple {name}"),
        *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        cwd=folder,
    )
    return Root(folder / f"{name}.pem", print_of(folder / f"{name}.pem"))


def print_of(path: Path) -> str:
    """As OpenSSL says it."""
    said = openssl("x509", "-in", str(path), "-noout", "-fingerprint", "-sha256", cwd=path.parent)
    return said.partition("=")[2].strip().replace(":", "").lower()


@dataclass
class Device:
    """A running device, with a folder of its own and its host variables. `connections`: as its daemon counts them."""

    folder: Path
    variables: dict[str, Any]
    connections: Callable[[], int]

    def behave(self, manner: str) -> None:
        (self.folder / "manner").write_text(manner, encoding="ascii")

    def trusts(self) -> list[str]:
        return sorted(print_of(path) for path in (self.folder / "store").glob("*.pem"))

    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def actions_of_the_page() -> list[dict[str, Any]]:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return [data for data in map(yaml.safe_load, blocks) if isinstance(data, dict) and set(data) == {"actions"}]


SHELL = {
    "actions": {
        "upload_root_ca": {
            "trusted": {
                "command": "for f in store/*; do echo $f; openssl x509 -in $f -fingerprint -sha256 -noout; done;"
                " echo End",
                "expect": "^End",
                "regex": r"store/(?P<name>\S+)\.pem\s+(?i:sha256) Fingerprint=(?P<value>[0-9A-F:]{95})",
                "lines": 2,
            },
            "add": {
                "dialogue": [{"send": ["cat > store/{name}.pem <<'END' && echo stored", "{pem}", "END"]}],
                "success": "^stored",
            },
            "remove": {"command": "rm store/{name}.pem && echo removed", "success": "^removed"},
        }
    }
}


def profiles() -> dict[str, dict[str, Any]]:
    """The page's examples, in the smallest profile that they can stand in."""
    shell, page = actions_of_the_page()
    cli = {
        "schema_version": 1,
        "ssh": {"prompt": "^rec3000[>#] ?$", "line_end": "\n"},
        "commands": {"a": "show version"},
    }
    facts = {"system.name": {"output": "a", "regex": "(?P<value>.+)"}}
    web = {
        "schema_version": 1,
        "transport": "https",
        "http": {"authentication": "basic"},
        "requests": {"a": "/api/roots"},
    }
    return {
        "acme_cli": {**cli, "name": "acme_cli", "transport": "ssh", "facts": facts, **shell},
        "acme_openssh": {**cli, "name": "acme_openssh", "transport": "openssh", "facts": facts, **shell},
        "acme_page": {**web, "name": "acme_page", "facts": {"system.name": {"output": "a", "jmespath": "x"}}, **page},
        "acme_mute": {**cli, "name": "acme_mute", "transport": "ssh", "facts": facts},
        "shell": {**cli, "name": "shell", "transport": "ssh", "facts": facts, "ssh": {"prompt": "[$#] ?$"}, **SHELL},
    }


def descendants(pid: int) -> list[int]:
    """Every process that this one has started, and those that they have."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text(encoding="ascii").rpartition(")")[2].split()[1])
    found = [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found[1:]


class Place:
    """Where devices run, and the control node that changes them."""

    def __init__(self, folder: Path, collections: Path) -> None:
        self.folder = folder
        self._collections = collections
        self._processes: list[subprocess.Popen[bytes]] = []
        self.devices: dict[str, Device] = {}
        self._next = 0
        (folder / "roots").mkdir()
        self.root, self.old, self.other = (make_root(folder / "roots", name) for name in ("root", "old", "other"))
        (folder / "profiles").mkdir()
        for name, data in profiles().items():
            (folder / "profiles" / f"{name}.yml").write_text(yaml.safe_dump(data), encoding="utf-8")

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(timeout=60)

    def _new(self, name: str) -> tuple[Path, str]:
        folder = self.folder / name
        (folder / "store").mkdir(parents=True)
        shutil.copy(self.old.file, folder / "store" / "vendor-old.pem")
        shutil.copy(self.other.file, folder / "other.pem")
        self._next += 1
        return folder, f"{own_network('appliance_roots')}.1.{self._next}"

    def _start(self, command: list[str], address: str, port: int) -> None:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self._processes.append(process)
        deadline = time.monotonic() + 300
        while True:
            try:
                return socket.create_connection((address, port), timeout=1).close()
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, f"{command[0]} does not start"
                time.sleep(0.05)

    def command_line(self, name: str, profile: str = "acme_cli", shell: str = "", **variables: Any) -> Device:
        """A device behind a real sshd, whose forced command it is; or a real shell in its folder."""
        sshd = program("sshd")
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        folder, address = self._new(name)
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
        settings = (
            f"ListenAddress {address}:22022",
            f"HostKey {folder}/host",
            f"AuthorizedKeysFile {folder}/user.pub",
            *("StrictModes no", "UsePAM no", "PidFile none", "PermitRootLogin yes", "PasswordAuthentication no"),
            *("LogLevel VERBOSE", "UseDNS no"),
            f"ForceCommand cd {folder}; {shell or f'{sys.executable} {PROGRAM} cli {folder}'}",
        )
        (folder / "config").write_text("\n".join(settings) + "\n", encoding="utf-8")
        self._start([sshd, "-D", "-E", str(folder / "sshd.log"), "-f", str(folder / "config")], address, 22022)
        kind, key = (folder / "host.pub").read_text(encoding="ascii").split()[:2]

        def connections() -> int:
            # The first was ours, to see that it listens.
            return (folder / "sshd.log").read_text(encoding="utf-8").count("Connection from") - 1

        return self._admit(
            name,
            Device(
                folder,
                {
                    "device_address": address,
                    "device_profile": profile,
                    "device_login_port": 22022,
                    "device_ssh_host_key": f"{kind} {key}",
                    "device_login": {"user": "root", "private_key_file": str(folder / "user")},
                    **variables,
                },
                connections,
            ),
        )

    def page(self, name: str, **variables: Any) -> Device:
        """A device behind a real nginx, with TLS and a password."""
        nginx = program("nginx")
        folder, address = self._new(name)
        port = own_port()
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "300"),
            *("-keyout", "tls.key", "-out", "tls.pem", "-subj", "/CN=device"),
            cwd=folder,
        )
        hashed = openssl("passwd", "-apr1", PASSWORD, cwd=folder).strip()
        (folder / "passwords").write_text(f"biomed:{hashed}\n", encoding="ascii")
        (folder / "passwords").chmod(0o644)
        (folder / "nginx.conf").write_text(
            f"""
            daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; user root;
            events {{}}
            http {{
              access_log {folder}/access.log; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
              fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
              server {{
                listen {address}:8443 ssl; ssl_certificate {folder}/tls.pem; ssl_certificate_key {folder}/tls.key;
                auth_basic device; auth_basic_user_file {folder}/passwords;
                location / {{ proxy_pass http://127.0.0.1:{port}; }}
              }}
            }}
            """,
            encoding="utf-8",
        )
        self._start([sys.executable, str(PROGRAM), "page", str(folder), str(port)], "127.0.0.1", port)
        self._start([nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)], address, 8443)

        def connections() -> int:
            return len((folder / "access.log").read_text(encoding="utf-8").splitlines())

        return self._admit(
            name,
            Device(
                folder,
                {
                    "device_address": address,
                    "device_profile": "acme_page",
                    "device_login_port": 8443,
                    "device_login_pin": print_of(folder / "tls.pem"),
                    "device_login": {"user": "biomed", "password": PASSWORD},
                    **variables,
                },
                connections,
            ),
        )

    def _admit(self, name: str, device: Device) -> Device:
        self.devices[name] = device
        return device

    # -- the control node

    def push(self, *arguments: str, root: Root | None = None, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run the playbook, as a person would."""
        return subprocess.run(**self.run_of(*arguments, root=root, **variables), timeout=600, check=False)

    def run_of(self, *arguments: str, root: Root | None = None, **variables: Any) -> dict[str, Any]:
        pushed = root or self.root
        hosts = {
            name: {"device_probe_consent": CONSENT, **AUTHORISED, **device.variables}
            for name, device in self.devices.items()
        }
        common = {
            "root_ca_certificate": str(pushed.file),
            "root_ca_fingerprint_sha256": pushed.fingerprint,
            "root_ca_verify": {"host": "192.0.2.20"},
            "root_ca_profile_folders": [str(self.folder / "profiles")],
            "change_control_ticket": "CHG-1",
            "change_control_journal": str(self.folder / "journal.jsonl"),
            "change_control_journal_vouched_by": "the test",
            "change_control_batch_max": 99,
            "gateway_become": False,
            "gateway_serial": 99,
            "report_language": "en",
            "config_backup_dir": str(self.folder / "backups"),
            **variables,
        }
        vantages = {
            "probe": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
            "lost": {"ansible_host": "127.0.0.1", "ansible_port": 1},
        }
        inventory = {"all": {"hosts": vantages, "children": {"gateways": {"hosts": hosts}}}}
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
        (self.folder / "home").mkdir(exist_ok=True)
        playbook = str(Path(sys.executable).with_name("ansible-playbook"))
        return {
            "args": [
                *(playbook, "-i", "inventory.yml", "biomed.cert_hygiene.push_root_ca", "-e", json.dumps(common)),
                *arguments,
            ],
            "cwd": self.folder,
            "env": {
                **environment(self.folder / "home", self._collections),
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
                "ANSIBLE_INJECT_FACT_VARS": "False",
            },
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }

    def journal(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / "journal.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [line for line in map(json.loads, lines) if line["device"] == name]

    def events(self, name: str) -> list[str]:
        return [line["event"] for line in self.journal(name)]

    def open_changes(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "root_ca_open").glob("*.json"))


@pytest.fixture
def place(tmp_path: Path, collections: Path) -> Iterator[Place]:
    opened = Place(tmp_path, collections)
    yield opened
    opened.close()


def test_a_root_is_pushed_by_command_line_and_by_page(place: Place) -> None:
    cli, page = place.command_line("cli"), place.page("page")
    client = place.command_line("client", "acme_openssh", device_vantage="probe")
    shell = place.command_line("shell", "shell", f"{program('busybox')} ash -i")
    devices = {"cli": cli, "client": client, "page": page}
    old, new = place.old.fingerprint, place.root.fingerprint

    predicted = place.push("--check", "--diff")
    assert predicted.returncode == 0, predicted.stdout
    assert predicted.stdout.count(f"+SHA-256 {new}") == 4
    for device in devices.values():
        assert device.trusts() == [old]
        assert device.connections() == 1
    assert not (place.folder / "journal.jsonl").exists()

    pushed = place.push()
    assert pushed.returncode == 0, pushed.stdout
    for name, device in devices.items():
        assert device.trusts() == sorted([old, new]), pushed.stdout
        assert place.events(name) == ["authorised", "began", "changed", "verified"]
        began = place.journal(name)[1]["files"][0]
        assert f" SHA-256 {old}" in began["diff"]
        assert f"+ SHA-256 {new}" in began["diff"]
        # Looked at twice, changed, read again, tested: each in a session of its own, none of them twice.
        assert device.connections() == 1 + 5
    assert place.open_changes() == []
    assert "[client -> probe" in pushed.stdout
    assert shell.trusts() == sorted([old, new])
    assert sum(line.startswith("crypto root import") for line in cli.log()) == 1
    assert sum(line.startswith("POST") for line in page.log()) == 1
    # No line of the certificate was taken for a command.
    assert not [line for line in cli.log() if "BEGIN" in line or len(line) > 60]

    again = place.push("-vvvv")
    assert again.returncode == 0, again.stdout
    assert re.search(r"changed=0 .*failed=0", again.stdout)
    assert PASSWORD not in again.stdout
    for name, device in devices.items():
        assert place.events(name)[4:] == ["authorised", "unchanged"]
        assert device.connections() == 1 + 5 + 3

    # The superseded one goes, by the name that the device shows, once its certificate is at hand.
    refused = place.push(root_ca_retire=[old])
    assert refused.returncode != 0
    assert "root_ca_retire_certificate" in refused.stdout
    for device in devices.values():
        device.behave("wants_two")
    undone = place.push(root_ca_retire=[old], root_ca_retire_certificate=str(place.old.file))
    assert undone.returncode != 0
    for name, device in devices.items():
        assert place.events(name)[-3:] == ["unchanged", "began", "rolled_back"], undone.stdout
        assert device.trusts() == sorted([old, new])
        device.behave("right")
    retired = place.push(root_ca_retire=[old], root_ca_retire_certificate=str(place.old.file))
    assert retired.returncode == 0, retired.stdout
    for device in (*devices.values(), shell):
        assert device.trusts() == [new]


def test_what_is_wrong_is_refused_before_any_connection(place: Place) -> None:
    cli, mute = place.command_line("cli"), place.command_line("mute", "acme_mute")
    far = place.command_line("far", device_vantage="lost")
    wrong = place.push(root_ca_fingerprint_sha256="0" * 64)
    assert wrong.returncode != 0
    assert "this is another certificate" in wrong.stdout
    both = place.folder / "roots" / "both.pem"
    both.write_bytes(place.root.file.read_bytes() + (place.folder / "roots" / "root.key").read_bytes())
    key = place.push(root_ca_certificate=str(both), report_language="fr")
    assert key.returncode != 0
    assert "Rien n'est modifié sur ce DM." in key.stdout
    assert "private key" in key.stdout
    assert cli.connections() == mute.connections() == far.connections() == 0
    without = place.push("--limit", "mute,far")
    assert without.returncode != 0
    assert "it has no actions.upload_root_ca" in without.stdout
    assert "the vantage cannot be reached" in without.stdout
    assert place.events("mute")[-1] == place.events("far")[-1] == "failed"
    assert mute.connections() == far.connections() == 0
    cli.variables["device_in_use"] = True
    refused = place.push("--limit", "cli")
    assert refused.returncode == 0
    assert re.search(r"cli +skipped", refused.stdout)
    assert place.events("cli")[-1] == "refused"
    assert cli.connections() == 0
    assert cli.trusts() == mute.trusts() == [place.old.fingerprint]


def test_devices_that_misbehave_are_put_back(place: Place) -> None:
    """All in one batch: none of them keeps the others from their end."""
    old, new = place.old.fingerprint, place.root.fingerprint
    sentences = {
        "says_ok": f"the list is not as wanted: SHA-256 {new} is not there",
        "another": f"the list is not as wanted: SHA-256 {place.other.fingerprint} is there, SHA-256 {new} is not there",
        "full": f"SHA-256 {new} is not there",
        "untrusting": "the connection that the profile tests with does not work",
        "dies": "it was sent, and could not be verified",
        # It never asks for the certificate, which is not sent into its command line.
        "deaf": "came back to its prompt early",
    }
    for manner in sentences:
        place.command_line(f"cli-{manner}").behave(manner)
        if manner != "deaf":
            place.page(f"page-{manner}").behave(manner)
    pushed = place.push()
    assert pushed.returncode != 0
    for name, device in place.devices.items():
        manner = name.partition("-")[2]
        after = "left_open" if manner == "dies" else "rolled_back"
        assert place.events(name) == ["authorised", "began", after], pushed.stdout
        assert re.search(f"{name}.*{re.escape(sentences[manner])}", pushed.stdout), pushed.stdout
        assert device.trusts() == sorted([old, new] if manner == "dies" else [old])
        assert not [line for line in device.log() if "BEGIN" in line]
    assert [name.rpartition("-")[0] for name in place.open_changes()] == ["cli-dies", "page-dies"]

    # They come back to life with the root in them: the next run puts back, and begins anew.
    place.devices = {name: place.devices[name] for name in ("cli-dies", "page-dies")}
    for device in place.devices.values():
        device.behave("right")
    looked = place.push("--check")
    assert looked.returncode == 0, looked.stdout
    assert len(place.open_changes()) == 2
    healed = place.push()
    assert healed.returncode == 0, healed.stdout
    for name, device in place.devices.items():
        assert place.events(name)[3:] == ["authorised", "rolled_back", "began", "changed", "verified"]
        assert device.trusts() == sorted([old, new])
    assert place.open_changes() == []


def test_a_killed_controller_is_finished_by_the_next_run(place: Place) -> None:
    cli = place.command_line("cli")
    cli.behave("slow")
    running = subprocess.Popen(**place.run_of(root_ca_timeout=500, root_ca_device_timeout=500))
    deadline = time.monotonic() + 300
    while not any("import" in line for line in cli.log()):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    refused = place.push()
    assert refused.returncode != 0
    assert "another run is changing this device at this moment" in refused.stdout
    for pid in (running.pid, *descendants(running.pid)):  # Ansible's workers have sessions of their own
        os.kill(pid, signal.SIGKILL)
    running.communicate(timeout=600)
    assert place.events("cli") == ["authorised", "began", "authorised", "left_open"]
    assert len(place.open_changes()) == 1
    # What was sent before the kill may still arrive.
    shutil.copy(place.root.file, cli.folder / "store" / "late.pem")
    # Somebody else's root, put there meanwhile, is not ours to remove.
    shutil.copy(place.other.file, cli.folder / "store" / "vendor-new.pem")
    cli.behave("right")
    stopped = place.push()
    assert stopped.returncode != 0
    assert "roots came that this change did not send" in stopped.stdout, stopped.stdout
    assert place.events("cli")[-1] == "left_open"
    assert len(cli.trusts()) == 3
    (cli.folder / "store" / "vendor-new.pem").unlink()
    healed = place.push()
    assert healed.returncode == 0, healed.stdout
    assert place.events("cli")[-5:] == ["authorised", "rolled_back", "began", "changed", "verified"]
    assert cli.trusts() == sorted([place.old.fingerprint, place.root.fingerprint])
    assert place.open_changes() == []
