"""A laboratory of real, isolated Linux gateways on a network of their own. Needs root.

    python tests/gateways/lab.py up --state DIR [--count 3] [--variant plain|java|legacy|ntpsec|systemd|tls]
    python tests/gateways/lab.py run --state DIR -- ansible -i DIR/inventory.yml gateways -m ping
    python tests/gateways/lab.py down --state DIR

`up` leaves the gateways running and DIR/inventory.yml, DIR/known_hosts and DIR/login_key behind; `up` on a folder that
a killed run left clears it first. `run` starts a command where the gateways can be reached: nowhere else can they be.
`up --ntp` also starts an NTP server on that network; `up --gateway NAME=VARIANT`, repeated, names each gateway instead
of `--count` and `--variant`.

    network namespace <lab>-lan: bridge 192.0.2.1, the controller, the NTP server
      └─ <lab>-1 … <lab>-n: 192.0.2.11 …, each with its own tree, processes and host name
"""

from __future__ import annotations

import argparse
import fcntl
import functools
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateways import ntp_server, trees
from gateways.gateway import CGROUPS, Gateway, StartError, call, end_namespace, remove_folder

BRIDGE = "192.0.2.1"
PREFIX_LENGTH = 24
FIRST_HOST = 11
PROGRAMS = ("ip", "mmdebstrap", "mount", "nsenter", "setpriv", "ssh", "ssh-keygen", "unshare")

Unavailable = trees.Unavailable


