# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an observation: what has the wrong shape is named and tells nothing; nothing is an error."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Certificate, Trust
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import (
    Observation,
    read_observation,
    read_observations,
)

LEAF = {
    "subject": "CN=x",
    "issuer": "CN=y",
    "not_before": "2026-01-01T00:00:00Z",
    "not_after": "2027-01-01T00:00:00Z",
    "key": {"type": "rsa", "bits": 2048, "curve": None},
    "names": {"dns": ["x.example"], "ip": []},
}


def seen(**endpoint: Any) -> dict[str, Any]:
    return {
        "device": "d",
        "endpoints": [{"port": 443, "service": "https", "outcome": "tls", "chain": [LEAF], **endpoint}],
    }


def test_what_was_told_is_there_with_its_dates_and_numbers() -> None:
    found = read_observation({**seen(), "finished_at": "2026-11-22T18:30:00+02:00", "ports": {"23": "open"}})
    [endpoint] = found.endpoints
    [leaf] = endpoint.chain
    assert (endpoint.port, endpoint.outcome, endpoint.trust, endpoint.damaged) == (443, "tls", Trust(), ())
    assert leaf.not_before == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert (leaf.key.bits, leaf.names.dns, leaf.readable, leaf.self_issued) == (2048, ("x.example",), True, False)
    assert found.at == datetime(2026, 11, 22, 16, 30, tzinfo=timezone.utc)
    assert (found.source, found.ports, found.damaged) == ("network", {"23": "open"}, ())
    assert read_observation(found) is found
    with pytest.raises(FrozenInstanceError):
        found.outcome = "observed"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("endpoint", "damaged"),
    [
        ({}, ()),
        ({"error": None, "unknown": None, "negotiated": None, "of_tomorrow": [1]}, ()),
        ({"outcome": 5}, ("outcome",)),
        ({"service": ["https"]}, ("service",)),
        ({"versions": ["TLSv1.3"]}, ("versions",)),
        ({"versions": {"TLSv1.3": "accepted"}}, ("versions.TLSv1.3",)),
        ({"versions": {"TLSv1.3": {"status": True}}}, ("versions.TLSv1.3.status",)),
        ({"chain": {}}, ("chain",)),
        ({"chain": [LEAF, 7]}, ("chain[1]",)),
        ({"chain": [{**LEAF, "not_after": "soon"}]}, ("chain[0].not_after",)),
        ({"chain": [{**LEAF, "key": {"type": "rsa", "bits": "2048"}}]}, ("chain[0].key.bits",)),
        ({"chain": [{**LEAF, "key": {"type": "rsa", "bits": True}}]}, ("chain[0].key.bits",)),
        ({"chain": [{**LEAF, "key": {"type": "rsa", "bits": 10**400}}]}, ("chain[0].key.bits",)),
        ({"chain": [{**LEAF, "subject": "x" * 20_000}]}, ("chain[0].subject",)),
        (
            {"chain": [{**LEAF, "names": {"dns": ["a", None, 3], "ip": "b"}}]},
            ("chain[0].names.dns[1]", "chain[0].names.dns[2]", "chain[0].names.ip"),
        ),
        (
            {"trust": {"path": [{"fingerprint_sha256": "ab", "subject": 1}, {}]}},
            ("trust.path[0].subject", "trust.path[1]"),
        ),
        ({"trust": {"status": "trusted", "revocation": {"asked": "yes"}}}, ("trust.revocation.asked",)),
        ({"further_chains": [{"shown_to": 1, "chain": [LEAF]}]}, ("further_chains[0].shown_to",)),
        ({"server_names": [{"server_name": "a", "chain": "0"}]}, ("server_names[0].chain",)),
        ({"answers_unsteadily": 0}, ("answers_unsteadily",)),
        ({"unknown": "key_proof"}, ("unknown",)),
        ({"weak_suites": {"status": "refused", "accepted": 0}}, ("weak_suites.accepted",)),
    ],
)
def test_what_is_damaged_in_an_endpoint_is_named_there(endpoint: dict[str, Any], damaged: tuple[str, ...]) -> None:
    found = read_observation(seen(**endpoint))
    assert (found.endpoints[0].damaged, found.damaged) == (damaged, ())
    assert found.endpoints[0].port == 443


@pytest.mark.parametrize(
    ("told", "damaged"),
    [
        ({"endpoints": "x"}, ("endpoints",)),
        ({"endpoints": [None]}, ("endpoints[0]",)),
        ({"endpoints": [{"port": "443"}]}, ("endpoints[0].port",)),
        ({"ports": [23]}, ("ports",)),
        ({"ports": {"23": 1, "80": None}}, ("ports.23",)),
        (
            {"clock": {"samples": [{"offset_seconds": float("nan"), "evidence": 1}]}},
            ("clock.samples[0].offset_seconds", "clock.samples[0].evidence"),
        ),
        ({"finished_at": 5}, ("finished_at",)),
        ({"config_backup": {"made_at": 10**5000}}, ("config_backup.made_at",)),
        ({"accounts": [{"name": "a" * 20_000}]}, ("accounts[0].name",)),
        ({"listening": [{"port": "443"}, {"port": "0"}, {"port": 1e3}]}, ("listening[1].port", "listening[2].port")),
        ({"subsets": {"clock": "ok"}}, ("subsets.clock",)),
        ({"outcome": {}}, ("outcome",)),
        ({"died_port": True}, ("died_port",)),
        ({"addresses_not_visited": {"a": 1}}, ("addresses_not_visited",)),
    ],
)
def test_what_is_damaged_elsewhere_is_named_by_the_observation(told: dict[str, Any], damaged: tuple[str, ...]) -> None:
    found = read_observation({"device": "d", **told})
    assert found.damaged == damaged
    assert found.damaged_in(damaged[0].partition(".")[0].partition("[")[0]) == damaged
    assert found.damaged_in("vantage") == ()


def test_a_damaged_certificate_keeps_its_place_and_texts_lose_what_hides() -> None:
    found = read_observation(seen(chain=[7, {**LEAF, "signature_algorithm": "sha256\u202e\x1b"}], error="\x07" * 2000))
    assert found.endpoints[0].chain[0] == Certificate()
    assert found.endpoints[0].chain[1].signature_algorithm == "sha256[U+202E][U+001B]"
    assert found.endpoints[0].error is not None and "\x07" not in found.endpoints[0].error
    assert len(found.endpoints[0].error) < 10_000


def test_few_of_many_damaged_places_are_named() -> None:
    assert len(read_observation(seen(chain=[7] * 9_000)).endpoints[0].damaged) == 20


def test_what_is_no_observation_is_left_out() -> None:
    assert read_observations([None, 7, "x", [], {"device": "d"}]) == [Observation(device="d")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200)
@given(
    told=st.dictionaries(
        st.sampled_from(["endpoints", "ports", "clock", "source", "detail", "certificate_files"]), JSON
    ),
    endpoint=st.dictionaries(st.sampled_from(["chain", "trust", "versions", "further_chains", "negotiated"]), JSON),
)
def test_nothing_that_is_told_breaks_the_reading(told: dict[str, Any], endpoint: dict[str, Any]) -> None:
    assert isinstance(read_observation({**seen(**endpoint), **told}), Observation)
