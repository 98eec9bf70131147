# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device cards: what is read from host variables, and the one sentence for what can't be used."""

from __future__ import annotations

from datetime import date

import pytest
import yaml

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import (
    card_from_dictionary,
    device_card,
    distinct_peers,
)

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
    assert device_card("a", {})["accounts"] is None
    assert device_card("a", {"device_accounts": []})["accounts"] == []


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
    card = device_card("pump-1", variables)
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
            {"device_endpoints": [{"port": 443, "service": "tls"}, {"port": "443", "service": "https"}]},
            "device_endpoints[1].port: 443 is declared twice",
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
        ({"device_probe_consent": True}, "device_probe_consent: who agreed and when is needed"),
        ({"device_probe_consent": {"by": "A"}}, "device_probe_consent: who agreed and when is needed"),
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
    assert sentence in str(device_card("pump-1", variables)["invalid"])


@pytest.mark.parametrize("value", [None, False, {}, ""])
def test_no_record_is_no_consent(value: object) -> None:
    card = device_card("pump-1", {"device_probe_consent": value})
    assert (card["consent"], card["invalid"]) == (False, None)


def test_an_unquoted_on_is_a_date_all_the_same() -> None:
    record = yaml.safe_load("{by: Dr A. Martin, on: 2026-09-01, reference: BIO-2026-017}")
    assert True in record
    card = device_card("pump-1", {"device_probe_consent": record})
    assert (card["consent"], card["invalid"]) == (True, None)


def test_a_variable_that_cannot_be_read_is_named() -> None:
    class Broken(dict):  # type: ignore[type-arg]
        def get(self, key: str, default: object = None) -> object:
            if key == "device_names":
                raise ValueError("'ward_domain' is undefined")
            return super().get(key, default)

    card = device_card("pump-1", Broken(device_probe_consent=CONSENT))
    assert card["invalid"] == "device_names: cannot be read: 'ward_domain' is undefined"


def test_a_dictionary_says_consent_with_true() -> None:
    assert card_from_dictionary({"name": "a", "address": "10.0.0.1", "consent": True})["consent"] is True
    assert card_from_dictionary({"name": "a", "address": "10.0.0.1"})["consent"] is False
    assert card_from_dictionary({"name": "a", "consent": True})["invalid"].startswith("address: missing")


def test_each_peer_is_visited_once_and_only_for_a_consenting_device() -> None:
    peer = {"address": "10.0.0.9", "port": 2762, "service": "dicom"}
    cards = [
        device_card("a", {"device_probe_consent": CONSENT, "device_peers": [{**peer, "names": ["pacs"]}]}),
        device_card("b", {"device_probe_consent": CONSENT, "device_peers": [{**peer, "names": ["pacs.example"]}]}),
        device_card("c", {"device_peers": [{**peer, "port": 104}]}),
        device_card(
            "d", {"device_probe_consent": CONSENT, "device_names": [""], "device_peers": [{**peer, "port": 11112}]}
        ),
    ]
    peers = distinct_peers(cards)
    assert [(entry["name"], entry["names"]) for entry in peers] == [("peer:10.0.0.9:2762", ["pacs", "pacs.example"])]
