# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The descending walk: which TLS versions an endpoint speaks, its chain and cipher, in the fewest hellos.

A server picks its highest version up to what a hello offers. So: offer all; then offer what lies below the answer;
stop at the first refusal. Connections = accepted versions + 1. A server that answers none of this is asked simpler.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.exchange import Answer
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.hello import (
    can_be_server_name,
    client_hello,
    further_hellos,
    sslv2_client_hello,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.random_clock import looks_like_a_clock
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.suites import cipher_name
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (
    HANDSHAKE_FAILURE,
    INSUFFICIENT_SECURITY,
    PROTOCOL_VERSION,
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
)

#: ask(hello, whole, sslv2) -> Answer, on a connection of its own
Ask = Callable[[bytes, bool, bool], Awaitable[Answer]]

#: How many of the declared names are tried where a server knows none of the first.
_NAMES_TRIED = 3
#: Alerts that may only say "no suite in common".
_NO_COMMON_SUITE = (HANDSHAKE_FAILURE, INSUFFICIENT_SECURITY)
_NOTHING_IN_COMMON = tuple(("undetermined", f"alert:{alert}") for alert in _NO_COMMON_SUITE)


@dataclass
class WalkFacts:
    """What the walk learned; grows while it runs, so that an interrupted walk keeps what it saw.

    `statuses`: version -> (status, evidence), where "refused" may still stand on a reset or an end of file alone.
    """

    statuses: dict[int, tuple[str, str]] = field(default_factory=dict)
    negotiated: ServerHello | None = None
    chain: tuple[bytes, ...] | None = None
    certificate_requested: bool | None = None
    server_name: str | None = None
    last: Answer | None = None
    #: (vantage time, ServerHello.random) of the hellos that were answered in TLS 1.2 or older
    randoms: list[tuple[float, bytes]] = field(default_factory=list)

    def versions(self) -> dict[str, dict[str, str]]:
        """The observation's `versions`: all six, in order from old to new."""
        versions = {}
        for version in (SSLV2, *reversed(WALK_ORDER)):
            status, evidence = self.statuses.get(version, ("not_tested", "inferred"))
            if status == "refused" and not self.spoke_tls:
                # A server that refuses everything may refuse us: no version, no name, no address of ours helped.
                status = "undetermined"
            versions[VERSION_NAMES[version]] = {"status": status, "evidence": evidence}
        return versions

    @property
    def spoke_tls(self) -> bool:
        """Whether any hello was answered with a ServerHello."""
        return any(status == "accepted" for status, _evidence in self.statuses.values())

    def status(self, version: int) -> str:
        """The status of one version, "" where it was not asked."""
        return self.statuses.get(version, ("", ""))[0]


class TlsWalk:
    """One walk on one endpoint.

    `names`: what may be sent as SNI, in order; `depth`: quick | normal | handshake; `confirm_clock`: a ServerHello
    whose random looks like a clock is worth a second one, because nothing else will tell the time.
    """

    def __init__(self, ask: Ask, names: tuple[str, ...], depth: str, confirm_clock: bool = False) -> None:
        self._ask = ask
        self._names = tuple(name for name in names if can_be_server_name(name))[:_NAMES_TRIED]
        self._quick = depth == "quick"
        self._confirm_clock = confirm_clock and not self._quick
        self._top = TLS12 if self._quick else TLS13
        #: Old stacks that stumble over extensions get hellos without, for the rest of the walk.
        self._bare = False
        #: what the server chose so far, and by version what the last hello for it offered
        self._suites: set[int] = set()
        self._offered: dict[int, tuple[int, ...]] = {}
        self.facts = WalkFacts(server_name=self._names[0] if self._names else None)

    async def run(self) -> WalkFacts:
        """Walk. Exceptions of `ask` (breaker, budget, no connection) pass through; the facts stay."""
        answer = await self._offer(self._top)
        if answer.kind == "alert":
            answer = await self._after_alert(answer)
        elif answer.kind in ("reset", "eof"):
            answer = await self._after_hang_up()
        if not self.facts.spoke_tls and answer.alert != UNRECOGNIZED_NAME:
            await self._climb(answer)
        if self.facts.spoke_tls:
            await self._descend()
        await self._ask_sslv2()
        if self.facts.spoke_tls:
            self._infer_skipped()
        await self._ask_clock_again()
        return self.facts

    # -- the first ServerHello

    async def _after_alert(self, refusal: Answer) -> Answer:
        """An alert is TLS: look for the name, the group, the version or the suites that this server wants."""
        answer = refusal
        if answer.alert != PROTOCOL_VERSION:
            answer = await self._offer_other_names(refusal)
            if answer.kind != "alert" or answer.alert == UNRECOGNIZED_NAME:
                return answer
        if self._quick:
            return await self._offer(TLS13)
        if answer.alert in _NO_COMMON_SUITE:
            answer = await self._offer_further(TLS13)
            if answer.kind == "server_hello":
                return answer
        return answer if refusal.alert == PROTOCOL_VERSION else await self._offer(TLS12)

    async def _offer_other_names(self, refusal: Answer) -> Answer:
        """Servers that know another of the device's names, or none: some choke on any."""
        first, answer = self.facts.server_name, refusal
        if first is None:
            return refusal
        others = self._names[1:] if refusal.alert == UNRECOGNIZED_NAME else ()
        for name in (*others, None):
            self.facts.server_name = name
            answer = await self._offer(self._top)
            if answer.kind != "alert":
                return answer
        self.facts.server_name = first
        return refusal

    async def _after_hang_up(self) -> Answer:
        """A server that hangs up may choke on the name, or on what is newer than itself: leave both out."""
        name, self.facts.server_name = self.facts.server_name, None
        answer = await self._offer(TLS12)
        if self._quick or answer.kind not in ("server_hello", "alert"):
            return answer
        newer = await self._offer(TLS13)
        if newer.kind == "server_hello" or answer.kind == "server_hello" or name is None:
            return newer
        self.facts.server_name = name
        return await self._offer(TLS12)

    async def _climb(self, last: Answer) -> None:
        """Version-intolerant and very old servers: from TLS 1.0 without extensions up, one version at a time."""
        if last.kind in ("not_tls", "starttls_refused", "starttls_unavailable"):
            return
        self._bare = True
        answer = await self._offer(TLS10)
        if answer.kind == "server_hello":
            await self._offer_higher()
            return
        if answer.kind == "alert":
            # TLS 1.2 with extensions was understood, where it was answered with an alert.
            asked = self.facts.statuses.get(TLS12, ("", ""))[1].startswith("alert")
            for version in (TLS11,) if asked else (TLS12, TLS11):
                answer = await self._offer(version)
                if answer.kind == "server_hello":
                    return
        if self.facts.status(TLS12) == "undetermined":
            self._bare = False
            answer = await self._offer_further(TLS12)
            if answer.kind == "server_hello":
                return
            self._bare = True
        if answer.kind in ("alert", "reset", "eof"):
            await self._offer(SSLV3)

    async def _offer_higher(self) -> None:
        """After TLS 1.0 without extensions: one version at a time, so that a server hangs on one hello at most."""
        for version in (TLS11, TLS12):
            answer = await self._offer(version)
            if answer.hello is None or answer.hello.version < version:
                return

    def _infer_skipped(self) -> None:
        """A hello that was refused, or not answered, offered the versions below it too."""
        statuses = self.facts.statuses
        for newer, version in zip(WALK_ORDER, WALK_ORDER[1:]):
            if self.facts.status(newer) in ("refused", "no_answer"):
                statuses.setdefault(version, (self.facts.status(newer), "inferred"))

    # -- and what lies below

    async def _descend(self) -> None:
        """Offer what lies below the highest answer until all is known; one refusal speaks for all below it."""
        statuses = self.facts.statuses
        highest = max(version for version in WALK_ORDER if self.facts.status(version) == "accepted")
        if self._quick and self.facts.statuses.get(TLS12, ("", ""))[1].startswith("alert"):
            # The hello that offered TLS 1.2 and all below was refused: it speaks for them.
            for version in WALK_ORDER[2:]:
                statuses.setdefault(version, (self.facts.status(TLS12), "inferred"))
        while True:
            unknown = [version for version in WALK_ORDER if version < highest and self._is_open(version)]
            if not unknown:
                return
            answer = await (self._offer(unknown[0]) if self._quick else self._offer_thoroughly(unknown[0]))
            if answer.hello is None or answer.hello.version > unknown[0]:
                status, _evidence = statuses[unknown[0]]
                for version in unknown[1:]:
                    statuses[version] = (status, "inferred")
                return

    def _is_open(self, version: int) -> bool:
        """Whether a version was not asked yet, or not with every suite."""
        found = self.facts.statuses.get(version)
        return found is None or (found in _NOTHING_IN_COMMON and not self._quick)

    async def _ask_sslv2(self) -> None:
        """SSLv2 has a hello of its own: sent last, and only where something as old was seen, or nothing at all."""
        facts = self.facts
        old = "accepted" in (facts.status(SSLV3), facts.status(TLS10))
        if facts.spoke_tls and not old:
            facts.statuses[SSLV2] = ("refused", "inferred")
            return
        last = facts.last
        nothing = last is not None and last.kind in ("alert", "reset", "eof") and last.alert != UNRECOGNIZED_NAME
        if self._quick or not (old or nothing):
            return
        answer = await self._ask(sslv2_client_hello(), False, True)
        unasked = dict.fromkeys(("starttls_refused", "starttls_unavailable"), "undetermined")
        status = {"silence": "no_answer", **unasked}.get(answer.kind, "refused")
        facts.statuses[SSLV2] = (status, answer.evidence)
        if answer.sslv2 is not None:
            if answer.sslv2.cipher_kinds:
                facts.statuses[SSLV2] = ("accepted", "server_hello")
            if facts.chain is None and answer.sslv2.certificate is not None:
                facts.chain = (answer.sslv2.certificate,)

    async def _ask_clock_again(self) -> None:
        facts = self.facts
        if self._confirm_clock and len(facts.randoms) == 1 and looks_like_a_clock(*facts.randoms[0]):
            versions = [version for version in WALK_ORDER if version < TLS13 and facts.status(version) == "accepted"]
            await self._send(client_hello(max(versions), facts.server_name, self._bare).sent)

    # -- one hello

    async def _offer(self, version: int) -> Answer:
        """Ask for `version` or lower, and write down what the answer says."""
        hello = client_hello(version, self.facts.server_name, self._bare, self._quick)
        self._offered[version] = hello.suites
        answer = await self._send(hello.sent)
        # A suite that this server took before was offered again: "no suite in common" is then a refusal.
        known = not self._suites.isdisjoint(hello.suites)
        self._record(version, answer, complete=known or version == SSLV3)
        return answer

    async def _offer_thoroughly(self, version: int) -> Answer:
        """The same, and where it brings "no suite in common", once more with everything else that exists."""
        if self.facts.statuses.get(version) not in _NOTHING_IN_COMMON:
            answer = await self._offer(version)
            if self.facts.statuses.get(version) not in _NOTHING_IN_COMMON:
                return answer
        return await self._offer_further(version)

    async def _offer_further(self, version: int) -> Answer:
        for hello in further_hellos(version, self.facts.server_name):
            answer = await self._send(hello)
            if answer.kind != "alert" or answer.alert not in _NO_COMMON_SUITE:
                break
        self._record(version, answer, complete=True)
        return answer

    async def _send(self, hello: bytes) -> Answer:
        facts = self.facts
        answer = await self._ask(hello, facts.chain is None, False)
        facts.last = answer
        if answer.hello is None:
            return answer
        self._suites.add(answer.hello.cipher)
        if answer.hello.version < TLS13:
            facts.randoms.append((answer.at, answer.hello.random))
        if facts.negotiated is None or answer.hello.version > facts.negotiated.version:
            facts.negotiated = answer.hello
        if answer.chain and facts.chain is None:
            facts.chain = answer.chain
        if answer.certificate_requested is not None:
            facts.certificate_requested = answer.certificate_requested
        return answer

    def _record(self, offered: int, answer: Answer, complete: bool) -> None:
        """Write what a hello that offered `offered` and all below says of each version.

        `complete`: every suite of the version was offered, so that "no common suite" is a refusal.
        """
        statuses = self.facts.statuses
        if answer.hello is None:
            status = {"silence": "no_answer", "alert": "refused", "reset": "refused", "eof": "refused"}.get(
                answer.kind, "undetermined"
            )
            if answer.kind == "alert" and answer.alert in _NO_COMMON_SUITE and not complete:
                status = "undetermined"
            known, evidence = statuses.get(offered, ("", ""))
            # An alert says more than a hang-up, and a ServerHello more than both.
            if known != "accepted" and (answer.kind == "alert" or not evidence.startswith(("alert", "server_hello"))):
                statuses[offered] = (status, answer.evidence)
            return
        spoken = answer.hello.version
        statuses[spoken] = ("accepted", "server_hello")
        for version, (status, evidence) in statuses.items():
            # "No suite in common", said to a hello that did offer what this server has now taken: it was the version.
            if (status, evidence) in _NOTHING_IN_COMMON and not self._suites.isdisjoint(self._offered.get(version, ())):
                statuses[version] = ("refused", evidence)
        for version in WALK_ORDER:
            # A server that answers above what was offered does not speak what was offered either.
            passed_over = spoken < version <= offered or version == offered < spoken
            if passed_over and self.facts.status(version) != "accepted":
                statuses[version] = ("refused", "server_hello")
        if self._quick and spoken < TLS13 and offered < TLS13:
            # A mark in the random proves TLS 1.3; its absence proves nothing, and quick does not ask.
            marked = answer.hello.downgraded_from_tls13
            statuses.setdefault(TLS13, ("accepted" if marked else "not_tested", "inferred"))


def negotiated(facts: WalkFacts) -> dict[str, str] | None:
    """The observation's `negotiated`: the highest version that was answered, and its cipher."""
    if facts.negotiated is None:
        return None
    return {"version": VERSION_NAMES[facts.negotiated.version], "cipher": cipher_name(facts.negotiated.cipher)}
