# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device's sheet says, before it is laid out: a view of plain texts in one language.

The templates only place these texts. Nothing is escaped here: the templates do that, for every text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.request import request_to_it
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.said import Said, due_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.sheet_certificates import (
    Certificate,
    certificates_seen,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.values import (
    TRAFFIC,
    is_amount,
    traffic,
    value_rows,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import SEVERITIES
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import as_mapping
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import Words

Finding = Mapping[str, Any]
Told = tuple[Finding, Said]

SEVERITY_RANK = {name: rank for rank, name in enumerate(SEVERITIES)}
# Read without colour: a printed page, a colour-blind reader, a plain terminal.
VERDICT_MARKS = {"compliant": "✓", "compliant_with_waivers": "✓*", "incomplete": "?", "non_compliant": "✗"}
SEVERITY_MARKS = {"critical": "!!!", "high": "!!", "medium": "!", "low": "·", "info": "·"}


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
    """A check that holds, or that has no object."""

    check: str
    where: str
    message: str


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
    without_object: list[Passed]
    certs: list[Certificate]
    visits: list[list[tuple[str, str]]]


def verdict_badge(verdict: str, language: str) -> Badge:
    """Return a verdict in words and as a mark."""
    return Badge(verdict, VERDICT_MARKS.get(verdict, "?"), labels.verdict_label(verdict, language))


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
    observations: Sequence[Observation],
    peers: Sequence[tuple[str, Observation]],
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
    without_object = [_passed(group) for group in _alike(by_status.get("not_applicable", ()))]
    numbers = {
        "fail": len(todo),
        "waived": len(waived),
        "not_assessed": sum(len(group.checks) for group in unknown),
        "pass": len(passed),
        "not_applicable": len(without_object),
    }
    return Sheet(
        name=visible(row["device"], 200),
        verdict=verdict_badge(row["verdict"], words.language),
        lead=_lead(numbers, words),
        facts=_facts(card, row.get("firmware"), words),
        alert=_alert(card, observations, words),
        golden=_golden(zip(row["findings"], said, strict=True), words),
        todo=todo,
        request=request_to_it(card, row["device"], for_it, now, words),
        waived=waived,
        unknown=unknown,
        passed=passed,
        without_object=without_object,
        certs=certificates_seen(observations, peers, policy, now, words),
        visits=[_visit(observation, words) for observation in observations],
    )


def _lead(numbers: Mapping[str, int], words: Words) -> str:
    """How much is on this sheet: what is alike is one item there, and counts as one."""
    return " · ".join(
        words.count(words[f"count_{status}"], n) for status, n in numbers.items() if n or status == "fail"
    )


def _facts(card: Mapping[str, Any], firmware: str | None, words: Words) -> list[tuple[str, str]]:
    in_use = card.get("in_use")
    facts = (
        ("fact_ward", card.get("service")),
        ("fact_class", labels.class_label(card["class"], words.language) if card.get("class") else None),
        (
            "fact_criticality",
            labels.criticality_label(card["criticality"], words.language) if card.get("criticality") else None,
        ),
        ("fact_inventory", card.get("inventory_number")),
        ("fact_firmware", firmware),
        ("fact_address", card.get("address")),
        ("fact_in_use", None if in_use is None else words["in_use"] if in_use else words["not_in_use"]),
    )
    return [(words[key], visible(value, 200)) for key, value in facts if value]


def _alert(card: Mapping[str, Any], observations: Sequence[Observation], words: Words) -> Alert | None:
    if card.get("invalid"):
        return Alert(words["alert_skipped"], words["alert_text"]["inventory_invalid"], visible(card["invalid"], 400))
    if not observations:
        return Alert(words["alert_none"], words["alert_text"]["not_observed"], "")
    outcomes = {observation.outcome: observation for observation in observations if observation.source == "network"}
    for outcome in ("aborted", "unreachable", "skipped"):
        if outcome in outcomes:
            reason = outcomes[outcome].reason or ""
            text = words["alert_text"].get(reason) or visible(reason, 200) or words["alert_text"]["not_observed"]
            return Alert(words[f"alert_{outcome}"], text, visible(outcomes[outcome].detail, 400))
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
        observed=value_rows(as_mapping(finding["observed"]), words),
        expected=value_rows(as_mapping(finding["expected"]), words),
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


def _vantage(observation: Observation) -> str:
    """The host as the inventory names it, and as it names itself where that differs."""
    name, host = visible(observation.vantage, 120), visible(observation.vantage_host, 120)
    return f"{name} ({host})" if host and host != name else name


def _visit(observation: Observation, words: Words) -> list[tuple[str, str]]:
    facts = [
        (words["visit_seen"], words.date_time(observation.started_at or observation.finished_at)),
        (words["visit_from"], _vantage(observation)),
        (words["visit_source"], labels.source_label(observation.source, words.language)),
    ]
    if is_amount(observation.connections):
        amounts = {key: getattr(observation, key) for key in TRAFFIC}
        facts.append((words["visit_traffic"], traffic(amounts, words, "visit_traffic_text")))
    return [(label, visible(text)) for label, text in facts if text]
