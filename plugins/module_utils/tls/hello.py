# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hellos that we send: pure functions, no socket.

Sources: RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 6101 (SSLv3), the SSL 0.2 specification (SSLv2).
No hello is longer than 255 bytes: old devices hang on longer ones.
"""

from __future__ import annotations

import functools
import ipaddress
import os
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.suites import (
    LEGACY_ALL,
    LEGACY_BRIEF,
    LEGACY_NAMES,
    RENEGOTIATION_INFO_SCSV,
    SSLV2_CIPHER_KINDS,
    TLS12_BESIDE_TLS13,
    TLS12_FIRST,
    TLS12_FIXED,
    TLS12_NEGOTIATED,
    TLS13_FIRST,
    TLS13_NAMES,
    WEAK,
    cipher_name,
    key_of,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import (
    CLIENT_HELLO,
    HANDSHAKE,
    SSLV2,
    SSLV3,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
)

#: The longest hello, record header included.
MAX_HELLO = 255
#: A hello with fewer suites than this asks too little: the server's name is left out first.
_FEWEST_SUITES = 8

_EVERY_LEGACY = frozenset(LEGACY_ALL)
_UNENCRYPTED = frozenset(suite for suite in WEAK if "_WITH_NULL_" in cipher_name(suite))

_X25519 = 0x001D
#: X25519, P-256, P-384, P-521.
_GROUPS = (_X25519, 0x0017, 0x0018, 0x0019)
#: And X448, brainpool (RFC 7027).
_ALL_CURVES = (*_GROUPS, 0x001E, 0x001A, 0x001B, 0x001C)
#: And brainpool for TLS 1.3 (RFC 8734), ffdhe (RFC 7919), secp256k1, SM2 (RFC 8998), and the hybrids with ML-KEM.
_ALL_GROUPS = (*_ALL_CURVES, 0x001F, 0x0020, 0x0021, 0x0100, 0x0101, 0x0102, 0x0016, 0x0029, 0x11EC, 0x11EB)
_SIGNATURES = (0x0401, 0x0403, 0x0804, 0x0501, 0x0503, 0x0806, 0x0807, 0x0601, 0x0201, 0x0203)
#: And the rest of RSA (PKCS #1, PSS, PSS keys), ECDSA with brainpool curves, Ed448, DSA, and MD5.
_ALL_SIGNATURES = (
    *_SIGNATURES,
    *(0x0805, 0x0809, 0x080A, 0x080B, 0x0603, 0x0301, 0x0303, 0x0808, 0x081A, 0x081B, 0x081C, 0x0202, 0x0402, 0x0101),
    0x0708,
)


def _vector(data: bytes, length_bytes: int) -> bytes:
    return len(data).to_bytes(length_bytes, "big") + data


def _numbers(values: tuple[int, ...] | list[int], size: int = 2) -> bytes:
    return b"".join(value.to_bytes(size, "big") for value in values)


def _extension(number: int, body: bytes) -> bytes:
    return number.to_bytes(2, "big") + _vector(body, 2)


def can_be_server_name(name: str) -> bool:
    """Whether a name can be sent as SNI: no address, no wildcard, with an ASCII form (RFC 6066, 3)."""
    return bool(_server_name(name))


@functools.lru_cache(maxsize=1024)
def _server_name(name: str) -> bytes:
    """The server_name extension (RFC 6066, 3), empty where the name can't be sent."""
    try:
        ipaddress.ip_address(name.strip("[]"))
        return b""
    except ValueError:
        pass
    try:
        ascii_name = name.rstrip(".").encode("idna")
    except UnicodeError:
        return b""
    if not ascii_name or len(ascii_name) > 253 or b"*" in ascii_name:
        return b""
    return _extension(0, _vector(b"\x00" + _vector(ascii_name, 2), 2))


def default_suites(version: int, key: str = "any") -> tuple[int, ...]:
    """What a hello for this version, and whatever is older, offers first; `key`: rsa | ecdsa | any."""
    if version < TLS12:
        # All of them, so that "no suite in common" says something.
        return LEGACY_ALL
    suites = TLS12_FIRST if key == "any" else tuple(suite for suite in TLS12_FIRST if key_of(suite) == key)
    # TLS 1.3 and the most common older suites in one hello: a server without it shows its chain at once.
    return TLS13_FIRST + suites[:TLS12_BESIDE_TLS13] if version == TLS13 else suites


@dataclass(frozen=True)
class ClientHello:
    """A hello as it is sent, and the suites that it offers."""

    sent: bytes
    suites: tuple[int, ...]

    @property
    def complete(self) -> bool:
        """Whether it offers every suite of the versions before TLS 1.2."""
        return set(self.suites) >= _EVERY_LEGACY


def client_hello(
    version: int, server_name: str | None = None, bare: bool = False, brief: bool = False, key: str = "any"
) -> ClientHello:
    """A ClientHello whose highest version is `version`: the server picks its own highest up to that.

    `bare` leaves every extension out, for servers older than extensions; SSLv3 never has any. `brief` saves bytes:
    below TLS 1.2 it offers the most usual suites alone. `key`: the kind of key that is asked for, up to TLS 1.2. A
    name that would make the hello too long is not sent.
    """
    suites = default_suites(version, key)
    if brief and SSLV3 < version < TLS12:
        suites = suites[:LEGACY_BRIEF]
    if bare or version == SSLV3:
        return ClientHello(_hello(version, suites, b""), suites)
    return _fitting(version, suites, server_name, _usual_extensions(version))


