# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second host over SSH: an sshd with a host name of its own, on a loopback address."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.places import own_port

NAME = "probe-room-7"


def missing() -> str | None:
    """Why there can be none on this machine."""
    if os.geteuid() != 0:
        return "a host name of its own needs root"
    lost = [name for name in ("sshd", "ssh-keygen", "unshare") if shutil.which(name, path=_PATH) is None]
    return f"needs {', '.join(lost)}" if lost else None


_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


@contextmanager
def second_host(folder: Path, address: str) -> Iterator[dict[str, Any]]:
    """Its host variables for an inventory, while it runs."""
    port = own_port(address)
    for name in ("host_key", "user_key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True, timeout=60
        )
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text(encoding="utf-8"), encoding="utf-8")
    Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "sshd_config").write_text(
        f"ListenAddress {address}\nPort {port}\nHostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPidFile none\nUsePAM no\nStrictModes no\n"
        "PermitRootLogin yes\nSubsystem sftp internal-sftp\n",
        encoding="utf-8",
    )
    sshd = shutil.which("sshd", path=_PATH)
    command = f'hostname {NAME} && exec {sshd} -D -e -f "{folder}/sshd_config"'
    with (folder / "sshd.log").open("wb") as log:
        server = subprocess.Popen(["unshare", "--uts", "sh", "-c", command], stdout=log, stderr=log)
    try:
        _await(address, port, server, folder / "sshd.log")
        yield {
            "ansible_host": address,
            "ansible_port": port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(folder / "user_key"),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        }
    finally:
        server.terminate()
        server.wait(timeout=30)


def _await(address: str, port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while server.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise OSError(f"sshd does not listen: {log.read_text(encoding='utf-8', errors='replace')}")
