# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore replaces, kept on the gateway until it was verified: an interrupted one is undone or finished.

<folder>.json            names each file as it was and as it is to be; written last and removed first, so never half
<folder>/before.tar.gz   the files as they were, an archive like any other, with whatever is in them (folder 0700)
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive import ArchiveError, copies, read
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive_restore import (
    beside,
    differences,
    restore,
    take_away,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.files import remove, write
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import HeldFolder, StoreProblem, held

SCHEMA_VERSION = 1
_COPIES = "before.tar.gz"
_MOST = 256 * 1024 * 1024


@dataclass(frozen=True)
class Kept:
    """A restore that was neither verified nor undone.

    change_id: its name in the journal
    before, wanted: manifests of the files that it changes; contents: of `before`, by path
    """

    change_id: str
    before: dict[str, Any]
    wanted: dict[str, Any]
    contents: dict[str, bytes]

    @property
    def whole(self) -> bool:
        """Whether every file is what it was to become."""
        return not differences(self.wanted)["changes"]


@contextmanager
def at_work(folder: str) -> Iterator[HeldFolder]:
    """The folder that `folder` lies in, for one run at a time. ArchiveError where another one does not end."""
    try:
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        with held(os.path.dirname(folder), lock=True) as place:
            place.require_ours()
            yield place
    except StoreProblem as problem:
        raise ArchiveError(str(problem)) from None
    except OSError as error:
        raise ArchiveError(f"{os.path.dirname(folder)} cannot be made ({error.strerror})") from None


def kept(folder: str) -> Kept | None:
    """What was kept; None where no restore was left open. ArchiveError where it cannot be understood."""
    text = _ours(_state(folder))
    if text is None:
        return None
    archive = _ours(os.path.join(folder, _COPIES))
    try:
        state = json.loads(text)
        if state["schema_version"] != SCHEMA_VERSION or archive is None:
            raise ValueError
        if hashlib.sha256(archive).hexdigest() != state["archive_sha256"]:
            raise ValueError
        before, contents = read(archive)
        wanted = {"files": state["wanted"], "left_out": []}
        if {entry["path"] for entry in before["files"]} != {entry["path"] for entry in wanted["files"]}:
            raise ValueError
        return Kept(str(state["id"]), before, wanted, contents)
    except (ValueError, KeyError, TypeError, ArchiveError):
        raise ArchiveError(
            f"what {_state(folder)} keeps of an interrupted restore cannot be used: look at the files that it names, "
            f"then remove it and {folder}"
        ) from None


def keep(
    folder: str, place: HeldFolder, manifest: dict[str, Any], changes: list[dict[str, Any]], change_id: str
) -> None:
    """Keep the files that these changes touch, on the disk before this returns. `place`: that of `at_work`."""
    if os.path.lexists(_state(folder)):
        raise ArchiveError(f"an earlier restore was left open ({_state(folder)}): undo it first (state: undone)")
    paths = sorted(change["path"] for change in changes)
    before, archive = copies(paths)
    state = {
        "schema_version": SCHEMA_VERSION,
        "kind": "restore",
        "id": change_id,
        "archive_sha256": hashlib.sha256(archive).hexdigest(),
        "before": before["files"],
        "wanted": [entry for entry in manifest["files"] if entry["path"] in set(paths)],
    }
    try:
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder, 0o700)
        write(os.path.join(folder, _COPIES), archive)
        _sync(folder)
        data = json.dumps(state, indent=1, sort_keys=True).encode("ascii") + b"\n"
        place.replace(os.path.basename(_state(folder)), data, mode=0o600)
    except (OSError, StoreProblem) as error:
        shutil.rmtree(folder, ignore_errors=True)
        why = error.strerror if isinstance(error, OSError) else error
        raise ArchiveError(f"nothing was put back ({folder} cannot be written: {why})") from None


def undo(left: Kept) -> None:
    """Put the files back as they were, each of them whole."""
    for new in (beside(entry["path"]) for entry in left.before["files"]):
        try:
            take_away(new)
        except NotADirectoryError:
            continue  # restore says it better
        except OSError as error:
            raise ArchiveError(f"{new} cannot be removed ({error.strerror})") from None
    restore(left.before, left.contents, differences(left.before)["changes"])


def settle(folder: str) -> bool:
    """Forget what was kept: it was verified. Whether there was anything."""
    there = os.path.lexists(_state(folder)) or os.path.lexists(folder)
    try:
        remove(_state(folder))
    except StoreProblem as problem:
        raise ArchiveError(str(problem)) from None
    shutil.rmtree(folder, ignore_errors=True)
    return there


def _state(folder: str) -> str:
    return folder.rstrip("/") + ".json"


def _ours(path: str) -> bytes | None:
    """A file that nobody but us can have written; None where there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read ({error.strerror})") from None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise ArchiveError(f"{path} is not as we write it, for its owner alone: look at it, then remove it")
        return file.read(_MOST)


def _sync(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
