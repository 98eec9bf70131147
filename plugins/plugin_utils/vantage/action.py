# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control-node halves have in common: they read the inventory, let their module look from the vantage, and
return or write what it saw."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.basic import missing_required_lib
from ansible.utils.display import Display

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import packed, unpacked
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import device_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import (
    HostVariables,
    misspelt,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.file import write_observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import (
    VantageClock,
    vantage_clock,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import NotAsked
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.options import Unshown
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.told import DataOnly

display = Display()

_OUTCOMES = ("observed", "unreachable", "skipped", "aborted")
_PROGRESS_SECONDS = 5.0
#: Why a device is left out by a mistake of somebody's, or by a date: that is told while the run goes on.
_TOLD = ("inventory_invalid", "consent_future", "consent_lapsed", "consent_invalid")

Plan = TypeVar("Plan")


class VantageLost(Exception):
    """The module's run on the vantage did not end, or gave nothing; the text says why."""


@dataclass(frozen=True)
class Reply:
    """What the module returned; it was asked and had answered at these moments, in epoch seconds of ours."""

    result: dict[str, Any]
    asked: float
    answered: float

    def answers(self) -> dict[str, Any]:
        """What it packed, by device."""
        return dict(unpacked(self.result["answers"]))


@dataclass(frozen=True)
class Planned(Generic[Plan]):
    """The devices that are asked, and how; those that are not, and why; how many consented."""

    plans: dict[str, Plan]
    left_out: dict[str, NotAsked]
    consented: int

    def unasked(self, name: str, problem: str) -> tuple[str, str, str]:
        """(outcome, reason, detail) of a device without an answer. `problem`: why the vantage gave none."""
        why = self.left_out.get(name)
        return ("skipped", why.reason, why.detail) if why else ("aborted", "vantage_lost", problem)


class VantageAction(DataOnly):
    """The control-node half of a module that looks from a vantage. Every failure begins with the module's name."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    taken = ("answers", "observations", "vantage_clock", "vantage_host")
    #: The module's, without the collection's.
    name = ""
    #: How the host that looked names itself, once it has answered.
    _vantage_host: str | None = None

    # -- what the task was given

    def need(self, **libraries: str | None) -> None:
        """Fail where one is missing: its traceback, or None."""
        for library, problem in libraries.items():
            if problem:
                raise AnsibleActionFail(missing_required_lib(library) + "\n" + problem)

    def failure(self, problem: object) -> AnsibleActionFail:
        """The exception to raise."""
        return AnsibleActionFail(f"{self.name}: {problem}")

    def warn(self, problem: str) -> None:
        """Tell it and go on."""
        display.warning(f"{self.name}: {problem}")

    def beside(self, path: str) -> str:
        """A path beside the playbook."""
        return str(self._loader.path_dwim(path))

    def found(self, source: str) -> str:
        """A file of the working directory, else one beside the playbook or in the role; PEM text as it is."""
        path = os.path.expanduser(source)
        if "\n" in source or "-----" in source or len(source) > 1024 or os.path.exists(path):
            return source if "-----" in source else path
        try:
            return str(self._find_needle("files", path))
        except AnsibleError:
            return path

    def planned(
        self,
        names: Sequence[str],
        task_vars: Mapping[str, Any],
        plan: Callable[[dict[str, Any], HostVariables], Plan],
    ) -> Planned[Plan]:
        """How each device of the inventory is asked: `plan` makes it of card and variables, or raises NotAsked."""
        hostvars = task_vars.get("hostvars") or {}
        plans: dict[str, Plan] = {}
        left_out: dict[str, NotAsked] = {}
        consented = 0
        now = datetime.now(timezone.utc)
        for name in names:
            if name not in hostvars:
                raise self.failure(f"'{name}' is not in the inventory.")
            variables = HostVariables(hostvars, name)
            card = device_card(name, variables, now)
            consented += card["consent"]
            try:
                plans[name] = plan(card, variables)
            except NotAsked as problem:
                left_out[name] = problem
                if problem.detail and problem.reason in _TOLD:
                    self.warn(f"{name} is left out: {problem.detail}")
        self.tell_misspelt(names, hostvars)
        return Planned(plans, left_out, consented)

    def tell_misspelt(self, names: Iterable[str], hostvars: Mapping[str, Any]) -> None:
        """Warn, once for each, of host variables that nobody reads and that are nearly those that we read."""
        holders: dict[str, list[str]] = {}
        for name in names:
            for variable in HostVariables(hostvars, name).names():
                if isinstance(variable, str) and variable.startswith("dev"):
                    holders.setdefault(variable, []).append(name)
        for variable, meant in misspelt(holders).items():
            others = len(holders[variable]) - 1
            where = holders[variable][0] + (f" and {others} more" if others else "")
            self.warn(f"{variable} ({where}) is not a variable that is read; did you mean {meant}?")

    # -- the vantage

    def vantage(self, task_vars: Mapping[str, Any]) -> str:
        """The host that the module runs on, as the inventory names it; fails where it would run on another.

        ansible-core 2.21 keeps, in a loop that delegates, the connection of the first item: a second host's work
        would be done on this machine, and told as that host's.
        """
        name = str(self._task.delegate_to or task_vars.get("inventory_hostname") or "localhost")
        if self._task.delegate_to and self.is_local() and name not in C.LOCALHOST:
            theirs = (task_vars.get("ansible_delegated_vars") or {}).get(name) or {}
            if theirs.get("ansible_connection") != "local":
                raise self.failure(
                    f"'{name}' was to look, and the task has a connection to this machine instead: nothing was sent. "
                    "Loop over an include_tasks, not over a task with delegate_to; where this machine is meant, give "
                    f"'{name}' ansible_connection: local."
                )
        return name

    def is_local(self) -> bool:
        """Whether that is this machine."""
        return self._connection is not None and self._connection.transport == "local"

    def run_there(self, arguments: Mapping[str, Any], task_vars: dict[str, Any]) -> Reply:
        """Run the module on the vantage, whatever becomes of it; VantageLost where it cannot be reached."""
        asked = time.time()
        try:
            result = self._execute_module(
                module_name=f"biomed.cert_hygiene.{self.name}", module_args=dict(arguments), task_vars=task_vars
            )
        except AnsibleConnectionFailure as error:
            raise VantageLost(f"the vantage cannot be reached ({error.message}).") from None
        host = clean_text(result.get("vantage_host") or "")[:120]
        if host and self._vantage_host not in (None, host):
            raise VantageLost(f"another host answered: {host}, where {self._vantage_host} had answered before.")
        self._vantage_host = host or self._vantage_host
        return Reply(result, asked, time.time())

    def ask_there(self, arguments: Mapping[str, Any], secrets: Any, task_vars: dict[str, Any]) -> Reply:
        """The same with logins that are never shown; VantageLost where no answers come back."""
        try:
            reply = self.run_there({**arguments, "logins": Unshown(packed(secrets))}, task_vars)
        except VantageLost as lost:
            raise VantageLost(str(lost).rstrip(".")) from None
        if "answers" not in reply.result:
            raise VantageLost(str(reply.result.get("msg") or "the module failed without a word"))
        return reply

    def clock_of(self, reply: Reply) -> VantageClock:
        """The vantage's clock against ours; ours needs no comparison."""
        if self.is_local():
            return VantageClock()
        seen = reply.result["vantage_clock"]
        return vantage_clock(reply.asked, reply.answered, seen["started"], seen["finished"])

    @contextmanager
    def spool(self, task_vars: dict[str, Any]) -> Iterator[tuple[str, Callable[[], list[dict[str, Any]]]]]:
        """A file on the vantage that takes each observation as it is made: (path, a function that reads it)."""
        if self.is_local():
            folder = tempfile.mkdtemp(prefix="cert-hygiene-")
            spool = os.path.join(folder, "observations.jsonl")

            def read_here() -> list[dict[str, Any]]:
                try:
                    with open(spool, "rb") as handle:
                        return _whole_lines(handle.read())
                except FileNotFoundError:
                    return []

            try:
                yield spool, read_here
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return
        try:
            folder = self._make_tmp_path()
        except (AnsibleConnectionFailure, AnsibleError) as error:
            raise VantageLost(f"the vantage cannot be reached ({error.message}).") from None
        spool = self._connection._shell.join_path(folder, "observations.jsonl")

        def read_there() -> list[dict[str, Any]]:
            try:
                slurped = self._execute_module(
                    module_name="ansible.legacy.slurp", module_args={"src": spool}, task_vars=task_vars
                )
            except AnsibleError:
                return []
            return [] if slurped.get("failed") else _whole_lines(base64.b64decode(slurped["content"]))

        try:
            yield spool, read_there
        finally:
            try:
                self._remove_tmp_path(folder)
            except AnsibleError:
                self.warn(f"'{folder}' could not be removed from the vantage.")

    # -- what came of it

    def looked(
        self,
        observations: list[dict[str, Any]],
        devices: int,
        consented: int,
        dest: str | None = None,
        problem: str | None = None,
    ) -> dict[str, Any]:
        """The task's result: the observations, of which the first are those of the devices, or `dest` with them."""
        for observation in observations:
            if (
                self._vantage_host
                and observation["outcome"] != "skipped"
                and observation.get("reason") != "vantage_lost"
            ):
                observation["vantage_host"] = self._vantage_host
        if dest and not self._task.check_mode:
            try:
                write_observations(dest, observations)
            except OSError as error:
                raise self.failure(f"'{dest}' cannot be written: {error.strerror}.") from None
        outcomes = Counter(observation["outcome"] for observation in observations[:devices])
        return {
            "changed": False,
            "observations": [] if dest else observations,
            "statistics": {
                "devices": devices,
                "consented": consented,
                "outcomes": {outcome: outcomes.get(outcome, 0) for outcome in _OUTCOMES},
            },
            **({"failed": True, "msg": f"{self.name}: {problem}"} if problem else {}),
        }


class Progress:
    """Tells how far the visits are, every few seconds."""

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._begun = time.monotonic()
        self._shown_at = self._begun

    def show(self, done: int, final: bool = False) -> None:
        """Show `done`, unless it was shown a moment ago."""
        now = time.monotonic()
        if not final and (done == self._total or now - self._shown_at < _PROGRESS_SECONDS):
            return
        self._shown_at = now
        seconds = now - self._begun
        if final:
            text = f"done in {seconds:.0f} s"
        elif done:
            text = f"about {seconds / done * (self._total - done):.0f} s left"
        else:
            text = "starting"
        display.display(f"{self._title}: {done}/{self._total} devices and peers, {text}")

    @contextmanager
    def watching(self, spool: str | None, before: int) -> Iterator[None]:
        """Follow a spool on this machine while the module fills it."""
        if spool is None:
            yield
            return
        over = threading.Event()
        thread = threading.Thread(target=self._follow, args=(spool, before, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _follow(self, spool: str, before: int, over: threading.Event) -> None:
        done, at = before, 0
        while not over.wait(1.0):
            try:
                with open(spool, "rb") as handle:
                    handle.seek(at)
                    fresh = handle.read()
            except OSError:
                continue
            at += len(fresh)
            done += fresh.count(b"\n")
            self.show(done)


def _whole_lines(data: bytes) -> list[dict[str, Any]]:
    """The observations of a spool; a last line that was cut off by a kill is left out."""
    return [json.loads(line) for line in data.split(b"\n")[:-1] if line]
