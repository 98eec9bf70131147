# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a visit over the network tells: endpoints, their certificates, ports, the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.shape import (
    AS_SENT,
    FLAG,
    INSTANT,
    LONG_TEXT,
    NUMBER,
    TEXT,
    WHOLE,
    Kind,
    Malformed,
    by_name,
    many,
    part,
    read_part,
    texts,
    told,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import clean_text

_TRUST = (
    *("trusted", "self_signed", "unknown_authority", "incomplete_chain", "expired_in_chain", "not_yet_valid_in_chain"),
    *("bad_signature", "revoked", "purpose_not_server", "some_clients_refuse", "not_assessed"),
)
_OUTCOMES = (
    *("tls", "not_tls", "refused", "silent", "reset", "closed", "unreachable", "starttls_refused"),
    "starttls_unavailable",
)
_STATUSES = ("accepted", "refused", "undetermined", "no_answer", "not_tested")
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
    unreadable: tuple[str, ...] = told(texts(), description="The parts of it that are there and could not be read")
    error: str | None = told(LONG_TEXT)
    role: str | None = told(TEXT, of_a_path=True, enum=("device", "authority", "anchor", "root"))

    not_read: ClassVar[Mapping[str, Any]] = {"pem": {"type": "string", "needed": True}}
    rules: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"required": ["error"]},
            {
                "required": [
                    *("subject", "issuer", "serial_number", "not_before", "not_after", "key", "signature_algorithm"),
                    *("names", "is_ca"),
                ]
            },
        ]
    }

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


def _link(value: Any, damaged: list[str]) -> Certificate:
    """A link of a path: one that does not say which certificate it is may be the one that ends first."""
    if not isinstance(value, (dict, Mapping)) or value.get("fingerprint_sha256") is None:
        raise Malformed
    return read_part(Certificate, value, damaged)


#: From the leaf to the anchor, each certificate with its role.
PATH = many(Kind(_link, {"part": Certificate}, Certificate))._replace(schema={"path": Certificate})


@dataclass(frozen=True, slots=True)
class Revocation:
    """Whether revocation was asked about, and what came of it."""

    asked: bool | None = told(FLAG)
    status: str | None = told(TEXT, nullable=True)
    detail: str = told(TEXT, nullable=True, empty="")


@dataclass(frozen=True, slots=True)
class Trust:
    """The way from the leaf to an anchor, as judged when the chain was seen."""

    status: str | None = told(TEXT, needed=True, enum=_TRUST)
    cause: str | None = told(TEXT, nullable=True)
    clients: tuple[str, ...] = told(texts(), description="some_clients_refuse: those that refuse")
    anchor: str | None = told(TEXT, nullable=True)
    link: str | None = told(TEXT, nullable=True)
    date: str | None = told(TEXT, nullable=True)
    detail: str = told(TEXT, nullable=True, empty="")
    revocation: Revocation = told(part(Revocation))
    path: tuple[Certificate, ...] = told(PATH)


@dataclass(frozen=True, slots=True)
class Version:
    """What became of a hello of this version."""

    status: str = told(TEXT, needed=True, empty="not_tested", enum=_STATUSES)
    evidence: str | None = told(
        TEXT, nullable=True, pattern="^(server_hello|alert:[0-9]{1,3}|reset|eof|silence|inferred)$"
    )
    control: str | None = told(
        TEXT, const="answered", description="A refusal that rests on a cut was confirmed right afterwards"
    )
    cipher: str = told(TEXT, empty="", description="The suite that was chosen in this version")


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

    version: str | None = told(TEXT, needed=True, enum=VERSIONS)
    key: str | None = told(TEXT, needed=True, enum=("rsa", "ecdsa", "any"))
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

    not_read: ClassVar[Mapping[str, Any]] = {"name_match": {"type": ["boolean", "null"]}}


@dataclass(frozen=True, slots=True)
class ServerName:
    """A further declared name that got a hello; chain: its place in [chain, *further_chains]."""

    server_name: str | None = told(AS_SENT, needed=True)
    chain: int | None = told(WHOLE, needed=True, nullable=True, minimum=0)

    not_read: ClassVar[Mapping[str, Any]] = {"evidence": {"type": "string", "needed": True}}


@dataclass(frozen=True, slots=True)
class WeakSuites:
    """Whether a client that offers nothing but weak suites is given one."""

    status: str | None = told(TEXT, needed=True, enum=_STATUSES)
    accepted: tuple[str, ...] = told(texts(), needed=True)

    not_read: ClassVar[Mapping[str, Any]] = {"evidence": {"type": "string"}}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What was seen of one endpoint; `damaged` names what of it could not be read."""

    port: int | None = told(WHOLE, needed=True, minimum=1, maximum=65535)
    service: str | None = told(TEXT, needed=True)
    outcome: str | None = told(TEXT, needed=True, enum=_OUTCOMES)
    versions: Mapping[str, Version] = told(by_name(part(Version)), needed=True, propertyNames={"enum": VERSIONS})
    negotiated: Negotiated = told(part(Negotiated), nullable=True)
    services: tuple[str, ...] = told(texts(), description="The declared services, where several share the port")
    address: str | None = told(TEXT, description="Where a host name has several")
    answers_unsteadily: bool | None = told(
        FLAG, nullable=True, description="Whether a hello that was answered before was cut; null: nothing was cut"
    )
    client_certificate: str | None = told(TEXT, enum=("not_requested", "requested", "required", "unknown"))
    chain: tuple[Certificate, ...] = told(
        many(part(Certificate)), needed=True, description="As sent by the server, leaf first"
    )
    trust: Trust = told(part(Trust), needed=True)
    chain_shown_to: Client = told(part(Client), nullable=True)
    further_chains: tuple[ShownChain, ...] = told(many(part(ShownChain)), description="Every other chain of the visit")
    server_names: tuple[ServerName, ...] = told(
        many(part(ServerName)),
        description="Further declared names that got a hello; chain: its place in [chain, *further_chains]",
    )
    handshake: str | None = told(TEXT, enum=("completed", "refused", "cut", "not_possible", "not_tried"))
    key_proof: str | None = told(TEXT, enum=("proved", "not_held", "not_proved", "not_tried"))
    key_proof_detail: str | None = told(TEXT, nullable=True)
    weak_suites: WeakSuites = told(part(WeakSuites))
    unknown: tuple[str, ...] = told(texts(), description="What stayed open because the visit was cut short")
    error: str | None = told(LONG_TEXT, nullable=True)
    connections: int | None = told(WHOLE, needed=True, minimum=0)
    damaged: tuple[str, ...] = ()

    not_read: ClassVar[Mapping[str, Any]] = {
        "name_match": {"type": ["boolean", "null"]},
        "server_name": {"type": ["string", "null"]},
    }


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of the device's clock: seconds, device minus control node."""

    source: str = told(TEXT, needed=True, empty="")
    offset_seconds: float | None = told(
        NUMBER, needed=True, description="Device minus control node: negative, the device is slow"
    )
    uncertainty_seconds: float | None = told(NUMBER, needed=True, minimum=0)
    evidence: bool | None = told(FLAG, needed=True, description="Whether this kind of reading proves anything")

    not_read: ClassVar[Mapping[str, Any]] = {"endpoint": {"type": ["string", "null"]}}


@dataclass(frozen=True, slots=True)
class Clock:
    """What was read of the device's clock."""

    samples: tuple[Sample, ...] = told(many(part(Sample)), needed=True)
