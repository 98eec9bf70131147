# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's local accounts: who can log in, who administers, who was last seen when. A hash never leaves here."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host, NotPermitted, NotSupported

_NO_LOGIN_SHELLS = ("nologin", "false", "sync", "halt", "shutdown")
_ADMINISTRATORS = ("sudo", "wheel", "admin", "root")
_SUDOERS = ("/etc/sudoers", "/etc/sudoers.d/*")
#: struct lastlog of glibc on 64-bit and 32-bit machines: int32 seconds, 32 bytes terminal, 256 bytes host.
_LASTLOG = struct.Struct("=i32s256s")


@dataclass(frozen=True)
class Password:
    """What /etc/shadow says of one account, without the hash."""

    state: str
    expires_on: str | None


def accounts(host: Host, _options: dict[str, Any]) -> dict[str, Any]:
    """{"accounts": [...], "detail": what a privileged login would add}."""
    text = host.read("/etc/passwd")
    if text is None:
        raise NotSupported("no /etc/passwd")
    detail = ""
    passwords: dict[str, Password] = {}
    try:
        passwords = parse_shadow(host.read("/etc/shadow") or "")
    except NotPermitted:
        detail = "password states, expiry dates, SSH keys and sudo's rules are seen by a privileged login only"
    administrators, all_known = parse_administrators(host.read("/etc/group") or ""), True
    try:
        administrators = parse_administrators(host.read("/etc/group") or "", _sudoers(host))
    except (NotPermitted, NotSupported):
        all_known = False
    logins = _last_logins(host)
    found = []
    for name, uid, gid, home, shell in parse_passwd(text):
        password = passwords.get(name, Password("unknown", None))
        found.append(
            {
                "name": name,
                "uid": uid,
                "shell": shell,
                "can_login": _can_login(host, shell, home, password.state),
                "password": password.state,
                "administrator": uid == 0 or gid == 0 or name in administrators or (False if all_known else None),
                "last_login_at": logins.get(uid),
                "expires_on": password.expires_on,
            }
        )
    return {"accounts": found, "detail": detail}


def parse_passwd(text: str) -> list[tuple[str, int, int, str, str]]:
    """(name, uid, gid, home, shell) of each line of /etc/passwd."""
    found = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == 7 and fields[2].isdigit() and fields[3].isdigit() and fields[0]:
            found.append((fields[0], int(fields[2]), int(fields[3]), fields[5], fields[6] or "/bin/sh"))
    return found


def parse_shadow(text: str) -> dict[str, Password]:
    """Password state and expiry by account (shadow(5)). The hash is looked at and dropped."""
    found = {}
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) < 9:
            continue
        field = fields[1]
        if field == "":
            state = "empty"
        elif field[0] in "!*" or field == "x":
            state = "locked"
        else:
            state = "set"
        expires_on = None
        if fields[7].isdigit():
            expires_on = (date(1970, 1, 1) + timedelta(days=min(int(fields[7]), 2_000_000))).isoformat()
        found[fields[0]] = Password(state, expires_on)
    return found


def parse_administrators(group: str, sudoers: Sequence[str] = ()) -> set[str]:
    """Who may become root: members of the groups that may, and whom sudoers(5) names ("%" before a group)."""
    found = {name for name in sudoers if not name.startswith("%")}
    groups = {*_ADMINISTRATORS, *(name[1:] for name in sudoers if name.startswith("%"))}
    for line in group.splitlines():
        fields = line.split(":")
        if len(fields) == 4 and fields[0] in groups:
            found.update(name for name in fields[3].split(",") if name)
    return found


def parse_sudoers(text: str) -> list[str]:
    """The accounts and %groups that a sudoers file lets run something, aliases not resolved."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        rule = "=" in line and len(words) > 1 and not line.startswith(("#", "@", "Defaults"))
        if rule and not words[0].endswith("_Alias"):
            found.append(words[0])
    return found


def _sudoers(host: Host) -> list[str]:
    paths = [path for pattern in _SUDOERS for path in host.glob(pattern)]
    # sudo itself passes over a file with a dot or a tilde in its name.
    kept = [path for path in paths if not path.endswith("~") and "." not in path.rpartition("/")[2]]
    return [name for path in kept for name in parse_sudoers(host.read(path) or "")]


def _can_login(host: Host, shell: str, home: str, password: str) -> bool | None:
    if shell.rsplit("/", 1)[-1] in _NO_LOGIN_SHELLS:
        return False
    if password in ("set", "empty"):
        return True
    try:
        keys = (host.read(f"{home}/.ssh/authorized_keys") or "") + (host.read(f"{home}/.ssh/authorized_keys2") or "")
    except NotPermitted:
        return None
    if any(line.strip() and not line.lstrip().startswith("#") for line in keys.splitlines()):
        return True
    # A locked password and no key; where neither could be seen, nothing is known.
    return False if password == "locked" else None


def _last_logins(host: Host) -> dict[int, str]:
    try:
        data = host.read_bytes("/var/log/lastlog")
    except NotPermitted:
        return {}
    return parse_lastlog(data or b"")


def parse_lastlog(data: bytes) -> dict[int, str]:
    """Last login by uid, from /var/log/lastlog."""
    found = {}
    for uid in range(len(data) // _LASTLOG.size):
        seconds = _LASTLOG.unpack_from(data, uid * _LASTLOG.size)[0]
        if seconds > 0:
            moment = datetime.fromtimestamp(seconds, timezone.utc)
            found[uid] = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    return found
