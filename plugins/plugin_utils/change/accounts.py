# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts of a gateway are to be closed, and which are kept although somebody would close them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_mapping, clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import parse_limit

#: shadow's own rule, and never an option of a command.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,254}\$?")
_NOBODY = 65534


@dataclass(frozen=True)
class Entry:
    """One account that the hospital's list speaks against.

    action: close (still to be done) | closed (nothing left to do) | keep (told, never touched)
    reason: ended | factory | unlisted; kept: login_account | system_account | last_administrator | listed | odd_name
    password, expires_on: as they are now, for the way back
    """

    name: str
    action: str
    reason: str
    kept: str | None
    password: str
    expires_on: str | None
    until: str | None
    owner: str | None


def account_plan(
    accounts: Sequence[Any],
    listed: Any,
    *,
    now: datetime,
    factory: Collection[str] = (),
    login: Collection[str] = (),
    unlisted: bool = False,
    uid_min: int = 1000,
) -> list[dict[str, Any]]:
    """Entries as dictionaries, in the order of `accounts` (those of gateway_info).

    listed: device_accounts, None where it is not declared; login: names under which Ansible is there.
    ValueError, in one sentence, where the list cannot be trusted to close anybody's account.
    """
    if not login:
        raise ValueError("login: the account that Ansible is logged in with is not known")
    leave = _leave(listed, unlisted)
    found = [_Account.of(account) for account in map(as_mapping, accounts)]
    entries = []
    for account in found:
        reason = _reason(account, leave, factory, unlisted, now)
        if reason is not None:
            entries.append((account, reason, _kept(account, reason, leave, login, uid_min, now)))
    closing = {account.name for account, _reason_, kept in entries if kept is None and not account.is_closed(now)}
    if not any(account.opens_root(now) for account in found if account.name not in closing):
        # Which of them is the one to stay is not ours to choose; nor is one closed that may be the last.
        entries = [
            (account, reason, kept or ("last_administrator" if account.may_open_root(now) else None))
            for account, reason, kept in entries
        ]
    return [asdict(_entry(account, reason, kept, leave, now)) for account, reason, kept in entries]


@dataclass(frozen=True)
class _Account:
    name: str
    uid: int
    password: str
    expires_on: str | None
    can_login: bool | None
    administrator: bool | None

    @staticmethod
    def of(told: Mapping[str, Any]) -> _Account:
        uid = told.get("uid")
        expires_on = told.get("expires_on")
        return _Account(
            name=str(told.get("name") or ""),
            uid=uid if isinstance(uid, int) else 0,
            password=str(told.get("password") or "unknown"),
            expires_on=expires_on if isinstance(expires_on, str) else None,
            can_login=_flag(told.get("can_login")),
            administrator=_flag(told.get("administrator")),
        )

    def _expired(self, now: datetime) -> bool:
        expires = parse_limit(self.expires_on, end_of_day=False)
        return expires is not None and expires <= now

    def is_closed(self, now: datetime) -> bool:
        """Both, because an SSH key does not ask whether the password is locked."""
        return self.password == "locked" and self._expired(now)

    def opens_root(self, now: datetime) -> bool:
        """Whether somebody surely can administer the gateway with it today."""
        return self.administrator is True and self.can_login is True and not self._expired(now)

    def may_open_root(self, now: datetime) -> bool:
        """Whether somebody can, or could not be ruled out."""
        return self.administrator is not False and self.can_login is not False and not self._expired(now)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


_Leave = Mapping[str, Sequence[Mapping[str, Any]]]


def _leave(listed: Any, unlisted: bool) -> _Leave:
    """The entries of device_accounts by name. A date that cannot be read closes nobody's account: it is refused."""
    if listed is None:
        if unlisted:
            raise ValueError("device_accounts is not declared: whoever is not on it cannot be told")
        return {}
    if not isinstance(listed, (list, tuple)):
        raise ValueError("device_accounts is a list of {name, until, owner}")
    found: dict[str, list[Mapping[str, Any]]] = {}
    for entry in map(as_mapping, listed):
        name, until = entry.get("name"), entry.get("until")
        if not isinstance(name, str) or not name:
            raise ValueError("device_accounts: an entry has no name")
        if until is not None and parse_limit(until, end_of_day=True) is None:
            raise ValueError(f"device_accounts: the until of {clean_text(name)} is no date")
        found.setdefault(name, []).append(entry)
    if unlisted and not found:
        raise ValueError("device_accounts is empty: that would close every account")
    return found


def _has_leave(name: str, leave: _Leave, now: datetime) -> bool:
    """Whether one of its entries still counts: a technician may have come twice."""
    limits = [parse_limit(entry.get("until"), end_of_day=True) for entry in leave.get(name, ())]
    return any(limit is None or limit >= now for limit in limits)


def _reason(account: _Account, leave: _Leave, factory: Collection[str], unlisted: bool, now: datetime) -> str | None:
    if account.name in leave and not _has_leave(account.name, leave, now):
        return "ended"
    if account.name in factory:
        return "factory"
    # System accounts are on no hospital's list; nobody need be told of each.
    if unlisted and account.name not in leave and account.can_login is True:
        return "unlisted"
    return None


def _kept(
    account: _Account, reason: str, leave: _Leave, login: Collection[str], uid_min: int, now: datetime
) -> str | None:
    if account.name in login:
        return "login_account"
    if account.uid < uid_min or account.uid >= _NOBODY:
        return "system_account"
    if reason == "factory" and _has_leave(account.name, leave, now):
        return "listed"
    return None if _NAME.fullmatch(account.name) else "odd_name"


def _entry(account: _Account, reason: str, kept: str | None, leave: _Leave, now: datetime) -> Entry:
    last = (leave.get(account.name) or [{}])[-1]
    until, owner = last.get("until"), last.get("owner")
    return Entry(
        name=clean_text(account.name),
        action="keep" if kept else "closed" if account.is_closed(now) else "close",
        reason=reason,
        kept=kept,
        password=account.password,
        expires_on=account.expires_on,
        until=None if until is None else clean_text(str(until)),
        owner=None if owner is None else clean_text(str(owner)),
    )
