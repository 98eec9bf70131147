# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From readings of a clock to one offset that can be trusted as far as it says."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.checks.clock_offset import judge_clock
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.clock import (
    ClockEstimate,
    believable,
    clock_effect,
    device_clock,
    device_sees,
    estimate_clock,
    moment_text,
    zone_seconds,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Certificate, Clock, Sample
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.shape import read_part
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy

NOW = datetime(2026, 11, 22, 18, tzinfo=timezone.utc)
DAY = 86400.0


def reading(offset: Any, uncertainty: Any, evidence: Any = True, source: str = "http_date") -> dict[str, Any]:
    return {"source": source, "offset_seconds": offset, "uncertainty_seconds": uncertainty, "evidence": evidence}


def link(start_days: float, end_days: float, name: str = "CN=x") -> Certificate:
    return Certificate(
        subject=name, not_before=NOW + timedelta(days=start_days), not_after=NOW + timedelta(days=end_days)
    )


def read(samples: Any) -> tuple[Sample, ...]:
    return read_part(Clock, {"samples": samples}, []).samples


def exactly(offset: float, uncertainty: float = 0.5) -> ClockEstimate:
    return ClockEstimate(offset - uncertainty, offset + uncertainty, True, True, ("http_date",), 1)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        # one reading is what it is
        ([reading(-720.4, 0.6)], (-721.0, -719.8, True)),
        # where all can be right, the truth is where they overlap
        ([reading(0, 10), reading(5, 1)], (4.0, 6.0, True)),
        ([reading(0, 3), reading(4, 3), reading(2, 9)], (1.0, 3.0, True)),
        # a gap as large as two readings a moment apart: the truth is in the span of both
        ([reading(0, 0.5), reading(2, 0.5)], (-0.5, 2.5, True)),
        ([reading(0, 0.5), reading(3, 0.5)], (-0.5, 3.5, True)),
        # beyond that they are not of one clock
        ([reading(0, 0.5), reading(3.1, 0.5)], (-0.5, 3.6, False)),
        ([reading(0, 0.5), reading(-720, 0.5), reading(0, 1)], (-720.5, 1.0, False)),
        # what cannot be read, or does not say how sure it is, is left out
        (
            [reading(0, 1), reading(900, None), reading(900, -1), reading(float("nan"), 1), reading("9", 1), 7, None],
            (-1.0, 1.0, True),
        ),
        # a hint is only used where there is nothing else
        ([reading(900, 1, False), reading(0, 1)], (-1.0, 1.0, True)),
        ([reading(900, 1, "yes"), reading(0, 1)], (-1.0, 1.0, True)),
    ],
)
def test_readings_add_up(samples: list[Any], expected: tuple[float, float, bool]) -> None:
    estimate = estimate_clock(read(samples), 2)
    assert estimate is not None
    assert (pytest.approx(estimate.low), pytest.approx(estimate.high), estimate.agree) == expected
    assert estimate.evidence


@pytest.mark.parametrize("samples", [[], None, "x", {}, [reading(True, 1)], [reading(1e300, 1)], [{}]])
def test_no_reading_no_estimate(samples: Any) -> None:
    assert estimate_clock(read(samples), 2) is None


def test_a_hint_is_no_evidence_and_is_told_to_nobody_as_the_devices_clock() -> None:
    hint = estimate_clock(read([reading(900, 1, False)]), 2)
    assert hint is not None and not hint.evidence and believable(hint) is None
    assert believable(estimate_clock(read([reading(0, 1), reading(900, 1)]), 2)) is None
    assert believable(None) is None
    assert believable(exactly(3)) == exactly(3)


@given(
    truth=st.floats(-1e6, 1e6), errors=st.lists(st.tuples(st.floats(0, 1000), st.floats(-1, 1)), min_size=1, max_size=6)
)
def test_honest_readings_of_one_clock_agree_and_hold_the_truth(truth: float, errors: list[tuple[float, float]]) -> None:
    samples = [reading(truth + share * size, size) for size, share in errors]
    estimate = estimate_clock(read(samples), 0.001)
    assert estimate is not None and estimate.agree
    assert estimate.low - 1e-3 <= truth <= estimate.high + 1e-3
    # More readings never make the answer less sure.
    assert estimate.uncertainty <= min(size for size, _share in errors) + 1e-3


