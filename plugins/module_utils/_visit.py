# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One polite visit to one device: its TLS endpoints, its clock, its ports; and the circuit breaker.

One connection at a time, a pause between two, a budget per endpoint, a deadline for all. A device that answered and
then stops answering is left alone at once.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils import _http_date
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._connection import (
    Connection,
    NoConnection,
    PeerReset,
    Traffic,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._event_loop import DeadlineExpired, sleep_until
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._services import HTTP_SERVICES
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._starttls import (
    ConnectionClosed,
    StartTlsRefused,
    WrongProtocol,
    start_tls,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_exchange import (
    Answer,
    exchange_hello,
    exchange_sslv2,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_handshake import HandshakeFailed, TlsSession
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_random import random_clock_sample
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_walk import TlsWalk, WalkFacts, negotiated
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_wire import TLS10, TLS13

#: Two silences, and the device is left alone.
_SILENCES = 2
#: How long a refusal of our missing client certificate may take after Finished (TLS 1.3).
_REFUSAL_SECONDS = 1.0
#: How much of a page is read after its headers, so that our end is a FIN and no reset.
_BODY_BYTES = 65536

#: What the first hello met, where nothing spoke TLS -> the observation's outcome.
_OUTCOMES = {
    "silence": "silent",
    "reset": "reset",
    "eof": "closed",
    "not_tls": "not_tls",
    "starttls_refused": "starttls_refused",
}


@dataclass(frozen=True)
class Settings:
    """The task's options; durations in seconds."""

    depth: str = "normal"
    timeout: float = 5.0
    device_timeout: float = 60.0
    pause: float = 0.05
    connection_budget: int = 12
    max_bytes: int = 262144


class VisitOver(Exception):
    """The device is left alone from here on. `reason`: stopped_answering | no_answer | visit_time_over."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BudgetSpent(Exception):
    """The endpoint has had as many connections as it may have."""


@dataclass
class EndpointFacts:
    """What one endpoint showed; grows while it is visited."""

    port: int
    service: str
    connections: int = 0
    walk: WalkFacts | None = None
    first_kind: str | None = None
    alerted: bool = False
    first_bytes: bytes = b""
    no_connection: str | None = None
    chain: tuple[bytes, ...] | None = None
    certificate_requested: bool | None = None
    handshake: str = "not_tried"
    handshake_alert: bool = False
    error: str | None = None

    @property
    def outcome(self) -> str:
        """The observation's word for this endpoint."""
        if (self.walk is not None and self.walk.spoke_tls) or self.alerted:
            return "tls"
        if self.first_kind is None:
            return {"refused": "refused"}.get(self.no_connection or "", "unreachable")
        return _OUTCOMES[self.first_kind]

    def as_dict(self) -> dict[str, Any]:
        """The endpoint's raw observation: as in the documentation, with the chain as Base64 of DER."""
        if self.certificate_requested is None:
            client_certificate = "unknown"
        elif not self.certificate_requested:
            client_certificate = "not_requested"
        else:
            client_certificate = "required" if self.handshake == "refused" and self.handshake_alert else "requested"
        walk = self.walk or WalkFacts()
        error = self.error
        if error is None and self.outcome == "not_tls":
            error = "answered without TLS: " + printable(self.first_bytes)
        if error is None and self.outcome == "starttls_refused":
            error = "would not start TLS: " + printable(self.first_bytes)
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
            "error": error,
            "connections": self.connections,
        }


def printable(data: bytes, limit: int = 120) -> str:
    """What a device said, safe to show: bounded, everything but plain ASCII escaped."""
    text = "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in data[:limit])
    return text + ("…" if len(data) > limit else "")


@dataclass
class DeviceVisit:
    """The visit to one device at one resolved address. `before_connect` waits for the run's own rate."""

    device: dict[str, Any]
    family: int
    address: str
    settings: Settings
    before_connect: Callable[[], Awaitable[None]]
    last_closed: float = 0.0
    traffic: Traffic = field(default_factory=Traffic)
    endpoints: list[EndpointFacts] = field(default_factory=list)
    ports: dict[str, str] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
    _good_ports: set[int] = field(default_factory=set)
    _unanswered: int = 0
    _refusals: int = 0
    _silences: int = 0
    _deadline: float = 0.0

    async def run(self) -> dict[str, Any]:
        """Visit, and return the raw observation. Never raises for what the device did."""
        started = time.time()
        self._deadline = time.monotonic() + self.settings.device_timeout
        reason = None
        try:
            for endpoint in self.device.get("endpoints") or []:
                self._stop_if_silent()
                await self._visit_endpoint(endpoint)
            for port in self.device.get("ports") or []:
                self._stop_if_silent()
                await self._ask_port(port["port"])
        except VisitOver as over:
            reason = over.reason
        outcome = "observed" if reason is None else "aborted"
        if not self._good_ports and not self._refusals and self.traffic.connections:
            outcome, reason = "unreachable", "no_answer"
        return {
            "device": self.device["name"],
            "started_at": iso(started),
            "finished_at": iso(time.time()),
            "outcome": outcome,
            "reason": reason,
            "connections": self.traffic.connections,
            "bytes_sent": self.traffic.bytes_sent,
            "bytes_received": self.traffic.bytes_received,
            "endpoints": [endpoint.as_dict() for endpoint in self.endpoints],
            "ports": self.ports,
            "clock": {"samples": self.samples},
        }

    def _stop_if_silent(self) -> None:
        if self._silences >= _SILENCES:
            raise VisitOver("stopped_answering")

    async def _connect(self, port: int) -> Connection:
        """One more connection, after the pause; NoConnection, or VisitOver where the breaker trips."""
        now = time.monotonic()
        if self._deadline <= now:
            raise VisitOver("visit_time_over")
        if self.last_closed and now < self.last_closed + self.settings.pause:
            await sleep_until(self.last_closed + self.settings.pause)
        await self.before_connect()
        deadline = min(time.monotonic() + self.settings.timeout, self._deadline)
        target = (self.address, port, 0, 0) if self.family == socket.AF_INET6 else (self.address, port)
        try:
            connection = await Connection.open(self.family, target, self.traffic, deadline, self.settings.max_bytes)
        except NoConnection as error:
            self.last_closed = time.monotonic()
            if port in self._good_ports:
                raise VisitOver("stopped_answering") from None
            if error.kind == "refused":
                self._refusals += 1
            else:
                await self._check_alive()
            raise
        self._good_ports.add(port)
        return connection

    async def _check_alive(self) -> None:
        """After a connect that nobody answered: a filtered port, or a device that has gone?"""
        if self._good_ports:
            # A failure here trips the breaker: this port did answer before.
            await self._close(await self._connect(min(self._good_ports)))
            return
        self._unanswered += 1
        if self._unanswered >= _SILENCES and not self._refusals:
            raise VisitOver("no_answer")

    async def _close(self, connection: Connection) -> None:
        await connection.close()
        self.last_closed = time.monotonic()

    async def _visit_endpoint(self, endpoint: dict[str, Any]) -> None:
        facts = EndpointFacts(port=endpoint["port"], service=endpoint["service"])
        self.endpoints.append(facts)
        names = tuple(self.device.get("names") or ())
        walk = TlsWalk(lambda *question: self._ask(facts, *question), names, self.settings.depth)
        facts.walk = walk.facts
        try:
            try:
                await walk.run()
            finally:
                facts.chain = walk.facts.chain
                facts.certificate_requested = walk.facts.certificate_requested
            sample = random_clock_sample(walk.facts.randoms, f"{facts.service}:{facts.port}")
            if sample is not None:
                self.samples.append(sample)
            if walk.facts.spoke_tls:
                await self._complete_handshake(facts, endpoint)
        except NoConnection as error:
            facts.no_connection = error.kind
            facts.error = str(error)
        except BudgetSpent:
            facts.error = f"stopped after {facts.connections} connections (connection_budget)"
        except VisitOver as over:
            facts.error = over.reason
            raise

    async def _open(self, facts: EndpointFacts) -> Connection:
        if facts.connections >= self.settings.connection_budget:
            raise BudgetSpent
        self._stop_if_silent()
        before = self.traffic.connections
        try:
            return await self._connect(facts.port)
        finally:
            facts.connections += self.traffic.connections - before

    async def _ask(self, facts: EndpointFacts, hello: bytes, whole: bool, sslv2: bool) -> Answer:
        connection = await self._open(facts)
        try:
            stream = await start_tls(connection, facts.service)
            if sslv2:
                answer = await exchange_sslv2(stream, hello)
            else:
                answer = await exchange_hello(stream, hello, self.settings.max_bytes, whole)
        except (StartTlsRefused, WrongProtocol) as refusal:
            kind = "starttls_refused" if isinstance(refusal, StartTlsRefused) else "not_tls"
            answer = Answer(kind=kind, first_bytes=refusal.said)
        except ConnectionClosed:
            answer = Answer(kind="eof")
        except PeerReset:
            answer = Answer(kind="reset")
        except DeadlineExpired:
            answer = Answer(kind="silence")
        finally:
            await self._close(connection)
        if answer.kind == "silence" or answer.stalled:
            self._silences += 1
        if not sslv2:
            facts.first_kind = facts.first_kind or answer.kind
            facts.alerted = facts.alerted or answer.kind == "alert"
            facts.first_bytes = facts.first_bytes or answer.first_bytes
        return answer

    async def _complete_handshake(self, facts: EndpointFacts, endpoint: dict[str, Any]) -> None:
        """A real handshake, where the walk left the chain, the clock or the proof of the key open."""
        assert facts.walk is not None
        versions = [version for version, (status, _) in facts.walk.statuses.items() if status == "accepted"]
        version = max((version for version in versions if version != TLS13), default=TLS13)
        wants_date = facts.service in HTTP_SERVICES and self.settings.depth != "quick"
        wants_proof = self.settings.depth == "handshake"
        if version < TLS10 or not (facts.chain is None or wants_date or wants_proof):
            return
        connection = await self._open(facts)
        try:
            try:
                session = TlsSession(await start_tls(connection, facts.service), facts.walk.server_name, version)
                await session.handshake()
                facts.handshake = "completed"
                if facts.chain is None:
                    facts.chain = session.chain
                if version == TLS13:
                    facts.certificate_requested = session.certificate_requested
                if wants_date:
                    await self._ask_date(facts, endpoint, session)
                elif facts.certificate_requested and version == TLS13:
                    await self._await_refusal(connection, session)
                await session.close()
            except HandshakeFailed as failure:
                facts.handshake = "refused" if failure.alert or facts.handshake == "not_tried" else facts.handshake
                facts.handshake_alert = failure.alert
                facts.error = f"handshake: {failure.reason}"
                if failure.reason == "silence":
                    self._silences += 1
            except (StartTlsRefused, WrongProtocol, ConnectionClosed, PeerReset, DeadlineExpired) as problem:
                facts.error = f"handshake: {problem or type(problem).__name__}"
        finally:
            await self._close(connection)

    async def _await_refusal(self, connection: Connection, session: TlsSession) -> None:
        connection.deadline = min(connection.deadline, time.monotonic() + _REFUSAL_SECONDS)
        with contextlib.suppress(DeadlineExpired, PeerReset):
            await session.receive()

    async def _ask_date(self, facts: EndpointFacts, endpoint: dict[str, Any], session: TlsSession) -> None:
        http = endpoint.get("http") or {}
        host = (facts.walk.server_name if facts.walk else None) or self.address
        request = _http_date.request(http.get("method") or "GET", http.get("path") or "/", host)
        sent_at = time.time()
        await session.send(request)
        received_at = 0.0
        data = b""
        try:
            while b"\r\n\r\n" not in data and len(data) < _http_date.MAX_HEADER_BYTES:
                piece = await session.receive()
                received_at = received_at or time.time()
                if not piece:
                    break
                data += piece
            body = 0
            while body < _BODY_BYTES:
                piece = await session.receive()
                if not piece:
                    break
                body += len(piece)
        except DeadlineExpired:
            if not data:
                self._silences += 1
        except PeerReset:
            pass
        answer = _http_date.parse(data) if data else None
        if answer is None:
            facts.error = facts.error or "no HTTP answer"
        elif answer.date is not None:
            offset, uncertainty = _http_date.offset(answer.date, sent_at, received_at)
            self.samples.append(
                {
                    "source": "http_date",
                    "endpoint": f"{facts.service}:{facts.port}",
                    "offset_seconds": round(offset, 3),
                    "uncertainty_seconds": round(uncertainty, 3),
                    # A proxy's or cache's clock says nothing sure of the device's.
                    "evidence": not answer.proxied,
                }
            )

    async def _ask_port(self, port: int) -> None:
        try:
            connection = await self._connect(port)
        except NoConnection as error:
            self.ports[str(port)] = "closed" if error.kind == "refused" else "filtered"
            return
        self.ports[str(port)] = "open"
        await self._close(connection)


def iso(moment: float) -> str:
    """Epoch seconds as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
