# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is looked at for a diagnosis, and from where: one reading of the inventory, before anything is sent."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.page import own_language, refusal
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.plan import PlanRefused, diagnosis_plan
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import HostVariables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.run import LANGUAGES

_ARGUMENTS: dict[str, Any] = {
    "device": {"type": "str", "required": True},
    "peer": {"type": "str"},
    "error_file": {"type": "path"},
    "language": {"type": "str", "choices": list(LANGUAGES), "default": "both"},
}


class ActionModule(ActionBase):
    """See the documentation of the module diagnosis_plan."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Plan, or say in one sentence why nothing may be sent."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(_ARGUMENTS)
        hostvars: Mapping[str, Any] = (task_vars or {}).get("hostvars") or {}
        name, language = options["device"], own_language(options["language"], os.environ)
        variables = HostVariables(hostvars, name) if name in hostvars else None
        try:
            plan = diagnosis_plan(name, variables, hostvars, options["peer"], language, datetime.now(timezone.utc))
            _check_readable(options["error_file"], language)
        except PlanRefused as refused:
            result.update(failed=True, msg=str(refused))
            return result
        result.update(changed=False, **json.loads(json.dumps(plan, default=str)))
        return result


def _check_readable(path: str | None, language: str) -> None:
    """PlanRefused for a message that could not be read once the device was asked."""
    if path:
        try:
            with open(os.path.expanduser(path), "rb"):
                pass
        except OSError as error:
            raise PlanRefused(refusal("bad_text", language, path=path, detail=error.strerror)) from None
