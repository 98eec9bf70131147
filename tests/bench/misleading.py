# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that mislead, as functions that play one connection; other programs stand behind some of them."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from servers.device import (
    Device,
    Link,
    Serve,
    Tls,
    alert,
    free_port,
    hello_name,
    hello_version,
    server_context,
    web_page,
)
from servers.real import PROGRAMS, program, running
from unit import pki_factory as pki

from bench import chains

OLD = ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")
MODERN = OLD[2:]
#: Seconds for which the limiters let nobody else in.
_LIMIT = 1.5


@dataclass
class Stand:
    """Where a server stands: a folder, what ends with it, and its own listener once it has one."""

    folder: Path
    held: contextlib.ExitStack
    devices: list[Device] = field(default_factory=list)

    def run(self, command: list[str | Path], port: int) -> Serve:
        """Another program, to which every connection is handed on."""
        self.held.enter_context(running(command, [port], self.folder))
        return _to(port)


Serving = Callable[[Stand], Serve]


def _tls(stand: Stand, name: str, chain: tuple[pki.Identity, ...], versions: tuple[str, ...] = MODERN) -> Tls:
    return Tls(server_context(chains.write(stand.folder, name, *chain), versions), web_page())


def chain(*links: Callable[[], pki.Identity]) -> Serving:
    """It sends this chain."""
    return lambda stand: _tls(stand, "chain", tuple(link() for link in links))


def pair(rsa_end: float, ecdsa_end: float, versions: tuple[str, ...] = MODERN) -> Serving:
    """A certificate for each kind of key, which ends in so many days."""

    def serving(stand: Stand) -> Serve:
        files = {
            kind: chains.write(stand.folder, kind, chains.leaf(kind, end), chains.issuing())
            for kind, end in (("p256", ecdsa_end), ("rsa2048", rsa_end))
        }
        context = server_context(files["p256"], versions)
        context.load_cert_chain(files["rsa2048"])
        return Tls(context, web_page())

    return serving


def expired_for(who: Callable[[bytes], bool], good: tuple[str, ...] = MODERN, bad: tuple[str, ...] = MODERN) -> Serving:
    """Those whose hello is such get an expired certificate."""

    def serving(stand: Stand) -> Serve:
        sound = _tls(stand, "sound", (chains.leaf(), chains.issuing()), good)
        expired = _tls(stand, "expired", (chains.leaf("rsa2048", -3), chains.issuing()), bad)
        # The server that is chosen reads the hello itself.
        return lambda link: (expired if who(link.sock.recv(65536, socket.MSG_PEEK)) else sound)(link)

    return serving


def every_second_node(stand: Stand) -> Serve:
    """Two nodes by turns behind one address; one has an expired certificate."""
    nodes = [_tls(stand, f"node{end}", (chains.leaf("rsa2048", end), chains.issuing())) for end in (365, -3)]
    return lambda link: nodes[link.number % 2](link)


def names(name: str | None) -> Callable[[bytes], bool]:
    """The hello that asks for this name."""
    return lambda hello: hello[:1] == b"\x16" and hello_name(hello) == name


def offers_tls_1_3(hello: bytes) -> bool:
    """Anybody's hello whose extension supported_versions (43) has TLS 1.3."""
    at = hello.find(b"\x00\x2b\x00")
    return at >= 0 and b"\x03\x04" in hello[at + 5 : at + 5 + hello[at + 4]]


def wrong_key(versions: str) -> Serving:
    """The certificate was renewed, the key was not; Java serves it all the same."""

    def serving(stand: Stand) -> Serve:
        folder, port = stand.folder, free_port()
        form = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        (folder / "key.der").write_bytes(pki.key("rsa2048", "another").private_bytes(*form))
        (folder / "chain.pem").write_text(chains.leaf().pem + chains.issuing().pem)
        java, store = [program("java"), "-XX:TieredStopAtLevel=1", "-Xmx64m"], folder / "keys.p12"
        maker = Path(__file__).with_name("WrongKeystore.java")
        subprocess.run([*java, maker, folder / "key.der", folder / "chain.pem", store], check=True, capture_output=True)
        return stand.run([*java, PROGRAMS / "JavaServer.java", store, f"{port}:{versions}"], port)

    return serving


def _to(port: int) -> Serve:
    """Hand a connection on; an end of one side is an end of the other."""

    def serve(link: Link) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as behind:
            thread = threading.Thread(target=_pump, args=(link, behind), daemon=True)
            thread.start()
            with contextlib.suppress(OSError):
                while data := behind.recv(65536):
                    link.send(data)
            with contextlib.suppress(OSError):
                link.sock.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    return serve


