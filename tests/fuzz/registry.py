# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fuzz target is.

A target is a function of bytes that feeds one parser of what devices send, and checks what comes out. It raises
(AssertionError, or whatever the parser let out) where something is wrong, and returns the shape of the result: a small
value that is new when the input did something new, which tells the fuzzer what to keep. How the bytes are cut into
pieces, and all else that is drawn, depends on the bytes alone: an input that fails, fails again.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).resolve().parent / "corpus"
NOW = datetime(2026, 11, 22, 17, tzinfo=timezone.utc)
MAX_BYTES = 262144

Shape = Any


@dataclass(frozen=True)
class Target:
    """`form`: how inputs are damaged (see mutate). `seeds`: the folders of the corpus that inputs are made of."""

    name: str
    function: Callable[[bytes], Shape]
    form: str = "raw"
    tokens: tuple[bytes, ...] = ()
    seeds: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """How much longer than the smallest it is worth fuzzing."""
        return 4 if self.form in ("der", "chain", "flight", "script") else 1

    @property
    def folders(self) -> tuple[Path, ...]:
        return tuple(CORPUS / folder for folder in dict.fromkeys((self.name, *self.seeds)))

    def inputs(self) -> list[bytes]:
        """The seeds, and what earlier runs found worth keeping."""
        return [path.read_bytes() for folder in self.folders for path in sorted(folder.glob("*.bin"))]


TARGETS: dict[str, Target] = {}


def target(
    form: str = "raw", tokens: tuple[bytes, ...] = (), seeds: tuple[str, ...] = ()
) -> Callable[[Callable[[bytes], Shape]], Callable[[bytes], Shape]]:
    def register(function: Callable[[bytes], Shape]) -> Callable[[bytes], Shape]:
        TARGETS[function.__name__] = Target(function.__name__, function, form, tokens, seeds)
        return function

    return register


def rng_of(data: bytes) -> random.Random:
    return random.Random(zlib.crc32(data))


def safe_json(value: Any) -> str:
    """What is written to a file that others read: no NaN, no lone surrogate."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode("utf-8")
    return text
