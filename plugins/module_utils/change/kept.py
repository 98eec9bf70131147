# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change replaced, kept on the gateway until the change was verified: what an interrupted run left is put back.

<folder>.json   names the files and their SHA-256; it is written last and removed first, so that it is never half
<folder>/       copies of the files that were there, 0700
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.files import (
    opened,
    read_store,
    remove,
    replace,
    sha256,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import (
    HeldFolder,
    StoreProblem,
    contents,
    held,
)

SCHEMA_VERSION = 1


def kept(folder: str) -> dict[str, Any] | None:
    """What <folder>.json says; None where no change was left open."""
    data = read_store(_state(folder))
    if data is None:
        return None
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("schema_version") != SCHEMA_VERSION or not _sound(found.get("files")):
        raise StoreProblem(f"{_state(folder)} cannot be understood: look at what is in {folder}, then remove both")
    return found


def keep(folder: str, paths: list[str], system: bool, note: dict[str, Any]) -> None:
    """Copy the files of `paths` (those that are there) and write the state. `system`: the store must be made anew."""
    if kept(folder) is not None:
        raise StoreProblem(f"an earlier change was left open ({_state(folder)}): put it back first (state: restored)")
    try:
        os.makedirs(os.path.dirname(folder), mode=0o755, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder, 0o700)
        with held(folder) as copies:
            files = [_copied(copies, number, path) for number, path in enumerate(paths)]
    except OSError as error:
        raise StoreProblem(f"{folder} cannot be written to: {error.strerror}") from None
    state = {"schema_version": SCHEMA_VERSION, "system": system, "files": files, **note}
    with held(os.path.dirname(folder), lock=True) as place:
        place.require_ours()
        data = json.dumps(state, indent=2).encode() + b"\n"
        place.replace(os.path.basename(_state(folder)), data, mode=0o600)


def restore(folder: str, state: dict[str, Any]) -> list[str]:
    """Put back what is kept; returns the paths that were changed. What is derived from them is not made here."""
    changed = []
    for file in state["files"]:
        path, before = file["path"], file["before_sha256"]
        if sha256(path) == before:
            continue
        changed.append(path)
        if file["copy"] is None:
            remove(path)
            continue
        copy = os.path.join(folder, file["copy"])
        with opened(copy) as handle:
            data = None if handle is None else contents(os.dup(handle), copy)
            if data is None or hashlib.sha256(data).hexdigest() != before:
                raise StoreProblem(f"{copy} is not the copy of {path} that was kept: restore it from the backup")
            replace(path, data, like=handle)
    return changed


def settle(folder: str) -> bool:
    """Forget what is kept: the change was verified. Whether there was anything."""
    there = os.path.exists(_state(folder)) or os.path.exists(folder)
    remove(_state(folder))
    shutil.rmtree(folder, ignore_errors=True)
    return there


def _copied(copies: HeldFolder, number: int, path: str) -> dict[str, Any]:
    """Copy a file with its owner and mode; its line of the state."""
    with opened(path) as handle:
        if handle is None:
            return {"path": path, "copy": None, "before_sha256": None}
        data = contents(os.dup(handle), path)
        copies.replace(str(number), data, like=handle)
    return {"path": path, "copy": str(number), "before_sha256": hashlib.sha256(data).hexdigest()}


def _state(folder: str) -> str:
    return folder.rstrip("/") + ".json"


def _sound(files: Any) -> bool:
    return isinstance(files, list) and all(
        isinstance(file, dict)
        and isinstance(file.get("path"), str)
        and os.path.isabs(file["path"])
        and (file.get("copy") is None or (isinstance(file["copy"], str) and file["copy"].isdigit()))
        and (file.get("before_sha256") is None) == (file["copy"] is None)
        for file in files
    )
