# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk: which TLS versions an endpoint speaks, its chains and suites, in the fewest hellos.

A server picks its highest version up to what a hello offers. So: offer TLS 1.2, which shows the chain, and whose
answer is marked where the server knows TLS 1.3; ask for TLS 1.3 where it is not; then offer what lies below, until a
refusal that speaks for all below it. A server that answers none of this is asked simpler.

A cut (a reset, an end of file, an alert that is not about the version) is no refusal: a limiter or an intrusion
prevention system cuts too. What rests on one stays unconfirmed until a control is answered at once, before a limiter
can have forgotten us; until an old hello that comes first after a rest, which a limiter lets through, is cut again; and
as long as what cuts by turns would do the same (`cuts`). The control is the visit's whole handshake. Silence is no
refusal at all: whoever drops packets is silent too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.asker import (
    NO_COMMON_SUITE,
    NOTHING_IN_COMMON,
    Ask,
    Asker,
    Rest,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.exchange import Answer
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.facts import VersionFact, WalkFacts
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.hello import (
    client_hello,
    sslv2_client_hello,
    weak_hello,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.random_clock import looks_like_a_clock
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.suites import WEAK
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (
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

#: How many of the declared names are tried where a server knows none of the first.
_NAMES_TRIED = 3
_NOT_ABOUT_VERSIONS = ("not_tls", "starttls_refused", "starttls_unavailable")
_CUT = ("reset", "eof")


#: The whole handshake, as a control.
Control = Callable[[], Awaitable[None]]


class TlsWalk(Asker):
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
        super().__init__(ask, rest, names, depth == "quick", nameless)
        self._thorough = depth == "thorough"
        self._confirm_clock = confirm_clock and not self._quick
        #: the whole handshake, which follows the first old hello that is cut
        self.control_at_once: Control | None = None
        #: The newest old version that was cut with extensions: perhaps because of them.
        self._doubted: int | None = None

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
                if self._thorough:
                    await self._ask_elliptic()
            await self._descend()
        await self._ask_sslv2()
        if facts.spoke_tls:
            self._infer_skipped()
            if self._thorough:
                await self._ask_weak()
            elif not self._quick:
                await self._ask_elliptic()
            if not facts.unconfirmed:
                await self._ask_clock_again()
            await self._change_turns()
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
        if newest.kind == "alert" and newest.alert in NO_COMMON_SUITE and not self._quick:
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
                await self._send_for_key("rsa", facts.server_name)
        elif TLS13 not in facts.statuses and not self._bare:
            await self._offer_newest("rsa" if elliptic else "any")

    async def _ask_elliptic(self) -> None:
        """ECDSA alone, where RSA was shown: the last handshake asks for it first, but a server may have its own order.

        Left out where the control of a cut must come next, and where TLS 1.3 had to be asked for: four are enough.
        """
        facts = self.facts
        silent = any(fact.status == "no_answer" for fact in facts.statuses.values())
        spent = silent or bool(facts.unconfirmed) or facts.evidence(TLS13) != "inferred"
        rsa = bool(facts.shown) and facts.shown[0].key == "rsa"
        if rsa and facts.status(TLS12) == "accepted" and not self._bare and (self._thorough or not spent):
            await self._send_for_key("ecdsa", facts.server_name)

    async def _offer_newest(self, key: str = "any") -> Answer:
        """TLS 1.3, with the name; and once more without, where the first hellos went without and were understood."""
        answer = await self._offer(TLS13, key)
        if key != "any" and answer.alert in NO_COMMON_SUITE:
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
        lowest = facts.accepted()[-1]
        said = [version for version in WALK_ORDER if version < lowest and facts.evidence(version) == "alert:70"]
        if said and not self._thorough:
            for version in WALK_ORDER:
                if version < said[-1] and version not in facts.statuses:
                    self._infer(said[-1], version)
        below = [version for version in WALK_ORDER if version < highest and self._is_open(version)]
        for at, version in enumerate(below):
            answer = await self._ask_version(version)
            await self._make_sure(version)
            fact = facts.statuses[version]
            if fact.status == "accepted":
                continue
            # A hello that a device hangs on is not sent again in another form.
            silent = answer.kind == "silence"
            above = answer.hello is not None and answer.hello.version > version
            if self._quick or silent or above or (fact.evidence == "alert:70" and not self._thorough):
                for lower in below[at + 1 :]:
                    self._infer(version, lower, "undetermined" if silent and not self._quick else None)
                break

    async def _make_sure(self, version: int) -> None:
        """The whole handshake follows the first old hello that was cut, at once, as its control.

        It waits for the end of the walk where it would meet the node that answered first (`_change_turns`). Then a
        rest: what a limiter cut before, it lets through now. Later, what was cut first is asked again between
        others, where turns of two or three may hit it alone.
        """
        facts = self.facts
        if self.control_at_once is not None:
            if version in facts.unconfirmed and facts.is_judged(version):
                if not (self._rested or self._meets_the_first_node()):
                    control, self.control_at_once = self.control_at_once, None
                    await control()
                await self._rest_once()
        elif (doubtful := self.doubtful()) is not None and doubtful != version and not self._quick:
            if not self._fresh:
                await self.rest()
            await self.repeat(doubtful)

    def _meets_the_first_node(self) -> bool:
        """Whether the next connection falls to the node that answered first, where two answer by turns."""
        first = next((at for at, one in enumerate(self.facts.diary) if one.let_in), 0)
        return (len(self.facts.diary) - first) % 2 == 0

    async def _change_turns(self) -> None:
        """What was cut is asked once more where the control, still to come, would meet the node that answered first.

        So of two nodes behind one address both are seen, with their chains.
        """
        facts = self.facts
        cut = [version for version in WALK_ORDER if version in self._cuts and version in facts.unconfirmed]
        judged = [version for version in cut if facts.is_judged(version)]
        if judged and self.control_at_once is not None and self._meets_the_first_node():
            if not self._fresh:
                await self.rest()
            await self.repeat(judged[0])

    def _is_open(self, version: int) -> bool:
        """Whether a version was not asked yet, or not with every suite, or cut before the first ServerHello."""
        fact = self.facts.statuses.get(version)
        if fact is None:
            return True
        return not self._quick and (self._is_cut(version) or (self._thorough and fact.evidence == "inferred"))

    def _is_cut(self, version: int) -> bool:
        """Whether the last answer said neither yes nor no, and was no silence."""
        fact = self.facts.statuses[version]
        return (fact.status == "undetermined" and fact.evidence in NOTHING_IN_COMMON) or (
            fact.status == "refused" and version in self.facts.unconfirmed
        )

    async def _ask_version(self, version: int) -> Answer:
        if version == TLS12 and self.facts.evidence(TLS12) in NOTHING_IN_COMMON and not self._quick:
            return await self._offer_further(TLS12)
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
        if doubted is None:
            return
        differs = self.facts.evidence(version) != self.facts.evidence(doubted)
        if differs or self.facts.status(doubted) == "undetermined":
            answer = await self._offer(doubted)
            if differs and (answer.kind == "server_hello" or answer.alert == PROTOCOL_VERSION):
                # It was the form of the hello: the last handshake goes without the name.
                self.facts.server_name = None

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
        hello = sslv2_client_hello()
        answer = await self._put(hello, SSLV2)
        status = {"starttls_refused": "undetermined", "starttls_unavailable": "undetermined", "silence": "no_answer"}
        facts.statuses[SSLV2] = VersionFact(status.get(answer.kind, "refused"), answer.evidence)
        if facts.status(SSLV2) == "refused" and answer.alert != PROTOCOL_VERSION:
            facts.unconfirmed.add(SSLV2)
        if answer.sslv2 is not None:
            if answer.sslv2.cipher_kinds:
                facts.statuses[SSLV2] = VersionFact("accepted", "server_hello")
                facts.unconfirmed.discard(SSLV2)
                self._control = self._control or (hello, SSLV2)
            if facts.chain is None and answer.sslv2.certificate is not None:
                facts.show(SSLV2, "any", None, (answer.sslv2.certificate,))

    async def _ask_weak(self) -> None:
        """One hello that offers nothing but weak suites, in the newest version that has them."""
        facts = self.facts
        versions = facts.accepted(TLS12, TLS11, TLS10, SSLV3)
        if not versions:
            facts.weak = VersionFact("refused", "inferred")
            return
        answer = await self._send(weak_hello(versions[0], facts.server_name).sent, facts.WEAK, facts.server_name)
        if answer.hello is not None:
            weak = answer.hello.cipher in WEAK
            facts.weak = VersionFact(
                "accepted" if weak else "refused", "server_hello", answer.hello.cipher if weak else None
            )
            return
        facts.weak = VersionFact("undetermined" if answer.kind == "silence" else "refused", answer.evidence)
        if facts.weak.status == "refused" and answer.alert not in NO_COMMON_SUITE:
            facts.unconfirmed.add(facts.WEAK)

    async def _ask_clock_again(self) -> None:
        facts = self.facts
        versions = facts.accepted(TLS12, TLS11, TLS10, SSLV3)
        if self._confirm_clock and len(facts.randoms) == 1 and versions and looks_like_a_clock(*facts.randoms[0]):
            hello = client_hello(versions[0], facts.server_name, self._bare)
            await self._send(hello.sent, versions[0], facts.server_name)

    # -- after the walk

    async def ask_group(self) -> int | None:
        """The group that a server of TLS 1.3 wants, by the hello that offers no key share."""
        answer = await self._offer(TLS13)
        return answer.hello.group if answer.hello is not None else None

    async def ask_name(self, name: str) -> None:
        """One hello with one more declared name, in the newest version that shows its chain in clear."""
        facts = self.facts
        version = facts.accepted(TLS12, TLS11, TLS10)[0]
        answer = await self._send(client_hello(version, name).sent, version, name)
        facts.names.append((name, facts.place(answer.chain), answer.evidence))

    async def ask_key(self, key: str, server_name: str | None) -> None:
        """One hello for one kind of key alone, with a name (or without) that it was not asked with."""
        await self._send_for_key(key, server_name)
