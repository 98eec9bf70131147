# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a login on a device or on its gateway tells, subset by subset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import PATH, Certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.shape import (
    AS_SENT,
    DAY,
    FLAG,
    LAST_DAY,
    LONG_TEXT,
    NUMBER,
    PORT,
    SHOWN,
    TEXT,
    Kind,
    Malformed,
    many,
    part,
    read_part,
    told,
)


@dataclass(frozen=True, slots=True)
class Subset:
    """Whether a subset could be told: ok | failed | not_permitted | not_supported | not_asked."""

    status: str | None = told(SHOWN, needed=True)
    detail: str = told(SHOWN, empty="")


@dataclass(frozen=True, slots=True)
class TimeZone:
    """The device's time zone: "Europe/Paris", 3600."""

    name: str | None = told(TEXT, needed=True, nullable=True)
    utc_offset_seconds: float | None = told(NUMBER, needed=True, nullable=True)


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the device; the name as it is compared with the list of those that may be there."""

    name: str = told(AS_SENT, needed=True, empty="")
    can_login: bool | None = told(FLAG, needed=True, nullable=True)
    password: str | None = told(TEXT, needed=True)
    expires_on: datetime | None = told(DAY, nullable=True)


@dataclass(frozen=True, slots=True)
class Listening:
    """A port that the device itself says it offers."""

    protocol: str | None = told(TEXT, needed=True)
    address: str | None = told(TEXT, needed=True)
    port: int | None = told(PORT, needed=True)
    program: str | None = told(TEXT, nullable=True)


@dataclass(frozen=True, slots=True)
class TrustStore:
    """A trust store, and the certificates in it; `ends_on` in the order of the fingerprints."""

    kind: str | None = told(TEXT, needed=True)
    path: str | None = told(TEXT, needed=True)
    readable: bool | None = told(FLAG, needed=True)
    fingerprints_sha256: tuple[str | None, ...] = told(many(TEXT), needed=True)
    ends_on: tuple[datetime | None, ...] = told(many(LAST_DAY))


@dataclass(frozen=True, slots=True)
class ConfigBackup:
    """The newest backup of the configuration; when it was made as the device tells it."""

    made_at: str | None = told(SHOWN, needed=True, nullable=True)
    path: str | None = told(TEXT, nullable=True)


@dataclass(frozen=True, slots=True)
class System:
    """What runs on the device."""

    firmware: str | None = told(TEXT, nullable=True)


@dataclass(frozen=True, slots=True)
class Try:
    """One try of an access check: of a password (`account`), or of the administration (`who`)."""

    service: str | None = told(SHOWN, needed=True)
    port: str | None = told(SHOWN, needed=True)
    path: str = told(TEXT, nullable=True, empty="")
    account: str | None = told(SHOWN)
    who: str | None = told(TEXT, key="as")
    result: str | None = told(TEXT, needed=True)
    detail: str = told(SHOWN, empty="")


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """A file with certificates, the one of the key below first; `damaged` names what of it could not be read."""

    path: str | None = told(LONG_TEXT, needed=True)
    service: str | None = told(TEXT, needed=True)
    role: str | None = told(TEXT, needed=True, enum=("server", "client"))
    chain: tuple[Certificate, ...] = told(many(part(Certificate)), needed=True)
    chain_path: tuple[Certificate, ...] = told(PATH)
    key_path: str | None = told(TEXT, needed=True, nullable=True)
    key_safe: bool | None = told(FLAG, needed=True, nullable=True)
    key_detail: str = told(TEXT, empty="")
    detail: str = told(TEXT, empty="")
    damaged: tuple[str, ...] = ()


def _certificate_file(value: Any, _damaged: list[str]) -> CertificateFile:
    if not isinstance(value, (dict, Mapping)):
        raise Malformed
    own: list[str] = []
    file = read_part(CertificateFile, value, own)
    return replace(file, damaged=tuple(own)) if own else file


CERTIFICATE_FILES = many(Kind(_certificate_file, {"part": CertificateFile}, CertificateFile))