@given(offset=st.floats(-1e5, 1e5), uncertainty=st.floats(0, 1e4), tolerance=st.floats(0, 1e4))
def test_the_tolerance_with_its_uncertainty(offset: float, uncertainty: float, tolerance: float) -> None:
    policy = load_policy({"clock_offset_tolerance": tolerance})
    estimate = estimate_clock(read([reading(offset, uncertainty)]), 2)
    assert estimate is not None
    visit = Visit(Observation(), NOW, "not_observed")
    reason = judge_clock(visit, estimate, [], policy, NOW).reason
    if abs(abs(offset) - uncertainty - tolerance) < 1e-6 or abs(abs(offset) + uncertainty - tolerance) < 1e-6:
        return
    expected = (
        "offset_beyond_tolerance" if abs(offset) - uncertainty > tolerance
        else "offset_within_tolerance" if abs(offset) + uncertainty <= tolerance
        else "offset_uncertain"
    )  # fmt: skip
    assert reason == expected


@pytest.mark.parametrize(
    ("offset", "links", "expected"),
    [
        (-720, [], {"state": "unknown"}),
        (-720, [link(-400, -35)], {"state": "unknown"}),
        (-720, [link(1, 100)], {"state": "unknown"}),
        (-720, [link(-10, 100)], {"state": "holds", "margin_seconds": 10 * DAY - 720.5}),
        (720, [link(-10, 100)], {"state": "holds", "margin_seconds": 100 * DAY - 720.5}),
        (720, [link(-10, 100), link(-5, 50)], {"state": "holds", "margin_seconds": 50 * DAY - 720.5}),
        (720, [link(-5, 50), link(-10, 100)], {"state": "holds", "margin_seconds": 50 * DAY - 720.5}),
        (-720, [link(-10, 100), link(-5, 50)], {"state": "holds", "margin_seconds": 5 * DAY - 720.5}),
        (-11 * DAY, [link(-10, 100)], {"state": "breaks", "sees": "not_yet_valid"}),
        (101 * DAY, [link(-10, 100)], {"state": "breaks", "sees": "expired"}),
        (-6 * DAY, [link(-10, 100), link(-5, 300, "CN=younger")], {"state": "breaks", "subject": "CN=younger"}),
        (40 * DAY, [link(-10, 100)], {"state": "will_break", "sees": "expired", "at": "2027-01-21T18:00:00Z"}),
        (40 * DAY, [link(-10, 300), link(-10, 50)], {"state": "will_break", "at": "2026-12-02T18:00:00Z"}),
        (-3 * DAY, [link(-10, 100)], {"state": "will_break", "sees": "not_yet_valid", "refused_seconds": 3 * DAY}),
        (-3 * DAY, [link(-10, 100)], {"at": "2027-03-02T18:00:00Z"}),
        # just under a day: renewing on the day planned is still in time
        (DAY - 60, [link(-10, 100)], {"state": "holds"}),
        (DAY + 60, [link(-10, 100)], {"state": "will_break"}),
        # the first and the last moment of a validity count, the truth's and the device's
        (1, [link(0, 100)], {"state": "holds"}),
        (-1, [link(-10, 0)], {"state": "holds"}),
        (0, [link(-10, 100)], {"state": "holds", "margin_seconds": 10 * DAY - 0.5}),
        (0.7, [link(-10, 100)], {"state": "holds", "margin_seconds": 100 * DAY - 1.2}),
        (0.12345, [link(-10, 100)], {"margin_seconds": round(100 * DAY - 0.62345, 3)}),
        (-3 * DAY - 0.12345, [link(-10, 100)], {"refused_seconds": 3 * DAY + 0.123}),
        (40 * DAY, [link(-10, 100, "CN=a"), link(-10, 100, "CN=b")], {"state": "will_break", "subject": "CN=a"}),
        (40 * DAY, [Certificate(subject="CN=x", not_before=None, not_after=NOW)], {"state": "unknown"}),
        (40 * DAY, [Certificate(subject="CN=x", not_before=NOW, not_after=None)], {"state": "unknown"}),
    ],
)
def test_what_an_offset_does_to_certificates(offset: float, links: list[Certificate], expected: dict[str, Any]) -> None:
    effect = clock_effect(exactly(offset), [("https:443", item) for item in links], NOW)
    assert {key: effect[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("offset", "state"),
    [
        (100 * DAY, "will_break"),
        (-10 * DAY, "will_break"),
        (DAY, "will_break"),
        (-DAY, "will_break"),
        (DAY - 1, "holds"),
        (1 - DAY, "holds"),
        (100 * DAY + 1, "breaks"),
        (-10 * DAY - 1, "breaks"),
    ],
)
def test_what_a_device_that_is_surely_off_by_so_much_refuses(offset: float, state: str) -> None:
    assert clock_effect(exactly(offset, 0), [("https:443", link(-10, 100))], NOW)["state"] == state


@pytest.mark.parametrize(
    ("low", "high", "tolerance", "seconds"),
    [
        (3540, 3660, 100, 3600),
        (3539.5, 3600, 100, None),
        (3600, 3660.5, 100, None),
        (3590, 3610, 10, 3600),
        (3589, 3610, 10, None),
        (-5400, -5400, 30, 5400),
        (14 * 3600, 14 * 3600, 30, 14 * 3600),
        (14.5 * 3600, 14.5 * 3600, 30, None),
        (-1, 1, 30, None),
    ],
)
def test_a_clock_that_is_off_by_a_time_zone(low: float, high: float, tolerance: float, seconds: int | None) -> None:
    assert zone_seconds(ClockEstimate(low, high, True, True, (), 1), tolerance) == seconds


@pytest.mark.parametrize(
    ("offset", "start", "end", "sees"),
    [
        (0.12345, -10, 100, "valid"),
        (100 * DAY, -10, 100, "valid"),
        (100 * DAY + 1, -10, 100, "expired"),
        (-10 * DAY, -10, 100, "valid"),
        (-10 * DAY - 1, -10, 100, "not_yet_valid"),
    ],
)
def test_how_a_clock_sees_a_certificate(offset: float, start: float, end: float, sees: str) -> None:
    told = {"offset_seconds": round(offset, 3), "uncertainty_seconds": 0.543, "sees": sees}
    assert device_clock(exactly(offset, 0.54321), link(start, end), NOW) == told
    assert device_clock(None, link(start, end), NOW) is None
    for first, last in ((None, NOW), (NOW, None)):
        undated = Certificate(subject="CN=x", not_before=first, not_after=last)
        assert device_sees(exactly(offset), undated, NOW.timestamp()) is None


def test_what_a_finding_tells_of_an_offset() -> None:
    visit = Visit(Observation(), NOW, "not_observed")
    observed = judge_clock(visit, exactly(0.12345, 0.54321), [], load_policy(), NOW).observed
    parts = ("offset_seconds", "uncertainty_seconds", "low_seconds", "high_seconds")
    assert [observed[part] for part in parts] == [0.123, 0.543, -0.42, 0.667]


@given(offset=st.floats(-1e9, 1e9), start=st.floats(-5000, 5000), end=st.floats(-5000, 5000))
def test_it_breaks_exactly_where_the_devices_date_is_outside(offset: float, start: float, end: float) -> None:
    item = link(start, end)
    effect = clock_effect(exactly(offset, 0), [("https:443", item)], NOW)
    device_day = offset / DAY
    if min(abs(device_day - start), abs(device_day - end), abs(start), abs(end)) < 1e-4:
        return
    valid = start <= 0 <= end
    assert (effect["state"] == "breaks") == (valid and not start <= device_day <= end)
    assert (effect["state"] == "unknown") == (not valid)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-86400, "1969-12-31T00:00:00Z"),
        (1e14, None),
        (-1e14, None),
        (-6e10, "0068-09-03T13:20:00Z"),
    ],
)
def test_moments_outside_of_the_calendar(seconds: float, expected: str | None) -> None:
    assert moment_text(seconds) == expected
