# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joins an error message with what was seen of a device and its servers, and writes the diagnosis."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.live import diagnose_live
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.message import diagnose_input
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.page import (
    diagnosis,
    own_language,
    page,
    refusal,
    terminal,
    words,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.text import MAX_TEXT
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import card_from_dictionary
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.collection import Observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import Preview, look_at
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.run import LANGUAGES
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.staging import Staging
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.told import unread_problems
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import peer_key

display = Display()

_ARGUMENTS: dict[str, Any] = {
    "device": {"type": "dict", "required": True},
    "vantage": {"type": "str", "default": "localhost"},
    "observations": {"type": "list", "elements": "raw", "default": []},
    "path": {"type": "list", "elements": "dict", "default": []},
    "error_text": {"type": "raw"},
    "error_file": {"type": "path"},
    "policy": {"type": "dict", "default": {}},
    "dest": {"type": "path", "default": "diagnosis"},
    "language": {"type": "str", "choices": list(LANGUAGES), "default": "both"},
}


class ActionModule(ActionBase):
    """See the documentation of the module diagnosis."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Diagnose, write and show."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(_ARGUMENTS)
        try:
            result.update(self._diagnose(options))
        except ValueError as error:  # what each part of the product raises for input that cannot be used
            result.update(failed=True, msg=str(error))
        return result

    def _diagnose(self, options: dict[str, Any]) -> dict[str, Any]:
        language = own_language(options["language"], os.environ)
        dest = look_at(options["dest"])
        if os.path.lexists(os.path.join(dest.path, "summary.json")):
            raise ValueError(refusal("other_report", language, path=dest.path))
        message = _message(options, language)
        now = datetime.now(timezone.utc)
        card = card_from_dictionary(_plain(options["device"]), now)
        if card["invalid"]:
            raise ValueError(f"device: {card['invalid']}")
        live = diagnose_live(
            card,
            _observations(card, options["observations"], language),
            _plain(options["path"]),
            load_policy(options["policy"]),
            now,
        )
        found = diagnosis(card["name"], options["vantage"], now, live, message)
        # The person's language first.
        languages = sorted(LANGUAGES[options["language"]], key=lambda one: one != language)
        checking = bool(self._task.check_mode)
        with (Preview if checking else Staging)(dest) as out:
            out.write("index.html", page(found, languages))
            out.write("diagnosis.json", json.dumps(found, ensure_ascii=False, indent=2).encode("utf-8") + b"\n")
            changed = out.commit()
        for warning in out.warnings:
            display.warning(warning)
        index = os.path.join(dest.path, "index.html")
        if not self._task.no_log:
            where = words("would" if checking else "written", language, path=index)
            display.display("\n".join([*terminal(found, language), where]))
        return {"changed": changed, "index": index, "diagnosis": found}


def _plain(value: Any) -> Any:
    """A value of the play as plain JSON data."""
    return json.loads(json.dumps(value, default=str))


def _message(options: Mapping[str, Any], language: str) -> dict[str, Any] | None:
    """What the error message says; None where there is none."""
    path = options["error_file"]
    if path:
        try:
            with open(os.path.expanduser(path), "rb") as file:
                return diagnose_input(file.read(MAX_TEXT + 1).decode("utf-8", "replace"))
        except OSError as error:
            raise ValueError(refusal("bad_text", language, path=path, detail=error.strerror)) from None
    text = _plain(options["error_text"])
    return None if text in (None, "", []) else diagnose_input(text)


def _observations(card: Mapping[str, Any], sources: Sequence[Any], language: str) -> list[Observation]:
    """What files and lists hold of the device and its peers."""
    names = {card["name"], *map(peer_key, card["peers"])}
    found: list[Observation] = []
    with Observations(names) as observations:
        for position, source in enumerate(sources):
            if isinstance(source, str):
                observations.add_file(os.path.abspath(os.path.expanduser(source)))
            else:
                observations.add_entry(_plain(source), position)
        observations.require_any()
        for problem in unread_problems(observations.unread, language):
            display.warning(problem.text(language))
        for name in sorted(names):
            found += observations.of(name)
    return found
