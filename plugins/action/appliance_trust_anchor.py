# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control-node half of appliance_trust_anchor: judges the root, decides by the device's list, and looks again."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import APPLIANCE_TRUST_ANCHOR
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change import appliance_roots as roots
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.appliance_roots import Kept, RootsProblem
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.root import (
    RootRefused,
    judged_root,
    required_fingerprint,
    store_name,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import device_card
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import HostVariables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import NotAsked
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.actions import Act, UploadRootCa
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.appliance_plan import DevicePlan, device_plan
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import JMESPATH_ERROR
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile_book import ProfileBook
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import PolicyError, load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.private_folder import (
    FolderError,
    private_folder,
    write_new,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.action import VantageAction, VantageLost
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.options import (
    anchor_texts,
    at_least,
    profile_folders,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import (
    describe_certificate,
    load_certificates,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.signatures import CRYPTOGRAPHY_ERROR
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.sources import SourceError

_WHY = {
    "consent_missing": "device_probe_consent: nobody has agreed that this device is asked",
    "profile_missing": "device_profile: missing; it says how the device is asked and changed",
}


@dataclass(frozen=True)
class _Root:
    """The certificate in question; pem and name are empty where only its fingerprint is known."""

    fingerprint: str
    pem: str
    name: str
    subject: str


class ActionModule(VantageAction):
    """See the documentation of the module appliance_trust_anchor."""

    name = "appliance_trust_anchor"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read, change, and read again."""
        super().run(tmp, task_vars)
        self._vars = task_vars or {}
        self.need(cryptography=CRYPTOGRAPHY_ERROR, jmespath=JMESPATH_ERROR)
        _validated, self._options = self.validate_argument_spec(APPLIANCE_TRUST_ANCHOR)
        self._device = str(self._vars["inventory_hostname"])
        self._result: dict[str, Any] = {"changed": False, "files": [], "left_open": False}
        state = self._options["state"]
        try:
            at_least(self._options, {"timeout": 0.1, "device_timeout": 0.1})
            root = self._root(state) if state in ("present", "absent") else None
            with self._alone():
                kept = self._kept()
                self._result["left_open"] = kept is not None
                if root is not None:
                    self._prepare()
                    self._change(root, state, kept)
                elif state == "settled":
                    self._settle(kept)
                elif kept is not None:
                    self._prepare()
                    self._restore(kept)
        except (RootsProblem, RootRefused, SourceError, PolicyError, FolderError, ValueError) as problem:
            sentence = f"appliance_trust_anchor: {str(problem).rstrip('.')}."
            self._result.update(failed=True, msg=sentence)
        return self._result

    # -- what the task was given

    def _root(self, state: str) -> _Root:
        """The root, judged before any connection."""
        options = self._options
        name, source = options["name"] or "", options["certificate"]
        if state == "present":
            if not source:
                raise RootRefused("certificate: name the file of the root certificate on the control node")
            judged = judged_root(
                [self.found(source)],
                options["fingerprint_sha256"],
                load_policy(options["policy"]),
                datetime.now(timezone.utc),
            )
            root = _Root(judged.fingerprint, judged.pem, name or judged.name, judged.subject)
        else:
            fingerprint = required_fingerprint(options["fingerprint_sha256"])
            root = _Root(fingerprint, "", name, "")
            for der in load_certificates([self.found(source)]) if source else ():
                facts = describe_certificate(der)
                if facts["fingerprint_sha256"] == fingerprint:
                    found = store_name(facts["common_name"], fingerprint)
                    root = _Root(fingerprint, facts["pem"], name or found, facts["subject"])
            if source and not root.pem:
                raise RootRefused(f"certificate: the root with the SHA-256 {fingerprint} is not in it")
        self._result.update(fingerprint_sha256=root.fingerprint, name=root.name, subject=root.subject)
        return root

    def _prepare(self) -> None:
        """The device's plan, and how its profile changes it."""
        options = self._options
        book = ProfileBook(profile_folders(options["profile_folders"], self.beside))
        self._anchors = anchor_texts(options["trust_anchors"], self.beside)
        variables = HostVariables(self._vars["hostvars"], self._device)
        try:
            self._plan: DevicePlan = device_plan(
                device_card(self._device, variables, datetime.now(timezone.utc)),
                variables,
                book,
                options["known_hosts"],
            )
        except NotAsked as problem:
            raise RootsProblem(problem.detail or _WHY.get(problem.reason, problem.reason)) from None
        upload = self._plan.profile.upload_root_ca
        if upload is None:
            raise RootsProblem(
                f"the profile {self._plan.profile.name} does not say how a root is put on the device: it has no "
                "actions.upload_root_ca"
            )
        self._upload: UploadRootCa = upload

    # -- what is done

    def _change(self, root: _Root, state: str, kept: Kept | None) -> None:
        before = self._read()
        expected = roots.wanted(before, root.fingerprint, state)
        todo = set(before) != expected
        self._tell(before, expected if todo else set(before))
        if not todo:
            self._try_out(state)
            return
        if kept is not None and not self._task.check_mode:
            raise RootsProblem("an earlier change of this device was left open: put it back first (state: restored)")
        if state == "present":
            act = self._upload.add
            questions = [roots.filled(act, name=root.name, fingerprint=root.fingerprint, pem=root.pem)]
        else:
            act = self._upload.remove
            questions = roots.removals(self._upload, root.fingerprint, before[root.fingerprint], root.name)
        self._result["changed"] = True
        if self._task.check_mode:
            return
        record = Kept(self._device, state, root.fingerprint, root.name, root.pem, tuple(sorted(before)))
        self._keep(record)
        problem = self._send(act, questions)
        try:
            after = self._read()
        except RootsProblem as unread:
            # What was sent may be there or not: that is no success, whatever the device said.
            self._result.update(trusted_after=None, files=[roots.journal_file(before, None)])
            raise RootsProblem(
                f"it was sent, and could not be verified: {unread}" + (f" (before that: {problem})" if problem else "")
            ) from None
        self._keep(record.with_appeared(after))
        self._tell(before, after)
        different = roots.otherwise(after, expected)
        if problem or different:
            raise RootsProblem(
                "; ".join(filter(None, (problem, different and f"read again, the list is not as wanted: {different}")))
            )
        self._try_out(state)

    def _try_out(self, state: str) -> None:
        """The connection that the device itself makes, where the profile has one."""
        test = self._upload.test
        self._result["tested"] = False
        if test is None or self._task.check_mode or not self._options["test"]:
            return
        problem = roots.judged(test, self._session(test.filled()))
        if problem:
            raise RootsProblem(f"the connection that the profile tests with does not work (root {state}): {problem}")
        self._result["tested"] = True

    def _restore(self, kept: Kept) -> None:
        before = self._read()
        more, again = roots.putting_back(kept, before)
        self._tell(before, kept.trusted)
        self._result["trusted_kept"] = list(kept.trusted)
        self._result["changed"] = bool(more or again)
        if self._task.check_mode:
            return
        if not more and not again:
            return
        questions = [
            question for entry in more for question in roots.removals(self._upload, entry, before[entry], kept.name)
        ]
        said = self._send(self._upload.remove, questions)
        if again:
            question = roots.filled(self._upload.add, name=kept.name, fingerprint=kept.fingerprint, pem=kept.pem)
            said = said or self._send(self._upload.add, [question])
        after = self._read()
        self._tell(before, after)
        different = roots.otherwise(after, kept.trusted)
        if different:
            raise RootsProblem(f"it is not put back: {different}" + (f" (before that: {said})" if said else ""))

    def _send(self, act: Act, questions: list[Any]) -> str:
        """What is wrong with the first answer that is; "" where nothing is."""
        for question in questions:
            problem = roots.judged(act, self._session(question))
            if problem:
                return problem
        return ""

    def _tell(self, before: Any, after: Any) -> None:
        """The lists before and after, for the difference and the journal."""
        self._result.update(
            trusted_before=sorted(before),
            trusted_after=sorted(after),
            files=[roots.journal_file(before, after)] if set(before) != set(after) else [],
            diff={
                "before_header": roots.LIST,
                "after_header": roots.LIST,
                "before": roots.list_text(before),
                "after": roots.list_text(after),
            },
        )

    # -- what is remembered

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes this device: the worker of a controller that was killed may still be at it."""
        path = self._options["kept_in"]
        if not path or self._task.check_mode:
            yield
            return
        private_folder(os.path.dirname(path), make=True)
        try:
            lock = open(f"{path}.lock", "a", opener=lambda name, flags: os.open(name, flags, 0o600))  # noqa: SIM115
        except OSError as error:
            raise RootsProblem(f"'{path}.lock' cannot be written ({error.strerror})") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RootsProblem("another run is changing this device at this moment: wait for its end") from None
            yield

    def _kept(self) -> Kept | None:
        path = self._options["kept_in"]
        if not path:
            return None
        try:
            with open(path, encoding="utf-8") as handle:
                return roots.read_kept(handle.read(), self._device)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise RootsProblem(f"'{path}' cannot be read ({type(error).__name__})") from None
        except RootsProblem as problem:
            raise RootsProblem(f"'{path}' remembers a change that was left open, and {problem}") from None

    def _keep(self, kept: Kept) -> None:
        """On disk before anything is sent, so that a killed run is put back by the next one."""
        path = self._options["kept_in"]
        if path:
            with suppress(FileNotFoundError):  # half written by a run that was killed
                os.unlink(f"{path}.partial")
            write_new(path, roots.kept_text(kept).encode("utf-8"))
            self._result["left_open"] = True

    def _settle(self, kept: Kept | None) -> None:
        if kept is None:
            return
        self._result["changed"] = True
        if not self._task.check_mode:
            os.unlink(self._options["kept_in"])
            self._result["left_open"] = False

    # -- one session with the device

    def _read(self) -> dict[str, tuple[str, ...]]:
        return roots.listed(self._upload, self._session(self._upload.question, looking=True))

    def _session(self, question: Any, looking: bool = False) -> dict[str, Any]:
        """The answer to one question, asked in a session of its own; {"text": None, "error"} where there is none."""
        arguments = {
            "device": {**self._plan.task, "questions": {"asked": question}},
            "looking": looking,
            "trust_anchors": self._anchors,
            **{key: self._options[key] for key in ("timeout", "device_timeout")},
        }
        try:
            reply = self.ask_there(arguments, {self._device: self._plan.secrets}, self._vars)
        except VantageLost as lost:
            return {"text": None, "error": str(lost)}
        told = reply.answers()[self._device]
        answer: dict[str, Any] = told["answers"].get("asked") or {"text": None}
        if answer.get("text") is None and told["reason"]:
            return {"text": None, "error": f"{told['detail']} ({told['reason']})"}
        return answer
