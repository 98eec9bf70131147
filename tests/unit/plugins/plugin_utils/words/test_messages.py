# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads: dates, spans, lists and messages in both languages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import find_reason, load_checklist
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels as texts

DAY = 86400
NB = "\u00a0"


@pytest.mark.parametrize(
    ("value", "fr", "en"),
    [
        ("2027-01-09", "09/01/2027", "9 January 2027"),
        ("2027-01-09T23:30:00Z", "09/01/2027", "9 January 2027"),
        ("2027-01-10T00:30:00+02:00", "09/01/2027", "9 January 2027"),
        (None, "(non relevé)", "(not recorded)"),
        ("soon", "soon", "soon"),
        (7, "7", "7"),
    ],
)
def test_dates(value: Any, fr: str, en: str) -> None:
    assert (texts.date_text(value, "fr"), texts.date_text(value, "en")) == (fr, en)


def test_moments() -> None:
    assert texts.instant_text("2027-01-09T08:05:00Z", "fr") == "09/01/2027 à 08 h 05 (UTC)"
    assert texts.instant_text("2027-01-09T08:05:00Z", "en") == "9 January 2027 at 08:05 (UTC)"
    assert texts.instant_text(None, "en") == "(not recorded)"


@pytest.mark.parametrize(
    ("seconds", "fr", "en"),
    [
        (0, "moins d'une seconde", "less than a second"),
        (0.4, "moins d'une seconde", "less than a second"),
        (1, "1 seconde", "1 second"),
        (-45, "45 secondes", "45 seconds"),
        (60, "1 minute", "1 minute"),
        (720.4, "12 minutes", "12 minutes"),
        (754, "12 minutes 34 secondes", "12 minutes 34 seconds"),
        (3600, "1 heure", "1 hour"),
        (3 * DAY + 4 * 3600 + 59, "3 jours 4 heures", "3 days 4 hours"),
        (57 * 365 * DAY, "57 ans", "57 years"),
        (365 * DAY + DAY, "1 an 1 jour", "1 year 1 day"),
        (None, "(non relevé)", "(not recorded)"),
        (float("nan"), "(non relevé)", "(not recorded)"),
        ("x", "(non relevé)", "(not recorded)"),
    ],
)
def test_spans(seconds: Any, fr: str, en: str) -> None:
    assert (texts.duration_text(seconds, "fr"), texts.duration_text(seconds, "en")) == (fr, en)


@pytest.mark.parametrize(
    ("seconds", "fr", "en"),
    [
        (-720.4, "12 minutes de retard", "12 minutes slow"),
        (720.4, "12 minutes d'avance", "12 minutes fast"),
        (0.2, "à l'heure", "on time"),
        (None, "(non relevé)", "(not recorded)"),
    ],
)
def test_offsets(seconds: Any, fr: str, en: str) -> None:
    assert (texts.offset_text(seconds, "fr"), texts.offset_text(seconds, "en")) == (fr, en)


@pytest.mark.parametrize(
    ("versions", "fr", "en"),
    [
        (["TLSv1.0", "TLSv1.1"], "TLS 1.0 et TLS 1.1", "TLS 1.0 and TLS 1.1"),
        (["SSLv2", "SSLv3", "TLSv1.0"], "SSL 2.0, SSL 3.0 et TLS 1.0", "SSL 2.0, SSL 3.0 and TLS 1.0"),
        ({"TLSv1.0": "no_answer"}, "TLS 1.0", "TLS 1.0"),
        (["TLSv9"], "TLSv9", "TLSv9"),
        ([], "néant", "none"),
        (None, "néant", "none"),
    ],
)
def test_versions(versions: Any, fr: str, en: str) -> None:
    assert (texts.versions_text(versions, "fr"), texts.versions_text(versions, "en")) == (fr, en)


def test_ports_and_long_lists() -> None:
    ports = [{"port": 23, "service": "telnet"}, {"port": 80, "service": None}, 104]
    assert texts.ports_text(ports, "fr") == "23 (telnet), 80 et 104"
    assert texts.ports_text(ports, "en") == "23 (telnet), 80 and 104"
    assert texts.ports_text(list(range(1, 21)), "en").endswith("11, 12 and 8 more")


@pytest.mark.parametrize(
    ("key", "fr"),
    [
        ({"type": "RSA", "bits": 1024, "curve": None}, "RSA, 1024 bits"),
        ({"type": "EC", "bits": 192, "curve": "secp192r1"}, "courbe elliptique secp192r1, 192 bits"),
        ({"type": "SM2"}, "SM2"),
        ({}, "(non relevé)"),
        (None, "(non relevé)"),
    ],
)
def test_keys(key: Any, fr: str) -> None:
    assert texts.key_text(key, "fr") == fr


