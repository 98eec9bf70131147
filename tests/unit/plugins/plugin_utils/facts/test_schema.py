# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema that make docs writes from the dataclasses, against what the reader makes of the same observation."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts import observed
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import read_observation

SCHEMA = json.loads(
    (Path(observed.__file__).parents[1] / "observation" / "observation.schema.json").read_text(encoding="utf-8")
)
JUDGE = Draft202012Validator(SCHEMA)

LEAF = {
    "subject": "CN=x",
    "issuer": "CN=y",
    "serial_number": "01",
    "common_name": None,
    "is_ca": False,
    "not_before": "2026-01-01T00:00:00Z",
    "not_after": "2027-01-01T00:00:00Z",
    "pem": "-",
    "key": {"type": "ec", "bits": 256, "curve": "secp256r1"},
    "signature_algorithm": "ecdsa-with-SHA256",
    "names": {"dns": ["x"], "ip": []},
    "fingerprint_sha256": "ab" * 32,
}
TRUST = {
    "status": "trusted",
    "cause": None,
    "anchor": "CN=y",
    "detail": "",
    "link": None,
    "date": None,
    "path": [{**LEAF, "role": "device", "sent": True}],
}
CLIENT = {"version": "TLSv1.3", "key": "rsa", "server_name": None}
WHOLE: dict[str, Any] = {
    "schema_version": 1, "device": "d", "source": "network", "vantage": "v", "outcome": "observed", "reason": None,
    "started_at": "2026-11-22T17:00:00Z", "finished_at": "2026-11-22T17:00:01Z",
    "connections": 4, "bytes_sent": 1, "bytes_received": 2, "ports": {"23": "open"}, "died_after": None,
    "clock": {"samples": [{"source": "sntp", "offset_seconds": 1, "uncertainty_seconds": 0.5, "evidence": True}]},
    "endpoints": [
        {
            "port": 443, "service": "https", "outcome": "tls", "connections": 4, "chain": [LEAF], "trust": TRUST,
            "versions": {"TLSv1.3": {"status": "accepted", "evidence": "server_hello", "cipher": "TLS_AES_128"}},
            "negotiated": {"version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256", "group": "x25519"},
            "chain_shown_to": CLIENT,
            "further_chains": [{"shown_to": CLIENT, "chain": [LEAF], "trust": TRUST, "name_match": None}],
            "server_names": [{"server_name": "x", "chain": None, "evidence": "alert:112"}],
            "weak_suites": {"status": "refused", "accepted": []},
            "handshake": "completed", "key_proof": "proved", "unknown": [], "answers_unsteadily": None, "error": None,
        }
    ],
}  # fmt: skip


def test_a_whole_observation_is_within_the_schema_and_is_read_whole() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert [error.message for error in JUDGE.iter_errors(WHOLE)] == []
    found = read_observation(WHOLE)
    assert (found.damaged, found.endpoints[0].damaged) == ((), ())
    assert found.endpoints[0].further_chains[0].trust.path[0].role == "device"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("device",), ["d"]),
        (("finished_at",), "yesterday"),
        (("endpoints",), {}),
        (("endpoints", 0, "port"), "443"),
        (("endpoints", 0, "versions"), ["TLSv1.3"]),
        (("endpoints", 0, "versions", "TLSv1.3", "status"), 1),
        (("endpoints", 0, "chain", 0, "key", "bits"), "256"),
        (("endpoints", 0, "chain", 0, "names", "dns", 0), 7),
        (("endpoints", 0, "trust", "path", 0, "not_after"), "soon"),
        (("endpoints", 0, "further_chains", 0, "trust"), "trusted"),
        (("endpoints", 0, "answers_unsteadily"), 0),
        (("clock", "samples", 0, "offset_seconds"), "1"),
        (("ports", "23"), 1),
        (("died_port",), "443"),
    ],
)
def test_the_wrong_shape_is_outside_of_the_schema_and_named_when_read(path: tuple[Any, ...], value: Any) -> None:
    changed = copy.deepcopy(WHOLE)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not JUDGE.is_valid(changed)
    found = read_observation(changed)
    assert [*found.damaged, *(place for endpoint in found.endpoints for place in endpoint.damaged)] != []
