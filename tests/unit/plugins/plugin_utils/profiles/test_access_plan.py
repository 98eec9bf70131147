# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an access check tries on a device: what the profile names, and nothing else; and what stays untried, and why."""

from __future__ import annotations

import copy
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from unit.login_schema import faults

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import device_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.login import clinical_login, reach_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.access_plan import (
    AccessPlan,
    access_observation,
    plan_access,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import read_profile

NOW = datetime(2026, 11, 22, 18, tzinfo=timezone.utc)

HOST: dict[str, Any] = {
    "device_address": "192.0.2.14",
    "device_names": ["echo-004.hopital.example"],
    "device_ssh_host_key": "SHA256:" + "A" * 43,
    "device_login_pin": "ab" * 32,
    "device_login": {"user": "biomed", "password": "hunter2-technical"},
    "device_clinical_login": {"user": "carer", "password": "hunter2-carer"},
}
PROFILE: dict[str, Any] = {
    "schema_version": 1,
    "name": "own",
    "transport": "ssh",
    "ssh": {"prompt": ">", "port": 2222},
    "commands": {"a": "a"},
    "facts": {"system.name": {"output": "a", "regex": "(?P<value>.+)"}},
    "factory_credentials": [
        {"account": "root", "password": "hunter2-a"},
        {"account": "admin", "password": "hunter2-b", "services": ["https", "ftp"]},
    ],
    "access": {"https": {"port": 8443, "path": "/start"}},
    "admin": [
        {"service": "https", "path": "/admin", "port": 9443, "accepted": {"regex": "Network"}},
        {"service": "telnet"},
    ],
}


def planned(changes: dict[str, Any] | None = None, **more: Any) -> AccessPlan:
    host = {**HOST, **(changes or {})}
    card, profile = device_card("echo-004", host, NOW), read_profile({**PROFILE, **more})
    return plan_access(card, reach_card(host), clinical_login(host), profile, None, False)


def told(plan: AccessPlan) -> list[tuple[Any, ...]]:
    return [
        (trial["service"], trial["port"], trial["account"], trial["as"], bool(trial["left_out"]))
        for trial in plan.task["trials"]
    ]


def test_every_factory_password_by_each_service_named_then_the_administration() -> None:
    plan = planned()
    assert told(plan) == [
        ("ssh", 2222, "root", None, False),
        ("https", 8443, "admin", None, False),
        ("ftp", 21, "admin", None, False),
        ("https", 9443, None, "anonymous", False),
        ("https", 9443, "carer", "clinical", False),
        ("telnet", 23, None, "anonymous", False),
        ("telnet", 23, "carer", "clinical", True),  # for anyone to read
    ]
    secrets = [None if trial["secret"] is None else plan.secrets[trial["secret"]] for trial in plan.task["trials"]]
    assert secrets == ["hunter2-a", "hunter2-b", "hunter2-b", None, "hunter2-carer", None, "hunter2-carer"]
    # The technical login is no business of an access check, and no password is in the task.
    assert "hunter2" not in json.dumps(plan.task) + json.dumps(plan.places())
    assert "hunter2-technical" not in json.dumps(plan.secrets)
    assert len(plan.places()) == 6


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"device_ssh_host_key": None}, {("ssh", None)}),
        ({"device_login_pin": None}, {("https", None), ("https", "anonymous"), ("https", "clinical")}),
        ({"device_login_pin": None, "device_login_exception": "Dr A. Martin, until 2027"}, set()),
    ],
)
def test_what_cannot_be_verified_is_not_tried(changes: dict[str, Any], left: set[tuple[str, str | None]]) -> None:
    trials = [trial for trial in planned(changes).task["trials"] if trial["left_out"]]
    assert {(trial["service"], trial["as"]) for trial in trials} - {("telnet", "clinical")} == left


def test_the_port_of_the_login_is_that_of_the_profiles_own_transport() -> None:
    assert told(planned({"device_login_port": 4022}))[0][1] == 4022
    assert told(planned(access={"ssh": {"port": 22}}))[0][1] == 22


def test_without_a_clinical_login_only_a_stranger_is_tried() -> None:
    assert [entry[3] for entry in told(planned({"device_clinical_login": None}))] == [None] * 3 + ["anonymous"] * 2


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ("hunter2", "user and password are needed"),
        ({"user": "carer", "pass": "hunter2"}, "user and password are needed"),
        ({"user": "carer"}, "password is missing"),
        ({"user": "", "password": "hunter2"}, "user is missing"),
        ({"user": "carer", "password": "hunter2\r\n"}, "password is missing, or holds a character"),
        ({"user": ["carer"], "password": "hunter2"}, "user must be a text"),
    ],
)
def test_a_wrong_clinical_login_is_named_and_never_shown(login: Any, said: str) -> None:
    card = clinical_login({"device_clinical_login": login})
    assert card["invalid"].startswith("device_clinical_login: ")
    assert said in card["invalid"]
    assert "hunter2" not in card["invalid"]
    assert card["user"] is card["password"] is None


def spoil(observation: dict[str, Any], place: str, **changes: Any) -> dict[str, Any]:
    spoilt: dict[str, Any] = copy.deepcopy(observation)
    (spoilt[place][0] if place else spoilt).update(changes)
    return spoilt


def test_the_observation_has_each_result_in_its_place() -> None:
    plan = planned()
    results = [{"result": "refused", "detail": ""} for _trial in plan.task["trials"]]
    at = "2026-11-22T17:00:00.000Z"
    checked = {"started_at": at, "finished_at": at, "outcome": "observed", "reason": None, "results": results}
    observation = access_observation("echo-004", "localhost", checked, plan.task["trials"])
    assert [entry["account"] for entry in observation["default_passwords"]] == ["root", "admin", "admin"]
    assert [(entry["as"], entry["path"]) for entry in observation["admin_interface"]] == [
        ("anonymous", "/admin"),
        ("clinical", "/admin"),
        ("anonymous", None),
        ("clinical", None),
    ]
    assert faults(observation, certificates=False) == []
    skipped = {**checked, "outcome": "skipped", "reason": "device_in_use", "detail": "device_in_use is true"}
    assert faults(access_observation("echo-004", "localhost", skipped), certificates=False) == []
    for wrong in (
        access_observation("echo-004", "localhost", checked),  # observed, and nothing in it
        spoil(observation, "", reason="why"),
        spoil(observation, "default_passwords", password="hunter2"),
        spoil(observation, "default_passwords", result="maybe"),
        spoil(observation, "default_passwords", service="rsh"),
        spoil(observation, "admin_interface", **{"as": "root"}),
        spoil(observation, "admin_interface", result="limit_reached"),
    ):
        assert faults(wrong, certificates=False) != []
