"""The example inventory can be used as it stands, and leaves out no host variable."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from integration.runs import ROOT, environment

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.host_keys import keys_on_record
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import HOST_VARIABLES, device_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.login import clinical_login, login_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile_book import ProfileBook
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy

EXAMPLE = ROOT / "docs" / "examples" / "inventory"
ROLES = EXAMPLE.parents[2] / "roles"
# The variables that the plugins do not read yet, and that the example explains all the same.
BEYOND_THE_NETWORK = {"device_vendor_authorisation"}
LOGIN = {
    *("device_login", "device_login_port", "device_login_pin", "device_login_exception"),
    *("device_ssh_host_key", "device_clinical_login"),
}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The variables of each device of the example, as Ansible reads them."""
    home = tmp_path_factory.mktemp("home")
    listed = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(EXAMPLE), "--list"],
        env=environment(home, home),
        cwd=home,
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert "[WARNING]" not in listed.stderr
    loaded = json.loads(listed.stdout)
    devices = {name for group in loaded["medical_devices"]["children"] for name in loaded[group]["hosts"]}
    return {name: loaded["_meta"]["hostvars"][name] for name in devices}


def test_every_device_of_the_example_has_a_usable_card(hosts: dict[str, dict[str, Any]]) -> None:
    cards = {name: device_card(name, variables, datetime.now(timezone.utc)) for name, variables in hosts.items()}
    assert {name: card["invalid"] for name, card in cards.items()} == dict.fromkeys(cards)
    assert {name for name, card in cards.items() if not card["consent"]} == {"monitor-017"}
    assert cards["mri-002"]["address"] == "192.0.2.12"
    assert cards["echo-004"]["peers"][0]["names"] == ["pacs.hopital.example"]
    assert load_policy(hosts["echo-004"]["audit_policy"])


def test_the_login_of_the_example_can_be_used(hosts: dict[str, dict[str, Any]]) -> None:
    login = login_card(hosts["analyser-001"])
    assert login["invalid"] is None
    assert clinical_login(hosts["analyser-001"])["invalid"] is None
    assert login["port"] == 2222
    assert keys_on_record(login["host_key"], None, ["2001:db8:20::31"], 2222).kinds() == ["ssh-ed25519"]
    assert ProfileBook().get(hosts["analyser-001"]["device_profile"]).transport == "ssh"


def test_the_example_explains_every_host_variable_and_no_other() -> None:
    text = (EXAMPLE / "hosts.yml").read_text(encoding="utf-8")
    gateway = (ROLES / "audit" / "tasks" / "gateway.yml").read_text(encoding="utf-8")
    asked_of_gateways = set(re.findall(r"\bdevice_\w+", gateway))
    explained = set(re.findall(r"^\s+(device_\w+):", text, flags=re.MULTILINE))
    assert explained == set(HOST_VARIABLES.values()) | LOGIN | BEYOND_THE_NETWORK | asked_of_gateways
