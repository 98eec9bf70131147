# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the vantage saw (bytes) to the observation (certificates read, trust and names compared)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.login import login_observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import describe_certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.host_names import name_match

SCHEMA_VERSION = 1

#: What goes from the raw observation into the observation as it is.
_AS_SEEN = (
    "answers_unsteadily",
    "chain_shown_to",
    "server_names",
    "key_proof",
    "key_proof_detail",
    "weak_suites",
    "unknown",
    "services",
    "address",
)

#: Certificates above a leaf that one device may add to what is known; real chains have fewer than ten.
_MAX_SENT = 16


@dataclass(frozen=True)
class VantageClock:
    """The vantage's clock against the control node's: seconds, vantage minus control node."""

    offset: float = 0.0
    uncertainty: float = 0.0


def vantage_clock(asked: float, answered: float, started: float, finished: float) -> VantageClock:
    """Bound the vantage's offset: it started after it was asked and finished before it answered.

    `asked`, `answered`: control node; `started`, `finished`: vantage; epoch seconds.
    """
    highest, lowest = started - asked, finished - answered
    return VantageClock(offset=(highest + lowest) / 2, uncertainty=abs(highest - lowest) / 2)


def certificates_of(raw: Iterable[Mapping[str, Any]]) -> set[bytes]:
    """The certificates above a leaf that raw observations hold, as DER: possible intermediates.

    Of one device only so many count: a hostile one must not hide the others' authorities behind thousands of its own.
    """
    found: set[bytes] = set()
    for observation in raw:
        sent = [
            text
            for endpoint in observation["endpoints"]
            for chain in (endpoint["chain_der"], *(one["chain_der"] for one in endpoint.get("further_chains", ())))
            for text in chain[1:]
        ]
        found.update(base64.b64decode(text) for text in list(dict.fromkeys(sent))[:_MAX_SENT])
    return found


def intermediates_of(ders: Iterable[bytes]) -> list[bytes]:
    """The CA certificates among them: what one device sends may complete another's chain.

    Stays with bytes: a stricter reader than ours would refuse one device's certificate and end the whole run.
    """
    return [der for der in ders if describe_certificate(der).get("is_ca")]


def interpret(
    raw: Mapping[str, Any],
    card: Mapping[str, Any],
    judge: TrustJudge,
    vantage: str,
    now: datetime,
    clock: VantageClock,
    ask_revocation: bool = False,
) -> dict[str, Any]:
    """The observation of the documentation, from the module's raw one.

    `ask_revocation`: revocation lists were asked for; a chain that they cannot clear is not trusted without more.
    """
    observation = {"schema_version": SCHEMA_VERSION, "device": card["name"], "source": "network", "vantage": vantage}
    for key in ("started_at", "finished_at", "outcome", "reason", "connections", "bytes_sent", "bytes_received"):
        observation[key] = raw[key]
    if raw.get("detail"):
        observation["detail"] = raw["detail"]
    observation["endpoints"] = [_endpoint(endpoint, card, judge, now, ask_revocation) for endpoint in raw["endpoints"]]
    observation["ports"] = raw["ports"]
    observation["clock"] = {"samples": [_sample(sample, clock) for sample in raw["clock"]["samples"]]}
    for key in ("died_after", "died_port", "addresses", "addresses_not_visited"):
        if raw.get(key):
            observation[key] = raw[key]
    return observation


def unvisited(name: str, vantage: str, at: str, outcome: str, reason: str, detail: str | None = None) -> dict[str, Any]:
    """The observation of a device that was not visited."""
    observation: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "device": name,
        "source": "network",
        "vantage": vantage,
        "started_at": at,
        "finished_at": at,
        "outcome": outcome,
        "reason": reason,
        "connections": 0,
        "bytes_sent": 0,
        "bytes_received": 0,
        "endpoints": [],
        "ports": {},
        "clock": {"samples": []},
    }
    if detail:
        observation["detail"] = detail
    return observation


