# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distinguished names (RFC 5280 section 4.1.2.4): as text, and as what two equal ones share. Nothing here judges."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError

# Larger ones are read again each time, so that hostile ones cannot fill the memory.
_MAX_CACHED_NAME_BYTES = 1024
# Bringing a text to its normal form can take time that grows with the square of its length.
_MAX_NORMALIZED = 512

_COMMON_NAME = der.oid("2.5.4.3")
_SPECIAL = re.compile(r'[\\"+,;<>]|\A[# ]| \Z')

# Short names of RFC 4514 section 3; any other attribute is shown by its number.
_ATTRIBUTE_NAMES = {
    _COMMON_NAME: "CN",
    der.oid("2.5.4.6"): "C",
    der.oid("2.5.4.7"): "L",
    der.oid("2.5.4.8"): "ST",
    der.oid("2.5.4.9"): "STREET",
    der.oid("2.5.4.10"): "O",
    der.oid("2.5.4.11"): "OU",
    der.oid("0.9.2342.19200300.100.1.1"): "UID",
    der.oid("0.9.2342.19200300.100.1.25"): "DC",
}

NameKey = tuple[object, ...]
Attribute = tuple[bytes, int, bytes]
"""type (OBJECT IDENTIFIER content), tag of the value, content of the value"""

_T = TypeVar("_T")


def _remembered(function: Callable[[bytes], _T]) -> Callable[[bytes], _T]:
    """`function` with its answers kept for the names of the fleet's authorities, and not for a hostile one's."""
    cached = functools.lru_cache(maxsize=4096)(function)

    @functools.wraps(function)
    def answer(name: bytes) -> _T:
        return cached(name) if len(name) <= _MAX_CACHED_NAME_BYTES else function(name)

    return answer


@_remembered
def name_attributes(name: bytes) -> tuple[tuple[Attribute, ...], ...]:
    """The relative distinguished names of a Name, in the order of the certificate. Raises DerError."""
    rdns = []
    for tag, _header, start, stop in der.members(name):
        if tag != der.SET:
            raise DerError("a name that is not made of sets")
        attributes = []
        for kind, _header, inner, end in der.children(name, start, stop):
            if kind != der.SEQUENCE:
                raise DerError("an attribute that is not a sequence")
            type_start, type_stop = der.expect(name, inner, end, der.OID)
            value_tag, value_start, value_stop = der.read(name, type_stop, end)
            attributes.append((name[type_start:type_stop], value_tag, name[value_start:value_stop]))
        rdns.append(tuple(attributes))
    return tuple(rdns)


def _escaped(text: str) -> str:
    """RFC 4514 section 2.4, and every control or invisible character as its bytes: names come from devices."""
    if text.isprintable() and not _SPECIAL.search(text):
        return text
    out = []
    last = len(text) - 1
    for index, char in enumerate(text):
        if char in '\\"+,;<>' or (index == 0 and char in "# ") or (index == last and char == " "):
            out.append("\\" + char)
        elif char.isprintable():
            out.append(char)
        else:
            out.extend(f"\\{byte:02X}" for byte in char.encode("utf-8", "replace"))
    return "".join(out)


@_remembered
def name_text(name: bytes) -> str:
    """A Name as an RFC 4514 string, most specific part first. Raises DerError."""
    rdns = []
    for rdn in name_attributes(name):
        parts = []
        for kind, tag, content in rdn:
            text = der.string(tag, content)
            value = "#" + der.element(tag, content).hex() if text is None else _escaped(text)
            parts.append(f"{_ATTRIBUTE_NAMES.get(kind) or der.dotted(kind)}={value}")
        rdns.append("+".join(parts))
    return ",".join(reversed(rdns))


@_remembered
def name_key(name: bytes) -> NameKey:
    """What two Names that are equal by RFC 5280 section 7.1 share.

    Case, runs of spaces, string type and the order inside a set do not count: an authority may write its name as
    a PrintableString in one certificate and as a UTF8String in another. A name that cannot be read equals only itself.
    """
    try:
        rdns = name_attributes(name)
    except DerError:
        return (name,)
    key: list[object] = []
    for rdn in rdns:
        parts: list[tuple[bytes, str, bytes]] = []
        for kind, tag, content in rdn:
            text = der.string(tag, content)
            if text is None:
                parts.append((kind, "", der.element(tag, content)))
            else:
                if len(text) <= _MAX_NORMALIZED:
                    text = unicodedata.normalize("NFKC", text)
                parts.append((kind, " ".join(text.casefold().split()), b""))
        key.append(tuple(sorted(parts)))
    return tuple(key)


def common_name(name: bytes) -> str | None:
    """The last, hence most specific, common name of a Name; None when it has none. Raises DerError."""
    for rdn in reversed(name_attributes(name)):
        for kind, tag, content in reversed(rdn):
            if kind == _COMMON_NAME:
                return der.string(tag, content)
    return None
