# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files of a gateway as one archive, and back into place.

The archive is a tar.gz: MANIFEST.json, SHA256SUMS (as sha256sum writes it) and files/<path>. A private key is known by
what is in the file; it goes into an archive only where that is asked for.
"""

from __future__ import annotations

import glob
import hashlib
import io
import json
import os
import re
import stat
import tarfile
import zlib
from contextlib import suppress
from typing import Any

SCHEMA_VERSION = 1
MANIFEST = "MANIFEST.json"
SUMS = "SHA256SUMS"
MAX_BYTES = 64 * 1024 * 1024
MAX_FILES = 20000
_SUFFIX = ".cert-hygiene-new"


class ArchiveError(Exception):
    """The archive cannot be made, read or put back; the text is one sentence."""


# --- what must not leave the gateway in the clear ------------------------------------------------------------------

_PEM_KEY = re.compile(
    rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY"
)
_PKCS12_VERSION = re.compile(rb"\A\x30(?:[\x00-\x7f]|\x80|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03", re.DOTALL)
#: PKCS#8 (version, AlgorithmIdentifier), PKCS#1 (version 0, modulus), SEC1 (version 1, octets).
_DER_KEY = re.compile(
    rb"\A\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)(?:\x02\x01[\x00\x01]\x30|\x02\x01\x00\x02|\x02\x01\x01\x04)",
    re.DOTALL,
)
#: PKCS#8, encrypted: an AlgorithmIdentifier of PKCS#5 or PKCS#12.
_DER_ENCRYPTED_KEY = re.compile(
    rb"\A\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)\x30(?:.|\x81.)\x06.\x2a\x86\x48\x86\xf7\x0d\x01(?:\x05|\x0c)",
    re.DOTALL,
)
_KEY_NAME = re.compile(
    r"(?i)(\.(key|p12|pfx|bks|bcfks|ppk|keytab)|/key[34]\.db|/ssh_host_\w+_key|/id_(rsa|dsa|ecdsa|ed25519))$"
)
_PASSWORD_NAME = re.compile(r"(/g?shadow-?|/(chap|pap)-secrets|/\.?htpasswd|/\.netrc|/\.pgpass)$")
_PASSWORD = re.compile(rb"(?im)^[^#\n]{0,64}:\$(?:1|2[abxy]?|5|6|7|y|gy)\$|^\s*(?:psk|wep-key\d|sae_password)\s*=\s*\S")


def secret_inside(path: str, data: bytes) -> str | None:
    """ "private_key", "password", or None where neither is in the file."""
    if _PEM_KEY.search(data) or _DER_KEY.match(data) or _DER_ENCRYPTED_KEY.match(data):
        return "private_key"
    if data[:4] in (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"):
        return "private_key" if _store_has_key(data) else None
    if _PKCS12_VERSION.match(data) or (data[:15] == b"SQLite format 3" and b"nssPrivate" in data):
        return "private_key"
    if _KEY_NAME.search(path) and data and b"-----BEGIN CERTIFICATE-----" not in data:
        return "private_key"
    if _PASSWORD_NAME.search(path) or _PASSWORD.search(data):
        return "password"
    return None


def _store_has_key(data: bytes) -> bool:
    """Whether a JKS or JCEKS store holds anything but trusted certificates. Rather yes where it cannot be followed."""
    version, count, at = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big"), 12
    for _entry in range(count):
        if at + 6 > len(data) or int.from_bytes(data[at : at + 4], "big") != 2:
            return True
        at += 6 + int.from_bytes(data[at + 4 : at + 6], "big") + 8
        if version == 2:
            at += 2 + int.from_bytes(data[at : at + 2], "big")
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return at > len(data)


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
        entry, data = _look(path)
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
        found += [os.path.join(folder, name) for name in (*folders, *files) if not name.endswith(_SUFFIX)]
    return found


def _look(path: str) -> tuple[dict[str, Any], bytes]:
    """One entry of a manifest, and the content of a file."""
    try:
        state = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"path": path, "type": "absent"}, b""
    entry = {
        "path": path,
        "uid": state.st_uid,
        "gid": state.st_gid,
        "mode": f"{stat.S_IMODE(state.st_mode):04o}",
        "mtime_ns": state.st_mtime_ns,
    }
    if stat.S_ISLNK(state.st_mode):
        return {**entry, "type": "link", "target": os.readlink(path)}, b""
    if stat.S_ISDIR(state.st_mode):
        return {**entry, "type": "directory"}, b""
    if not stat.S_ISREG(state.st_mode):
        return {**entry, "type": "special"}, b""
    data = _read(path)
    xattrs = _xattrs(path)
    more = {"xattrs": xattrs} if xattrs else {}
    return {**entry, "type": "file", "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **more}, data


def _read(path: str) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as reader:
            before = os.fstat(handle)
            if before.st_size > MAX_BYTES:
                raise ArchiveError(f"{path} is larger than {MAX_BYTES // 1048576} MiB: leave it out")
            data = reader.read(MAX_BYTES + 1)
            after = os.fstat(handle)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read ({error.strerror}): use a privileged login") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(data) != after.st_size:
        raise ArchiveError(f"{path} was written to while it was read: run it again")
    return data


#: What a file's rights are made of beside its mode.
_KEPT_XATTRS = ("security.selinux", "system.posix_acl_access", "security.capability")


def _xattrs(path: str) -> dict[str, str]:
    found = {}
    for name in _KEPT_XATTRS:
        try:
            found[name] = os.getxattr(path, name, follow_symlinks=False).hex()
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


# --- putting it back -----------------------------------------------------------------------------------------------


def differences(manifest: dict[str, Any]) -> dict[str, Any]:
    """What is not as it was.

    changes: [{"path", "type", "what": [...]}]; files: the same as the journal takes them;
    keys_left: what is to be said of private keys and passwords that were left on the gateway;
    extra: files that are in a saved folder only now
    """
    changes, files = [], []
    for entry in manifest["files"]:
        now, _data = _look(entry["path"])
        what = _differs(entry, now)
        if what:
            hashes = {"before_sha256": now.get("sha256"), "after_sha256": entry.get("sha256")}
            files.append({"path": entry["path"], **{name: value for name, value in hashes.items() if value}})
            changes.append({"path": entry["path"], "type": entry["type"], "what": what})
    keys = []
    for entry in manifest["left_out"]:
        now, _data = _look(entry["path"])
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
                os.mkdir(path, 0o700)
                made.append(path)
            elif entry["type"] in ("file", "link"):
                prepared.append(path)
                _write(entry, contents.get(path, b""), beside(path))
    except (OSError, ArchiveError) as error:
        _clear([beside(one) for one in prepared], made)
        why = f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise ArchiveError(f"nothing was put back ({why})") from None
    done = 0
    try:
        for entry in entries:
            path = entry["path"]
            if entry["type"] == "directory":
                os.chown(path, entry["uid"], entry["gid"])
                os.chmod(path, int(entry["mode"], 8))
            elif entry["type"] in ("file", "link"):
                os.rename(beside(path), path)
                done += 1
        for path in sorted(going, reverse=True):
            _take_away(path)
        for path in sorted({os.path.dirname(entry["path"]) for entry in entries}):
            _sync(path)
    except OSError as error:
        _clear([beside(one) for one in prepared[done:]], [])
        raise ArchiveError(
            f"{done} of {len(prepared)} files were put back, each of them whole, then {path}: {error.strerror}"
        ) from None


def beside(path: str) -> str:
    """Where a new file lies until it is put in place."""
    return os.path.join(os.path.dirname(path), "." + os.path.basename(path) + _SUFFIX)


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
    _unlink(place)
    if entry["type"] == "link":
        os.symlink(entry["target"], place)
        os.chown(place, entry["uid"], entry["gid"], follow_symlinks=False)
        return
    handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w+b") as file:
        file.write(data)
        file.flush()
        os.fchown(handle, entry["uid"], entry["gid"])
        os.fchmod(handle, int(entry["mode"], 8))
        for name, value in entry.get("xattrs", {}).items():
            os.setxattr(handle, name, bytes.fromhex(value))
        os.utime(handle, ns=(entry["mtime_ns"], entry["mtime_ns"]))
        os.fsync(handle)
        file.seek(0)
        if hashlib.sha256(file.read()).hexdigest() != entry["sha256"]:
            raise ArchiveError(f"{place} was not written as it should be")


def _clear(files: list[str], folders: list[str]) -> None:
    """Take away what was made, as far as it can be: the reason why that was needed must not be lost."""
    for remove, paths in ((os.unlink, files), (os.rmdir, reversed(folders))):
        for path in paths:
            with suppress(OSError):
                remove(path)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _take_away(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    else:
        _unlink(path)


def _sync(folder: str) -> None:
    if not os.path.isdir(folder):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
