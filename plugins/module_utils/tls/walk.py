# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk: which TLS versions an endpoint speaks, its chains and suites, in the fewest hellos.

A server picks its highest version up to what a hello offers. So: offer TLS 1.2, which shows the chain, and whose
answer is marked where the server knows TLS 1.3; ask for TLS 1.3 where it is not; then offer what lies below, until a
refusal that speaks for all below it. A server that answers none of this is asked simpler.

A cut (a reset, an end of file, an alert that is not about the version) is no refusal: a limiter or an intrusion
prevention system cuts too. What rests on one stays unconfirmed until a control is answered right afterwards, which is
the visit's last handshake, or `ask_control`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.exchange import Answer
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.facts import Negotiated, VersionFact, WalkFacts
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.hello import (
    ClientHello,
    can_be_server_name,
    client_hello,
    further_hellos,
    sslv2_client_hello,
    weak_hello,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.key_exchange import KeyExchange, group_name
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.random_clock import looks_like_a_clock
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.suites import WEAK, key_of
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
    WALK_ORDER,
)

#: ask(hello, whole, sslv2) -> Answer, on a connection of its own
Ask = Callable[[bytes, bool, bool], Awaitable[Answer]]
#: rest() gives a limiter time to forget us
Rest = Callable[[], Awaitable[None]]

#: How many of the declared names are tried where a server knows none of the first.
_NAMES_TRIED = 3
#: Alerts that may only say "no suite in common".
_NO_COMMON_SUITE = (HANDSHAKE_FAILURE, INSUFFICIENT_SECURITY)
_NOTHING_IN_COMMON = tuple(f"alert:{alert}" for alert in _NO_COMMON_SUITE)
_NOT_ABOUT_VERSIONS = ("not_tls", "starttls_refused", "starttls_unavailable")
_CUT = ("reset", "eof")


