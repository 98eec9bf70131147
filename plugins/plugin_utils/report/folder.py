# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report folder on disk: what may be replaced, and how a new report compares with the one in place.

The folder carries a marker file; a non-empty folder without it belongs to somebody else and is never touched.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

MARKER = ".biomed-cert-hygiene-report"
MARKER_TEXT = (
    "biomed.cert_hygiene.report\n"
    "This folder is written and replaced as a whole: keep nothing of your own in it.\n"
    "Ce dossier est écrit et remplacé en entier : n'y rangez rien.\n"
)
# What a person fills in; one that was filled in where it lies is kept when the report is replaced.
TO_FILL = "attestations-to-fill.csv"
WRITTEN_LAST = "summary.json"
# What this collection writes into a report folder, and therefore what it may remove from an old one.
# Staging refuses to write anything else, so that this list stays true.
OURS = re.compile(
    r"(?:(?:fr|en)/)?(?:index\.html|findings\.csv|devices/[a-z0-9-]+-[0-9a-f]{12}\.html|" + re.escape(TO_FILL) + ")"
    "|" + re.escape(WRITTEN_LAST) + "|" + re.escape(MARKER) + r"|diagnosis\.json"
)
_OUR_FOLDERS = ("devices", "fr/devices", "fr", "en/devices", "en")


class ReportFolderError(ValueError):
    """The report folder cannot be written; the message names it and the way out."""


