# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet as it adds up, device by device: compact rows and counts, never all findings at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.summary import (
    VERDICTS,
    add_authorities,
    add_to_totals,
    authorities_in_order,
    empty_totals,
    order_key,
    was_aborted,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.unseen import Breach, Unseen
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import Problem
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.said import Said, due_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.sheet import SEVERITY_MARKS, VERDICT_MARKS
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.told import (
    breach_texts,
    info_facts,
    policy_rows,
    unseen_texts,
    unused_rows,
    unused_texts,
    weakened_texts,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.values import traffic
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import OWNERS, SEVERITIES
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import weakened
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels, messages
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import Words, load_words

_FAILING = ("critical", "high", "medium", "low")
_TRAFFIC = ("connections", "bytes_sent", "bytes_received")


class RowWords(NamedTuple):
    """What a row says in one language."""

    worst: str
    others: str
    step: str
    owner: str
    due: str


@dataclass(slots=True)
class FleetRow:
    """What is kept of a device once its sheet is written."""

    device: str
    file: str
    verdict: str
    worst_severity: str | None
    device_class: str | None
    service: str | None
    inventory_number: str | None
    aborted: bool
    next: dict[str, Any] | None
    failing: tuple[str, ...]
    order: tuple[Any, ...]
    words: dict[str, RowWords]
    places: dict[str, tuple[int, int]] = field(default_factory=dict)


class PageRow(NamedTuple):
    """A row of the fleet page."""

    device: str
    file: str
    inventory_number: str
    ward: str
    class_: str
    verdict: str
    mark: str
    verdict_label: str
    worst: str
    others: str
    step: str
    owner: str
    due: str


@dataclass(slots=True)
class _Unassessed:
    devices: int = 0
    points: int = 0
    checks: dict[str, None] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)


