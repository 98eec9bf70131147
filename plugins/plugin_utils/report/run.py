# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From observations to a report, in one pass: assess a device, summarize it, write its sheet, forget it.

What stays in memory is a compact row per device. The two long files (summary.json, findings.csv), whose
order is known only at the end, are first kept as pieces in a nameless file on disk.
"""

from __future__ import annotations

import json
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.device import assess_device
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.summary import (
    SCHEMA_VERSION,
    authorities_in_order,
    summarize_device,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.seen import counting, firmware, was_seen
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.collection import Observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.attestations import Attestations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.problems import Problem
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.unheard import Unheard, unknown_limits
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.records.waivers import Waivers
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.attestation_sheet import (
    sheet_head,
    sheet_lines,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.csv import csv_head, csv_lines
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.fleet import Fleet
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import TO_FILL, Preview, sheet_name
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.former import Former
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.html import (
    render_chooser,
    render_fleet,
    render_sheet,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.said import say_all
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.sheet import sheet_view
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.told import unread_problems, weakened_texts
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import PEER, place_label
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import load_words

LANGUAGES = {"fr": ("fr",), "en": ("en",), "both": ("fr", "en")}
_SURROGATE = re.compile("[\ud800-\udfff]")


class FaultError(ValueError):
    """Too many devices could not be judged for a report to be worth anything."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What devices are judged by, and the records that are not used."""

    policy: Mapping[str, Any]
    attestations: Attestations
    waivers: Waivers
    now: datetime
    unused: tuple[Problem, ...] = ()


def to_json(value: Any) -> bytes:
    """Return compact JSON in UTF-8 that every reader accepts: no lone surrogate, no NaN."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
    return _SURROGATE.sub("\ufffd", text).encode("utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return value


class _Spool:
    """Pieces of a long file, written as they come and read back in another order."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._end = 0

    def keep(self, data: bytes) -> tuple[int, int]:
        self._handle.write(data)
        place = (self._end, len(data))
        self._end += len(data)
        return place

    def read(self, place: tuple[int, int]) -> bytes:
        self._handle.seek(place[0])
        return self._handle.read(place[1])


