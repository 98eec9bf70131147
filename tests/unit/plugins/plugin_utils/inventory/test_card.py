# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device cards: what is read from host variables, and the one sentence for what can't be used."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory import host_variables
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import (
    card_from_dictionary,
    device_card,
    distinct_peers,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.host_variables import misspelt

ROOT = Path(__file__).resolve().parents[5]

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
CONSENT = {"by": "Dr A. Martin", "on": "2026-09-01", "reference": "BIO-2026-017"}


def test_a_full_card() -> None:
    card = device_card(
        "echo-004",
        {
            "device_address": "10.20.1.14",
            "device_names": ["echo-004.hopital.example"],
            "device_endpoints": [
                {"port": "443", "service": "https", "http": {"method": "head", "path": "/status"}},
                {"port": 2762, "service": "dicom"},
            ],
            "device_ports_watch": [21, {"port": 2323, "service": "telnet"}],
            "device_ports_allowed": [22],
            "device_peers": [{"address": "pacs.hopital.example", "port": 2762, "service": "dicom"}],
            "device_probe_consent": CONSENT,
            "device_criticality": "high",
            "device_vendor_limits": {"tls_versions": "needs 5.2"},
            "device_accounts": [{"name": "root"}, {"name": "acme", "until": date(2027, 6, 30), "owner": "Acme"}],
            "device_trust_anchors_sha256": ":".join(["AB"] * 32),
            "group_names": ["imaging", "medical_devices"],
        },
        NOW,
    )
    assert card["invalid"] is None
    assert card["endpoints"] == [
        {"port": 443, "service": "https", "http": {"method": "HEAD", "path": "/status"}},
        {"port": 2762, "service": "dicom"},
    ]
    assert card["ports"] == [{"port": 21, "service": None}, {"port": 2323, "service": "telnet"}]
    assert card["ports_allowed"] == [22]
    assert card["peers"] == [{"address": "pacs.hopital.example", "port": 2762, "service": "dicom", "names": []}]
    assert card["consent"] is True
    assert card["vantage"] == "localhost"
    assert card["accounts"] == [
        {"name": "root", "until": None, "owner": None},
        {"name": "acme", "until": "2027-06-30T23:59:59Z", "owner": "Acme"},
    ]
    assert card["trust_anchors_sha256"] == ["ab" * 32]
    assert card["groups"] == ["imaging", "medical_devices"]


def test_no_list_of_accounts_is_not_an_empty_one() -> None:
    assert device_card("a", {}, NOW)["accounts"] is None
    assert device_card("a", {"device_accounts": []}, NOW)["accounts"] == []


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"device_address": "10.0.0.1", "ansible_host": "10.0.0.2"}, "10.0.0.1"),
        ({"ansible_host": "10.0.0.2"}, "10.0.0.2"),
        ({"device_address": None}, "pump-1"),
        ({"device_address": "fe80::1%eth0"}, "fe80::1%eth0"),
    ],
)
def test_the_address_falls_back_to_the_inventory(variables: dict[str, object], address: str) -> None:
    card = device_card("pump-1", variables, NOW)
    assert (card["address"], card["invalid"]) == (address, None)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"device_endpoints": "443"}, "device_endpoints: a list is needed, not '443'"),
        (
            {"device_endpoints": [{"port": 443, "service": "htps"}]},
            "device_endpoints[0].service: unknown service 'htps'; use one of tls, https,",
        ),
        ({"device_endpoints": [{"port": 0, "service": "tls"}]}, "device_endpoints[0].port: a TCP port from 1 to 65535"),
        ({"device_endpoints": [{"port": True, "service": "tls"}]}, "device_endpoints[0].port: a TCP port"),
        ({"device_endpoints": [{"service": "tls"}]}, "device_endpoints[0]: port is missing"),
        ({"device_endpoints": [{"port": 1, "service": "tls", "tls": 1}]}, "device_endpoints[0]: unknown key 'tls'"),
        (
            {"device_endpoints": [{"port": 25, "service": "smtp"}, {"port": "25", "service": "https"}]},
            "device_endpoints[1].port: 25 is declared twice",
        ),
        (
            {"device_endpoints": [{"port": 1, "service": "https", "http": {"path": "/a b"}}]},
            "device_endpoints[0].http: the path begins with /",
        ),
        (
            {"device_endpoints": [{"port": 1, "service": "https", "http": {"path": "/\r\nHost: x"}}]},
            "device_endpoints[0].http: the path begins with /",
        ),
        (
            {"device_endpoints": [{"port": 1, "service": "https", "http": {"method": "POST"}}]},
            "device_endpoints[0].http: the method can be GET or HEAD",
        ),
        ({"device_names": ["a b"]}, "device_names[0]: a host name is needed"),
        ({"device_address": "10.0.0.1; reboot"}, "device_address: an IPv4 or IPv6 address or a host name is needed"),
        ({"device_ports_watch": ["telnet"]}, "device_ports_watch[0]: a TCP port"),
        ({"device_ports_allowed": [70000]}, "device_ports_allowed[0]: a TCP port"),
        ({"device_peers": [{"address": "x"}]}, "device_peers[0]: port is missing"),
        (
            {"device_endpoints": [{"prot": 1, "service": "tls"}]},
            "[0]: unknown key 'prot'; did you mean port?",
        ),
        ({"device_endpoints": [{"port": 1, "service": "htps"}]}, "; did you mean https?"),
        ({"device_criticality": "vital"}, "device_criticality: one of critical, high, medium, low is needed"),
        ({"device_accounts": ["root"]}, "device_accounts[0]: a dictionary with name is needed"),
        ({"device_accounts": [{"until": "2027-01-01"}]}, "device_accounts[0]: name is missing"),
        ({"device_accounts": [{"name": 7}]}, "device_accounts[0].name: a text is needed"),
        ({"device_accounts": [{"name": "a", "until": "31/12/2026"}]}, "device_accounts[0].until: a date such as"),
        ({"device_accounts": [{"name": "a", "password": "x"}]}, "device_accounts[0]: unknown key 'password'"),
        ({"device_trust_anchors_sha256": ["ab"]}, "device_trust_anchors_sha256[0]: a SHA-256 of 64 hexadecimal"),
        ({"device_in_use": "perhaps"}, "device_in_use: true or false is needed"),
    ],
)
def test_one_sentence_names_the_variable(variables: dict[str, object], sentence: str) -> None:
    assert sentence in str(device_card("pump-1", variables, NOW)["invalid"])


