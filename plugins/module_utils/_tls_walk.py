# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The descending walk: which TLS versions an endpoint speaks, its chain and cipher, in the fewest hellos.

A server picks its highest version up to what a hello offers. So: offer all; then offer what lies below the answer;
stop at the first refusal. Connections = accepted versions + 1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ansible_collections.biomed.cert_hygiene.plugins.module_utils._cipher_suites import (
    LEGACY_OTHERS,
    TLS12_OTHERS,
    cipher_name,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_exchange import Answer
from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_wire import (
    HANDSHAKE_FAILURE,
    SSLV2,
    SSLV3,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    UNRECOGNIZED_NAME,
    VERSION_NAMES,
    WALK_ORDER,
    ServerHello,
    client_hello,
    sslv2_client_hello,
)

#: ask(hello, whole, sslv2) -> Answer, on a connection of its own
Ask = Callable[[bytes, bool, bool], Awaitable[Answer]]


@dataclass
class WalkFacts:
    """What the walk learned; grows while it runs, so that an interrupted walk keeps what it saw."""

    statuses: dict[int, tuple[str, str]] = field(default_factory=dict)
    negotiated: ServerHello | None = None
    chain: tuple[bytes, ...] | None = None
    certificate_requested: bool | None = None
    server_name: str | None = None
    last: Answer | None = None
    #: (vantage time, ServerHello.random) of the hellos that were answered
    randoms: list[tuple[float, bytes]] = field(default_factory=list)

    def versions(self) -> dict[str, dict[str, str]]:
        """The observation's `versions`: all six, in order from old to new."""
        return {
            VERSION_NAMES[version]: dict(
                zip(("status", "evidence"), self.statuses.get(version, ("not_tested", "inferred")))
            )
            for version in (SSLV2, *reversed(WALK_ORDER))
        }

    @property
    def spoke_tls(self) -> bool:
        return any(status == "accepted" for status, _evidence in self.statuses.values())


class TlsWalk:
    """One walk on one endpoint. `names`: what may be sent as SNI, in order; `depth`: quick | normal | handshake."""

    def __init__(self, ask: Ask, names: tuple[str, ...], depth: str) -> None:
        self._ask = ask
        self._names = names
        self._quick = depth == "quick"
        #: Old stacks that stumble over extensions get hellos without, for the rest of the walk.
        self._bare = False
        self.facts = WalkFacts(server_name=names[0] if names else None)

    async def run(self) -> WalkFacts:
        """Walk. Exceptions of `ask` (breaker, budget, no connection) pass through; the facts stay."""
        if await self._find_highest():
            await self._descend()
            await self._ask_sslv2()
        elif self.facts.last is not None and self.facts.last.kind in ("alert", "reset", "eof"):
            await self._ask_sslv2()
        self._settle()
        return self.facts

    async def _hello(
        self, version: int, suites: tuple[int, ...] | None = None, key_share: bool = False, bare: bool | None = None
    ) -> Answer:
        bare = self._bare if bare is None else bare
        hello = client_hello(
            version, self.facts.server_name, suites, bare=bare or version == SSLV3, key_share=key_share
        )
        answer = await self._ask(hello, self.facts.chain is None, False)
        self._learn(answer)
        return answer

    def _learn(self, answer: Answer) -> None:
        facts = self.facts
        facts.last = answer
        if answer.hello is None:
            return
        if not answer.hello.retry:
            facts.randoms.append((answer.at, answer.hello.random))
        if facts.negotiated is None or answer.hello.version > facts.negotiated.version:
            facts.negotiated = answer.hello
        if answer.chain and facts.chain is None:
            facts.chain = answer.chain
        if answer.certificate_requested is not None:
            facts.certificate_requested = answer.certificate_requested

    async def _find_highest(self) -> bool:
        """Get a first ServerHello, by ever simpler hellos; whether one came."""
        top = TLS12 if self._quick else TLS13
        answer = await self._offer(top)
        if answer.kind == "alert":
            answer = await self._answer_to_alert(top, answer)
        if answer.kind in ("alert", "reset", "eof", "silence"):
            answer = await self._try_bare()
        return answer.kind == "server_hello"

    async def _answer_to_alert(self, top: int, refusal: Answer) -> Answer:
        """An alert is TLS: look for the name, the key share, the version or the suites that this server wants."""
        answer = refusal
        if self.facts.server_name is not None and refusal.alert in (UNRECOGNIZED_NAME, HANDSHAKE_FAILURE):
            first = self.facts.server_name
            for name in (*self._names[1:3], None) if refusal.alert == UNRECOGNIZED_NAME else (None,):
                self.facts.server_name = name
                answer = await self._offer(top)
                if answer.kind != "alert":
                    return answer
            self.facts.server_name = first
        if top == TLS13:
            answer = await self._hello(TLS13, key_share=True)
            self._record(TLS13, answer)
            if answer.kind == "alert":
                answer = await self._offer(TLS12, thorough=True)
        else:
            answer = await self._offer(TLS13)
        return answer

    async def _try_bare(self) -> Answer:
        """Version-intolerant and very old servers: TLS 1.0 without extensions, and from there up again."""
        answer = await self._hello(TLS10, bare=True)
        self._record(TLS10, answer)
        if answer.kind not in ("server_hello", "alert"):
            return answer
        self._bare = True
        for version in (TLS12, TLS11):
            higher = await self._hello(version)
            self._record(version, higher)
            if higher.kind == "server_hello":
                return higher
        return answer

    async def _descend(self) -> None:
        """Offer what lies below the highest answer until all is known; one refusal speaks for all below it."""
        statuses = self.facts.statuses
        highest = max(version for version, (status, _) in statuses.items() if status == "accepted")
        if self._quick and statuses.get(TLS12, ("", ""))[1].startswith("alert"):
            # The hello that offered TLS 1.2 and all below was refused: it speaks for them.
            for version in WALK_ORDER[2:]:
                statuses.setdefault(version, ("refused", "inferred"))
        while True:
            unknown = [version for version in WALK_ORDER if version < highest and version not in statuses]
            if not unknown:
                return
            answer = await self._offer(unknown[0], thorough=True)
            if answer.kind != "server_hello":
                status, _evidence = statuses[unknown[0]]
                for version in unknown[1:]:
                    statuses.setdefault(version, (status, "inferred"))
                return

    async def _offer(self, version: int, thorough: bool = False) -> Answer:
        """Ask for `version` or lower; `thorough`: a handshake_failure is asked again with every other suite."""
        answer = await self._hello(version)
        # The first hello for these two holds every suite that the version knows.
        complete = version in (TLS13, SSLV3)
        if (
            answer.alert == HANDSHAKE_FAILURE
            and answer.kind == "alert"
            and thorough
            and not complete
            and not self._quick
        ):
            for suites in LEGACY_OTHERS if version < TLS12 else TLS12_OTHERS:
                answer = await self._hello(version, suites)
                if answer.kind != "alert" or answer.alert != HANDSHAKE_FAILURE:
                    break
            complete = True
        self._record(version, answer, complete)
        return answer

    def _record(self, offered: int, answer: Answer, complete: bool = True) -> None:
        """Write what a hello that offered `offered` and all below says of each version.

        `complete`: every suite of the version was offered, so that a handshake_failure is a refusal.
        """
        statuses = self.facts.statuses
        if answer.hello is None:
            status = {"silence": "no_answer", "alert": "refused", "reset": "refused", "eof": "refused"}.get(
                answer.kind, "undetermined"
            )
            if answer.alert == HANDSHAKE_FAILURE and not complete:
                status = "undetermined"
            if statuses.get(offered, ("",))[0] != "accepted":
                statuses[offered] = (status, answer.evidence)
            return
        spoken = answer.hello.version
        statuses[spoken] = ("accepted", "server_hello")
        for version in WALK_ORDER:
            if spoken < version <= offered and statuses.get(version, ("",))[0] != "accepted":
                statuses[version] = ("refused", "server_hello")
        if self._quick and spoken < TLS13 and offered < TLS13:
            # A mark in the random proves TLS 1.3; its absence proves nothing, and quick does not ask.
            marked = answer.hello.downgraded_from_tls13
            statuses.setdefault(TLS13, ("accepted" if marked else "not_tested", "inferred"))

    async def _ask_sslv2(self) -> None:
        """SSLv2 has a hello of its own: sent last, and only where something as old was seen, or nothing at all."""
        statuses = self.facts.statuses
        old = [version for version in (SSLV3, TLS10) if statuses.get(version, ("",))[0] == "accepted"]
        if self._quick or (self.facts.spoke_tls and not old):
            statuses[SSLV2] = ("refused", "inferred") if self.facts.spoke_tls else ("not_tested", "inferred")
            return
        answer = await self._ask(sslv2_client_hello(), False, True)
        if answer.kind == "sslv2":
            statuses[SSLV2] = ("accepted", "server_hello")
        elif answer.kind == "silence":
            statuses[SSLV2] = ("no_answer", "silence")
        else:
            statuses[SSLV2] = ("refused", answer.evidence)

    def _settle(self) -> None:
        """An end, a reset or an alert means "refused" only where another hello got a ServerHello."""
        if self.facts.spoke_tls:
            return
        for version, (status, evidence) in self.facts.statuses.items():
            if status == "refused":
                self.facts.statuses[version] = ("undetermined", evidence)


def negotiated(facts: WalkFacts) -> dict[str, str] | None:
    """The observation's `negotiated`: the highest version that was answered, and its cipher."""
    if facts.negotiated is None:
        return None
    return {"version": VERSION_NAMES[facts.negotiated.version], "cipher": cipher_name(facts.negotiated.cipher)}
