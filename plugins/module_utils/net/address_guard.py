# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One visit at a time per address, also when two runs share a vantage.

On Linux the claim is an abstract Unix socket: it belongs to the network namespace that reaches the device, whoever
the user is, and the kernel lets it go when the process ends, however it ends. Anybody may bind such a name, so a claim
of another account than root and ours keeps us waiting for a visit's time and no longer. Elsewhere it is a locked file.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import sys
import tempfile
import time
from typing import IO

_ABSTRACT_SOCKETS = sys.platform.startswith("linux")
#: Seconds that another account may hold an address: longer than a visit takes.
_STRANGERS_SECONDS = 15.0


class AddressClaim:
    """The right to visit one address. `take` says whether it was had; `release` gives it back."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._file: IO[str] | None = None
        self._stranger_until = float("inf")

    def take(self) -> bool:
        """Claim the address; False while another run holds it."""
        return self._take_socket() if _ABSTRACT_SOCKETS else self._take_file()

    def _take_socket(self) -> bool:
        name = f"\0biomed.cert_hygiene/{self._address}"
        if self._bound(name):
            return True
        if _holder(name) in (0, os.geteuid()):
            return False
        now = time.monotonic()
        self._stranger_until = min(self._stranger_until, now + _STRANGERS_SECONDS)
        if now < self._stranger_until:
            return False
        # Our other runs find this one; a stranger who holds it too stops nobody.
        own = f"{name}/{os.geteuid()}"
        return self._bound(own) or _holder(own) not in (0, os.geteuid())

    def _bound(self, name: str) -> bool:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(name)
            claim.listen(socket.SOMAXCONN)  # so that others can ask who we are; nobody is answered
        except OSError as error:
            claim.close()
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        self._socket = claim
        return True

    def _take_file(self) -> bool:
        import fcntl

        folder = os.path.join(tempfile.gettempdir(), f"biomed-cert-hygiene-{os.getuid()}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return True  # a stranger's, who stops nobody
        name = "".join(character if character.isalnum() else "_" for character in self._address)
        self._file = open(os.path.join(folder, name), "w", encoding="ascii")  # noqa: SIM115 - held until release
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the address back."""
        for held in (self._socket, self._file):
            if held is not None:
                held.close()
        self._socket = self._file = None


def _holder(name: str) -> int | None:
    """The account whose process listens there; None where that is not known (unix(7), SO_PEERCRED)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(name)
            said = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return None
    return int(struct.unpack("3i", said)[1])
