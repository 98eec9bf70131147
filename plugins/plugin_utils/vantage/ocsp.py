# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the authority says of certificates today, asked from the control node: never by or of a device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.control_node.fetch import FetchError, fetch
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.ocsp import (
    CONTENT_TYPE,
    MAX_ANSWER,
    OcspError,
    build_request,
    issuer_of,
    read_answer,
    with_answer,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import der_of_entry

_SECONDS = 10.0
#: A responder that failed so often is not asked about the rest of the fleet.
_MOST_FAILURES = 8


#: A revoked certificate is worse than one that is refused for what it is.
_LEADS_TO_AN_ANCHOR = ("trusted", "some_clients_refuse", "purpose_not_server")


def ask_ocsp(
    responder: str, observations: Iterable[dict[str, Any]], anchors: Sequence[bytes], now: datetime
) -> list[str]:
    """Ask the responder about every leaf that leads to an anchor, each once; write the answers into the trust.

    Returns why certificates were left open, one sentence each.
    """
    endpoints = [
        endpoint
        for observation in observations
        for endpoint in observation["endpoints"]
        if endpoint["chain"] and endpoint["trust"]["status"] in _LEADS_TO_AN_ANCHOR
    ]
    chains = {endpoint["chain"][0]["fingerprint_sha256"]: endpoint["chain"] for endpoint in endpoints}
    known = {der_of_entry(entry): None for endpoint in endpoints for entry in endpoint["chain"][1:]}
    authorities = [*known, *anchors]
    failed: list[str] = []

    def ask(chain: list[dict[str, Any]]) -> dict[str, Any]:
        if len(failed) >= _MOST_FAILURES:
            return {"status": "not_assessed", "detail": f"no OCSP answer: {failed[0]}", "date": None}
        leaf = der_of_entry(chain[0])
        issuer = issuer_of(leaf, authorities)
        if issuer is None:
            return {"status": "not_assessed", "detail": "the issuer's certificate is not known", "date": None}
        try:
            request = build_request(leaf, issuer)
            return read_answer(fetch(responder, _SECONDS, MAX_ANSWER, request, CONTENT_TYPE), leaf, issuer, now)
        except (OcspError, FetchError) as error:
            if isinstance(error, FetchError):
                failed.append(str(error))
            return {"status": "not_assessed", "detail": f"no OCSP answer: {error}", "date": None}

    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = dict(zip(chains, pool.map(ask, chains.values()), strict=True))
    for endpoint in endpoints:
        endpoint["trust"] = with_answer(endpoint["trust"], answers[endpoint["chain"][0]["fingerprint_sha256"]])
    return [answer["detail"] for answer in answers.values() if answer["status"] == "not_assessed"]
