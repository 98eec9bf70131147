# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a file of a gateway is changed: written beside, brought to the disk, then renamed into its place.

Whatever moment the power goes, the file is the old one or the new one. What a killed run left beside it is cleared by
the next run, under the same lock. How paths are kept from being exchanged meanwhile is in held.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import (
    PREFIX,
    StoreProblem,
    contents,
    held,
    resolved,
)

#: Of free space, beside a file's own size: the certificate that is added, and what its file system needs for itself.
_MARGIN = 16 * 1024


@contextmanager
def opened(path: str) -> Iterator[int | None]:
    """A descriptor of a regular file, links followed as `resolved` does; None where there is none."""
    place = resolved(path)
    if not os.path.isdir(os.path.dirname(place)):
        yield None
        return
    with held(os.path.dirname(place)) as folder:
        handle = folder.open(os.path.basename(place))
    try:
        yield handle
    finally:
        if handle is not None:
            with suppress(OSError):  # who read it whole has closed it
                os.close(handle)


def read_store(path: str) -> bytes | None:
    """The whole file; None where there is none. StoreProblem where it cannot be read whole."""
    with opened(path) as handle:
        return None if handle is None else contents(os.dup(handle), path)


def sha256(path: str) -> str | None:
    """SHA-256 of a file's content; None where there is no file."""
    data = read_store(path)
    return None if data is None else hashlib.sha256(data).hexdigest()


def replace(path: str, data: bytes, unless: bytes | None = None, like: int | None = None) -> None:
    """Put `data` in the place of `path`, which is no link; see HeldFolder.replace.

    `unless`: what is there, as it was read before; StoreProblem where somebody else changed it since.
    """
    with held(os.path.dirname(path), lock=True) as folder:
        name = os.path.basename(path)
        if unless is not None and folder.read(name) != unless:
            raise StoreProblem(f"{path} was changed by somebody else in this moment; run this again")
        folder.replace(name, data, like)


def remove(path: str) -> None:
    """Remove a file, or see that it is gone."""
    if os.path.isdir(os.path.dirname(path)):
        with held(os.path.dirname(path)) as folder:
            folder.remove(os.path.basename(path))


@contextmanager
def workshop() -> Iterator[str]:
    """A folder for our eyes only, where programs work on copies; removed at the end, or by a later run."""
    for left in os.scandir(tempfile.gettempdir()):
        owner, _dash, _rest = left.name[len(PREFIX) :].partition("-")
        if left.name.startswith(PREFIX) and owner.isdigit() and not os.path.isdir(f"/proc/{owner}"):
            with suppress(OSError):
                if left.stat(follow_symlinks=False).st_uid == os.geteuid():
                    shutil.rmtree(left.path, ignore_errors=True)
    try:
        place = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
    except OSError as error:
        raise StoreProblem(f"{tempfile.gettempdir()} cannot be written to: {error.strerror}") from None
    try:
        yield place
    except OSError as error:
        raise StoreProblem(f"{place} cannot be written to: {error.strerror}") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def check_room(paths: list[str], copies: str | None = None) -> None:
    """See that each file could be written anew beside itself, and copied into the folder `copies`.

    Asked before the first change, since a command that runs out of space half-way leaves less than it found.
    StoreProblem where a file system would not take it.
    """
    wanted: dict[int, int] = {}
    for path in paths:
        size = os.path.getsize(path) if os.path.exists(path) else 0
        for folder in dict.fromkeys((os.path.dirname(path), copies or os.path.dirname(path))):
            there = folder
            while not os.path.isdir(there):
                there = os.path.dirname(there)
            device, system = os.stat(there).st_dev, os.statvfs(there)
            wanted[device] = wanted.get(device, 0) + size + _MARGIN
            free = (system.f_bfree if os.geteuid() == 0 else system.f_bavail) * system.f_frsize
            if system.f_flag & os.ST_RDONLY:
                raise StoreProblem(f"{folder} cannot be written to: Read-only file system")
            if system.f_blocks and free < wanted[device]:  # some file systems count no blocks
                raise StoreProblem(f"{folder} cannot be written to: No space left on device")


def write(path: str, data: bytes, mode: int = 0o600) -> None:
    """A new file, on the disk before this returns."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
