# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hellos of one visit to one endpoint brought together, and when a refusal may be called one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.cuts import Sent, explained, wavers
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.exchange import Answer
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.suites import cipher_name
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (
    SSLV2,
    SSLV3,
    TLS10,
    TLS11,
    VERSION_NAMES,
    WALK_ORDER,
)


@dataclass(frozen=True)
class VersionFact:
    """What was seen of one version: the observation's status and evidence, and the suite that was chosen."""

    status: str
    evidence: str
    cipher: int | None = None


@dataclass(frozen=True)
class Negotiated:
    """What a hello, or the completed handshake, agreed on with the server."""

    version: int
    cipher: int
    group: str | None = None
    group_number: int | None = None
    signature: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """The observation's `negotiated`."""
        return {
            "version": VERSION_NAMES[self.version],
            "cipher": cipher_name(self.cipher),
            "group": self.group,
            "signature_algorithm": self.signature,
        }


@dataclass(frozen=True)
class Shown:
    """A chain, and the client that gets it: version, kind of key (rsa | ecdsa | any: not known), name that was sent."""

    version: int
    key: str
    server_name: str | None
    chain: tuple[bytes, ...]

    def shown_to(self) -> dict[str, str | None]:
        """The observation's `shown_to`."""
        return {"version": VERSION_NAMES[self.version], "key": self.key, "server_name": self.server_name}


@dataclass
class WalkFacts:
    """What the walk learned; grows while it runs, so that an interrupted walk keeps what it saw.

    `statuses`: "refused" may stand on a reset, an end of file or an alert that says nothing of the version; such
    versions are `unconfirmed` until a hello that was answered before is answered again right afterwards (`settle`), and
    nothing that cuts whatever comes explains them.
    `weak`: the status and evidence of the hello that offers nothing but weak suites.
    """

    statuses: dict[int, VersionFact] = field(default_factory=dict)
    unconfirmed: set[int] = field(default_factory=set)
    #: True: the control was answered; False: it was not; None: nothing to confirm
    steady: bool | None = None
    #: every connection in turn
    diary: list[Sent] = field(default_factory=list)
    negotiated: Negotiated | None = None
    shown: list[Shown] = field(default_factory=list)
    certificate_requested: bool | None = None
    server_name: str | None = None
    #: (name, index in `shown` or None, evidence) of the further declared names
    names: list[tuple[str, int | None, str]] = field(default_factory=list)
    weak: VersionFact | None = None
    #: (kind of key, name or None) that some hello was answered with
    cells: set[tuple[str, str | None]] = field(default_factory=set)
    last: Answer | None = None
    #: (vantage time, ServerHello.random) of the hellos that were answered in TLS 1.2 or older
    randoms: list[tuple[float, bytes]] = field(default_factory=list)

    #: The place of the weak suites among the unconfirmed.
    WEAK = -1

    def versions(self) -> dict[str, dict[str, str]]:
        """The observation's `versions`: all six, in order from old to new."""
        return {VERSION_NAMES[version]: self._version(version) for version in (SSLV2, *reversed(WALK_ORDER))}

    def _version(self, version: int) -> dict[str, str]:
        fact = self.statuses.get(version, VersionFact("not_tested", "inferred"))
        told = {"status": self._settled(version, fact), "evidence": fact.evidence}
        if told["status"] == "refused" and version in self.unconfirmed:
            told["control"] = "answered"
        if told["status"] == "accepted" and fact.cipher is not None:
            told["cipher"] = cipher_name(fact.cipher)
        return told

    def _settled(self, version: int, fact: VersionFact) -> str:
        # A server that refuses everything may refuse us: no version, no name, no address of ours helped.
        doubted = version in self.unconfirmed and (self.unsteady is not False or self.is_doubtful(version))
        return "undetermined" if fact.status == "refused" and (doubted or not self.spoke_tls) else fact.status

    @property
    def unsteady(self) -> bool | None:
        """The observation's `answers_unsteadily`: None where nothing was cut."""
        if self.steady is None:
            return None
        return not self.steady or wavers(self.diary) or any(map(self.is_doubtful, self.unconfirmed))

    def is_judged(self, version: int) -> bool:
        """Whether a verdict may hang on the refusal of a version: not where something else as old was accepted."""
        if version == SSLV3 or version not in (TLS11, TLS10, self.WEAK):
            return version == SSLV3 and not self.accepted(TLS11, TLS10, SSLV2)
        return self.status(SSLV2) != "accepted"

    def is_doubtful(self, version: int) -> bool:
        """Whether something that cuts whatever comes explains the cuts of a version that is judged."""
        return version in self.unconfirmed and self.is_judged(version) and explained(version, self.diary)

    def weak_suites(self) -> dict[str, Any]:
        """The observation's `weak_suites`."""
        if self.weak is None:
            return {"status": "not_tested", "accepted": [], "evidence": "inferred"}
        accepted = [cipher_name(self.weak.cipher)] if self.weak.cipher is not None else []
        return {"status": self._settled(self.WEAK, self.weak), "accepted": accepted, "evidence": self.weak.evidence}

    def settle(self, answered: bool) -> None:
        """Take what the control brought; without anything to confirm it says nothing."""
        if self.unconfirmed:
            self.steady = answered

    @property
    def spoke_tls(self) -> bool:
        """Whether any hello was answered with a ServerHello."""
        return any(fact.status == "accepted" for fact in self.statuses.values())

    @property
    def chain(self) -> tuple[bytes, ...] | None:
        """The chain of the first hello that got one."""
        return self.shown[0].chain if self.shown else None

    def status(self, version: int) -> str:
        """The status of one version, "" where it was not asked."""
        return self.statuses[version].status if version in self.statuses else ""

    def evidence(self, version: int) -> str:
        """The evidence for one version, "" where it was not asked."""
        return self.statuses[version].evidence if version in self.statuses else ""

    def accepted(self, *among: int) -> list[int]:
        """The versions that were accepted, newest first."""
        return [version for version in (among or WALK_ORDER) if self.status(version) == "accepted"]

    def place(self, chain: tuple[bytes, ...] | None) -> int | None:
        """Where a chain stands in `shown`; None where it was not seen."""
        return next((place for place, known in enumerate(self.shown) if known.chain == chain), None)

    def show(self, version: int, key: str, server_name: str | None, chain: tuple[bytes, ...] | None) -> None:
        """Keep a chain that was not seen before."""
        if chain:
            self.cells.add((key, server_name))
        if chain and self.place(chain) is None:
            self.shown.append(Shown(version, key, server_name, chain))

    def agree(self, found: Negotiated, completed: bool = False) -> None:
        """Take what was agreed on: the newest version counts, and a completed handshake more than a hello."""
        if self.negotiated is None or found.version > self.negotiated.version or completed:
            self.negotiated = found
