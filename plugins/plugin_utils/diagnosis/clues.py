# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From clues to a diagnosis: the deepest clue wins, and what is equally deep is told too.

A clue may come from a text or, one day, from what was observed of a device: both end here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import french

UNKNOWN = "unknown"
#: With more causes than this, each gives its first step only.
_FEW = 3


@dataclass(frozen=True, slots=True)
class Clue:
    """One thing that points to causes. `level`: how deep it looks (see diagnosis.yml)."""

    categories: tuple[str, ...]
    level: int
    evidence: str
    stack: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Categories in the order of their probability, the clue that decided, and how sure that is."""

    categories: tuple[str, ...]
    clue: Clue | None
    confidence: str


def diagnosis_of(clues: Sequence[Clue]) -> Diagnosis:
    """The diagnosis of `clues`.

    The deepest level wins. Among its clues, causes told more often go first; told as often, the order of the closed
    list decides, which has the clock first. A clue that leaves several causes open gives way to a narrower one.
    """
    if not clues:
        return Diagnosis((UNKNOWN,), None, "none")
    deepest = max(clue.level for clue in clues)
    best = [clue for clue in clues if clue.level == deepest]
    narrow = min(len(clue.categories) for clue in best)
    best = [clue for clue in best if len(clue.categories) == narrow]
    weight: dict[str, int] = {}
    for clue in best:
        for category in clue.categories:
            weight[category] = weight.get(category, 0) + 1
    order = [*best[0].categories, *load_data("diagnosis/diagnosis")["categories"]]
    categories = tuple(sorted(weight, key=lambda name: (-weight[name], order.index(name))))
    if len(categories) > 1:
        categories = tuple(name for name in categories if name != UNKNOWN)
    decided = next(clue for clue in best if categories[0] in clue.categories)
    return Diagnosis(categories, decided, _confidence(categories, deepest))


def _confidence(categories: tuple[str, ...], level: int) -> str:
    if categories == (UNKNOWN,):
        return "none"
    if len(categories) > _FEW:
        return "low"
    data = load_data("diagnosis/diagnosis")
    name = next(name for name, number in data["levels"].items() if number == level)
    known: str = data["confidence"][name]
    return "medium" if known == "high" and len(categories) > 1 else known


def _both(texts: dict[str, str]) -> dict[str, str]:
    return {"fr": french(texts["fr"]), "en": texts["en"]}


def causes_of(categories: Sequence[str]) -> list[dict[str, Any]]:
    """What each category means, in their order: {"category", "title": {fr, en}, "text": {fr, en}}."""
    known = load_data("diagnosis/diagnosis")["categories"]
    return [
        {"category": name, "title": _both(known[name]["title"]), "text": _both(known[name]["text"])}
        for name in categories
    ]


def actions_of(categories: Sequence[str]) -> list[dict[str, Any]]:
    """What to do, in order: {"owner", "category", "text": {fr, en}}. The clock comes first, whatever the cause."""
    data = load_data("diagnosis/diagnosis")
    steps = []
    if UNKNOWN not in categories:
        steps.append({"owner": data["first"]["owner"], "category": "clock_skew", "text": _both(data["first"]["text"])})
    for name in categories:
        actions = data["categories"][name]["actions"]
        for action in actions if len(categories) <= _FEW else actions[:1]:
            steps.append({"owner": action["owner"], "category": name, "text": _both(action["text"])})
    return steps
