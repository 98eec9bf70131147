# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one endpoint showed during a visit, and how that is told."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.exchange import Answer
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.walk import WalkFacts, negotiated

#: What the first hello met, where nothing spoke TLS -> the observation's outcome.
_OUTCOMES = {
    "silence": "silent",
    "reset": "reset",
    "eof": "closed",
    "not_tls": "not_tls",
    "starttls_refused": "starttls_refused",
    "starttls_unavailable": "starttls_unavailable",
}


@dataclass
class EndpointFacts:
    """What one endpoint showed; grows while it is visited."""

    port: int
    service: str
    connections: int = 0
    walk: WalkFacts | None = None
    first_kind: str | None = None
    said: bytes = b""
    alert: int | None = None
    problem: str | None = None
    no_connection: str | None = None
    chain: tuple[bytes, ...] | None = None
    certificate_requested: bool | None = None
    handshake: str = "not_tried"
    #: the device said that it will not do without a client certificate
    certificate_missed: bool = False
    error: str | None = None

    @property
    def outcome(self) -> str:
        """The observation's word for this endpoint."""
        if (self.walk is not None and self.walk.spoke_tls) or self.alert is not None:
            return "tls"
        if self.first_kind is None:
            return "refused" if self.no_connection == "refused" else "unreachable"
        return _OUTCOMES.get(self.first_kind, "tls")

    def learn(self, answer: Answer) -> None:
        """Take what one TLS hello brought."""
        # Words say more than an end or a silence, whichever came first.
        if self.first_kind is None or answer.kind in ("not_tls", "starttls_refused", "starttls_unavailable"):
            self.first_kind = answer.kind
        self.said = answer.first_bytes or self.said
        self.problem = answer.problem or self.problem
        if answer.kind == "alert":
            self.alert = answer.alert

    def as_dict(self) -> dict[str, Any]:
        """The endpoint's raw observation: as in the documentation, with the chain as Base64 of DER."""
        if self.certificate_missed:
            client_certificate = "required"
        elif self.certificate_requested is None:
            client_certificate = "unknown"
        else:
            client_certificate = "requested" if self.certificate_requested else "not_requested"
        walk = self.walk or WalkFacts()
        return {
            "port": self.port,
            "service": self.service,
            "outcome": self.outcome,
            "versions": walk.versions(),
            "negotiated": negotiated(walk),
            "client_certificate": client_certificate,
            "chain_der": [base64.b64encode(der).decode("ascii") for der in self.chain or ()],
            "server_name": walk.server_name,
            "handshake": self.handshake,
            "error": self.error or self._what_was_wrong(walk),
            "connections": self.connections,
        }

    def _what_was_wrong(self, walk: WalkFacts) -> str | None:
        """What the device said instead of what it was asked for, safe to show."""
        if self.outcome == "not_tls":
            return "answered without TLS: " + printable(self.said)
        if self.first_kind in ("starttls_refused", "starttls_unavailable"):
            return "would not start TLS: " + printable(self.said)
        if self.alert is not None and not walk.spoke_tls:
            return f"refused every hello, last with alert {self.alert}"
        return self.problem if self.chain is None else None


def printable(data: bytes, limit: int = 400) -> str:
    """What a device said, safe to show: bounded, and everything escaped that is no plain text."""
    text = "".join(
        char
        if char.isprintable() and char != "\\"
        else "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
        for char in data[:limit].decode("utf-8", "surrogateescape")
    )
    return text + ("…" if len(data) > limit else "")
