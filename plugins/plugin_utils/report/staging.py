# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report built beside its place, and swapped in whole.

It is built in a hidden folder of the same parent, and takes its place in one step. A reader (a browser, a nightly
copy) sees the old report or the new one.

The run may be killed at any instant. Every leftover carries the marker (written first, removed last)
and a name of ours, so the next run knows it, and a lock on its marker tells it from a run still alive.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import re
import stat
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import (
    MARKER,
    MARKER_TEXT,
    OURS,
    TO_FILL,
    WRITTEN_LAST,
    Comparison,
    Destination,
    Preview,
    ReportFolderError,
    carries_marker,
    folder_mode,
    look_at,
    walk,
)

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_LOCK_TRIES = 200  # of 0.05 s: ten seconds
# In this order: an interrupted removal is still known for what it is, and so is a file that was filled in.
_REMOVED_LAST = (WRITTEN_LAST, MARKER)


class Staging(Preview):
    """A report being built beside its place. ``with`` removes what was begun when anything fails."""

    def __init__(self, dest: Destination, file_mode: int = 0o600) -> None:
        super().__init__(dest, file_mode)
        self._file_mode = file_mode
        self._folder_mode = folder_mode(file_mode)
        self._made_parents: list[str] = []
        self._path = ""
        self._marker_fd = -1
        self._folders: set[str] = set()

    def __enter__(self) -> Staging:
        try:
            self._make_parents()
            with _locked(self.dest.parent):
                self.warnings += recover(self.dest)
                self.dest = look_at(self.dest.path)
                self._comparison = Comparison(self.dest, self._file_mode)
                self._path = tempfile.mkdtemp(prefix=_prefix(self.dest.name), suffix=".new", dir=self.dest.parent)
                self.write(MARKER, MARKER_TEXT.encode("utf-8"))
                # Held while this process lives: it tells other runs that this folder is no leftover.
                self._marker_fd = os.open(os.path.join(self._path, MARKER), os.O_RDONLY | os.O_CLOEXEC)
                with contextlib.suppress(OSError):
                    fcntl.flock(self._marker_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._abandon()
            raise ReportFolderError(
                f"the report cannot be written beside '{self.dest.path}' ({error.strerror}): "
                f"make '{self.dest.parent}' writable, or choose another dest."
            ) from None
        except BaseException:
            self._abandon()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._abandon()

    def _make_parents(self) -> None:
        missing: list[str] = []
        there = self.dest.parent
        while not os.path.lexists(there):
            missing.append(there)
            there = os.path.dirname(there)
        for folder in reversed(missing):
            os.mkdir(folder)
            self._made_parents.append(folder)

    def _abandon(self) -> None:
        """Remove what this run began (nothing is left to remove after a commit)."""
        if self._path:
            # Not a blind removal: interrupted right after the exchange, this is the former report.
            self.warnings += discard(self._path, self.dest)
            self._path = ""
        if self._marker_fd >= 0:
            os.close(self._marker_fd)
            self._marker_fd = -1
        for folder in reversed(self._made_parents):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        self._made_parents = []

    def spool(self) -> BinaryIO:
        """Return a nameless file on the disk of the report, gone when it is closed."""
        return tempfile.TemporaryFile(dir=self._path)

    def _create(self, relative: str) -> int:
        if OURS.fullmatch(relative) is None:
            raise NotImplementedError(f"{relative} is not in the list of what a report folder holds")
        folder = os.path.dirname(relative)
        if folder and folder not in self._folders:
            part = ""
            for piece in folder.split("/"):
                part = f"{part}/{piece}" if part else piece
                if part not in self._folders:
                    os.mkdir(os.path.join(self._path, part), 0o700)
                    self._folders.add(part)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(os.path.join(self._path, relative), flags, 0o600)
        if self._file_mode != 0o600:
            os.fchmod(descriptor, self._file_mode)
        return descriptor

    def write(self, relative: str, data: bytes) -> None:
        """Write one file of the report."""
        super().write(relative, data)
        try:
            descriptor = self._create(relative)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._failed(error) from None

    def write_chunks(self, relative: str, chunks: Iterable[bytes]) -> None:
        """Write one large file of the report, in pieces."""
        try:
            with open(self._create(relative), "wb") as new:
                new.writelines(chunks)
            with open(os.path.join(self._path, relative), "rb") as new:
                self._comparison.note(relative, iter(lambda: new.read(1 << 16), b""))
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> ReportFolderError:
        return ReportFolderError(
            f"the report could not be written beside '{self.dest.path}' ({error.strerror}); the folder is as it was: "
            "free some space or choose another dest, and run again."
        )

    def commit(self) -> bool:
        """Put the new report in its place, unless it is the one already there. Return whether it changed."""
        if not self._comparison.finish():
            return False
        try:
            for folder in [*sorted(self._folders, reverse=True), ""]:
                _set_mode(os.path.join(self._path, folder), self._folder_mode)
            with _locked(self.dest.parent):
                look_at(self.dest.path)  # somebody may have put a folder of theirs there in the meantime
                old = swap_in(self._path, self.dest)
                self._path = ""
                self._made_parents = []
                if old:
                    self.warnings += discard(old, self.dest)
        except OSError as error:
            raise ReportFolderError(
                f"the new report could not take the place of '{self.dest.path}' ({error.strerror}); "
                "the folder is as it was: check that it is neither a mount point nor another user's."
            ) from None
        return True


def _set_mode(folder: str, mode: int) -> None:
    current = stat.S_IMODE(os.lstat(folder).st_mode)
    if current & 0o777 != mode:
        os.chmod(folder, (current & ~0o777) | mode)  # keeps a set-group-ID bit taken over from the parent


def _prefix(name: str) -> str:
    # A hash where the name is too long for a file name that is longer still.
    tag = name if len(os.fsencode(name)) <= 120 else hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{tag}.biomed-report-"


def exchange(one: str, other: str) -> bool:
    """Exchange two folders in one step: renameat2(2), RENAME_EXCHANGE.

    Returns False where the system or the file system has no such call; nothing was done then.
    """
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    call.restype = ctypes.c_int
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code), one)


