# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every compared tool says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bench.farm import Endpoint, Farm

#: What can be known of an endpoint of the farm, in the order of the tables.
FACTS = ("leaf", "chain", "versions", "negotiated", "key", "signature", "trust", "name", "clock")

#: What is true of every endpoint of the farm.
TRUE_VERSIONS = {"SSLv2": False, "SSLv3": False, "TLSv1.0": False, "TLSv1.1": False, "TLSv1.2": True, "TLSv1.3": True}


@dataclass(frozen=True)
class Call:
    """One command to run and measure. `shown` is what a person would type, with the places left out."""

    command: Sequence[str]
    shown: str
    environment: Mapping[str, str] | None = None
    memory: bool = False


@dataclass(frozen=True)
class Answers:
    """What the output had.

    complete: endpoints for which every fact of `facts` was there and true
    facts:    the facts that a sound answer of this tool has
    extra:    figures of the tool's own, by name
    """

    complete: int
    facts: tuple[str, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)


class Peer(Protocol):
    """A compared tool. `share`: endpoints visited at most, so that the whole benchmark stays short."""

    name: str
    title: str
    share: int
    note: str

    def install(self) -> str:
        """Install it, and return its version; Unavailable where it cannot be had."""

    def call(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Call:
        """Prepare `folder`, and say what to run there."""

    def answers(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Answers:
        """Read what it wrote there."""


def complete(given: Mapping[str, set[str]], targets: Sequence[Endpoint]) -> Answers:
    """`given`: the true facts by endpoint's address. Facts that most endpoints have are the tool's facts."""
    most = len(targets) / 2
    facts = tuple(fact for fact in FACTS if sum(fact in found for found in given.values()) > most)
    return Answers(sum(1 for found in given.values() if facts and found.issuperset(facts)), facts)
