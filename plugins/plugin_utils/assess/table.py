# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of checks: what each file of checks/ registers, beside its line of the checklist.

A file of checks/ ends with CHECK = (name, kind, judge). The kinds, and what their judges are handed:

    endpoint:    (facts, subject) -> verdict, on each endpoint of the device and of the servers that it talks to
    chain:       the same, for each chain that an endpoint shows to one client or another; the worst of them counts
    certificate: the same as chain, and on each certificate file too; None where a place is another check's to speak of
    device:      (subject) -> verdicts, once; the worst of them counts
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils import checks
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import Check, load_checklist

ENDPOINT, CHAIN, CERTIFICATE, DEVICE = "endpoint", "chain", "certificate", "device"
_LEVELS = {ENDPOINT: "endpoint", CHAIN: "endpoint", CERTIFICATE: "endpoint", DEVICE: "device"}


class Registered(NamedTuple):
    """One line of the table."""

    check: Check
    kind: str
    judge: Callable[..., Any]


class TableError(Exception):
    """The checklist and the files of checks/ do not name the same checks; the text says which, and the way out."""


def registered_checks() -> dict[str, Any]:
    """What each file of checks/ registers, by the file's name; None where it registers nothing."""
    files = sorted(path.stem for path in Path(checks.__file__).parent.glob("[!_]*.py"))
    return {name: getattr(importlib.import_module(f"{checks.__name__}.{name}"), "CHECK", None) for name in files}


def match(known: Iterable[Check], registered: Mapping[str, Any]) -> tuple[Registered, ...]:
    """The table, in the order of the checklist; TableError naming every check that only one of the two knows."""
    lines = {check.name: check for check in known}
    wrong = [f"{name}: in rules/checklist.yml, and no checks/{name}.py judges it" for name in lines.keys() - registered]
    for file, entry in registered.items():
        if not isinstance(entry, tuple) or len(entry) != 3 or entry[0] != file:
            wrong.append(f'checks/{file}.py does not end with CHECK = ("{file}", kind, judge)')
        elif file not in lines:
            wrong.append(f"{file}: in checks/{file}.py, and not in rules/checklist.yml")
        elif _LEVELS.get(entry[1]) != lines[file].level:
            wrong.append(f"{file}: its level is {lines[file].level}, and checks/{file}.py is of the kind {entry[1]}")
    if wrong:
        raise TableError("; ".join(sorted(wrong)))
    return tuple(Registered(check, *registered[name][1:]) for name, check in lines.items())


@functools.cache
def checks_in_order() -> tuple[Registered, ...]:
    """The table, read once."""
    return match(load_checklist().checks, registered_checks())
