# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every kind of trust store has in common: what is wanted of it, and what would be changed."""

from __future__ import annotations

import base64
import shutil
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import fingerprint


@dataclass(frozen=True)
class Anchor:
    """A root, and whether a store shall hold it.

    fingerprint: SHA-256 of its DER, lower hexadecimal. der, name: of a root that shall be held; name is what it is
    called in a store, in [a-z0-9-].
    """

    fingerprint: str
    wanted: bool
    name: str = ""
    der: bytes = b""

    @property
    def pem(self) -> bytes:
        """As PEM, 64 characters a line."""
        text = base64.b64encode(self.der)
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])


@dataclass(frozen=True)
class Plan:
    """What a store needs.

    change: none | add | remove | heal (it is half made). files: what would be written or removed, derived files last;
    kept: those of them that a roll-back puts back (the others are made anew from them). before, after: one line for
    each anchor, for a person to compare. command: run after the files are written, "" for none.
    """

    change: str
    files: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    command: str = ""
    details: dict[str, Any] = field(default_factory=dict)


class Store(Protocol):
    """One trust store of a gateway. Both methods raise StoreProblem."""

    kind: str
    path: str

    def plan(self, anchor: Anchor) -> Plan:
        """What would be changed. Changes nothing."""

    def apply(self, anchor: Anchor, plan: Plan) -> None:
        """Change it, and read it again: it ends well only where the store is as wanted."""


def installed(program: str) -> bool:
    """Whether the gateway has a program."""
    return shutil.which(program, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") is not None


def shown(held: dict[str, str]) -> tuple[str, ...]:
    """{fingerprint: name in the store} as lines."""
    return tuple(sorted(f"{key} {name}".rstrip() for key, name in held.items()))


def changed(held: dict[str, str], anchor: Anchor) -> dict[str, str]:
    """What a store holds once it is as wanted."""
    after = {key: name for key, name in held.items() if key != anchor.fingerprint}
    if anchor.wanted:
        after[anchor.fingerprint] = held.get(anchor.fingerprint, anchor.name)
    return after


__all__ = ["Anchor", "Plan", "Store", "changed", "fingerprint", "installed", "shown"]
