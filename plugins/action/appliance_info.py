# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control-node half of appliance_info: reads inventory and profiles, sends the questions, reads the answers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import APPLIANCE_INFO
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import HostVariables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import VantageClock
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import login_observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.appliance_plan import DevicePlan, device_plan
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import JMESPATH_ERROR
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile_book import ProfileBook
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.reading import read_answers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.action import VantageAction, VantageLost
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.options import (
    anchor_texts,
    at_least,
    named_once,
    profile_folders,
    writable_file,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.signatures import CRYPTOGRAPHY_ERROR


class ActionModule(VantageAction):
    """See the documentation of the module appliance_info."""

    name = "appliance_info"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the devices, and return or write their observations."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        self.need(cryptography=CRYPTOGRAPHY_ERROR, jmespath=JMESPATH_ERROR)
        _validated, options = self.validate_argument_spec(APPLIANCE_INFO)
        try:
            _check_options(options)
            book = ProfileBook(profile_folders(options["profile_folders"], self.beside))
            anchors = anchor_texts(options["trust_anchors"], self.beside)
            dest = writable_file(options["dest"])
        except ValueError as error:
            raise self.failure(error) from None
        vantage, names = self.vantage(task_vars), options["devices"]

        def plan(card: Mapping[str, Any], variables: HostVariables) -> DevicePlan:
            return device_plan(card, variables, book, options["known_hosts"], options["recorded"])

        planned = self.planned(names, task_vars, plan)
        answers, clock, problem = self._ask(planned.plans, anchors, options, task_vars)
        self._warn_of_missing_programs(answers)
        at = iso(time.time())
        observations = []
        for name in names:
            if name in planned.plans and name in answers:
                profile = planned.plans[name].profile
                observations.append(
                    read_answers(profile, name, vantage, answers[name], clock.offset, clock.uncertainty)
                )
                continue
            outcome, reason, detail = planned.unasked(name, problem)
            observations.append(
                login_observation(name, "appliance", vantage, (at, at), outcome, reason, detail or None)
            )
        return self.looked(observations, len(names), planned.consented, dest, problem)

    # -- asking

    def _ask(
        self,
        plans: Mapping[str, DevicePlan],
        anchors: list[str],
        options: Mapping[str, Any],
        task_vars: dict[str, Any],
    ) -> tuple[dict[str, Any], VantageClock, str]:
        """(answers by device, the vantage's clock, why there are none)."""
        if options["recorded"] is not None:
            return _recorded(options["recorded"]), VantageClock(), ""
        if not plans:
            return {}, VantageClock(), ""
        arguments = {
            "devices": [plan.task for plan in plans.values()],
            "trust_anchors": anchors,
            **{key: options[key] for key in ("timeout", "device_timeout", "concurrency")},
        }
        try:
            reply = self.ask_there(arguments, {name: plan.secrets for name, plan in plans.items()}, task_vars)
        except VantageLost as lost:
            return {}, VantageClock(), str(lost)
        return reply.answers(), self.clock_of(reply), ""

    def _warn_of_missing_programs(self, answers: Mapping[str, Any]) -> None:
        for reason in ("paramiko_missing", "openssh_missing"):
            affected = [answer["detail"] for answer in answers.values() if answer["reason"] == reason]
            if affected:
                self.warn(f"{len(affected)} devices were not asked: {affected[0]}.")


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
