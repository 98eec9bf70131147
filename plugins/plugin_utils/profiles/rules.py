# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of a device profile is checked with; each failure is one sentence that names the key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

_MAX_REGEX = 500


class ProfileError(ValueError):
    """A profile that can't be used; the text names the file and the key, and the way out."""


def check_port(where: str, section: Mapping[str, Any]) -> None:
    port = section.get("port", 1)
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise ProfileError(f"{where}: a TCP port from 1 to 65535 is needed")


def check_path(where: str, path: Any) -> str:
    if not isinstance(path, str) or not re.fullmatch(r"/[!-~]*", path):
        raise ProfileError(f"{where}: a path that begins with / is needed")
    return path


def check_regex(where: str, text: Any) -> re.Pattern[str]:
    if not isinstance(text, str) or not text or len(text) > _MAX_REGEX:
        raise ProfileError(f"{where}: a regular expression of at most {_MAX_REGEX} characters is needed")
    try:
        return re.compile(text, re.MULTILINE)
    except re.error as error:
        raise ProfileError(f"{where}: {error}") from None


def one_of(where: str, value: Any, choices: Sequence[str]) -> str:
    if value not in choices:
        raise ProfileError(f"{where}: {value!r} is not known; use one of {', '.join(map(_shown, choices))}")
    return str(value)


def _shown(choice: str) -> str:
    return choice if choice.isprintable() else repr(choice)


def hint(word: str, known: Any) -> str:
    """What may have been meant."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else "known: " + ", ".join(sorted(known))


def check_mapping(where: str, value: Any, known: set[str], needed: set[str]) -> None:
    if not isinstance(value, Mapping):
        raise ProfileError(f"{where}: a mapping is needed")
    prefix = "" if where == "profile" else f"{where}."
    for key in value:
        if key not in known:
            raise ProfileError(f"{prefix}{key}: unknown key; {hint(str(key), known)}")
    missing = needed - set(value)
    if missing:
        raise ProfileError(f"{prefix}{sorted(missing)[0]}: missing")
