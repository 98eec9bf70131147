# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one endpoint showed during a visit, and how that is told."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.exchange import Answer
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.facts import WalkFacts

#: What the first hello met, where nothing spoke TLS -> the observation's outcome.
_OUTCOMES = {
    "silence": "silent",
    "reset": "reset",
    "eof": "closed",
    "not_tls": "not_tls",
    "starttls_refused": "starttls_refused",
    "starttls_unavailable": "starttls_unavailable",
}
#: What says more than an end or a silence, whichever came first.
_WORDS = ("not_tls", "starttls_refused", "starttls_unavailable")


@dataclass
class EndpointFacts:
    """What one endpoint showed; grows while it is visited.

    `services`: the declared ones where several share the port; `depth`: of the visit, which says what was asked;
    `cut_short`: the budget or the device's time ended the visit here.
    """

    port: int
    service: str
    services: tuple[str, ...] = ()
    depth: str = "normal"
    names: tuple[str, ...] = ()
    connections: int = 0
    walk: WalkFacts = field(default_factory=WalkFacts)
    first_kind: str | None = None
    said: bytes = b""
    alert: int | None = None
    problem: str | None = None
    no_connection: str | None = None
    handshake: str = "not_tried"
    key_proof: str = "not_tried"
    key_proof_detail: str | None = None
    #: the device said that it will not do without a client certificate
    certificate_missed: bool = False
    #: an HTTP answer was asked for, and whether one came
    date_asked: bool = False
    cut_short: bool = False
    error: str | None = None

    @property
    def outcome(self) -> str:
        """The observation's word for this endpoint."""
        if self.walk.spoke_tls or self.alert is not None:
            return "tls"
        if self.first_kind is None:
            return "refused" if self.no_connection == "refused" else "unreachable"
        return _OUTCOMES.get(self.first_kind, "tls")

    def learn(self, answer: Answer) -> None:
        """Take what one TLS hello brought."""
        if self.first_kind is None or answer.kind in _WORDS:
            self.first_kind = answer.kind
        self.said = answer.first_bytes or self.said
        self.problem = answer.problem or self.problem
        if answer.kind == "alert":
            self.alert = answer.alert

    def as_dict(self) -> dict[str, Any]:
        """The endpoint's raw observation: as in the documentation, with each chain as Base64 of DER."""
        walk = self.walk
        told: dict[str, Any] = {
            "port": self.port,
            "service": self.service,
            "outcome": self.outcome,
            "versions": walk.versions(),
            "answers_unsteadily": walk.unsteady,
            "negotiated": walk.negotiated.as_dict() if walk.negotiated is not None else None,
            "client_certificate": self._client_certificate(),
            "chain_der": _encoded(walk.chain or ()),
            "chain_shown_to": walk.shown[0].shown_to() if walk.shown else None,
            "further_chains": [
                {"shown_to": shown.shown_to(), "chain_der": _encoded(shown.chain)} for shown in walk.shown[1:]
            ],
            "server_name": walk.server_name,
            "server_names": [
                {"server_name": name, "chain": place, "evidence": evidence} for name, place, evidence in walk.names
            ],
            "handshake": self.handshake,
            "key_proof": self.key_proof,
            "key_proof_detail": self.key_proof_detail,
            "weak_suites": walk.weak_suites(),
            "unknown": self._unknown() if self.cut_short else [],
            "error": self.error or self._what_was_wrong(),
            "connections": self.connections,
        }
        if self.services:
            told["services"] = list(self.services)
        return told

    def _client_certificate(self) -> str:
        if self.certificate_missed:
            return "required"
        requested = self.walk.certificate_requested
        return "unknown" if requested is None else "requested" if requested else "not_requested"

    def _unknown(self) -> list[str]:
        """What the visit would have asked, had it not been cut short."""
        versions = self.walk.versions()
        open_ones = [name for name, found in versions.items() if found["status"] in ("not_tested", "undetermined")]
        if self.key_proof == "not_tried" and self.depth != "quick":
            open_ones.append("key_proof")
        if self.depth == "thorough" and self.walk.weak is None:
            open_ones.append("weak_suites")
        if self.depth != "quick":
            asked = {name for name, _place, _evidence in self.walk.names} | {self.walk.server_name}
            open_ones += [f"server_name:{name}" for name in self.names if name not in asked]
        return open_ones

    def _what_was_wrong(self) -> str | None:
        """What the device said instead of what it was asked for, safe to show."""
        if self.outcome == "not_tls":
            return "answered without TLS: " + printable(self.said)
        if self.first_kind in ("starttls_refused", "starttls_unavailable"):
            return "would not start TLS: " + printable(self.said)
        if self.alert is not None and not self.walk.spoke_tls:
            return f"refused every hello, last with alert {self.alert}"
        return self.problem if self.walk.chain is None else None


def _encoded(chain: tuple[bytes, ...]) -> list[str]:
    return [base64.b64encode(der).decode("ascii") for der in chain]


def printable(data: bytes, limit: int = 400) -> str:
    """What a device said, safe to show: bounded, and everything escaped that is no plain text."""
    text = "".join(
        char
        if char.isprintable() and char != "\\"
        else "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
        for char in data[:limit].decode("utf-8", "surrogateescape")
    )
    return text + ("…" if len(data) > limit else "")
