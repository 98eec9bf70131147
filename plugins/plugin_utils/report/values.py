# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observed and expected values, the policy's and amounts as text in one language, bounded in length and depth."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.messages import reason_titles
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import Words, load_words

SHOWN = 20  # items of a list that a page shows
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d.*)?")
# The message and the actions have words of their own for these.
_SAID_ELSEWHERE = ("vendor_limit", "waiver")
_EMPTY: tuple[object, ...] = ("", [], {})
# Values that are more than plain text, by their name.
_WRITERS: dict[str, Callable[[Any, str], str]] = {
    **dict.fromkeys(
        ("open", "insecure", "not_allowed", "undeclared", "unanswered", "asked", "allowed"), labels.ports_text
    ),
    **dict.fromkeys(("accepted", "accepted_obsolete", "refused", "obsolete", "modern"), labels.versions_text),
    "key": labels.key_text,
}
# Values of closed lists that have labels, and names that share a list of the report's own.
_LABELLED = {
    "allowed_key_types": "key_type",
    "cause": "failure_cause",
    "key_proof_detail": "key_proof_detail",
    "source": "source",
    "visit_reason": "visit_reason",
}
_SAME_LIST = {"unreadable": "stores", "without": "stores"}


def value_rows(values: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    """Return (name, value) of what was observed or expected; what is empty says nothing and is left out."""
    language = words.language
    rows = []
    for key, value in islice(values.items(), 40):
        if value is None or value in _EMPTY or key in _SAID_ELSEWHERE:
            continue
        writer = _WRITERS.get(key)
        text = visible(writer(value, language), 500) if writer else value_text(value, words, key)
        rows.append((_item(key, language), text))
    return rows


@functools.lru_cache(maxsize=1024)
def _item(key: str, language: str) -> str:
    """Return the name of an observed or expected value; one that has none is shown as it is."""
    return visible(load_words(language)["item"].get(key, str(key).replace("_", " ")), 80)


def _in_words(name: str, value: str, words: Words) -> str:
    """Return a value of a closed list in words; any other text as it is."""
    said: str | None = words["code"].get(_SAME_LIST.get(name, name), {}).get(value)
    if said is not None:
        return said
    if name in ("reason", "not_assessed"):
        return reason_titles(words.language).get(value, value)
    group = _LABELLED.get(name)
    return labels.label_text(group, value, words.language) if group else value


def policy_value(value: Any, words: Words) -> str:
    """Return a value of the policy in one line."""
    return words.number(value, 3) if isinstance(value, float) and value < 1 else value_text(value, words)


def value_text(value: Any, words: Words, name: str = "", depth: int = 0) -> str:
    """Return an observed value as one line of text, bounded in length and depth; `name` is what it stands under."""
    if value is None:
        return str(words["none"])
    if isinstance(value, bool):
        return str(words["yes"] if value else words["no"])
    if isinstance(value, float):
        return words.number(value, 1)
    if isinstance(value, str):
        if value[:1] in ("1", "2") and _INSTANT.fullmatch(value):
            return words.date_time(value) if "T" in value else words.date(value)
        return visible(_in_words(name, value, words), 500)
    if depth < 3 and isinstance(value, Mapping):
        colon, language = words["colon"], words.language
        parts = [
            f"{_item(str(k), language)}{colon} {value_text(v, words, str(k), depth + 1)}" for k, v in value.items()
        ]
        return visible(listed(parts, words, words["semicolon"]))
    if depth < 3 and isinstance(value, (list, tuple)):
        return visible(listed([value_text(part, words, name, depth + 1) for part in value], words, ", "))
    return visible(value, 500)


def listed(parts: Sequence[str], words: Words, separator: str) -> str:
    if not parts:
        return str(words["none"])
    text = separator.join(parts[:SHOWN])
    if len(parts) > SHOWN:
        text += " " + words.fill("and_more", n=words.number(len(parts) - SHOWN))
    return text


def is_amount(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15


def traffic(amounts: Mapping[str, Any], words: Words, text: str) -> str:
    """Return how much was asked of a device (or of all): connections and bytes."""
    n = {key: amounts[key] if is_amount(amounts.get(key)) else 0 for key in TRAFFIC}
    return words.fill(
        text,
        connections=words.number(n["connections"]),
        sent=words.size(n["bytes_sent"]),
        received=words.size(n["bytes_received"]),
    )


TRAFFIC = ("connections", "bytes_sent", "bytes_received")
