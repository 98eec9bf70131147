# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One polite visit to one device: its TLS endpoints, its clock, its ports; and the circuit breaker.

One connection at a time, a pause between two, a budget per endpoint, a deadline for all. A device that answered and
then stops answering is left alone at once.
"""

from __future__ import annotations

import contextlib
import ipaddress
import math
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

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
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.random_clock import random_clock_sample
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.services import HTTP_SERVICES, NAMELESS_SERVICES
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.starttls import is_busy, start_tls
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.walk import TlsWalk
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.words import ConnectionClosed, TlsNotBegun
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.endpoint import EndpointFacts
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.proof import (
    LastHandshake,
    ask_names,
    ask_other_cells,
)

#: So many silences in a row, and the device is left alone.
_SILENCES = 2
#: Datagrams that are looked at for the answer to one SNTP query.
_DATAGRAMS = 8
#: How long a limiter is given to forget us, before what it may have cut is asked again.
REST_SECONDS = 1.0
#: A device that refuses what it answered before is looked at once more after this long: it may have started again.
LAST_LOOK_SECONDS = 2.0


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
    dates: list[tuple[float, float, dict[str, Any]]] = field(default_factory=list)
    #: port -> open | closed, for the ports that answered a connect
    _answered: dict[int, str] = field(default_factory=dict)
    #: port -> what it had last, where the device may have died of it: hello | handshake
    _doubtful: dict[int, str] = field(default_factory=dict)
    #: ports on which a handshake was completed, in order
    _shaken: list[int] = field(default_factory=list)
    _died: tuple[str, int] | None = None
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
        if self._doubtful and reason in (None, "stopped_answering"):
            await self._look_once_more()
            if self._died is not None:
                reason = "stopped_answering"
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
            "died_after": self._died[0] if self._died is not None else None,
            "died_port": self._died[1] if self._died is not None else None,
        }

    async def _look_once_more(self) -> None:
        """At the end, one connection without a byte to each port that may have died."""
        await self.rest(LAST_LOOK_SECONDS)
        for port, after in self._doubtful.items():
            if time.monotonic() >= self._deadline:
                return
            deadline = min(time.monotonic() + self.settings.timeout, self._deadline)
            await self.before_connect()
            try:
                target = self._target(port)
                await self.close(await Connection.open(self.family, target, self.traffic, deadline, 0))
            except NoConnection as error:
                self.last_closed = time.monotonic()
                if error.kind == "refused":
                    self._died = (after, port)
                    return

    def doubt(self, port: int, after: str) -> None:
        """The device may have died of what it got on this port last."""
        self._doubtful.setdefault(port, after)

    async def rest(self, seconds: float = 0.0) -> None:
        """Leave the device alone for a while, within its time."""
        await sleep_until(min(time.monotonic() + (seconds or REST_SECONDS), self._deadline))

    def renew(self, connection: Connection) -> None:
        """Give the device its whole time for the next answer."""
        connection.deadline = min(time.monotonic() + self.settings.timeout, self._deadline)

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
        deadline = min(time.monotonic() + self.settings.timeout, self._deadline)
        target = self._target(port)
        try:
            connection = await Connection.open(self.family, target, self.traffic, deadline, self.settings.max_bytes)
        except NoConnection as error:
            self.last_closed = time.monotonic()
            if error.kind == "refused" and self._answered.get(port) != "open":
                self._answered[port] = "closed"
            elif port in self._answered:
                if error.kind == "refused":
                    # Of all that is in doubt, this port has died, and of what it got last.
                    self._doubtful = {port: self._doubtful.get(port, "hello"), **self._doubtful}
                raise VisitOver("stopped_answering") from None
            else:
                await self._check_alive()
            raise
        self._answered[port] = "open"
        self._doubtful.pop(port, None)
        self.renew(connection)
        return connection

    async def _check_alive(self) -> None:
        """After a connect that nobody answered: a filtered port, or a device that has gone?"""
        if self._answered:
            # A failure here trips the breaker: this port did answer before. An open one proves most.
            known = min(self._answered, key=lambda port: (self._answered[port] != "open", port))
            with contextlib.suppress(NoConnection):
                await self.close(await self._connect(known))
            return
        self._unanswered += 1
        if self._unanswered >= _SILENCES:
            raise VisitOver("no_answer")

    async def close(self, connection: Connection) -> None:
        """End a connection, and remember when."""
        await connection.close()
        self.last_closed = time.monotonic()

    def note(self, silent: bool) -> None:
        """Count silences in a row: a device that answers in between is alive."""
        if not silent:
            self._silences = 0
        elif time.monotonic() < self._deadline:
            self._silences += 1
        else:
            raise VisitOver("visit_time_over")  # it was cut short, and may have answered

    async def _visit_endpoint(self, endpoint: dict[str, Any]) -> None:
        depth, names = self.settings.depth, tuple(self.device.get("names") or ())
        facts = EndpointFacts(endpoint["port"], endpoint["service"], tuple(endpoint.get("services") or ()), depth)
        self.endpoints.append(facts)
        spoken = {facts.service, *facts.services}
        wants_date = depth != "quick" and (bool(spoken & set(HTTP_SERVICES)) or "http" in endpoint)
        nameless = bool(spoken & set(NAMELESS_SERVICES)) or any(map(_is_address, names))
        walk = TlsWalk(lambda *question: self._ask(facts, *question), self.rest, names, depth, nameless, not wants_date)
        facts.walk, facts.names = walk.facts, walk.names
        last = LastHandshake(self, facts, walk, endpoint, wants_date)
        walk.control_at_once = None if depth == "quick" else last.run
        try:
            await walk.run()
            await self._conclude(facts, walk, last)
        except NoConnection as error:
            facts.no_connection = error.kind
            facts.error = str(error)
            if error.kind == "refused" and self._shaken:
                # The first handshake may have ended a process that serves this port too.
                self.doubt(self._shaken[-1], "handshake")
        except BudgetSpent:
            facts.cut_short = True
            facts.error = f"stopped after {facts.connections} connections (connection_budget)"
        except VisitOver as over:
            facts.cut_short = over.reason == "visit_time_over"
            facts.error = over.reason
            raise

    async def _conclude(self, facts: EndpointFacts, walk: TlsWalk, last: LastHandshake) -> None:
        """What comes after the hellos: the last handshake, and the names and keys that it left open."""
        quick = self.settings.depth == "quick"
        sample = None if quick else random_clock_sample(walk.facts.randoms, f"{facts.service}:{facts.port}")
        if sample is not None:
            self.samples.append(sample)
        # A device of TLS 1.3 alone shows its chain in a handshake only.
        if quick and (walk.facts.chain is not None or not walk.facts.spoke_tls):
            return
        if not last.tried:
            await last.run()
        await last.repeat_what_was_cut()
        if facts.handshake == "completed":
            self._shaken.append(facts.port)
        if not quick and walk.facts.spoke_tls:
            await ask_other_cells(walk)
            await ask_names(self, facts, walk)
            await last.ask_date_again()

    async def open(self, facts: EndpointFacts) -> Connection:
        """One more connection to an endpoint; BudgetSpent, or what `_connect` raises."""
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
        connection = await self.open(facts)
        try:
            stream = await start_tls(connection, facts.service, lambda: self.renew(connection))
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
            await self.close(connection)
        if not sslv2:
            facts.learn(answer)
        self.note(answer.kind == "silence" or answer.stalled)
        return answer

    def sample(self, source: str, endpoint: str, offset: float, uncertainty: float, evidence: bool) -> dict[str, Any]:
        """Keep one reading of the device's clock."""
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
                    self.sample("sntp", f"sntp:{port}", *found, True)
                    break
        self.last_closed = time.monotonic()

    async def _ask_port(self, port: int) -> None:
        if port not in self._answered:
            try:
                await self.close(await self._connect(port))
            except NoConnection as error:
                self.ports[str(port)] = "closed" if error.kind == "refused" else "filtered"
                return
        self.ports[str(port)] = self._answered[port]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