def build_report(
    cards: Iterable[Mapping[str, Any]],
    observations: Observations,
    rules: Rules,
    language: str,
    out: Preview,
    info: Mapping[str, Any] | None = None,
    former: Former | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Fleet:
    """Write a whole report to ``out`` and return the fleet.

    :param cards: device cards; taken one by one, so they may be made as they are asked for
    :param language: fr, en or both
    :param info: what the caller wants said about the run, shown as it is
    :param former: what the report before this one saw
    :param progress: called with the number of devices done, after each
    :raises FaultError: too many devices could not be judged
    """
    languages = LANGUAGES[language]
    unread = unread_problems(observations.unread, languages[0] if len(languages) == 1 else "en")
    fleet = Fleet(languages, rules.now, rules.policy, (*rules.unused, *unread))
    fleet.unread = bool(unread)
    unheard = Unheard(rules.attestations, rules.waivers, rules.now)
    seen_before = former.seen_before(rules.now) if former else {}
    with ExitStack() as stack:
        lines = _Spool(stack.enter_context(out.spool()))
        tables = {name: _Spool(stack.enter_context(out.spool())) for name in languages}
        for done, card in enumerate(cards, 1):
            line = _write_device(card, observations, rules, fleet, seen_before.get(card["name"]), out, lines, tables)
            if not card.get("invalid"):
                fleet.unused += [*unheard.of(card["name"], line["findings"]), *unknown_limits(card)]
            progress(done)
        _check_judged(fleet)
        fleet.finish()
        _write_fleet(fleet, rules, info or {}, out, lines, tables)
    return fleet


def _write_device(
    card: Mapping[str, Any],
    observations: Observations,
    rules: Rules,
    fleet: Fleet,
    seen_before: bool | None,
    out: Preview,
    lines: _Spool,
    tables: Mapping[str, _Spool],
) -> dict[str, Any]:
    """Write what a report says of one device; its line of the summary."""
    name = card["name"]
    own = observations.of(name)
    peers = [
        (place_label(PEER, peer), observation)
        for peer in card.get("peers") or ()
        if isinstance(peer, Mapping)
        for observation in observations.of_peer(peer.get("address"), peer.get("port"))
    ]
    seen = [*own, *(observation for _label, observation in peers)]
    findings = _judge(card, seen, rules, fleet)
    counted = counting(own, name, rules.policy, rules.now)
    answered = was_seen(counted)
    line = summarize_device(card, findings, seen=answered, seen_before=seen_before, firmware=firmware(counted))
    fleet.unseen.add(card, answered, seen_before)
    file = sheet_name(name)
    said = {language: say_all(findings, language) for language in fleet.languages}
    row = fleet.add(line, said, file, own)
    row.places["json"] = lines.keep(to_json(line))
    for language, folder, other in _folders(fleet.languages):
        words = load_words(language)
        view = sheet_view(card, line, said[language], own, peers, rules.policy, rules.now, words)
        weakened = weakened_texts(fleet.weakened, words)
        page = render_sheet(
            view, file=file, other=other, as_of=words.date_time(rules.now), weakened=weakened, words=words
        )
        out.write(f"{folder}devices/{file}", page)
        row.places[language] = tables[language].keep(csv_lines(line, said[language], words))
        row.places[f"attest-{language}"] = tables[language].keep(sheet_lines(line, language))
    return line


def _judge(card: Mapping[str, Any], seen: Iterable[Observation], rules: Rules, fleet: Fleet) -> list[dict[str, Any]]:
    """Assess one device; one that cannot be judged must not take the whole fleet's report with it."""
    try:
        return assess_device(card, seen, rules.policy, rules.now, rules.attestations, rules.waivers)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        problem = f"{type(error).__name__}: {error} ({os.path.basename(frame.filename)}, line {frame.lineno})"
        fleet.unjudged[card["name"]] = problem
        invalid = {"name": card["name"], "invalid": problem}
        return assess_device(invalid, (), rules.policy, rules.now, rules.attestations, rules.waivers)


def _check_judged(fleet: Fleet) -> None:
    """Some devices that cannot be judged are a warning; many are a fault of ours, and no report to replace a good one.

    :raises FaultError: all devices, or more than ten and a tenth of them
    """
    if not fleet.unjudged:
        return
    failed, total = len(fleet.unjudged), fleet.totals["devices"]
    name, problem = next(iter(fleet.unjudged.items()))
    told = (
        f"{failed} of {total} device(s) could not be judged, the first '{visible(name, 100)}': {visible(problem, 300)}"
    )
    if failed == total or failed > max(10, total // 10):
        raise FaultError(f"{told}. This is a fault of the collection, please report it; the folder is as it was.")
    fleet.warnings.append(f"{told}. They count as not assessed; please report this fault of the collection.")


def _folders(languages: Sequence[str]) -> Iterator[tuple[str, str, str | None]]:
    """Yield (language, folder, other language)."""
    if len(languages) == 1:
        yield languages[0], "", None
        return
    for language, other in zip(languages, reversed(languages), strict=True):
        yield language, f"{language}/", other


def _write_fleet(
    fleet: Fleet,
    rules: Rules,
    info: Mapping[str, Any],
    out: Preview,
    lines: _Spool,
    tables: Mapping[str, _Spool],
) -> None:
    parts = []
    for language, folder, other in _folders(fleet.languages):
        words = load_words(language)
        page = fleet.page(info, words)
        out.write_chunks(f"{folder}index.html", render_fleet(page, fleet.page_rows(words), other=other, words=words))
        out.write_chunks(f"{folder}findings.csv", _csv(fleet, language, tables[language]))
        out.write_chunks(f"{folder}{TO_FILL}", _attestation_sheet(fleet, language, tables[language]))
        parts.append(
            {
                "language": language,
                "title": words["fleet_title"],
                "texts": page["run_texts"],
                "totals_text": page["totals_text"],
                "weakened": page["weakened"],
                "unseen": page["unseen"],
                "weakened_title": words["weakened_title"],
                "open": words["open_report"],
                "confidential": words["confidential"],
            }
        )
    if len(parts) > 1:
        out.write("index.html", render_chooser(parts, load_words(fleet.languages[0])))
    out.write_chunks("summary.json", _summary(fleet, rules, info, lines))


def _csv(fleet: Fleet, language: str, table: _Spool) -> Iterator[bytes]:
    yield csv_head(load_words(language))
    for row in fleet.rows:
        yield table.read(row.places[language])


def _attestation_sheet(fleet: Fleet, language: str, table: _Spool) -> Iterator[bytes]:
    yield sheet_head(language)
    for row in fleet.rows:
        yield table.read(row.places[f"attest-{language}"])


def _summary(fleet: Fleet, rules: Rules, info: Mapping[str, Any], lines: _Spool) -> Iterator[bytes]:
    """Yield summary.json with one device a line: readable in a pipe as well as whole."""
    head = {
        "schema_version": SCHEMA_VERSION,
        "generated_at": instant_text(rules.now),
        "run": fleet.run(info),
        "authorities": authorities_in_order(fleet.authorities),
        "totals": fleet.totals,
    }
    yield to_json(head)[:-1] + b',"devices":['
    for position, row in enumerate(fleet.rows):
        yield (b",\n" if position else b"\n") + lines.read(row.places["json"])
    yield b"\n]}\n"
