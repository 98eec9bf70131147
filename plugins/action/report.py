# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observations -> findings -> summary -> the report folder, on the control node, in one pass."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.color import ANSIBLE_COLOR
from ansible.utils.display import Display

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import (
    card_from_dictionary,
    device_card,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import HostVariables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.collection import Observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import (
    load_attestation_file,
    load_attestations,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.files import decode_records, file_error
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import Problem, RecordError, sentence
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.unheard import strangers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import load_waiver_file, load_waivers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.fleet import Fleet
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import Destination, Preview, look_at
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.former import read_former
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.run import (
    LANGUAGES,
    Rules,
    build_report,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.staging import Staging
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.terminal import MOST_URGENT, fleet_table
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.told import (
    breach_texts,
    unseen_texts,
    unused_rows,
    weakened_texts,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import parse_instant
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import load_words

display = Display()

ARGUMENTS: dict[str, dict[str, Any]] = {
    "observations": {"type": "list", "elements": "raw", "required": True},
    "devices": {"type": "list", "elements": "raw", "required": True},
    "policy": {"type": "dict", "default": {}},
    "attestations": {"type": "list", "elements": "raw", "default": []},
    "waivers": {"type": "list", "elements": "raw", "default": []},
    "now": {"type": "raw"},
    "dest": {"type": "path", "default": "report"},
    "language": {"type": "str", "choices": list(LANGUAGES), "default": "both"},
    "run_info": {"type": "dict", "default": {}},
    "mode": {"type": "raw", "default": "0600"},
}

_PROGRESS_SECONDS = 5.0
_DIFF_LINES = 200
_NAMED = 10
# Beyond it a file is refused as too large by its reader.
_RECORD_FILE_LIMIT = 64 * 1024 * 1024
_READERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "attestations": (load_attestations, load_attestation_file),
    "waivers": (load_waivers, load_waiver_file),
}


class ReportError(ValueError):
    """An option cannot be used; the message names it and the way out."""


class ActionModule(ActionBase):
    """The action behind biomed.cert_hygiene.report; documented in the module file of the same name."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the report and return what the play may go on with."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(ARGUMENTS)
        try:
            result.update(self._report(options, task_vars or {}))
        except ValueError as error:  # what each part of the product raises for input that cannot be used
            result.update(failed=True, msg=str(error))
        return result

    def _report(self, options: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        now = _now(options["now"])
        names, given = _devices(options["devices"], now)
        dest = look_at(options["dest"])
        mode, language, hostvars = _mode(options["mode"]), _language(options["language"]), task_vars.get("hostvars", {})
        attestations, refused = _records("attestations", options["attestations"], dest, language)
        waivers, refused_waivers = _records("waivers", options["waivers"], dest, language)
        policy = load_policy(_plain(options["policy"]))
        known = {*names, *hostvars}
        groups = {*task_vars.get("groups", {}), *(group for card in given.values() for group in card.get("groups", ()))}
        unknown = strangers(attestations, waivers, known, groups, now) if known else []
        rules = Rules(policy, attestations, waivers, now, (*refused, *refused_waivers, *unknown))
        for name in names:
            if name not in given and name not in hostvars:
                raise ReportError(
                    f"devices: '{visible(name, 100)}' is not in the inventory: correct the name, add the host, "
                    "or give the device as a dictionary."
                )
        former = read_former(os.path.join(dest.path, "summary.json"))
        checking = bool(self._task.check_mode)
        with Observations(set(names)) as observations:
            self._read(options["observations"], observations, dest)
            observations.require_any()
            with (Preview if checking else Staging)(dest, mode) as out:
                fleet = build_report(
                    _cards(names, given, hostvars, now),
                    observations,
                    rules,
                    options["language"],
                    out,
                    _plain(options["run_info"]),
                    former,
                    _teller(len(names), language),
                )
                changed = out.commit()
            warnings = [*out.warnings, *fleet.warnings, *_strangers(observations.strangers)]
            words = load_words(language)
            warnings += _unused(fleet.unused, language)
            warnings += [words.fill("terminal_weakened", text=text) for text in weakened_texts(fleet.weakened, words)]
        for text in warnings:
            display.warning(text)
        if not self._task.no_log:
            self._show(fleet, language, dest, changed, checking)
        return self._result(fleet, options["language"], dest, changed, former.verdicts)

    def _read(self, sources: Sequence[Any], observations: Observations, dest: Destination) -> None:
        for position, source in enumerate(sources):
            if isinstance(source, str):
                path = os.path.abspath(os.path.expanduser(source))
                if dest.holds(path):
                    raise ReportError(
                        f"observations: '{path}' lies inside dest, which is replaced as a whole: keep it elsewhere."
                    )
                observations.add_file(path)
            elif isinstance(source, Mapping):
                observations.add_entry(_plain(source), position)
            else:
                raise ReportError(
                    f"observations[{position}] is neither the path of a file nor an observation: "
                    "hand over what device_probe returned, or the path of its file."
                )

    def _show(self, fleet: Fleet, language: str, dest: Destination, changed: bool, checking: bool) -> None:
        if checking and not fleet.rows:
            return  # a try whether a report could be written: there is nothing to show
        words = load_words(language)
        rows = [
            {"device": row.device, "verdict": row.verdict, "worst_severity": row.worst_severity, "next": row.next}
            for row in fleet.rows[:MOST_URGENT]
        ]
        # A log file shall not hold colours.
        colour = bool(ANSIBLE_COLOR) and not constants.DEFAULT_LOG_PATH
        key = "terminal_would" if checking else "terminal_written" if changed else "terminal_unchanged"
        lines = [
            *fleet_table(rows, language, int(display.columns), colour, total=len(fleet.rows)),
            fleet.totals_text(words),
            *unseen_texts(fleet.unseen, words),
            words.fill(key, path=visible(os.path.join(dest.path, "index.html"))),
        ]
        display.display("\n".join(lines))

    def _result(
        self, fleet: Fleet, language: str, dest: Destination, changed: bool, former: Mapping[str, str]
    ) -> dict[str, Any]:
        folder = f"{LANGUAGES[language][0]}/devices" if len(LANGUAGES[language]) > 1 else "devices"
        words = load_words(_language(language))
        result: dict[str, Any] = {
            "changed": changed,
            "report": dest.path,
            "index": os.path.join(dest.path, "index.html"),
            "totals": fleet.totals,
            "devices": [
                {
                    "device": row.device,
                    "verdict": row.verdict,
                    "worst_severity": row.worst_severity,
                    "sheet": os.path.join(dest.path, folder, row.file),
                }
                for row in fleet.rows
            ],
            "failing": fleet.failing(),
            "unseen": {
                **fleet.unseen.totals(),
                "too_many": breach_texts(fleet.breaches(), words),
            },
            "policy_weakened": fleet.weakened,
            "records_unused": unused_rows(fleet.unused),
        }
        if self._task.diff:
            result["diff"] = [_difference(former, fleet, dest)]
        return result


def _plain(value: Any) -> Any:
    """Return a value of the play as plain JSON data: no tags, no lazy containers, dates as text."""
    try:
        return json.loads(json.dumps(value, default=str))
    except RecursionError:
        raise ReportError("an option is nested too deeply to be read.") from None


def _records(name: str, given: Sequence[Any], dest: Destination, language: str) -> tuple[Any, list[Problem]]:
    """Return the attestations or waivers of files and of the list, and why others are not used.

    None of them stops a run, not even a file that is no list at all: what it was to say is told as not assessed, or as
    the failure that it is.
    """
    load, load_file = _READERS[name]
    refused: list[Problem] = []
    found = load([_plain(item) for item in given if not isinstance(item, str)], refused)
    for item in given:
        if not isinstance(item, str):
            continue
        path, shown = os.path.abspath(os.path.expanduser(item)), str(item)
        if dest.holds(path):
            raise ReportError(
                f"{name}: '{path}' lies inside dest, which is replaced as a whole: copy it elsewhere and name the copy."
            )
        try:
            with open(path, "rb") as file:
                text = decode_records(file.read(_RECORD_FILE_LIMIT), shown, language)
            more, problems = load_file(shown, text, language)
        except OSError as error:
            refused.append(file_error(shown, "unreadable", language, detail=error.strerror).problem)
        except RecordError as error:
            refused.append(error.problem)
        else:
            found = found.joined(more)
            refused += problems
    return found, refused


def _unused(problems: Sequence[Problem], language: str) -> list[str]:
    """Return what the terminal says of records that count for nothing, each in the language of its file."""
    shown = [
        sentence("not_used", problem.language, {"problem": visible(problem, 300)}) for problem in problems[:_NAMED]
    ]
    if len(problems) > _NAMED:
        shown.append(sentence("more", language, {"n": len(problems) - _NAMED}))
    return shown


def _devices(entries: Sequence[Any], now: datetime) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Return the devices' names in order, and the cards of those that were given as dictionaries."""
    names: dict[str, None] = {}
    given: dict[str, dict[str, Any]] = {}
    for position, entry in enumerate(entries):
        if isinstance(entry, str) and entry:
            names[str(entry)] = None
            continue
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not name:
            raise ReportError(
                f"devices[{position}] is neither a name nor a dictionary with a 'name': "
                "give inventory names, or dictionaries as device_probe takes them."
            )
        if name in names:
            raise ReportError(f"devices: '{visible(name, 100)}' is there twice: leave one out.")
        names[str(name)] = None
        given[str(name)] = _card(_plain(entry), now)
    return list(names), given


def _card(device: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Check a device given as a dictionary; what it does not speak of stays unsaid (it is not 'none')."""
    card = card_from_dictionary({"address": "unknown", **device}, now)
    kept = {*device, "name", "invalid", *(("consent_reason", "consent_detail") if "consent" in device else ())}
    card = {key: value for key, value in card.items() if key in kept}
    if device.get("invalid"):
        card["invalid"] = str(device["invalid"])
    return card


def _cards(
    names: Sequence[str], given: Mapping[str, dict[str, Any]], hostvars: Mapping[str, Any], now: datetime
) -> Iterator[dict[str, Any]]:
    for name in names:
        yield given[name] if name in given else _plain(device_card(name, HostVariables(hostvars, name), now))


def _now(value: Any) -> datetime:
    if value is None or value == "":
        return datetime.now(timezone.utc).replace(microsecond=0)
    moment = parse_instant(str(value))
    if moment is None:
        raise ReportError(f"now: {visible(value, 60)!r} is not a date and time: write it as 2026-11-22T17:00:00Z.")
    return moment


def _mode(value: Any) -> int:
    """Return the mode of the report's files."""
    text = str(value)
    # 0640 without quotes is a YAML number, 416: then its owner could not even read the files.
    if not re.fullmatch(r"0?6[0246][0246]", text) or int(text, 8) & 0o022:
        raise ReportError(
            f"mode: {visible(value, 20)!r} is not usable: quote it, as '0600' or '0640'; only the owner may write."
        )
    return int(text, 8)


def _language(language: str) -> str:
    """Return the language of the terminal: the report's own, else that of the person's locale."""
    if language != "both":
        return language
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "fr" if locale.lower().startswith("fr") else "en"


def _teller(total: int, language: str) -> Callable[[int], None]:
    """Return a function that tells, every few seconds, how far the work is."""
    words = load_words(language)
    told = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told
        moment = time.monotonic()
        if moment - told >= _PROGRESS_SECONDS:
            told = moment
            display.display(words.fill("terminal_progress", done=words.number(done), all=words.number(total)))

    return tell


def _strangers(names: set[str]) -> list[str]:
    if not names:
        return []
    some = ", ".join(visible(name, 60) for name in sorted(names)[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"observations of {len(names)} device(s) that are not in 'devices' were left out: {some}{more}."]


def _difference(former: Mapping[str, str], fleet: Fleet, dest: Destination) -> dict[str, str]:
    """Return the changed verdicts as Ansible shows differences."""
    current = {row.device: row.verdict for row in fleet.rows}
    changed = sorted(name for name in {*former, *current} if former.get(name) != current.get(name))
    before, after = (
        "".join(f"{visible(name, 100)}: {verdicts[name]}\n" for name in changed[:_DIFF_LINES] if name in verdicts)
        for verdicts in (former, current)
    )
    if len(changed) > _DIFF_LINES:
        after += f"... and {len(changed) - _DIFF_LINES} more\n"
    return {
        "before_header": f"{dest.path} (verdicts)",
        "after_header": f"{dest.path} (verdicts)",
        "before": before,
        "after": after,
    }
