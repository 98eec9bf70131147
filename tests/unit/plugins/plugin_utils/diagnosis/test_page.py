# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A diagnosis: the message and what was seen joined, in words; and who is looked at for it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.case import Said
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.message import diagnose_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.page import (
    diagnosis,
    own_language,
    page,
    terminal,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.diagnosis.plan import PlanRefused, diagnosis_plan

NOW = datetime(2026, 11, 22, 18, tzinfo=timezone.utc)
SERVER = "peer:pacs.hopital.example:2762"
DATES = {"not_before": "2026-08-14T00:00:00Z", "not_after": "2027-08-14T00:00:00Z", "subject": "CN=pacs"}
CLOCK = {"clock_shows": "2031-11-21T18:00:00Z", "offset_seconds": 157680000.0, "tolerance_seconds": 30}
EXPIRED = "certificate has expired"


def live(*said: Said) -> dict[str, list[dict[str, Any]]]:
    kinds: dict[str, list[dict[str, Any]]] = {"causes": [], "excluded": [], "open": []}
    for one in said:
        entry = one.as_dict()
        kinds[
            "causes" if "owner" in entry else "open" if one.reason.endswith(("_not_seen", "_read")) else "excluded"
        ].append(entry)
    return kinds


def join(text: str | None, *said: Said, device: str = "echo-004") -> dict[str, Any]:
    return diagnosis(device, "gw-1", NOW, live(*said), None if text is None else diagnose_text(text))


HOLDS = Said("dates_hold", "peer", SERVER, DATES)
FAST = Said("clock_sees_expired", "device", None, {**DATES, **CLOCK})
RIGHT = Said("clock_right", "device", None, {"offset_seconds": 0.2, "tolerance_seconds": 30})


def test_the_message_says_expired_and_the_clock_is_in_2031() -> None:
    found = join(EXPIRED, FAST, HOLDS)
    assert [entry["text"]["en"] for entry in found["contradictions"]] == [
        'The message says "certificate expired", but the certificate that was seen is valid until 14 August 2027: it '
        "is the clock that shows 21 November 2031 at 18:00 (UTC)."
    ]
    assert "jusqu'au 14/08/2027" in found["contradictions"][0]["text"]["fr"]
    assert found["categories"] == ["clock_skew"]


def test_a_message_that_is_corroborated_goes_first() -> None:
    weak = Said("weak_key", "device", "https:443", {"key": {"type": "rsa", "bits": 1024}})
    found = join("unable to get local issuer certificate", weak, Said("store_lacks_root", "device", SERVER))
    assert found["corroborated"] == ["unknown_ca"]
    assert [(cause["reason"], cause["from"], cause["confidence"]) for cause in found["causes"]] == [
        ("store_lacks_root", "both", "high"),
        ("weak_key", "live", "medium"),
    ]


def test_an_ambiguous_message_is_no_contradiction_where_one_of_its_causes_is_seen() -> None:
    found = join("tls alert: certificate_expired", Said("expired", "peer", SERVER, DATES), RIGHT)
    assert (found["contradictions"], found["corroborated"], found["categories"]) == ([], ["expired"], ["expired"])


def test_a_message_that_nothing_speaks_against_stands_behind_what_breaks_for_sure() -> None:
    found = join(
        EXPIRED, Said("reset_after_hello", "network", SERVER), Said("certificate_not_seen", "peer", SERVER), HOLDS
    )
    assert [(cause["category"], cause["from"]) for cause in found["causes"]] == [
        ("connection_reset", "live"),
        ("expired", "text"),
    ]
    assert found["contradictions"] == []


def test_the_clock_is_blamed_and_right() -> None:
    (entry,) = join("certificate is not yet valid", RIGHT)["contradictions"]
    assert entry["text"]["en"].startswith("The message blames the clock, but the one that was read is right")


def test_another_contradiction_says_what_was_seen() -> None:
    (entry,) = join(
        "hostname mismatch, certificate is not valid for 'pacs'",
        Said("name_covered", "peer", SERVER, {"names": ["pacs"]}),
    )["contradictions"]
    assert entry["text"]["en"].endswith("Server pacs.hopital.example:2762: the certificate carries pacs.")


def test_a_text_that_is_no_tls_failure_changes_nothing() -> None:
    found = join("job finished, 12 results sent", FAST)
    assert (found["contradictions"], found["corroborated"]) == ([], [])
    assert [cause["from"] for cause in found["causes"]] == ["live"]


def test_nothing_found_is_said_and_nothing_is_asked_of_it() -> None:
    found = join(None)
    assert found["categories"] == ["unknown"]
    assert found["request"] == {"fr": [], "en": []}
    assert "No cause was found in what could be looked at." in "\n".join(terminal(found, "en"))


def test_what_only_may_disturb_is_not_called_the_cause() -> None:
    found = join(None, Said("device_name_not_resolved", "device", None, {"host": "echo-004.hopital.example"}))
    text = "\n".join(terminal(found, "en"))
    assert "Nothing that was seen surely breaks a connection. It may be: Device name not found." in text
    assert [action["text"]["en"][:29] for action in found["actions"]] == [
        "Compare the device's date, ti",
        "Enter the device's name into ",
    ]


def test_a_step_of_its_own_stands_after_the_clock() -> None:
    found = join(None, Said("large_answers_lost", "network", SERVER, {"mtu": 1500}))
    assert [action["owner"] for action in found["actions"]] == ["biomed", "it", "biomed", "it"]
    assert "MTU" in found["actions"][1]["text"]["fr"]


def test_the_request_to_it_names_the_device_the_cause_and_what_it_should_do() -> None:
    text = "\n".join(join(None, Said("expired", "peer", SERVER, DATES))["request"]["en"])
    assert "echo-004" in text
    assert "the certificate CN=pacs expired on 14 August 2027" in text
    assert "Issue a new certificate" in text


def test_a_hostile_device_cannot_write_into_the_page_or_the_terminal() -> None:
    evil = Said("plaintext", "device", "https:443", {"detail": "<script>x</script>\x1b[2J\u202e"})
    found = join("certificate has expired <img src=x>", evil, device="<b>\x1b")
    text = page(found, ["fr", "en"]).decode("utf-8")
    assert "<script" not in text
    assert "<img" not in text
    assert "<b>[" not in text
    assert "\x1b" not in text + "\n".join(terminal(found, "en"))
    assert "\u202e" not in text + "\n".join(terminal(found, "fr"))
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("asked", "environment", "language"),
    [
        ("fr", {"LANG": "en_GB"}, "fr"),
        ("both", {"LANG": "fr_FR.UTF-8"}, "fr"),
        ("both", {"LC_ALL": "C", "LANG": "fr_FR"}, "en"),
        ("both", {}, "en"),
    ],
)
def test_the_language_of_the_person(asked: str, environment: dict[str, str], language: str) -> None:
    assert own_language(asked, environment) == language


