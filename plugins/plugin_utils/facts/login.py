# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a login on a device or on its gateway tells, subset by subset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import PATH, Certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.shape import (
    FLAG,
    LONG_TEXT,
    TEXT,
    Kind,
    Malformed,
    many,
    part,
    read_part,
    told,
)


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
