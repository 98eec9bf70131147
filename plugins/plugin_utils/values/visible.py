# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from a device, an inventory or a certificate, made safe to look at.

What a device sends may hold anything: control characters that repaint a terminal, bidirectional
overrides that turn a name around (Unicode TR36, 2.5), invisible characters, lone surrogates that
no UTF-8 file can hold. Everything that a person reads passes through :func:`visible`, which writes
such characters out as ``[U+202E]``, and bounds the length.
"""

from __future__ import annotations

import re
import unicodedata

LIMIT = 1200
"""Characters that one piece of text may fill on a page."""

# One class, so that clean text (nearly all of it) costs a single scan:
# C0, DEL and C1 controls; soft hyphen; Arabic letter mark; zero-width and directional marks; line and
# paragraph separators; embeddings, overrides and isolates; invisible operators; surrogates; byte-order
# mark; interlinear annotations; non-characters; tag characters.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)


def _written_out(found: re.Match[str]) -> str:
    return f"[U+{ord(found.group()):04X}]"


def visible(value: object, limit: int = LIMIT) -> str:
    """Return ``value`` as text without any character that hides, moves or breaks what is around it.

    ``None`` becomes an empty string. Text longer than ``limit`` is cut, and ends in ``…``.
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    if len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    if _UNSEEN.search(text) is None:
        return text
    return _UNSEEN.sub(_written_out, text)


def is_clean(text: str) -> bool:
    """Tell whether ``text`` can be shown as it is (the common case, one scan)."""
    return len(text) <= LIMIT and _UNSEEN.search(text) is None


def first_unseen(text: str) -> str | None:
    """The first character of ``text`` that hides, moves or breaks what is around it; None where all can be seen."""
    found = _UNSEEN.search(text)
    return None if found is None else found.group()


def cells(text: str) -> int:
    """Return how many terminal cells ``text`` fills (UAX 11: wide characters fill two)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def fit(text: str, width: int) -> str:
    """Cut or pad ``text`` to exactly ``width`` terminal cells; a cut text ends in ``…``."""
    have = cells(text)
    if have <= width:
        return text + " " * (width - have)
    if width <= 0:
        return ""
    kept: list[str] = []
    room = width - 1
    for char in text:
        room -= cells(char)
        if room < 0:
            break
        kept.append(char)
    cut = "".join(kept) + "…"
    return cut + " " * (width - cells(cut))
