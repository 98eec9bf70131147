# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder held open: whoever owns it, or a folder above it, cannot make us write, read or chown elsewhere.

A path is walked once, from the root, without following links; after that names are used relative to the open folder
(openat(2)), and owner and mode are set on open files alone. A link is followed only where nobody but root, or the user
we are, could have put it there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PREFIX = ".cert-hygiene-"
#: A trust store is far smaller; what is larger is something else.
MAX_BYTES = 32 * 1024 * 1024
_LOCK_SECONDS = 30.0
#: As many as Linux follows (path_resolution(7)).
_MAX_LINKS = 40
#: Privileges of a program, which no file that we write has.
_NOT_COPIED = ("security.capability", "trusted.")


class StoreProblem(Exception):
    """A store that is not, or could not be, changed. One sentence, which never holds a password."""


def resolved(path: str) -> str:
    """The real path, links followed where another account could not have exchanged them. StoreProblem where not."""
    todo = [name for name in reversed(os.path.abspath(path).split("/")) if name]
    place, links = "/", 0
    while todo:
        name = todo.pop()
        if name == "..":
            place = os.path.dirname(place)
            continue
        following = os.path.join(place, name)
        try:
            target = os.readlink(following)
        except FileNotFoundError:
            return os.path.normpath(os.path.join(following, *reversed(todo)))
        except OSError as error:
            if error.errno != errno.EINVAL:  # EINVAL: no link
                raise StoreProblem(f"{following} cannot be read: {error.strerror}") from None
            place = following
            continue
        links += 1
        if links > _MAX_LINKS:
            raise StoreProblem(f"{path} leads through too many links")
        if not _trusted_link(place, following):
            raise StoreProblem(f"{following} is a link that another account can change: name the file that it leads to")
        todo += [name for name in reversed(target.split("/")) if name and name != "."]
        if target.startswith("/"):
            place = "/"
    return place


def _trusted_link(folder: str, link: str) -> bool:
    ours = (0, os.geteuid())
    there, itself = os.stat(folder), os.lstat(link)
    if there.st_uid not in ours:
        return False
    by_others = bool(there.st_mode & stat.S_IWOTH) or (there.st_gid != 0 and bool(there.st_mode & stat.S_IWGRP))
    # In a sticky folder nobody can exchange what is ours.
    return not by_others or (bool(there.st_mode & stat.S_ISVTX) and itself.st_uid in ours)


class HeldFolder:
    """A folder that is open; names are plain names in it."""

    def __init__(self, path: str, handle: int) -> None:
        self.path = path
        self.handle = handle

    def open(self, name: str) -> int | None:
        """A descriptor of a regular file, no link, for reading; None where there is none."""
        try:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.handle)
        except FileNotFoundError:
            return None
        except OSError as error:
            why = "is a link" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
            raise StoreProblem(f"{self._full(name)} {why}") from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise StoreProblem(f"{self._full(name)} is no regular file")
        return handle

    def read(self, name: str) -> bytes | None:
        """The whole file; None where there is none."""
        handle = self.open(name)
        return None if handle is None else contents(handle, self._full(name))

    def replace(self, name: str, data: bytes, like: int | None = None, mode: int = 0o644) -> None:
        """Put `data` in the place of a file, on the disk before this returns; whole or not at all.

        Owner, mode and labels are those of the file there, else those of the open file `like`, else ours and `mode`.
        """
        beside = f"{PREFIX}{secrets.token_hex(8)}"
        there = self.open(name)
        try:
            if there is not None and os.fstat(there).st_nlink > 1:
                raise StoreProblem(
                    f"{self._full(name)} has a second name (a hard link), which would keep the old content"
                )
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            made = os.open(beside, flags, 0o600, dir_fd=self.handle)
            try:
                with os.fdopen(made, "wb") as file:
                    file.write(data)
                    file.flush()
                    _dress(made, there if there is not None else like, mode)
                    os.fsync(made)
                    written = os.fstat(made)
                os.rename(beside, name, src_dir_fd=self.handle, dst_dir_fd=self.handle)
            except BaseException:
                with suppress(OSError):
                    os.unlink(beside, dir_fd=self.handle)
                raise
            os.fsync(self.handle)
            now = os.stat(name, dir_fd=self.handle, follow_symlinks=False)
            if (now.st_dev, now.st_ino) != (written.st_dev, written.st_ino):
                raise StoreProblem(f"{self._full(name)} was exchanged by somebody else while it was written")
        except OSError as error:
            raise StoreProblem(f"{self.path} cannot be written to: {error.strerror}") from None
        finally:
            if there is not None:
                os.close(there)

    def remove(self, name: str) -> None:
        """Remove a file, or see that it is gone."""
        try:
            os.unlink(name, dir_fd=self.handle)
            os.fsync(self.handle)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreProblem(f"{self._full(name)} cannot be removed: {error.strerror}") from None

    def require_ours(self) -> None:
        """StoreProblem where another account could exchange what we keep here."""
        found = os.fstat(self.handle)
        if found.st_uid not in (0, os.geteuid()) or (found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX):
            raise StoreProblem(f"{self.path} must belong to the user that we are, and be writable by nobody else")

    def clear(self) -> None:
        """Remove what a killed run left. Only under the lock."""
        for left in os.listdir(self.handle):
            if left.startswith(PREFIX):
                with suppress(OSError):
                    os.unlink(left, dir_fd=self.handle)

    def _full(self, name: str) -> str:
        return os.path.join(self.path, name)


def contents(handle: int, path: str) -> bytes:
    """All of an open file, which is closed. `path`: what it is called in the sentence."""
    try:
        with os.fdopen(handle, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StoreProblem(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise StoreProblem(f"{path} is larger than any trust store ({MAX_BYTES} bytes)")
    return data


def _dress(made: int, model: int | None, mode: int) -> None:
    if model is None:
        os.fchmod(made, mode)
        return
    found = os.fstat(model)
    os.fchown(made, found.st_uid, found.st_gid)
    os.fchmod(made, stat.S_IMODE(found.st_mode) & 0o777)
    for name in os.listxattr(model):
        if not name.startswith(_NOT_COPIED):
            with suppress(OSError):  # a file system that has no such label
                os.setxattr(made, name, os.getxattr(model, name))


@contextmanager
def held(folder: str, lock: bool = False) -> Iterator[HeldFolder]:
    """Hold a folder open, `lock`: for one run at a time, leftovers of a killed one cleared. StoreProblem where not."""
    try:
        handle = walk(resolved(folder))
    except OSError as error:
        raise StoreProblem(f"{folder} cannot be opened: {error.strerror}") from None
    try:
        place = HeldFolder(folder, handle)
        if lock:
            _take(handle, folder)
            place.clear()
        yield place
    finally:
        os.close(handle)


def walk(folder: str) -> int:
    """A descriptor of a folder, by a path on which no link is followed. OSError where there is none."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open("/", flags)
    for name in filter(None, folder.split("/")):
        try:
            following = os.open(name, flags, dir_fd=handle)
        finally:
            os.close(handle)
        handle = following
    return handle


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
