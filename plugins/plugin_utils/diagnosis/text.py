# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a text holds of a TLS failure: a clue for each place where a rule fits.

The text is hostile: it is cut at MAX_TEXT characters, each rule looks at a bounded number of places, and each place at
a bounded stretch of one line. The cost is linear in the length of the text.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.clues import Clue
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.rules import Rule, fold, load_rules, lower
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible

MAX_TEXT = 1_048_576
#: Characters before and after a place that a pattern may look at, and that may hold what "unless" names.
_REACH = 240
_NEAR = 60
#: A pattern that looked at a place has seen this much of what follows on the line.
_STEP = 120
#: Places that a rule looks at for one literal: the first ones of a text, and the last ones.
_FIRST = _LAST = 2000
#: A text with no more than this around a rule's words is these words alone, as on a screen.
_ALONE = 3
_EVIDENCE = 240
#: A text this short may be one message that a screen broke into lines.
_SCREEN = 2000
_TOLD = 40  # the level from which the lines by themselves were enough


def read_clues(text: str) -> list[Clue]:
    """The clues of `text` (its first MAX_TEXT characters), in the order of the rules."""
    text = text[:MAX_TEXT]
    clues = list(_clues(text))
    if "\n" in text and len(text) <= _SCREEN and all(clue.level < _TOLD for clue in clues):
        clues.extend(_clues(" ".join(text.split())))
    return clues


def _clues(text: str) -> Iterator[Clue]:
    folded, plain = fold(text), lower(text)
    for rule in load_rules():
        yield from _of_rule(rule, plain if rule.plain else folded, folded, text)


def _of_rule(rule: Rule, hay: str, folded: str, text: str) -> Iterator[Clue]:
    seen: set[int] = set()
    for anchor in rule.anchors:
        covered = 0
        for spot in _spots(hay, anchor):
            if rule.pattern is not None and spot < covered:
                continue
            start, end = _line(hay, spot)
            covered = min(end, spot + _STEP)
            if rule.pattern is None:
                found = [(spot, spot + len(anchor), rule.categories)]
            else:
                found = [
                    (match.start(), match.end(), rule.meaning(match[1] if rule.codes else None))
                    for match in rule.pattern.finditer(hay, start, end)
                ]
            for begin, stop, categories in found:
                if begin in seen or not categories or not _meant(rule, folded, start, begin, stop, end):
                    continue
                seen.add(begin)
                yield Clue(categories, rule.level, _evidence(text, start, begin, stop, end), rule.stack)


def _line(hay: str, spot: int) -> tuple[int, int]:
    """The stretch of the line around a place that a rule may look at."""
    start = max(hay.rfind("\n", max(0, spot - _REACH), spot) + 1, spot - _REACH, 0)
    end = hay.find("\n", spot, spot + _REACH)
    return start, min(len(hay), spot + _REACH) if end < 0 else end


def _meant(rule: Rule, folded: str, start: int, begin: int, stop: int, end: int) -> bool:
    """Whether what is around says that these words are meant."""
    near = folded[max(start, begin - _NEAR) : min(end, stop + _NEAR)]
    if any(word in near for word in rule.unless):
        return False
    if not rule.context or len(folded) <= stop - begin + _ALONE:
        return True
    line = folded[start:end]
    return any(word in line for word in rule.context)


def _spots(hay: str, anchor: str) -> Iterator[int]:
    """Where `anchor` stands: the first places and the last ones."""
    place, last = -1, -1
    for _count in range(_FIRST):
        place = hay.find(anchor, place + 1)
        if place < 0:
            return
        last = place
        yield place
    place = len(hay)
    for _count in range(_LAST):
        place = hay.rfind(anchor, 0, place + len(anchor) - 1)
        if place <= last:
            return
        yield place


def _evidence(text: str, start: int, begin: int, stop: int, end: int) -> str:
    """The line around what decided, escaped and bounded."""
    if end - start > _EVIDENCE:
        start = max(start, begin - _EVIDENCE // 4)
        end = min(end, max(stop, start + _EVIDENCE))
    return visible(text[start:end].strip(), _EVIDENCE)