def weak_hello(version: int, server_name: str | None = None) -> ClientHello:
    """A hello that offers nothing but what nobody may use any more (NULL, anonymous, export, RC4, DES, 3DES)."""
    suites = tuple(suite for suite in WEAK if version >= TLS12 or suite in LEGACY_NAMES)
    if version == SSLV3:
        return ClientHello(_hello(version, suites, b""), suites)
    return _fitting(version, suites, server_name, _usual_extensions(version))


def _fitting(version: int, suites: tuple[int, ...], server_name: str | None, extensions: bytes) -> ClientHello:
    named = (_server_name(server_name) if server_name else b"") + extensions
    room = _room(version, named)
    if room < min(_FEWEST_SUITES, len(suites)):
        named, room = extensions, _room(version, extensions)
    return ClientHello(_hello(version, suites[:room], named), suites[:room])


def further_hellos(version: int, server_name: str | None = None) -> Iterator[bytes]:
    """The hellos to send after "no common suite": with the first one, they offer all that the version knows.

    Every suite, every group, every signature algorithm, in as few hellos as the longest one allows. For older versions
    there are none: without extensions, one hello holds every suite.
    """
    if version < TLS12:
        return
    extensions = _extensions(version, _ALL_GROUPS, _ALL_SIGNATURES, _random_share())
    name = _server_name(server_name) if server_name else b""
    if _room(version, name + extensions) < _FEWEST_SUITES:
        name = b""
    negotiated, fixed = (tuple(TLS13_NAMES), ()) if version == TLS13 else (TLS12_NEGOTIATED, TLS12_FIXED)
    # A server that only signs, and does not encrypt, is the likeliest to know none of the first hello's suites.
    negotiated = tuple(suite for suite in fixed if suite in _UNENCRYPTED) + negotiated
    fixed = tuple(suite for suite in fixed if suite not in _UNENCRYPTED)
    while negotiated:
        room = _room(version, name + extensions)
        batch = (negotiated + fixed)[:room]
        fixed = fixed[max(0, room - len(negotiated)) :]
        negotiated = negotiated[room:]
        yield _hello(version, batch, name + extensions)
    while fixed:
        room = _room(version, name)
        yield _hello(version, fixed[:room], name)
        fixed = fixed[room:]


def _room(version: int, extensions: bytes) -> int:
    """How many suites a hello with these extensions can hold."""
    return max(0, (MAX_HELLO - len(_hello(version, (), extensions))) // 2)


@functools.cache
def _usual_extensions(version: int) -> bytes:
    """What the first hello for a version says beside the name."""
    # Uncompressed points alone (RFC 8422, 5.1.2): some old stacks want to be told.
    return _extensions(version, _GROUPS, _SIGNATURES) + _extension(11, b"\x01\x00")


def _extensions(version: int, groups: tuple[int, ...], signatures: tuple[int, ...], share: bytes = b"") -> bytes:
    """The extensions; with a key share they offer TLS 1.3 alone, for servers that won't ask for one."""
    extensions = _extension(10, _vector(_numbers(groups), 2))
    if version >= TLS12:
        extensions += _extension(13, _vector(_numbers(signatures), 2))
    if version == TLS13:
        versions = (TLS13,) if share else (TLS13, TLS12, TLS11, TLS10)
        extensions += _extension(43, _vector(_numbers(versions), 1))
        extensions += _extension(51, _vector(share, 2))
    return extensions


def _random_share() -> bytes:
    """A key share of X25519; any 32 bytes are one."""
    return _numbers((_X25519,)) + _vector(os.urandom(32), 2)


@functools.lru_cache(maxsize=256)
def _suites(suites: tuple[int, ...]) -> bytes:
    return _vector(_numbers((*suites, RENEGOTIATION_INFO_SCSV)), 2)


def _hello(version: int, suites: tuple[int, ...], extensions: bytes) -> bytes:
    body = min(version, TLS12).to_bytes(2, "big") + os.urandom(32) + b"\x00"
    body += _suites(suites) + b"\x01\x00"
    if extensions:
        body += _vector(extensions, 2)
    handshake = bytes((CLIENT_HELLO,)) + _vector(body, 3)
    # The record's own version is 3.1 at most: some old stacks look at it (RFC 8446, 5.1).
    return bytes((HANDSHAKE,)) + min(version, TLS10).to_bytes(2, "big") + _vector(handshake, 2)


def sslv2_client_hello() -> bytes:
    """An SSLv2 CLIENT-HELLO with every cipher kind and a 16 byte challenge."""
    kinds = _numbers(SSLV2_CIPHER_KINDS, 3)
    body = b"\x01" + SSLV2.to_bytes(2, "big") + _numbers((len(kinds), 0, 16)) + kinds + os.urandom(16)
    return (0x8000 | len(body)).to_bytes(2, "big") + body