@pytest.mark.parametrize("value", [None, False, {}, ""])
def test_no_record_is_no_consent(value: object) -> None:
    card = device_card("pump-1", {"device_probe_consent": value}, NOW)
    assert (card["consent"], card["invalid"]) == (False, None)


def test_an_unquoted_on_is_a_date_all_the_same() -> None:
    record = yaml.safe_load("{by: Dr A. Martin, on: 2026-09-01, reference: BIO-2026-017}")
    assert True in record
    card = device_card("pump-1", {"device_probe_consent": record}, NOW)
    assert (card["consent"], card["invalid"]) == (True, None)


def test_a_variable_that_cannot_be_read_is_named() -> None:
    class Broken(dict):  # type: ignore[type-arg]
        def get(self, key: str, default: object = None) -> object:
            if key == "device_names":
                raise ValueError("'ward_domain' is undefined")
            return super().get(key, default)

    card = device_card("pump-1", Broken(device_probe_consent=CONSENT), NOW)
    assert card["invalid"] == "device_names: cannot be read: 'ward_domain' is undefined"


def test_a_dictionary_says_consent_with_true() -> None:
    def card(**device: object) -> dict[str, Any]:
        return card_from_dictionary({"name": "a", "address": "10.0.0.1", **device}, NOW)

    assert card(consent=True)["consent"] is True
    assert card(consent=CONSENT)["consent"] is True
    assert (card()["consent"], card()["consent_reason"]) == (False, "consent_missing")
    assert card(consent={**CONSENT, "until": "2026-11-29"})["consent_reason"] == "consent_lapsed"
    assert card(consent="perhaps")["consent_reason"] == "consent_invalid"
    assert card_from_dictionary({"name": "a", "consent": True}, NOW)["invalid"].startswith("address: missing")


