# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files of the control node for their owner's eyes only, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress


class FolderError(Exception):
    """It cannot be used or written; the text is one sentence with the way out."""


def private_folder(path: str, make: bool) -> str:
    """The folder, which is ours alone; made (0700) where it is missing and `make` says so. FolderError where not."""
    try:
        if make:
            _make(path)
        found = os.stat(path, follow_symlinks=False)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not make:
            return path
        raise FolderError(f"the folder '{path}' cannot be made or read ({error.strerror})") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise FolderError(
            f"'{path}' must be a folder of the user who runs Ansible, and nobody else's: chown it, and give it the "
            "mode 0700"
        )
    return path


def _make(path: str) -> None:
    """Each folder that is missing, 0700: os.makedirs would leave those on the way to the umask."""
    if not os.path.isdir(os.path.dirname(path)):
        _make(os.path.dirname(path))
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)


def write_new(path: str, data: bytes) -> str:
    """Write a new file (0600) beside its place, read it back, put it in place; its SHA-256. A failure leaves none."""
    beside = f"{path}.partial"
    try:
        handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w+b") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
            file.seek(0)
            if file.read() != data:
                raise FolderError(f"'{path}' did not read back as it was written")
        os.rename(beside, path)
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise FolderError(f"'{path}' cannot be written ({error.strerror}); nothing was left there") from None
    finally:
        with suppress(OSError):
            os.unlink(beside)
    return hashlib.sha256(data).hexdigest()
