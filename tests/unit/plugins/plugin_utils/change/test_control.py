# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which a change is refused, and the few in which it is granted."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.control import Unreadable, decide
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.summary import summary_lines, summary_states
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=timezone.utc)
ENTRY = {"kinds": ["root_ca"], "by": "Acme", "on": "2026-01-01", "until": "2026-12-31", "reference": "A-1"}
WINDOW = {"from": "2026-11-22T21:30:00+01:00", "to": "2026-11-22T23:00:00+01:00"}
RELEASED = {**WINDOW, "released_by": "S. Petit, head nurse"}
WELL = {"device_vendor_authorisation": [ENTRY], "device_in_use": False}


def without(entry: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != key}


GRANTED = [
    WELL,
    {**WELL, "device_in_use": "no"},
    {**WELL, "device_in_use": True, "device_maintenance_windows": [WINDOW, RELEASED]},
    {**WELL, "device_in_use": None, "device_maintenance_windows": [RELEASED]},
    {**WELL, "device_in_use": None, "device_maintenance_windows": [WINDOW]},
    {**WELL, "device_vendor_authorisation": [{**ENTRY, "until": "2026-02-01"}, ENTRY]},
    {**WELL, "device_vendor_authorisation": [{**ENTRY, "until": "2026-11-22"}]},  # the last day is within
    {**WELL, "device_vendor_authorisation": [{**without(ENTRY, "on"), True: "2026-01-01"}]},  # YAML's unquoted on
    {**WELL, "device_vendor_authorisation": [{**without(ENTRY, "on"), "true": "2026-01-01"}]},
]

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("authorisation_missing", without(WELL, "device_vendor_authorisation"), "device_vendor_authorisation"),
    ("authorisation_missing", {**WELL, "device_vendor_authorisation": []}, "device_vendor_authorisation"),
    ("authorisation_broken", {**WELL, "device_vendor_authorisation": True}, "entry 1"),
    ("authorisation_broken", {**WELL, "device_vendor_authorisation": ["yes"]}, "entry 1"),
    *(
        ("authorisation_broken", {**WELL, "device_vendor_authorisation": [ENTRY, without(ENTRY, key)]}, f"2: {key}")
        for key in ENTRY
    ),
    *(
        ("authorisation_broken", {**WELL, "device_vendor_authorisation": [{**ENTRY, key: value}]}, f"1: {key}")
        for key, value in (
            *(("kinds", "root_ca"), ("kinds", []), ("kinds", ["rootca"]), ("kinds", [["root_ca"]]), ("by", " ")),
            *(("by", "none"), ("by", "\u200b\u200b"), ("reference", "0"), ("reference", "-"), ("reference", "n/a")),
            *(("reference", 7), ("on", "soon"), ("on", None), ("until", "2025-12-31"), ("untill", "2026-12-31")),
        )
    ),
    ("authorisation_other_kind", {**WELL, "device_vendor_authorisation": [{**ENTRY, "kinds": ["restore"]}]}, "root_ca"),
    ("authorisation_not_yet", {**WELL, "device_vendor_authorisation": [{**ENTRY, "on": "2026-11-23"}]}, "23 November"),
    ("authorisation_expired", {**WELL, "device_vendor_authorisation": [{**ENTRY, "until": "2026-11-21"}]}, "A-1"),
    ("use_unknown", without(WELL, "device_in_use"), "device_in_use"),
    ("in_use", {**WELL, "device_in_use": True}, "device_maintenance_windows"),
    ("in_use", {**WELL, "device_in_use": "yes", "device_maintenance_windows": []}, "device_in_use"),
    ("not_released", {**WELL, "device_in_use": True, "device_maintenance_windows": [WINDOW]}, "released_by"),
    (
        "not_released",  # another window was released
        {
            **WELL,
            "device_in_use": "on",
            "device_maintenance_windows": [WINDOW, {**RELEASED, "to": "2026-11-22T21:45:00+01:00"}],
        },
        "released_by",
    ),
    ("use_broken", {**WELL, "device_in_use": "perhaps"}, "perhaps"),
    ("use_broken", {**WELL, "device_in_use": 0.5, "device_maintenance_windows": [WINDOW]}, "0.5"),
    *(
        ("window_broken", {**WELL, "device_in_use": True, "device_maintenance_windows": windows}, "entry 1")
        for windows in (
            "tonight",
            [{**WINDOW, "from": "2026-11-22T21:30:00"}],  # no zone
            [{**WINDOW, "from": "22:00"}],
            [{**WINDOW, "to": WINDOW["from"]}],
            [without(WINDOW, "to")],
            [{**WINDOW, "zone": "Europe/Paris"}],
            [{**WINDOW, "released_by": "-"}],
            [{**WINDOW, "released_by": True}],
        )
    ),
    (
        "no_window_now",
        {
            **WELL,
            "device_in_use": None,
            "device_maintenance_windows": [{"from": "2026-11-23T01:00+01:00", "to": "2026-11-23T05:00+01:00"}],
        },
        "23 November",
    ),
    (
        "no_window_now",  # it ended at this very moment
        {**WELL, "device_in_use": True, "device_maintenance_windows": [{**WINDOW, "to": "2026-11-22T22:00:00+01:00"}]},
        "None is to come",
    ),
    ("unreadable", {**WELL, "device_in_use": Unreadable("'ward' is undefined")}, "device_in_use"),
    ("unreadable", {**WELL, "device_maintenance_windows": Unreadable("x")}, "device_maintenance_windows"),
]