RECORD = {"by": "Dr A. Martin", "on": "2026-09-01", "reference": "BIO-2026-017"}


@pytest.mark.parametrize(
    ("record", "reason", "detail"),
    [
        (RECORD, None, None),
        ({**RECORD, "on": date(2026, 9, 1)}, None, None),
        ({**RECORD, "on": datetime(2026, 9, 1, 8)}, None, None),
        ({**RECORD, "on": "2026-09-01T08:00:00+02:00"}, None, None),
        ({"by": "Dr A. Martin", "on": "2026-09-01"}, None, None),
        ({"by": "Dr A. Martin", True: "2026-09-01"}, None, None),
        # It is the first of December in Nouméa already.
        ({**RECORD, "on": "2026-12-01"}, None, None),
        ({**RECORD, "until": "2026-11-30"}, None, None),
        ({**RECORD, "until": date(2027, 6, 30)}, None, None),
        ({**RECORD, "on": "2026-12-02"}, "consent_future", "on: 2026-12-02 is still to come"),
        ({**RECORD, "on": date(2062, 9, 1)}, "consent_future", "on: 2062-09-01 is still to come"),
        ({**RECORD, "until": "2026-11-29"}, "consent_lapsed", "until: 2026-11-29 is over"),
        ({**RECORD, "until": date(2026, 11, 1)}, "consent_lapsed", "until: 2026-11-01 is over"),
        ({**RECORD, "until": "2026-08-31"}, "consent_invalid", "until: 2026-08-31 is before 2026-09-01"),
        (
            {**RECORD, "until": "next year"},
            "consent_invalid",
            "until: a date such as 2026-01-31 is needed",
        ),
        (
            {**RECORD, "on": "01/09/2026"},
            "consent_invalid",
            "on: a date such as 2026-01-31 is needed, not",
        ),
        ({**RECORD, "on": True}, "consent_invalid", "on: a date such as"),
        ({**RECORD, "on": 20260901}, "consent_invalid", "on: a date such as"),
        ({**RECORD, "on": ["2026-09-01"]}, "consent_invalid", "on: a date such as"),
        ({**RECORD, "on": ""}, "consent_invalid", "on: a date such as"),
        ({**RECORD, True: "2026-09-02"}, "consent_invalid", "on: there twice"),
        ({**RECORD, "by": ["A", "B"]}, "consent_invalid", "by: a text is needed, not ['A', 'B']"),
        ({**RECORD, "by": True}, "consent_invalid", "by: a text is needed"),
        ({**RECORD, "by": "  "}, "consent_invalid", "by: a text is needed"),
        (
            {**RECORD, "reference": 2026017},
            "consent_invalid",
            "reference: a text is needed, not 2026017; put it",
        ),
        ({**RECORD, "reference": {}}, "consent_invalid", "reference: a text is needed"),
        ({**RECORD, "untill": "2026-01-01"}, "consent_invalid", "unknown key 'untill'; did you mean until?"),
        ({**RECORD, "date": "2026-01-01"}, "consent_invalid", "unknown key 'date'; known: by, on, reference, until"),
        ({"by": "A"}, "consent_invalid", "who agreed and when is needed"),
        ({"on": "2026-09-01"}, "consent_invalid", "who agreed and when is needed"),
        (True, "consent_invalid", "who agreed and when is needed"),
        ("yes", "consent_invalid", "who agreed and when is needed"),
        (["A", "2026-09-01"], "consent_invalid", "who agreed and when is needed"),
    ],
)
def test_a_consent_holds_today_or_says_why_not(record: object, reason: str | None, detail: str | None) -> None:
    card = device_card("pump-1", {"device_probe_consent": record}, NOW)
    assert (card["consent"], card["consent_reason"], card["invalid"]) == (reason is None, reason, None)
    if detail is None:
        assert card["consent_detail"] is None
    else:
        assert str(card["consent_detail"]).startswith(f"device_probe_consent: {detail}")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("10.20.1.14", None),
        ("2001:db8::14", None),
        ("fe80::1%eth0", None),
        ("::ffff:10.20.1.14", None),
        ("127.0.0.1", None),
        ("::1", None),
        ("pump-1.hopital.example", None),
        ("pump-1.hopital.example.", None),
        ("1pump", None),
        ("dead.beef", None),
        ("0.0.0.0", "stands for no device"),
        ("0.1.2.3", "stands for no device"),
        ("::", "stands for no device"),
        ("::ffff:0.0.0.0", "stands for no device"),
        ("::0.0.0.2", "stands for no device"),
        ("255.255.255.255", "stands for no device"),
        ("::ffff:255.255.255.255", "stands for no device"),
        ("240.0.0.1", "stands for no device"),
        ("224.0.0.251", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("ff02::1%eth0", "a multicast address"),
        ("::ffff:239.1.2.3", "a multicast address"),
        ("169.254.10.20", "a link-local address is one"),
        ("::ffff:169.254.10.20", "a link-local address is one"),
        ("fe80::1", "needs its zone"),
        ("fe80::1%", "is needed"),
        ("3232235777", "four numbers from 0 to 255"),
        ("0xC0A80101", "four numbers from 0 to 255"),
        ("0xc0.0xa8.0x1.0x1", "four numbers from 0 to 255"),
        ("0300.0250.1.1", "four numbers from 0 to 255"),
        ("010.020.001.014", "four numbers from 0 to 255"),
        ("192.168.1", "four numbers from 0 to 255"),
        ("10.20.1.256", "four numbers from 0 to 255"),
        ("10.20.1.14.", "four numbers from 0 to 255"),
        ("1.2.3.4.5", "four numbers from 0 to 255"),
        ("0", "four numbers from 0 to 255"),
        (3232235777, "as text"),
        (10.2, "as text"),
        (True, "as text"),
        (["10.20.1.14"], "as text"),
        ("10.20.1.14:443", "ports belong into device_endpoints"),
        ("pump-1:443", "ports belong into device_endpoints"),
        ("[2001:db8::14]:443", "ports belong into device_endpoints"),
        ("[2001:db8::14]", "ports belong into device_endpoints"),
        ("https://pump-1/", "no scheme, path"),
        ("pump-1/status", "no scheme, path"),
        ("10.20.1.0/24", "no scheme, path"),
        ("root@pump-1", "no scheme, path"),
        ("10.20.1.14, 10.20.1.15", "an IPv4 or IPv6 address or a host name is needed"),
        ("10.20.1.14-20", None),
        ("2001:db8::14::1", "an IPv4 or IPv6 address or a host name is needed"),
        ("pump..1", "an IPv4"),
        ("", "an IPv4"),
    ],
)
def test_an_address_is_one_devices(address: object, sentence: str | None) -> None:
    invalid = device_card("pump-1", {"device_address": address}, NOW)["invalid"]
    assert (invalid is None) if sentence is None else sentence in str(invalid)
    peers = [{"address": address, "port": 443}]
    assert (device_card("pump-1", {"device_peers": peers}, NOW)["invalid"] is None) is (sentence is None)


