# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings what was collected together, in messages.tsv: each text once, labelled, and put in its part.

    python tests/diagnose/collect/assemble.py RUN.tsv … second=RUN.tsv > tests/diagnose/messages.tsv

The part is a function of the text alone, so it is settled before anybody reads it: two texts of five, by a hash, are
held out. Numbers count for nothing in that hash, so that two tellings of one message fall on the same side. Messages
that a person typed in (documented.tsv) were read, and are never held out.

What a run marked "second=" brought was collected after the rules were written, and measured before it was read.

A label is the scenario that made the message. Where a server sent one alert only, it is the meaning of that alert
(alerts.tsv). labels.tsv says where a stack is known to tell less than the scenario holds, or something else.
"""

from __future__ import annotations

import csv
import hashlib
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_HELD_OUT = 40  # in a hundred


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8") as stream:
        return [row for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE) if row and row[0][:1] != "#"]


def core(text: str) -> str:
    """What makes two texts the same message: no numbers, no addresses, no case."""
    return re.sub(r"\W+", " ", re.sub(r"0x[0-9a-fA-F]+|[0-9a-fA-F]*\d[0-9a-fA-F]*", "0", text.lower())).strip()


def part(text: str) -> str:
    number = int(hashlib.sha256(core(text).encode()).hexdigest()[:8], 16)
    return "held_out" if number % 100 < _HELD_OUT else "seen"


_QUOTES = "\u2018\u2019\u201c\u201d"


def printable(text: str) -> str:
    """`text` without control characters, which a screen would have shown as blanks; curly quotes written out."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    return "".join(f"\\u{ord(one):04x}" if one in _QUOTES else one for one in shown)


def main() -> None:
    alerts = {row[0]: row[1] for row in rows(HERE / "alerts.tsv")}
    labels = [(*map(re.compile, row[:3]), row[3]) for row in rows(HERE / "labels.tsv")]
    kept: dict[str, list[str]] = {}
    for path in sys.argv[1:]:
        second = path.startswith("second=")
        for text, categories, sent, stack, version, scenario in rows(Path(path.removeprefix("second="))):
            label = alerts[sent] if sent else categories
            for of_stack, of_scenario, of_text, better in labels:
                if of_stack.search(stack) and of_scenario.search(scenario) and of_text.search(text):
                    label = better
            if label != "-":
                how = version if version.startswith("table: ") else f"run: {scenario}"
                shown = "" if version.startswith("table: ") else version
                side = "held_out_second" if second else part(text)
                kept.setdefault(core(text), [label, side, stack, shown, how, printable(text)])
    for text, categories, stack, reference in rows(HERE / "documented.tsv"):
        kept[core(text)] = [categories, "seen", stack, "", "documented: " + reference, text]
    print("# categories\tpart\tstack\tversion\thow it was obtained\ttext (\\n for the end of a line)")
    for row in sorted(kept.values(), key=lambda row: (row[1], row[2].lower(), row[0], row[5])):
        print("\t".join(row))


if __name__ == "__main__":
    main()
