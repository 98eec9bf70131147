# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that do their worst, each a process and an address of its own; and healthy ones beside them.

python tests/fuzz/hostile.py     prints one JSON line {"name": {"address", "port", "service", "sntp"}, …}, and
                                 serves until its standard input ends
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import signal
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import formatdate
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tests")]

from lab.places import own_network  # noqa: E402

from fuzz import tls13  # noqa: E402
from fuzz.mutate import join_chain, join_records  # noqa: E402

#: The healthy devices' addresses end in 1 to 9, the others' in 10 and more.
NETWORK = ipaddress.ip_network(f"{own_network('hostile')}.0.0/24")
ALERT, HANDSHAKE = 21, 22
#: A conversation is given up after this, so that nothing outlives the tests.
LIMIT = 30.0

Play = Callable[[socket.socket], None]


class Material:
    """One key and certificate of each kind, shared by all devices."""

    def __init__(self) -> None:
        self.rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec_key = ec.generate_private_key(ec.SECP256R1())
        self.rsa = _certificate(self.rsa_key)
        self.ec = _certificate(self.ec_key)
        self.pem = tempfile.NamedTemporaryFile(suffix=".pem")  # noqa: SIM115 - lives as long as the farm
        self.pem.write(
            self.ec_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.pem.write(ssl.DER_cert_to_PEM_cert(self.ec).encode())
        self.pem.flush()


def _certificate(key: Any, names: tuple[str, ...] = ("echo-004.hopital.example",)) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "echo-004")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(4)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=timezone.utc))
        .not_valid_after(datetime(2049, 1, 1, tzinfo=timezone.utc))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(text) for text in names]), False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


# -- pieces of TLS


def message(kind: int, body: bytes = b"") -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def records(data: bytes, kind: int = HANDSHAKE, size: int = 16384) -> bytes:
    return join_records([(kind, 0x0303, data[at : at + size]) for at in range(0, len(data), size)])


def server_hello(cipher: int = 0xC02F, random: bytes = b"\x07" * 32) -> bytes:
    return message(2, b"\x03\x03" + random + b"\x00" + cipher.to_bytes(2, "big") + b"\x00")


def certificates(*ders: bytes) -> bytes:
    body = join_chain(ders)
    return message(11, len(body).to_bytes(3, "big") + body)


def flight(*ders: bytes) -> bytes:
    return records(server_hello() + certificates(*ders) + message(14))