@pytest.mark.parametrize("variables", GRANTED)
def test_it_is_granted(variables: dict[str, Any]) -> None:
    assert decide("root_ca", "CHG-1", variables, NOW) is None


@pytest.mark.parametrize(("reason", "variables", "said"), REFUSED)
def test_it_is_refused_and_the_sentence_names_the_variable(reason: str, variables: dict[str, Any], said: str) -> None:
    refusal = decide("root_ca", "CHG-1", variables, NOW)
    assert refusal is not None and refusal.reason == reason
    assert said in refusal.text("en")
    for language in ("en", "fr"):
        assert "{" not in refusal.text(language)
        assert "device_" in refusal.text(language)


@pytest.mark.parametrize(
    "ticket",
    [
        "",
        "  ",
        None,
        7,
        ["CHG-1"],
        "None",
        " null ",
        "0",
        "00",
        "0-0",
        "-",
        "---",
        "n/a",
        "\u200b\u200b\u200b",
        "CHG\u200b-1",
    ],
)
def test_no_ticket_no_change(ticket: Any) -> None:
    refusal = decide("root_ca", ticket, WELL, NOW)
    assert refusal is not None and "change_control_ticket" in refusal.text("en")


@pytest.mark.parametrize(
    ("ticket", "pattern", "reason"),
    [
        ("CHG-2026-0117", r"CHG-\d{4}-\d+", None),
        ("4711", "", None),
        ("CHG-2026-0117 or so", r"CHG-\d{4}-\d+", "ticket_other"),
        ("none", ".*", "ticket_missing"),
        ("CHG-1", "CHG-(", "pattern_broken"),
    ],
)
def test_a_ticket_has_the_form_that_the_hospital_gives_it(ticket: str, pattern: str, reason: str | None) -> None:
    refusal = decide("root_ca", ticket, WELL, NOW, pattern)
    assert (refusal and refusal.reason) == reason
    assert refusal is None or "change_control_ticket" in refusal.text("fr")


def test_every_reason_is_given_by_a_case() -> None:
    assert {reason for reason, _variables, _said in REFUSED} | {
        "ticket_missing",
        "ticket_other",
        "pattern_broken",
    } == set(load_data("words/change_texts")["refusals"])


def test_nothing_that_is_left_out_lets_a_change_pass() -> None:
    """Whatever is taken away from what is granted, it is not granted any more."""
    for key in WELL:
        assert decide("root_ca", "CHG-1", without(WELL, key), NOW) is not None
    assert decide("root_ca", "CHG-1", {}, NOW) is not None


def test_the_summary_says_of_every_device_what_became_of_it() -> None:
    known = {
        "gw-1": {"change_control_state": "verified"},
        "gw-2": {"change_control_state": "refused", "change_control_refusal": "no \x1b[31mticket"},
        "gw-3": {"change_control_state": "rolled_back", "change_control_note": "the new root stays"},
        "gw-4": {"change_control_state": None},
    }
    assert summary_states(known)["untouched"] == ["gw-4"]
    lines = "\n".join(summary_lines(known, "root_ca", "CHG-1", "en", checking=False))
    for line in (
        "gw-1  changed and verified",
        "gw-2  skipped: no [U+001B][31mticket",
        "gw-3  rolled back: the new root stays",
        "gw-4  not reached",
    ):
        assert line in lines
    assert "gw-2  écarté\u00a0: no" in "\n".join(summary_lines(known, "root_ca", "", "fr", checking=True))
