# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of findings, and that nothing odd in one breaks a text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import find_reason, load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import messages

DAY = 86400
NB = "\u00a0"


def finding(check: str, reason: str, endpoint: str | None = "https:443", **parts: Any) -> dict[str, Any]:
    known = find_reason(check, reason)
    assert known is not None
    made = {
        "check": check, "device": "echo-004", "endpoint": endpoint, "status": known.status, "severity": known.severity,
        "reason": reason, "observed": {}, "expected": {}, "owner": known.owner, "due": None,
    }  # fmt: skip
    return {**made, **parts}


MESSAGES = [
    (
        finding(
            "certificate_validity",
            "expires_within_window",
            observed={"not_after": "2027-01-09T10:00:00Z", "days_left": 47, "literal_90_days": True},
            expected={"window_days": 90},
        ),
        f"Le certificat expire le 09/01/2027, dans 47 jours{NB}: le renouvellement se planifie à partir de"
        " 90 jours avant.",
        "The certificate expires on 9 January 2027, in 47 days: renewal is planned from 90 days before.",
    ),
    (
        finding(
            "certificate_validity",
            "expired",
            observed={
                "not_after": "2026-11-22T10:00:00Z",
                "days_left": 0,
                "device_clock": {"sees": "valid", "offset_seconds": -86400 * 3},
            },
        ),
        "Le certificat a expiré le 22/11/2026 (depuis moins d'un jour). Pour l'horloge du DM (3 jours de retard),"
        f" ce certificat est encore valide{NB}: la panne vient bien du certificat, mais l'heure est aussi à corriger.",
        "The certificate expired on 22 November 2026 (less than a day ago). By the device's own clock (3 days slow)"
        " this certificate is still valid: the certificate is the cause, and the time is to be corrected too.",
    ),
    (
        finding(
            "certificate_validity",
            "expired",
            endpoint="peer:pacs.hopital.example:2762",
            observed={"not_after": "2026-11-15T10:00:00Z", "days_left": -7},
        ),
        "Concerne le serveur pacs.hopital.example:2762, avec lequel le DM dialogue. Le certificat a expiré le"
        " 15/11/2026 (depuis 7 jours).",
        "This is about the server pacs.hopital.example:2762, which the device talks to. The certificate expired on"
        " 15 November 2026 (7 days ago).",
    ),
    (
        finding(
            "clock_offset",
            "offset_beyond_tolerance",
            None,
            observed={"offset_seconds": -720.4, "effect": {"state": "holds", "margin_seconds": 86400}},
            expected={"tolerance_seconds": 30},
        ),
        f"L'horloge du DM a 12 minutes de retard (tolérance{NB}: 30 secondes). Les certificats connus restent acceptés"
        f" pour l'instant{NB}: il faudrait encore 1 jour de dérive pour qu'un premier soit refusé.",
        "The device's clock is 12 minutes slow (tolerance: 30 seconds). The known certificates are still accepted for"
        " now: it would take another 1 day of drift for a first one to be refused.",
    ),
    (
        finding(
            "open_ports",
            "insecure_service_open",
            None,
            observed={
                "insecure": [{"port": 23, "service": "telnet"}, {"port": 80, "service": "http"}],
                "not_allowed": [],
            },
        ),
        f"Ces ports ouverts communiquent en clair{NB}: 23 (telnet) et 80 (http).",
        "These open ports are unencrypted: 23 (telnet) and 80 (http).",
    ),
    (
        finding(
            "tls_versions",
            "obsolete_versions_accepted",
            observed={"accepted_obsolete": ["TLSv1.0", "TLSv1.1"]},
            expected={
                "waiver": {"approver": "RSSI", "until": "2027-03-31T23:59:59Z", "justification": "parc de secours"}
            },
        ),
        f"Versions obsolètes encore acceptées{NB}: TLS 1.0 et TLS 1.1. Dérogation accordée par RSSI jusqu'au"
        f" 31/03/2027{NB}: «{NB}parc de secours{NB}».",
        "Obsolete versions still accepted: TLS 1.0 and TLS 1.1. Waived by RSSI until 31 March 2027: 'parc de secours'.",
    ),
    (
        finding("certificate_key", "key_too_small", observed={}, expected={}),
        f"La clé de «{NB}(non relevé){NB}» est trop courte ((non relevé)){NB}: il faut au moins (non relevé) bits"
        " en RSA, (non relevé) sur courbe elliptique.",
        "The key of '(not recorded)' is too short ((not recorded)): RSA needs at least (not recorded) bits,"
        " an elliptic curve (not recorded).",
    ),
]


