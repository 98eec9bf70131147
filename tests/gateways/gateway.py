"""One gateway: a tree of its own over a shared one, its own network, processes, host name and sshd."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateways import trees

START_SECONDS = 120
SYSTEMD_START_SECONDS = 300

#: What could harm the machine itself stays out of reach, even of the gateway's root.
_FORBIDDEN = "-sys_time,-sys_module,-sys_boot,-sys_rawio"

#: $1 mount point, $2 overlay options, $3 host name, $4 capabilities taken away. The mounts go with the namespace.
_START = """\
mount -t overlay overlay -o "$2" "$1"
mount -t proc -o nosuid,nodev,noexec proc "$1/proc"
mount --bind "$1/proc/sys" "$1/proc/sys"
mount -o remount,bind,ro "$1/proc/sys"
mount -t tmpfs -o mode=755,size=1m tmpfs "$1/dev"
mknod -m 666 "$1/dev/null" c 1 3
mknod -m 666 "$1/dev/zero" c 1 5
mknod -m 666 "$1/dev/full" c 1 7
mknod -m 666 "$1/dev/random" c 1 8
mknod -m 666 "$1/dev/urandom" c 1 9
mknod -m 666 "$1/dev/tty" c 5 0
mkdir "$1/dev/pts" "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$1/dev/pts"
mount -t tmpfs -o mode=1777,size=64m tmpfs "$1/dev/shm"
ln -s pts/ptmx "$1/dev/ptmx"
ln -s /proc/self/fd "$1/dev/fd"
ln -s fd/0 "$1/dev/stdin"
ln -s fd/1 "$1/dev/stdout"
ln -s fd/2 "$1/dev/stderr"
mount -t tmpfs -o mode=755,size=64m tmpfs "$1/run"
mkdir "$1/run/sshd" "$1/run/lock"
hostname "$3"
exec setpriv --bounding-set="$4" chroot "$1" /usr/sbin/sshd -D -E /var/log/sshd.log
"""

#: The hierarchies that a systemd wants: version 1 with its own, or version 2 alone.
CGROUPS = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")

#: As above, and $5 the name of its cgroup, $6 the hierarchies; without one it would write into the machine's.
_START_SYSTEMD = """\
for top in $6; do
    if [ -e "$top/cgroup.procs" ]; then
        mkdir "$top/$5"
        echo $$ > "$top/$5/cgroup.procs"
    fi
done
mount -t overlay overlay -o "$2" "$1"
exec systemd-nspawn --quiet --boot --directory="$1" --machine="$3" --register=no --keep-unit --console=passive \\
    --resolv-conf=off --timezone=off --link-journal=no --drop-capability="$4"