def test_variables_that_are_nearly_ours_are_told() -> None:
    written = {
        "device_adress": "device_address",
        "device_name": "device_names",
        "device_endpoint": "device_endpoints",
        "device_consent": "device_probe_consent",
        "device_prob_consent": "device_probe_consent",
        "device_port_watch": "device_ports_watch",
        "devices_address": "device_address",
        "device_Names": "device_names",
    }
    own = [
        "device_location",
        "device_serial",
        "device_vlan",
        "device_address",
        "device",
        "device_model",
        "ansible_host",
    ]
    assert misspelt([*written, *own]) == written


def test_every_variable_of_the_example_is_known() -> None:
    text = (ROOT / "docs/examples/inventory/hosts.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"^ *(device_[a-z_0-9]+):", text, re.MULTILINE))
    assert len(used) > 15 and used <= {f"device_{name}" for name in host_variables._KNOWN}


def test_each_peer_is_visited_once_and_only_for_a_consenting_device() -> None:
    peer = {"address": "10.0.0.9", "port": 2762, "service": "dicom"}
    cards = [
        device_card(name, variables, NOW)
        for name, variables in {
            "a": {"device_probe_consent": CONSENT, "device_peers": [{**peer, "names": ["pacs"]}]},
            "b": {"device_probe_consent": CONSENT, "device_peers": [{**peer, "names": ["pacs.example"]}]},
            "c": {"device_peers": [{**peer, "port": 104}]},
            "d": {"device_probe_consent": CONSENT, "device_names": [""], "device_peers": [{**peer, "port": 11112}]},
        }.items()
    ]
    peers = distinct_peers(cards)
    assert [(entry["name"], entry["names"]) for entry in peers] == [("peer:10.0.0.9:2762", ["pacs", "pacs.example"])]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"device_has_label": False, "device_has_accounts": "no"}, None),
        ({"device_has_label": "perhaps"}, "device_has_label: true or false is needed"),
        ({"device_has_tls_services": False, "device_endpoints": []}, None),
        (
            {"device_has_tls_services": False, "device_endpoints": [{"port": 443, "service": "https"}]},
            "device_has_tls_services: false, while device_endpoints names some; correct one of them",
        ),
        (
            {"device_has_certificate": False, "device_endpoints": [{"port": 443, "service": "https"}]},
            "device_has_certificate: false, while device_endpoints names some; correct one of them",
        ),
        ({"device_has_accounts": False, "device_accounts": []}, None),
        (
            {"device_has_accounts": False, "device_accounts": [{"name": "root"}]},
            "device_has_accounts: false, while device_accounts names some; correct one of them",
        ),
    ],
)
def test_what_a_device_does_not_have(variables: dict[str, Any], said: str | None) -> None:
    card = device_card("d", {"device_address": "10.0.0.1", **variables}, NOW)
    assert card["invalid"] is None if said is None else said in str(card["invalid"])
    assert card["has_label"] is (False if variables.get("device_has_label") is False else None)


