# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Just enough of a TLS 1.3 server to do after the handshake what no TLS library would (RFC 8446).

TLS_AES_128_GCM_SHA256, P-256, ECDSA with P-256. It checks nothing of what the client sends.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HANDSHAKE, APPLICATION_DATA = 22, 23
KEY_UPDATE = b"\x18\x00\x00\x01\x00"
KEY_UPDATE_BOTH = b"\x18\x00\x00\x01\x01"
NEW_SESSION_TICKET = b"\x04\x00\x00\x40" + bytes(8) + b"\x01t" + b"\x00\x32" + bytes(50) + b"\x00\x00"

_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_P256 = b"\x00\x17"


def _expand(secret: bytes, label: str, context: bytes = b"", size: int = 32) -> bytes:
    name = b"tls13 " + label.encode()
    info = size.to_bytes(2, "big") + bytes((len(name),)) + name + bytes((len(context),)) + context
    return hmac.new(secret, info + b"\x01", "sha256").digest()[:size]


def _extract(salt: bytes, secret: bytes) -> bytes:
    return hmac.new(salt, secret, "sha256").digest()


class _Writer:
    """The server's half of the record protection."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._aead = AESGCM(_expand(secret, "key", size=16))
        self._iv = int.from_bytes(_expand(secret, "iv", size=12), "big")
        self._number = 0

    def record(self, kind: int, data: bytes) -> bytes:
        head = b"\x17\x03\x03" + (len(data) + 17).to_bytes(2, "big")
        nonce = (self._iv ^ self._number).to_bytes(12, "big")
        self._number += 1
        return head + self._aead.encrypt(nonce, data + bytes((kind,)), head)

    def updated(self) -> _Writer:
        return _Writer(_expand(self.secret, "traffic upd"))


def _message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def _plain(data: bytes) -> bytes:
    return b"\x16\x03\x03" + len(data).to_bytes(2, "big") + data


def _extensions(hello: bytes) -> dict[int, bytes]:
    """The extensions of a ClientHello message."""
    at = 4 + 34
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at]
    at += 2
    found = {}
    while at + 4 <= len(hello):
        size = int.from_bytes(hello[at + 2 : at + 4], "big")
        found[int.from_bytes(hello[at : at + 2], "big")] = hello[at + 4 : at + 4 + size]
        at += 4 + size
    return found


def _share(extension: bytes) -> bytes | None:
    at = 2
    while at + 4 <= len(extension):
        size = int.from_bytes(extension[at + 2 : at + 4], "big")
        if extension[at : at + 2] == _P256:
            return extension[at + 4 : at + 4 + size]
        at += 4 + size
    return None


def serve(sock: Any, certificate: bytes, key: ec.EllipticCurvePrivateKey, then: Callable[[Session], None]) -> None:
    """Answer one connection: an alert to older hellos, a request for a P-256 share, or a handshake and `then`."""
    received = b""
    while len(received) < 5 or len(received) < 5 + int.from_bytes(received[3:5], "big"):
        data = sock.recv(4096)
        if not data:
            return
        received += data
    hello = received[5 : 5 + int.from_bytes(received[3:5], "big")]
    extensions = _extensions(hello)
    if b"\x03\x04" not in extensions.get(43, b""):
        sock.sendall(b"\x15\x03\x03\x00\x02\x02\x46")
        return
    share = _share(extensions.get(51, b""))
    session_id = hello[39 : 39 + hello[38]]
    head = bytes((len(session_id),)) + session_id + b"\x13\x01\x00"
    if share is None:
        found = b"\x00\x2b\x00\x02\x03\x04" + b"\x00\x33\x00\x02" + _P256
        sock.sendall(_plain(_message(2, b"\x03\x03" + _RETRY + head + len(found).to_bytes(2, "big") + found)))
        return
    ours = ec.generate_private_key(ec.SECP256R1())
    public = ours.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), share)
    shared = ours.exchange(ec.ECDH(), theirs)
    found = b"\x00\x2b\x00\x02\x03\x04" + b"\x00\x33" + (len(public) + 4).to_bytes(2, "big") + _P256
    found += len(public).to_bytes(2, "big") + public
    server_hello = _message(2, b"\x03\x03" + os.urandom(32) + head + len(found).to_bytes(2, "big") + found)
    transcript = hello + server_hello
    nothing = hashlib.sha256(b"").digest()
    early = _extract(bytes(32), bytes(32))
    handshake = _extract(_expand(early, "derived", nothing), shared)
    secret = _expand(handshake, "s hs traffic", hashlib.sha256(transcript).digest())
    writer = _Writer(secret)
    entry = len(certificate).to_bytes(3, "big") + certificate + b"\x00\x00"
    messages = _message(8, b"\x00\x00") + _message(11, b"\x00" + len(entry).to_bytes(3, "big") + entry)
    transcript += messages
    signed = b" " * 64 + b"TLS 1.3, server CertificateVerify\x00" + hashlib.sha256(transcript).digest()
    signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    proof = _message(15, b"\x04\x03" + len(signature).to_bytes(2, "big") + signature)
    transcript += proof
    mac = hmac.new(_expand(secret, "finished"), hashlib.sha256(transcript).digest(), "sha256").digest()
    finished = _message(20, mac)
    transcript += finished
    master = _extract(_expand(handshake, "derived", nothing), bytes(32))
    traffic = _expand(master, "s ap traffic", hashlib.sha256(transcript).digest())
    sock.sendall(_plain(server_hello) + writer.record(HANDSHAKE, messages + proof + finished))
    sock.recv(4096)  # their Finished, and whatever came with it
    then(Session(sock, _Writer(traffic)))


class Session:
    """After the handshake: says what it is told to say."""

    def __init__(self, sock: Any, writer: _Writer) -> None:
        self._sock = sock
        self._writer = writer

    def flood(self, kind: int, data: bytes) -> None:
        """The same message without end, many to a segment."""
        while True:
            block = b""
            while len(block) < 16384:
                block += self._writer.record(kind, data)
                if data in (KEY_UPDATE, KEY_UPDATE_BOTH):
                    self._writer = self._writer.updated()
            self._sock.sendall(block)