"""

_SSHD = """\
Include /etc/ssh/sshd_config.d/*.conf
HostKey /etc/ssh/ssh_host_ed25519_key
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
UseDNS no
LogLevel VERBOSE
Subsystem sftp internal-sftp
"""


class StartError(Exception):
    """A gateway did not come up; the message holds what it said."""


@dataclass
class Gateway:
    """`name` is its host name, `variant` its tree; `folder` holds what it writes.

    namespace: of its network, as `ip netns` knows it
    """

    name: str
    address: str
    variant: str
    namespace: str
    folder: Path
    pid: int = 0

    @property
    def upper(self) -> Path:
        """Whatever differs from the tree. To be written to before the start only; see `root`."""
        return self.folder / "upper"

    @property
    def root(self) -> Path:
        """The running gateway's file system, as seen by the test."""
        return Path(f"/proc/{self.pid}/root")

    @property
    def systemd(self) -> bool:
        """Whether a systemd boots there."""
        return self.variant == "systemd"

    def prepare(self, login_key: str) -> str:
        """Lay out what makes it this gateway; returns its host key's public half ("ssh-ed25519 AAAA…")."""
        for name in ("upper", "work", "mount"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.upper.chmod(0o755)
        key = self.write("/etc/ssh/ssh_host_ed25519_key", "")
        key.unlink()
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(key)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env=trees.ENVIRONMENT)
        self.write("/etc/ssh/sshd_config", _SSHD)
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost\n{self.address} {self.name}\n")
        self.write("/etc/resolv.conf", "")
        keys = self.write(f"/home/{trees.LOGIN}/.ssh/authorized_keys", login_key, mode=0o600)
        # A folder made in the upper layer hides the attributes of the one below.
        for path, mode in ((keys.parent, 0o700), (keys.parent.parent, 0o700), (keys, 0o600)):
            os.chown(path, 1000, 1000)
            path.chmod(mode)
        return " ".join(key.with_suffix(".pub").read_text(encoding="ascii").split()[:2])

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        """A file of root's in the gateway, before its start or while it runs."""
        place = (self.root if self.pid else self.upper) / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        place.chmod(mode)
        return place

    def start(self) -> None:
        """Boot it, and wait until sshd listens. StartError where it does not."""
        options = trees.overlay_options(trees.layers(self.variant), self.upper, self.folder / "work")
        enter = ["nsenter", f"--net=/run/netns/{self.namespace}", "--"]
        arguments = [str(self.folder / "mount"), options, self.name]
        if self.systemd:
            forbidden = "CAP" + _FORBIDDEN.replace("-", "_").replace(",", ",CAP").upper()
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _START_SYSTEMD, "sh"]
            command += [*arguments, forbidden, self.namespace, " ".join(CGROUPS)]
        else:
            own = ("--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--propagation", "private")
            command = ["unshare", *own, "sh", "-euc", _START, "sh", *arguments, _FORBIDDEN]
        with (self.folder / "console.log").open("wb") as console:
            process = subprocess.Popen(
                [*enter, *command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env=trees.ENVIRONMENT,
                start_new_session=True,
            )
        self._wait(process)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + (SYSTEMD_START_SECONDS if self.systemd else START_SECONDS)
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise StartError(f"{self.name} ended at its start:\n{self.console()}")
            self.pid = _first_process(process.pid)
            if self.pid and self.listens(22):
                return
            time.sleep(0.01)
        raise StartError(f"{self.name}: sshd does not listen:\n{self.console()}")

    def console(self) -> str:
        """What it said while starting."""
        texts = []
        for path in (self.folder / "console.log", self.upper / "var/log/sshd.log"):
            if path.exists():
                texts.append(path.read_text(encoding="utf-8", errors="replace")[-4000:])
        return "\n".join(texts)

    def listens(self, port: int) -> bool:
        """Whether a TCP port is open there; read from the kernel's table, no packet is sent."""
        for table in ("tcp", "tcp6"):
            try:
                text = Path(f"/proc/{self.pid}/net/{table}").read_text(encoding="ascii")
            except OSError:
                continue
            for line in text.splitlines()[1:]:
                words = line.split()
                if words[1].endswith(f":{port:04X}") and words[3] == "0A":
                    return True
        return False

    def run(self, *command: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command there as root, as a person at its console would; `text` is its input."""
        inside = ["nsenter", f"--target={self.pid}", "--all", f"--root={self.root}", f"--wd={self.root}", "--"]
        inside += ["setpriv", f"--bounding-set={_FORBIDDEN}", "env", "-i", *_ENVIRONMENT]
        finished = call([*inside, *command], input=text)
        if check and finished.returncode:
            raise StartError(f"{self.name}: {' '.join(command)}:\n{finished.stdout}{finished.stderr}")
        return finished

    def shell(self, script: str) -> str:
        """Run a script there as root; returns what it wrote. StartError where it fails."""
        return self.run("sh", "-euc", script).stdout

    def wait_for(self, what: str, condition: Sequence[str], seconds: float = 300.0) -> None:
        """Try a command there until it succeeds. StartError, with `what` was waited for, where it never does."""
        deadline = time.monotonic() + seconds
        while (tried := self.run(*condition, check=False)).returncode:
            if time.monotonic() > deadline:
                said = tried.stdout + tried.stderr
                raise StartError(f"{self.name}: {what} did not come within {seconds:g} s:\n{said}{self.console()}")
            time.sleep(0.1)


_ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root")


def call(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run one of the system's programs; what it writes is kept."""
    settings = {"capture_output": True, "text": True, "env": trees.ENVIRONMENT, **options}
    check = settings.pop("check", False)
    return subprocess.run(command, check=check, **settings)


def _first_process(outer: int) -> int:
    """The process that is number 1 in the gateway, under `unshare` or systemd-nspawn; 0 while there is none."""
    waiting = [outer]
    while waiting:
        pid = waiting.pop()
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        except OSError:
            continue
        numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
        if len(numbers) > 1 and numbers[-1] == "1":
            return pid
        waiting += [int(child) for child in children]
    return 0


def end_namespace(namespace: str) -> None:
    """Kill all that lives in a network namespace, and remove it and its cgroups."""
    for _attempt in range(100):
        listed = call(["ip", "netns", "pids", namespace])
        pids = [int(word) for word in listed.stdout.split()]
        if not pids:
            break
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)
    for top in CGROUPS:
        _remove_cgroup(Path(top) / namespace)
    call(["ip", "netns", "delete", namespace])


def _remove_cgroup(folder: Path) -> None:
    """A cgroup is busy for a moment after its last process was killed."""
    for _attempt in range(250):
        try:
            for inner, _folders, _files in os.walk(folder, topdown=False):
                Path(inner).rmdir()
            return
        except OSError:
            time.sleep(0.02)


def remove_folder(folder: Path) -> None:
    """All that a gateway wrote. What may still be mounted under it is unmounted first."""
    for line in reversed(Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()):
        mounted = line.split()[1]
        if mounted.startswith(f"{folder}/"):
            call(["umount", "--lazy", mounted])
    shutil.rmtree(folder, ignore_errors=True)
