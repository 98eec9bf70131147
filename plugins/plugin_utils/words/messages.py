# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads of a check and of a finding, in French or English. Plain text: the renderer escapes it.

The words are in rules/checklist.yml, the figures come from the finding. A figure that is missing is said to be
missing, and a name that nobody knows is shown as it is: nothing here raises, save for an unknown language
(ValueError).

Places in a text are {path:kind}. The path is looked up in the finding's `observed`, then `expected`, then the finding
itself; the kind says how to write the value: date, instant, days, elapsed (days of the past), span (seconds), offset
(a clock's), versions, ports, key, list, visit, sources (that disagree), failures (of TLS, in logs), clients (that are
shown a chain), until (the end of something), where (a line of a file), attestations and waivers (that say otherwise);
none for plain text.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import (
    Note,
    Text,
    find_reason,
    load_checklist,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_mapping, as_number, clean_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import require_language
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import PEER_PREFIX
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.labels import (
    count_text,
    date_text,
    date_time_text,
    duration_text,
    items_of,
    key_text,
    label_text,
    list_text,
    missing_text,
    offset_text,
    phrase,
    ports_text,
    source_label,
    until_text,
    versions_text,
)

Finding = Mapping[str, Any]


def _plain(value: Any, language: str) -> str:
    if value is None or value == "":
        return missing_text(language)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, float):
        text = str(value)
        return text.replace(".", ",") if language == "fr" else text
    return clean_text(value)


def _elapsed(value: Any, language: str) -> str:
    days = as_number(value)
    if days is None:
        return missing_text(language)
    return phrase("less_than_a_day", language) if int(days) == 0 else count_text(abs(int(days)), "day", language)


@functools.cache
def reason_titles(language: str) -> dict[str, str]:
    """The titles of all reasons. A name means one thing, whatever the check."""
    checklist = load_checklist()
    reasons = [*checklist.common.values(), *(item for check in checklist.checks for item in check.reasons.values())]
    return {reason.name: reason.title.get(language) for reason in reasons}


def _sources(value: Any, language: str) -> str:
    """Sources with what each says: "Visite réseau (Horloge à l'heure) et …"."""
    told = []
    for entry in map(as_mapping, items_of(value)):
        reason = entry.get("reason")
        title = (
            reason_titles(language).get(reason, clean_text(reason)) if isinstance(reason, str) else clean_text(reason)
        )
        told.append(phrase("source", language).format(source=source_label(entry.get("source"), language), reason=title))
    return list_text(told, language)


def _failures(value: Any, language: str) -> str:
    """Groups of TLS failures: "10.1.2.3 : certificat expiré (12 fois)"."""
    told = []
    for entry in map(as_mapping, items_of(value)):
        name = "failure" if entry.get("peer") else "failure_unknown_peer"
        cause = label_text("failure_cause", entry.get("cause"), language)
        told.append(
            phrase(name, language).format(
                peer=clean_text(entry.get("peer")), cause=cause, count=_plain(entry.get("count"), language)
            )
        )
    return list_text(told, language)


def _clients(value: Any, language: str) -> str:
    """The clients that are shown a chain: "TLS 1.2, clé RSA, nom echo-004.hopital.example"."""
    hello = as_mapping(value)
    told = [label_text("version", hello["version"], language)] if hello.get("version") else []
    if hello.get("key") in ("rsa", "ecdsa"):
        told.append(phrase("client_key", language).format(key=clean_text(hello["key"]).upper()))
    name = clean_text(hello.get("server_name") or "")
    told.append(phrase("client_name", language).format(name=name) if name else phrase("client_no_name", language))
    return ", ".join(told)


def _attestations(value: Any, language: str) -> str:
    """Attestations: "conforme, A. Martin, 20/11/2026 (site.csv, ligne 3)"."""
    told = []
    for entry in map(as_mapping, items_of(value)):
        result = label_text("attested", entry.get("result"), language)
        by, day = _plain(entry.get("by"), language), date_text(entry.get("on"), language)
        told.append(f"{result}, {by}, {day}{_at(entry, language)}")
    return list_text(told, language)


def _waivers(value: Any, language: str) -> str:
    """Waivers: "RSSI, jusqu'au 31/12/2026 (waivers.yml, ligne 3)"."""
    told = [
        f"{_plain(entry.get('approver'), language)}, {until_text(entry.get('until'), language)}{_at(entry, language)}"
        for entry in map(as_mapping, items_of(value))
    ]
    return list_text(told, language)


def _at(entry: Mapping[str, Any], language: str) -> str:
    return f" ({_where(entry['where'], language)})" if entry.get("where") else ""


def _where(value: Any, language: str) -> str:
    """A file and its line; records write "site.csv, line 3"."""
    path, _comma, line = _plain(value, language).rpartition(", line ")
    return phrase("line", language).format(path=path, line=line) if path else line


_KINDS: dict[str, Callable[[Any, str], str]] = {
    "": _plain,
    "date": date_text,
    "instant": date_time_text,
    "days": _elapsed,
    "span": duration_text,
    "offset": offset_text,
    "versions": versions_text,
    "ports": ports_text,
    "key": key_text,
    "list": lambda value, language: list_text([_plain(item, language) for item in items_of(value)], language),
    "sources": _sources,
    "failures": _failures,
    "clients": _clients,
    "until": until_text,
    "where": _where,
    "attestations": _attestations,
    "waivers": _waivers,
    "proof": lambda value, language: label_text("key_proof_detail", value, language),
    "visit": lambda value, language: label_text("visit_reason", value, language) if value else missing_text(language),
}


@functools.cache
def _parts(template: str) -> tuple[tuple[str, tuple[str, ...] | None, str], ...]:
    """A text as (words, path, kind) triples."""
    return tuple(
        (words, None if path is None else tuple(path.split(".")), kind or "")
        for words, path, kind, _conversion in string.Formatter().parse(template)
    )


def placeholders(template: str) -> list[tuple[str, str]]:
    """The (path, kind) of the placeholders of a text."""
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
        return phrase("peer", language).format(server=server) + message
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
