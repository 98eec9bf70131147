# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control-node half of appliance_info: reads inventory and profiles, sends the questions, reads the answers."""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import device_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import HostVariables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.file import write_observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import (
    VantageClock,
    vantage_clock,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import NotAsked, login_observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.appliance_plan import DevicePlan, device_plan
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import JMESPATH_ERROR, ProfileBook
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.reading import read_answers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.options import (
    anchor_texts,
    at_least,
    named_once,
    profile_folders,
    writable_file,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.unshown import Unshown
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.signatures import CRYPTOGRAPHY_ERROR

display = Display()

_OUTCOMES = ("observed", "unreachable", "skipped", "aborted")


class ActionModule(ActionBase):
    """See the documentation of the module appliance_info."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the devices, and return or write their observations."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        for library, problem in (("cryptography", CRYPTOGRAPHY_ERROR), ("jmespath", JMESPATH_ERROR)):
            if problem:
                raise AnsibleActionFail(missing_required_lib(library) + "\n" + problem)
        _validated, options = self.validate_argument_spec(_ARGUMENTS)
        try:
            _check_options(options)
            book = ProfileBook(profile_folders(options["profile_folders"], self._loader.path_dwim))
            anchors = anchor_texts(options["trust_anchors"], self._loader.path_dwim)
            dest = writable_file(options["dest"])
        except ValueError as error:
            raise AnsibleActionFail(f"appliance_info: {error}") from None
        hostvars = task_vars.get("hostvars") or {}
        vantage = str(self._task.delegate_to or task_vars.get("inventory_hostname") or "localhost")

        plans: dict[str, DevicePlan] = {}
        left: dict[str, NotAsked] = {}
        consented = 0
        for name in options["devices"]:
            if name not in hostvars:
                raise AnsibleActionFail(f"appliance_info: '{name}' is not in the inventory.")
            variables = HostVariables(hostvars, name)
            card = device_card(name, variables)
            consented += card["consent"]
            try:
                plans[name] = device_plan(card, variables, book, options["known_hosts"], options["recorded"])
            except NotAsked as problem:
                left[name] = problem
                if problem.reason == "inventory_invalid":
                    display.warning(f"appliance_info: {name} is left out: {problem.detail}")

        answers, clock, problem_text = self._ask(plans, anchors, options, task_vars)
        self._warn_of_missing_programs(answers)
        at = iso(time.time())
        observations = []
        for name in options["devices"]:
            if name in plans and name in answers:
                observations.append(
                    read_answers(plans[name].profile, name, vantage, answers[name], clock.offset, clock.uncertainty)
                )
                continue
            lost = NotAsked("vantage_lost", problem_text or "")
            reason = left.get(name, lost)
            outcome = "aborted" if reason is lost else "skipped"
            detail = reason.detail or None
            observations.append(login_observation(name, "appliance", vantage, (at, at), outcome, reason.reason, detail))
        outcomes = Counter(observation["outcome"] for observation in observations)
        result: dict[str, Any] = {
            "changed": False,
            "observations": [] if dest else observations,
            "statistics": {
                "devices": len(observations),
                "consented": consented,
                "outcomes": {outcome: outcomes.get(outcome, 0) for outcome in _OUTCOMES},
            },
        }
        if dest and not self._task.check_mode:
            try:
                write_observations(dest, observations)
            except OSError as error:
                raise AnsibleActionFail(f"appliance_info: '{dest}' cannot be written: {error.strerror}.") from None
        if problem_text:
            result.update(failed=True, msg=f"appliance_info: {problem_text}")
        return result

    # -- asking

    def _ask(
        self, plans: Mapping[str, DevicePlan], anchors: list[str], options: Mapping[str, Any], task_vars: dict[str, Any]
    ) -> tuple[dict[str, Any], VantageClock, str | None]:
        """(answers by device, the vantage's clock, why there are none)."""
        if options["recorded"] is not None:
            return _recorded(options["recorded"]), VantageClock(), None
        if not plans:
            return {}, VantageClock(), None
        logins = json.dumps({name: plan.secrets for name, plan in plans.items()})
        arguments = {
            "devices": [plan.task for plan in plans.values()],
            "logins": Unshown(base64.b64encode(logins.encode("utf-8")).decode("ascii")),
            "trust_anchors": anchors,
            **{key: options[key] for key in ("timeout", "device_timeout", "concurrency")},
        }
        asked = time.time()
        try:
            result = self._execute_module(
                module_name="biomed.cert_hygiene.appliance_info", module_args=arguments, task_vars=task_vars
            )
        except AnsibleConnectionFailure as error:
            return {}, VantageClock(), f"the vantage cannot be reached ({error.message})"
        answered = time.time()
        if "answers" not in result:
            return {}, VantageClock(), str(result.get("msg") or "the module failed without a word")
        answers: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(result["answers"])))
        if self._connection.transport == "local":
            return answers, VantageClock(), None
        seen = result["vantage_clock"]
        return answers, vantage_clock(asked, answered, seen["started"], seen["finished"]), None

    @staticmethod
    def _warn_of_missing_programs(answers: Mapping[str, Any]) -> None:
        for reason in ("paramiko_missing", "openssh_missing"):
            affected = [answer["detail"] for answer in answers.values() if answer["reason"] == reason]
            if affected:
                display.warning(f"appliance_info: {len(affected)} devices were not asked: {affected[0]}.")


def _check_options(options: Mapping[str, Any]) -> None:
    at_least(options, {"timeout": 0.1, "device_timeout": 0.1, "concurrency": 1})
    named_once(options["devices"])
    for name, outputs in (options["recorded"] or {}).items():
        if not isinstance(outputs, Mapping):
            raise ValueError(f"recorded: {name}: output names with their texts are needed.")


def _recorded(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Saved answers in the form of fresh ones, but without a time: a clock read then proves nothing now."""
    at = iso(time.time())
    return {
        name: {
            "outcome": "observed",
            "reason": None,
            "detail": "",
            "started_at": at,
            "finished_at": at,
            "answers": {
                output: {"text": text if isinstance(text, str) else json.dumps(text)}
                for output, text in outputs.items()
            },
        }
        for name, outputs in saved.items()
    }


_ARGUMENTS: dict[str, Any] = {
    "devices": {"type": "list", "elements": "str", "required": True},
    "profile_folders": {"type": "list", "elements": "path", "default": []},
    "trust_anchors": {"type": "list", "elements": "str", "default": []},
    "known_hosts": {"type": "path"},
    "timeout": {"type": "float", "default": 10.0},
    "device_timeout": {"type": "float", "default": 60.0},
    "concurrency": {"type": "int", "default": 32},
    "recorded": {"type": "dict"},
    "dest": {"type": "path"},
}
