# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes hostile bytes out of sound ones: everything is drawn from one random.Random, so an input can be made again.

`form` says what the bytes are, and so what damage keeps them interesting:

raw     nothing is known: bits, bytes, integers, truncation, repetition, splicing
lines   a protocol of lines
der     an element of DER (a certificate, a revocation list)
chain   the certificates of a Certificate message, three bytes of length each
flight  TLS records with handshake messages
script  flights of several connections, as `join_script` writes them
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from fuzz import der_tree

MAX_INPUT = 1 << 17
_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x3FFF, 0x4000, 0x4800, 0x4801, 0x7FFF, 0x8000, 0xFFFF)
_LONG_EXTREMES = (*_EXTREMES, 0x10000, 0x40000, 0x7FFFFF, 0xFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x0C, 0x13, 0x16, 0x17, 0x18, 0x1C, 0x1E, 0x30, 0x31, 0x80, 0x81)
_TAGS += (0x82, 0x86, 0x87, 0xA0, 0xA1, 0xA3, 0xA4)
_LENGTHS = (
    b"\x80",
    b"\x00",
    b"\x7f",
    b"\x81\x00",
    b"\x82\xff\xff",
    b"\x84\xff\xff\xff\xff",
    b"\x85\x01\0\0\0\0",
    b"\xff",
)
_CONTENTS = (
    b"",
    b"\x00",
    b"\xff",
    b"\x80",
    b"\x00" * 20,
    b"\xff" * 600,
    b"991231235959Z",
    b"00000101000000Z",
    b"99991231235959Z",
    b"500101000000-9959",
    b"\xed\xa0\x80",  # a lone surrogate
    b"\xd8\x00",
    "\u202e\u0000\u001b[2J".encode(),
    "a\u0315\u0300\u0315\u0300".encode(),
    "\ufdfa".encode() * 9,
    b"*.*.example",
    b"\x7f\x00\x00\x01",
    b"\x2a" + b"\xff" * 63,
)

Operation = Callable[[bytes], bytes]


