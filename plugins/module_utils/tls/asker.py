# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One hello after the other: what is sent, and what each answer says of the versions, chains and suites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.cuts import Sent
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.exchange import Answer
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.facts import Negotiated, VersionFact, WalkFacts
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.hello import (
    ClientHello,
    can_be_server_name,
    client_hello,
    further_hellos,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.key_exchange import KeyExchange, group_name
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.suites import key_of
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (
    HANDSHAKE_FAILURE,
    INSUFFICIENT_SECURITY,
    PROTOCOL_VERSION,
    SSLV2,
    TLS12,
    TLS13,
    WALK_ORDER,
)

#: ask(hello, whole, sslv2) -> Answer, on a connection of its own
Ask = Callable[[bytes, bool, bool], Awaitable[Answer]]
#: rest() gives a limiter time to forget us
Rest = Callable[[], Awaitable[None]]

#: Alerts that may only say "no suite in common".
NO_COMMON_SUITE = (HANDSHAKE_FAILURE, INSUFFICIENT_SECURITY)
NOTHING_IN_COMMON = tuple(f"alert:{alert}" for alert in NO_COMMON_SUITE)


class Asker:
    """Sends hellos to one endpoint, and keeps what they brought in `facts`.

    `names`: what may be sent as SNI, in order; `quick`: the fewest bytes.
    """

    def __init__(self, ask: Ask, rest: Rest, names: tuple[str, ...], quick: bool, nameless: bool) -> None:
        self._ask = ask
        self._rest = rest
        self.names = tuple(name for name in names if can_be_server_name(name))
        self._quick = quick
        #: Clients of this service usually send no name.
        self.without_name = nameless and not quick
        #: The first hello goes without one, and so do those for what is older.
        self._nameless = self.without_name
        #: Old stacks that stumble over extensions get hellos without, for the rest of the walk.
        self._bare = False
        self._rested = False
        #: nothing was let in since the last rest
        self._fresh = False
        #: by version: what the server chose, and what the last hello for it offered
        self._suites: dict[int, int] = {}
        self._offered: dict[int, tuple[int, ...]] = {}
        #: the last hello that was answered, and its newest version
        self._control: tuple[bytes, int] | None = None
        #: by version, the first hello that was cut: its bytes, its name, and whether it offered all suites
        self._cuts: dict[int, tuple[bytes, str | None, bool]] = {}
        self.facts = WalkFacts(server_name=self.names[0] if self.names else None)

    async def ask_control(self) -> bool:
        """Send a hello that was answered before once more: whether it is answered again."""
        return self._control is not None and (await self._put(*self._control)).evidence == "server_hello"

    async def repeat(self, version: int) -> bool:
        """Send the first hello for this version that was cut once more; whether it was let in now."""
        hello, name, complete = self._cuts[version]
        self._record(version, await self._send(hello, version, name), complete)
        return self.facts.diary[-1].let_in

    def doubtful(self) -> int | None:
        """The newest version whose cuts may have another reason than itself, and which can be asked again."""
        facts = self.facts
        return next((one for one in WALK_ORDER if one in self._cuts and facts.is_doubtful(one)), None)

    async def rest(self) -> None:
        """Leave the endpoint alone for so long that a limiter has no reason to cut what comes next."""
        await self._rest()
        self._fresh = True

    async def _rest_once(self) -> None:
        if not self._rested:
            self._rested = True
            await self.rest()

    def note(self, form: bytes, version: int, evidence: str) -> None:
        """Write down a connection and what came on it."""
        sent = Sent(form, version, evidence, self._fresh)
        self.facts.diary.append(sent)
        self._fresh = self._fresh and not sent.let_in

    async def _put(self, hello: bytes, version: int, whole: bool = False) -> Answer:
        """A hello whose newest version is `version`, on a connection of its own."""
        answer = await self._ask(hello, whole, version == SSLV2)
        # All but its random.
        self.note(hello[:11] + hello[43:], version, answer.evidence)
        return answer

    async def _send_for_key(self, key: str, name: str | None) -> None:
        await self._send(client_hello(TLS12, name, key=key).sent, TLS12, name)

    def _name(self, version: int) -> str | None:
        """The name that a hello carries: none in the first ones of a service whose clients send none."""
        return None if self._nameless and version <= TLS12 else self.facts.server_name

    async def _offer(self, version: int, key: str = "any") -> Answer:
        """Ask for `version` or lower, and write down what the answer says."""
        name = self._name(version)
        hello = client_hello(version, name, self._bare, self._quick, key)
        self._offered[version] = hello.suites
        answer = await self._send(hello.sent, version, name)
        complete = self._is_complete(version, hello, key)
        self._record(version, answer, complete)
        if version in self.facts.unconfirmed:
            self._cuts.setdefault(version, (hello.sent, name, complete))
        return answer

    def _is_complete(self, version: int, hello: ClientHello, key: str) -> bool:
        """Whether "no suite in common" is a refusal of this version: what newer versions took never says so."""
        if version == TLS13 and key != "any":
            # A server of TLS 1.3 would have chosen it, and not missed the older suites that were left out.
            return True
        older = {suite for spoken, suite in self._suites.items() if spoken < version}
        return (version < TLS12 and hello.complete) or not older.isdisjoint(hello.suites)

    async def _offer_further(self, version: int) -> Answer:
        name = self._name(version)
        for hello in further_hellos(version, name):
            answer = await self._send(hello, version, name)
            if answer.kind != "alert" or answer.alert not in NO_COMMON_SUITE:
                break
        self._record(version, answer, complete=True)
        return answer

    async def _send(self, hello: bytes, version: int, name: str | None) -> Answer:
        facts = self.facts
        answer = await self._put(hello, version, not self._quick or facts.chain is None)
        facts.last = answer
        if answer.hello is None:
            return answer
        self._control = hello, version
        spoken, exchange = answer.hello, answer.key_exchange or KeyExchange()
        self._suites[spoken.version] = spoken.cipher
        if spoken.version < TLS13:
            facts.randoms.append((answer.at, spoken.random))
        number = exchange.group_number or spoken.group
        group = exchange.group or group_name(spoken.group)
        facts.agree(Negotiated(spoken.version, spoken.cipher, group, number, exchange.signature))
        facts.show(spoken.version, key_of(spoken.cipher), name, answer.chain)
        if answer.certificate_requested is not None:
            facts.certificate_requested = bool(facts.certificate_requested) or answer.certificate_requested
        return answer

    def _record(self, offered: int, answer: Answer, complete: bool) -> None:
        """Write what a hello that offered `offered` and all below says of each version.

        `complete`: every suite of the version was offered, so that "no common suite" is a refusal.
        """
        facts = self.facts
        if answer.hello is None:
            self._record_refusal(offered, answer, complete)
            return
        statuses, spoken = facts.statuses, answer.hello.version
        statuses[spoken] = VersionFact("accepted", "server_hello", answer.hello.cipher)
        facts.unconfirmed.discard(spoken)
        for version, fact in statuses.items():
            # "No suite in common", said to a hello that did offer what an older version takes: it was the version.
            taken = answer.hello.cipher in self._offered.get(version, ())
            if fact.status == "undetermined" and fact.evidence in NOTHING_IN_COMMON and version > spoken and taken:
                statuses[version] = VersionFact("refused", fact.evidence)
        for version in WALK_ORDER:
            # A server that answers above what was offered does not speak what was offered either.
            passed_over = spoken < version <= offered or version == offered < spoken
            if passed_over and facts.status(version) != "accepted":
                statuses[version] = VersionFact("refused", "server_hello")
                facts.unconfirmed.discard(version)
        if spoken < TLS13 and offered < TLS13 and facts.status(TLS13) != "accepted":
            # A mark in the random proves TLS 1.3; its absence proves nothing, and quick does not ask.
            if answer.hello.downgraded_from_tls13:
                statuses[TLS13] = VersionFact("accepted", "inferred")
            elif self._quick:
                statuses.setdefault(TLS13, VersionFact("not_tested", "inferred"))

    def _record_refusal(self, offered: int, answer: Answer, complete: bool) -> None:
        facts = self.facts
        status = {"silence": "no_answer", "alert": "refused", "reset": "refused", "eof": "refused"}.get(
            answer.kind, "undetermined"
        )
        if answer.alert in NO_COMMON_SUITE and not complete:
            status = "undetermined"
        known = facts.evidence(offered)
        # An alert says more than a hang-up, and a ServerHello more than both.
        if facts.status(offered) == "accepted" or (answer.kind != "alert" and known.startswith(("alert", "server"))):
            return
        facts.statuses[offered] = VersionFact(status, answer.evidence)
        if status == "refused" and answer.alert != PROTOCOL_VERSION:
            facts.unconfirmed.add(offered)
        else:
            facts.unconfirmed.discard(offered)
