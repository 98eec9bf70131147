# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control-node half of gateway_info: compares the gateway's clock with ours, and reads its certificates."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.file import append_observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import interpret_gateway
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import login_observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.action import VantageAction
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.options import writable_file
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.signatures import CRYPTOGRAPHY_ERROR


class ActionModule(VantageAction):
    """See the documentation of the module gateway_info."""

    name = "gateway_info"
    taken = ("facts", "record", "vantage_clock")

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Gather, and return one observation."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        self.need(cryptography=CRYPTOGRAPHY_ERROR)
        arguments = dict(self._task.args)
        try:
            dest = writable_file(str(arguments.pop("dest", None) or ""))
        except ValueError as error:
            raise self.failure(error) from None
        device = str(task_vars.get("inventory_hostname"))
        vantage = _vantage_place(task_vars)
        if vantage:
            arguments["own_addresses"] = [*(arguments.get("own_addresses") or []), vantage]
        asked = time.time()
        try:
            result: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        except AnsibleConnectionFailure as error:
            self._keep(dest, _unasked(device, "unreachable", "no_answer", error.message, asked))
            raise
        answered = time.time()
        if not isinstance(result.get("facts"), dict) and not result.get("failed") and not result.get("unreachable"):
            result.update(failed=True, msg="gateway_info: the gateway answered with something else than facts.")
        if result.get("failed") or result.get("unreachable"):
            self._keep(dest, _unasked(device, "skipped", "module_failed", str(result.get("msg") or ""), asked))
            return result
        facts, seen = result.pop("facts"), result.pop("vantage_clock", None) or {}
        live = arguments.get("recorded") is None
        if not live:
            # What was recorded is as old as the recording, and need not come back.
            asked, answered = seen.get("started", asked), seen.get("finished", answered)
            result.get("invocation", {}).get("module_args", {}).pop("recorded", None)
        try:
            observation = interpret_gateway(
                facts,
                device=device,
                asked=asked,
                answered=answered,
                started=seen["started"],
                finished=seen["finished"],
                # The control node's own clock needs no comparison; a recorded one can't be compared any more.
                comparable=live,
                same_machine=self.is_local(),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            result.update(failed=True, msg="gateway_info: what the gateway answered is not what the module says.")
            self._keep(dest, _unasked(device, "skipped", "module_failed", result["msg"], asked))
            return result
        result["observation"] = observation
        self._keep(dest, observation)
        return result

    def _keep(self, dest: str | None, observation: dict[str, Any]) -> None:
        if dest is None or self._task.check_mode:
            return
        try:
            append_observation(dest, observation)
        except OSError as error:
            raise self.failure(f"'{dest}' cannot be written: {error.strerror}.") from None


def _vantage_place(task_vars: dict[str, Any]) -> str | None:
    """The address, or the name, of the machine that visits this device over the network, where it is another one."""
    name = task_vars.get("device_vantage")
    if not isinstance(name, str) or name in ("", "localhost"):
        return None
    try:
        known = task_vars["hostvars"][name]
        return str(known.get("ansible_host") or name)
    except (KeyError, AttributeError, TypeError):
        return name


def _unasked(device: str, outcome: str, reason: str, detail: str, asked: float) -> dict[str, Any]:
    """The observation of a gateway that told nothing."""
    times = (iso(asked), iso(time.time()))
    return login_observation(device, "gateway", "localhost", times, outcome, reason, clean_text(detail))
