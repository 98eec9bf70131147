# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway recorded while it is looked at, and looked at again from its recording."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import (
    FileState,
    Host,
    NotPermitted,
    NotSupported,
    Output,
    decoded,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.secrets import without_secrets

#: Where a recording keeps the address that its login came from.
_CALLER = "SSH_CONNECTION"


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
        return None if data is None else decoded(data)

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

    def caller(self) -> str | None:
        found = self.record["links"][_CALLER] = super().caller()
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

    def caller(self) -> str | None:
        return self.link(_CALLER)

    def privileged(self) -> bool:
        return bool(self._record.get("privileged"))

    def _part(self, name: str) -> dict[str, Any]:
        part = self._record.get(name)
        return part if isinstance(part, dict) else {}


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
