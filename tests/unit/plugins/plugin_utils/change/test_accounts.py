# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose account is closed, and whose never is."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.accounts import account_plan

NOW = datetime(2026, 11, 22, 18, tzinfo=timezone.utc)


def account(name: str, **differs: Any) -> dict[str, Any]:
    usual = {"uid": 1001, "password": "set", "expires_on": None, "can_login": True, "administrator": False}
    return {"name": name, **usual, **differs}


TECH = account("tech", uid=1000, password="locked", administrator=True)
ENDED = {"name": "acme", "until": "2020-06-30", "owner": "Acme"}


def actions(accounts: list[dict[str, Any]], listed: Any, **options: Any) -> dict[str, tuple[str, str, str | None]]:
    plan = account_plan([TECH, *accounts], listed, now=NOW, **{"login": ["tech"], **options})
    return {entry["name"]: (entry["action"], entry["reason"], entry["kept"]) for entry in plan}


@pytest.mark.parametrize(
    ("seen", "action"),
    [
        ({}, "close"),
        ({"password": "empty"}, "close"),
        # A key gets in past a locked password; one that nobody looked for may be elsewhere.
        ({"password": "locked"}, "close"),
        ({"password": "locked", "can_login": False}, "close"),
        ({"password": "locked", "expires_on": "2030-01-01"}, "close"),
        ({"password": "set", "expires_on": "1970-01-02"}, "close"),
        ({"password": "locked", "expires_on": "1970-01-02"}, "closed"),
    ],
)
def test_an_ended_intervention(seen: dict[str, Any], action: str) -> None:
    assert actions([account("acme", **seen)], [ENDED]) == {"acme": (action, "ended", None)}


@pytest.mark.parametrize("until", [None, "2026-11-22", "2026-11-22T19:00:00Z"])
def test_one_that_goes_on_is_left_alone(until: str | None) -> None:
    assert actions([account("acme")], [{"name": "acme", "until": until}]) == {}
    assert actions([account("acme")], [ENDED, {"name": "acme", "until": until}]) == {}


def test_one_that_is_not_listed_is_closed_by_policy_alone() -> None:
    listed = [{"name": "tech"}]
    assert actions([account("stranger")], listed) == {}
    assert actions([account("stranger")], listed, unlisted=True) == {"stranger": ("close", "unlisted", None)}
    assert actions([account("daemon", uid=2, can_login=False)], listed, unlisted=True) == {}


def test_a_factory_account_is_closed_unless_listed() -> None:
    assert actions([account("service")], None, factory=["service"]) == {"service": ("close", "factory", None)}
    kept = {"service": ("keep", "factory", "listed")}
    assert actions([account("service")], [{"name": "service"}], factory=["service"]) == kept


@pytest.mark.parametrize(
    ("seen", "kept"),
    [
        (account("tech2", uid=1000), "login_account"),
        (account("root2", uid=0), "system_account"),
        (account("ftp", uid=105), "system_account"),
        (account("nobody", uid=65534), "system_account"),
        (account("-rf"), "odd_name"),
        (account("a b"), "odd_name"),
    ],
)
def test_who_is_never_touched(seen: dict[str, Any], kept: str) -> None:
    listed = [{"name": seen["name"], "until": "2020-01-01"}]
    found = actions([seen], listed, login=["tech", "tech2"])
    assert found[seen["name"]] == ("keep", "ended", kept)


def test_the_last_administrator_stays() -> None:
    last = account("boss", administrator=True)
    listed = [{"name": "boss", "until": "2020-01-01"}, ENDED]
    for other in (
        account("tech", uid=1000),  # becomes root in a way that nobody knows of
        account("root", uid=0, administrator=True, can_login=False),
        account("old", administrator=True, expires_on="2020-01-01"),
    ):
        plan = account_plan([other, last, account("acme")], listed, now=NOW, login=["tech"])
        found = {entry["name"]: (entry["action"], entry["kept"]) for entry in plan}
        assert found == {"boss": ("keep", "last_administrator"), "acme": ("close", None)}
    assert actions([last], listed)["boss"] == ("close", "ended", None)


@pytest.mark.parametrize(
    ("listed", "options", "words"),
    [
        (None, {"unlisted": True}, "not declared"),
        ([], {"unlisted": True}, "every account"),
        ([{"name": "acme", "until": "30/06/2020"}], {}, "no date"),
        ([{"until": "2020-06-30"}], {}, "no name"),
        ("acme", {}, "a list"),
        ([], {"login": []}, "logged in"),
    ],
)
def test_a_list_that_cannot_be_trusted_closes_nobody(listed: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        actions([account("acme")], listed, **options)


@pytest.mark.parametrize(
    ("last", "kept"),
    [
        ({"administrator": None}, "last_administrator"),
        ({"administrator": True, "can_login": None}, "last_administrator"),
        ({"administrator": None, "can_login": None}, "last_administrator"),
        ({"administrator": False}, None),
        ({"administrator": None, "can_login": False}, None),
        ({"administrator": None, "expires_on": "2026-11-01"}, None),
    ],
)
@pytest.mark.parametrize("other", [{"administrator": None}, {"can_login": False}, {"can_login": None}])
def test_an_account_that_may_be_the_last_administrator_is_kept(
    last: dict[str, Any], kept: str | None, other: dict[str, Any]
) -> None:
    """Rules of sudo that could not be resolved neither make an administrator nor rule one out."""
    stays = account("tech", **{"administrator": True, **other})
    plan = account_plan([stays, account("acme", **last)], [ENDED], now=NOW, login=["tech"])
    assert [(entry["name"], entry["kept"]) for entry in plan] == [("acme", kept)]
