# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's local accounts: who can log in, who administers, who was last seen when. A hash never leaves here."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any, Optional

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import (
    Host,
    NotPermitted,
    NotSupported,
    Output,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.keys import KeyPlaces, key_places
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.sudoers import (
    Account,
    groups_of,
    read_doas,
    read_sudoers,
)

_NO_LOGIN_SHELLS = ("nologin", "false", "true", "null", "sync", "halt", "shutdown")
#: Groups that may administer by custom; whether they do is told by the rules alone.
_ADMINISTRATORS = ("sudo", "wheel", "admin", "root")
_DOAS = ("/etc/doas.conf", "/usr/local/etc/doas.conf")
#: nsswitch.conf's word for a directory -> what is there where it is in use.
_DIRECTORIES = {
    "sss": ("/etc/sssd/sssd.conf", "/etc/sssd/conf.d"),
    "ldap": ("/etc/nslcd.conf", "/etc/ldap.conf", "/etc/libnss-ldap.conf", "/etc/sudo-ldap.conf"),
    "winbind": ("/etc/samba/smb.conf",),
    "nis": ("/etc/yp.conf",),
    "nisplus": ("/etc/yp.conf",),
}
#: Commands about single accounts that are run at most.
_MAX_ASKED = 100
#: struct lastlog of glibc on 64-bit and 32-bit machines: int32 seconds, 32 bytes terminal, 256 bytes host.
_LASTLOG = struct.Struct("=i32s256s")
Answer = Optional[bool]


@dataclass(frozen=True)
class Password:
    """What /etc/shadow says of one account, without the hash."""

    state: str
    expires_on: str | None


def accounts(host: Host, _options: dict[str, Any]) -> dict[str, Any]:
    """{"accounts": [...], "detail": what a privileged login would add, or where further accounts are}."""
    text = host.read("/etc/passwd")
    if text is None:
        raise NotSupported("no /etc/passwd")
    detail = ""
    passwords: dict[str, Password] = {}
    try:
        passwords = parse_shadow(host.read("/etc/shadow") or "")
    except NotPermitted:
        detail = "password states, expiry dates, SSH keys and sudo's rules are seen by a privileged login only"
    logins, keys, may_administer = _last_logins(host), key_places(host), _administrators(host)
    own_states = parse_passwd_states(text)
    found = []
    for name, uid, gid, home, shell in parse_passwd(text):
        password = passwords.get(name, Password("unknown", None))
        # Only "x" sends the system to /etc/shadow.
        state = own_states.get(name) or password.state
        can_login = _can_login(host, keys, (name, uid, home), shell, state)
        found.append(
            {
                "name": name,
                "uid": uid,
                "shell": shell,
                "can_login": can_login,
                "password": state,
                "administrator": may_administer(name, uid, gid, can_login),
                "last_login_at": logins.get(uid),
                "expires_on": password.expires_on,
            }
        )
    elsewhere = _directories(host, text)
    if elsewhere:
        # Who they are is not visible here; that there are some is.
        told = f"accounts of a directory ({', '.join(elsewhere)}) may log in too, and are not visible here"
        detail = f"{detail}; {told}" if detail else told
        found += [_unseen(name) for name in elsewhere]
    return {"accounts": found, "detail": detail}


def _unseen(directory: str) -> dict[str, Any]:
    unknown = dict.fromkeys(("uid", "shell", "can_login", "administrator", "last_login_at", "expires_on"))
    return {"name": f"*@{directory}", "password": "unknown", **unknown}


def parse_passwd(text: str) -> list[tuple[str, int, int, str, str]]:
    """(name, uid, gid, home, shell) of each account of /etc/passwd, as the C library reads it: the first line of a
    name counts, what is missing at the end of a line is empty."""
    found: dict[str, tuple[str, int, int, str, str]] = {}
    for line in text.splitlines():
        fields = line.lstrip().split(":")
        if len(fields) < 4 or not (fields[2].isdigit() and fields[3].isdigit()) or not fields[0]:
            continue
        if fields[0][0] in "#+-":
            continue
        home, shell = (*fields[5:7], "", "")[:2]
        found.setdefault(fields[0], (fields[0], int(fields[2]), int(fields[3]), home, shell.strip() or "/bin/sh"))
    return list(found.values())


def parse_passwd_states(text: str) -> dict[str, str | None]:
    """The state of the password by account where /etc/passwd itself holds it; None where /etc/shadow does."""
    found: dict[str, str | None] = {}
    for line in text.splitlines():
        fields = line.lstrip().split(":")
        if len(fields) >= 4:
            found.setdefault(fields[0], None if fields[1] == "x" else _password_state(fields[1]))
    return found


def _password_state(field: str) -> str:
    if field == "":
        return "empty"
    return "locked" if field[0] in "!*" or field == "x" else "set"


def parse_shadow(text: str) -> dict[str, Password]:
    """Password state and expiry by account (shadow(5)); the first line of a name counts, a short one too."""
    found: dict[str, Password] = {}
    for line in text.splitlines():
        fields = line.lstrip().split(":")
        if len(fields) < 2 or not fields[0]:
            continue
        expires_on = None
        if len(fields) > 7 and fields[7].isdigit():
            expires_on = (date(1970, 1, 1) + timedelta(days=min(int(fields[7]), 2_000_000))).isoformat()
        # The hash is looked at and dropped.
        found.setdefault(fields[0], Password(_password_state(fields[1]), expires_on))
    return found


def parse_groups(text: str) -> dict[str, tuple[int, list[str]]]:
    """(number, members) of each group of /etc/group."""
    found: dict[str, tuple[int, list[str]]] = {}
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= 3 and fields[2].isdigit():
            members = [name for name in (fields[3].split(",") if len(fields) > 3 else ()) if name]
            found.setdefault(fields[0], (int(fields[2]), members))
    return found


def _administrators(host: Host) -> Callable[[str, int, int, Answer], Answer]:
    """Who may become root: by the rules of sudo and doas, and what they leave open is asked of sudo itself."""
    groups = parse_groups(host.read("/etc/group") or "")
    local = frozenset(groups)
    name_here = (host.read("/proc/sys/kernel/hostname") or "").strip()
    switch = _switch(host)
    # Rules of a directory, and members that it adds to a group of this machine, are not seen.
    elsewhere, grouped = (_in_use(host, switch.get(kind, ())) for kind in ("sudoers", "group"))
    try:
        sudo = read_sudoers("/etc/sudoers", host.read, host.glob)
        doas = read_doas([text for path in _doas_files(host) for text in [host.read(path)] if text is not None])
        readable = True
    except (NotPermitted, NotSupported):
        readable = False
    asked = 0

    def may(name: str, uid: int, gid: int, can_login: Answer) -> Answer:
        nonlocal asked
        if uid == 0:
            return True
        account = Account(name, uid, gid, groups_of(name, gid, groups))
        by_custom = any(group in account.groups for group in _ADMINISTRATORS) or gid == 0
        if not readable:
            return True if by_custom else None
        told = (sudo.may(account, name_here, frozenset() if grouped else local), doas(account))
        if True in told:
            return True
        # Without a rule, a group is a custom: polkit and su may go by it.
        if (None in told or by_custom or elsewhere) and can_login is not False and asked < _MAX_ASKED:
            answer, answered = _ask_sudo(host, name) if host.privileged() else (None, True)
            # A directory that does not answer once is not waited for again.
            asked = asked + 1 if answered else _MAX_ASKED
            return answer if answer or not by_custom else None
        return None if None in told or by_custom or elsewhere else False

    return may


def _doas_files(host: Host) -> list[str]:
    try:
        return [*_DOAS, *host.glob("/etc/doas.d/*.conf")]
    except NotSupported:  # a recording that did not look there
        return list(_DOAS)


def _ask_sudo(host: Host, name: str) -> tuple[Answer, bool]:
    """(what `sudo -l -U` says of an account, None where nothing is understood; whether it answered in time)."""
    output = host.run("sudo", "-n", "-l", "-U", name)
    return _understood(name, output), output is None or output.status != 124


def _understood(name: str, output: Output | None) -> Answer:
    text = output.stdout if output else ""
    if re.search(rf"User {re.escape(name)} is not allowed to run sudo", text):
        return False
    listed = re.search(r"may run the following commands[^\n]*:\n(.*)", text, re.DOTALL)
    # Whose password it wants, that of root or one's own, is not said of each rule.
    if output is None or output.status != 0 or listed is None or re.search(r"\b(target|root|runas)pw\b", text):
        return None
    whole = re.search(r"^\s+\((?:ALL|root)(?:\s*[:,][^)]*)?\)(?:\s+[A-Z]+:)*\s+ALL\s*$", listed[1], re.MULTILINE)
    return True if whole else None


def _switch(host: Host) -> dict[str, list[str]]:
    """nsswitch.conf: where each kind of name is looked up."""
    lines = (line.split("#", 1)[0].partition(":") for line in (host.read("/etc/nsswitch.conf") or "").splitlines())
    return {kind.strip(): re.sub(r"\[[^]]*\]", " ", sources).split() for kind, colon, sources in lines if colon}


def _in_use(host: Host, sources: Iterable[str]) -> list[str]:
    """Those directories of these sources that are set up: RHEL names sss on every machine."""
    return [
        source
        for source in dict.fromkeys(sources)
        if any(host.state(path) is not None for path in _DIRECTORIES.get(source, ()))
    ]


def _directories(host: Host, passwd: str) -> list[str]:
    """Where accounts are that /etc/passwd does not hold."""
    sources = _switch(host).get("passwd", [])
    compat = ["nis"] if "compat" in sources and re.search(r"^\s*\+", passwd, re.MULTILINE) else []
    return list(dict.fromkeys([*_in_use(host, sources), *compat]))


def _can_login(host: Host, keys: KeyPlaces, who: tuple[str, int, str], shell: str, password: str) -> bool | None:
    if shell.rsplit("/", 1)[-1] in _NO_LOGIN_SHELLS:
        return False
    if password in ("set", "empty"):
        return True
    try:
        held = any(_has_key(host.read(path) or "") for path in keys.of(*who))
    except (NotPermitted, NotSupported):
        return None
    if held:
        return True
    # A locked password and no key; where either could not be seen, nothing is known.
    return False if password == "locked" and not keys.elsewhere else None


def _has_key(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


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
