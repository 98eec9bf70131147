# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How one logs in on a device: secrets stand apart, and no sentence about a wrong login shows what stands in it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.login import login_card, reach_card


class Closed(dict[str, Any]):
    """A login in a vault that stays closed."""

    def get(self, key: str, default: object = None) -> Any:
        if key in ("device_login", "password"):
            raise ValueError("hunter2")
        return super().get(key, default)


def test_secrets_stand_apart() -> None:
    card = login_card(
        {
            "device_login": {"user": "biomed", "password": "hunter2", "enable_password": 1234, "token": None},
            "device_login_port": "2222",
            "device_login_pin": ":".join(["AB"] * 32),
        }
    )
    assert card == {
        "user": "biomed",
        "private_key_file": None,
        "secrets": {"password": "hunter2", "enable_password": "1234"},
        "port": 2222,
        "host_key": None,
        "pin": "ab" * 32,
        "exception": None,
        "invalid": None,
    }


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"device_login": "hunter2"}, "device_login: user, and password, private_key_file, "),
        ({"device_login": {"hunter2": 1}}, "device_login: user, and password, private_key_file, "),
        ({"device_login": {"password": ["hunter2"]}}, "device_login: password must be a text"),
        ({"device_login": Closed(user="a")}, "device_login: password cannot be read: is a variable in it undefined"),
        (Closed(), "device_login: it cannot be read: is a variable in it undefined, or its vault closed?"),
        ({"device_login_port": 0}, "device_login_port: a TCP port from 1 to 65535 is needed, not 0"),
        ({"device_login_pin": "ab"}, "device_login_pin: the SHA-256 of the device's certificate in hexadecimal"),
        ({"device_ssh_host_key": ["x"]}, "device_ssh_host_key: a text is needed"),
        ({"device_login_exception": {}}, "device_login_exception: a text is needed"),
    ],
)
def test_one_sentence_names_the_variable_and_no_secret(variables: dict[str, Any], sentence: str) -> None:
    invalid = login_card(variables)["invalid"]
    assert invalid.startswith(sentence)
    assert "hunter2" not in invalid


def test_how_a_device_is_reached_asks_for_no_login() -> None:
    assert reach_card(Closed(device_login_port=22))["invalid"] is None