def _endpoint(
    raw: Mapping[str, Any], card: Mapping[str, Any], judge: TrustJudge, now: datetime, ask_revocation: bool
) -> dict[str, Any]:
    def judged(chain_der: Iterable[str]) -> dict[str, Any]:
        return _chain([base64.b64decode(text) for text in chain_der], card, judge, now, ask_revocation)

    endpoint: dict[str, Any] = {
        key: raw[key] for key in ("port", "service", "outcome", "versions", "negotiated", "client_certificate")
    }
    endpoint.update(judged(raw["chain_der"]))
    endpoint["further_chains"] = [
        {"shown_to": further["shown_to"], **judged(further["chain_der"])} for further in raw.get("further_chains", ())
    ]
    for key in ("handshake", "error", "server_name", "connections"):
        endpoint[key] = raw[key]
    endpoint.update({key: raw[key] for key in _AS_SEEN if key in raw})
    return endpoint


def _chain(
    chain: list[bytes], card: Mapping[str, Any], judge: TrustJudge, now: datetime, ask_revocation: bool
) -> dict[str, Any]:
    """A chain as sent, described, with its trust and whether it carries the declared names."""
    described = [describe_certificate(der) for der in chain]
    trust: dict[str, Any] = (
        judge.judge(chain, now)
        if chain
        else {"status": "not_assessed", "anchor": None, "detail": "no certificate seen"}
    )
    if "revocation" in trust:
        trust["revocation"] = {**trust["revocation"], "asked": ask_revocation}
    match = (
        name_match(described[0], card["names"], card["address"]) if described and "error" not in described[0] else None
    )
    return {"chain": described, "trust": trust, "name_match": match}


def _sample(raw: Mapping[str, Any], clock: VantageClock) -> dict[str, Any]:
    return {
        **raw,
        "offset_seconds": round(raw["offset_seconds"] + clock.offset, 3),
        "uncertainty_seconds": round(raw["uncertainty_seconds"] + clock.uncertainty, 3),
    }


def interpret_gateway(
    facts: Mapping[str, Any],
    *,
    device: str,
    asked: float,
    answered: float,
    started: float,
    finished: float,
    comparable: bool,
    same_machine: bool,
) -> dict[str, Any]:
    """The observation of a gateway, from what the module gathered there.

    `asked`, `answered`: control node; `started`, `finished`: gateway; epoch seconds. The clock's offset is bounded by
    the four of them; `comparable` false: what was recorded earlier has no offset any more.
    """
    observation = login_observation(device, "gateway", "localhost", (iso(asked), iso(answered)), "observed")
    # Whose it is, and how it came, is never the gateway's to say.
    own = (*observation, "clock", "clock_read_at")
    observation.update({key: value for key, value in facts.items() if key not in own})
    if "clock_read_at" in facts and comparable:
        clock = VantageClock() if same_machine else vantage_clock(asked, answered, started, finished)
        observation["clock"] = {
            "samples": [
                {
                    "source": "login",
                    "endpoint": None,
                    "offset_seconds": round(clock.offset, 3),
                    "uncertainty_seconds": round(clock.uncertainty, 3),
                    "evidence": True,
                }
            ]
        }
    if "certificate_files" in facts:
        observation["certificate_files"] = [
            {
                **{key: value for key, value in entry.items() if key != "chain_der"},
                **_file_chain([base64.b64decode(text) for text in entry["chain_der"]], answered),
            }
            for entry in facts["certificate_files"]
        ]
    return observation


def _file_chain(chain: list[bytes], read_at: float) -> dict[str, Any]:
    """The certificates of a file, and those among them that the first one needs."""
    trust = TrustJudge([]).judge(chain, datetime.fromtimestamp(read_at, timezone.utc))
    return {"chain": [describe_certificate(der) for der in chain], "chain_path": trust["path"]}
