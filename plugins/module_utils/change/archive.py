# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files of a gateway as one archive.

The archive is a tar.gz: MANIFEST.json, SHA256SUMS (as sha256sum writes it) and files/<path>. A private key is known by
what is in the file; it goes into an archive only where that is asked for.
"""

from __future__ import annotations

import glob
import hashlib
import io
import json
import os
import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive_secrets import secret_inside
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import walk

SCHEMA_VERSION = 1
MANIFEST = "MANIFEST.json"
SUMS = "SHA256SUMS"
MAX_BYTES = 64 * 1024 * 1024
MAX_FILES = 20000
#: What a file that is being put back is called until it is in place.
SUFFIX = ".cert-hygiene-new"


class ArchiveError(Exception):
    """The archive cannot be made, read or put back; the text is one sentence."""


# --- taking --------------------------------------------------------------------------------------------------------


def take(paths: list[str], settings: list[str], with_keys: bool, with_passwords: bool) -> tuple[dict[str, Any], bytes]:
    """The manifest, and the archive.

    paths: files and folders that must be in it; what is not there is written down as absent.
    settings: files, folders and patterns that are in it where they are there.
    """
    return _saved(_everything(paths, settings), with_keys, with_passwords)


def copies(paths: list[str]) -> tuple[dict[str, Any], bytes]:
    """The same of these paths and nothing below them, keys and passwords too: it never leaves the gateway."""
    return _saved(paths, True, True)


def _saved(paths: list[str], with_keys: bool, with_passwords: bool) -> tuple[dict[str, Any], bytes]:
    manifest: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "files": [], "left_out": []}
    contents: dict[str, bytes] = {}
    for path in paths:
        entry, data = look(path)
        reason = secret_inside(path, data) if entry["type"] == "file" else None
        if (reason == "private_key" and not with_keys) or (reason == "password" and not with_passwords):
            manifest["left_out"].append({**entry, "reason": reason})
            continue
        manifest["files"].append(entry)
        if entry["type"] == "file":
            contents[path] = data
        if sum(map(len, contents.values())) > MAX_BYTES:
            raise ArchiveError(f"more than {MAX_BYTES // 1048576} MiB would be saved: name fewer files")
    return manifest, _pack(manifest, contents)


def _everything(paths: list[str], settings: list[str]) -> list[str]:
    found: dict[str, None] = {}
    for path in paths:
        if not path.startswith("/"):
            raise ArchiveError(f"'{path}' is no absolute path")
        found.update(dict.fromkeys(_below(_canonical(path))))
    for pattern in settings:
        for path in sorted(glob.glob(pattern)):
            found.update(dict.fromkeys(_below(_canonical(path))))
    if len(found) > MAX_FILES:
        raise ArchiveError(f"more than {MAX_FILES} files would be saved: name fewer")
    return sorted(found)


def _canonical(path: str) -> str:
    """The path with no link in its folders: what is put back goes where it came from."""
    path = os.path.normpath(path)
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _below(path: str) -> list[str]:
    if not os.path.isdir(path) or os.path.islink(path):
        return [path]
    found = [path]

    def stop(error: OSError) -> None:
        raise ArchiveError(f"{error.filename} cannot be looked into ({error.strerror}): use a privileged login")

    for folder, folders, files in os.walk(path, onerror=stop):
        found += [os.path.join(folder, name) for name in (*folders, *files) if not name.endswith(SUFFIX)]
    return found


def look(path: str) -> tuple[dict[str, Any], bytes]:
    """One entry of a manifest, and the content of a file. Where a link stands in its folders now, it is absent."""
    try:
        with in_folder(path) as (folder, name):
            return _look(path, folder, name)
    except (FileNotFoundError, NotADirectoryError):
        return {"path": path, "type": "absent"}, b""
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read ({error.strerror}): use a privileged login") from None


@contextmanager
def in_folder(path: str) -> Iterator[tuple[int, str]]:
    """The folder that it lies in, held open, and its name there. No link on the way is followed, OSError where one is:
    who owns a folder cannot lead us elsewhere."""
    handle = walk(os.path.dirname(path))
    try:
        yield handle, os.path.basename(path)
    finally:
        os.close(handle)


def _look(path: str, folder: int, name: str) -> tuple[dict[str, Any], bytes]:
    state = os.stat(name, dir_fd=folder, follow_symlinks=False)
    entry = {
        "path": path,
        "uid": state.st_uid,
        "gid": state.st_gid,
        "mode": f"{stat.S_IMODE(state.st_mode):04o}",
        "mtime_ns": state.st_mtime_ns,
    }
    if stat.S_ISLNK(state.st_mode):
        return {**entry, "type": "link", "target": os.readlink(name, dir_fd=folder)}, b""
    if stat.S_ISDIR(state.st_mode):
        return {**entry, "type": "directory"}, b""
    if not stat.S_ISREG(state.st_mode):
        return {**entry, "type": "special"}, b""
    data, xattrs = _read(path, folder, name)
    more = {"xattrs": xattrs} if xattrs else {}
    return {**entry, "type": "file", "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **more}, data


def _read(path: str, folder: int, name: str) -> tuple[bytes, dict[str, str]]:
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(handle, "rb") as reader:
        before = os.fstat(handle)
        if before.st_size > MAX_BYTES:
            raise ArchiveError(f"{path} is larger than {MAX_BYTES // 1048576} MiB: leave it out")
        data = reader.read(MAX_BYTES + 1)
        after = os.fstat(handle)
        xattrs = _xattrs(handle)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(data) != after.st_size:
        raise ArchiveError(f"{path} was written to while it was read: run it again")
    return data, xattrs


#: What a file's rights are made of beside its mode.
_KEPT_XATTRS = ("security.selinux", "system.posix_acl_access", "security.capability")


def _xattrs(handle: int) -> dict[str, str]:
    found = {}
    for name in _KEPT_XATTRS:
        try:
            found[name] = os.getxattr(handle, name).hex()
        except OSError:
            continue
    return found


def _pack(manifest: dict[str, Any], contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT, compresslevel=6) as tar:
        text = json.dumps(manifest, indent=1, sort_keys=True).encode("ascii") + b"\n"
        _add(tar, {"name": MANIFEST, "mode": 0o600}, text)
        _add(tar, {"name": SUMS, "mode": 0o600}, sums(manifest, "files").encode("utf-8", "surrogateescape"))
        for entry in manifest["files"]:
            if entry["type"] in ("absent", "special"):
                continue
            about = {
                "name": "files" + entry["path"],
                "mode": int(entry["mode"], 8),
                "uid": entry["uid"],
                "gid": entry["gid"],
                "mtime": entry["mtime_ns"] / 1e9,
            }
            if entry["type"] == "link":
                about.update(type=tarfile.SYMTYPE, linkname=entry["target"])
            elif entry["type"] == "directory":
                about.update(type=tarfile.DIRTYPE)
            _add(tar, about, contents.get(entry["path"], b""))
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, about: dict[str, Any], data: bytes) -> None:
    member = tarfile.TarInfo(about["name"])
    for name, value in about.items():
        setattr(member, name, value)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def sums(manifest: dict[str, Any], prefix: str = "") -> str:
    """The hashes of the files as `sha256sum --check` takes them."""
    return "".join(
        f"{_backslash(entry['path'])}{entry['sha256']}  {_escaped(prefix + entry['path'])}\n"
        for entry in manifest["files"]
        if entry["type"] == "file"
    )


def expected(entries: list[dict[str, Any]], changed: set[str]) -> dict[str, Any]:
    """What the gateway's own tools must say of these entries of a manifest.

    sums: as `sha256sum -c` takes them, of all; stat: what `stat -c '%u %g %a %n'` says of `paths`, those in `changed`
    """
    looked = [entry for entry in entries if entry["path"] in changed]
    return {
        "sums": sums({"files": entries}),
        "paths": [entry["path"] for entry in looked],
        "stat": [
            f"{entry['uid']} {entry['gid']} {int(entry['mode'], 8):o} {entry['path']}"
            for entry in looked
            if entry["type"] != "absent"
        ],
    }


def _backslash(path: str) -> str:
    return "\\" if _escaped(path) != path else ""


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


# --- reading it ----------------------------------------------------------------------------------------------------


def read(archive: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest and the contents by path, each with the hash that the manifest names. ArchiveError where not."""
    try:
        manifest, contents = _unpack(archive)
        entries = manifest["files"]
        wanted = {entry["path"]: entry["sha256"] for entry in entries if entry["type"] == "file"}
        if manifest["schema_version"] != SCHEMA_VERSION:
            raise ArchiveError(f"it was written by another version (schema_version {manifest['schema_version']!r})")
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(f"it is damaged, or no backup of ours ({type(error).__name__})") from None
    found = {path: hashlib.sha256(data).hexdigest() for path, data in contents.items()}
    for path in sorted(set(wanted) | set(found)):
        if wanted.get(path) != found.get(path):
            raise ArchiveError(f"the hash of {path} is not the one that its manifest names")
    for entry in entries:
        path = entry["path"]
        if not path.startswith("/") or os.path.normpath(path) != path or "\0" in path:
            raise ArchiveError(f"it names the place {path!r}")
    return manifest, contents


def _unpack(archive: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    manifest: dict[str, Any] = {}
    contents: dict[str, bytes] = {}
    room = MAX_BYTES + 64 * 1024 * 1024
    # As a whole first: tarfile would not look at the checksum that stands at the end.
    unpacker = zlib.decompressobj(wbits=31)
    plain = unpacker.decompress(archive, room)
    if not unpacker.eof or unpacker.unused_data:
        raise ArchiveError("it is cut off, or larger than any backup of ours")
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
        for member in tar:
            room -= member.size
            if room < 0 or len(contents) > MAX_FILES:
                raise ArchiveError("it is larger than any backup of ours")
            if not member.isreg():
                continue
            reader = tar.extractfile(member)
            data = reader.read() if reader else b""
            if member.name == MANIFEST:
                manifest = json.loads(data)
            elif member.name.startswith("files/"):
                contents[member.name[len("files") :]] = data
    return manifest, contents
