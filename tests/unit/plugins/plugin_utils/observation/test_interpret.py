# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From raw bytes to the observation: what is kept, what is judged, and how the vantage's clock is taken out."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import (
    VantageClock,
    certificates_of,
    intermediates_of,
    interpret,
    unvisited,
    vantage_clock,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from ansible_collections.biomed.cert_hygiene.tests.unit import pki_factory as pki


@dataclass(frozen=True)
class HospitalPki:
    """A root, an issuing authority below it, and one device's certificate below that."""

    root: pki.Identity
    issuing: pki.Identity
    device: pki.Identity

    @property
    def chain(self) -> list[bytes]:
        """What a well configured device sends."""
        return [self.device.der, self.issuing.der]


@pytest.fixture(scope="module")
def hospital() -> HospitalPki:
    root = pki.make("Hospital Root", ca=True, path_length=1)
    issuing = pki.make("Hospital Issuing", root, ca=True, path_length=0)
    return HospitalPki(root, issuing, pki.make("echo-004", issuing, dns=["echo-004.hopital.example"]))


CARD = {"name": "echo-004", "address": "10.20.1.14", "names": ["echo-004.hopital.example"]}


def raw(chain: list[bytes], **endpoint: Any) -> dict[str, Any]:
    return {
        "device": "echo-004",
        "started_at": "2026-11-22T17:00:00.000Z",
        "finished_at": "2026-11-22T17:00:01.000Z",
        "outcome": "observed",
        "reason": None,
        "connections": 4,
        "bytes_sent": 900,
        "bytes_received": 5000,
        "endpoints": [
            {
                "port": 443,
                "service": "https",
                "outcome": "tls",
                "versions": {},
                "negotiated": None,
                "client_certificate": "unknown",
                "chain_der": [base64.b64encode(der).decode() for der in chain],
                "server_name": "echo-004.hopital.example",
                "handshake": "completed",
                "error": None,
                "connections": 4,
                **endpoint,
            }
        ],
        "ports": {"23": "closed"},
        "clock": {
            "samples": [
                {
                    "source": "http_date",
                    "endpoint": "https:443",
                    "offset_seconds": -720.4,
                    "uncertainty_seconds": 0.6,
                    "evidence": True,
                }
            ]
        },
    }


def seen(chain: list[bytes], judge: TrustJudge, clock: VantageClock | None = None) -> dict[str, Any]:
    observation = interpret(raw(chain), CARD, judge, "probe-1", pki.NOW, clock or VantageClock())
    json.dumps(observation)
    return observation


def test_chain_trust_and_name_are_filled_in(hospital: HospitalPki) -> None:
    endpoint = seen(hospital.chain, TrustJudge([hospital.root.certificate]))["endpoints"][0]
    assert [entry["is_ca"] for entry in endpoint["chain"]] == [False, True]
    assert endpoint["trust"]["status"] == "trusted"
    assert endpoint["name_match"] is True
    assert "chain_der" not in endpoint


def test_no_certificate_is_no_verdict(hospital: HospitalPki) -> None:
    endpoint = seen([], TrustJudge([hospital.root.certificate]))["endpoints"][0]
    assert (endpoint["trust"]["status"], endpoint["name_match"]) == ("not_assessed", None)


def test_an_unreadable_certificate_is_kept_and_not_judged(hospital: HospitalPki) -> None:
    endpoint = seen([b"\x30\x03abc"], TrustJudge([hospital.root.certificate]))["endpoints"][0]
    assert endpoint["chain"][0]["error"]
    assert (endpoint["trust"]["status"], endpoint["name_match"]) == ("not_assessed", None)


def test_what_one_device_sends_completes_anothers_chain(hospital: HospitalPki) -> None:
    alone, whole = raw([hospital.device.der]), raw(hospital.chain)
    known = certificates_of([alone, whole])
    assert known == {hospital.issuing.der}
    judge = TrustJudge([hospital.root.certificate], intermediates=intermediates_of({*known, b"junk"}))
    assert seen([hospital.device.der], judge)["endpoints"][0]["trust"]["status"] == "incomplete_chain"
    unaided = TrustJudge([hospital.root.certificate])
    assert seen([hospital.device.der], unaided)["endpoints"][0]["trust"]["status"] == "unknown_authority"


def test_the_vantages_own_offset_is_taken_out(hospital: HospitalPki) -> None:
    judge = TrustJudge([hospital.root.certificate])
    (sample,) = seen(hospital.chain, judge, VantageClock(offset=100.0, uncertainty=0.4))["clock"]["samples"]
    assert sample["offset_seconds"] == pytest.approx(-620.4)
    assert sample["uncertainty_seconds"] == pytest.approx(1.0)


@given(offset=st.floats(-1e6, 1e6), before=st.floats(0, 5), visit=st.floats(0, 100), after=st.floats(0, 5))
def test_the_vantages_clock_is_bounded_by_the_call(offset: float, before: float, visit: float, after: float) -> None:
    asked = 1.7e9
    started = asked + before + offset
    clock = vantage_clock(asked, asked + before + visit + after, started, started + visit)
    assert abs(clock.offset - offset) <= clock.uncertainty + 1e-3


def test_a_device_that_was_not_visited() -> None:
    observation = unvisited("echo-004", "probe-1", "2026-11-22T17:00:00Z", "skipped", "inventory_invalid", "why")
    assert (observation["outcome"], observation["detail"], observation["connections"]) == ("skipped", "why", 0)


@pytest.mark.parametrize("asked", [True, False])
def test_the_observation_says_whether_revocation_was_asked(hospital: HospitalPki, asked: bool) -> None:
    judge = TrustJudge([hospital.root.certificate])
    observation = interpret(raw(hospital.chain), CARD, judge, "probe-1", pki.NOW, VantageClock(), asked)
    revocation = observation["endpoints"][0]["trust"]["revocation"]
    assert (revocation["asked"], revocation["status"]) == (asked, "not_assessed")
