# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collected messages, and what a right answer to one is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Message:
    """`label`: a category, several with "|" between, or a group. `part`: seen, or held out while rules were made."""

    label: str
    part: str
    stack: str
    version: str
    how: str
    text: str


def _rows(name: str) -> list[list[str]]:
    text = (HERE / name).read_text(encoding="utf-8")
    text = re.sub(r"\\u(20[0-9a-f]{2})", lambda code: chr(int(code[1], 16)), text)  # curly quotes, written out
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("# ")]


def messages() -> list[Message]:
    """What was collected from the stacks."""
    return [Message(*row[:5], row[5].replace("\\n", "\n")) for row in _rows("messages.tsv")]


def examples() -> list[Message]:
    """The project's own table. "ambiguous:expired|clock_skew" cannot tell the two, so the clock goes first."""
    found = []
    for category, stack, text, source in _rows("examples.tsv")[1:]:
        label = category.removeprefix("ambiguous:").removeprefix("other:")
        label = "clock_skew|expired" if label == "expired|clock_skew" else label
        found.append(Message(label, "seen", stack, "", source, text))
    return found


def sentences() -> list[Message]:
    """What people write of TLS failures in words of their own."""
    return [Message(label, "seen", "Words", "", "written", text) for label, text in _rows("words.tsv")]


def right(label: str, categories: Sequence[str]) -> bool:
    """One category: it is the first. Several, or a group: all are there, and the first is the first."""
    groups = load_data("diagnosis/diagnosis")["groups"]
    wanted = [one for name in label.split("|") for one in groups.get(name, [name])]
    return categories[0] == wanted[0] and set(wanted) <= set(categories)
