# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of the pages on pushing a root can be run as it stands: each setting in it is one of the roles'."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/en/push_root_ca.md", "docs/fr/pousser_racine.md")
ROLES = ("root_ca", "change_control", "config_backup")
#: Of the playbook itself; of the inventory.
PLAYBOOK = {"gateway_serial", "gateway_hosts", "gateway_become"}


def blocks(page: str) -> list[Any]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.S)]


def options(role: str) -> dict[str, Any]:
    specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    for spec in specs["argument_specs"].values():
        found.update(spec["options"])
    return found


@pytest.mark.parametrize("page", PAGES)
def test_the_example_can_be_run(page: str) -> None:
    settings, inventory = blocks(page)
    known = {name: option for role in ROLES for name, option in options(role).items()}
    assert set(settings) <= set(known) | PLAYBOOK
    missing = {name for name, option in options("root_ca").items() if option.get("required")} - set(settings)
    assert missing == set()
    assert set(settings["root_ca_verify"]) <= set(known["root_ca_verify"]["options"])
    (gateway,) = inventory["gateways"]["hosts"].values()
    for keystore in gateway["device_java_keystores"]:
        assert set(keystore) <= set(known["root_ca_java_keystores"]["options"])


def test_both_pages_have_the_same_example() -> None:
    first, second = (blocks(page)[0] for page in PAGES)
    assert {**first, "root_ca_certificate": ""} == {**second, "root_ca_certificate": ""}
