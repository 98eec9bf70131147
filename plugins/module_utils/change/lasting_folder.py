# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of our own that is still there tomorrow: what must be remembered is of no use in a container's layer.

The kernel's list of mounts tells: proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os
import re
import stat

_MOUNTS = "/proc/self/mountinfo"
#: Kept in memory, or thrown away with a container or a live system.
_FLEETING = ("tmpfs", "ramfs", "devtmpfs", "overlay", "overlayfs", "aufs", "unionfs", "fuse.fuse-overlayfs", "rootfs")
#: What the system itself empties, whatever it lies on.
_EMPTIED = ("/tmp", "/var/tmp", "/run", "/var/run", "/dev")


class FolderUnfit(Exception):
    """The folder cannot be used; the text is one sentence with the way out."""


def open_folder(path: str, vouched_by: str) -> str:
    """The folder's real path; made with mode 0700 where it is missing. FolderUnfit where it will not last.

    `vouched_by`: who says that it lasts although it does not look so. Ours alone it must be in any case.
    """
    place = os.path.realpath(os.path.expanduser(path))
    if not vouched_by.strip():
        why = fleeting(place, mounted())
        if why:
            raise FolderUnfit(
                f"state_dir '{path}' {why}: name a folder on a lasting disk of the vantage, such as "
                "/var/lib/biomed-cert-hygiene, or write in state_dir_vouched_by who knows that this one lasts"
            )
    try:
        if not os.path.isdir(place):
            os.mkdir(place, 0o700)
        found = os.stat(place)
    except OSError as error:
        raise FolderUnfit(
            f"state_dir '{path}' cannot be made or read ({error.strerror}): make it, with mode 0700, for the user that "
            "the task runs as on the vantage"
        ) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise FolderUnfit(
            f"state_dir '{path}' must belong to the user that the task runs as, and to nobody else: chown it, and give "
            "it the mode 0700"
        )
    return place


def fleeting(place: str, mounts: str) -> str | None:
    """Why a folder (its real path) will not last, as the end of a sentence; None where nothing speaks against it."""
    for folder in _EMPTIED:
        if place == folder or place.startswith(folder + "/"):
            return f"lies in {folder}, which the system empties"
    kind = filesystem_of(place, mounts)
    if kind is None:
        return "lies on nobody knows what (no list of mounts on this system)"
    return f"will not last (it lies on {kind}, as in a container)" if kind in _FLEETING else None


def filesystem_of(place: str, mounts: str) -> str | None:
    """The kind of file system that a real path lies on; the last of those mounted at the same place counts."""
    best, kind = -1, None
    for line in mounts.splitlines():
        words = line.split(" ")
        if "-" not in words[6:] or len(words) < 9:
            continue
        at = _unescaped(words[4])
        inside = place == at or place.startswith(at.rstrip("/") + "/")
        if inside and len(at) >= best:
            best, kind = len(at), words[words.index("-", 6) + 1]
    return kind


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def mounted() -> str:
    """The kernel's list of mounts; empty where there is none."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as handle:
            return handle.read()
    except OSError:
        return ""
