# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of one host, read one by one: only what holds a template goes through the templating engine.

Reading thousands of hosts costs half as much that way.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

_TEMPLATE_MARKS = ("{{", "{%", "{#")
_PREFIX = "device_"
#: The documented host variables, without their prefix (docs/examples/inventory).
_KNOWN = [
    "accounts",
    "address",
    "backup_paths",
    "certificate_files",
    "class",
    "clinical_login",
    "criticality",
    "endpoints",
    "gateway",
    "has_accounts",
    "has_certificate",
    "has_label",
    "has_tls_services",
    "has_accounts",
    "has_certificate",
    "has_label",
    "has_label",
    "has_tls_services",
    "in_use",
    "inventory_number",
    "java_keystores",
    "log_files",
    "login",
    "login_exception",
    "login_pin",
    "login_port",
    "maintenance_windows",
    "names",
    "nss_databases",
    "ntp_servers",
    "peers",
    "ports_allowed",
    "ports_watch",
    "probe_consent",
    "profile",
    "service",
    "sntp",
    "ssh_host_key",
    "time_zone",
    "trust_anchors_sha256",
    "trust_bundles",
    "vantage",
    "vendor_authorisation",
    "vendor_limits",
]


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

    def names(self) -> Iterable[str]:
        """The names of all variables of the host."""
        return self._raw


def misspelt(names: Iterable[str]) -> dict[str, str]:
    """Variables that are perhaps meant for a documented one -> that one. A hospital may have its own beside ours."""
    found = {}
    for name in names:
        head, mark, rest = name.partition("_")
        if not mark or (rest in _KNOWN and head + mark == _PREFIX):
            continue
        if head + mark == _PREFIX or difflib.SequenceMatcher(None, head, "device").ratio() > 0.8:
            close = difflib.get_close_matches(rest.lower(), _KNOWN, n=1, cutoff=0.7)
            if close:
                found[name] = _PREFIX + close[0]
    return found


def is_plain(value: Any) -> bool:
    """Whether a value means what it says: no template in it, nothing encrypted, nothing of a kind we do not know."""
    if isinstance(value, str):
        return not any(mark in value for mark in _TEMPLATE_MARKS)
    if value is None or isinstance(value, (bool, int, float, date)):
        return True
    if isinstance(value, Mapping):
        return all(is_plain(key) and is_plain(entry) for key, entry in value.items())
    return isinstance(value, (list, tuple)) and all(map(is_plain, value))