def sheet_name(device: str) -> str:
    """Return the file name of a device's sheet: ``<slug>-<hash>.html``.

    The slug (ASCII, at most 40 characters) is for people; the hash of the whole name keeps
    ``echo 4`` and ``echo-4`` apart. A device name is never used as a path.
    """
    plain = unicodedata.normalize("NFKD", device[:200]).encode("ascii", "ignore").decode("ascii").lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "device"
    digest = hashlib.sha256(device.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{slug}-{digest}.html"


@dataclass(frozen=True)
class Destination:
    """A place that was looked at and may be written: absent, empty, or an earlier report."""

    path: str
    parent: str
    name: str
    state: str  # absent | empty | report

    def holds(self, path: str) -> bool:
        """Tell whether ``path`` lies inside this folder."""
        real = os.path.realpath(path)
        return real == self.path or real.startswith(self.path.rstrip(os.sep) + os.sep)


def look_at(dest: str) -> Destination:
    """Check where the report shall go, without touching anything.

    :raises ReportFolderError: a symbolic link, a file, a folder of somebody else, an unreadable place
    """
    if not dest.strip() or "\0" in dest:
        raise ReportFolderError("dest is empty: name the folder that the report goes to, for example 'report'.")
    given = os.path.abspath(os.path.expanduser(dest))
    parent, name = os.path.split(given)
    if not name:
        raise ReportFolderError(f"dest '{dest}' is the root of the file system: name a folder below it.")
    parent = os.path.realpath(parent)
    path = os.path.join(parent, name)
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        _check_ancestors(path, parent)
        return Destination(path, parent, name, "absent")
    except NotADirectoryError:
        raise ReportFolderError(f"dest '{path}' lies below a file, not a folder: choose another dest.") from None
    except OSError as error:
        raise ReportFolderError(f"dest '{path}' cannot be looked at ({error.strerror}): choose another dest.") from None
    if stat.S_ISLNK(mode):
        raise ReportFolderError(
            f"dest '{path}' is a symbolic link; a report is only swapped into a real folder: "
            "name the folder that it points to."
        )
    if not stat.S_ISDIR(mode):
        raise ReportFolderError(f"dest '{path}' is a file, not a folder: move it away, or choose another dest.")
    try:
        entries = os.listdir(path)
    except OSError as error:
        raise ReportFolderError(f"dest '{path}' cannot be read ({error.strerror}): choose another dest.") from None
    if not entries:
        return Destination(path, parent, name, "empty")
    if not carries_marker(path):
        raise ReportFolderError(
            f"dest '{path}' holds files and is not a report of this collection (no {MARKER} in it); "
            "nothing was touched: empty it, or choose another dest."
        )
    return Destination(path, parent, name, "report")


def _check_ancestors(path: str, parent: str) -> None:
    """The nearest ancestor that exists must be a folder (the others are made)."""
    there = parent
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise ReportFolderError(f"dest '{path}' lies below the file '{there}': choose another dest.")


def carries_marker(folder: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(os.path.join(folder, MARKER)).st_mode)
    except OSError:
        return False


class Comparison:
    """Tells, file by file, whether a new report differs from the one in place."""

    def __init__(self, dest: Destination, file_mode: int) -> None:
        self._root = dest.path
        self._file_mode = file_mode
        self._folder_mode = folder_mode(file_mode)
        self._seen: set[str] = set()
        self.differs = dest.state != "report"

    def note(self, relative: str, chunks: Iterable[bytes]) -> None:
        """Compare one file of the new report (given in pieces) with the old one."""
        self._seen.add(relative)
        if not self.differs and not self._same(os.path.join(self._root, relative), chunks):
            self.differs = True

    def _same(self, path: str, chunks: Iterable[bytes]) -> bool:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        with open(descriptor, "rb") as old:
            if stat.S_IMODE(os.fstat(old.fileno()).st_mode) != self._file_mode:
                return False
            return all(old.read(len(chunk)) == chunk for chunk in chunks) and not old.read(1)

    def finish(self) -> bool:
        """Return whether anything differs, stale files and folder modes included."""
        if not self.differs:
            for relative, is_folder in walk(self._root):
                if is_folder:
                    stale = relative in _OUR_FOLDERS and (
                        stat.S_IMODE(os.lstat(os.path.join(self._root, relative)).st_mode) & 0o777 != self._folder_mode
                        or not any(name.startswith(relative + "/") for name in self._seen)
                    )
                else:
                    stale = OURS.fullmatch(relative) is not None and relative not in self._seen
                if stale:
                    self.differs = True
                    break
            if stat.S_IMODE(os.lstat(self._root).st_mode) & 0o777 != self._folder_mode:
                self.differs = True
        return self.differs


def folder_mode(file_mode: int) -> int:
    """Return the mode of folders: a folder may be entered by those who may read its files."""
    return file_mode | ((file_mode & 0o444) >> 2)


def walk(root: str) -> Iterator[tuple[str, bool]]:
    """Yield ``(path relative to root, is a real folder)``, children before their folder, links unfollowed."""
    for base, folders, files in os.walk(root, topdown=False):
        prefix = os.path.relpath(base, root).replace(os.sep, "/")
        prefix = "" if prefix == "." else prefix + "/"
        for name in files:
            yield prefix + name, False
        for name in folders:
            yield prefix + name, not os.path.islink(os.path.join(base, name))


class Preview:
    """What check mode writes to: nothing. It only compares."""

    def __init__(self, dest: Destination, file_mode: int = 0o600) -> None:
        self.dest = dest
        self.warnings: list[str] = []
        self._comparison = Comparison(dest, file_mode)

    def __enter__(self) -> Preview:
        self.write(MARKER, MARKER_TEXT.encode("utf-8"))
        return self

    def __exit__(self, *exc_info: object) -> None:
        return

    def spool(self) -> BinaryIO:
        """Return a nameless temporary file, gone when it is closed."""
        return tempfile.TemporaryFile()

    def write(self, relative: str, data: bytes) -> None:
        """Take one file of the report."""
        self._comparison.note(relative, (data,))

    def write_chunks(self, relative: str, chunks: Iterable[bytes]) -> None:
        """Take one large file of the report, in pieces."""
        self._comparison.note(relative, chunks)
        for _unused in chunks:  # a producer may count on being read to its end
            pass

    def commit(self) -> bool:
        """Return whether a real run would change the folder."""
        return self._comparison.finish()
