# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, numbers, dates and lists as a person reads them, in French or English (labels.yml).

What is missing is said to be missing, and a name that nobody knows is shown as it is: nothing here raises, save for
an unknown language (ValueError).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    as_list,
    as_mapping,
    as_number,
    clean_text,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import has_no_end, parse_instant
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import french, require_language

_SHOWN = 12
_UNITS = (("year", 365 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


@functools.cache
def label_group(group: str, language: str) -> dict[str, Any]:
    """One group of labels.yml in one language."""
    texts = {key: entry[language] for key, entry in load_data("words/labels")[group].items()}
    if language != "fr":
        return texts
    return {key: french(text) if isinstance(text, str) else text for key, text in texts.items()}


def label_text(group: str, name: Any, language: str) -> str:
    """The label of a name in its group; a name that nobody knows is shown as it is."""
    labels = label_group(group, require_language(language))
    known = labels.get(name) if isinstance(name, str) else None
    return clean_text(name) if known is None else str(known)


def owner_label(owner: Any, language: str) -> str:
    """Who has to act."""
    return label_text("owner", owner, language)


def severity_label(severity: Any, language: str) -> str:
    """How grave a finding is."""
    return label_text("severity", severity, language)


def status_label(status: Any, language: str) -> str:
    """The state of a finding."""
    return label_text("status", status, language)


def verdict_label(verdict: Any, language: str) -> str:
    """The verdict on a device."""
    return label_text("verdict", verdict, language)


def class_label(device_class: Any, language: str) -> str:
    """The family of a device; a family of the hospital's own is shown as it is."""
    return label_text("class", device_class, language)


def criticality_label(criticality: Any, language: str) -> str:
    """How critical a device is."""
    return label_text("criticality", criticality, language)


def source_label(source: Any, language: str) -> str:
    """Where a finding comes from."""
    return label_text("source", source, language)


def version_label(version: Any, language: str) -> str:
    """A protocol version: "TLSv1.0" -> "TLS 1.0"."""
    return label_text("version", version, language)


def reference_label(reference: Any, language: str) -> str:
    """A reference: only those to the white paper and its annexes are worded, standards keep their own names."""
    text = clean_text(reference)
    for prefix, words in label_group("reference", require_language(language)).items():
        if text.startswith(prefix):
            return str(words) + text[len(prefix) :]
    return text


def date_text(value: Any, language: str) -> str:
    """A day (UTC): 09/01/2027, 9 January 2027; what is no date is shown as it is."""
    require_language(language)
    moment = parse_instant(value)
    if moment is None:
        return missing_text(language) if value is None else clean_text(value)
    return phrase("date", language).format(
        day=moment.day,
        month=moment.month,
        year=moment.year,
        name=load_data("words/labels")["months"][language][moment.month - 1],
    )


def until_text(value: Any, language: str) -> str:
    """The end of something: "jusqu'au 09/01/2027"; a year that people write for "no end" is said so."""
    if has_no_end(parse_instant(value)):
        return phrase("no_end", language)
    return phrase("until", language).format(date=date_text(value, language))


def date_time_text(value: Any, language: str) -> str:
    """A moment to the minute, in UTC and saying so."""
    moment = parse_instant(value)
    if moment is None:
        return date_text(value, language)
    date = date_text(moment, language)
    return phrase("instant", language).format(date=date, hour=moment.hour, minute=moment.minute)


def count_text(number: int, unit: str, language: str) -> str:
    """ "1 jour", "12 jours": French counts 0 and 1 as one thing, English 1 alone."""
    one, many = label_group("unit", require_language(language))[unit]
    single = abs(number) < 2 if language == "fr" else abs(number) == 1
    return f"{number} {one if single else many}"


def duration_text(seconds: Any, language: str) -> str:
    """A span in words, in its two largest units, the smaller one rounded down: "12 minutes", "3 jours 4 heures"."""
    require_language(language)
    value = as_number(seconds)
    if value is None:
        return missing_text(language)
    left = abs(round(value))
    if left == 0:
        return phrase("less_than_a_second", language)
    for index, (unit, size) in enumerate(_UNITS):
        count, rest = divmod(left, size)
        if count:
            words = [count_text(count, unit, language)]
            if index + 1 < len(_UNITS):
                lesser, lesser_size = _UNITS[index + 1]
                lesser_count = rest // lesser_size
                if lesser_count:
                    words.append(count_text(lesser_count, lesser, language))
            return " ".join(words)
    return phrase("less_than_a_second", language)


def offset_text(seconds: Any, language: str) -> str:
    """A clock's offset in words: "12 minutes de retard", "12 minutes slow" (negative seconds: the device is slow)."""
    require_language(language)
    value = as_number(seconds)
    if value is None:
        return missing_text(language)
    direction = "right" if round(value) == 0 else "slow" if value < 0 else "fast"
    return phrase(direction, language, "clock").format(span=duration_text(value, language))


def list_text(values: Sequence[str], language: str) -> str:
    """Things in a sentence: "a, b et c"; the first ones of a long list, and how many more."""
    require_language(language)
    if not values:
        return phrase("none", language)
    parts = list(values[:_SHOWN])
    if len(values) > _SHOWN:
        parts.append(phrase("more", language).format(n=len(values) - _SHOWN))
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} {phrase('and', language)} {parts[-1]}"


def versions_text(versions: Any, language: str) -> str:
    """Protocol versions: "TLS 1.0 et TLS 1.1"."""
    return list_text([version_label(version, language) for version in items_of(versions)], language)


def ports_text(ports: Any, language: str) -> str:
    """Ports, each with its service where it is known: "23 (telnet) et 80 (http)"."""
    parts = []
    for item in items_of(ports):
        entry = as_mapping(item)
        port = clean_text(entry.get("port") if entry else item)
        parts.append(f"{port} ({clean_text(entry['service'])})" if entry.get("service") else port)
    return list_text(parts, language)


def key_text(key: Any, language: str) -> str:
    """A public key: "RSA, 1024 bits", "courbe elliptique secp192r1, 192 bits"."""
    require_language(language)
    entry = as_mapping(key)
    kind = str(entry.get("type") or "")
    words = (
        label_text("key_type", kind.lower(), language)
        if kind.lower() in label_group("key_type", language)
        else clean_text(kind)
    )
    if entry.get("curve"):
        words = f"{words} {clean_text(entry['curve'])}"
    bits = as_number(entry.get("bits"))
    if bits is not None:
        words = f"{words}, {phrase('bits', language).format(n=int(bits))}"
    return words.strip() or missing_text(language)


def items_of(value: Any) -> list[Any]:
    """The items of a list, the keys of a mapping; none of anything else."""
    return list(value) if isinstance(value, Mapping) else as_list(value)


def phrase(name: str, language: str, group: str = "phrase") -> str:
    """A phrase to be filled; KeyError for one that labels.yml does not have."""
    return str(label_group(group, language)[name])


def missing_text(language: str) -> str:
    """What is said of a figure that is missing."""
    return phrase("not_recorded", language)
