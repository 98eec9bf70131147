# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a gateway is looked at: run a command, read a file, list names; never change anything.

The same facts can be read from a live gateway or from what was recorded on one: whoever parses sees no difference,
so that parsing is tested on the real output of real commands.
"""

from __future__ import annotations

import glob
import gzip
import itertools
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

#: A file larger than this is no configuration; logs are read line by line elsewhere.
_MAX_FILE = 8 * 1024 * 1024
#: The kernel refuses to answer a read of 4 MiB or more from /proc/sys.
_CHUNK = 1024 * 1024
_MAX_OUTPUT = 16 * 1024 * 1024
_MAX_LINE = 8192
#: Commands answer in English with dots in numbers, and never page or colour.
_ENVIRONMENT = {"LC_ALL": "C", "LANG": "C", "TERM": "dumb", "PAGER": "cat", "SYSTEMD_COLORS": "0"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NotPermitted(Exception):
    """It is there, and this login may not see it. The text says what and who may."""


class NotSupported(Exception):
    """This gateway has nothing of the kind, or no tool that tells."""


@dataclass(frozen=True)
class Output:
    """What a command gave."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class FileState:
    """What `stat` tells of a file: permission bits, owner and group by number, seconds since 1970, size."""

    mode: int
    uid: int
    gid: int
    modified: float
    size: int


class Host:
    """The gateway that this code runs on."""

    def __init__(self, command_timeout: float = 10.0) -> None:
        self._timeout = command_timeout

    def run(self, *command: str, environment: dict[str, str] | None = None) -> Output | None:
        """Run a command without a shell; None where it is not installed. `environment` may carry a password."""
        program = shutil.which(command[0], path=_PATH)
        if program is None:
            return None
        try:
            # AnsibleModule.run_command knows no timeout.
            finished = subprocess.run(  # pylint: disable=ansible-bad-function
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._timeout,
                env={"PATH": _PATH, **_ENVIRONMENT, **(environment or {})},
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Output(124, "", f"no answer within {self._timeout:g} s")
        except OSError as error:
            return Output(126, "", str(error.strerror))
        return Output(finished.returncode, decoded(finished.stdout[:_MAX_OUTPUT]), decoded(finished.stderr[:65536]))

    def read_bytes(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none. NotPermitted where it may not be read."""
        try:
            with open(path, "rb") as handle:
                return b"".join(itertools.islice(iter(lambda: handle.read(_CHUNK), b""), _MAX_FILE // _CHUNK))
        except PermissionError:
            raise NotPermitted(f"{path} may be read by a privileged login only") from None
        except OSError:
            return None

    def read(self, path: str) -> str | None:
        """A file's text; None where there is none."""
        data = self.read_bytes(path)
        return None if data is None else decoded(data)

    def read_secret(self, path: str) -> str | None:
        """A file's text, which is never recorded; None where there is none."""
        return self.read(path)

    def lines(self, path: str) -> Iterator[str]:
        """The lines of a log, however long it is; gzip is unpacked. NotPermitted where it may not be read."""
        opener = gzip.open if path.endswith(".gz") else open
        try:
            with opener(path, "rb") as handle:
                for line in handle:
                    yield decoded(line[:_MAX_LINE]).rstrip("\n")
        except PermissionError:
            raise NotPermitted(f"{path} may be read by a privileged login only") from None
        except (OSError, EOFError):
            return

    def glob(self, pattern: str) -> list[str]:
        """Existing paths that match, sorted."""
        return sorted(glob.glob(pattern, recursive=True))

    def closed_folder(self, pattern: str) -> str | None:
        """The folder that keeps this login from seeing what matches a pattern; None where none does."""
        folder = ""
        for part in pattern.split("/")[1:-1]:
            if glob.has_magic(part):
                break
            folder += "/" + part
            # A file is no folder, whoever may run it.
            if os.path.isdir(folder) and not os.access(folder, os.X_OK):
                return folder
        listed = glob.has_magic(pattern) and os.path.isdir(folder)
        return folder if listed and not os.access(folder, os.R_OK) else None

    def state(self, path: str) -> FileState | None:
        """What `stat` says, links followed; None where there is nothing, or nothing that may be seen."""
        try:
            found = os.stat(path)
        except OSError:
            return None
        return FileState(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime, found.st_size)

    def link(self, path: str) -> str | None:
        """Where a symbolic link leads, in full; the path itself where it is none; None where it can't be seen."""
        try:
            return os.path.realpath(path) if os.path.lexists(path) else None
        except OSError:
            return None

    def descriptor(self, path: str) -> str | None:
        """What an entry of /proc/PID/fd stands for, such as "socket:[1234]"; None where it can't be seen."""
        try:
            return os.readlink(path)
        except OSError:
            return None

    def caller(self) -> str | None:
        """The address that this login comes from; None where it comes from none, or it is not told."""
        process: int | str = "self"
        # sudo takes it away from its own environment; a process above still has it.
        for _generation in range(20):
            try:
                with open(f"/proc/{process}/environ", "rb") as handle:
                    found = re.search(rb"(?:^|\0)SSH_C(?:ONNECTION|LIENT)=([0-9A-Fa-f.:]+) ", handle.read(_CHUNK))
                if found:
                    return found[1].decode("ascii").removeprefix("::ffff:")
                with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as text:
                    process = int(text.read().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                return None
            if process <= 1:
                return None
        return None

    def privileged(self) -> bool:
        """Whether this login is root."""
        return os.geteuid() == 0


def decoded(data: bytes) -> str:
    """Text, whatever the bytes."""
    return data.decode("utf-8", "replace")