class Mutator:
    """Makes inputs from `seeds`. `tokens` are words of the protocol that are thrown in."""

    def __init__(self, rng: random.Random, seeds: Sequence[bytes], form: str, tokens: Sequence[bytes] = ()) -> None:
        self._rng = rng
        self.seeds = list(seeds)
        self._form = form
        self._tokens = tuple(tokens)
        self._byte_operations: tuple[Operation, ...] = (
            self._flip,
            self._flip,
            self._write_byte,
            self._write_number,
            self._write_number,
            self._cut,
            self._cut,
            self._remove,
            self._repeat,
            self._insert,
            self._splice,
        )
        shaped: dict[str, tuple[Operation, ...]] = {
            "raw": (),
            "lines": (self._line, self._line),
            "der": (self._der,),
            "chain": (self._chain,),
            "flight": (self._flight,),
            "script": (self._script,),
        }
        self._shaped = shaped[form]

    def make(self) -> bytes:
        """One input. A few come as they are; most are damaged in one to eight places."""
        data = self._rng.choice(self.seeds) if self.seeds else b""
        while True:
            data = self.damage(data)
            if self._rng.random() < 0.45:
                return data

    def damage(self, data: bytes) -> bytes:
        """The bytes with one more damage."""
        if self._shaped and self._rng.random() < 0.75:
            operation = self._rng.choice(self._shaped)
        else:
            operation = self._rng.choice(self._byte_operations)
        return operation(data)[:MAX_INPUT]

    # -- bytes

    def _place(self, data: bytes) -> int:
        return self._rng.randrange(len(data) + 1)

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return b"\x00"
        changed = bytearray(data)
        changed[self._rng.randrange(len(data))] ^= 1 << self._rng.randrange(8)
        return bytes(changed)

    def _write_byte(self, data: bytes) -> bytes:
        if not data:
            return b"\xff"
        changed = bytearray(data)
        changed[self._rng.randrange(len(data))] = self._rng.choice(
            (0, 1, 0x7F, 0x80, 0xFE, 0xFF, self._rng.randrange(256))
        )
        return bytes(changed)

    def _write_number(self, data: bytes) -> bytes:
        """Where a length may be: an extreme, the number of bytes that follow, or the number there and a bit."""
        size = self._rng.choice((1, 2, 2, 3, 4))
        if len(data) < size:
            return data + bytes(size)
        at = self._rng.randrange(len(data) - size + 1)
        here = int.from_bytes(data[at : at + size], "big")
        left = len(data) - at - size
        number = self._rng.choice(
            (self._rng.choice(_LONG_EXTREMES), left, left + 1, left - 1, here + 1, here - 1, here * 2)
        )
        order = "little" if self._rng.random() < 0.2 else "big"
        return data[:at] + (number % (1 << 8 * size)).to_bytes(size, order) + data[at + size :]

    def _cut(self, data: bytes) -> bytes:
        return data[: self._place(data)]

    def _remove(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + data[at + self._rng.choice((1, 2, 4, 16, self._rng.randrange(1, 400))) :]

    def _repeat(self, data: bytes) -> bytes:
        at = self._place(data)
        block = data[at : at + self._rng.choice((1, 2, 5, 9, self._rng.randrange(1, 600)))]
        times = min(self._rng.choice((1, 2, 3, 33, 300, 5000)), MAX_INPUT // max(1, len(block)))
        return data[:at] + block * times + data[at:]

    def _insert(self, data: bytes) -> bytes:
        at = self._place(data)
        if self._tokens and self._rng.random() < 0.7:
            token = self._rng.choice(self._tokens)
        else:
            token = self._rng.randbytes(self._rng.choice((1, 2, 3, 8, 40)))
        return data[:at] + token + data[at:]

    def _splice(self, data: bytes) -> bytes:
        other = self._rng.choice(self.seeds) if self.seeds else b""
        return data[: self._place(data)] + other[self._place(other) :]

    def _line(self, data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        at = self._rng.randrange(len(lines))
        what = self._rng.randrange(7)
        if what == 0:
            lines[at:at] = [lines[at]] * self._rng.choice((1, 2, 100, 3000))
        elif what == 1:
            del lines[at]
        elif what == 2:
            lines[at] = lines[at] + b" " + b"x" * self._rng.choice((1, 70, 600, 9000, 20000))
        elif what == 3:
            lines[at] = self._rng.choice(self._tokens) if self._tokens else b""
        elif what == 4:
            name, colon, _value = lines[at].partition(b":")
            lines[at] = (
                name + (colon or b":") + self._rng.choice((b"", b" ", b" -1", b" 9" * 40, b"\xff\x00", b" \xb2\xb3"))
            )
        elif what == 5:
            lines.insert(at, b"")
        else:
            lines[at] = self.bytes_only(lines[at])
        return self._rng.choice((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r")).join(lines)

    def bytes_only(self, data: bytes) -> bytes:
        """The bytes with a damage that knows nothing of their form."""
        return self._rng.choice(self._byte_operations)(data)

    # -- DER

    def _der(self, data: bytes) -> bytes:
        for _time in range(self._rng.choice((1, 1, 1, 2, 4))):
            forest = der_tree.parse(data)
            places = list(forest.root.walk())
            if not places:
                return self.bytes_only(data)
            self._damage_element(self._rng.choice(places))
            data = forest.encode()
            if len(data) > MAX_INPUT:
                break
        return data

    def _damage_element(self, place: der_tree.Place) -> None:
        node, siblings, index = place.node, place.siblings, place.index
        what = self._rng.randrange(12)
        if what == 0:
            del siblings[index]
        elif what == 1:
            times = min(self._rng.choice((1, 2, 40, 1000)), MAX_INPUT // len(node.encode()))
            siblings[index:index] = [node] * times
        elif what == 2:
            other = self._rng.randrange(len(siblings))
            siblings[index], siblings[other] = siblings[other], siblings[index]
        elif what == 3:
            node.tag = self._rng.choice((*_TAGS, node.tag ^ 0x20, self._rng.randrange(256)))
        elif what == 4:
            node.length = self._rng.choice(_LENGTHS)
        elif what == 5:
            # A length that is right and longer than it has to be.
            if node.children is None:
                node.length = b"\x83" + len(node.content).to_bytes(3, "big")
        elif what == 6:
            nested = node.encode()
            for _time in range(self._rng.choice((1, 3, 60, 400))):
                nested = bytes((self._rng.choice((0x30, 0x31, 0xA0, 0xA4)),)) + der_tree.definite(len(nested)) + nested
            siblings[index] = der_tree.parse(nested).root.children[0]
        elif what == 7:
            other = self._rng.choice(self.seeds) if self.seeds else b""
            donor = [place.node for place in der_tree.parse(other).root.walk()]
            if donor:
                siblings[index] = self._rng.choice(donor)
        elif what == 8:
            node.children = None
            node.content = self._rng.choice(_CONTENTS) * self._rng.choice((1, 1, 1, 3, 1500))
        elif node.children is None:
            node.content = self.bytes_only(node.content)
        else:
            self._rng.shuffle(node.children)

    # -- chains

    def _chain(self, data: bytes) -> bytes:
        certificates = split_chain(data)
        if not certificates:
            return self.bytes_only(data)
        at = self._rng.randrange(len(certificates))
        what = self._rng.randrange(9)
        if what == 0:
            del certificates[at]
        elif what == 1:
            certificates[at:at] = [certificates[at]] * self._rng.choice((1, 2, 30, 90))
        elif what == 2:
            self._rng.shuffle(certificates)
        elif what == 3:
            others = split_chain(self._rng.choice(self.seeds)) if self.seeds else []
            certificates[at:at] = others
        elif what == 4:
            certificates[at] = self._rng.randbytes(10)
        elif what == 5:
            certificates[at] = self.bytes_only(certificates[at])
        else:
            certificates[at] = self._der(certificates[at])
        return join_chain(certificates)

    # -- flights

    def _flight(self, data: bytes) -> bytes:
        records = split_records(data)
        if not records:
            return self.bytes_only(data)
        what = self._rng.randrange(10)
        at = self._rng.randrange(len(records))
        kind, version, payload = records[at]
        if what == 0:
            del records[at]
        elif what == 1:
            records[at:at] = [records[at]] * self._rng.choice((1, 2, 30, 2000))
        elif what == 2:
            self._rng.shuffle(records)
        elif what == 3:
            odd = (
                (21, 0x0301, b"\x01\x70"),
                (21, 0x0303, b"\x02\x28"),
                (21, 0x0303, b""),
                (20, 0x0303, b"\x01"),
                (22, 0x0303, b""),
                (22, 0x0303, b"\x00\x00\x00\x00"),
                (23, 0x0303, b"\x00" * 30),
                (24, 0x0303, b"\x01\x40\x00"),
            )
            records[at:at] = [self._rng.choice(odd)] * self._rng.choice((1, 1, 2, 40, 3000))
        elif what == 4:
            records = self._fragmented(records)
        elif what == 5:
            records[at] = (self._rng.choice((20, 21, 22, 23, 0, 128)), version, payload)
        elif what == 6:
            records[at] = (kind, self._rng.choice((0x0002, 0x0300, 0x0304, 0x0305, 0x7F1C, 0xFEFF)), payload)
        else:
            records = self._damage_message(records)
        return join_records(records)

    def _fragmented(self, records: list[Record]) -> list[Record]:
        """The same handshake bytes in records of other sizes."""
        size = self._rng.choice((1, 1, 2, 3, 7, 64, 1000))
        pieces: list[Record] = []
        for kind, version, payload in records:
            pieces += [(kind, version, payload[at : at + size]) for at in range(0, len(payload), size)]
        return pieces

    def _damage_message(self, records: list[Record]) -> list[Record]:
        handshake = b"".join(payload for kind, _version, payload in records if kind == 22)
        messages = split_messages(handshake)
        if not messages:
            return records
        at = self._rng.randrange(len(messages))
        kind, body = messages[at]
        what = self._rng.randrange(7)
        if what == 0:
            del messages[at]
        elif what == 1:
            messages[at:at] = [messages[at]] * self._rng.choice((1, 2, 50, 1000))
        elif what == 2:
            messages[at] = (self._rng.choice((0, 1, 2, 4, 8, 11, 12, 13, 14, 20, 255)), body)
        elif what == 3:
            messages.insert(at, (self._rng.choice((0, 11, 13, 14)), b""))
        elif kind == 11 and what < 6:
            messages[at] = (kind, _vector(self._chain(body[3:])))
        else:
            messages[at] = (kind, self.bytes_only(body))
        written = b"".join(bytes((kind,)) + _vector(body) for kind, body in messages)
        if self._rng.random() < 0.1:
            written = self._write_number(written[:9]) + written[9:]
        others = [record for record in records if record[0] != 22]
        return [(22, 0x0303, written[at : at + 16384]) for at in range(0, len(written), 16384)] + others

    # -- scripts

    def _script(self, data: bytes) -> bytes:
        head, flights = split_script(data)
        if not flights:
            return self.bytes_only(data)
        at = self._rng.randrange(len(flights))
        what = self._rng.randrange(8)
        if what == 0:
            head = bytes((self._rng.randrange(256), self._rng.randrange(256)))
        elif what == 1:
            del flights[at]
        elif what == 2:
            flights[at:at] = [flights[at]] * self._rng.choice((1, 3, 12))
        elif what == 3:
            others = split_script(self._rng.choice(self.seeds))[1] if self.seeds else []
            flights[at:at] = others[:3]
        elif what == 4:
            flights[at] = (self._rng.randrange(256), flights[at][1])
        else:
            flights[at] = (flights[at][0], self._flight(flights[at][1]))
        return join_script(head, flights)


Record = tuple[int, int, bytes]
"""type, version, payload"""


def _vector(data: bytes) -> bytes:
    return min(len(data), 0xFFFFFF).to_bytes(3, "big") + data


def split_chain(data: bytes) -> list[bytes]:
    """The pieces behind lengths of three bytes; the last one is cut where the bytes end."""
    found, at = [], 0
    while at + 3 < len(data):
        size = int.from_bytes(data[at : at + 3], "big")
        found.append(data[at + 3 : at + 3 + size])
        at += 3 + size
    return found


def join_chain(certificates: Sequence[bytes]) -> bytes:
    """The inverse of split_chain."""
    return b"".join(_vector(certificate) for certificate in certificates)


def split_records(data: bytes) -> list[Record]:
    """TLS records; the last one is cut where the bytes end."""
    found, at = [], 0
    while at + 5 <= len(data):
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        found.append((data[at], int.from_bytes(data[at + 1 : at + 3], "big"), data[at + 5 : at + 5 + size]))
        at += 5 + size
    return found


def join_records(records: Sequence[Record]) -> bytes:
    """The inverse of split_records."""
    return b"".join(
        bytes((kind,)) + version.to_bytes(2, "big") + len(payload).to_bytes(2, "big") + payload
        for kind, version, payload in records
        if len(payload) <= 0xFFFF
    )


def split_messages(data: bytes) -> list[tuple[int, bytes]]:
    """Handshake messages (type, body); the last one is cut where the bytes end."""
    found, at = [], 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        found.append((data[at], data[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


def split_script(data: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    """(two bytes that steer the visit, [(how the connection ends, what it brings), …])."""
    found, at = [], 2
    while at + 4 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        found.append((data[at], data[at + 4 : at + 4 + size]))
        at += 4 + size
    return data[:2].ljust(2, b"\0"), found


def join_script(head: bytes, flights: Sequence[tuple[int, bytes]]) -> bytes:
    """The inverse of split_script."""
    return head[:2].ljust(2, b"\0") + b"".join(bytes((ending,)) + _vector(data) for ending, data in flights)
