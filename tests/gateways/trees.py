"""The file systems that gateways are made of: Debian trees, each built once and shared read-only by every gateway.

A tree is named by a hash of its recipe: a changed recipe builds a new one. `plain` is made by mmdebstrap; the others
are layers over it, made by apt in a chroot, so that each costs only what it adds. Measured on two cores: `plain` 52 s
and 221 MB, `java` 8 s and 202 MB, `legacy`, `ntpsec` and `systemd` 4 s and 5 MB each.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / ".gateways"
"""Where trees and running laboratories are kept; git, galaxy and the linters pass it over."""

LOGIN = "tech"
"""The one account of a fresh gateway: no password, no privilege but `sudo`, the laboratory's SSH key."""

SUITE = "bookworm"
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}
"""For the system's own programs."""

BUILD_TIMEOUT = 900


class Unavailable(Exception):
    """No gateway can be made on this machine; the message names what is missing."""


@dataclass(frozen=True)
class Tree:
    """packages: to install; without: to remove first (two time services exclude each other); commands: run last."""

    name: str
    packages: tuple[str, ...]
    over: str | None = None
    without: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


#: No manual pages, no translations: nobody reads them here.
_LEAN = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")

TREES = {
    tree.name: tree
    for tree in (
        Tree(
            "plain",
            packages=(
                *("python3", "openssh-server", "sudo", "chrony", "ca-certificates", "openssl"),
                *("nginx-light", "stunnel4", "libnss3-tools", "libfaketime", "iproute2", "procps"),
            ),
            commands=(
                f"useradd --create-home --shell /bin/sh --uid 1000 {LOGIN}",
                # "*" is no password, and not locked: sshd lets no locked account in, not even with a key.
                f"usermod --password '*' {LOGIN}",
                f"install -d -m 700 -o {LOGIN} -g {LOGIN} /home/{LOGIN}/.ssh",
                f"echo '{LOGIN} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{LOGIN}",
                f"chmod 440 /etc/sudoers.d/{LOGIN}",
                "rm -f /etc/ssh/ssh_host_*",
                # The clock is the machine's own: chrony measures it, and may not set it.
                "echo 'DAEMON_OPTS=\"-F 0 -x\"' > /etc/default/chrony",
                "rm -f /etc/chrony/chrony.conf.d/* /etc/chrony/sources.d/*",
                "printf 'driftfile /var/lib/chrony/chrony.drift\\n' > /etc/chrony/chrony.conf",
                "ln -sf /usr/share/zoneinfo/Europe/Paris /etc/localtime",
                "echo Europe/Paris > /etc/timezone",
                "rm -f /etc/nginx/sites-enabled/default",
                # A few public authorities stand for all: update-ca-certificates takes a second, not six.
                "sed -i '16,$s/^/!/' /etc/ca-certificates.conf",
                "update-ca-certificates --fresh",
            ),
        ),
        Tree("java", over="plain", packages=("openjdk-17-jre-headless",)),
        Tree("legacy", over="plain", packages=("vsftpd", "inetutils-telnetd", "openbsd-inetd")),
        Tree("tls", over="plain", packages=("apache2", "haproxy", "mosquitto")),
        Tree(
            "ntpsec",
            over="plain",
            without=("chrony",),
            packages=("ntpsec",),
            commands=(
                # The clock is the machine's own: ntpd measures it, and may not set it. To become its own user it would
                # keep just that right.
                "sed -i 's/ -u ntpsec:ntpsec//' /etc/init.d/ntpsec",
                # Else it measures the clock's frequency first, for minutes.
                "echo 0.0 > /var/lib/ntpsec/ntp.drift",
            ),
        ),
        Tree("containers", over="plain", packages=("podman", "crun", "busybox-static")),
        Tree(
            "systemd",
            over="plain",
            without=("chrony",),
            packages=("systemd", "systemd-sysv", "systemd-timesyncd", "dbus", "libpam-systemd"),
        ),
    )
}


def layers(name: str) -> list[Path]:
    """The folders of a tree, the uppermost first, each one built if it is not there. Raises Unavailable."""
    tree = TREES[name]
    below = layers(tree.over) if tree.over else []
    place = STORE / "trees" / f"{name}-{recipe_hash(tree)}"
    with store_lock():
        if not (place / "built.json").exists():
            _build(tree, place, below)
    return [place / "root", *below]


