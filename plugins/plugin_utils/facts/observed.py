# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One observation: what every one begins with, and the parts of each source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import (
    CERTIFICATE_FILES,
    Account,
    CertificateFile,
    ConfigBackup,
    Listening,
    Subset,
    System,
    TimeZone,
    TrustStore,
    Try,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Clock, Endpoint, Sample
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.shape import (
    AS_SENT,
    INSTANT,
    LONG_TEXT,
    MAPPING,
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

#: The outcome of an observation that stands for one that could not be read; its detail says where and why.
UNREADABLE = "unreadable"


def _endpoint(value: Any, damaged: list[str]) -> Endpoint:
    """One endpoint, which keeps to itself what of it is damaged: the others are judged all the same."""
    if not isinstance(value, (dict, Mapping)):
        raise Malformed
    own: list[str] = []
    endpoint = read_part(Endpoint, value, own)
    if endpoint.port is None:
        damaged.append("port")
    return replace(endpoint, damaged=tuple(own)) if own else endpoint


_ENDPOINTS = many(Kind(_endpoint, {"part": Endpoint}, Endpoint))


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one device, when and from where. An empty one tells nothing.

    damaged: the places in it that could not be read, but for those within an endpoint
    """

    device: str | None = told(AS_SENT, needed=True, minLength=1, description="Inventory name, or peer:<address>:<port>")
    source: str = told(TEXT, needed=True, empty="network")
    vantage: str | None = told(TEXT, needed=True, description="Host that asked, as the inventory names it")
    vantage_host: str | None = told(TEXT, description="The same, as that host names itself")
    started_at: datetime | None = told(INSTANT, needed=True)
    finished_at: datetime | None = told(INSTANT, needed=True)
    outcome: str | None = told(TEXT, needed=True, enum=("observed", "unreachable", "skipped", "aborted"))
    reason: str | None = told(TEXT, needed=True, nullable=True)
    detail: str | None = told(LONG_TEXT, nullable=True)
    connections: int | None = told(WHOLE, needed=True, minimum=0)
    bytes_sent: int | None = told(WHOLE, needed=True, minimum=0)
    bytes_received: int | None = told(WHOLE, needed=True, minimum=0)
    endpoints: tuple[Endpoint, ...] = told(_ENDPOINTS, needed=True)
    ports: Mapping[str, str | None] = told(
        by_name(TEXT),
        needed=True,
        propertyNames={"pattern": "^[1-9][0-9]{0,4}$"},
        additionalProperties={"enum": ["open", "closed", "filtered"]},
    )
    clock: Clock | None = told(part(Clock), needed=True, absent=True)
    died_after: str | None = told(
        TEXT,
        nullable=True,
        enum=("handshake", "hello"),
        description="What a port that was open had last, before it refused at the end",
    )
    died_port: int | None = told(WHOLE, nullable=True, minimum=1, maximum=65535)
    addresses_not_visited: tuple[str, ...] = told(texts())
    subsets: Mapping[str, Subset] = told(by_name(part(Subset)))
    time_zone: TimeZone | None = told(part(TimeZone), absent=True)
    ntp: Mapping[str, Any] | None = told(MAPPING)
    accounts: tuple[Account, ...] | None = told(many(part(Account)), absent=True)
    listening: tuple[Listening, ...] | None = told(many(part(Listening)), absent=True)
    tls_failures: Mapping[str, Any] | None = told(MAPPING)
    trust_stores: tuple[TrustStore, ...] | None = told(many(part(TrustStore)), absent=True)
    certificate_files: tuple[CertificateFile, ...] | None = told(CERTIFICATE_FILES, absent=True)
    config_backup: ConfigBackup | None = told(part(ConfigBackup), absent=True)
    system: System = told(part(System))
    default_passwords: tuple[Try, ...] = told(many(part(Try)))
    admin_interface: tuple[Try, ...] = told(many(part(Try)))
    damaged: tuple[str, ...] = ()

    not_read: ClassVar[Mapping[str, Any]] = {
        "addresses": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The addresses of a host name that were visited",
        }
    }

    @property
    def at(self) -> datetime | None:
        """When it was finished, else started."""
        return self.finished_at or self.started_at

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The readings of the device's clock."""
        return () if self.clock is None else self.clock.samples

    def damaged_in(self, *names: str) -> tuple[str, ...]:
        """The damaged places that lie in one of these parts ("clock", "endpoints")."""
        if not self.damaged:
            return ()
        return tuple(place for place in self.damaged if place.partition(".")[0].partition("[")[0] in names)


NOTHING = Observation()


def read_observation(value: Mapping[str, Any] | Observation) -> Observation:
    """The observation that plain data (of JSON) tells. Never raises; what was read already is returned as it is."""
    if isinstance(value, Observation):
        return value
    damaged: list[str] = []
    observation = read_part(Observation, value, damaged)
    return replace(observation, damaged=tuple(damaged)) if damaged else observation


def read_observations(values: Iterable[Any]) -> list[Observation]:
    """Those among `values` that are observations."""
    return [read_observation(value) for value in values if isinstance(value, (Mapping, Observation))]