@pytest.mark.parametrize(
    ("reference", "fr", "en"),
    [
        ("annex 1, 1", "annexe 1, 1", "annex 1, 1"),
        ("white paper 3.4", "livre blanc, partie 3.4", "white paper, part 3.4"),
        ("IEC 62443-4-2 CR 1.8", "IEC 62443-4-2 CR 1.8", "IEC 62443-4-2 CR 1.8"),
    ],
)
def test_references(reference: str, fr: str, en: str) -> None:
    assert (texts.reference_label(reference, "fr"), texts.reference_label(reference, "en")) == (fr, en)


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
        "Le certificat a expiré le 22/11/2026 (depuis moins d'un jour). L'horloge du DM (3 jours de retard) le croit"
        f" encore valide{NB}: la panne vient bien du certificat, mais l'heure est aussi à corriger.",
        "The certificate expired on 22 November 2026 (less than a day ago). The device's own clock (3 days slow) still"
        " takes it for valid: the certificate is the cause, and the time is to be corrected too.",
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
        "These open ports speak in clear: 23 (telnet) and 80 (http).",
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
    assert texts.finding_message(made, "fr") == fr
    assert texts.finding_message(made, "en") == en


def test_actions_are_for_the_one_who_acts() -> None:
    own = finding("certificate_validity", "expired")
    peer = finding("certificate_validity", "expired", endpoint="peer:pacs:2762", owner="it")
    vendor = finding("certificate_validity", "expired", owner="vendor", expected={"vendor_limit": "no import of keys"})
    steps = [tuple(texts.finding_actions(item, "en")) for item in (own, peer, vendor)]
    assert len(set(steps)) == 3
    assert "date and time" in steps[0][0]
    assert "server" in steps[1][0]
    assert "no import of keys" in steps[2][0]
    assert len(texts.finding_actions(own, "fr")) == len(steps[0])
    assert texts.finding_actions(finding("certificate_validity", "valid"), "en") == []


def test_titles() -> None:
    assert texts.check_title("clock_offset", "fr") == "Exactitude de l'horloge"
    assert texts.check_title("clock_offset", "en") == "Accuracy of the clock"
    assert texts.check_text("clock_offset", "en").startswith("Compares the device's time")
    assert texts.reason_title("clock_offset", "clock_at_epoch", "fr") == "Horloge revenue à sa date d'usine"
    assert texts.reason_title("clock_offset", "not_observed", "en") == "Not visited"
    assert texts.owner_label("it", "fr") == "DSI"
    assert texts.severity_label("high", "fr") == "Élevée"
    assert texts.status_label("not_assessed", "en") == "Not assessed"
    assert texts.verdict_label("compliant_with_waivers", "fr") == "Conforme avec dérogation"
    assert texts.class_label("imaging", "fr") == "Imagerie médicale"
    assert texts.class_label("Balnéothérapie", "en") == "Balnéothérapie"
    assert texts.source_label("cmms", "fr") == "GMAO"
    assert texts.criticality_label("low", "en") == "Low"


LABELS = (
    texts.check_title,
    texts.check_text,
    texts.owner_label,
    texts.severity_label,
    texts.status_label,
    texts.verdict_label,
    texts.class_label,
    texts.criticality_label,
    texts.source_label,
    texts.version_label,
    texts.reference_label,
    texts.date_text,
    texts.instant_text,
    texts.duration_text,
    texts.offset_text,
    texts.versions_text,
    texts.ports_text,
    texts.key_text,
)


@pytest.mark.parametrize("label", LABELS, ids=lambda label: label.__name__)
def test_a_language_we_do_not_speak(label: Any) -> None:
    with pytest.raises(ValueError, match="language"):
        label("x", "de")


def test_messages_in_a_language_we_do_not_speak() -> None:
    made = finding("certificate_validity", "expired")
    for call in (texts.finding_message, texts.finding_actions):
        with pytest.raises(ValueError, match="language"):
            call(made, "FR")
    with pytest.raises(ValueError, match="language"):
        texts.reason_title("x", "y", "")


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
        for path, _kind in texts.places(text.en)
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
    for text in (texts.finding_message(made, language), *texts.finding_actions(made, language)):
        assert text
        text.encode("utf-8")
        assert "\x1b" not in text


@pytest.mark.parametrize(
    "made", [{}, {"check": 7, "reason": []}, {"check": "x", "reason": "y"}, {"check": "clock_offset", "reason": "y"}]
)
def test_a_finding_that_nobody_knows_is_shown_as_it_is(made: dict[str, Any]) -> None:
    assert isinstance(texts.finding_message(made, "fr"), str)
    assert texts.finding_actions(made, "en") == []
    assert texts.check_title(None, "fr") == "" and texts.check_title("\x1b", "fr") != "\x1b"


def test_the_labels_speak_both_languages() -> None:
    labels = load_data("words/labels")
    months = labels["months"]
    assert len(months["fr"]) == len(months["en"]) == 12
    for group, entries in labels.items():
        if group != "months":
            for name, entry in entries.items():
                assert set(entry) == {"fr", "en"} and entry["fr"] and entry["en"], f"{group}.{name}"


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
    first = texts.finding_actions(finding, "fr")[0]
    assert first.endswith("Pas avant la version 8.") and not first.endswith("..")
