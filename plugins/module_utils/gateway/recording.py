# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a gateway is looked at: run a command, read a file, list names; never change anything.

The same facts can be read from a live gateway or from what was recorded on one: whoever parses sees no difference,
so that parsing is tested on the real output of real commands.
"""

from __future__ import annotations

import base64
import glob
import gzip
import itertools
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.secrets import without_secrets

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
        return Output(finished.returncode, _text(finished.stdout[:_MAX_OUTPUT]), _text(finished.stderr[:65536]))

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
        return None if data is None else _text(data)

    def read_secret(self, path: str) -> str | None:
        """A file's text, which is never recorded; None where there is none."""
        return self.read(path)

    def lines(self, path: str) -> Iterator[str]:
        """The lines of a log, however long it is; gzip is unpacked. NotPermitted where it may not be read."""
        opener = gzip.open if path.endswith(".gz") else open
        try:
            with opener(path, "rb") as handle:
                for line in handle:
                    yield _text(line[:_MAX_LINE]).rstrip("\n")
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
            if os.path.lexists(folder) and not os.access(folder, os.X_OK):
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

    def privileged(self) -> bool:
        """Whether this login is root."""
        return os.geteuid() == 0


class RecordingHost(Host):
    """A live gateway, with what was seen kept, to be looked at again later.

    Holds what the files hold, less password hashes, private keys and keystore passwords.
    """

    def __init__(self, command_timeout: float = 10.0) -> None:
        super().__init__(command_timeout)
        self.record: dict[str, Any] = {
            "commands": {},
            "files": {},
            "globs": {},
            "states": {},
            "links": {},
            "closed": {},
            "privileged": super().privileged(),
        }

    def run(self, *command: str, environment: dict[str, str] | None = None) -> Output | None:
        output = super().run(*command, environment=environment)
        self.record["commands"][" ".join(command)] = (
            None if output is None else {"status": output.status, "stdout": output.stdout, "stderr": output.stderr}
        )
        return output

    def read_bytes(self, path: str) -> bytes | None:
        try:
            data = super().read_bytes(path)
        except NotPermitted:
            self.record["files"][path] = {"not_permitted": True}
            raise
        self.record["files"][path] = None if data is None else _kept(without_secrets(path, data))
        return data

    def read_secret(self, path: str) -> str | None:
        data = Host.read_bytes(self, path)
        self.record["files"][path] = None if data is None else {"text": ""}
        return None if data is None else _text(data)

    def lines(self, path: str) -> Iterator[str]:
        try:
            kept = list(super().lines(path))
        except NotPermitted:
            self.record["files"][path] = {"not_permitted": True}
            raise
        self.record["files"][path] = _kept(without_secrets(path, "\n".join(kept).encode("utf-8")))
        yield from kept

    def glob(self, pattern: str) -> list[str]:
        found = self.record["globs"][pattern] = super().glob(pattern)
        return found

    def closed_folder(self, pattern: str) -> str | None:
        found = self.record["closed"][pattern] = super().closed_folder(pattern)
        return found

    def state(self, path: str) -> FileState | None:
        found = super().state(path)
        self.record["states"][path] = None if found is None else vars(found)
        return found

    def link(self, path: str) -> str | None:
        found = self.record["links"][path] = super().link(path)
        return found

    def descriptor(self, path: str) -> str | None:
        found = self.record["links"][path] = super().descriptor(path)
        return found


class RecordedHost(Host):
    """A gateway as it was recorded: nothing is run. What was not looked for at that time is not known."""

    def __init__(self, record: dict[str, Any]) -> None:
        super().__init__()
        self._record = record

    def run(self, *command: str, environment: dict[str, str] | None = None) -> Output | None:
        found = self._part("commands").get(" ".join(command))
        if found is None:
            return None
        return Output(int(found.get("status", 0)), str(found.get("stdout", "")), str(found.get("stderr", "")))

    def read_bytes(self, path: str) -> bytes | None:
        found = self._part("files").get(path)
        if found is None:
            return None
        if found.get("not_permitted"):
            raise NotPermitted(f"{path} may be read by a privileged login only")
        if "base64" in found:
            return base64.b64decode(found["base64"])
        return str(found.get("text", "")).encode("utf-8")

    def lines(self, path: str) -> Iterator[str]:
        yield from (self.read(path) or "").splitlines()

    def glob(self, pattern: str) -> list[str]:
        found = self._part("globs").get(pattern)
        if found is None:
            raise NotSupported(f"not in this recording: {pattern}")
        return [str(path) for path in found]

    def closed_folder(self, pattern: str) -> str | None:
        found = self._part("closed").get(pattern)
        return None if found is None else str(found)

    def state(self, path: str) -> FileState | None:
        found = self._part("states").get(path)
        return None if found is None else FileState(**found)

    def link(self, path: str) -> str | None:
        found = self._part("links").get(path)
        return None if found is None else str(found)

    descriptor = link

    def privileged(self) -> bool:
        return bool(self._record.get("privileged"))

    def _part(self, name: str) -> dict[str, Any]:
        part = self._record.get(name)
        return part if isinstance(part, dict) else {}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _kept(data: bytes) -> dict[str, str]:
    """How a recording holds a file's bytes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\x00"
    return {"base64": base64.b64encode(data).decode("ascii")} if "\x00" in text else {"text": text}


def check_record(record: dict[str, Any]) -> None:
    """ValueError, with one sentence that says what is wrong, for what RecordingHost never made."""
    for name, shape in _RECORD.items():
        if not isinstance(record.get(name), shape) or isinstance(record[name], bool) is not (shape is bool):
            raise ValueError(f"'{name}' is missing or of a wrong type: this is no recording of a gateway")
    if not 0 < record["now"] < 2**33:
        raise ValueError("'now' is no time of this age, in seconds since 1970")
    for name, wanted in _ENTRIES.items():
        for key, entry in record[name].items():
            if entry is not None and not wanted(entry):
                raise ValueError(f"'{name}' has an entry that cannot be read: {str(key)[:100]!r}")


def _texts(entry: Any, *names: str) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(name, ""), str) for name in names)


def _is_file(entry: Any) -> bool:
    if not _texts(entry, "text", "base64"):
        return False
    try:
        base64.b64decode(entry.get("base64", ""), validate=True)
    except ValueError:
        return False
    return bool({"text", "base64", "not_permitted"} & set(entry))


def _is_state(entry: Any) -> bool:
    numbers = ("mode", "uid", "gid", "modified", "size")
    return (
        isinstance(entry, dict)
        and sorted(entry) == sorted(numbers)
        and all(isinstance(entry[name], (int, float)) and not isinstance(entry[name], bool) for name in numbers)
    )


#: What a recording has, and how each entry looks that is not None.
_RECORD: dict[str, Any] = {
    **dict.fromkeys(("commands", "files", "globs", "states", "links", "closed"), dict),
    "subsets": list,
    "privileged": bool,
    "now": (int, float),
}
_ENTRIES: dict[str, Callable[[Any], bool]] = {
    "commands": lambda entry: _texts(entry, "stdout", "stderr") and isinstance(entry.get("status"), int),
    "files": _is_file,
    "globs": lambda entry: isinstance(entry, list) and all(isinstance(path, str) for path in entry),
    "states": _is_state,
    "links": lambda entry: isinstance(entry, str),
    "closed": lambda entry: isinstance(entry, str),
}
