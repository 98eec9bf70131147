# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control-node half of gateway_info: compares the gateway's clock with ours, and reads its certificates."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._interpret import interpret_gateway
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils._signatures import CRYPTOGRAPHY_ERROR


class ActionModule(ActionBase):
    """See the documentation of the module gateway_info."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Gather, and return one observation."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        if CRYPTOGRAPHY_ERROR:
            raise AnsibleActionFail(missing_required_lib("cryptography") + "\n" + CRYPTOGRAPHY_ERROR)
        asked = time.time()
        result: dict[str, Any] = self._execute_module(task_vars=task_vars)
        answered = time.time()
        if result.get("failed") or result.get("unreachable") or "facts" not in result:
            return result
        facts = result.pop("facts")
        live = self._task.args.get("recorded") is None
        result["observation"] = interpret_gateway(
            facts,
            device=str(task_vars.get("inventory_hostname")),
            asked=asked,
            answered=answered,
            started=result.pop("started"),
            finished=result.pop("finished"),
            # The control node's own clock needs no comparison; a recorded one can't be compared any more.
            comparable=live,
            same_machine=self._connection.transport == "local",
        )
        return result
