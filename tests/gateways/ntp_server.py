"""An NTP server on a laboratory's network: chronyd on the bridge, serving the machine's clock or one beside it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gateways import trees
from gateways.gateway import StartError

if TYPE_CHECKING:
    from gateways.lab import Lab

START_SECONDS = 120

_CONFIGURATION = """\
local stratum 2
allow all
bindaddress 192.0.2.1
cmdport 0
pidfile {folder}/chronyd.pid
"""

#: $1 mount point, $2 overlay options, $3 the seconds that it is ahead, $4 configuration. chronyd comes from the tree:
#: this machine may have none, or another one.
_START = """\
mount -t overlay overlay -o "$2" "$1"
mount -t tmpfs -o mode=755 tmpfs "$1/run"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
mknod -m 666 "$1/dev/null" c 1 3
mknod -m 666 "$1/dev/urandom" c 1 9
mkdir -p "$1/dev/shm" "$1/run/chrony"
[ "$3" = 0 ] || export LD_PRELOAD=/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketime.so.1 FAKETIME="$3"
exec chroot "$1" /usr/sbin/chronyd -d -x -F 0 -u root -f /etc/chrony/server.conf
"""


def start(lab: Lab, ahead: str = "0") -> None:
    """Serve time at the bridge's address until the laboratory ends, unless that is done already.

    ahead: as faketime reads it, such as "+90s"; the same for all who ask in one laboratory
    """
    folder = lab.state / "gateways" / "ntp-server"
    if folder.exists():
        return
    for name in ("upper/etc/chrony", "work", "mount"):
        (folder / name).mkdir(parents=True)
    configuration = _CONFIGURATION.format(folder="/run/chrony")
    (folder / "upper/etc/chrony/server.conf").write_text(configuration, encoding="ascii")
    options = trees.overlay_options(trees.layers("plain"), folder / "upper", folder / "work")
    script = ("sh", "-euc", _START, "sh", str(folder / "mount"), options, ahead)
    log = folder / "chronyd.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            lab.command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", *script),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=trees.ENVIRONMENT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        # :007B is port 123, in the table of the namespace that the process is in.
        if ":007B " in Path(f"/proc/{process.pid}/net/udp").read_text(encoding="ascii"):
            return
        time.sleep(0.02)
    raise StartError(f"chronyd does not serve:\n{log.read_text(encoding='utf-8', errors='replace')}")
