# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bounded, tolerant reader of DER (X.690), for certificates that strict readers refuse whole.

Why it exists: `cryptography` refuses a certificate altogether for one bad character in one field, and which fields
depends on its version (an asterisk in a PrintableString is read by 42 and refused by 50). Devices carry such
certificates for twenty years. Here each field is read apart, so that one bad field costs that field alone.

Tolerated: lengths that are not minimal, any non-zero BOOLEAN as true, wrong string types. Refused: indefinite
lengths, tag numbers above 30, anything that reaches beyond its container. Nothing here recurses, every function
costs time linear in its input, and the only exception is DerError.
"""

from __future__ import annotations

import functools
import re
from datetime import datetime, timedelta, timezone

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OID = 0x06
ENUMERATED = 0x0A
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

_UTC_TIME = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:Z|([+-])(\d\d)(\d\d))")
_GENERALIZED_TIME = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:[.,]\d{1,9})?(?:Z|([+-])(\d\d)(\d\d))")

# How the content of a string type becomes text. A byte that the type does not allow is taken as Latin-1,
# which is what the tools that write it mean by it.
_STRING_CODECS = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString: T.61 on paper, Latin-1 in practice
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1B: "latin-1",  # GeneralString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}

Element = tuple[int, int, int, int]
"""tag, start of the header, start of the content, end of the content"""


class DerError(ValueError):
    """The bytes are not the DER structure that was looked for."""


def read(data: bytes, start: int, end: int) -> tuple[int, int, int]:
    """The element at `start`: its tag, where its content starts and where it ends."""
    if end - start < 2:
        raise DerError(f"cut short at byte {start}")
    tag = data[start]
    if tag & 0x1F == 0x1F:
        raise DerError(f"tag in long form at byte {start}")
    length = data[start + 1]
    start += 2
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or end - start < size:
            raise DerError(f"unusable length at byte {start - 1}")
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    stop = start + length
    if stop > end:
        raise DerError(f"cut short: {stop - end} bytes are missing at byte {end}")
    return tag, start, stop


def expect(data: bytes, start: int, end: int, tag: int) -> tuple[int, int]:
    """Where the content of the element at `start` starts and ends, its tag being `tag`."""
    found, content, stop = read(data, start, end)
    if found != tag:
        raise DerError(f"tag {found:#04x} instead of {tag:#04x} at byte {start}")
    return content, stop


def children(data: bytes, start: int, end: int) -> list[Element]:
    """The elements that fill the content from `start` to `end`."""
    found = []
    while start < end:
        tag, content, stop = read(data, start, end)
        found.append((tag, start, content, stop))
        start = stop
    return found


def members(element: bytes, tag: int = SEQUENCE) -> list[Element]:
    """The elements inside a whole element of type `tag`, nothing following it."""
    content, stop = expect(element, 0, len(element), tag)
    if stop != len(element):
        raise DerError(f"{len(element) - stop} bytes after the end")
    return children(element, content, stop)


def integer(content: bytes) -> int:
    """The value of an INTEGER or ENUMERATED."""
    if not content:
        raise DerError("empty integer")
    return int.from_bytes(content, "big", signed=True)


def boolean(content: bytes) -> bool:
    """The value of a BOOLEAN: anything but zero is true, as in BER."""
    if len(content) != 1:
        raise DerError("boolean of a wrong length")
    return content != b"\x00"


def bits(content: bytes) -> bytes:
    """The bytes of a BIT STRING that holds flags; the bits that do not count are cleared."""
    if not content or content[0] > 7 or (content[0] and len(content) < 2):
        raise DerError("unusable bit string")
    unused = content[0]
    if not unused:
        return content[1:]
    return content[1:-1] + bytes([content[-1] & (0xFF << unused) & 0xFF])


def whole_bytes(content: bytes) -> bytes:
    """The bytes of a BIT STRING in which every bit counts: a signature or a key has one spelling."""
    if content[:1] != b"\0":
        raise DerError("a bit string that is not made of whole bytes")
    return content[1:]


@functools.lru_cache(maxsize=1024)
def dotted(content: bytes) -> str:
    """The value of an OBJECT IDENTIFIER, as in 1.2.840.113549.1.1.11."""
    if not content or content[-1] & 0x80 or len(content) > 64:
        raise DerError("unusable object identifier")
    arcs = []
    value = 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def oid(text: str) -> bytes:
    """The content of the OBJECT IDENTIFIER written in dotted form; the inverse of `dotted`."""
    first, second, *rest = map(int, text.split("."))
    encoded = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        encoded += bytes(reversed(groups))
    return bytes(encoded)


def element(tag: int, *contents: bytes) -> bytes:
    """A whole element."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def time(tag: int, content: bytes) -> datetime:
    """The moment that a UTCTime or GeneralizedTime names, in UTC.

    Beyond RFC 5280 section 4.1.2.5: seconds may be missing and a zone may be given, as old certificates do.
    A time without any zone names no moment and is refused.
    """
    pattern = {UTC_TIME: _UTC_TIME, GENERALIZED_TIME: _GENERALIZED_TIME}.get(tag)
    match = pattern.fullmatch(content) if pattern else None
    if match is None:
        raise DerError("unusable date")
    year, month, day, hour, minute, second = (int(group or 0) for group in match.group(1, 2, 3, 4, 5, 6))
    if tag == UTC_TIME:
        year += 1900 if year >= 50 else 2000
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
        if match[7]:
            shift = timedelta(hours=int(match[8]), minutes=int(match[9]))
            moment = moment - shift if match[7] == b"+" else moment + shift
    except (ValueError, OverflowError) as exc:
        raise DerError("a date that does not exist") from exc
    return moment


def string(tag: int, content: bytes) -> str | None:
    """The text of a string type, never with a lone surrogate; None for a type that holds no text."""
    codec = _STRING_CODECS.get(tag)
    if codec is None:
        return None
    if codec.startswith(("utf-16", "utf-32")):
        return content.decode(codec, "replace")
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        return content.decode("latin-1")
