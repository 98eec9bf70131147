# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recording of a gateway must not carry away: password hashes and private keys.

What is left parses to the same facts.
"""

from __future__ import annotations

import re

_PRIVATE_KEY = re.compile(
    rb"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----).*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_JKS_MAGIC = b"\xfe\xed\xfe\xed"
#: Binary files that hold nothing secret, and are read whole.
_OPEN = ("/var/log/lastlog",)


def without_secrets(path: str, data: bytes) -> bytes:
    """A file's bytes, to be recorded: hashes and keys blanked, of an unknown binary file its first four bytes."""
    if path in _OPEN:
        return data
    if path.startswith(("/etc/shadow", "/etc/gshadow", "/etc/passwd")):
        return b"\n".join(map(_blank_hash, data.split(b"\n")))
    if data[:4] == _JKS_MAGIC:
        return _blank_jks_keys(data)
    if b"\x00" in data:
        return data[:4]
    return _PRIVATE_KEY.sub(rb"\1\n\2", data)


def _blank_hash(line: bytes) -> bytes:
    """ "root:$6$…:1::" as "root:set:1::"; what is locked or empty stays so."""
    fields = line.split(b":")
    if len(fields) > 1 and fields[1] not in (b"", b"x"):
        fields[1] = fields[1][:1] if fields[1][:1] in (b"!", b"*") else b"set"
    return b":".join(fields)


def _blank_jks_keys(data: bytes) -> bytes:
    """Zeros in the place of each encrypted key; a keystore that cannot be followed to its end is cut where that is.

    Layout: magic, version, count, entries of tag 1 (key, chain) or 2 (trusted certificate), SHA-1 of it all.
    """
    found = bytearray(data)
    version, count, at = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big"), 12

    def block(size: int, start: int) -> tuple[int, int]:
        """Start and end of what follows a length of `size` bytes."""
        begin = start + size
        return begin, begin + int.from_bytes(data[start:begin], "big")

    def certificate(start: int) -> int:
        return block(4, block(2, start)[1] if version == 2 else start)[1]

    for _entry in range(min(count, len(data))):
        tag = int.from_bytes(data[at : at + 4], "big")
        at = block(2, at + 4)[1] + 8
        if tag == 2:
            at = certificate(at)
        elif tag == 1:
            begin, at = block(4, at)
            found[begin : min(at, len(data))] = bytes(min(at, len(data)) - min(begin, len(data)))
            links = int.from_bytes(data[at : at + 4], "big")
            at += 4
            for _link in range(min(links, len(data))):
                at = certificate(at)
        else:
            return bytes(found[:at])
        if at > len(data):
            return bytes(found[: len(data)])
    return bytes(found)
