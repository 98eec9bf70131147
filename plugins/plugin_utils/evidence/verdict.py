# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verdict: the reason that a check gives for what it saw, before the table says what that weighs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is a name of the checklist's table; `observed` and `expected` are JSON-safe; `due` a date (ISO).

    source:  which kind of observation answered; None for the one that the check usually comes from
    damaged: the places in that observation that could not be read: no pass rests on the rest of it
    """

    reason: str
    observed: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, Any] = field(default_factory=dict)
    due: str | None = None
    source: str | None = None
    damaged: tuple[str, ...] = ()