VARIABLES: dict[str, Any] = {
    "device_address": "192.0.2.14",
    "device_names": ["echo-004.hopital.example"],
    "device_endpoints": [{"port": 443, "service": "https"}],
    "device_ports_watch": [21, 23],
    "device_peers": [
        {"address": "192.0.2.20", "port": 2762, "service": "dicom", "names": ["pacs.hopital.example"]},
        {"address": "192.0.2.21", "port": 636, "service": "ldaps"},
    ],
    "device_probe_consent": {"by": "Dr A. Martin", "on": "2026-09-01"},
    "device_vantage": "probe-1",
}


def plan(peer: str | None = None, **changes: Any) -> dict[str, Any]:
    return diagnosis_plan("echo-004", {**VARIABLES, **changes}, {"echo-004": {}, "gw-1": {}}, peer, "en", NOW)


def test_the_declared_peers_and_no_further_port() -> None:
    found = plan()
    assert found["vantage"] == "probe-1"
    assert found["device"]["ports"] == []
    assert [peer["address"] for peer in found["device"]["peers"]] == ["192.0.2.20", "192.0.2.21"]
    assert found["targets"] == [
        {"side": "device", "host": "192.0.2.14"},
        {"side": "device", "host": "echo-004.hopital.example"},
        {"side": "peer", "host": "192.0.2.20"},
        {"side": "peer", "host": "192.0.2.21"},
    ]


def test_the_gateway_of_the_device_goes_before_its_vantage() -> None:
    assert plan(device_gateway="gw-1")["vantage"] == "gw-1"


@pytest.mark.parametrize(
    ("peer", "address", "port", "service"),
    [
        ("pacs.hopital.example:2762", "192.0.2.20", 2762, "dicom"),
        ("192.0.2.21:636", "192.0.2.21", 636, "ldaps"),
        ("other.hopital.example:443", "other.hopital.example", 443, "https"),
        ("192.0.2.9:11112", "192.0.2.9", 11112, "tls"),
        ("[2001:db8::9]:2575", "2001:db8::9", 2575, "mllp"),
    ],
)
def test_a_peer_is_a_declared_one_or_what_its_port_says(peer: str, address: str, port: int, service: str) -> None:
    (found,) = plan(peer)["device"]["peers"]
    assert (found["address"], found["port"], found["service"]) == (address, port, service)


@pytest.mark.parametrize(
    "peer", ["pacs", ":443", "pacs:", "pacs:0", "pacs:70000", "pacs:٤٤٣", "a b:443", "x;y:443", "-x:443"]
)
def test_a_peer_that_cannot_be_read_is_refused(peer: str) -> None:
    with pytest.raises(PlanRefused, match="Nothing was sent"):
        plan(peer)


def test_what_may_not_be_looked_at_is_refused() -> None:
    with pytest.raises(PlanRefused, match="No consent"):
        plan(device_probe_consent=None)
    with pytest.raises(PlanRefused, match="gw-2"):
        plan(device_gateway="gw-2")
    with pytest.raises(PlanRefused, match="device_address"):
        plan(device_address="a b")
    with pytest.raises(PlanRefused, match="not in this inventory"):
        diagnosis_plan("x", None, {}, None, "en", NOW)
