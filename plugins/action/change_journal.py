# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a device may be changed, and what became of it: asked and written on the control node."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.control import (
    KINDS,
    KINDS_OF_ROLES,
    VARIABLES,
    Unreadable,
    decide,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.journal import EVENTS
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.journal_file import (
    JournalError,
    append,
    check_granted,
    check_journal,
    journal_path,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.summary import summary_lines, summary_states
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import HostVariables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import change_text

display = Display()

#: In the environment: as a variable, a gateway could set it.
_ACCEPTED = "CERT_HYGIENE_INJECTED_FACTS_ACCEPTED"
_RECORDED = tuple(event for event in EVENTS if event not in ("authorised", "refused"))
# A device that a batch leaves so ends the run.
_STOPPING = ("began", "changed", "failed", "rolled_back", "left_open")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "event": {"type": "str", "required": True, "choices": ["ask", "granted", *_RECORDED, "summary"]},
    "kind": {"type": "str", "required": True, "choices": list(KINDS)},
    "journal": {"type": "str", "default": ""},
    "journal_vouched_by": {"type": "str", "default": ""},
    "ticket": {"type": "str", "default": ""},
    "ticket_pattern": {"type": "str", "default": ""},
    "by": {"type": "str", "default": ""},
    "batch_max": {"type": "int", "default": 1},
    "id": {"type": "str", "default": ""},
    "files": {"type": "list", "elements": "dict", "default": []},
    "detail": {"type": "str", "default": ""},
    "stopping": {"type": "list", "elements": "str", "default": []},
    "language": {"type": "str", "choices": ["fr", "en", "both"], "default": "both"},
}


