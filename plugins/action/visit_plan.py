# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is visited from where, and who is asked by a login: one reading of the inventory for the tasks that follow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import HostVariables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.visit_plan import visit_plan

_ARGUMENTS: dict[str, Any] = {"devices": {"type": "list", "elements": "str", "required": True}}


class ActionModule(ActionBase):
    """See the documentation of the module visit_plan."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the variables that decide who asks whom."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(_ARGUMENTS)
        hostvars: Mapping[str, Any] = (task_vars or {}).get("hostvars") or {}
        for name in options["devices"]:
            if name not in hostvars:
                raise AnsibleActionFail(f"visit_plan: '{name}' is not in the inventory; give inventory names.")
        plan = visit_plan(
            ((name, HostVariables(hostvars, name)) for name in options["devices"]), datetime.now(timezone.utc)
        )
        result.update(changed=False, **plan)
        return result
