# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device's sheet says, before it is laid out: a view of plain texts in one language.

The templates only place these texts. Nothing is escaped here: the templates do that, for every text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels as words_labels
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.certificate import renewal_windows
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_list, as_mapping
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import DAY_SECONDS, parse_instant
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.request import request_to_it
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.said import Said, due_text, place_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import Words, load_words

Finding = Mapping[str, Any]
Told = tuple[Finding, Said]

SEVERITIES = ("critical", "high", "medium", "low", "info")
SEVERITY_RANK = {name: rank for rank, name in enumerate(SEVERITIES)}
# Read without colour: a printed page, a colour-blind reader, a plain terminal.
VERDICT_MARKS = {"compliant": "✓", "compliant_with_waivers": "✓*", "incomplete": "?", "non_compliant": "✗"}
SEVERITY_MARKS = {"critical": "!!!", "high": "!!", "medium": "!", "low": "·", "info": "·"}

# Annex 1 item 1 (plan) and section 4.1 (the warning that a device should give), whatever the lifetime.
LITERAL_DAYS = (90, 30)

_SHOWN = 20  # items of a list that a page shows
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d.*)?")
_DAY = timedelta(days=1)


class Badge(NamedTuple):
    """A state in words, with its mark and its CSS class."""

    id: str
    mark: str
    label: str


class Alert(NamedTuple):
    """Why a visit did not go as it should."""

    title: str
    text: str
    detail: str


class Golden(NamedTuple):
    """The state of the device's clock."""

    id: str
    mark: str
    label: str
    texts: list[str]


class Todo(NamedTuple):
    """A failure and what to do about it."""

    title: str
    check: str
    severity: str
    mark: str
    severity_label: str
    owner: str
    due: str
    where: str
    message: str
    actions: Sequence[str]
    observed: list[tuple[str, str]]
    expected: list[tuple[str, str]]
    references: str


class Waived(NamedTuple):
    """A failure that the hospital accepts for a time."""

    title: str
    check: str
    where: str
    message: str


class Unknown(NamedTuple):
    """Checks that could not be assessed for one reason."""

    title: str
    actions: tuple[str, ...]
    checks: tuple[str, ...]


class Passed(NamedTuple):
    """A check that holds."""

    check: str
    where: str
    message: str


class Certificate(NamedTuple):
    """A certificate as it was presented."""

    title: str
    where: str
    error: str
    facts: list[tuple[str, str]]
    windows: list[tuple[str, str, str]]


class Sheet(NamedTuple):
    """Everything that a device's sheet says."""

    name: str
    verdict: Badge
    lead: str
    facts: list[tuple[str, str]]
    alert: Alert | None
    golden: Golden
    todo: list[Todo]
    request: list[str]
    waived: list[Waived]
    unknown: tuple[Unknown, ...]
    passed: list[Passed]
    certs: list[Certificate]
    visits: list[list[tuple[str, str]]]


def verdict_badge(verdict: str, language: str) -> Badge:
    """Return a verdict in words and as a mark."""
    return Badge(verdict, VERDICT_MARKS.get(verdict, "?"), words_labels.verdict_label(verdict, language))


def urgency(finding: Finding) -> tuple[int, int, str]:
    """Order failures for the person who stands at the device: the clock first (annex 2), then the worst."""
    return (
        0 if finding["check"] == "clock_offset" else 1,
        SEVERITY_RANK.get(finding["severity"], len(SEVERITIES)),
        finding.get("due") or "9999",
    )


def sheet_view(
    card: Mapping[str, Any],
    row: Mapping[str, Any],
    said: Sequence[Said],
    observations: Sequence[Mapping[str, Any]],
    peers: Sequence[tuple[str, Mapping[str, Any]]],
    policy: Mapping[str, Any],
    now: datetime,
    words: Words,
) -> Sheet:
    """Return the sheet of one device.

    :param row: the device's summary, findings included
    :param said: the words for its findings, in the same order
    :param peers: (label, observation) of the servers that the device depends on
    """
    by_status: dict[str, list[Told]] = {}
    for finding, words_for_it in zip(row["findings"], said, strict=True):
        by_status.setdefault(finding["status"], []).append((finding, words_for_it))
    failed = sorted(by_status.get("fail", ()), key=lambda told: urgency(told[0]))
    alike = _alike(failed)
    todo = [_todo(group, now, words) for group in alike]
    for_it = [(*group[0], _where(group)) for group in alike if group[0][0]["owner"] == "it"]
    waived = [_waived(told) for told in by_status.get("waived", ())]
    unknown = _unknown(by_status.get("not_assessed", ()))
    passed = [_passed(group) for group in _alike(by_status.get("pass", ()))]
    numbers = {
        "fail": len(todo),
        "waived": len(waived),
        "not_assessed": sum(len(group.checks) for group in unknown),
        "pass": len(passed),
    }
    return Sheet(
        name=visible(row["device"], 200),
        verdict=verdict_badge(row["verdict"], words.language),
        lead=_lead(numbers, words),
        facts=_facts(card, words),
        alert=_alert(card, observations, words),
        golden=_golden(zip(row["findings"], said, strict=True), words),
        todo=todo,
        request=request_to_it(card, row["device"], for_it, now, words),
        waived=waived,
        unknown=unknown,
        passed=passed,
        certs=_certificates(observations, peers, policy, now, words),
        visits=[_visit(observation, words) for observation in observations],
    )


