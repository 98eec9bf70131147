# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive says against what is there now, and putting it back: whole files, or nothing."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive import (
    SUFFIX,
    ArchiveError,
    in_folder,
    look,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import walk


def differences(manifest: dict[str, Any]) -> dict[str, Any]:
    """What is not as it was.

    changes: [{"path", "type", "what": [...]}]; files: the same as the journal takes them;
    keys_left: what is to be said of private keys and passwords that were left on the gateway;
    extra: files that are in a saved folder only now
    """
    changes, files = [], []
    for entry in manifest["files"]:
        now, _data = look(entry["path"])
        what = _differs(entry, now)
        if what:
            hashes = {"before_sha256": now.get("sha256"), "after_sha256": entry.get("sha256")}
            files.append({"path": entry["path"], **{name: value for name, value in hashes.items() if value}})
            changes.append({"path": entry["path"], "type": entry["type"], "what": what})
    keys = []
    for entry in manifest["left_out"]:
        now, _data = look(entry["path"])
        if now["type"] == "absent":
            keys.append({"path": entry["path"], "reason": entry["reason"], "state": "missing"})
        elif now.get("sha256") != entry.get("sha256"):
            keys.append({"path": entry["path"], "reason": entry["reason"], "state": "changed"})
    known = {entry["path"] for entry in (*manifest["files"], *manifest["left_out"])}
    extra = []
    for entry in manifest["files"]:
        if entry["type"] == "directory" and os.path.isdir(entry["path"]) and not os.path.islink(entry["path"]):
            names = sorted(os.listdir(entry["path"]))
            extra += [path for path in (os.path.join(entry["path"], name) for name in names) if path not in known]
    return {"changes": changes, "files": files, "keys_left": keys, "extra": extra}


def _differs(wanted: dict[str, Any], now: dict[str, Any]) -> list[str]:
    if wanted["type"] == "special":
        return []
    if wanted["type"] != now["type"]:
        return ["type"]
    compared = {
        "absent": (),
        "directory": ("uid", "gid", "mode"),
        "link": ("uid", "gid", "target"),
        "file": ("sha256", "uid", "gid", "mode", "mtime_ns", "xattrs"),
    }[wanted["type"]]
    return [name for name in compared if wanted.get(name) != now.get(name)]


def restore(manifest: dict[str, Any], contents: dict[str, bytes], changes: list[dict[str, Any]]) -> None:
    """Make the changes that `differences` named. Every new file is written and checked beside its place before the
    first one is put in place; where that fails, nothing was changed. ArchiveError says what went wrong."""
    wanted = {entry["path"]: entry for entry in manifest["files"]}
    # Folders before what is in them.
    entries = [wanted[path] for path in sorted(change["path"] for change in changes)]
    going = {entry["path"] for entry in entries if entry["type"] == "absent"}
    prepared: list[str] = []
    made: list[str] = []
    path = ""
    try:
        for entry in entries:
            path = entry["path"]
            _fits(entry, going)
        for entry in entries:
            path = entry["path"]
            if entry["type"] == "directory" and not os.path.isdir(path):
                with in_folder(path) as (folder, name):
                    os.mkdir(name, 0o700, dir_fd=folder)
                made.append(path)
            elif entry["type"] in ("file", "link"):
                prepared.append(path)
                _write(entry, contents.get(path, b""), beside(path))
    except (OSError, ArchiveError) as error:
        _clear([*map(beside, prepared), *reversed(made)])
        why = f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise ArchiveError(f"nothing was put back ({why})") from None
    done = 0
    try:
        for entry in entries:
            path = entry["path"]
            if entry["type"] == "directory":
                _dress(path, entry)
            elif entry["type"] in ("file", "link"):
                with in_folder(path) as (folder, name):
                    os.rename(os.path.basename(beside(path)), name, src_dir_fd=folder, dst_dir_fd=folder)
                    os.fsync(folder)
                done += 1
        for path in sorted(going, reverse=True):
            take_away(path)
    except OSError as error:
        _clear(map(beside, prepared[done:]))
        raise ArchiveError(
            f"{done} of {len(prepared)} files were put back, each of them whole, then {path}: {error.strerror}"
        ) from None


def beside(path: str) -> str:
    """Where a new file lies until it is put in place."""
    return os.path.join(os.path.dirname(path), "." + os.path.basename(path) + SUFFIX)


def _fits(entry: dict[str, Any], going: set[str]) -> None:
    """Nothing is put back through a link that was not there, nor in the place of a folder or of a device. A folder is
    taken away only where all that is in it goes too."""
    path = entry["path"]
    if os.path.realpath(os.path.dirname(path)) != os.path.dirname(path):
        raise ArchiveError(f"{os.path.dirname(path)} leads elsewhere now: put that right first")
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if entry["type"] == "absent" and stat.S_ISDIR(mode):
        if all(os.path.join(path, name) in going for name in os.listdir(path)):
            return
        raise ArchiveError(f"{path} is a folder, and there is something in it: move it away first")
    if stat.S_ISDIR(mode) != (entry["type"] == "directory"):
        raise ArchiveError(
            f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'no folder any more'}: move it away first"
        )
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise ArchiveError(f"{path} is no file: move it away first")


def _write(entry: dict[str, Any], data: bytes, place: str) -> None:
    parent = os.path.dirname(place)
    if not os.path.isdir(parent):
        raise ArchiveError(f"{parent} is missing, and is not in the backup: make it first")
    take_away(place)
    with in_folder(place) as (folder, name):
        if entry["type"] == "link":
            os.symlink(entry["target"], name, dir_fd=folder)
            os.chown(name, entry["uid"], entry["gid"], dir_fd=folder, follow_symlinks=False)
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(name, flags, 0o600, dir_fd=folder)
    with os.fdopen(handle, "w+b") as file:
        file.write(data)
        file.flush()
        os.fchown(handle, entry["uid"], entry["gid"])
        os.fchmod(handle, int(entry["mode"], 8))
        for label, value in entry.get("xattrs", {}).items():
            os.setxattr(handle, label, bytes.fromhex(value))
        os.utime(handle, ns=(entry["mtime_ns"], entry["mtime_ns"]))
        os.fsync(handle)
        file.seek(0)
        if hashlib.sha256(file.read()).hexdigest() != entry["sha256"]:
            raise ArchiveError(f"{place} was not written as it should be")


def _dress(path: str, entry: dict[str, Any]) -> None:
    """Owner and mode of a folder."""
    handle = walk(path)
    try:
        os.fchown(handle, entry["uid"], entry["gid"])
        os.fchmod(handle, int(entry["mode"], 8))
        os.fsync(handle)
    finally:
        os.close(handle)


def _clear(paths: Iterable[str]) -> None:
    """Take away what was made, as far as it can be: the reason why that was needed must not be lost."""
    for path in paths:
        with suppress(OSError):
            take_away(path)


def take_away(path: str) -> None:
    """Remove a file, a link or an empty folder, or see that it is gone."""
    try:
        with in_folder(path) as (folder, name):
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                os.rmdir(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
            os.fsync(folder)
    except FileNotFoundError:
        return