@pytest.mark.parametrize(
    ("made", "fr", "en"), MESSAGES, ids=lambda value: value["reason"] if isinstance(value, dict) else ""
)
def test_messages(made: dict[str, Any], fr: str, en: str) -> None:
    assert messages.finding_message(made, "fr") == fr
    assert messages.finding_message(made, "en") == en


def test_actions_are_for_the_one_who_acts() -> None:
    own = finding("certificate_validity", "expired")
    peer = finding("certificate_validity", "expired", endpoint="peer:pacs:2762", owner="it")
    vendor = finding("certificate_validity", "expired", owner="vendor", expected={"vendor_limit": "no import of keys"})
    steps = [tuple(messages.finding_actions(item, "en")) for item in (own, peer, vendor)]
    assert len(set(steps)) == 3
    assert "date and time" in steps[0][0]
    assert "server" in steps[1][0]
    assert "no import of keys" in steps[2][0]
    assert len(messages.finding_actions(own, "fr")) == len(steps[0])
    assert messages.finding_actions(finding("certificate_validity", "valid"), "en") == []


def test_titles() -> None:
    assert messages.check_title("clock_offset", "fr") == "Exactitude de l'horloge"
    assert messages.check_title("clock_offset", "en") == "Accuracy of the clock"
    assert messages.check_text("clock_offset", "en").startswith("Compares the device's time")
    assert messages.reason_title("clock_offset", "clock_at_epoch", "fr") == "Horloge revenue à sa date d'usine"
    assert messages.reason_title("clock_offset", "not_observed", "en") == "Not visited"


def test_messages_in_a_language_we_do_not_speak() -> None:
    made = finding("certificate_validity", "expired")
    for call in (messages.finding_message, messages.finding_actions):
        with pytest.raises(ValueError, match="language"):
            call(made, "FR")
    with pytest.raises(ValueError, match="language"):
        messages.reason_title("x", "y", "")


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\ud800", "\x1b[2J", "{x}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


ALL_REASONS = sorted(
    {(check.name, name) for check in load_checklist().checks for name in (*check.reasons, *load_checklist().common)}
)


PATHS = sorted(
    {
        path.split(".")[0]
        for check, name in ALL_REASONS
        for reason in [find_reason(check, name)]
        if reason is not None
        for text in (reason.message, *(note.text for note in reason.notes), *reason.actions)
        for path, _kind in messages.placeholders(text.en)
    }
)


@given(
    which=st.sampled_from(ALL_REASONS),
    observed=st.dictionaries(st.sampled_from(PATHS), ODD, max_size=5) | ODD,
    expected=ODD,
    endpoint=st.sampled_from([None, "https:443", "peer:x:1", "peer:\x1b", 7]),
    language=st.sampled_from(["fr", "en"]),
)
def test_no_finding_breaks_a_text(
    which: tuple[str, str], observed: Any, expected: Any, endpoint: Any, language: str
) -> None:
    made = {"check": which[0], "reason": which[1], "endpoint": endpoint, "observed": observed, "expected": expected}
    for text in (messages.finding_message(made, language), *messages.finding_actions(made, language)):
        assert text
        text.encode("utf-8")
        assert "\x1b" not in text


@pytest.mark.parametrize(
    "made", [{}, {"check": 7, "reason": []}, {"check": "x", "reason": "y"}, {"check": "clock_offset", "reason": "y"}]
)
def test_a_finding_that_nobody_knows_is_shown_as_it_is(made: dict[str, Any]) -> None:
    assert isinstance(messages.finding_message(made, "fr"), str)
    assert messages.finding_actions(made, "en") == []
    assert messages.check_title(None, "fr") == "" and messages.check_title("\x1b", "fr") != "\x1b"


@pytest.mark.parametrize("limit", ["Pas avant la version 8", "Pas avant la version 8."])
def test_a_limit_that_ends_with_a_full_stop_ends_with_one(limit: str) -> None:
    finding = {
        "check": "tls_versions",
        "reason": "obsolete_versions_accepted",
        "owner": "vendor",
        "endpoint": None,
        "observed": {},
        "expected": {"vendor_limit": limit},
    }
    first = messages.finding_actions(finding, "fr")[0]
    assert first.endswith("Pas avant la version 8.") and not first.endswith("..")