# --- head ----------------------------------------------------------------------------------------


def _lead(numbers: Mapping[str, int], words: Words) -> str:
    """How much is on this sheet: what is alike is one item there, and counts as one."""
    return " · ".join(
        words.count(words[f"count_{status}"], n) for status, n in numbers.items() if n or status == "fail"
    )


def _facts(card: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    in_use = card.get("in_use")
    facts = (
        ("fact_ward", card.get("service")),
        ("fact_class", words_labels.class_label(card["class"], words.language) if card.get("class") else None),
        (
            "fact_criticality",
            words_labels.criticality_label(card["criticality"], words.language) if card.get("criticality") else None,
        ),
        ("fact_inventory", card.get("inventory_number")),
        ("fact_address", card.get("address")),
        ("fact_in_use", None if in_use is None else words["in_use"] if in_use else words["not_in_use"]),
    )
    return [(words[key], visible(value, 200)) for key, value in facts if value]


def _alert(card: Mapping[str, Any], observations: Sequence[Mapping[str, Any]], words: Words) -> Alert | None:
    if card.get("invalid"):
        return Alert(words["alert_skipped"], words["alert_text"]["inventory_invalid"], visible(card["invalid"], 400))
    if not observations:
        return Alert(words["alert_none"], words["alert_text"]["not_observed"], "")
    visits = (observation for observation in observations if observation.get("source") in (None, "network"))
    outcomes = {str(observation.get("outcome")): observation for observation in visits}
    for outcome in ("aborted", "unreachable", "skipped"):
        if outcome in outcomes:
            reason = str(outcomes[outcome].get("reason") or "")
            text = words["alert_text"].get(reason) or visible(reason, 200) or words["alert_text"]["not_observed"]
            return Alert(words[f"alert_{outcome}"], text, visible(outcomes[outcome].get("detail"), 400))
    return None


def _golden(told: Iterable[Told], words: Words) -> Golden:
    """The golden rule of annex 2: the device's date and time before anything else."""
    clock = [(finding["status"], said.message) for finding, said in told if finding["check"] == "clock_offset"]
    statuses = {status for status, _message in clock}
    messages = list(dict.fromkeys(message for _status, message in clock))
    if statuses & {"fail", "waived"}:
        return Golden("fail", "✗", words["golden_wrong"], messages)
    if "pass" in statuses:
        return Golden("pass", "✓", words["golden_right"], messages)
    return Golden("not_assessed", "?", words["golden_unknown"], [words["golden_unseen"], *messages])


# --- findings ------------------------------------------------------------------------------------


def _alike(findings: Iterable[Told]) -> list[list[Told]]:
    """Put together findings that differ only in their endpoint (one certificate on three ports)."""
    groups: dict[Any, list[Told]] = {}
    for told in findings:
        groups.setdefault(told[1].alike(told[0]), []).append(told)
    return list(groups.values())


def _where(group: Iterable[Told]) -> str:
    places = dict.fromkeys(said.place for _finding, said in group if said.place)
    return visible(", ".join(places), 300)


def _todo(group: Sequence[Told], now: datetime, words: Words) -> Todo:
    finding, said = group[0]
    severity = finding["severity"]
    return Todo(
        title=said.title,
        check=said.check,
        severity=severity,
        mark=SEVERITY_MARKS.get(severity, ""),
        severity_label=said.severity,
        owner=said.owner,
        due=due_text(finding["due"], now, words),
        where=_where(group),
        message=said.message,
        actions=said.actions,
        observed=_values(as_mapping(finding["observed"]), words),
        expected=_values(as_mapping(finding["expected"]), words),
        references=said.references,
    )


def _waived(told: Told) -> Waived:
    # The message says who accepted it, until when and why.
    said = told[1]
    return Waived(said.title, said.check, said.place, said.message)


def _unknown(findings: Iterable[Told]) -> tuple[Unknown, ...]:
    groups: dict[tuple[str, tuple[str, ...]], dict[str, None]] = {}
    for _finding, said in findings:
        label = f"{said.check} ({said.place})" if said.place else said.check
        groups.setdefault((said.title, said.actions), {})[label] = None
    return tuple(Unknown(title, actions, tuple(labels)) for (title, actions), labels in groups.items())


def _passed(group: Sequence[Told]) -> Passed:
    said = group[0][1]
    return Passed(said.check, _where(group), said.message)


# The message and the actions have words of their own for these.
_SAID_ELSEWHERE = ("vendor_limit", "waiver")
_EMPTY: tuple[object, ...] = ("", [], {})


# Values that are more than plain text, by their name.
_WRITERS: dict[str, Callable[[Any, str], str]] = {
    **dict.fromkeys(
        ("open", "insecure", "not_allowed", "undeclared", "unanswered", "asked", "allowed"), words_labels.ports_text
    ),
    **dict.fromkeys(("accepted", "accepted_obsolete", "refused", "obsolete", "modern"), words_labels.versions_text),
    "key": words_labels.key_text,
}


def _values(values: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    """Return (name, value) of what was observed or expected; what is empty says nothing and is left out."""
    language = words.language
    rows = []
    for key, value in islice(values.items(), 40):
        if value is None or value in _EMPTY or key in _SAID_ELSEWHERE:
            continue
        writer = _WRITERS.get(key)
        text = visible(writer(value, language), 500) if writer else _value(value, words)
        rows.append((_item(key, language), text))
    return rows


@functools.lru_cache(maxsize=1024)
def _item(key: str, language: str) -> str:
    """Return the name of an observed or expected value; one that has none is shown as it is."""
    return visible(load_words(language)["item"].get(key, str(key).replace("_", " ")), 80)


def policy_value(value: Any, words: Words) -> str:
    """Return a value of the policy in one line."""
    return words.number(value, 3) if isinstance(value, float) and value < 1 else _value(value, words)


def _value(value: Any, words: Words, depth: int = 0) -> str:
    """Return an observed value as one line of text, bounded in length and depth."""
    if value is None:
        return str(words["none"])
    if isinstance(value, bool):
        return str(words["yes"] if value else words["no"])
    if isinstance(value, float):
        return words.number(value, 1)
    if isinstance(value, str):
        if value[:1] in ("1", "2") and _INSTANT.fullmatch(value):
            return words.date_time(value) if "T" in value else words.date(value)
        return visible(value, 500)
    if depth < 3 and isinstance(value, Mapping):
        colon, language = words["colon"], words.language
        parts = [f"{_item(str(k), language)}{colon} {_value(v, words, depth + 1)}" for k, v in value.items()]
        return visible(_listed(parts, words, " ; " if words.language == "fr" else "; "))
    if depth < 3 and isinstance(value, (list, tuple)):
        return visible(_listed([_value(part, words, depth + 1) for part in value], words, ", "))
    return visible(value, 500)


def _listed(parts: Sequence[str], words: Words, separator: str) -> str:
    if not parts:
        return str(words["none"])
    text = separator.join(parts[:_SHOWN])
    if len(parts) > _SHOWN:
        text += " " + words.fill("and_more", n=words.number(len(parts) - _SHOWN))
    return text


# --- certificates and visits ---------------------------------------------------------------------


def _certificates(
    observations: Iterable[Mapping[str, Any]],
    peers: Iterable[tuple[str, Mapping[str, Any]]],
    policy: Mapping[str, Any],
    now: datetime,
    words: Words,
) -> list[Certificate]:
    """The leaf certificates seen, each once, with all the places that present it."""
    seen: dict[str, tuple[Mapping[str, Any], int, list[str]]] = {}
    for label, observation in [*(("", observation) for observation in observations), *peers]:
        for place, chain in _chains(observation):
            if not chain or not isinstance(chain[0], Mapping):
                continue
            key = str(chain[0].get("fingerprint_sha256") or label or place)
            places = seen.setdefault(key, (chain[0], len(chain), []))[2]
            text = place_text(label or place, words.language)
            if text not in places:
                places.append(text)
    return [_certificate(leaf, size, places, policy, now, words) for leaf, size, places in list(seen.values())[:_SHOWN]]


def _chains(observation: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Where an observation saw certificates: endpoints of the network, files of a login."""
    for entry in map(as_mapping, as_list(observation.get("endpoints"))):
        yield f"{entry.get('service') or 'tls'}:{entry.get('port')}", as_list(entry.get("chain"))
    for entry in map(as_mapping, as_list(observation.get("certificate_files"))):
        yield (
            f"{'client' if entry.get('role') == 'client' else 'file'}:{entry.get('path')}",
            as_list(entry.get("chain")),
        )


def _certificate(
    leaf: Mapping[str, Any],
    chain_length: int,
    places: Sequence[str],
    policy: Mapping[str, Any],
    now: datetime,
    words: Words,
) -> Certificate:
    subject = visible(leaf.get("subject"), 300)
    title = visible(leaf.get("common_name"), 200) or subject or words["none"]
    start, end = parse_instant(leaf.get("not_before")), parse_instant(leaf.get("not_after"))
    names = leaf.get("names")
    covered: list[str] = []
    if isinstance(names, Mapping):
        covered = [visible(name, 120) for kind in ("dns", "ip") for name in as_list(names.get(kind))]
    until = words.date_time(end) if end else ""
    if end:
        until += f" – {_left(end, now, words)}"
    facts = (
        ("cert_until", until),
        ("cert_from", words.date_time(start) if start else ""),
        ("cert_subject", subject),
        ("cert_issuer", visible(leaf.get("issuer"), 300)),
        ("cert_names", _listed(covered, words, ", ") if covered else ""),
        ("cert_key", words_labels.key_text(leaf["key"], words.language) if isinstance(leaf.get("key"), Mapping) else ""),
        ("cert_signature", visible(leaf.get("signature_algorithm"), 80)),
        ("cert_serial", visible(leaf.get("serial_number"), 80)),
        ("cert_fingerprint", visible(leaf.get("fingerprint_sha256"), 100)),
        ("cert_chain", words.count(words["cert_count"], chain_length)),
    )
    return Certificate(
        title,
        words.fill("cert_on", where=", ".join(places[:_SHOWN])),
        visible(leaf.get("error"), 300),
        [(words[label], text) for label, text in facts if text],
        _windows(start, end, policy, now, words) if start and end else [],
    )


def _left(end: datetime, now: datetime, words: Words) -> str:
    days = abs(end - now) // _DAY
    if end < now:
        return words.count(words["cert_gone"], days) if days else words["cert_gone_today"]
    return words.count(words["cert_left"], days) if days else words["cert_last_day"]


def _windows(
    start: datetime, end: datetime, policy: Mapping[str, Any], now: datetime, words: Words
) -> list[tuple[str, str, str]]:
    """From when to renew: by lifetime, and by the letter of annex 1 item 1; the one that was applied is named."""
    lifetime = max((end - start).total_seconds(), 0.0)
    applied = policy["renewal_window"]
    rules = {
        "relative": renewal_windows(lifetime, {**policy, "renewal_window": "relative"}),
        "literal": tuple(days * DAY_SECONDS for days in LITERAL_DAYS),
    }
    if applied == "fixed":
        # The letter of the white paper, unless the hospital fixed other numbers.
        fixed = renewal_windows(lifetime, policy)
        applied = "literal" if fixed == rules["literal"] else "fixed"
        rules[applied] = fixed
    rows = []
    for name, (plan, urgent) in rules.items():
        label = words.fill(
            f"window_{name}",
            lifetime=words.number(lifetime // DAY_SECONDS),
            plan=words.number(plan // DAY_SECONDS),
            urgent=words.number(urgent // DAY_SECONDS),
        )
        if name == applied:
            label += f" – {words['window_applied']}"
        rows.append((label, _from(end, plan, now, words), _from(end, urgent, now, words)))
    return rows


def _from(end: datetime, window: float, now: datetime, words: Words) -> str:
    try:
        moment = end - timedelta(seconds=window)
    except OverflowError:
        return str(words["none"])
    return words.date(moment) + (f" ({words['reached']})" if moment <= now else "")


def _visit(observation: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    source = observation.get("source") or "network"
    facts = [
        (words["visit_seen"], words.date_time(observation.get("started_at") or observation.get("finished_at"))),
        (words["visit_from"], visible(observation.get("vantage"), 120)),
        (words["visit_source"], words_labels.source_label(source, words.language)),
    ]
    if _is_amount(observation.get("connections")):
        facts.append((words["visit_traffic"], traffic(observation, words, "visit_traffic_text")))
    return [(label, visible(text)) for label, text in facts if text]


def _is_amount(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15


def traffic(amounts: Mapping[str, Any], words: Words, text: str) -> str:
    """Return how much was asked of a device (or of all): connections and bytes."""
    n = {key: amounts[key] if _is_amount(amounts.get(key)) else 0 for key in _TRAFFIC}
    return words.fill(
        text,
        connections=words.number(n["connections"]),
        sent=words.size(n["bytes_sent"]),
        received=words.size(n["bytes_received"]),
    )


_TRAFFIC = ("connections", "bytes_sent", "bytes_received")
