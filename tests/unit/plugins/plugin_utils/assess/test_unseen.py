# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device that nobody saw: what counts as an answer, and when it is too many of them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.unseen import Unseen
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.seen import counting, firmware, was_seen
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import read_observations
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy

NOW = datetime(2026, 11, 22, 18, tzinfo=timezone.utc)


def visit(**more: Any) -> dict[str, Any]:
    return {"device": "d", "source": "network", "outcome": "observed", "finished_at": "2026-11-22T17:00:00Z", **more}


def answered(endpoint: str, **more: Any) -> dict[str, Any]:
    return visit(endpoints=[{"port": 443, "outcome": "refused"}, {"port": 2762, "outcome": endpoint}], **more)


LOGIN = {"device": "d", "source": "gateway", "outcome": "observed", "finished_at": "2026-11-22T16:00:00Z"}
SAMPLES = {"samples": [{"source": "sntp", "offset_seconds": 0.1}]}


@pytest.mark.parametrize(
    ("observations", "seen"),
    [
        ([], False),
        ([answered("tls")], True),
        ([answered("not_tls")], True),
        ([answered("starttls_refused")], True),
        ([answered("starttls_unavailable")], True),
        # What a firewall does as well as a device.
        ([answered("refused", ports={"23": "closed"})], False),
        ([answered("reset")], False),
        ([answered("silent")], False),
        ([answered("closed")], False),
        ([answered("unreachable", ports={"23": "filtered"})], False),
        ([answered("refused", ports={"23": "open"})], True),
        ([answered("refused", clock=SAMPLES)], True),
        ([answered("silent", outcome="aborted")], False),
        ([answered("tls", outcome="aborted")], True),
        ([visit(outcome="unreachable", endpoints=[], ports={})], False),
        ([visit(outcome="skipped", reason="consent_missing")], False),
        # Of a device that serves nothing, a refusal is all that there is.
        ([visit(endpoints=[], ports={"23": "closed"})], True),
        ([visit(endpoints=[], ports={"23": "filtered"})], False),
        # Only the newest counts, and only as long as it is fresh.
        ([answered("tls", finished_at="2026-11-21T17:00:00Z"), answered("refused")], False),
        ([answered("tls"), answered("refused", finished_at="2026-11-21T17:00:00Z")], True),
        ([answered("tls", finished_at="2026-11-01T17:00:00Z")], False),
        ([answered("tls", finished_at="2026-12-24T17:00:00Z")], False),
        ([answered("tls", finished_at=None)], False),
        ([answered("tls", device="e")], False),
        ([answered("refused"), LOGIN], True),
        ([LOGIN], True),
        ([{**LOGIN, "outcome": "unreachable"}], False),
        ([{**LOGIN, "finished_at": "2026-11-01T16:00:00Z"}], False),
        # Damaged ones are no answer, and no crash.
        ([visit(endpoints=None, ports=[], clock="x")], False),
        ([visit(endpoints=[None, 7, {}], ports={"x": None})], False),
    ],
)
def test_what_counts_as_an_answer(observations: list[dict[str, Any]], seen: bool) -> None:
    assert was_seen(counting(read_observations(observations), "d", load_policy(), NOW)) is seen


@pytest.mark.parametrize(
    ("systems", "told"),
    [
        ([], None),
        ([("gateway", "2026-11-22T16:00:00Z", "4.2.1")], "4.2.1"),
        ([("gateway", "2026-11-22T16:00:00Z", " 4.2\u202e ")], "4.2[U+202E]"),
        ([("gateway", "2026-11-22T16:00:00Z", None), ("appliance", "2026-11-22T15:00:00Z", "7")], "7"),
        ([("gateway", "2026-11-22T16:00:00Z", "new"), ("appliance", "2026-11-22T15:00:00Z", "old")], "new"),
        ([("gateway", "2026-11-01T16:00:00Z", "lapsed")], None),
        ([("gateway", "2026-11-22T16:00:00Z", "")], None),
        ([("gateway", "2026-11-22T16:00:00Z", {"x": 1})], None),
    ],
)
def test_the_firmware_that_a_login_told(systems: list[tuple[str, str, Any]], told: str | None) -> None:
    logins = [
        {**LOGIN, "source": source, "finished_at": at, "system": {"firmware": text}} for source, at, text in systems
    ]
    assert firmware(counting(read_observations(logins), "d", load_policy(), NOW)) == told
    assert firmware(read_observations([{**LOGIN, "system": None}])) is None


