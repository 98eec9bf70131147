# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One hello on one connection, and what came back. Nothing is completed, nothing is encrypted."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import PeerReset
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import DeadlineExpired
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.key_exchange import KeyExchange
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (
    ALERT,
    ServerFlight,
    ServerHello,
    Sslv2Hello,
    sslv2_server_hello,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.words import Stream


@dataclass(frozen=True)
class Answer:
    """What one hello brought.

    `kind`: server_hello | alert | reset | eof | silence | not_tls | starttls_refused |
    starttls_unavailable | sslv2.
    `stalled`: the peer began and then went silent. `at`: vantage clock (epoch seconds) when the answer began.
    `problem`: what was wrong with the bytes, in a few words.
    """

    kind: str
    hello: ServerHello | None = None
    sslv2: Sslv2Hello | None = None
    chain: tuple[bytes, ...] | None = None
    certificate_requested: bool | None = None
    key_exchange: KeyExchange | None = None
    alert: int | None = None
    first_bytes: bytes = b""
    problem: str | None = None
    stalled: bool = False
    at: float = 0.0

    @property
    def evidence(self) -> str:
        """The word of the observation: server_hello | alert:<n> | reset | eof | silence | inferred."""
        if self.kind == "alert":
            return f"alert:{self.alert}"
        if self.kind in ("not_tls", "starttls_refused", "starttls_unavailable"):
            return "inferred"
        return "server_hello" if self.kind == "sslv2" else self.kind


async def exchange_hello(connection: Stream, hello: bytes, max_bytes: int, whole: bool) -> Answer:
    """Send a hello and read the server's flight, to its end (`whole`) or to the ServerHello."""
    flight = ServerFlight(max_bytes, whole)
    ending = "eof"
    at = 0.0
    try:
        await connection.send(hello)
        while not flight.finished:
            data = await connection.receive()
            at = at or time.time()
            if not data:
                break
            flight.feed(data)
    except DeadlineExpired:
        ending = "silence"
    except PeerReset:
        ending = "reset"
    stalled = ending == "silence" and not flight.finished
    if flight.server_hello is not None:
        return Answer(
            kind="server_hello",
            hello=flight.server_hello,
            chain=flight.chain,
            certificate_requested=flight.certificate_requested if flight.done and whole else None,
            key_exchange=flight.key_exchange,
            alert=flight.fatal_alert,
            problem=flight.problem,
            stalled=stalled,
            at=at,
        )
    # Some stacks call their refusal a warning, and then hang up.
    alert = flight.warning if flight.fatal_alert is None else flight.fatal_alert
    if alert is not None:
        return Answer(kind="alert", alert=alert, stalled=stalled, at=at)
    kind = "not_tls" if flight.problem is not None else ending
    return Answer(kind=kind, first_bytes=flight.first_bytes, problem=flight.problem, at=at)


async def exchange_sslv2(connection: Stream, hello: bytes) -> Answer:
    """Send an SSLv2 hello; kind `sslv2` where the peer answers in SSLv2."""
    data = b""
    try:
        await connection.send(hello)
        while piece := await connection.receive():
            data += piece
            answer = sslv2_server_hello(data)
            if answer:
                return Answer(kind="sslv2", sslv2=answer, at=time.time())
            if data[0] == ALERT and len(data) >= 7:
                return Answer(kind="alert", alert=data[6])
            if answer is False and data[0] != ALERT:
                return Answer(kind="not_tls", first_bytes=data[:256])
    except DeadlineExpired:
        return Answer(kind="silence", first_bytes=data[:256])
    except PeerReset:
        return Answer(kind="reset")
    return Answer(kind="eof", first_bytes=data[:256])
