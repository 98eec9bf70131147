# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of the journal: ours alone, on a disk that lasts, one writer at a time, each line on disk before more."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.lasting_folder import (
    filesystem_of,
    fleeting,
    mounted,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.journal import (
    ChainError,
    check_chain,
    journal_line,
    journal_text,
    was_authorised,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import change_text

LOCK_SECONDS = 60


class JournalError(Exception):
    """Nothing may be changed: `fault` is a key of `faults` in data/change_texts.yml, `values` what it speaks of."""

    def __init__(self, fault: str, **values: Any) -> None:
        super().__init__(fault)
        self.fault = fault
        self.values = values

    def text(self, language: str) -> str:
        """What is wrong, and the way out."""
        return change_text(f"faults.{self.fault}", language, **self.values)


def journal_path(given: str | None, vouched_by: str) -> str:
    """The journal's absolute path. JournalError where none is given, or where it would not last.

    vouched_by: who says that it lasts although it does not look so.
    """
    if not given or not given.strip():
        raise JournalError("journal_missing")
    path = os.path.abspath(os.path.expanduser(given.strip()))
    folder = os.path.realpath(os.path.dirname(path))
    if not vouched_by.strip():
        mounts = mounted()
        if fleeting(folder, mounts):
            raise JournalError("journal_fleeting", path=given, kind=filesystem_of(folder, mounts) or "?")
    return os.path.join(folder, os.path.basename(path))


def check_journal(path: str) -> None:
    """Look whether a line could be added; makes nothing. JournalError where not."""
    try:
        with _opened(path, make=False) as handle:
            _checked(handle, path)
    except FileNotFoundError:
        folder = os.path.dirname(path)
        while not os.path.exists(folder):
            folder = os.path.dirname(folder)
        if not os.access(folder, os.W_OK):
            raise JournalError("journal_unusable", path=path, problem=f"{folder}: not writable") from None


def append(path: str, entry: Mapping[str, Any], granted: bool = False) -> None:
    """Add one line to the journal. JournalError, and the file as it was, where that cannot be done.

    granted: only where the journal says that this very change was authorised.
    """
    text = journal_text(entry)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    except OSError as error:
        raise JournalError("journal_unusable", path=path, problem=error.strerror) from None
    with _opened(path, make=True) as handle:
        previous, content = _checked(handle, path)
        if granted:
            _check_granted(path, content, entry)
        size = len(content)
        try:
            _write(handle, journal_line(text, previous))
            os.fsync(handle)
            if not size:
                _sync_folder(os.path.dirname(path))
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(handle, size)
            raise JournalError("journal_unusable", path=path, problem=error.strerror) from None


def check_granted(path: str, entry: Mapping[str, Any]) -> None:
    """JournalError where the journal does not say that this very change was authorised. Writes nothing."""
    content = b""
    with suppress(FileNotFoundError), _opened(path, make=False) as handle:
        _previous, content = _checked(handle, path)
    _check_granted(path, content, entry)


def _check_granted(path: str, content: bytes, entry: Mapping[str, Any]) -> None:
    if not was_authorised(content, entry):
        raise JournalError("not_granted", path=path, device=entry["device"], kind=entry["kind"])


@contextmanager
def _opened(path: str, make: bool) -> Iterator[int]:
    """The locked journal. FileNotFoundError where there is none and none is to be made."""
    for _attempt in range(LOCK_SECONDS * 10):
        handle = _open(path, make)
        try:
            if _locked(handle, path):
                yield handle
                return
        finally:
            os.close(handle)
        time.sleep(0.1)
    raise JournalError("journal_locked", path=path, seconds=LOCK_SECONDS)


def _open(path: str, make: bool) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_CREAT if make else 0)
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not make:
            raise
        raise JournalError("journal_unusable", path=path, problem=error.strerror) from None


def _locked(handle: int, path: str) -> bool:
    """Whether the lock is ours now, on the file that stands there: it may have been put aside while we waited."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except (BlockingIOError, FileNotFoundError):
        return False


def _checked(handle: int, path: str) -> tuple[str, bytes]:
    """The hash for the next line, and what stands in the file, whose owner, mode and chain are sound."""
    _ours(os.fstat(handle), os.stat(os.path.dirname(path)), path)
    content = b""
    with os.fdopen(os.dup(handle), "rb") as reader:
        reader.seek(0)
        content = reader.read()
    try:
        return check_chain(content), content
    except ChainError as broken:
        raise JournalError("journal_cut" if broken.cut else "journal_broken", path=path, line=broken.line) from None


def _ours(found: os.stat_result, folder: os.stat_result, path: str) -> None:
    problem = ""
    if not stat.S_ISREG(found.st_mode):
        problem = "not a regular file"
    elif found.st_uid != os.geteuid():
        problem = f"uid {found.st_uid}"
    elif stat.S_IMODE(found.st_mode) & 0o077:
        problem = f"mode {stat.S_IMODE(found.st_mode):04o}"
    elif folder.st_uid not in (os.geteuid(), 0):
        problem = f"folder: uid {folder.st_uid}"
    elif stat.S_IMODE(folder.st_mode) & 0o022:
        problem = f"folder: mode {stat.S_IMODE(folder.st_mode):04o}"
    if problem:
        raise JournalError("journal_unusable", path=path, problem=problem)


def _write(handle: int, line: bytes) -> None:
    while line:
        line = line[os.write(handle, line) :]


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
