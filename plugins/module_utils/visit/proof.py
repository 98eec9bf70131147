# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last handshake with an endpoint: control, proof of the key, second chain and HTTP Date in one.

It goes at the highest version that the endpoint spoke, and asks for ECDSA first, where the hellos before asked for
RSA first. What was cut is tried once more after a rest, and then a plain hello tells whether the endpoint cuts
whatever comes: only a handshake that fails where that is answered has failed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock import http_date
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import PeerReset
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import DeadlineExpired, sleep_until
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.cuts import wavers
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.facts import VersionFact
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.handshake import (
    HandshakeFailed,
    TlsSession,
    can_speak,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.starttls import start_tls
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.walk import TlsWalk
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import TLS10, TLS11, TLS12, TLS13
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.words import ConnectionClosed, TlsNotBegun
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.endpoint import EndpointFacts, printable

if TYPE_CHECKING:
    from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.device import DeviceVisit

#: How long a refusal of our missing client certificate may take after Finished (TLS 1.3).
_REFUSAL_SECONDS = 1.0
#: How long a page may take to end after its headers.
_BODY_SECONDS = 1.0
#: A Date this far from the vantage's clock is asked for once more; the same one, so many seconds later, stands still.
_FAR_OFF, _STANDING = 20.0, 1.1
_CUT = ("reset", "eof")
#: How often a hello that was cut is sent again: as long as turns of four may be.
_REPEATS = 4
#: Why a handshake that ended so proves no key.
_DETAILS = {
    "alert": "refused",
    "reset": "cut",
    "eof": "cut",
    "silence": "silence",
    "broken": "broken",
    "local": "given_up_here",
}
#: internal_error: what a server says that cannot go on, or a proxy that will not.
_INTERNAL_ERROR = "internal error"


class LastHandshake:
    """One endpoint's last handshake, and its repetitions. `endpoint`: as declared; `wants_date`: it speaks HTTP."""

    def __init__(
        self, visit: DeviceVisit, facts: EndpointFacts, walk: TlsWalk, endpoint: dict[str, Any], wants_date: bool
    ) -> None:
        self._visit = visit
        self._facts = facts
        self._walk = walk
        self._endpoint = endpoint
        self._wants_date = wants_date
        #: it came before the end of the walk already, as a control
        self.tried = False
        self._heard = False
        #: it answered a request after the handshake
        self._lived = False

    async def run(self) -> None:
        """Try, and write down what came. The visit's own ends (breaker, budget, no connection) pass through."""
        self.tried = True
        facts, walk = self._facts, self._walk.facts
        spoken = walk.accepted(TLS13, TLS12, TLS11, TLS10)
        version = spoken[0] if spoken else None
        if version is None or not can_speak(version, self._cipher(version)):
            if walk.spoke_tls:
                facts.handshake, facts.key_proof = "not_possible", "not_proved"
                facts.key_proof_detail = "suite_not_spoken" if version else "sslv3_not_spoken"
            await self._confirm()
            return
        failure = await self._attempt(version)
        if failure is not None and not self._heard and failure.kind in ("alert", *_CUT):
            failure = await self._without_name(version, failure)
        if failure is not None and facts.handshake == "completed" and failure.kind != "alert":
            facts.error = f"handshake: {failure.reason}"
            return
        if failure is not None and not self._heard and failure.kind == "alert":
            failure = await self._in_another_form(version, spoken, failure)
        if failure is not None and self._was_cut(failure):
            failure = await self._after_cut(version, failure)
        elif not self._heard:
            await self._confirm(even_so=True)
        if failure is not None:
            self._fail(failure)

    def _cipher(self, version: int) -> int | None:
        agreed = self._walk.facts.negotiated
        return agreed.cipher if agreed is not None and agreed.version == version else None

    async def repeat_what_was_cut(self) -> None:
        """Ask again what was cut, first after a rest, until nothing that cuts whatever comes explains it."""
        walk = self._walk.facts
        for _time in range(_REPEATS):
            version = self._walk.doubtful()
            if version is None or walk.unsteady is None or not walk.steady or wavers(walk.diary):
                break
            await self._walk.rest()
            await self._walk.repeat(version)
        if walk.unsteady and self._facts.handshake == "refused" and not self._heard:
            self._facts.handshake = "cut"

    async def ask_date_again(self) -> None:
        """Once more, where the only Date is far off: many small web servers send the same one for ever."""
        visit, facts = self._visit, self._facts
        if len(visit.dates) != 1 or not visit.dates[0][2]["evidence"]:
            return
        _date, came_at, sample = visit.dates[0]
        if sample["endpoint"] != f"{facts.service}:{facts.port}" or abs(sample["offset_seconds"]) < _FAR_OFF:
            return
        await sleep_until(time.monotonic() + max(0.0, came_at + _STANDING + 0.05 - time.time()))
        error, known = facts.error, len(visit.samples)
        try:
            await self._attempt(self._walk.facts.accepted(TLS13, TLS12, TLS11, TLS10)[0])
        finally:
            facts.error = error
            del visit.samples[known:]

    # -- one try

    async def _attempt(self, version: int, group: int | None = None, name: str | None = None) -> HandshakeFailed | None:
        """One handshake on one connection; None where it ended well. `_heard`: a ServerHello came."""
        facts, walk, visit = self._facts, self._walk.facts, self._visit
        agreed = walk.negotiated
        if group is None and agreed is not None:
            group = agreed.group_number
        name = name or walk.server_name
        self._heard = self._lived = False
        failure = None
        session = None
        connection = await visit.open(facts)
        try:
            stream = await start_tls(connection, facts.service, lambda: visit.renew(connection))
            session = TlsSession(stream, name, version, group, self._cipher(version), lambda: visit.renew(connection))
            await session.handshake()
            self._learn(session, name)
            facts.handshake, facts.key_proof = "completed", "proved"
            if self._wants_date:
                await self._ask_date(session)
            elif version == TLS13 and walk.certificate_requested:
                await self._await_refusal(session)
            await session.close()
        except HandshakeFailed as problem:
            failure = problem
            if session is not None:
                self._learn(session, name)
        except TlsNotBegun as refusal:
            failure = HandshakeFailed(f"{refusal} ({printable(refusal.said)})", "local")
        except (ConnectionClosed, PeerReset):
            failure = HandshakeFailed("reset", "reset")
        except DeadlineExpired:
            failure = HandshakeFailed("silence", "silence")
        finally:
            await visit.close(connection)
        said = "server_hello" if self._heard or failure is None else failure.evidence
        self._walk.note(b"handshake %d %d %r" % (version, group or 0, name), TLS13, said)
        # Who answers and closes resets the connection when our goodbye comes: that is no death.
        cut = (connection.was_reset and not self._lived) or (failure is not None and failure.kind in _CUT)
        if cut and not walk.certificate_requested:
            visit.doubt(facts.port, "handshake")
        visit.note(failure is not None and failure.kind == "silence")
        return failure

    def _learn(self, session: TlsSession, name: str | None) -> None:
        """Take what a session showed, however it ended."""
        facts, walk = self._facts, self._walk.facts
        agreed = session.negotiated
        if agreed is None:
            return
        self._heard = True
        if walk.steady is None:
            walk.settle(True)
        walk.agree(agreed, completed=True)
        walk.statuses[agreed.version] = VersionFact("accepted", "server_hello", agreed.cipher)
        walk.show(agreed.version, session.key, name, session.chain)
        if session.chain or session.certificate_requested:
            walk.certificate_requested = bool(walk.certificate_requested) or session.certificate_requested
        if session.key_proved:
            facts.key_proof = "proved"

    # -- what to make of a failure

    def _was_cut(self, failure: HandshakeFailed) -> bool:
        """Whether a limiter may have done it: without a ServerHello, any alert."""
        alert = failure.kind == "alert" and (not self._heard or _INTERNAL_ERROR in failure.reason)
        return failure.kind in (*_CUT, "silence") or alert

    async def _without_name(self, version: int, failure: HandshakeFailed) -> HandshakeFailed | None:
        """Once more as the first hello went, where that had no name, and was answered."""
        walk = self._walk.facts
        name = walk.server_name
        if name is None or not self._walk.without_name or all(shown.server_name for shown in walk.shown):
            return failure
        walk.server_name = None
        again = await self._attempt(version)
        if self._heard:
            walk.names.append((name, None, failure.evidence))
            return again
        walk.server_name = name
        return failure

    async def _in_another_form(
        self, version: int, spoken: list[int], failure: HandshakeFailed
    ) -> HandshakeFailed | None:
        """The hello itself was refused: for its group, perhaps, where no hello has asked for that before."""
        found: HandshakeFailed | None = failure
        agreed = self._walk.facts.negotiated
        if version == TLS13 and (agreed is None or agreed.version != TLS13):
            group = await self._walk.ask_group()
            if group is not None:
                self._walk.facts.settle(True)
                found = await self._attempt(version, group)
        if found is not None and not self._heard and found.kind == "alert" and len(spoken) > 1:
            found = await self._attempt(spoken[1])
        return found

    async def _after_cut(self, version: int, failure: HandshakeFailed) -> HandshakeFailed | None:
        """Cut, or no answer: by a device that cannot go on, or by something that cuts whatever comes?"""
        facts, walk = self._facts, self._walk.facts
        if walk.certificate_requested and self._heard and failure.kind != "silence":
            return failure
        if failure.kind != "silence":
            if walk.unconfirmed and not self._heard:
                walk.settle(await self._walk.ask_control())
                if not walk.steady:
                    return failure
            await self._visit.rest()
            heard = self._heard
            again = await self._attempt(version)
            if self._heard and not heard:
                walk.settle(False)
            if again is None or not self._was_cut(again):
                return again
            failure = again
        answered = await self._walk.ask_control()
        if walk.unconfirmed and walk.steady is None:
            walk.settle(answered)
        if not answered:
            walk.steady = False
        facts.alert = facts.alert if answered else None
        return failure

    async def _confirm(self, even_so: bool = False) -> None:
        """Where no handshake was possible, or none was heard: the control by a plain hello.

        `even_so`: though no version waits for it; a hello that nobody answers any more was not refused.
        """
        walk = self._walk.facts
        if walk.steady is None and walk.spoke_tls and (walk.unconfirmed or even_so):
            answered = await self._walk.ask_control()
            walk.settle(answered)
            if not answered:
                walk.steady = False

    def _fail(self, failure: HandshakeFailed) -> None:
        facts, walk = self._facts, self._walk.facts
        facts.error = f"handshake: {failure.reason}"
        requested = walk.certificate_requested is True
        unsuited = not (self._heard or requested or self._was_cut(failure))
        if failure.kind == "bad_signature":
            facts.handshake, facts.key_proof = "not_possible", "not_held"
            facts.key_proof_detail = "wrong_signature"
            return
        if failure.kind == "local":
            if facts.handshake != "completed":
                facts.handshake = "not_possible"
        elif walk.steady is not False and failure.kind == "alert" and unsuited:
            # What a client gets that says its hello otherwise stays open.
            facts.handshake = "not_possible"
        elif failure.kind in ("alert", "broken") and (self._heard or walk.steady is not False):
            facts.handshake = "refused"
            facts.certificate_missed = failure.kind == "alert" and requested
        else:
            facts.handshake = "cut"
            facts.certificate_missed = failure.kind in _CUT and requested
        if facts.key_proof != "proved":
            facts.key_proof, facts.key_proof_detail = "not_proved", _DETAILS[failure.kind]

    # -- after Finished

    async def _await_refusal(self, session: TlsSession) -> None:
        """TLS 1.3 refuses a missing client certificate only now: by an alert, or by hanging up."""
        session.hurry(_REFUSAL_SECONDS)
        try:
            if not await session.receive():
                self._facts.certificate_missed = True
        except PeerReset:
            self._facts.certificate_missed = True
        except DeadlineExpired:
            pass

    async def _ask_date(self, session: TlsSession) -> None:
        """Take a clock sample from an HTTP answer."""
        facts, visit = self._facts, self._visit
        http = self._endpoint.get("http") or {}
        method = http.get("method") or "GET"
        name = self._walk.facts.server_name or visit.address
        session.later()
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
        except PeerReset:
            pass
        except DeadlineExpired:
            if not data:
                facts.error = "no HTTP answer"
                visit.note(True)
                return
        answer = http_date.parse(data)
        if answer is None:
            facts.error = "no HTTP answer"
            if not data:
                facts.certificate_missed = self._walk.facts.certificate_requested is True
                if not facts.certificate_missed:
                    # It ended instead of answering: a device that died of the handshake does so too.
                    visit.doubt(facts.port, "handshake")
            return
        self._lived = True
        facts.certificate_missed = answer.certificate_missing and self._walk.facts.certificate_requested is True
        if answer.date is not None:
            offset, uncertainty = http_date.offset(answer.date, sent_at, received_at)
            # A proxy's or cache's clock says nothing sure of the device's, and neither does a Date that stands still.
            sample = visit.sample("http_date", f"{facts.service}:{facts.port}", offset, uncertainty, not answer.proxied)
            visit.dates.append((answer.date, received_at, sample))
            same = [(at, older) for date, at, older in visit.dates if date == answer.date]
            if received_at - same[0][0] >= _STANDING:
                for _at, older in same:
                    older["evidence"] = False


async def ask_names(visit: DeviceVisit, facts: EndpointFacts, walk: TlsWalk) -> None:
    """One hello for each further declared name; a full handshake where only TLS 1.3 shows its chain."""
    only_newest = walk.facts.accepted() == [TLS13]
    if walk.without_name and only_newest and walk.facts.server_name is not None:
        await _shake_hands_as(visit, facts, walk, None)
    asked = {walk.facts.server_name, *(name for name, _place, _evidence in walk.facts.names)}
    for name in walk.names:
        if name in asked:
            continue
        if walk.facts.accepted(TLS12, TLS11, TLS10):
            await walk.ask_name(name)
        elif walk.facts.accepted(TLS13):
            await _shake_hands_as(visit, facts, walk, name)


async def _shake_hands_as(visit: DeviceVisit, facts: EndpointFacts, walk: TlsWalk, name: str | None) -> None:
    agreed = walk.facts.negotiated
    evidence = "server_hello"
    connection = await visit.open(facts)
    session = None
    try:
        stream = await start_tls(connection, facts.service, lambda: visit.renew(connection))
        session = TlsSession(stream, name, TLS13, agreed.group_number if agreed is not None else None)
        await session.handshake()
        await session.close()
    except HandshakeFailed as failure:
        evidence = failure.evidence
    except (TlsNotBegun, ConnectionClosed, PeerReset, DeadlineExpired):
        evidence = "reset"
    finally:
        await visit.close(connection)
    chain = session.chain if session is not None else None
    if session is not None:
        walk.facts.show(TLS13, session.key, name, chain)
    if name is not None:
        walk.facts.names.append((name, walk.facts.place(chain), "server_hello" if chain else evidence))


async def ask_other_cells(walk: TlsWalk) -> None:
    """Two kinds of key, and clients with and without a name: does the name matter? Then each gets its hello."""
    facts = walk.facts
    name = facts.server_name
    kinds = {key for key, _name in facts.cells} - {"any"}
    if len(kinds) < 2 or name is None or not facts.accepted(TLS12) or not any(cell[1] is None for cell in facts.cells):
        return
    for key in sorted(kinds, reverse=True):
        for one in (name, None):
            if (key, one) in facts.cells:
                continue
            before = len(facts.shown)
            await walk.ask_key(key, one)
            if len(facts.shown) == before:
                return