@functools.cache
def check_machine(variant: str = "plain") -> None:
    """Raise Unavailable, naming what is missing, where no gateway can be made."""
    if os.geteuid() != 0:
        raise Unavailable("making gateways needs root")
    programs = [*PROGRAMS, "systemd-nspawn"] if variant == "systemd" else PROGRAMS
    for program in programs:
        if not shutil.which(program, path=trees.ENVIRONMENT["PATH"]):
            raise Unavailable(f"making gateways needs the program {program}")
    if variant == "systemd" and not any((Path(top) / "cgroup.procs").exists() for top in CGROUPS):
        raise Unavailable("a systemd needs a cgroup hierarchy that it may write to")
    trees.STORE.mkdir(exist_ok=True)
    folder = trees.STORE / f"probe-{os.getpid()}"
    try:
        for name in ("lower", "upper", "work", "mount"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        options = trees.overlay_options([folder / "lower"], folder / "upper", folder / "work")
        mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(folder / "mount")]
        device = f"mount -t tmpfs tmpfs {folder}/mount; mknod {folder}/mount/null c 1 3; : > {folder}/mount/null"
        space = f"gwprobe{os.getpid()}"
        for what, command in (
            ("namespaces (unshare)", ["unshare", "--mount", "--uts", "--ipc", "--pid", "--net", "--fork", "true"]),
            ("overlay mounts", ["unshare", "--mount", "--propagation", "private", *mount]),
            ("device files (mknod)", ["unshare", "--mount", "--propagation", "private", "sh", "-euc", device]),
            ("a bridge", ["unshare", "--net", "ip", "link", "add", "br0", "type", "bridge"]),
            ("network namespaces (ip netns)", ["sh", "-euc", f"ip netns add {space}; ip netns delete {space}"]),
        ):
            answer = call(command)
            if answer.returncode:
                raise Unavailable(f"making gateways needs {what}: {answer.stderr.strip().rpartition(': ')[2]}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Lab:
    """Gateways on one bridge.

    state: its folder, absolute; what it makes is named after it, and so can be found again
    """

    state: Path
    gateways: list[Gateway] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def name(self) -> str:
        """Begins the name of every network namespace of this laboratory."""
        return "gw" + hashlib.sha256(str(self.state).encode()).hexdigest()[:6]

    @property
    def lan(self) -> str:
        """The namespace of the bridge, in which whatever speaks to the gateways runs."""
        return f"{self.name}-lan"

    @property
    def login_key(self) -> Path:
        return self.state / "login_key"

    @property
    def known_hosts(self) -> Path:
        return self.state / "known_hosts"

    @property
    def inventory(self) -> Path:
        return self.state / "inventory.yml"

    def open(self) -> None:
        """Make the network, after whatever a killed run left under this name was cleared."""
        self.close()
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        _ip("netns", "add", self.lan)
        _ip("-n", self.lan, "link", "set", "lo", "up")
        _ip("-n", self.lan, "link", "add", "br0", "type", "bridge")
        _ip("-n", self.lan, "address", "add", f"{BRIDGE}/{PREFIX_LENGTH}", "dev", "br0")
        _ip("-n", self.lan, "link", "set", "br0", "up")
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laboratory", "-f", str(self.login_key)]
        call(key, check=True, stdin=subprocess.DEVNULL)
        self.known_hosts.write_text("", encoding="ascii")

    def add(self, name: str, variant: str = "plain", before: Callable[[Gateway], None] | None = None) -> Gateway:
        """Start a gateway; `before` may write to its file system before it starts."""
        number = next(self._numbers)
        gateway = Gateway(
            name=name,
            address=f"192.0.2.{FIRST_HOST + number}",
            variant=variant,
            namespace=f"{self.name}-{number + 1}",
            folder=self.state / "gateways" / name,
        )
        trees.layers(variant)
        try:
            host_key = gateway.prepare(self.login_key.with_suffix(".pub").read_text(encoding="ascii"))
            if before:
                before(gateway)
            self._wire(gateway, number + 1)
            gateway.start()
        except BaseException:
            end_namespace(gateway.namespace)
            remove_folder(gateway.folder)
            raise
        self.gateways.append(gateway)
        with self.known_hosts.open("a", encoding="ascii") as known:
            known.write(f"{gateway.address} {host_key}\n")
        self.write_inventory()
        return gateway

    def _wire(self, gateway: Gateway, number: int) -> None:
        space = gateway.namespace
        _ip("netns", "add", space)
        _ip("-n", self.lan, "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("-n", self.lan, "link", "set", f"v{number}", "master", "br0", "up")
        _ip("-n", space, "address", "add", f"{gateway.address}/{PREFIX_LENGTH}", "dev", "eth0")
        _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", space, "link", "set", "eth0", "up")

    def variables(self, gateway: Gateway) -> dict[str, Any]:
        """How Ansible reaches a gateway: one login, one key, one known host key."""
        options = f"-o UserKnownHostsFile={self.known_hosts} -o GlobalKnownHostsFile=/dev/null"
        return {
            "ansible_host": gateway.address,
            "ansible_user": trees.LOGIN,
            "ansible_ssh_private_key_file": str(self.login_key),
            "ansible_ssh_common_args": f"{options} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def write_inventory(self) -> None:
        """inventory.yml with the group `gateways`. (JSON is YAML.)"""
        hosts = {gateway.name: self.variables(gateway) for gateway in self.gateways}
        text = json.dumps({"gateways": {"hosts": hosts}}, indent=2)
        self.inventory.write_text(text + "\n", encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        """A command line that runs these words where the gateways can be reached."""
        return ["ip", "netns", "exec", self.lan, *words]

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command where the gateways can be reached; its output is kept."""
        return call(self.command(*words), **{"stdin": subprocess.DEVNULL, **options})

    def close(self) -> None:
        """End everything of this laboratory, also of an earlier run, and empty its folder."""
        listed = call(["ip", "netns", "list"]).stdout
        spaces = [line.split()[0] for line in listed.splitlines() if line.startswith(f"{self.name}-")]
        for space in sorted(spaces):
            end_namespace(space)
        self.gateways.clear()
        if (self.state / "gateways").exists():
            remove_folder(self.state / "gateways")
        for path in (self.login_key, self.login_key.with_suffix(".pub"), self.known_hosts, self.inventory):
            path.unlink(missing_ok=True)

    def __enter__(self) -> Lab:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def temporary_lab() -> Iterator[Lab]:
    """A laboratory for as long as the block lasts; what killed runs left is cleared first.

    Its folder is locked while its process lives: a folder whose lock is free belongs to nobody any more.
    """
    check_machine()
    folder = trees.STORE / "labs"
    folder.mkdir(parents=True, exist_ok=True)
    with trees.store_lock():
        for left in folder.iterdir():
            with _try_lock(left) as mine:
                if mine:
                    Lab(left).close()
                    shutil.rmtree(left, ignore_errors=True)
        state = folder / str(os.getpid())
        state.mkdir()
        lock = (state / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    made = Lab(state)
    try:
        made.open()
        yield made
    finally:
        made.close()
        shutil.rmtree(state, ignore_errors=True)
        lock.close()


@contextmanager
def _try_lock(folder: Path) -> Iterator[bool]:
    lock: IO[str]
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _ip(*words: str) -> None:
    finished = call(["ip", *words])
    if finished.returncode:
        raise StartError(f"ip {' '.join(words)}: {finished.stderr.strip()}")


def _up(lab: Lab, options: argparse.Namespace) -> int:
    named = options.gateway or [(f"gw-{number}", options.variant) for number in range(1, options.count + 1)]
    for variant in {variant for _name, variant in named}:
        check_machine(variant)
    try:
        lab.open()
        if options.ntp:
            ntp_server.start(lab)
        for name, variant in named:
            lab.add(name, variant)
    except BaseException:
        lab.close()
        raise
    print(f"{len(named)} gateways are up. Inventory: {lab.inventory}")
    print(f"Reach them with: ip netns exec {lab.lan} COMMAND")
    return 0


def _named(text: str) -> tuple[str, str]:
    name, _equals, variant = text.partition("=")
    variant = variant or "plain"
    if not name or variant not in trees.TREES:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME or NAME=VARIANT ({', '.join(sorted(trees.TREES))})")
    return name, variant


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["up", "down", "run"])
    parser.add_argument("--state", type=Path, required=True, help="folder of the laboratory")
    parser.add_argument("--count", type=int, default=3, help="how many gateways")
    parser.add_argument("--variant", choices=sorted(trees.TREES), default="plain", help="which tree")
    parser.add_argument("--gateway", type=_named, action="append", metavar="NAME=VARIANT", help="one gateway, repeated")
    parser.add_argument("--ntp", action="store_true", help=f"with an NTP server at {BRIDGE}")
    given = list(sys.argv[1:] if arguments is None else arguments)
    split = given.index("--") if "--" in given else len(given)
    options, command = parser.parse_args(given[:split]), given[split + 1 :]
    if (options.what == "run") != bool(command):
        parser.error("run, and nothing else, takes a command after --")
    signal.signal(signal.SIGTERM, _as_interrupt)
    lab = Lab(options.state.resolve())
    try:
        if options.what == "up":
            return _up(lab, options)
        if options.what == "run":
            return subprocess.run(lab.command(*command), env=trees.ENVIRONMENT, check=False).returncode
        lab.close()
        shutil.rmtree(lab.state, ignore_errors=True)
    except (Unavailable, StartError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