def swap_in(new: str, dest: Destination) -> str | None:
    """Put the folder ``new`` at ``dest``; return where the former report now is, if there was one."""
    if not os.path.lexists(dest.path) or not os.listdir(dest.path):
        os.rename(new, dest.path)  # rename(2) also takes the place of an empty folder, in one step
        return None
    if exchange(new, dest.path):
        return new
    # Without the exchange there is an instant without a report; a run killed right then is
    # made good by recover() at the next one.
    old = new[: -len(".new")] + ".old"
    os.rename(dest.path, old)
    try:
        os.rename(new, dest.path)
    except BaseException:
        os.rename(old, dest.path)
        raise
    return old


def discard(folder: str, dest: Destination) -> list[str]:
    """Remove a former report; the marker goes last, so that an interrupted removal is resumed.

    A file that we did not write, or that was filled in since, is never removed: it is then kept beside
    the report, and a warning says where.
    """
    left = False
    for relative, is_folder in walk(folder):
        path = os.path.join(folder, relative)
        try:
            if is_folder:
                os.rmdir(path)
            elif OURS.fullmatch(relative) is None or _filled_in(folder, relative):
                left = True
            elif relative not in _REMOVED_LAST:
                os.unlink(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                return [f"the former report could not be removed from '{folder}' ({error.strerror})."]
    try:
        if not left:
            _remove_last(folder)
            os.rmdir(folder)
            return []
        kept = next(place for number in range(1, 10_000) if not os.path.lexists(place := f"{dest.path}.kept-{number}"))
        os.rename(folder, kept)
        _remove_last(kept)
    except OSError as error:
        return [f"the former report could not be removed from '{folder}' ({error.strerror})."]
    return [f"the former report held files that somebody wrote or filled in; they were kept in '{kept}'."]


def _remove_last(folder: str) -> None:
    for name in _REMOVED_LAST:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, name))


def _filled_in(folder: str, relative: str) -> bool:
    """Tell whether a person has changed a file since the report was finished."""
    if os.path.basename(relative) != TO_FILL:
        return False
    try:
        finished = os.lstat(os.path.join(folder, WRITTEN_LAST)).st_mtime_ns
        return os.lstat(os.path.join(folder, relative)).st_mtime_ns > finished + 10**9
    except OSError:
        return False


def recover(dest: Destination) -> list[str]:
    """Make good what a killed run left beside ``dest``: put a report back in place, remove leftovers.

    Only folders with our name pattern and our marker (or empty) are touched, and none whose run is alive.
    """
    pattern = re.compile(re.escape(_prefix(dest.name)) + r"[A-Za-z0-9_]+\.(new|old)")
    warnings: list[str] = []
    found = sorted(name for name in os.listdir(dest.parent) if pattern.fullmatch(name))
    for name in found:
        path = os.path.join(dest.parent, name)
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            continue
        if not os.listdir(path):
            os.rmdir(path)
        elif not carries_marker(path) or _in_use(path):
            continue
        elif name.endswith(".old") and not os.path.lexists(dest.path):
            os.rename(path, dest.path)
        else:
            warnings += discard(path, dest)
    return warnings


def _in_use(folder: str) -> bool:
    """Tell whether a living run holds the lock on the marker of this folder."""
    try:
        descriptor = os.open(os.path.join(folder, MARKER), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EWOULDBLOCK, errno.EACCES)
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Hold the folder's own lock while leftovers are looked at and folders change places.

    Two runs into the same place then do not take each other's folders for leftovers. A file system
    without locks goes on without.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        pause = threading.Event()
        for _try in range(_LOCK_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    break
                pause.wait(0.05)
        yield
    finally:
        os.close(descriptor)
