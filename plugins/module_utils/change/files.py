# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a file of a gateway is changed: written beside, brought to the disk, then renamed into its place.

Whatever moment the power goes, the file is the old one or the new one. What a killed run left beside it is cleared by
the next run, under the same lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

PREFIX = ".cert-hygiene-"
#: A trust store is far smaller; what is larger is something else.
MAX_BYTES = 32 * 1024 * 1024
_LOCK_SECONDS = 30.0
#: Of free space, beside a file's own size: the certificate that is added, and what its file system needs for itself.
_MARGIN = 16 * 1024


class StoreProblem(Exception):
    """A store that is not, or could not be, changed. One sentence, which never holds a password."""


def read_store(path: str) -> bytes | None:
    """The whole file; None where there is none. StoreProblem where it cannot be read whole."""
    try:
        with open(path, "rb") as handle:
            if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                raise StoreProblem(f"{path} is no regular file")
            data = handle.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreProblem(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise StoreProblem(f"{path} is larger than any trust store ({MAX_BYTES} bytes)")
    return data


def sha256(path: str) -> str | None:
    """SHA-256 of a file's content; None where there is no file."""
    data = read_store(path)
    return None if data is None else hashlib.sha256(data).hexdigest()


@contextmanager
def workspace(folder: str) -> Iterator[str]:
    """A folder of our own inside `folder` (same file system), for one run at a time; removed at the end."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StoreProblem(f"{folder} cannot be opened: {error.strerror}") from None
    try:
        _take(lock, folder)
        place = None
        try:
            for left in os.listdir(folder):
                if left.startswith(PREFIX):
                    shutil.rmtree(os.path.join(folder, left), ignore_errors=True)
            place = tempfile.mkdtemp(prefix=PREFIX, dir=folder)
            yield place
        except OSError as error:
            raise StoreProblem(f"{folder} cannot be written to: {error.strerror}") from None
        finally:
            if place is not None:
                shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(lock)


def _take(lock: int, folder: str) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreProblem(f"another run has been changing {folder} for {_LOCK_SECONDS:g} s") from None
            time.sleep(0.1)


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


def put_in_place(made: str, path: str, like: str | None = None) -> None:
    """Rename `made` over `path`, with the owner, mode and labels of the file there, else those of `like`.

    Without either it is root's, and all may read it.
    """
    model = path if os.path.exists(path) else like
    if model is None:
        os.chmod(made, 0o644)
    else:
        if model == path and os.stat(path).st_nlink > 1:
            raise StoreProblem(f"{path} has a second name (a hard link), which would keep the old content")
        shutil.copystat(model, made)  # mode and extended attributes, SELinux's label too
        owner = os.stat(model)
        os.chown(made, owner.st_uid, owner.st_gid)
        os.chmod(made, stat.S_IMODE(owner.st_mode))
        os.utime(made)
    _sync(made)
    os.replace(made, path)
    _sync(os.path.dirname(path))


def remove(path: str) -> None:
    """Remove a file, or see that it is gone."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreProblem(f"{path} cannot be removed: {error.strerror}") from None
    _sync(os.path.dirname(path))


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
