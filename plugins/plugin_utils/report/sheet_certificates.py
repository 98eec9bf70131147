# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates on a device's sheet, and from when each is to be renewed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.certificate_validity import renewal_windows
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Certificate as Seen
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.said import place_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.values import SHOWN, listed
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import (
    DAY_SECONDS,
    has_no_end,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import (
    CLIENT,
    ENDPOINT,
    FILE,
    place_label,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.phrases import Words

# Annex 1 item 1 (plan) and section 4.1 (the warning that a device should give), whatever the lifetime.
LITERAL_DAYS = (90, 30)
_NOTHING = Seen()
_DAY = timedelta(days=1)


class Certificate(NamedTuple):
    """A certificate as it was presented."""

    title: str
    where: str
    error: str
    facts: list[tuple[str, str]]
    windows: list[tuple[str, str, str]]


def certificates_seen(
    observations: Iterable[Observation],
    peers: Iterable[tuple[str, Observation]],
    policy: Mapping[str, Any],
    now: datetime,
    words: Words,
) -> list[Certificate]:
    """The leaf certificates seen, each once, with all the places that present it."""
    seen: dict[str, tuple[Seen, int, list[str]]] = {}
    for label, observation in [*(("", observation) for observation in observations), *peers]:
        for place, chain in _chains(observation):
            if not chain or chain[0] == _NOTHING:
                continue
            key = chain[0].fingerprint_sha256 or label or place
            places = seen.setdefault(key, (chain[0], len(chain), []))[2]
            text = place_text(label or place, words.language)
            if text not in places:
                places.append(text)
    return [_certificate(leaf, size, places, policy, now, words) for leaf, size, places in list(seen.values())[:SHOWN]]


def _chains(observation: Observation) -> Iterator[tuple[str, tuple[Seen, ...]]]:
    """Where an observation saw certificates: endpoints of the network, files of a login."""
    for seen in observation.endpoints:
        place = {"service": seen.service, "port": seen.port, "address": seen.address}
        yield place_label(ENDPOINT, place), seen.chain
    for file in observation.certificate_files or ():
        yield place_label(CLIENT if file.role == "client" else FILE, {"path": file.path}), file.chain


def _certificate(
    leaf: Seen,
    chain_length: int,
    places: Sequence[str],
    policy: Mapping[str, Any],
    now: datetime,
    words: Words,
) -> Certificate:
    subject = visible(leaf.subject, 300)
    title = visible(leaf.common_name, 200) or subject or words["none"]
    start, end = leaf.not_before, leaf.not_after
    covered = [visible(name, 120) for name in (*leaf.names.dns, *leaf.names.ip)]
    until = ""
    if has_no_end(end):
        until = labels.until_text(end, words.language)
    elif end:
        until = f"{words.date_time(end)} – {_left(end, now, words)}"
    facts = (
        ("cert_until", until),
        ("cert_from", words.date_time(start) if start else ""),
        ("cert_subject", subject),
        ("cert_issuer", visible(leaf.issuer, 300)),
        ("cert_names", listed(covered, words, ", ") if covered else ""),
        ("cert_key", labels.key_text(asdict(leaf.key), words.language) if leaf.key.type else ""),
        ("cert_signature", visible(leaf.signature_algorithm, 80)),
        ("cert_serial", visible(leaf.serial_number, 80)),
        ("cert_fingerprint", visible(leaf.fingerprint_sha256, 100)),
        ("cert_chain", words.count(words["cert_count"], chain_length)),
    )
    return Certificate(
        title,
        words.fill("cert_on", where=", ".join(places[:SHOWN])),
        visible(leaf.error, 300),
        [(words[label], text) for label, text in facts if text],
        _windows(start, end, policy, now, words) if start and end and not has_no_end(end) else [],
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
