# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DER as a tree that can be damaged in one place and written again with every length around it right.

A bit flipped in a certificate mostly breaks a length, and the reader stops at the door. Damage with the frame kept
whole reaches the rooms behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_MAX_DEPTH = 24
_BIT_STRING, _OCTET_STRING = 0x03, 0x04


@dataclass
class Node:
    """An element: `prefix` are the bytes before the children (the unused bits of a BIT STRING that holds DER).

    `length`: written instead of the true length where it is set.
    """

    tag: int
    content: bytes = b""
    children: list[Node] | None = None
    prefix: bytes = b""
    length: bytes | None = None

    def encode(self) -> bytes:
        body = self.content if self.children is None else self.prefix + b"".join(c.encode() for c in self.children)
        return bytes((self.tag,)) + (definite(len(body)) if self.length is None else self.length) + body

    def walk(self) -> Iterator[Place]:
        """Every element below this one, with where it is."""
        pending = [self]
        while pending:
            node = pending.pop()
            for index, child in enumerate(node.children or ()):
                yield Place(node, index)
                pending.append(child)


@dataclass
class Place:
    """One child of one node."""

    parent: Node
    index: int

    @property
    def siblings(self) -> list[Node]:
        assert self.parent.children is not None
        return self.parent.children

    @property
    def node(self) -> Node:
        return self.siblings[self.index]


@dataclass
class Forest:
    """Elements one after the other, and what follows them."""

    root: Node = field(default_factory=lambda: Node(0x30, children=[]))
    rest: bytes = b""

    def encode(self) -> bytes:
        return b"".join(child.encode() for child in self.root.children or ()) + self.rest


def definite(size: int) -> bytes:
    """A length in as few bytes as it takes."""
    if size < 0x80:
        return bytes((size,))
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(digits),)) + digits


def parse(data: bytes) -> Forest:
    """The elements in `data`; what is no DER is kept as it is."""
    forest = Forest()
    forest.root.children, used = _elements(data, 0)
    forest.rest = data[used:]
    return forest


def _elements(data: bytes, depth: int) -> tuple[list[Node], int]:
    found, at = [], 0
    while len(data) - at >= 2 and data[at] & 0x1F != 0x1F:
        size, start = data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            if not 1 <= count <= 3:
                break
            size, start = int.from_bytes(data[start : start + count], "big"), start + count
        if start + size > len(data):
            break
        found.append(_node(data[at], data[start : start + size], depth))
        at = start + size
    return found, at


def _node(tag: int, content: bytes, depth: int) -> Node:
    node = Node(tag, content)
    if depth >= _MAX_DEPTH:
        return node
    prefix = content[:1] if tag == _BIT_STRING else b""
    if tag & 0x20 or tag in (_BIT_STRING, _OCTET_STRING):
        children, used = _elements(content[len(prefix) :], depth + 1)
        if used + len(prefix) == len(content) and (tag & 0x20 or (children and content[len(prefix)] == 0x30)):
            node.children, node.prefix = children, prefix
    return node
