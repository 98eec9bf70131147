# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a finding in one language, worded once for all the places that say it.

A finding appears on a sheet, in the CSV file and perhaps on the fleet page. Findings that carry no figures
(a login is needed, nothing was observed) are the same words on thousands of devices, and are kept.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import CLIENT, FILE, PEER_PREFIX
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels, messages
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import Words, load_words

Finding = Mapping[str, Any]

_KEPT = 8192


class Said(NamedTuple):
    """The words for one finding; plain text, control characters already written out."""

    check: str
    title: str
    status: str
    severity: str
    owner: str
    endpoint: str
    place: str
    message: str
    actions: tuple[str, ...]
    references: str
    source: str

    def alike(self, finding: Finding) -> tuple[Any, ...]:
        """Return what findings share that differ only in their endpoint (one certificate on three ports)."""
        return (finding["check"], finding["reason"], finding["severity"], finding["due"], self.owner, self.message)


_kept: dict[tuple[Any, ...], Said] = {}


def say(finding: Finding, language: str) -> Said:
    """Return the words for a finding."""
    if finding["observed"] or finding["expected"] or finding["due"]:
        return _worded(finding, language)
    key = (
        language,
        finding["check"],
        finding["reason"],
        finding["owner"],
        finding["endpoint"],
        finding["status"],
        finding["severity"],
        finding["source"],
    )
    said = _kept.get(key)
    if said is None:
        if len(_kept) >= _KEPT:
            _kept.clear()
        said = _kept[key] = _worded(finding, language)
    return said


#: What an endpoint that is no service begins with, and how it is said.
_PLACES = {PEER_PREFIX: "peer_place", f"{CLIENT}:/": "client_place", f"{FILE}:/": "file_place"}


def place_text(endpoint: object, language: str) -> str:
    """Return an endpoint for a person: ``https:443``, ``serveur pacs.hopital.example:2762``; nothing for none."""
    text = visible(endpoint, 120)
    for prefix, words in _PLACES.items():
        if text.startswith(prefix):
            return load_words(language).fill(words, name=text[len(prefix.rstrip("/")) :])
    return text


def say_all(findings: Iterable[Finding], language: str) -> list[Said]:
    """Return the words for all findings of a device, in their order."""
    return [say(finding, language) for finding in findings]


def _worded(finding: Finding, language: str) -> Said:
    check, reason = finding["check"], finding["reason"]
    said = _labels(check, reason, finding["status"], finding["severity"], finding["owner"], finding["source"], language)
    return Said(
        *said[:5],
        endpoint=visible(finding["endpoint"], 120),
        place=place_text(finding["endpoint"], language),
        message=visible(messages.finding_message(finding, language)),
        actions=tuple(visible(step) for step in messages.finding_actions(finding, language)),
        references=_references(tuple(finding["references"] or ()), language),
        source=said[5],
    )


def due_text(due: object, now: datetime, words: Words) -> str:
    """Return until when something has to be done, or since when it should have been; nothing for no date."""
    text = words.date(due)
    if not text:
        return ""
    return words.fill("overdue" if is_overdue(due, now) else "due_before", date=text)


def is_overdue(due: object, now: datetime) -> bool:
    """Whether something should have been done before today (UTC)."""
    return str(due)[:10] < now.date().isoformat()


@functools.lru_cache(maxsize=_KEPT)
def _labels(
    check: str, reason: str, status: str, severity: str, owner: str | None, source: str | None, language: str
) -> tuple[str, str, str, str, str, str]:
    return (
        messages.check_title(check, language),
        messages.reason_title(check, reason, language),
        labels.status_label(status, language),
        labels.severity_label(severity, language),
        labels.owner_label(owner, language) if owner else "",
        labels.source_label(source, language) if source else "",
    )


@functools.lru_cache(maxsize=1024)
def _references(references: tuple[str, ...], language: str) -> str:
    return " · ".join(labels.reference_label(reference, language) for reference in references)
