# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a visit over the network tells: endpoints, their certificates, ports, the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.shape import (
    AS_SENT,
    FLAG,
    INSTANT,
    LONG_TEXT,
    NUMBER,
    TEXT,
    WHOLE,
    by_name,
    many,
    part,
    texts,
    told,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text

VERSIONS = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: "rsa", 2048, or "ec", 256, "secp256r1"."""

    type: str | None = told(TEXT, needed=True)
    bits: int | None = told(WHOLE, nullable=True, minimum=1)
    curve: str | None = told(TEXT, nullable=True)


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a certificate is for, as they stand in it."""

    dns: tuple[str, ...] = told(texts(AS_SENT), needed=True)
    ip: tuple[str, ...] = told(texts(AS_SENT), needed=True)


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of a chain, or of a path; `not_before` and `not_after` are None where it could not be read."""

    subject: str | None = told(AS_SENT)
    common_name: str | None = told(AS_SENT, nullable=True)
    issuer: str | None = told(AS_SENT)
    serial_number: str | None = told(TEXT)
    not_before: datetime | None = told(INSTANT)
    not_after: datetime | None = told(INSTANT)
    key: Key = told(part(Key))
    signature_algorithm: str | None = told(TEXT)
    names: Names = told(part(Names))
    is_ca: bool | None = told(FLAG)
    fingerprint_sha256: str | None = told(TEXT, needed=True, pattern="^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$")
    unreadable: tuple[str, ...] = told(texts(), description="The parts of it that could not be read")
    error: str | None = told(LONG_TEXT)
    role: str | None = told(TEXT, only="path", enum=("device", "authority", "anchor", "root"))

    @property
    def self_issued(self) -> bool:
        """Whether it names itself as its issuer."""
        return bool(self.subject) and self.subject == self.issuer

    @property
    def readable(self) -> bool:
        """Whether its dates, and so the rest of it, were read."""
        return self.not_before is not None and self.not_after is not None and not self.error

    def unread(self, name: str) -> bool:
        """Whether this part of it ("key", "names") was there and could not be read."""
        return name in self.unreadable

    def identity(self) -> dict[str, Any]:
        """Which certificate this is, in words and by fingerprint."""
        return {"subject": clean_text(self.subject), "fingerprint_sha256": self.fingerprint_sha256 or ""}

    def compared(self) -> dict[str, Any]:
        """What is compared with the names that are expected (x509/host_names)."""
        return {
            "names": {"dns": list(self.names.dns), "ip": list(self.names.ip)},
            "common_name": self.common_name,
            "unreadable": list(self.unreadable),
        }


@dataclass(frozen=True, slots=True)
class Revocation:
    """Whether revocation was asked about, and what came of it."""

    asked: bool | None = told(FLAG)
    status: str | None = told(TEXT)
    detail: str = told(TEXT, nullable=True, empty="")


@dataclass(frozen=True, slots=True)
class Trust:
    """The way from the leaf to an anchor, as judged when the chain was seen."""

    status: str | None = told(TEXT, needed=True)
    cause: str | None = told(TEXT)
    clients: tuple[str, ...] = told(texts())
    anchor: str | None = told(TEXT, nullable=True)
    link: str | None = told(TEXT)
    date: str | None = told(TEXT)
    detail: str = told(TEXT, nullable=True, empty="")
    revocation: Revocation = told(part(Revocation))
    path: tuple[Certificate, ...] = told(many(part(Certificate)))


@dataclass(frozen=True, slots=True)
class Version:
    """What became of a hello of this version."""

    status: str = told(TEXT, needed=True, empty="not_tested")
    evidence: str | None = told(TEXT, nullable=True)
    control: str | None = told(TEXT)
    cipher: str = told(TEXT, empty="")


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What a usual client and the server agree upon."""

    version: str | None = told(TEXT, nullable=True)
    cipher: str | None = told(TEXT, nullable=True)
    group: str | None = told(TEXT, nullable=True)
    signature_algorithm: str | None = told(TEXT, nullable=True)


@dataclass(frozen=True, slots=True)
class Client:
    """The client that gets a chain."""

    version: str | None = told(TEXT, needed=True)
    key: str | None = told(TEXT, needed=True)
    server_name: str | None = told(TEXT, needed=True, nullable=True)

    def as_dict(self) -> dict[str, str | None]:
        """For a finding."""
        return {"version": self.version, "key": self.key, "server_name": self.server_name}


@dataclass(frozen=True, slots=True)
class ShownChain:
    """Another chain of the visit."""

    shown_to: Client = told(part(Client), needed=True)
    chain: tuple[Certificate, ...] = told(many(part(Certificate)), needed=True)
    trust: Trust = told(part(Trust), needed=True)


@dataclass(frozen=True, slots=True)
class ServerName:
    """A further declared name that got a hello; chain: its place in [chain, *further_chains]."""

    server_name: str | None = told(AS_SENT, needed=True)
    chain: int | None = told(WHOLE, needed=True, nullable=True, minimum=0)


@dataclass(frozen=True, slots=True)
class WeakSuites:
    """Whether a client that offers nothing but weak suites is given one."""

    status: str | None = told(TEXT, needed=True)
    accepted: tuple[str, ...] = told(texts(), needed=True)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What was seen of one endpoint; `damaged` names what of it could not be read."""

    port: int | None = told(WHOLE, needed=True, minimum=1, maximum=65535)
    service: str | None = told(TEXT, needed=True)
    outcome: str | None = told(TEXT, needed=True)
    versions: Mapping[str, Version] = told(by_name(part(Version)), needed=True)
    negotiated: Negotiated = told(part(Negotiated), nullable=True)
    services: tuple[str, ...] = told(texts())
    address: str | None = told(TEXT)
    answers_unsteadily: bool | None = told(FLAG, nullable=True)
    client_certificate: str | None = told(TEXT)
    chain: tuple[Certificate, ...] = told(many(part(Certificate)), needed=True)
    trust: Trust = told(part(Trust), needed=True)
    chain_shown_to: Client = told(part(Client), nullable=True)
    further_chains: tuple[ShownChain, ...] = told(many(part(ShownChain)))
    server_names: tuple[ServerName, ...] = told(many(part(ServerName)))
    handshake: str | None = told(TEXT)
    key_proof: str | None = told(TEXT)
    key_proof_detail: str | None = told(TEXT, nullable=True)
    weak_suites: WeakSuites = told(part(WeakSuites))
    unknown: tuple[str, ...] = told(texts())
    error: str | None = told(LONG_TEXT, nullable=True)
    connections: int | None = told(WHOLE, needed=True, minimum=0)
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of the device's clock: seconds, device minus control node."""

    source: str = told(TEXT, needed=True, empty="")
    offset_seconds: float | None = told(NUMBER, needed=True)
    uncertainty_seconds: float | None = told(NUMBER, needed=True, minimum=0)
    evidence: bool | None = told(FLAG, needed=True)


@dataclass(frozen=True, slots=True)
class Clock:
    """What was read of the device's clock."""

    samples: tuple[Sample, ...] = told(many(part(Sample)), needed=True)