@pytest.mark.parametrize(
    "name", ["echo\u200b-004", "echo-004\u200e", "\ufeffecho-004", "ec\u00adho", "a\u202eb", "a\x07"]
)
def test_an_invisible_character_in_a_name_is_refused(name: str) -> None:
    for card in (
        device_card(name, {"device_address": "10.0.0.1"}, NOW),
        card_from_dictionary({"name": name, "address": "h"}, NOW),
    ):
        assert "an invisible character (U+" in str(card["invalid"])


@pytest.mark.parametrize("until", ["9999-12-31", date.max, "9999-12-31T23:59:59-11:00", "2999-12-31"])
def test_an_account_without_an_end(until: object) -> None:
    card = device_card("d", {"device_address": "h", "device_accounts": [{"name": "acme", "until": until}]}, NOW)
    assert card["invalid"] is None and card["accounts"][0]["until"].startswith(("9999", "2999"))


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        (
            [{"port": 8042, "service": "https"}, {"port": 8042, "service": "dicomweb"}],
            [{"port": 8042, "service": "https", "services": ["https", "dicomweb"]}],
        ),
        ([{"port": 443, "service": "https"}, {"port": "443", "service": "https"}], [{"port": 443, "service": "https"}]),
        (
            [{"port": 443, "service": "tls"}, {"port": 443, "service": "fhir", "http": {"path": "/metadata"}}],
            [
                {
                    "port": 443,
                    "service": "tls",
                    "services": ["tls", "fhir"],
                    "http": {"method": "GET", "path": "/metadata"},
                }
            ],
        ),
    ],
)
def test_two_services_on_one_port_are_one_endpoint_with_two_names(declared: object, found: object) -> None:
    device = {"name": "a", "address": "192.0.2.1", "consent": True, "endpoints": declared}
    card = card_from_dictionary(device, datetime(2026, 11, 30, tzinfo=timezone.utc))
    assert not card["invalid"] and card["endpoints"] == found
