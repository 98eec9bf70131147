# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host keys on record, and whether the key that a device shows is one of them. Strict: no first use is trusted.

Known hosts: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. Keys: RFC 4253, section 6.6.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import SessionFailed

_MAX_FILE = 8 * 1024 * 1024


@dataclass(frozen=True)
class HostKeys:
    """The keys that a device may show: (kind, key), or where only that is on record, one fingerprint."""

    where: str
    keys: tuple[tuple[str, bytes], ...] = ()
    fingerprint: str | None = None
    revoked: tuple[bytes, ...] = ()

    def kinds(self) -> list[str]:
        """The kinds to ask for: a device with several keys shows the one that is asked for. Empty: any."""
        return list(dict.fromkeys(kind for kind, _key in self.keys))

    def check(self, kind: str, key: bytes) -> None:
        """SessionFailed unless this key is on record."""
        shown = f"the device shows {kind} {fingerprint_of(key)}"
        if key in self.revoked:
            raise SessionFailed("host_key_mismatch", f"{shown}, which {self.where} revokes")
        if self.fingerprint is not None:
            if not hmac.compare_digest(self.fingerprint, fingerprint_of(key)):
                raise SessionFailed("host_key_mismatch", f"{shown}, which is not the one in {self.where}")
        elif not self.keys:
            raise SessionFailed("host_key_unknown", f"{shown}, and {self.where}")
        elif (kind, key) not in self.keys:
            raise SessionFailed("host_key_mismatch", f"{shown}, which is not the one in {self.where}")


def fingerprint_of(key: bytes) -> str:
    """As ssh-keygen -l shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


def keys_on_record(pinned: str | None, known_hosts: str | None, names: Sequence[str], port: int) -> HostKeys:
    """`pinned`: a SHA256 fingerprint or a public key (kind and Base64); else what the known_hosts file has.

    SessionFailed with host_key_unknown where a record cannot be read; a device without a record gets empty HostKeys,
    which refuse every key and tell the fingerprint shown.
    """
    if pinned:
        return _pinned(pinned)
    if not known_hosts:
        return HostKeys(where="no host key is on record (device_ssh_host_key, or a known_hosts file)")
    path = os.path.expanduser(known_hosts)
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            text = handle.read(_MAX_FILE)
    except OSError as error:
        raise SessionFailed("host_key_unknown", f"{known_hosts}: {error.strerror}") from None
    return _known(text, known_hosts, names, port)


def _pinned(text: str) -> HostKeys:
    words = text.split()
    for first, second in zip(words, [*words[1:], ""]):
        if first.startswith("SHA256:"):
            return HostKeys("device_ssh_host_key", fingerprint=first.rstrip("="))
        key = _blob(second)
        if key is not None and _kind_of(key) == first:
            return HostKeys("device_ssh_host_key", keys=((first, key),))
    raise SessionFailed(
        "host_key_unknown", "device_ssh_host_key is neither a fingerprint (SHA256:…) nor a public key (kind and Base64)"
    )


def _known(text: str, path: str, names: Sequence[str], port: int) -> HostKeys:
    wanted = [name if port == 22 else f"[{name}]:{port}" for name in names]
    keys: list[tuple[str, bytes]] = []
    revoked: list[bytes] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) < 3 or marker not in ("", "@revoked") or not any(_names(words[0], name) for name in wanted):
            continue
        key = _blob(words[2])
        if key is None or _kind_of(key) != words[1]:
            continue
        if marker:
            revoked.append(key)
        else:
            keys.append((words[1], key))
    where = path if keys else f"{path} has no key for {wanted[0]}"
    return HostKeys(where, keys=tuple(keys), revoked=tuple(revoked))


def _names(hosts: str, name: str) -> bool:
    if hosts.startswith("|1|"):
        parts = hosts.split("|")
        salt, digest = (_decoded(part) for part in parts[2:4]) if len(parts) == 4 else (None, None)
        if salt is None or digest is None:
            return False
        return hmac.compare_digest(hmac.new(salt, name.encode("utf-8"), hashlib.sha1).digest(), digest)
    found = False
    for pattern in hosts.lower().split(","):
        # A bracket opens no set here: [host]:port is how a port is written.
        if fnmatch.fnmatchcase(name.lower(), pattern.lstrip("!").replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _blob(text: str) -> bytes | None:
    return _decoded(text) if text.startswith("AAAA") else None


def _kind_of(key: bytes) -> str:
    length = int.from_bytes(key[:4], "big")
    return key[4 : 4 + length].decode("ascii", "replace")