# seen (1), not seen (0), not seen but the last time (-1); a vantage, a ward and a criticality each
Fleet = list[tuple[int, str, str, str]]


def counted(fleet: Fleet, known: bool = True) -> Unseen:
    unseen = Unseen()
    for number, (seen, vantage, ward, criticality) in enumerate(fleet):
        card = {"name": f"d{number}", "consent": True, "vantage": vantage, "service": ward, "criticality": criticality}
        unseen.add(card, seen == 1, seen != 0 if known else None)
    unseen.add({"name": "nobody asked", "consent": False, "vantage": "z"}, False, True)
    unseen.add({"name": "not said", "vantage": "z"}, False, True)
    return unseen


SEEN, GONE, NEW = (1, "v", "w", "low"), (-1, "v", "w", "low"), (0, "v", "w", "low")


@pytest.mark.parametrize(
    ("fleet", "rule", "groups"),
    [
        ([], {}, []),
        ([SEEN], {}, []),
        ([SEEN, GONE], {}, []),
        ([SEEN, GONE, NEW], {}, [("all", "")]),
        ([NEW], {}, [("all", ""), ("vantage", "v")]),
        ([SEEN, SEEN, SEEN, (0, "far", "w", "low")], {}, [("vantage", "far")]),
        ([SEEN, SEEN, SEEN, (0, "far", "w", "low")], {"vantages": False}, []),
        ([SEEN, SEEN, SEEN, NEW], {"all": 0.25}, []),
        ([SEEN, SEEN, SEEN, NEW], {"all": 0.24}, [("all", "")]),
        ([SEEN, SEEN, SEEN, NEW], {"all": 0}, [("all", "")]),
        ([NEW, NEW], {"all": 1, "vantages": False}, []),
        ([SEEN, SEEN, NEW], {"wards": {"w": 0.3}}, [("ward", "w")]),
        ([SEEN, SEEN, NEW], {"wards": {"x": 0}}, []),
        ([SEEN, SEEN, NEW], {"criticalities": {"low": 0}}, [("criticality", "low")]),
        ([SEEN, SEEN, NEW], {"criticalities": {"critical": 0}}, []),
        ([SEEN] * 71 + [NEW] * 29, {"all": 0.29}, []),
        ([SEEN] * 70 + [NEW] * 30, {"all": 0.29}, [("all", "")]),
    ],
)
def test_when_too_many_were_not_seen(fleet: Fleet, rule: dict[str, Any], groups: list[tuple[str, str]]) -> None:
    breaches = counted(fleet).breaches(load_policy({"fail_when_unseen": rule})["fail_when_unseen"])
    assert [(breach.group, breach.name) for breach in breaches] == groups
    for breach in breaches:
        allowed = {"all": rule.get("all", 0.5), "vantage": 0.0}.get(breach.group)
        assert allowed is None or breach.share == allowed


def test_how_many_had_been_seen_the_last_time() -> None:
    assert counted([SEEN, GONE, GONE, NEW]).totals() == {"consented": 4, "not_seen": 3, "seen_last_time": 2}
    assert counted([SEEN, NEW]).totals() == {"consented": 2, "not_seen": 1, "seen_last_time": 0}
    assert counted([SEEN, NEW], known=False).totals() == {"consented": 2, "not_seen": 1, "seen_last_time": None}
    assert counted([SEEN, GONE]).devices == ["d1"]
