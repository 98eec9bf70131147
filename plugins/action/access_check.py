# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control-node half of access_check: reads inventory and profiles, plans the tries, writes the observations."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import ACCESS_CHECK
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import HostVariables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.login import clinical_login, reach_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import NotAsked
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.access_plan import (
    AccessPlan,
    access_observation,
    plan_access,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import JMESPATH_ERROR, ProfileError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile_book import ProfileBook
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
    """See the documentation of the module access_check."""

    name = "access_check"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Try, and return or write the observations; in check mode, say what would be tried."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        self.need(cryptography=CRYPTOGRAPHY_ERROR, jmespath=JMESPATH_ERROR)
        if not str(self._task.args.get("authorised_by") or "").strip():
            raise self.failure(
                "nothing was tried: write in authorised_by (access_checks_authorised_by) who authorised "
                "trying passwords on these devices, and where that is written."
            )
        _validated, options = self.validate_argument_spec(ACCESS_CHECK)
        try:
            _check_options(options)
            book = ProfileBook(profile_folders(options["profile_folders"], self.beside))
            anchors = anchor_texts(options["trust_anchors"], self.beside)
            dest = writable_file(options["dest"])
        except ValueError as error:
            raise self.failure(error) from None
        vantage, names = self.vantage(task_vars), options["devices"]

        def plan(card: Mapping[str, Any], variables: HostVariables) -> AccessPlan:
            return self._plan(card, variables, book, options, bool(anchors))

        planned = self.planned(names, task_vars, plan)
        plans = planned.plans
        if self._task.check_mode:
            result = self.looked([], 0, planned.consented)
            result["planned"] = {name: plans[name].places() if name in plans else [] for name in names}
            result["statistics"]["devices"] = len(names)
            return result
        checked, problem = self._check(plans, anchors, options, task_vars)
        missing = sum(found["reason"] == "paramiko_missing" for found in checked.values())
        if missing:
            self.warn(f"{missing} devices were not tried: the vantage has no paramiko 3.4 or newer.")
        at = iso(time.time())
        observations = []
        for name in names:
            if name in checked and name in plans:
                observations.append(access_observation(name, vantage, checked[name], plans[name].task["trials"]))
                continue
            outcome, reason, detail = planned.unasked(name, problem)
            unvisited = {
                "started_at": at,
                "finished_at": at,
                "outcome": outcome,
                "reason": reason,
                "detail": detail,
            }
            observations.append(access_observation(name, vantage, unvisited))
        return self.looked(observations, len(names), planned.consented, dest, problem)

    # -- what the task was given

    @staticmethod
    def _plan(
        card: Mapping[str, Any],
        variables: HostVariables,
        book: ProfileBook,
        options: Mapping[str, Any],
        has_anchors: bool,
    ) -> AccessPlan:
        """What is tried on one device; NotAsked when nothing is."""
        if card["invalid"]:
            raise NotAsked("inventory_invalid", card["invalid"])
        if not card["consent"]:
            raise NotAsked(card["consent_reason"], card["consent_detail"] or "")
        if card["in_use"] is not False:
            said = "device_in_use is not recorded" if card["in_use"] is None else "device_in_use is true"
            raise NotAsked("device_in_use", f"{said}: passwords are tried only where it is false")
        if not card["profile"]:
            raise NotAsked("profile_missing")
        try:
            profile = book.get(card["profile"])
        except ProfileError as error:
            raise NotAsked("inventory_invalid", f"device_profile: {error}") from None
        reach, clinical = reach_card(variables), clinical_login(variables)
        problem = reach["invalid"] or clinical["invalid"]
        if problem:
            raise NotAsked("inventory_invalid", problem)
        plan = plan_access(card, reach, clinical, profile, options["known_hosts"], has_anchors)
        if not plan.task["trials"]:
            raise NotAsked("nothing_to_try", f"the profile {profile.name} has neither factory_credentials nor admin")
        return plan

    # -- trying

    def _check(
        self,
        plans: Mapping[str, AccessPlan],
        anchors: list[str],
        options: Mapping[str, Any],
        task_vars: dict[str, Any],
    ) -> tuple[dict[str, Any], str]:
        """(what came of it by device, why there is nothing)."""
        if not plans:
            return {}, ""
        arguments = {
            "devices": [plan.task for plan in plans.values()],
            "trust_anchors": anchors,
            **{key: options[key] for key in _HANDED_ON},
        }
        try:
            reply = self.ask_there(arguments, {name: plan.secrets for name, plan in plans.items()}, task_vars)
        except VantageLost as lost:
            return {}, str(lost)
        return reply.answers(), ""


def _check_options(options: Mapping[str, Any]) -> None:
    at_least(options, _LIMITS)
    if options["tries_per_day"] > _MOST_TRIES:
        raise ValueError(
            f"tries_per_day must be at most {_MOST_TRIES}, not {options['tries_per_day']}: more would lock accounts."
        )
    named_once(options["devices"])


#: The least that each option may be.
_LIMITS = {"timeout": 0.1, "device_timeout": 0.1, "pause": 0, "concurrency": 1, "tries_per_day": 1}
#: Beyond this, no device that locks accounts would still be open.
_MOST_TRIES = 10
_HANDED_ON = (
    *("authorised_by", "state_dir", "state_dir_vouched_by", "tries_per_day"),
    *("timeout", "device_timeout", "pause", "concurrency"),
)
