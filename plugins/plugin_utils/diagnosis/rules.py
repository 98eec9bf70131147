# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What error texts tell: the rules of tls_errors/, made ready. How they are written is said in general.yml.

A rule is looked for by its literals, which costs next to nothing, and its regular expression (if it has one) is tried
near them only. Nothing here depends on the order of the files.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data

FILES = ("codes", "general", "openssl", "prose", "stacks")
UNKNOWN = "unknown"

#: Blanks in one form, quotes straight, no accent: each character gives exactly one, so that places stay what they are.
_FOLDED = {ord(blank): " " for blank in "_-\t\r\v\f\u00a0\u2009\u202f\u2010\u2011\u2013"}
_FOLDED.update(
    {ord(quote): "'" for quote in "\u2018\u2019\u02bc`\u00b4"}
    | {ord(quote): '"' for quote in "\u201c\u201d\u00ab\u00bb"}
)
#: An accent that an encoding lost: in French it was nearly always an e.
_FOLDED[0xFFFD] = "e"
for _code in range(0xC0, 0x180):
    _base = unicodedata.normalize("NFD", chr(_code))[0]
    if _base.isascii():
        _FOLDED[_code] = _base.lower()
_LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_FOLDED.update(_LOWER)


def fold(text: str) -> str:
    """`text` as rules see it: lower case, no accents, "_" and "-" as spaces. As long as before."""
    return text.translate(_FOLDED)


def lower(text: str) -> str:
    """`text` in lower case (ASCII alone, so that it stays as long as before)."""
    return text.translate(_LOWER)


@dataclass(frozen=True, slots=True)
class Rule:
    """One piece of knowledge. `categories` is empty where `codes` has them, by what `read` makes of the first group."""

    stack: str
    source: str
    note: str
    level: int
    categories: tuple[str, ...]
    anchors: tuple[str, ...]
    pattern: re.Pattern[str] | None
    plain: bool
    unless: tuple[str, ...]
    context: tuple[str, ...]
    codes: Mapping[Any, tuple[str, ...]]
    read: Callable[[str], Any]

    def meaning(self, group: str | None) -> tuple[str, ...]:
        """The categories of a match; none where its code means nothing here."""
        return self.categories if group is None else self.codes.get(self.read(group), ())


def _decimal(text: str) -> int:
    return int(text)


def _hexadecimal(text: str) -> int:
    return int(text, 16)


def _windows(text: str) -> int:
    """An HRESULT, in hexadecimal, or in decimal with or without a sign, as the 32 bits that it is."""
    hexadecimal = text.startswith(("0x", "800"))
    return int(text, 16 if hexadecimal else 10) & 0xFFFFFFFF


#: The number of the SSL library: OpenSSL's, and BoringSSL's (Android, Chromium, Mono).
_OPENSSL, _BORINGSSL = 20, 16


def _openssl_reason(text: str) -> int | None:
    """The reason in a packed error: 0A000418 (OpenSSL 3), 14094418 (1.x) and 10000418 (BoringSSL) all give 1048."""
    code = int(text, 16)
    if code >> 23 == _OPENSSL:
        return code & 0x7FFFFF
    return code & 0xFFF if code >> 24 in (_OPENSSL, _BORINGSSL) else None


def _openssl_alert(text: str) -> int | None:
    """The alert that the peer sent, which OpenSSL numbers from 1000 on."""
    reason = _openssl_reason(text)
    return reason - 1000 if reason is not None and reason >= 1000 else None


def _curl_alert(text: str) -> int:
    """curl -v shows level and alert in one number: 560 is 0x230, level 2, alert 0x30."""
    return int(text) & 0xFF


def _alert_name(text: str) -> str | None:
    """The longest alert name that a text begins with, without its blanks."""
    joined = text.replace(" ", "")
    return next((name for name in _alert_names() if joined.startswith(name)), None)


_READERS: dict[str, Callable[[str], Any]] = {
    "decimal": _decimal,
    "hexadecimal": _hexadecimal,
    "windows": _windows,
    "openssl_reason": _openssl_reason,
    "openssl_alert": _openssl_alert,
    "curl_alert": _curl_alert,
    "alert_name": _alert_name,
}


def expand(names: list[str]) -> tuple[str, ...]:
    """Categories, with each group replaced by what it holds."""
    groups = load_data("diagnosis/diagnosis")["groups"]
    return tuple(dict.fromkeys(one for name in names for one in groups.get(name, [name])))


@functools.cache
def _alerts() -> dict[Any, tuple[str, ...]]:
    """Number of an alert, and each of its names without blanks -> categories."""
    found: dict[Any, tuple[str, ...]] = {}
    for name, alert in load_data("diagnosis/diagnosis")["alerts"].items():
        categories = expand(alert["categories"])
        for one in (name, *alert.get("also", ())):
            found[fold(one).replace(" ", "")] = categories
        found[alert["number"]] = categories
    return found


@functools.cache
def _alert_names() -> tuple[str, ...]:
    return tuple(sorted((name for name in _alerts() if isinstance(name, str)), key=len, reverse=True))


def _codes(entry: Mapping[str, Any]) -> Mapping[Any, tuple[str, ...]]:
    codes = entry.get("codes", {})
    return _alerts() if codes == "alerts" else {code: expand(names) for code, names in codes.items()}


def _anchors(entry: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The literals of a rule, and whether they need words of TLS beside them."""
    change = lower if entry.get("plain") else fold
    for key, loose in (("phrases", False), ("anchors", False), ("loose", True)):
        if key in entry:
            yield tuple(dict.fromkeys(map(change, entry[key]))), loose or bool(entry.get("context"))


def _read() -> Iterator[Rule]:
    data = load_data("diagnosis/diagnosis")
    context = tuple(data["context"])
    for name in FILES:
        file = load_data(f"diagnosis/tls_errors/{name}")
        for entry in file["rules"]:
            for anchors, loose in _anchors(entry):
                yield Rule(
                    stack=entry["stack"],
                    source=entry.get("source", file["source"]),
                    note=entry.get("note", ""),
                    level=data["levels"][entry["level"]],
                    categories=expand(entry.get("categories", [])),
                    anchors=anchors,
                    pattern=re.compile(entry["pattern"]) if "pattern" in entry else None,
                    plain=bool(entry.get("plain")),
                    unless=tuple(map(fold, entry.get("unless", ()))),
                    context=context if loose else (),
                    codes=_codes(entry),
                    read=_READERS[entry.get("read", "decimal")],
                )


@functools.cache
def load_rules() -> tuple[Rule, ...]:
    """All rules."""
    return tuple(_read())
