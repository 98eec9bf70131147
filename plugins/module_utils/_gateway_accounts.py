# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's local accounts: who can log in, who administers, who was last seen when. A hash never leaves here."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils._gateway_host import (
    Host,
    NotPermitted,
    NotSupported,
)

_NO_LOGIN_SHELLS = ("nologin", "false", "sync", "halt", "shutdown")
_ADMINISTRATORS = ("sudo", "wheel", "admin", "root")
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
        detail = "password states, expiry dates and SSH keys are seen by a privileged login only"
    administrators = parse_administrators(host.read("/etc/group") or "")
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
                "administrator": uid == 0 or name in administrators or gid in (0,),
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


def parse_administrators(text: str) -> set[str]:
    """Members of the groups that may become root, from /etc/group."""
    members: set[str] = set()
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == 4 and fields[0] in _ADMINISTRATORS:
            members.update(name for name in fields[3].split(",") if name)
    return members


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
