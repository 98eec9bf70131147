# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One polite visit to one device: its TLS endpoints, its clock, its ports; and the circuit breaker.

One connection at a time, a pause between two, a budget per endpoint, a deadline for all. A device that answered and
then stops answering is left alone at once.
"""

from __future__ import annotations

import contextlib
import math
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock import http_date
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock import sntp as clock_sntp
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import (
    Connection,
    NoConnection,
    PeerReset,
    Traffic,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import (
    DeadlineExpired,
    readable,
    sleep_until,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.exchange import (
    Answer,
    exchange_hello,
    exchange_sslv2,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.handshake import HandshakeFailed, TlsSession
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.random_clock import random_clock_sample
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.services import HTTP_SERVICES
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.starttls import is_busy, start_tls
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.walk import TlsWalk, WalkFacts
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import TLS10, TLS11, TLS12, TLS13
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.words import ConnectionClosed, TlsNotBegun
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.endpoint import EndpointFacts, printable

#: So many silences in a row, and the device is left alone.
_SILENCES = 2
#: Datagrams that are looked at for the answer to one SNTP query.
_DATAGRAMS = 8
#: A device that was never heard is tried twice, and both tries together stay below one `timeout`.
_FIRST_TRY, _NEXT_TRY = 0.55, 0.35
#: How long a refusal of our missing client certificate may take after Finished (TLS 1.3).
_REFUSAL_SECONDS = 1.0
#: How long a page may take to end after its headers.
_BODY_SECONDS = 1.0
#: A Date this far from the vantage's clock is asked for once more; the same one, so many seconds later, stands still.
_FAR_OFF, _STANDING = 20.0, 1.1


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
    #: (date, when it came, its sample) of the HTTP answers
    _dates: list[tuple[float, float, dict[str, Any]]] = field(default_factory=list)
    #: port -> open | closed, for the ports that answered a connect
    _answered: dict[int, str] = field(default_factory=dict)
    _unanswered: int = 0
    _heard: bool = False
    _silences: int = 0
    _deadline: float = 0.0

    async def run(self) -> dict[str, Any]:
        """Visit, and return the raw observation. Never raises for what the device did."""
        started = time.time()
        self._deadline = time.monotonic() + self.settings.device_timeout
        reason = None
        try:
            for endpoint in self.device.get("endpoints") or []:
                await self._visit_endpoint(endpoint)
                self._stop_if_silent()
            if self.device.get("sntp"):
                await self._ask_time(self.device["sntp"])
            for port in self.device.get("ports") or []:
                await self._ask_port(port["port"])
        except VisitOver as over:
            reason = over.reason
        outcome = "observed" if reason is None else "aborted"
        asked = self.traffic.connections or self.traffic.bytes_sent
        if asked and not self._answered and not self._heard:
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

    async def _await_turn(self) -> None:
        """Wait for the pause and for the run's rate; VisitOver where the device's time is over."""
        if self._deadline <= time.monotonic():
            raise VisitOver("visit_time_over")
        if self.last_closed and time.monotonic() < self.last_closed + self.settings.pause:
            await sleep_until(self.last_closed + self.settings.pause)
        await self.before_connect()

    def _target(self, port: int) -> tuple[Any, ...]:
        return (self.address, port, 0, 0) if self.family == socket.AF_INET6 else (self.address, port)

    async def _connect(self, port: int) -> Connection:
        """One more connection, after the pause; NoConnection, or VisitOver where the breaker trips."""
        await self._await_turn()
        deadline = min(time.monotonic() + self._patience(), self._deadline)
        target = self._target(port)
        try:
            connection = await Connection.open(self.family, target, self.traffic, deadline, self.settings.max_bytes)
        except NoConnection as error:
            self.last_closed = time.monotonic()
            if error.kind == "refused" and self._answered.get(port) != "open":
                self._answered[port] = "closed"
            elif port in self._answered:
                raise VisitOver("stopped_answering") from None
            else:
                await self._check_alive()
            raise
        self._answered[port] = "open"
        return connection

    def _patience(self) -> float:
        """Seconds that the next connection may take."""
        if self.traffic.bytes_received or "closed" in self._answered.values():
            return self.settings.timeout
        return self.settings.timeout * (_NEXT_TRY if self._silences or self._unanswered else _FIRST_TRY)

    async def _check_alive(self) -> None:
        """After a connect that nobody answered: a filtered port, or a device that has gone?"""
        if self._answered:
            # A failure here trips the breaker: this port did answer before. An open one proves most.
            known = min(self._answered, key=lambda port: (self._answered[port] != "open", port))
            with contextlib.suppress(NoConnection):
                await self._close(await self._connect(known))
            return
        self._unanswered += 1
        if self._unanswered >= _SILENCES:
            raise VisitOver("no_answer")

    async def _close(self, connection: Connection) -> None:
        await connection.close()
        self.last_closed = time.monotonic()

    def _note(self, silent: bool) -> None:
        """Count silences in a row: a device that answers in between is alive."""
        if not silent:
            self._silences = 0
        elif time.monotonic() < self._deadline:
            self._silences += 1
        else:
            raise VisitOver("visit_time_over")  # it was cut short, and may have answered

    async def _visit_endpoint(self, endpoint: dict[str, Any]) -> None:
        facts = EndpointFacts(port=endpoint["port"], service=endpoint["service"])
        self.endpoints.append(facts)
        names = tuple(self.device.get("names") or ())
        wants_date = self.settings.depth != "quick" and (facts.service in HTTP_SERVICES or "http" in endpoint)
        walk = TlsWalk(lambda *question: self._ask(facts, *question), names, self.settings.depth, not wants_date)
        facts.walk = walk.facts
        try:
            try:
                await walk.run()
            finally:
                facts.chain = walk.facts.chain
                facts.certificate_requested = walk.facts.certificate_requested
            sample = random_clock_sample(walk.facts.randoms, f"{facts.service}:{facts.port}")
            if sample is not None and self.settings.depth != "quick":
                self.samples.append(sample)
            await self._complete_handshake(facts, endpoint, wants_date)
            await self._ask_date_again(facts, endpoint)
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
            # Where the connect failed, another port may have been asked too: whether the device is still there.
            facts.connections += min(1, self.traffic.connections - before)

    async def _ask(self, facts: EndpointFacts, hello: bytes, whole: bool, sslv2: bool) -> Answer:
        connection = await self._open(facts)
        try:
            stream = await start_tls(connection, facts.service)
            if sslv2:
                answer = await exchange_sslv2(stream, hello)
            else:
                answer = await exchange_hello(stream, hello, self.settings.max_bytes, whole)
            if answer.kind == "not_tls" and is_busy(facts.service, answer.first_bytes):
                answer = Answer(kind="starttls_unavailable", first_bytes=answer.first_bytes)
        except TlsNotBegun as refusal:
            answer = Answer(kind=refusal.kind, first_bytes=refusal.said)
        except ConnectionClosed:
            answer = Answer(kind="eof")
        except PeerReset:
            answer = Answer(kind="reset")
        except DeadlineExpired:
            answer = Answer(kind="silence")
        finally:
            await self._close(connection)
        if not sslv2:
            facts.learn(answer)
        self._note(answer.kind == "silence" or answer.stalled)
        return answer

    async def _complete_handshake(self, facts: EndpointFacts, endpoint: dict[str, Any], wants_date: bool) -> None:
        """A real handshake, where the walk left the chain, the clock or the proof of the key open."""
        walk = facts.walk or WalkFacts()
        spoken = [version for version in (TLS12, TLS11, TLS10, TLS13) if walk.status(version) == "accepted"]
        if not spoken or not (facts.chain is None or wants_date or self.settings.depth == "handshake"):
            return
        version = spoken[0]
        group = walk.negotiated.group if walk.negotiated is not None else None
        connection = await self._open(facts)
        silent = False
        try:
            session = TlsSession(await start_tls(connection, facts.service), walk.server_name, version, group)
            await session.handshake()
            facts.handshake = "completed"
            facts.chain = facts.chain or session.chain
            if version == TLS13 or facts.certificate_requested is None:
                facts.certificate_requested = session.certificate_requested
            if wants_date:
                silent = await self._ask_date(facts, endpoint, session)
            elif version == TLS13 and facts.certificate_requested:
                await self._await_refusal(session)
            await session.close()
        except HandshakeFailed as failure:
            facts.error = f"handshake: {failure.reason}"
            silent = failure.reason == "silence"
            if failure.alert or not (failure.local or silent or facts.handshake == "completed"):
                facts.handshake = "refused"
            facts.certificate_missed = failure.alert and facts.certificate_requested is True
        except TlsNotBegun as refusal:
            facts.error = f"handshake: {refusal} ({printable(refusal.said)})"
        except (ConnectionClosed, PeerReset, DeadlineExpired) as problem:
            facts.error = f"handshake: {type(problem).__name__}"
            silent = isinstance(problem, DeadlineExpired)
        finally:
            await self._close(connection)
        self._note(silent)

    async def _await_refusal(self, session: TlsSession) -> None:
        session.hurry(_REFUSAL_SECONDS)
        with contextlib.suppress(DeadlineExpired, PeerReset):
            await session.receive()

    async def _ask_date(self, facts: EndpointFacts, endpoint: dict[str, Any], session: TlsSession) -> bool:
        """Take a clock sample from an HTTP answer; whether the device was silent instead."""
        http = endpoint.get("http") or {}
        method = http.get("method") or "GET"
        name = (facts.walk.server_name if facts.walk else None) or self.address
        sent_at = time.time()
        await session.send(http_date.request(method, http.get("path") or "/", name, facts.port))
        received_at = 0.0
        data = b""
        try:
            while not http_date.whole(data, method):
                piece = await session.receive()
                received_at = received_at or time.time()
                if not piece:
                    break
                if not data:
                    session.hurry(_BODY_SECONDS)
                data += piece
        except (DeadlineExpired, PeerReset) as problem:
            if not data:
                facts.error = "no HTTP answer"
                return isinstance(problem, DeadlineExpired)
        answer = http_date.parse(data)
        if answer is None:
            facts.error = "no HTTP answer"
            return False
        facts.certificate_missed = answer.certificate_missing and facts.certificate_requested is True
        if answer.date is not None:
            offset, uncertainty = http_date.offset(answer.date, sent_at, received_at)
            # A proxy's or cache's clock says nothing sure of the device's, and neither does a Date that stands still.
            sample = self._sample("http_date", f"{facts.service}:{facts.port}", offset, uncertainty, not answer.proxied)
            self._dates.append((answer.date, received_at, sample))
            same = [(at, older) for date, at, older in self._dates if date == answer.date]
            if received_at - same[0][0] >= _STANDING:
                for _at, older in same:
                    older["evidence"] = False
        return False

    async def _ask_date_again(self, facts: EndpointFacts, endpoint: dict[str, Any]) -> None:
        """Once more, where the only Date is far off: many small web servers send the same one for ever."""
        if len(self._dates) != 1 or not self._dates[0][2]["evidence"]:
            return
        _date, came_at, sample = self._dates[0]
        if sample["endpoint"] != f"{facts.service}:{facts.port}" or abs(sample["offset_seconds"]) < _FAR_OFF:
            return
        await sleep_until(time.monotonic() + max(0.0, came_at + _STANDING + 0.05 - time.time()))
        again, known = replace(facts), len(self.samples)
        try:
            with contextlib.suppress(NoConnection, BudgetSpent):
                await self._complete_handshake(again, endpoint, True)
        finally:
            facts.connections = again.connections
            del self.samples[known:]

    def _sample(self, source: str, endpoint: str, offset: float, uncertainty: float, evidence: bool) -> dict[str, Any]:
        self.samples.append(
            {
                "source": source,
                "endpoint": endpoint,
                "offset_seconds": round(offset, 3),
                "uncertainty_seconds": math.ceil(uncertainty * 1000) / 1000,
                "evidence": evidence,
            }
        )
        return self.samples[-1]

    async def _ask_time(self, sntp: bool | dict[str, Any]) -> None:
        """One SNTP query, never repeated. No answer says nothing: datagrams get lost."""
        port = sntp.get("port", clock_sntp.PORT) if isinstance(sntp, dict) else clock_sntp.PORT
        await self._await_turn()
        query = clock_sntp.new_query()
        with socket.socket(self.family, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError, DeadlineExpired):
            sock.setblocking(False)
            sock.connect(self._target(port))
            deadline = min(time.monotonic() + self.settings.timeout, self._deadline)
            sent_at = time.time()
            self.traffic.bytes_sent += sock.send(query.packet)
            # Late answers to others may come first; a flood is not waited out.
            for _datagram in range(_DATAGRAMS):
                await readable(sock, deadline)
                received_at = time.time()
                answer = sock.recv(1024)
                self.traffic.bytes_received += len(answer)
                self._heard = True
                found = clock_sntp.offset(query, answer, sent_at, received_at)
                if found is not None:
                    self._sample("sntp", f"sntp:{port}", *found, True)
                    break
        self.last_closed = time.monotonic()

    async def _ask_port(self, port: int) -> None:
        if port not in self._answered:
            try:
                await self._close(await self._connect(port))
            except NoConnection as error:
                self.ports[str(port)] = "closed" if error.kind == "refused" else "filtered"
                return
        self.ports[str(port)] = self._answered[port]
