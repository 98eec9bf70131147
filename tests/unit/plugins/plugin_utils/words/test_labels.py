# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels, numbers, dates and lists as people read them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words import labels, messages

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
    assert (labels.date_text(value, "fr"), labels.date_text(value, "en")) == (fr, en)


def test_moments() -> None:
    assert labels.date_time_text("2027-01-09T08:05:00Z", "fr") == f"09/01/2027 à 08{NB}h{NB}05 (UTC)"
    assert labels.date_time_text("2027-01-09T08:05:00Z", "en") == "9 January 2027 at 08:05 (UTC)"
    assert labels.date_time_text(None, "en") == "(not recorded)"


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
    assert (labels.duration_text(seconds, "fr"), labels.duration_text(seconds, "en")) == (fr, en)


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
    assert (labels.offset_text(seconds, "fr"), labels.offset_text(seconds, "en")) == (fr, en)


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
    assert (labels.versions_text(versions, "fr"), labels.versions_text(versions, "en")) == (fr, en)


def test_ports_and_long_lists() -> None:
    ports = [{"port": 23, "service": "telnet"}, {"port": 80, "service": None}, 104]
    assert labels.ports_text(ports, "fr") == "23 (telnet), 80 et 104"
    assert labels.ports_text(ports, "en") == "23 (telnet), 80 and 104"
    assert labels.ports_text(list(range(1, 21)), "en").endswith("11, 12 and 8 more")


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
    assert labels.key_text(key, "fr") == fr


@pytest.mark.parametrize(
    ("reference", "fr", "en"),
    [
        ("annex 1, 1", "annexe 1, 1", "annex 1, 1"),
        ("white paper 3.4", "livre blanc, partie 3.4", "white paper, part 3.4"),
        ("IEC 62443-4-2 CR 1.8", "IEC 62443-4-2 CR 1.8", "IEC 62443-4-2 CR 1.8"),
    ],
)
def test_references(reference: str, fr: str, en: str) -> None:
    assert (labels.reference_label(reference, "fr"), labels.reference_label(reference, "en")) == (fr, en)


LABELS = (
    messages.check_title,
    messages.check_text,
    labels.owner_label,
    labels.severity_label,
    labels.status_label,
    labels.verdict_label,
    labels.class_label,
    labels.criticality_label,
    labels.source_label,
    labels.version_label,
    labels.reference_label,
    labels.date_text,
    labels.date_time_text,
    labels.duration_text,
    labels.offset_text,
    labels.versions_text,
    labels.ports_text,
    labels.key_text,
)


@pytest.mark.parametrize("label", LABELS, ids=lambda label: label.__name__)
def test_a_language_we_do_not_speak(label: Any) -> None:
    with pytest.raises(ValueError, match="language"):
        label("x", "de")


def test_the_labels_speak_both_languages() -> None:
    groups = load_data("words/labels")
    months = groups["months"]
    assert len(months["fr"]) == len(months["en"]) == 12
    for group, entries in groups.items():
        if group != "months":
            for name, entry in entries.items():
                assert set(entry) == {"fr", "en"} and entry["fr"] and entry["en"], f"{group}.{name}"


def test_names_have_labels() -> None:
    assert labels.owner_label("it", "fr") == "DSI"
    assert labels.severity_label("high", "fr") == "Élevée"
    assert labels.status_label("not_assessed", "en") == "Not assessed"
    assert labels.verdict_label("compliant_with_waivers", "fr") == "Conforme avec dérogation"
    assert labels.class_label("imaging", "fr") == "Imagerie médicale"
    assert labels.class_label("Balnéothérapie", "en") == "Balnéothérapie"
    assert labels.source_label("cmms", "fr") == "GMAO"
    assert labels.criticality_label("low", "en") == "Low"