class TlsWalk:
    """One walk on one endpoint.

    `names`: what may be sent as SNI, in order; `nameless`: clients of this service usually send none, so that the
    first hello goes without; `depth`: quick | normal | thorough; `confirm_clock`: a ServerHello whose random looks
    like a clock is worth a second one, because nothing else will tell the time.
    """

    def __init__(
        self,
        ask: Ask,
        rest: Rest,
        names: tuple[str, ...],
        depth: str,
        nameless: bool = False,
        confirm_clock: bool = False,
    ) -> None:
        self._ask = ask
        self._rest = rest
        self.names = tuple(name for name in names if can_be_server_name(name))
        self._quick = depth == "quick"
        self._thorough = depth == "thorough"
        self._confirm_clock = confirm_clock and not self._quick
        #: The first hello goes without a name.
        self._nameless = nameless and not self._quick
        #: Old stacks that stumble over extensions get hellos without, for the rest of the walk.
        self._bare = False
        self._rested = False
        #: The newest old version that was cut with extensions: perhaps because of them.
        self._doubted: int | None = None
        #: by version: what the server chose, and what the last hello for it offered
        self._suites: dict[int, int] = {}
        self._offered: dict[int, tuple[int, ...]] = {}
        self._control: bytes | None = None
        self.facts = WalkFacts(server_name=self.names[0] if self.names else None)

    async def run(self) -> WalkFacts:
        """Walk. Exceptions of `ask` (breaker, budget, no connection) pass through; the facts stay."""
        facts = self.facts
        answer = await self._offer(TLS12)
        if answer.kind == "alert":
            answer = await self._after_alert(answer)
        elif answer.kind in _CUT:
            answer = await self._after_hang_up()
        if not facts.spoke_tls and answer.alert != UNRECOGNIZED_NAME:
            await self._climb(answer)
        if facts.spoke_tls:
            if not self._quick:
                await self._ask_newest()
                await self._ask_clock_again()
            await self._descend()
        await self._ask_sslv2()
        if facts.spoke_tls:
            self._infer_skipped()
            if self._thorough:
                await self._ask_weak()
        return facts

    # -- the first ServerHello

    async def _after_alert(self, refusal: Answer) -> Answer:
        """An alert is TLS: look for the name, the version, the group or the suites that this server wants."""
        answer = refusal
        if answer.alert != PROTOCOL_VERSION:
            answer = await self._offer_other_names(refusal)
            if answer.kind != "alert" or answer.alert == UNRECOGNIZED_NAME:
                return answer
        newest = await self._offer_newest()
        if newest.kind == "alert" and newest.alert in _NO_COMMON_SUITE and not self._quick:
            newest = await self._offer_further(TLS13)
        return newest if newest.kind == "server_hello" else answer

    async def _offer_other_names(self, refusal: Answer) -> Answer:
        """Servers that know another of the device's names, or none: some choke on any, some on none."""
        facts, names = self.facts, self.names[:_NAMES_TRIED]
        first, answer = facts.server_name, refusal
        if first is None:
            return refusal
        if self._nameless:
            self._nameless = False
            others: tuple[str | None, ...] = names if refusal.alert == UNRECOGNIZED_NAME else (first,)
        else:
            others = (*(names[1:] if refusal.alert == UNRECOGNIZED_NAME else ()), None)
        for name in others:
            facts.server_name = name
            answer = await self._offer(TLS12)
            if answer.kind != "alert" or (answer.alert == PROTOCOL_VERSION != refusal.alert):
                return answer
            if name is not None:
                facts.names.append((name, None, answer.evidence))
        facts.server_name = first
        return refusal

    async def _after_hang_up(self) -> Answer:
        """By chance, for a name (or its absence), or for a server of TLS 1.3 alone: one hello asks again for all."""
        if self._nameless:
            self._nameless = False
        else:
            self.facts.server_name = None
        if self._quick:
            return await self._offer(TLS12)
        await self._rest_once()
        return await self._offer(TLS13)

    async def _climb(self, last: Answer) -> None:
        """Version-intolerant and very old servers: from TLS 1.0 without extensions up, one version at a time."""
        if last.kind in _NOT_ABOUT_VERSIONS:
            return
        self._bare = True
        answer = await self._offer(TLS10)
        if answer.kind == "server_hello":
            await self._offer_higher()
        elif answer.kind == "alert":
            # TLS 1.2 with extensions was understood, where it was answered with an alert.
            asked = self.facts.evidence(TLS12).startswith("alert")
            for version in (TLS11,) if asked else (TLS12, TLS11):
                answer = await self._offer(version)
                if answer.kind == "server_hello":
                    break
        if self.facts.status(TLS12) == "undetermined":
            self._bare = False
            further = await self._offer_further(TLS12)
            if further.kind == "server_hello":
                return
            self._bare = True
        if answer.kind in ("alert", *_CUT):
            await self._offer(SSLV3)

    async def _offer_higher(self) -> None:
        """After TLS 1.0 without extensions: one version at a time, so that a server hangs on one hello at most."""
        for version in (TLS11, TLS12):
            answer = await self._offer(version)
            if answer.hello is None or answer.hello.version < version:
                return

    def _infer_skipped(self) -> None:
        """A hello that was refused, or not answered, offered the versions below it too."""
        for newer, version in zip(WALK_ORDER, WALK_ORDER[1:]):
            if self.facts.status(newer) in ("refused", "no_answer") and version not in self.facts.statuses:
                self._infer(newer, version)

    def _infer(self, newer: int, version: int, status: str | None = None) -> None:
        """Write of `version` what was seen of a newer one: as sure, or as unsure."""
        facts = self.facts
        facts.statuses[version] = VersionFact(status or facts.status(newer), "inferred")
        if newer in facts.unconfirmed:
            facts.unconfirmed.add(version)

    # -- what lies above, and the other kind of key

    async def _ask_newest(self) -> None:
        """TLS 1.3 where its mark was missing; and RSA alone where an elliptic key was shown: clients may get either."""
        facts = self.facts
        elliptic = bool(facts.shown) and facts.shown[0].key == "ecdsa"
        if facts.status(TLS13) == "accepted":
            if elliptic and facts.status(TLS12) == "accepted":
                await self._send_for_key("rsa", self._name(TLS12))
        elif TLS13 not in facts.statuses and not self._bare:
            await self._offer_newest("rsa" if elliptic else "any")
        if self._thorough and not elliptic and facts.status(TLS12) == "accepted":
            await self._send_for_key("ecdsa", self._name(TLS12))

    async def _offer_newest(self, key: str = "any") -> Answer:
        """TLS 1.3, with the name; and once more without, where the first hellos went without and were understood."""
        answer = await self._offer(TLS13, key)
        if key != "any" and answer.alert in _NO_COMMON_SUITE:
            return answer
        if self._nameless and self.facts.server_name is not None and answer.kind in ("alert", *_CUT):
            name, self.facts.server_name = self.facts.server_name, None
            again = await self._offer(TLS13, key)
            if again.evidence == answer.evidence:
                self.facts.server_name = name
                return answer
            self.facts.names.append((name, None, answer.evidence))
            return again
        return answer

    # -- and what lies below

    async def _descend(self) -> None:
        """Offer what lies below the highest answer, version by version, until one refusal speaks for all below it."""
        facts = self.facts
        highest = facts.accepted()[0]
        if self._quick and facts.evidence(TLS12).startswith("alert"):
            # The hello that offered TLS 1.2 and all below was refused: it speaks for them.
            for version in WALK_ORDER[2:]:
                if version not in facts.statuses:
                    self._infer(TLS12, version)
        if highest == TLS13 and facts.evidence(TLS12) == "alert:70" and not self._thorough:
            for version in WALK_ORDER[2:]:
                self._infer(TLS12, version)
        below = [version for version in WALK_ORDER if version < highest and self._is_open(version)]
        if below and not self._quick and facts.status(TLS13) != "accepted":
            # A hello more was needed than of a server that knows TLS 1.3: rest at once, and repeat none.
            await self._rest_once()
        for at, version in enumerate(below):
            if version == SSLV3 and facts.status(TLS10) == "accepted" and not self._quick:
                # An old device; and what it cuts now need not be repeated.
                await self._rest_once()
            answer = await self._ask_version(version)
            fact = facts.statuses[version]
            if fact.status == "accepted":
                continue
            silent = answer.kind == "silence"
            if silent and not self._quick:
                # A hello that a device hangs on is not sent again in another form: the control follows at once.
                facts.statuses[version] = VersionFact("refused", "silence")
                facts.unconfirmed.add(version)
            above = answer.hello is not None and answer.hello.version > version
            if self._quick or silent or above or (fact.evidence == "alert:70" and not self._thorough):
                for lower in below[at + 1 :]:
                    self._infer(version, lower, "undetermined" if silent and not self._quick else None)
                break

    def _is_open(self, version: int) -> bool:
        """Whether a version was not asked yet, or not with every suite, or cut before the first ServerHello."""
        fact = self.facts.statuses.get(version)
        if fact is None:
            return True
        return not self._quick and (self._is_cut(version) or (self._thorough and fact.evidence == "inferred"))

    def _is_cut(self, version: int) -> bool:
        """Whether the last answer said neither yes nor no, and was no silence."""
        fact = self.facts.statuses[version]
        return (fact.status == "undetermined" and fact.evidence in _NOTHING_IN_COMMON) or (
            fact.status == "refused" and version in self.facts.unconfirmed
        )

    async def _ask_version(self, version: int) -> Answer:
        if version == TLS12 and self.facts.evidence(TLS12) in _NOTHING_IN_COMMON and not self._quick:
            return await self._offer_further(TLS12)
        answer = await self._offer(version)
        if self._quick or not self._is_cut(version):
            pass
        elif not self._rested:
            await self._rest_once()
            answer = await self._offer(version)
        if self._doubted is not None:
            await self._ask_doubted(version)
        elif not self._quick and SSLV3 < version < TLS12 and not self._bare and self._is_cut(version):
            # Perhaps it stumbles over extensions or over the name: the next hello goes without.
            self._doubted, self._bare = version, True
        return answer

    async def _ask_doubted(self, version: int) -> None:
        """The next older version was asked without extensions: where that went otherwise, so is the newer one.

        So it is where not all suites had room beside the name.
        """
        doubted, self._doubted = self._doubted, None
        assert doubted is not None
        differs = self.facts.evidence(version) != self.facts.evidence(doubted)
        if differs or self.facts.status(doubted) == "undetermined":
            answer = await self._offer(doubted)
            if differs and (answer.kind == "server_hello" or answer.alert == PROTOCOL_VERSION):
                # It was the form of the hello: the last handshake goes without the name.
                self.facts.server_name = None

    async def _rest_once(self) -> None:
        if not self._rested:
            self._rested = True
            await self._rest()

    async def _ask_sslv2(self) -> None:
        """SSLv2 has a hello of its own: sent last, and only where something as old was seen, or nothing at all."""
        facts = self.facts
        old = bool(facts.accepted(SSLV3, TLS10)) or (self._thorough and facts.spoke_tls)
        if facts.spoke_tls and not old:
            facts.statuses[SSLV2] = VersionFact("refused", "inferred")
            return
        last = facts.last
        nothing = last is not None and last.kind in ("alert", *_CUT) and last.alert != UNRECOGNIZED_NAME
        if self._quick or not (old or nothing):
            return
        answer = await self._ask(sslv2_client_hello(), False, True)
        undetermined = answer.kind in ("starttls_refused", "starttls_unavailable")
        facts.statuses[SSLV2] = VersionFact("undetermined" if undetermined else "refused", answer.evidence)
        if answer.alert != PROTOCOL_VERSION:
            facts.unconfirmed.add(SSLV2)
        if answer.sslv2 is not None:
            if answer.sslv2.cipher_kinds:
                facts.statuses[SSLV2] = VersionFact("accepted", "server_hello")
            if facts.chain is None and answer.sslv2.certificate is not None:
                facts.show(SSLV2, "any", None, (answer.sslv2.certificate,))

    async def _ask_weak(self) -> None:
        """One hello that offers nothing but weak suites, in the newest version that has them."""
        facts = self.facts
        versions = facts.accepted(TLS12, TLS11, TLS10, SSLV3)
        if not versions:
            facts.weak = VersionFact("refused", "inferred")
            return
        answer = await self._send(weak_hello(versions[0], facts.server_name).sent, facts.server_name)
        if answer.hello is not None:
            weak = answer.hello.cipher in WEAK
            facts.weak = VersionFact(
                "accepted" if weak else "refused", "server_hello", answer.hello.cipher if weak else None
            )
            return
        facts.weak = VersionFact("undetermined" if answer.kind == "silence" else "refused", answer.evidence)
        if answer.alert not in _NO_COMMON_SUITE:
            facts.unconfirmed.add(facts.WEAK)

    async def _ask_clock_again(self) -> None:
        facts = self.facts
        versions = facts.accepted(TLS12, TLS11, TLS10, SSLV3)
        if self._confirm_clock and len(facts.randoms) == 1 and versions and looks_like_a_clock(*facts.randoms[0]):
            await self._send(client_hello(versions[0], facts.server_name, self._bare).sent, facts.server_name)

    # -- after the walk

    async def ask_control(self) -> bool:
        """Send a hello that was answered before once more: whether it is answered again."""
        if self._control is None:
            return False
        return (await self._ask(self._control, False, False)).kind == "server_hello"

    async def ask_group(self) -> int | None:
        """The group that a server of TLS 1.3 wants, by the hello that offers no key share."""
        answer = await self._offer(TLS13)
        return answer.hello.group if answer.hello is not None else None

    async def ask_name(self, name: str) -> None:
        """One hello with one more declared name, in the newest version that shows its chain in clear."""
        facts = self.facts
        version = facts.accepted(TLS12, TLS11, TLS10)[0]
        answer = await self._send(client_hello(version, name).sent, name)
        facts.names.append((name, facts.place(answer.chain), answer.evidence))

    async def ask_key(self, key: str, server_name: str | None) -> None:
        """One hello for one kind of key alone, with a name (or without) that it was not asked with."""
        await self._send_for_key(key, server_name)

    # -- one hello

    async def _send_for_key(self, key: str, name: str | None) -> None:
        await self._send(client_hello(TLS12, name, key=key).sent, name)

    def _name(self, version: int) -> str | None:
        """The name that a hello carries: none in the first ones of a service whose clients send none."""
        return None if self._nameless and version == TLS12 else self.facts.server_name

    async def _offer(self, version: int, key: str = "any") -> Answer:
        """Ask for `version` or lower, and write down what the answer says."""
        name = self._name(version)
        hello = client_hello(version, name, self._bare, self._quick, key)
        self._offered[version] = hello.suites
        answer = await self._send(hello.sent, name)
        self._record(version, answer, complete=self._is_complete(version, hello, key))
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
            answer = await self._send(hello, name)
            if answer.kind != "alert" or answer.alert not in _NO_COMMON_SUITE:
                break
        self._record(version, answer, complete=True)
        return answer

    async def _send(self, hello: bytes, name: str | None = None) -> Answer:
        facts = self.facts
        answer = await self._ask(hello, not self._quick or facts.chain is None, False)
        facts.last = answer
        if answer.hello is None:
            return answer
        self._control = hello
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
            if fact.status == "undetermined" and fact.evidence in _NOTHING_IN_COMMON and version > spoken and taken:
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
        if answer.alert in _NO_COMMON_SUITE and not complete:
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
