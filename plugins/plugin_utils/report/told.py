# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says of itself: a weakened policy, devices that were not seen, records that count for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.unseen import Breach, Unseen
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.collection import Unread
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import Problem
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.values import listed, policy_value
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import describe_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import Words

_MOST = 100


def weakened_texts(weakened: Sequence[Mapping[str, Any]], words: Words) -> list[str]:
    """A sentence for each rule that the policy switches off or softens."""
    if not weakened:
        return []
    meanings = {row["key"]: row["description"] for row in describe_policy(words.language)}
    return [
        words.fill(
            "weakened_limit" if "limit" in item else "weakened_entries",
            key=item["key"],
            meaning=meanings[item["key"]],
            value=policy_value(item["value"], words),
            limit=policy_value(item.get("limit"), words),
            entries=listed([visible(entry, 60) for entry in item.get("entries", ())], words, ", "),
        )
        for item in weakened
    ]


def unseen_texts(unseen: Unseen, words: Words) -> list[str]:
    """How many devices were not seen, and how many of them had been the last time."""
    if not unseen.consented:
        return []
    number = len(unseen.devices)
    if not number:
        return [words.count(words["all_seen"], unseen.consented)]
    text = words.count(words["not_seen"], number, all=words.number(unseen.consented))
    if unseen.seen_last_time is None:
        return [text]
    return [f"{text} {words.count(words['seen_last_time'], unseen.seen_last_time)}"]


def breach_texts(breaches: Sequence[Breach], words: Words) -> list[str]:
    """Why too many devices were not seen; the first ones of many wards."""
    return [
        words.fill(
            f"unseen_{breach.group}",
            name=_group_name(breach, words),
            n=words.number(breach.not_seen),
            all=words.number(breach.devices),
            share=words.number(breach.share * 100, 0 if breach.share * 100 % 1 == 0 else 1),
        )
        for breach in breaches[:_MOST]
    ]


def _group_name(breach: Breach, words: Words) -> str:
    if breach.group == "criticality":
        return labels.criticality_label(breach.name, words.language)
    return visible(breach.name, 100)


def unread_problems(unread: Iterable[Unread], language: str) -> list[Problem]:
    """A sentence for each observation that could not be read."""
    return [
        Problem("row_unreadable", {"detail": one.why}, place=one.place, line=one.line, language=language)
        for one in unread
    ]


def unused_texts(unused: Sequence[Problem], words: Words) -> list[str]:
    """A sentence for each record that counts for nothing, and how many more there are."""
    texts = [visible(problem.text(words.language), 500) for problem in unused[:_MOST]]
    return [*texts, words.fill("and_more", n=words.number(len(unused) - _MOST))] if len(unused) > _MOST else texts


def unused_rows(unused: Sequence[Problem]) -> list[dict[str, str]]:
    """The same for the summary, all of them, in both languages."""
    return [
        {
            "where": problem.where("en"),
            "reason": problem.name,
            "fr": problem.text("fr"),
            "en": problem.text("en"),
        }
        for problem in unused
    ]


def info_facts(info: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    """What the caller wants said about the run; a key that has no words here is shown as it is."""
    facts = []
    for key, value in list(info.items())[:20]:
        label = (
            words[f"run_{key}"] if key in ("play", "operator", "reference", "vantages") else str(key).replace("_", " ")
        )
        text = ", ".join(map(str, value[:20])) if isinstance(value, list) else value
        if text not in (None, ""):
            facts.append((visible(label, 60), visible(text, 300)))
    return facts


def policy_rows(policy: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    """The whole policy: what each value means, and the value."""
    return [
        (entry["description"], policy_value(policy[entry["key"]], words))
        for entry in describe_policy(words.language)
        if entry["key"] in policy
    ]
