# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading one host's variables: templates are evaluated, what is plain is taken as it stands."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import (
    HostVariables,
    is_plain,
)


class Hosts(dict[str, dict[str, Any]]):
    """As Ansible's HostVars: raw_get gives what was written, [] what it means. Counts how often the latter is asked."""

    templated = 0

    def raw_get(self, name: str) -> dict[str, Any]:
        return dict.__getitem__(self, name)

    def __getitem__(self, name: str) -> dict[str, Any]:
        self.templated += 1
        return dict.fromkeys(self.raw_get(name), "templated")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "{{ x }}",
            "a {{ x }} b",
            "{% if x %}{% endif %}",
            "{# x #}",
            ["{{ x }}"],
            {"key": ["{{ x }}"]},
            {"{{ x }}": 1},
        ),
        *(b"bytes", object(), {"key": object()}),
    ],
)
def test_what_may_be_a_template_is_left_to_the_engine(value: Any) -> None:
    assert not is_plain(value)
    hosts = Hosts({"echo-004": {"device_names": value}})
    assert HostVariables(hosts, "echo-004").get("device_names") == "templated"


@pytest.mark.parametrize(
    "value", ["text", "", "{ x }", 1, 1.5, True, None, date(2026, 1, 5), [1, ["a"]], {"a": {"b": []}}]
)
def test_what_is_plain_costs_no_template(value: Any) -> None:
    hosts = Hosts({"echo-004": {"device_names": value}})
    variables = HostVariables(hosts, "echo-004")
    assert variables.get("device_names") == value
    assert variables.get("missing") is None
    assert hosts.templated == 0


def test_a_plain_dictionary_of_hosts_will_do() -> None:
    assert HostVariables({"echo-004": {"device_address": "192.0.2.4"}}, "echo-004").get("device_address") == "192.0.2.4"
