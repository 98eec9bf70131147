# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets: whole visits, the observations that they become, and the findings made of those."""

from __future__ import annotations

import base64
import contextlib
import functools
import random
import struct
from typing import Any
from unittest import mock

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.services import KNOWN_SERVICES
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit import device as visit_device
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit import proof as visit_proof
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.device import assess_device
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import (
    VantageClock,
    certificates_of,
    intermediates_of,
    interpret,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import find_reason
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.policy import load_policy
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.words.messages import finding_actions, finding_message
from fuzz.certificate_targets import DER_TOKENS, pki
from fuzz.fakes import FakeDevice, FakeSession, run
from fuzz.mutate import split_chain, split_script
from fuzz.registry import NOW, Shape, rng_of, safe_json, target
from fuzz.wire_targets import RECORDS


@target("script", RECORDS, seeds=("flight",))
def visit(data: bytes) -> Shape:
    """A whole visit of one device: nothing gets out, whatever each of its connections brings."""
    head, flights = split_script(data)
    service = KNOWN_SERVICES[head[0] % len(KNOWN_SERVICES)]
    rng = rng_of(data)
    fake = FakeDevice(flights, rng)
    depth = ("normal", "handshake", "quick")[head[1] % 3]
    settings = visit_device.Settings(depth=depth, pause=0.0, connection_budget=12)
    device = {
        "name": "echo-004",
        "names": ["echo-004.hopital.example", "b.example"] if head[1] & 4 else [],
        "endpoints": [{"port": 443, "service": service}, {"port": 8443, "service": "https"}],
        "ports": [{"port": 21}],
    }

    async def at_once() -> None:
        return

    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.object(visit_device.Connection, "open", fake.open))
        if not head[1] & 8:
            patches.enter_context(mock.patch.object(visit_proof, "TlsSession", FakeSession))
        raw = run(visit_device.DeviceVisit(device, 2, "127.0.0.1", settings, at_once).run())
    assert raw["outcome"] in ("observed", "unreachable", "aborted"), raw["outcome"]
    assert (raw["reason"] is None) == (raw["outcome"] == "observed"), raw["reason"]
    for endpoint in raw["endpoints"]:
        assert endpoint["connections"] <= 12
        # Nothing that went wrong is left without a word.
        assert endpoint["outcome"] in ("tls", "silent", "reset", "closed", "refused") or endpoint["error"], endpoint
        assert len(endpoint["error"] or "") < 2000  # 400 bytes, each as four letters
        assert (endpoint["error"] or "").isprintable()
    observation = _interpreted(raw)
    outcomes = tuple(
        (endpoint["outcome"], endpoint["handshake"], endpoint["client_certificate"], bool(endpoint["chain"]))
        for endpoint in observation["endpoints"]
    )
    return raw["outcome"], raw["reason"], outcomes, bool(raw["clock"]["samples"])


def _endpoint(chain: list[bytes], rng: random.Random) -> dict[str, Any]:
    return {
        "port": 443,
        "service": "https",
        "outcome": "tls",
        "versions": {},
        "negotiated": None,
        "client_certificate": "unknown",
        "chain_der": [base64.b64encode(der).decode() for der in chain],
        "server_name": None,
        "handshake": rng.choice(("completed", "not_tried")),
        "error": None,
        "connections": 2,
    }


def _interpreted(raw: dict[str, Any]) -> dict[str, Any]:
    # All that the control node does with what came back.
    root, _issuing = pki()
    judge_of_run = TrustJudge([root], intermediates_of(certificates_of([raw])))
    card = {"name": "echo-004", "names": ["echo-004.hopital.example"], "address": "10.20.1.14"}
    observation = interpret(raw, card, judge_of_run, "localhost", NOW, VantageClock(0.1, 0.1))
    safe_json(observation)
    return observation


@target("chain", DER_TOKENS, seeds=("chain",))
def whole_observation(data: bytes) -> Shape:
    """A raw observation whose chains are hostile becomes an observation."""
    rng = rng_of(data)
    chain = split_chain(data)
    cut = rng.randrange(len(chain) + 1)
    observation = _interpreted(_raw([_endpoint(chain[:cut], rng), _endpoint(chain[cut:], rng)], data))
    return tuple(
        (endpoint["trust"]["status"], endpoint["name_match"], len(endpoint["chain"]) > 1)
        for endpoint in observation["endpoints"]
    )


def _raw(endpoints: list[dict[str, Any]], data: bytes) -> dict[str, Any]:
    return {
        "device": "echo-004",
        "started_at": "2026-11-22T17:00:00.000Z",
        "finished_at": "2026-11-22T17:00:01.000Z",
        "outcome": "observed",
        "reason": None,
        "connections": 2,
        "bytes_sent": 10,
        "bytes_received": len(data),
        "endpoints": endpoints,
        "ports": {},
        "clock": {
            "samples": [
                {
                    "source": "http_date",
                    "endpoint": "https:443",
                    "offset_seconds": float(struct.unpack(">i", data[:4].rjust(4, b"\0"))[0]),
                    "uncertainty_seconds": 0.6,
                    "evidence": True,
                }
            ]
        },
    }


@target("chain", DER_TOKENS, seeds=("chain",))
def assessed(data: bytes) -> Shape:
    """From hostile chains to findings and their words: no exception, no unlisted reason, no false pass."""
    chain = split_chain(data)
    raw = _raw([_endpoint(chain, rng_of(data))], data)
    observation = _interpreted(raw)
    card = {
        "name": "echo-004",
        "address": "10.20.1.14",
        "names": ["echo-004.hopital.example"],
        "endpoints": [{"port": 443, "service": "https"}],
        "consent": True,
    }
    findings = assess_device(card, [observation], _policy(), NOW)
    safe_json(findings)
    trust = observation["endpoints"][0]["trust"]["status"]
    for finding in findings:
        assert find_reason(finding["check"], finding["reason"]), finding
        if finding["status"] == "pass":
            assert finding["check"] != "certificate_trust" or trust == "trusted", finding
            assert (
                not finding["check"].startswith("certificate_")
                or "error" not in observation["endpoints"][0]["chain"][0]
            )
        for language in ("fr", "en"):
            words = [finding_message(finding, language), *finding_actions(finding, language)]
            assert all(isinstance(text, str) and len(text) < 5000 for text in words)
            safe_json(words)
    return tuple(finding["reason"] for finding in findings if finding["check"].startswith("certificate_"))


@functools.cache
def _policy() -> dict[str, Any]:
    return load_policy()