class Fleet:
    """Collects the rows and totals of a report."""

    def __init__(
        self, languages: Sequence[str], now: datetime, policy: Mapping[str, Any], unused: Iterable[Problem] = ()
    ) -> None:
        self.languages = tuple(languages)
        self._now = now
        self.policy = policy
        self.weakened = weakened(policy)
        self.unseen = Unseen()
        self.unused = list(unused)
        self.unread = False
        self.rows: list[FleetRow] = []
        self.totals = empty_totals()
        self.vantages: set[str] = set()
        self.traffic = dict.fromkeys(_TRAFFIC, 0)
        self.observations = 0
        self.warnings: list[str] = []
        self.unjudged: dict[str, str] = {}
        self._start: datetime | None = None
        self._end: datetime | None = None
        self.authorities: dict[str, dict[str, Any]] = {}
        self._owners: dict[str, int] = {}
        self._unassessed: dict[str, _Unassessed] = {}
        self._wards: dict[str, dict[str, int]] = {}
        self._phrases: dict[str, str] = {}

    # -- one device after the other

    def add(
        self,
        line: Mapping[str, Any],
        said: Mapping[str, Sequence[Said]],
        file: str,
        observations: Iterable[Observation],
    ) -> FleetRow:
        """Count one device and return what is kept of it.

        :param line: its summary, findings included
        :param said: by language, the words for its findings
        """
        add_to_totals(self.totals, line)
        add_authorities(self.authorities, line)
        for observation in observations:
            self._add_observation(observation)
        failing: dict[str, None] = {}
        owners: dict[str, None] = {}
        unassessed: dict[str, None] = {}
        chosen: int | None = None
        step = line["next"]
        for position, finding in enumerate(line["findings"]):
            status, reason = finding["status"], finding["reason"]
            if status == "fail":
                failing[finding["severity"]] = None
                owners[finding["owner"]] = None
            elif status == "not_assessed":
                unassessed[reason] = None
                self._add_unassessed(finding, {name: told[position] for name, told in said.items()})
            if (
                chosen is None
                and step is not None
                and step["reason"] == reason
                and step["check"] == finding["check"]
                and step["endpoint"] == finding["endpoint"]
            ):
                chosen = position
        for owner in owners:
            self._owners[owner] = self._owners.get(owner, 0) + 1
        for reason in unassessed:
            self._unassessed[reason].devices += 1
        ward = self._wards.setdefault(line["service"] or "", dict.fromkeys(VERDICTS, 0))
        ward[line["verdict"]] += 1
        row = FleetRow(
            device=line["device"],
            file=file,
            verdict=line["verdict"],
            worst_severity=line["worst_severity"],
            device_class=line["class"],
            service=line["service"],
            inventory_number=line["inventory_number"],
            aborted=was_aborted(line),
            next=step,
            failing=tuple(name for name in _FAILING if name in failing),
            order=order_key(line),
            words={name: self._row_words(line, told, chosen, load_words(name)) for name, told in said.items()},
        )
        self.rows.append(row)
        return row

    def _add_observation(self, observation: Observation) -> None:
        self.observations += 1
        if observation.vantage:
            self.vantages.add(visible(observation.vantage, 100))
        for key in _TRAFFIC:
            amount = getattr(observation, key)
            if isinstance(amount, int) and 0 <= amount < 10**15:
                self.traffic[key] += amount
        moment = observation.at
        if moment is not None:
            self._start = moment if self._start is None else min(self._start, moment)
            self._end = moment if self._end is None else max(self._end, moment)

    def _add_unassessed(self, finding: Mapping[str, Any], said: Mapping[str, Said]) -> None:
        entry = self._unassessed.setdefault(finding["reason"], _Unassessed())
        entry.points += 1
        if finding["check"] in entry.checks:
            return
        entry.checks[finding["check"]] = None
        for language, told in said.items():
            if not entry.how.get(language):
                entry.how[language] = " ".join(told.actions)

    def _row_words(self, line: Mapping[str, Any], said: Sequence[Said], chosen: int | None, words: Words) -> RowWords:
        if chosen is None:
            return RowWords("", "", "", "", "")
        finding, told = line["findings"][chosen], said[chosen]
        status, worst = finding["status"], told.title
        about = [told.place]
        if status == "fail":
            worst = f"{SEVERITY_MARKS[finding['severity']]} {worst}"
            about.insert(0, told.severity)
        alike = {
            other.alike(item) for item, other in zip(line["findings"], said, strict=True) if item["status"] == status
        }
        if len(alike) > 1:
            about.append(words.count(words["row_others"][status], len(alike) - 1))
        others = " · ".join(part for part in about if part)
        step = told.actions[0] if told.actions else ""
        due = due_text(finding["due"], self._now, words)
        return RowWords(self._once(worst), self._once(others), self._once(step), told.owner, self._once(due))

    def _once(self, text: str) -> str:
        """Keep one copy of a phrase that thousands of rows share."""
        return self._phrases.setdefault(text, text)

    # -- the whole

    def finish(self) -> None:
        """Put the rows in the summary's order: aborted visits first, then the most urgent."""
        self.rows.sort(key=lambda row: row.order)
        self.totals["unseen"] = self.unseen.totals()

    def breaches(self) -> list[Breach]:
        """Return of which groups more devices were not seen than the policy allows."""
        return self.unseen.breaches(self.policy["fail_when_unseen"])

    def failing(self) -> dict[str, list[str]]:
        """Return the names of devices by severity of the failures they have, those not seen and those incomplete."""
        unseen = set(self.unseen.devices)
        return {
            **{severity: [row.device for row in self.rows if severity in row.failing] for severity in _FAILING},
            "not_visited": [row.device for row in self.rows if row.device in unseen],
            "incomplete": [row.device for row in self.rows if row.verdict == "incomplete"],
        }

    def run(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the summary tells about the run."""
        return {
            "generated_at": instant_text(self._now),
            "languages": list(self.languages),
            "vantages": sorted(self.vantages),
            "observations": self.observations,
            "first_observed_at": instant_text(self._start) if self._start else None,
            "last_observed_at": instant_text(self._end) if self._end else None,
            **self.traffic,
            "policy": dict(self.policy),
            "policy_weakened": self.weakened,
            "records_unused": unused_rows(self.unused),
            "info": dict(info),
        }

    def totals_text(self, words: Words) -> str:
        """Return the verdicts in one sentence."""
        text = words.count(words["devices_judged"], self.totals["devices"])
        verdicts = self.totals["verdicts"]
        parts = [
            f"{words.number(verdicts[name])} {words.count(words['verdict_count'][name], verdicts[name])}"
            for name in VERDICTS
            if verdicts[name]
        ]
        return f"{text}{words['colon']} {', '.join(parts)}." if parts else f"{text}."

    def run_texts(self, words: Words) -> list[str]:
        """Return when the fleet was looked at, from where, and at what cost to it."""
        texts = [words.fill("judged_on", when=words.date_time(self._now))]
        if self._start is None or self._end is None:
            texts.append(words["visited_never"])
            return texts
        start, end = words.date_time(self._start), words.date_time(self._end)
        seen = (
            words.fill("visited_once", start=start)
            if start == end
            else words.fill("visited_between", start=start, end=end)
        )
        if self.vantages:
            names = sorted(self.vantages)
            seen += " " + words.count(words["visited_from"], len(names), names=", ".join(names[:20]))
        texts.append(seen)
        if self.traffic["connections"]:
            texts.append(traffic(self.traffic, words, "visit_cost"))
        return texts

    def page(self, info: Mapping[str, Any], words: Words) -> dict[str, Any]:
        """Return what the fleet page says, beside its rows."""
        verdicts, failures = self.totals["verdicts"], self.totals["failures"]
        return {
            "as_of": words.date_time(self._now),
            "run_texts": self.run_texts(words),
            "run_facts": info_facts(info, words),
            "totals_text": self.totals_text(words),
            "tiles": [
                {
                    "id": name if verdicts[name] else "zero",
                    "mark": VERDICT_MARKS[name],
                    "number": words.number(verdicts[name]),
                    "label": words.count(words["verdict_count"][name], verdicts[name]),
                    "meaning": words["verdict_meaning"][name],
                }
                for name in VERDICTS
            ],
            "severities": [
                {
                    "id": name,
                    "mark": SEVERITY_MARKS[name],
                    "label": words.count(words["severity_count"][name], failures[name]),
                }
                for name in SEVERITIES
                if failures[name]
            ],
            "owners": [
                words.count(words["owner_count"], self._owners[owner], who=labels.owner_label(owner, words.language))
                for owner in OWNERS
                if owner in self._owners
            ],
            "aborted": [page_row(row, words) for row in self.rows if row.aborted],
            "authorities": self._authority_rows(words),
            "wards": self._ward_rows(words),
            "unassessed": self._unassessed_rows(words),
            "policy": policy_rows(self.policy, words),
            "weakened": weakened_texts(self.weakened, words),
            "unseen": unseen_texts(self.unseen, words),
            "breaches": breach_texts(self.breaches(), words),
            "unused": unused_texts(self.unused, words),
            "unused_title": words["unused_title_unread" if self.unread else "unused_title"],
        }

    def page_rows(self, words: Words) -> Iterator[PageRow] | None:
        """Return the rows of the devices whose visit was not aborted; None where there is none."""
        if all(row.aborted for row in self.rows):
            return None
        return (page_row(row, words) for row in self.rows if not row.aborted)

    def _authority_rows(self, words: Words) -> list[dict[str, str]]:
        return [
            {
                "name": visible(entry["authority"], 200),
                "end": labels.date_text(entry["not_after"], words.language),
                "number": words.number(len(entry["devices"])),
                "devices": labels.list_text([visible(name, 120) for name in entry["devices"]], words.language),
            }
            for entry in authorities_in_order(self.authorities)
        ]

    def _ward_rows(self, words: Words) -> list[dict[str, str]]:
        if len(self._wards) < 2:
            return []
        ordered = sorted(
            self._wards.items(), key=lambda item: (-item[1]["non_compliant"], -item[1]["incomplete"], item[0])
        )
        return [
            {
                "name": visible(name, 120) or words["ward_unknown"],
                "devices": words.number(sum(verdicts.values())),
                "non_compliant": words.number(verdicts["non_compliant"]),
                "incomplete": words.number(verdicts["incomplete"]),
                "fine": words.number(verdicts["compliant"] + verdicts["compliant_with_waivers"]),
            }
            for name, verdicts in ordered
        ]

    def _unassessed_rows(self, words: Words) -> list[dict[str, str]]:
        ordered = sorted(self._unassessed.items(), key=lambda item: (-item[1].devices, -item[1].points, item[0]))
        return [
            {
                "title": messages.reason_title(next(iter(entry.checks)), reason, words.language),
                "devices": words.number(entry.devices),
                "checks": ", ".join(messages.check_title(check, words.language) for check in entry.checks),
                "how": entry.how.get(words.language, ""),
            }
            for reason, entry in ordered
        ]


def page_row(row: FleetRow, words: Words) -> PageRow:
    """Return a row as the fleet page shows it."""
    said = row.words[words.language]
    return PageRow(
        device=visible(row.device, 120),
        file=row.file,
        inventory_number=visible(row.inventory_number, 60),
        ward=visible(row.service, 80),
        class_=visible(labels.class_label(row.device_class, words.language), 80) if row.device_class else "",
        verdict=row.verdict,
        mark=VERDICT_MARKS[row.verdict],
        verdict_label=labels.verdict_label(row.verdict, words.language),
        worst=said.worst,
        others=said.others,
        step=said.step,
        owner=said.owner,
        due=said.due,
    )
