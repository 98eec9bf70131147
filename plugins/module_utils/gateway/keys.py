# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the SSH servers of a gateway look for somebody's keys: sshd_config(5), dropbear(8)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host, NotPermitted, NotSupported

_CONFIGURATION = ("/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config")
_DEFAULT = (".ssh/authorized_keys", ".ssh/authorized_keys2")
#: OpenWrt's dropbear has root's keys here, others' in their homes.
_DROPBEAR = "/etc/dropbear/authorized_keys"
_MAX_FILES = 100


@dataclass(frozen=True)
class KeyPlaces:
    """patterns: of files, as AuthorizedKeysFile has them. elsewhere: keys, or certificates, may count that no file of
    an account shows."""

    patterns: tuple[str, ...]
    elsewhere: bool

    def of(self, name: str, uid: int, home: str) -> list[str]:
        """The files that hold keys of this account."""
        stands_for = {"%%": "%", "%h": home, "%u": name, "%U": str(uid)}
        paths = [re.sub("%[%huU]", lambda found: stands_for[found[0]], pattern) for pattern in self.patterns]
        return [posixpath.join(home or "/", path) for path in paths] + ([_DROPBEAR] if uid == 0 else [])


def key_places(host: Host) -> KeyPlaces:
    """Whatever any line says counts, those for some accounts alone (Match) too: a key that works is never missed."""
    patterns: list[str] = []
    elsewhere = False
    waiting, seen = list(_CONFIGURATION), set[str]()
    while waiting and len(seen) < _MAX_FILES:
        path = waiting.pop(0)
        try:
            text = None if path in seen else host.read(path)
        except NotPermitted:
            text, elsewhere = None, True
        seen.add(path)
        for line in (text or "").splitlines():
            words = re.findall(r'"[^"]*"|[^\s="]+', line.split("#", 1)[0])
            name, values = (words[0].lower(), [word.strip('"') for word in words[1:]]) if words else ("", [])
            if name == "include":
                waiting += [found for value in values for found in _names(host, posixpath.join("/etc/ssh", value))]
            elif name == "authorizedkeysfile":
                patterns += values
            elif name in ("authorizedkeyscommand", "trustedusercakeys") and values and values[0].lower() != "none":
                elsewhere = True
    named = [pattern for pattern in dict.fromkeys(patterns) if pattern.lower() != "none"]
    # Without a line, and where lines hold for some accounts alone, the others have their keys in the usual place.
    return KeyPlaces(tuple(dict.fromkeys([*named, *_DEFAULT])), elsewhere)


def _names(host: Host, pattern: str) -> list[str]:
    try:
        return host.glob(pattern)
    except NotSupported:  # a recording that did not look there
        return []