def answer_hello(data: bytes) -> Play:
    """Wait for the hello, send this, and wait for the end."""

    def play(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(data)
        while sock.recv(4096):
            pass

    return play


def flood(block: bytes, first: bytes = b"", wait: bool = True) -> Play:
    """Wait for the hello (or don't), send `first`, and then `block` without end."""

    def play(sock: socket.socket) -> None:
        if wait:
            sock.recv(4096)
        sock.sendall(first)
        whole = block * max(1, 65536 // len(block))
        while True:
            sock.sendall(whole)

    return play


def after(words: bytes, then: Play) -> Play:
    """A sound answer to the first thing that is said, and then something else."""

    def play(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(words)
        then(sock)

    return play


def trickle(data: bytes, then: bytes = b"\x00") -> Play:
    """A byte at a time, for ever."""

    def play(sock: socket.socket) -> None:
        for at in range(1 << 30):
            sock.sendall(data[at : at + 1] or then)
            time.sleep(0.25)

    return play


def slow_refusal(sock: socket.socket) -> None:
    """Always an answer, always late, and never one that ends the questions."""
    sock.recv(4096)
    time.sleep(0.9)
    sock.sendall(records(b"\x02\x28", ALERT))


def silent(sock: socket.socket) -> None:
    while sock.recv(4096):
        pass


def reset(sock: socket.socket) -> None:
    sock.recv(4096)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def huge_prime(material: Material) -> Play:
    """An ephemeral Diffie-Hellman exchange over a prime of 10,000 bits, signed as it should be."""

    def play(sock: socket.socket) -> None:
        hello = sock.recv(4096)
        size = 1250
        numbers = (b"\xff" * size, b"\x02", b"\x5a" * size)
        parameters = b"".join(len(number).to_bytes(2, "big") + number for number in numbers)
        ours = b"\x07" * 32
        signature = material.rsa_key.sign(hello[11:43] + ours + parameters, padding.PKCS1v15(), hashes.SHA256())
        exchange = message(12, parameters + b"\x04\x01" + len(signature).to_bytes(2, "big") + signature)
        said = server_hello(0x009E, ours) + certificates(material.rsa) + exchange + message(14)
        sock.sendall(records(said))
        silent(sock)

    return play


# -- a real TLS server, and what it says inside


def over_tls(
    material: Material, talk: Callable[[ssl.SSLSocket], None], tickets: int = 2, newest: str = "TLSv1_2"
) -> Play:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(material.pem.name)
    context.num_tickets = tickets
    context.maximum_version = ssl.TLSVersion[newest]

    def play(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as session:
            session.recv(4096)
            talk(session)

    return play


def say(first: bytes, again: bytes = b"", pause: float = 0.0, pieces: int = 0) -> Callable[[ssl.SSLSocket], None]:
    """Say `first` (in records of `pieces` bytes) and then `again` without end."""

    def talk(session: ssl.SSLSocket) -> None:
        size = pieces or len(first) or 1
        for at in range(0, len(first), size):
            session.sendall(first[at : at + size])
        while again:
            session.sendall(again)
            time.sleep(pause)

    return talk


def healthy_page(session: ssl.SSLSocket) -> None:
    head = f"HTTP/1.1 200 OK\r\nDate: {formatdate(usegmt=True)}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    session.sendall(head.encode())
    with contextlib.suppress(OSError):
        session.unwrap()


# -- the cases


def healthy(material: Material) -> dict[str, tuple[str, Play]]:
    return {
        "healthy-tls12": ("https", over_tls(material, healthy_page)),
        "healthy-tls13": ("https", over_tls(material, healthy_page, newest="TLSv1_3")),
        "healthy-dicom": ("dicom", over_tls(material, silent, newest="TLSv1_3")),
    }


def hostile(material: Material) -> dict[str, tuple[str, Play]]:
    """name -> (service, what it does on each connection)."""
    sound = flight(material.rsa)
    begun = b"\x16\x03\x03\xff\xf0"
    announced = records(server_hello() + b"\x0b\xff\xff\xff" + bytes(9000))
    crowd = [bytes((index & 255,)) * 10 for index in range(10_000)]
    ok = b"HTTP/1.1 200 OK\r\n"
    marks = ("a" + "\u0315\u0300" * 6000).encode()
    heavy = _swollen(material.ec, marks)

    def tls13_flood(kind: int, data: bytes) -> Play:
        def play(sock: socket.socket) -> None:
            tls13.serve(sock, material.ec, material.ec_key, lambda session: session.flood(kind, data))

        return play

    return {
        # from the first byte
        "silence": ("https", silent),
        "reset": ("https", reset),
        "slow-refusal": ("https", slow_refusal),
        "trickle-tls": ("https", trickle(sound, b"\x16")),
        "trickle-text": ("https", trickle(b"SSH-2.0-", b"x")),
        "gigabytes": ("https", flood(os.urandom(65536), wait=False)),
        "gigabytes-of-tls": ("https", flood(records(bytes(16384)), records(server_hello() + b"\x0b\x03\xff\xff"))),
        "gigabytes-of-records": ("https", flood(records(message(4, b"\x00")), records(server_hello()))),
        "record-of-64k": ("https", flood(begun + bytes(8192))),
        "message-of-16m": ("https", flood(announced, records(b"\x02\xff\xff\xff" + bytes(99)))),
        "certificate-of-16m": ("https", flood(bytes(16384), announced)),
        "warnings": ("https", flood(records(b"\x01\x70", ALERT))),
        "warnings-after-hello": ("https", flood(records(b"\x01\x70", ALERT), records(server_hello()))),
        "empty-records": ("https", flood(b"\x16\x03\x03\x00\x00")),
        "empty-records-after-hello": ("https", flood(b"\x16\x03\x03\x00\x00", records(server_hello()))),
        "empty-messages": ("https", flood(records(message(0) * 4096))),
        "empty-messages-after-hello": ("https", flood(records(message(22) * 4096), records(server_hello()))),
        "one-byte-records": (
            "https",
            flood(records(bytes(4096), size=1), records(server_hello() + b"\x0b\x03\xff\xff")),
        ),
        # certificates
        "ten-thousand-certificates": ("https", answer_hello(flight(*crowd))),
        "megabyte-certificate": ("https", answer_hello(flight(b"\x30\x83\x0f\x42\x40" + bytes(1_000_000)))),
        "certificate-of-200k": ("https", answer_hello(flight(b"\x30\x83\x03\x0d\x40" + bytes(200_000)))),
        "heavy-names": ("https", answer_hello(flight(heavy, *[heavy[:-3] + bytes((9, 9, at)) for at in range(3)]))),
        "huge-prime": ("https", huge_prime(material)),
        # after the handshake
        "endless-header": ("https", over_tls(material, say(ok, b"X-Filler: " + b"y" * 4000 + b"\r\n"))),
        "endless-line": ("https", over_tls(material, say(ok, b"y" * 16000, 0.0))),
        "endless-body": ("https", over_tls(material, say(ok + b"Content-Length: 9999999999\r\n\r\n", b"y" * 16000))),
        "endless-interim": ("https", over_tls(material, say(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 600))),
        "one-byte-header": ("https", over_tls(material, say(ok + b"X: y\r\n" * 3000, pieces=1))),
        "trickled-header": ("https", over_tls(material, say(ok, b"x", 0.25))),
        "trickled-body": ("https", over_tls(material, say(ok + b"Content-Length: 999\r\n\r\n", b"x", 0.25))),
        "thousand-tickets": ("https", over_tls(material, healthy_page, tickets=1000, newest="TLSv1_3")),
        "key-updates": ("https", tls13_flood(tls13.HANDSHAKE, tls13.KEY_UPDATE)),
        "key-updates-both-ways": ("https", tls13_flood(tls13.HANDSHAKE, tls13.KEY_UPDATE_BOTH)),
        "tickets-without-end": ("https", tls13_flood(tls13.HANDSHAKE, tls13.NEW_SESSION_TICKET)),
        "empty-application-data": ("https", tls13_flood(tls13.APPLICATION_DATA, b"")),
        # before TLS
        "smtp-greeting": ("smtp", flood(b"220-still here\r\n", wait=False)),
        "smtp-line": ("smtp", flood(b"220 " + b"x" * 9000, wait=False)),
        "smtp-trickle": ("smtp", trickle(b"220-", b"x")),
        "imap-untagged": ("imap", flood(b"* OK still here\r\n", wait=False)),
        "ftp-greeting": ("ftp", flood(b"220-x\r\n 220\r\n", wait=False)),
        "pop3-line": ("pop3", flood(b"+OK " + b"x" * 100, wait=False)),
        "ldap-of-4g": ("ldap", flood(bytes(4096), b"\x30\x84\xff\xff\xff\xff\x02\x01\x01\x78")),
        "ldap-of-8k": ("ldap", trickle(b"\x30\x82\x1f\xff\x02\x01\x01\x78")),
        "rdp-of-64k": ("rdp", flood(bytes(4096), b"\x03\x00\xff\xff")),
        "mysql-of-16m": ("mysql", flood(bytes(4096), b"\xff\xff\xff\x00\x0a", wait=False)),
        "mssql-of-64k": ("mssql", flood(bytes(4096), b"\x04\x01\xff\xff\x00\x00\x01\x00")),
        "mssql-empty-packets": ("mssql", after(_PRELOGIN, flood(b"\x12\x01\x00\x08\0\0\0\0"))),
        "postgres-flood": ("postgres", flood(b"S" * 4096)),
        # beside TLS
        "sntp-junk": ("https", over_tls(material, healthy_page)),
    }


_PRELOGIN = b"\x04\x01\x00\x1a\x00\x00\x01\x00" + b"\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff" + bytes(6) + b"\x01"


def _swollen(der: bytes, marks: bytes) -> bytes:
    """The certificate with a common name that is hard to compare; its signature no longer fits."""
    from fuzz import der_tree

    forest = der_tree.parse(der)
    for place in forest.root.walk():
        if place.node.tag == 0x0C:
            place.node.content = marks
    return forest.encode()


# -- the farm


def serve_forever(listener: socket.socket, play: Play, datagrams: socket.socket | None) -> None:
    if datagrams is not None:
        threading.Thread(target=_junk, args=(datagrams,), daemon=True).start()
    while True:
        sock, _peer = listener.accept()
        threading.Thread(target=_converse, args=(sock, play), daemon=True).start()


def _converse(sock: socket.socket, play: Play) -> None:
    sock.settimeout(LIMIT)
    with sock, contextlib.suppress(OSError, ValueError, IndexError):
        play(sock)


def _junk(sock: socket.socket) -> None:
    """After one query, datagrams without end that are no answer to it."""
    _query, peer = sock.recvfrom(512)
    while True:
        with contextlib.suppress(OSError):
            sock.sendto(b"\x24\x02" + os.urandom(46), peer)


def main() -> None:
    material = Material()
    cases = [*healthy(material).items()], [*hostile(material).items()]
    told, children = {}, []
    for first, group in zip((1, 10), cases, strict=True):
        for number, (name, (service, play)) in enumerate(group):
            address = str(NETWORK[first + number])
            listener = socket.create_server((address, 0), backlog=64)
            datagrams = None
            told[name] = {"address": address, "port": listener.getsockname()[1], "service": service}
            if name.startswith("sntp"):
                datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                datagrams.bind((address, 0))
                told[name]["sntp"] = {"port": datagrams.getsockname()[1]}
            child = os.fork()
            if not child:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                sys.stdin.close()
                # They share one machine here: a flood must not take the processors from the healthy ones.
                os.nice(0 if name.startswith("healthy") else 15)
                try:
                    serve_forever(listener, play, datagrams)
                finally:
                    os._exit(0)
            children.append(child)
            listener.close()
    print(json.dumps(told), flush=True)
    try:
        sys.stdin.read()
    except KeyboardInterrupt:
        pass
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main()
