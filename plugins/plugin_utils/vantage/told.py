# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module on a gateway or vantage answered is data: of it only the keys that we know get through.

Ansible makes variables of `ansible_facts` in any answer, and shows `warnings` as they came. A gateway whose interpreter
is not ours to trust would rewrite the policy, or the operator's screen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.json_utils import _filter_non_json_lines
from ansible.plugins.action import ActionBase

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text

#: What any module may answer.
_COMMON = ("changed", "failed", "skipped", "unreachable", "rc", "diff", "invocation", "warnings")
#: Texts that Ansible shows, cleaned.
_SHOWN = ("msg", "module_stdout", "module_stderr")
_MOST_WARNINGS = 20
_MOST_LINES = 40


def told(answer: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The answer's `known` keys and Ansible's own; texts that Ansible shows without control characters."""
    kept = {key: answer[key] for key in (*_COMMON, *known) if key in answer}
    kept.update({key: _lines(answer[key]) for key in _SHOWN if key in answer})
    return kept


def harmless(stdout: str) -> str:
    """What came back, before Ansible reads it: it shows warnings, and what stands around the JSON, as they are."""
    try:
        answer = json.loads(_filter_non_json_lines(stdout, objects_only=True)[0])
    except (ValueError, RecursionError):
        return _lines(stdout)
    for key in ("ansible_facts", "deprecations", "exception"):
        answer.pop(key, None)
    warnings = answer.pop("warnings", None)
    if isinstance(warnings, list):
        answer["warnings"] = [text for text in map(_warning, warnings[:_MOST_WARNINGS]) if text]
    return json.dumps(answer)


def _lines(text: Any) -> str:
    return "\n".join(map(clean_text, str(text).splitlines()[:_MOST_LINES]))


def _warning(found: Any) -> str:
    """A warning's text, which newer versions of ansible-core wrap."""
    event = found.get("event") if isinstance(found, dict) else None
    text = event.get("msg") if isinstance(event, dict) else found
    return clean_text(text) if isinstance(text, str) else ""


class DataOnly(ActionBase):  # type: ignore[misc]
    """An action whose module's answer is data. `taken`: the keys that it knows, beside those of every module."""

    taken: tuple[str, ...] = ()

    def _execute_module(self, module_name: str | None = None, *args: Any, **kwargs: Any) -> dict[str, Any]:
        answer = super()._execute_module(module_name, *args, **kwargs)
        ours = module_name is None or module_name.startswith("biomed.cert_hygiene.")
        return told(answer, self.taken if ours else ("content", "encoding"))

    def _parse_returned_data(self, res: dict[str, Any], profile: str) -> Any:
        said = {**res, "stdout": harmless(res.get("stdout") or ""), "stderr": _lines(res.get("stderr") or "")}
        return super()._parse_returned_data(said, profile)


class PlainAction(DataOnly):
    """A module without more of a control-node half than that."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module with the task's arguments."""
        super().run(tmp, task_vars)
        return self._execute_module(task_vars=task_vars)