def _pump(link: Link, behind: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := link.receive():
            behind.sendall(data)
        behind.shutdown(socket.SHUT_WR)


def plain(versions: tuple[str, ...] = OLD, ciphers: str = "ALL") -> Callable[[Stand], Tls]:
    """Nothing wrong but what it speaks."""
    return lambda stand: Tls(
        server_context(chains.write(stand.folder, "plain", chains.leaf(), chains.issuing()), versions, ciphers),
        web_page(),
    )


def limited(cut: Serve, versions: tuple[str, ...] = OLD) -> Serving:
    """One session in a while; the next one is cut: rate limiters, devices with one session, intrusion prevention."""

    def serving(stand: Stand) -> Serve:
        tls, last = plain(versions)(stand), [0.0]

        def one(link: Link) -> None:
            if time.monotonic() - last[0] < _LIMIT:
                cut(link)
                return
            last[0] = time.monotonic()
            tls(link)
            last[0] = time.monotonic()

        return one

    return serving


def after_hello(then: Serve, said: bytes = b"") -> Serve:
    """Read the hello, say this, and end so."""

    def cut(link: Link) -> None:
        link.receive()
        if said:
            link.send(said)
        then(link)

    return cut


def ruled(number: int, who: Callable[[bytes], bool]) -> Serving:
    """TLS 1.0 to 1.2; those whose hello is such get this alert."""
    return lambda stand: Tls(
        plain(OLD[:3])(stand).context, web_page(), gate=lambda hello: alert(number) if who(hello) else None
    )


def of_tls_1_1(hello: bytes) -> bool:
    """A hello of TLS 1.1."""
    return hello_version(hello) == 0x0302


def old_with_a_name(hello: bytes) -> bool:
    """A hello of TLS 1.1 or older with extensions, a name among them."""
    return hello[:1] == b"\x16" and hello_version(hello) < 0x0303 and hello_name(hello) is not None


def haproxy(rule: str) -> Serving:
    """Real software: haproxy with a rate for each client, per connection or session."""

    def serving(stand: Stand) -> Serve:
        port = free_port()
        file = chains.write(stand.folder, "haproxy", chains.leaf(), chains.issuing())
        (stand.folder / "haproxy.cfg").write_text(
            "global\n ssl-default-bind-ciphers ALL:@SECLEVEL=0\n"
            "defaults\n mode http\n timeout connect 3s\n timeout client 5s\n timeout server 5s\n"
            f"frontend f\n bind 127.0.0.1:{port} ssl crt {file} ssl-min-ver TLSv1.0\n"
            " stick-table type ip size 1k expire 10s store conn_rate(2s)\n"
            f" tcp-request {rule} track-sc0 src\n tcp-request {rule} reject if {{ sc0_conn_rate gt 1 }}\n"
            ' http-request return status 200 content-type text/plain string "ok"\n'
        )
        serve = stand.run([program("haproxy"), "-db", "-f", stand.folder / "haproxy.cfg"], port)
        time.sleep(2.5)  # it forgets the look whether it listens
        return serve

    return serving


def dies_at(number: int) -> Serving:
    """It crashes at its so many-th connection, and does not come back."""

    def serving(stand: Stand) -> Serve:
        tls = plain(MODERN)(stand)

        def one(link: Link) -> None:
            if link.number + 1 >= number:
                stand.devices[0].stop_listening()
                link.reset()
                return
            tls(link)

        return one

    return serving


def no_encryption(stand: Stand) -> Serve:
    """TLS 1.2 that signs and does not encrypt."""
    port = free_port()
    file = chains.write(stand.folder, "null", chains.leaf(), chains.issuing())
    command = [program("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-cert", file, "-key", file, "-www"]
    return stand.run([*command, "-cert_chain", file, "-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0"], port)


def sslv2_too(stand: Stand) -> Serve:
    """TLS 1.2, and SSL 2.0 all the same, as an old Apache with its newer versions switched off one by one."""
    tls, certificate = plain(("TLSv1.2",))(stand), chains.leaf().der
    hello = b"\x04\x00\x01\x00\x02" + len(certificate).to_bytes(2, "big") + b"\x00\x03\x00\x10"
    hello += certificate + b"\x01\x00\x80" + bytes(range(16))

    def one(link: Link) -> None:
        if link.sock.recv(3, socket.MSG_PEEK)[:1] == b"\x16":
            tls(link)
            return
        link.receive()
        link.send((0x8000 | len(hello)).to_bytes(2, "big") + hello)
        link.finish()

    return one
