# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of one host, read one by one: only what holds a template goes through the templating engine.

Reading thousands of hosts costs half as much that way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

_TEMPLATE_MARKS = ("{{", "{%", "{#")


class HostVariables:
    """`get` of Ansible's hostvars[name]; raises what a template raises."""

    def __init__(self, hostvars: Any, name: str) -> None:
        self._hostvars = hostvars
        self._name = name
        # What is no HostVars (a plain dictionary) has nothing to be templated.
        raw_get = getattr(hostvars, "raw_get", None)
        self._raw: Mapping[str, Any] = hostvars[name] if raw_get is None else raw_get(name)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a variable."""
        value = self._raw.get(key, default)
        return value if is_plain(value) else self._hostvars[self._name].get(key, default)


def is_plain(value: Any) -> bool:
    """Whether a value means what it says: no template in it, nothing encrypted, nothing of a kind we do not know."""
    if isinstance(value, str):
        return not any(mark in value for mark in _TEMPLATE_MARKS)
    if value is None or isinstance(value, (bool, int, float, date)):
        return True
    if isinstance(value, Mapping):
        return all(is_plain(key) and is_plain(entry) for key, entry in value.items())
    return isinstance(value, (list, tuple)) and all(map(is_plain, value))
