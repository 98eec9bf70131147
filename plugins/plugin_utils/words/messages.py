# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads about a check and a finding, in French or English. Plain text: the renderer escapes it.

The words are in data/checklist.yml and data/labels.yml; the figures come from the finding. A figure that is missing
is said to be missing, and a name that nobody knows is shown as it is: nothing here raises, save for an unknown
language (ValueError).

Places in a text are {path:kind}. The path is looked up in the finding's `observed`, then `expected`, then the finding
itself; the kind says how to write the value: date, instant, days, elapsed (days of the past), span (seconds), offset
(a clock's), versions, ports, key, list, visit, sources (that disagree), failures (of TLS, in logs); none for plain
text.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import (
    Note,
    Text,
    find_reason,
    load_checklist,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    as_list,
    as_mapping,
    as_number,
    clean_text,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import parse_instant
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import french, require_language
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import PEER_PREFIX

Finding = Mapping[str, Any]

_SHOWN = 12
_UNITS = (("year", 365 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


@functools.cache
def _labels(group: str, language: str) -> dict[str, Any]:
    texts = {key: entry[language] for key, entry in load_data("words/labels")[group].items()}
    if language != "fr":
        return texts
    return {key: french(text) if isinstance(text, str) else text for key, text in texts.items()}


def _label(group: str, name: Any, language: str) -> str:
    labels = _labels(group, require_language(language))
    known = labels.get(name) if isinstance(name, str) else None
    return clean_text(name) if known is None else str(known)


def owner_label(owner: Any, language: str) -> str:
    """Who has to act."""
    return _label("owner", owner, language)


def severity_label(severity: Any, language: str) -> str:
    """How grave a finding is."""
    return _label("severity", severity, language)


def status_label(status: Any, language: str) -> str:
    """The state of a finding."""
    return _label("status", status, language)


def verdict_label(verdict: Any, language: str) -> str:
    """The verdict on a device."""
    return _label("verdict", verdict, language)


def class_label(device_class: Any, language: str) -> str:
    """The family of a device; a family of the hospital's own is shown as it is."""
    return _label("class", device_class, language)


def criticality_label(criticality: Any, language: str) -> str:
    """How critical a device is."""
    return _label("criticality", criticality, language)


def source_label(source: Any, language: str) -> str:
    """Where a finding comes from."""
    return _label("source", source, language)


def version_label(version: Any, language: str) -> str:
    """A protocol version: "TLSv1.0" -> "TLS 1.0"."""
    return _label("version", version, language)


def reference_label(reference: Any, language: str) -> str:
    """A reference: only those to the white paper and its annexes are worded, standards keep their own names."""
    text = clean_text(reference)
    for prefix, words in _labels("reference", require_language(language)).items():
        if text.startswith(prefix):
            return str(words) + text[len(prefix) :]
    return text


def date_text(value: Any, language: str) -> str:
    """A day (UTC): 09/01/2027, 9 January 2027; what is no date is shown as it is."""
    require_language(language)
    moment = parse_instant(value)
    if moment is None:
        return _missing(language) if value is None else clean_text(value)
    return _phrase("date", language).format(
        day=moment.day,
        month=moment.month,
        year=moment.year,
        name=load_data("words/labels")["months"][language][moment.month - 1],
    )


def instant_text(value: Any, language: str) -> str:
    """A moment to the minute, in UTC and saying so."""
    moment = parse_instant(value)
    if moment is None:
        return date_text(value, language)
    date = date_text(moment, language)
    return _phrase("instant", language).format(date=date, hour=moment.hour, minute=moment.minute)


def count_text(number: int, unit: str, language: str) -> str:
    """ "1 jour", "12 jours": French counts 0 and 1 as one thing, English 1 alone."""
    one, many = _labels("unit", require_language(language))[unit]
    single = abs(number) < 2 if language == "fr" else abs(number) == 1
    return f"{number} {one if single else many}"


def duration_text(seconds: Any, language: str) -> str:
    """A span in words, in its two largest units, the smaller one rounded down: "12 minutes", "3 jours 4 heures"."""
    require_language(language)
    value = as_number(seconds)
    if value is None:
        return _missing(language)
    left = abs(round(value))
    if left == 0:
        return _phrase("less_than_a_second", language)
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
    return _phrase("less_than_a_second", language)


def offset_text(seconds: Any, language: str) -> str:
    """A clock's offset in words: "12 minutes de retard", "12 minutes slow" (negative seconds: the device is slow)."""
    require_language(language)
    value = as_number(seconds)
    if value is None:
        return _missing(language)
    direction = "right" if round(value) == 0 else "slow" if value < 0 else "fast"
    return _phrase(direction, language, "clock").format(span=duration_text(value, language))


def list_text(values: Sequence[str], language: str) -> str:
    """Things in a sentence: "a, b et c"; the first ones of a long list, and how many more."""
    require_language(language)
    if not values:
        return _phrase("none", language)
    parts = list(values[:_SHOWN])
    if len(values) > _SHOWN:
        parts.append(_phrase("more", language).format(n=len(values) - _SHOWN))
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} {_phrase('and', language)} {parts[-1]}"


def versions_text(versions: Any, language: str) -> str:
    """Protocol versions: "TLS 1.0 et TLS 1.1"."""
    return list_text([version_label(version, language) for version in _values(versions)], language)


def ports_text(ports: Any, language: str) -> str:
    """Ports, each with its service where it is known: "23 (telnet) et 80 (http)"."""
    parts = []
    for item in _values(ports):
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
        _label("key_type", kind.lower(), language)
        if kind.lower() in _labels("key_type", language)
        else clean_text(kind)
    )
    if entry.get("curve"):
        words = f"{words} {clean_text(entry['curve'])}"
    bits = as_number(entry.get("bits"))
    if bits is not None:
        words = f"{words}, {_phrase('bits', language).format(n=int(bits))}"
    return words.strip() or _missing(language)


def _values(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Mapping) else as_list(value)


def _phrase(name: str, language: str, group: str = "phrase") -> str:
    return str(_labels(group, language)[name])


def _missing(language: str) -> str:
    return _phrase("not_recorded", language)


def _plain(value: Any, language: str) -> str:
    if value is None or value == "":
        return _missing(language)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, float):
        text = str(value)
        return text.replace(".", ",") if language == "fr" else text
    return clean_text(value)


def _elapsed(value: Any, language: str) -> str:
    days = as_number(value)
    if days is None:
        return _missing(language)
    return _phrase("less_than_a_day", language) if int(days) == 0 else count_text(abs(int(days)), "day", language)


@functools.cache
def _titles(language: str) -> dict[str, str]:
    """The titles of all reasons. A name means one thing, whatever the check."""
    checklist = load_checklist()
    reasons = [*checklist.common.values(), *(item for check in checklist.checks for item in check.reasons.values())]
    return {reason.name: reason.title.get(language) for reason in reasons}


def _sources(value: Any, language: str) -> str:
    """Sources with what each says: "Visite réseau (Horloge à l'heure) et …"."""
    told = []
    for entry in map(as_mapping, _values(value)):
        reason = entry.get("reason")
        title = _titles(language).get(reason, clean_text(reason)) if isinstance(reason, str) else clean_text(reason)
        told.append(
            _phrase("source", language).format(source=source_label(entry.get("source"), language), reason=title)
        )
    return list_text(told, language)


def _failures(value: Any, language: str) -> str:
    """Groups of TLS failures: "10.1.2.3 : certificat expiré (12 fois)"."""
    told = []
    for entry in map(as_mapping, _values(value)):
        name = "failure" if entry.get("peer") else "failure_unknown_peer"
        cause = _label("failure_cause", entry.get("cause"), language)
        told.append(
            _phrase(name, language).format(
                peer=clean_text(entry.get("peer")), cause=cause, count=_plain(entry.get("count"), language)
            )
        )
    return list_text(told, language)


_KINDS: dict[str, Callable[[Any, str], str]] = {
    "": _plain,
    "date": date_text,
    "instant": instant_text,
    "days": _elapsed,
    "span": duration_text,
    "offset": offset_text,
    "versions": versions_text,
    "ports": ports_text,
    "key": key_text,
    "list": lambda value, language: list_text([_plain(item, language) for item in _values(value)], language),
    "sources": _sources,
    "failures": _failures,
    "visit": lambda value, language: _label("visit_reason", value, language) if value else _missing(language),
}


@functools.cache
def _parts(template: str) -> tuple[tuple[str, tuple[str, ...] | None, str], ...]:
    """A text as (words, path, kind) triples."""
    return tuple(
        (words, None if path is None else tuple(path.split(".")), kind or "")
        for words, path, kind, _conversion in string.Formatter().parse(template)
    )


def places(template: str) -> list[tuple[str, str]]:
    """The (path, kind) of the places of a text."""
    return [(".".join(path), kind) for _words, path, kind in _parts(template) if path is not None]


def _look_up(finding: Finding, path: tuple[str, ...]) -> Any:
    for holder in (finding.get("observed"), finding.get("expected"), finding):
        value: Any = holder
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def _fill(text: Text, finding: Finding, language: str) -> str:
    written: list[str] = []
    for words, path, kind in _parts(text.get(language)):
        # A value that ends its own sentence ends ours too.
        ended = bool(written) and written[-1].endswith(".") and words.startswith(".")
        written.append(words[1:] if ended else words)
        if path is not None:
            written.append(_KINDS.get(kind, _plain)(_look_up(finding, path), language))
    return "".join(written)


def _applies(note: Note, finding: Finding) -> bool:
    for path, wanted in note.when:
        value = _look_up(finding, tuple(path.split(".")))
        if (value in (None, "", [], {})) if wanted == "*" else value != wanted:
            return False
    return True


def check_title(check: Any, language: str) -> str:
    """A check's name for people."""
    require_language(language)
    known = load_checklist().by_name.get(check) if isinstance(check, str) else None
    return clean_text(check) if known is None else known.title.get(language)


def check_text(check: Any, language: str) -> str:
    """What a check looks at and why, for a technician."""
    require_language(language)
    known = load_checklist().by_name.get(check) if isinstance(check, str) else None
    return clean_text(check) if known is None else known.text.get(language)


def reason_title(check: Any, reason: Any, language: str) -> str:
    """A reason in a few words."""
    require_language(language)
    known = find_reason(check, reason) if isinstance(check, str) and isinstance(reason, str) else None
    return clean_text(reason) if known is None else known.title.get(language)


def _on_peer(finding: Finding) -> bool:
    endpoint = finding.get("endpoint")
    return isinstance(endpoint, str) and endpoint.startswith(PEER_PREFIX)


def finding_message(finding: Finding, language: str) -> str:
    """What was found, in plain sentences with the figures."""
    require_language(language)
    check, reason = finding.get("check"), finding.get("reason")
    known = find_reason(check, reason) if isinstance(check, str) and isinstance(reason, str) else None
    if known is None:
        return clean_text(reason)
    notes = (*known.notes, *load_checklist().common_notes)
    sentences = [_fill(known.message, finding, language)]
    sentences.extend(_fill(note.text, finding, language) for note in notes if _applies(note, finding))
    message = " ".join(sentences)
    if _on_peer(finding):
        server = clean_text(str(finding["endpoint"])[len(PEER_PREFIX) :])
        return _phrase("peer", language).format(server=server) + message
    return message


def finding_actions(finding: Finding, language: str) -> list[str]:
    """What the owner has to do, in order."""
    require_language(language)
    check, reason = finding.get("check"), finding.get("reason")
    known = find_reason(check, reason) if isinstance(check, str) and isinstance(reason, str) else None
    if known is None:
        return []
    if finding.get("owner") == "vendor":
        actions = load_checklist().vendor_actions
    else:
        actions = known.peer_actions if _on_peer(finding) else known.actions
    return [_fill(action, finding, language) for action in actions]


def fill_text(template: str, values: Mapping[str, Any], language: str) -> str:
    """A template of another data file, with its {place:kind} filled from `values`."""
    return _fill(Text(template, template), {"observed": values}, require_language(language))
