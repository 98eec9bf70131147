# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control-node half of access_check: reads inventory and profiles, plans the tries, writes the observations."""

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
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.login import clinical_login, reach_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.file import write_observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import NotAsked
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.access_plan import (
    AccessPlan,
    access_observation,
    plan_access,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import (
    JMESPATH_ERROR,
    ProfileBook,
    ProfileError,
)
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
    """See the documentation of the module access_check."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Try, and return or write the observations; in check mode, say what would be tried."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        for library, problem in (("cryptography", CRYPTOGRAPHY_ERROR), ("jmespath", JMESPATH_ERROR)):
            if problem:
                raise AnsibleActionFail(missing_required_lib(library) + "\n" + problem)
        if not str(self._task.args.get("authorised_by") or "").strip():
            raise AnsibleActionFail(
                "access_check: nothing was tried: write in authorised_by (access_checks_authorised_by) who authorised "
                "trying passwords on these devices, and where that is written."
            )
        _validated, options = self.validate_argument_spec(_ARGUMENTS)
        try:
            _check_options(options)
            book = ProfileBook(profile_folders(options["profile_folders"], self._loader.path_dwim))
            anchors = anchor_texts(options["trust_anchors"], self._loader.path_dwim)
            dest = writable_file(options["dest"])
        except ValueError as error:
            raise AnsibleActionFail(f"access_check: {error}") from None
        hostvars = task_vars.get("hostvars") or {}
        vantage = str(self._task.delegate_to or task_vars.get("inventory_hostname") or "localhost")

        plans: dict[str, AccessPlan] = {}
        left: dict[str, NotAsked] = {}
        consented = 0
        for name in options["devices"]:
            if name not in hostvars:
                raise AnsibleActionFail(f"access_check: '{name}' is not in the inventory.")
            variables = HostVariables(hostvars, name)
            card = device_card(name, variables)
            consented += card["consent"]
            try:
                plans[name] = self._plan(card, variables, book, options, bool(anchors))
            except NotAsked as problem:
                left[name] = problem
                if problem.reason == "inventory_invalid":
                    display.warning(f"access_check: {name} is left out: {problem.detail}")

        result: dict[str, Any] = {"changed": False, "observations": []}
        if self._task.check_mode:
            result["planned"] = {name: plans[name].places() if name in plans else [] for name in options["devices"]}
            result["statistics"] = _statistics(options["devices"], consented, [])
            return result
        checked, problem_text = self._check(plans, anchors, options, task_vars)
        missing = sum(found["reason"] == "paramiko_missing" for found in checked.values())
        if missing:
            display.warning(
                f"access_check: {missing} devices were not tried: the vantage has no paramiko 3.4 or newer."
            )
        at = iso(time.time())
        observations = []
        for name in options["devices"]:
            if name in checked and name in plans:
                observations.append(access_observation(name, vantage, checked[name], plans[name].task["trials"]))
                continue
            lost = name not in left
            reason = NotAsked("vantage_lost", problem_text or "") if lost else left[name]
            unvisited = {
                "started_at": at,
                "finished_at": at,
                "outcome": "aborted" if lost else "skipped",
                "reason": reason.reason,
                "detail": reason.detail,
            }
            observations.append(access_observation(name, vantage, unvisited))
        result["observations"] = [] if dest else observations
        result["statistics"] = _statistics(options["devices"], consented, observations)
        if problem_text:
            result.update(failed=True, msg=f"access_check: {problem_text}")
        if dest:
            try:
                write_observations(dest, observations)
            except OSError as error:
                raise AnsibleActionFail(f"access_check: '{dest}' cannot be written: {error.strerror}.") from None
        return result

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
            raise NotAsked("consent_missing")
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
        self, plans: Mapping[str, AccessPlan], anchors: list[str], options: Mapping[str, Any], task_vars: dict[str, Any]
    ) -> tuple[dict[str, Any], str | None]:
        """(what came of it by device, why there is nothing)."""
        if not plans:
            return {}, None
        secrets = json.dumps({name: plan.secrets for name, plan in plans.items()})
        arguments = {
            "devices": [plan.task for plan in plans.values()],
            "logins": Unshown(base64.b64encode(secrets.encode("utf-8")).decode("ascii")),
            "trust_anchors": anchors,
            **{key: options[key] for key in _HANDED_ON},
        }
        try:
            result = self._execute_module(
                module_name="biomed.cert_hygiene.access_check", module_args=arguments, task_vars=task_vars
            )
        except AnsibleConnectionFailure as error:
            return {}, f"the vantage cannot be reached ({error.message})"
        if "checked" not in result:
            return {}, str(result.get("msg") or "the module failed without a word")
        return dict(json.loads(zlib.decompress(base64.b64decode(result["checked"])))), None


def _check_options(options: Mapping[str, Any]) -> None:
    at_least(options, _LIMITS)
    if options["tries_per_day"] > _MOST_TRIES:
        raise ValueError(
            f"tries_per_day must be at most {_MOST_TRIES}, not {options['tries_per_day']}: more would lock accounts."
        )
    named_once(options["devices"])


def _statistics(devices: list[str], consented: int, observations: list[dict[str, Any]]) -> dict[str, Any]:
    outcomes = Counter(observation["outcome"] for observation in observations)
    return {
        "devices": len(devices),
        "consented": consented,
        "outcomes": {outcome: outcomes.get(outcome, 0) for outcome in _OUTCOMES},
    }


#: The least that each option may be.
_LIMITS = {"timeout": 0.1, "device_timeout": 0.1, "pause": 0, "concurrency": 1, "tries_per_day": 1}
#: Beyond this, no device that locks accounts would still be open.
_MOST_TRIES = 10
_HANDED_ON = (
    *("authorised_by", "state_dir", "state_dir_vouched_by", "tries_per_day"),
    *("timeout", "device_timeout", "pause", "concurrency"),
)
_ARGUMENTS: dict[str, Any] = {
    "devices": {"type": "list", "elements": "str", "required": True},
    "authorised_by": {"type": "str", "required": True},
    "state_dir": {"type": "path", "required": True},
    "state_dir_vouched_by": {"type": "str", "default": ""},
    "tries_per_day": {"type": "int", "default": 2},
    "profile_folders": {"type": "list", "elements": "path", "default": []},
    "trust_anchors": {"type": "list", "elements": "str", "default": []},
    "known_hosts": {"type": "path"},
    "timeout": {"type": "float", "default": 10.0},
    "device_timeout": {"type": "float", "default": 120.0},
    "pause": {"type": "float", "default": 2.0},
    "concurrency": {"type": "int", "default": 16},
    "dest": {"type": "path"},
}