def recipe_hash(tree: Tree) -> str:
    """Changes with the recipe of the tree or of one below it."""
    recipe = [SUITE, _LEAN, asdict(tree), recipe_hash(TREES[tree.over]) if tree.over else ""]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]


@contextmanager
def store_lock() -> Iterator[None]:
    """One builder at a time; the others wait for its tree."""
    STORE.mkdir(exist_ok=True)
    STORE.chmod(0o755)
    with (STORE / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(tree: Tree, place: Path, below: list[Path]) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    started = time.monotonic()
    log = place.parent / f"{tree.name}.log"
    try:
        if below:
            _build_layer(tree, place, below, log)
        else:
            _build_base(tree, place / "root", log)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    facts = {"seconds": round(time.monotonic() - started, 1), "megabytes": _megabytes(place / "root")}
    (place / "built.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    for old in place.parent.glob(f"{tree.name}-*"):
        if old != place and not any((STORE / "labs").glob("*")):
            shutil.rmtree(old, ignore_errors=True)


def _build_base(tree: Tree, root: Path, log: Path) -> None:
    # In a mount namespace of its own: if it is killed, nothing stays mounted under what is then removed.
    command = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        f"--include={','.join(tree.packages)}",
    ]
    command += ["--aptopt=APT::Install-Recommends false"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAN]
    command += [f'--customize-hook=chroot "$1" sh -ec "{_quoted(line)}"' for line in tree.commands]
    _run([*command, SUITE, str(root)], log)


def _quoted(line: str) -> str:
    """For use between double quotes of a shell."""
    return "".join("\\" + character if character in '\\"$`' else character for character in line)


#: $1 mount point, $2 overlay options. In a mount namespace of its own: nothing stays mounted.
_LAYER_SCRIPT = """\
mount -t overlay overlay -o "$2" "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/dev"
mount --bind /etc/resolv.conf "$1/etc/resolv.conf"
for name in null zero full random urandom tty; do
    touch "$1/dev/$name"
    mount --bind "/dev/$name" "$1/dev/$name"
done
printf '#!/bin/sh\\nexit 101\\n' > "$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
chroot "$1" sh -ec "$3"
rm "$1/usr/sbin/policy-rc.d"
"""


def _build_layer(tree: Tree, place: Path, below: list[Path], log: Path) -> None:
    for name in ("root", "work", "mount"):
        (place / name).mkdir()
    (place / "root").chmod(0o755)
    install = [
        "export DEBIAN_FRONTEND=noninteractive",
        "mkdir -p /usr/share/man/man1",  # some packages fail without
        "apt-get update -q",
        *[f"apt-get purge -q -y {name}" for name in tree.without],
        f"apt-get install -q -y --no-install-recommends {' '.join(tree.packages)}",
        "apt-get clean",
        "rm -rf /var/lib/apt/lists/*",
        *tree.commands,
    ]
    options = overlay_options(below, place / "root", place / "work")
    script = ("sh", "-euc", _LAYER_SCRIPT, "sh", str(place / "mount"), options, "\n".join(install))
    _run(["unshare", "--mount", "--propagation", "private", *script], log)
    shutil.rmtree(place / "work", ignore_errors=True)


def overlay_options(below: list[Path], upper: Path, work: Path) -> str:
    """The options of an overlay mount."""
    return f"lowerdir={':'.join(map(str, below))},upperdir={upper},workdir={work}"


def _run(command: list[str], log: Path) -> None:
    with log.open("w", encoding="utf-8") as output:
        finished = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            timeout=BUILD_TIMEOUT,
            check=False,
        )
    if finished.returncode:
        said = log.read_text(encoding="utf-8", errors="replace")
        if any(phrase in said for phrase in ("Could not resolve", "Unable to connect", "Could not connect")):
            raise Unavailable("Debian's packages cannot be fetched here, and no tree was built before")
        raise RuntimeError(f"{' '.join(command[:3])} … failed; the end of {log}:\n{said[-3000:]}")


def _megabytes(folder: Path) -> int:
    answer = subprocess.run(["du", "-sm", str(folder)], capture_output=True, text=True, check=True)
    return int(answer.stdout.split()[0])