class ActionModule(ActionBase):
    """See the documentation of the module change_journal."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask, record or sum up; what makes any change impossible fails the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(ARGUMENTS)
        task_vars = task_vars or {}
        language = _language(options["language"])
        try:
            if options["event"] == "ask":
                result.update(changed=False, **self._ask(options, task_vars, language))
            elif options["event"] == "summary":
                result.update(changed=False, **self._summary(options, task_vars, language))
            else:
                result.update(changed=False, **self._record(options, task_vars))
        except JournalError as error:
            result.update(failed=True, msg=error.text(language))
        return result

    def _ask(self, options: dict[str, Any], task_vars: Mapping[str, Any], language: str) -> dict[str, Any]:
        if C.INJECT_FACTS_AS_VARS and os.environ.get(_ACCEPTED) != "1":
            raise JournalError("facts_injected", variable=_ACCEPTED)
        hosts, most = len(task_vars.get("ansible_play_batch") or [""]), max(options["batch_max"], 1)
        if hosts > most:
            raise JournalError("batch", hosts=hosts, most=most)
        _own_kind(options["kind"], task_vars)
        path = journal_path(options["journal"], options["journal_vouched_by"])
        now = datetime.now(timezone.utc)
        refusal = decide(options["kind"], options["ticket"], _deciding(task_vars), now, options["ticket_pattern"])
        text = refusal.text(language) if refusal else ""
        given = sorted(set(load_extra_vars(self._loader)).intersection(VARIABLES))
        noted = change_text("on_command_line", language, names=", ".join(given)) if given else ""
        options["id"] = _run() + uuid.uuid4().hex
        if self._task.check_mode:
            check_journal(path)
        else:
            entry = self._entry(options, task_vars, "refused" if refusal else "authorised")
            append(path, {**entry, "detail": " ".join(filter(None, (text, noted)))})
        return {
            "granted": refusal is None,
            "reason": refusal.reason if refusal else "",
            "refusal": text,
            "id": options["id"],
        }

    def _record(self, options: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        if not options["id"]:
            raise JournalError("not_authorised")
        path = journal_path(options["journal"], options["journal_vouched_by"])
        if not self._task.check_mode:
            self._write_granted(path, self._entry(options, task_vars, options["event"]), _language(options["language"]))
        return {"id": options["id"]}

    def _write_granted(self, path: str, entry: dict[str, Any], language: str) -> None:
        """One line, or a look alone for `granted`. JournalError, and a line that it was refused, unless the journal
        says that this run was authorised."""
        try:
            if not entry["id"].startswith(_run()):
                raise JournalError("not_granted", path=path, device=entry["device"], kind=entry["kind"])
            if entry["event"] == "granted":
                check_granted(path, entry)
            else:
                append(path, entry, granted=True)
        except JournalError as error:
            if error.fault == "not_granted":
                append(path, {**entry, "event": "refused", "files": [], "detail": error.text(language)})
            raise

    def _entry(self, options: Mapping[str, Any], task_vars: Mapping[str, Any], event: str) -> dict[str, Any]:
        return {
            "at": iso(time.time()),
            "id": options["id"],
            "device": str(task_vars["inventory_hostname"]),
            "ticket": options["ticket"],
            "by": _who(options["by"], task_vars),
            "kind": options["kind"],
            "event": event,
            "files": _plain(options["files"]),
            "detail": options["detail"],
        }

    def _summary(self, options: Mapping[str, Any], task_vars: Mapping[str, Any], language: str) -> dict[str, Any]:
        hostvars = task_vars["hostvars"]
        known = {str(name): _stated(HostVariables(hostvars, name)) for name in task_vars["ansible_play_hosts_all"]}
        stopping = set(options["stopping"])
        for name in stopping & known.keys():  # what ended before its first event has failed as well
            if known[name]["change_control_state"] in (None, "", "authorised"):
                known[name]["change_control_state"] = "failed"
        states = summary_states(known)
        active, batch = task_vars.get("ansible_play_hosts") or [], task_vars.get("ansible_play_batch") or []
        to_come = [name for name in active if name not in batch and not known[str(name)]["change_control_state"]]
        failing = any(states[state] for state in _STOPPING) and not self._task.check_mode
        done = not to_come or failing or bool(stopping)
        if done and not self._task.no_log:
            lines = summary_lines(known, options["kind"], options["ticket"], language, bool(self._task.check_mode))
            display.display("\n".join(lines))
        return {"states": states, "shown": done}


def _own_kind(kind: str, task_vars: Mapping[str, Any]) -> None:
    """JournalError where a role of ours asks for another kind of change than it makes. (Ansible says which role it is,
    and no variable can.)"""
    for name in task_vars.get("ansible_parent_role_names") or []:
        role = str(name).rpartition(".")[2]
        if kind not in KINDS_OF_ROLES.get(role, KINDS):
            raise JournalError("other_kind", role=role, kind=kind)


def _run() -> str:
    """Names this run of Ansible: what another one was granted is not granted to this one."""
    pid = os.getppid()  # an action runs in a worker of it
    started = ""
    with suppress(OSError):
        started = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    return hashlib.sha256(f"{pid} {started}".encode()).hexdigest()[:16]


def _stated(variables: HostVariables) -> dict[str, Any]:
    names = ("change_control_state", "change_control_refusal", "change_control_note")
    return {name: variables.get(name) for name in names}


def _deciding(task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """The host variables that decide, as plain data; one that cannot be read says so in its place."""
    variables = HostVariables(task_vars["hostvars"], task_vars["inventory_hostname"])
    read: dict[str, Any] = {}
    for name in VARIABLES:
        try:
            read[name] = _plain(variables.get(name))
        except (AnsibleError, TypeError, ValueError, RecursionError) as error:
            problem = str(error).splitlines()
            read[name] = Unreadable(clean_text(problem[0] if problem else error.__class__.__name__))
    return read


def _plain(value: Any) -> Any:
    """A value of the play as plain JSON data: no tags, no lazy containers, dates as text."""
    return json.loads(json.dumps(value, default=str))


def _who(given: str | None, task_vars: Mapping[str, Any]) -> str:
    """The person: as given, or as AWX or sudo knows them, and always the login, which nobody can choose."""
    try:
        login = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        login = f"uid {os.getuid()}"
    names = [task_vars.get(name) for name in ("awx_user_name", "tower_user_name")]
    awx = next((name for name in map(_name, names) if name), "")
    person, sudo = _name(given), _name(os.environ.get("SUDO_USER"))
    known = [f"AWX: {awx}"] if awx else [f"sudo: {sudo}"] if sudo and sudo != login else []
    return f"{person} ({', '.join([*known, f'login: {login}'])})" if person else ", ".join([*known, f"login: {login}"])


def _name(given: Any) -> str:
    """What is seen of a name, short enough that the login is never cut off."""
    return "" if given is None else visible(str(given).strip(), 60)[:60]


def _language(language: str) -> str:
    """The language of the terminal: the one chosen, else that of the person's locale."""
    if language != "both":
        return language
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "fr" if locale.lower().startswith("fr") else "en"
