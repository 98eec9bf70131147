# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes that are completed, with OpenSSL's server in memory: what is seen of it, and why one is not completed."""

from __future__ import annotations

import ssl

import pytest
from unit import pki_factory as pki
from unit.tls_peer import Peer, Script, done, server_context

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import PeerReset
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import DeadlineExpired
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls import handshake
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.handshake import HandshakeFailed, TlsSession
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import TLS12, TLS13

ROOT = pki.make("Handshake root", ca=True)
ISSUING = pki.make("Handshake issuing", ROOT, ca=True)
LEAF = pki.make("device.hopital.example", ISSUING, dns=["device.hopital.example"], kind="rsa2048")
NAME = "device.hopital.example"
SEES_ALL = hasattr(ssl.create_default_context(), "_msg_callback")


def server(version: int) -> ssl.SSLContext:
    context = server_context(LEAF, ISSUING)
    only = ssl.TLSVersion.TLSv1_3 if version == TLS13 else ssl.TLSVersion.TLSv1_2
    context.minimum_version = context.maximum_version = only
    return context


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("step", [65536, 7])
def test_the_chain_and_what_is_said_come_through(version: int, step: int) -> None:
    context = server(version)
    heard_names: list[str | None] = []
    context.sni_callback = lambda _tls, name, _context: heard_names.append(name)
    peer = Peer(context, [b"HTTP/1.1 200 OK\r\n", b"Date: now\r\n\r\n"], step)
    session = TlsSession(peer, NAME, version)
    done(session.handshake())
    done(session.send(b"HEAD / HTTP/1.1\r\n\r\n"))
    said = b""
    while len(said) < 30:
        piece = done(session.receive())
        assert piece
        said += piece
    assert said == b"HTTP/1.1 200 OK\r\nDate: now\r\n\r\n"
    assert peer.heard == b"HEAD / HTTP/1.1\r\n\r\n"
    assert heard_names == [NAME]
    assert session.chain == ((LEAF.der, ISSUING.der) if version == TLS12 or SEES_ALL else (LEAF.der,))
    assert session.certificate_requested is False
    assert session.negotiated is not None and session.negotiated.cipher and session.negotiated.group
    assert session.key_proved and session.key == "rsa"
    done(session.close())
    assert peer.refused is None


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_client_certificate_that_is_asked_for_is_seen(version: int) -> None:
    context = server(version)
    context.verify_mode = ssl.CERT_OPTIONAL
    session = TlsSession(Peer(context), NAME, version)
    done(session.handshake())
    assert session.certificate_requested is (version == TLS12 or SEES_ALL)


def test_tls_1_3_refuses_a_client_without_certificate_after_the_handshake() -> None:
    context = server(TLS13)
    context.verify_mode = ssl.CERT_REQUIRED
    session = TlsSession(Peer(context), NAME, TLS13)
    done(session.handshake())
    for _again in range(2):  # it stays so
        with pytest.raises(HandshakeFailed) as refusal:
            done(session.receive())
        assert "certificate required" in refusal.value.reason
        assert refusal.value.kind == "alert"


def test_an_older_version_refuses_it_within() -> None:
    context = server(TLS12)
    context.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(HandshakeFailed) as refusal:
        done(TlsSession(Peer(context), NAME, TLS12).handshake())
    assert refusal.value.kind == "alert" and "handshake failure" in refusal.value.reason


@pytest.mark.parametrize(("ours", "theirs"), [(TLS12, TLS13), (TLS13, TLS12)])
def test_a_server_of_another_version_alone(ours: int, theirs: int) -> None:
    with pytest.raises(HandshakeFailed) as refusal:
        done(TlsSession(Peer(server(theirs)), NAME, ours).handshake())
    assert refusal.value.kind == "alert" and "protocol version" in refusal.value.reason


@pytest.mark.parametrize("name", [None, "192.0.2.1", ".", "a" * 300, "\u00e9.example", "a\x00b"])
def test_a_name_that_cannot_be_sent_is_left_out(name: str | None) -> None:
    session = TlsSession(Peer(server(TLS13)), name, TLS13)
    done(session.handshake())
    assert session.chain


@pytest.mark.parametrize("group", [None, 0x0017, 0x001D, 0x0018, 0x6399])
def test_the_group_that_was_asked_for_or_openssl_s_own(group: int | None) -> None:
    done(TlsSession(Peer(server(TLS13)), NAME, TLS13, group).handshake())


@pytest.mark.parametrize(
    ("said", "reason", "kind"),
    [
        (b"", "eof", "eof"),
        (PeerReset(), "reset", "reset"),
        (DeadlineExpired(), "silence", "silence"),
        (b"SSH-2.0-dropbear\r\n", "wrong version number", "local"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "handshake failure", "alert"),
    ],
)
def test_what_is_no_handshake(said: bytes | Exception, reason: str, kind: str) -> None:
    with pytest.raises(HandshakeFailed) as refusal:
        done(TlsSession(Script(said), NAME, TLS13).handshake())
    assert reason in refusal.value.reason
    assert refusal.value.kind == kind


@pytest.mark.parametrize(("problem", "reason"), [(PeerReset(), "reset"), (DeadlineExpired(), "silence")])
def test_a_connection_that_takes_nothing_is_told_as_one_that_says_nothing(problem: Exception, reason: str) -> None:
    class Deaf(Script):
        async def send(self, data: bytes) -> None:
            raise problem

    with pytest.raises(HandshakeFailed, match=f"^{reason}$"):
        done(TlsSession(Deaf(), NAME, TLS13).handshake())


def test_a_prime_that_costs_too_much_is_not_computed_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by the flight here; tests/fuzz/hostile.py sends a real one."""
    huge = handshake.KeyExchange(group="dh10000", prime_bits=10_000)
    monkeypatch.setattr(handshake.ServerFlight, "feed", lambda flight, _data: setattr(flight, "key_exchange", huge))
    with pytest.raises(HandshakeFailed, match=r"^Diffie-Hellman prime of 10000 bits$") as refusal:
        done(TlsSession(Peer(server(TLS12)), NAME, TLS12).handshake())
    assert refusal.value.kind == "local"


def test_the_end_of_the_other_side_is_the_end() -> None:
    session = TlsSession(Peer(server(TLS12), [b"x"]), NAME, TLS12)
    done(session.handshake())
    assert done(session.receive()) == b"x"
    assert done(session.receive()) == b""


def test_hurry_shortens_the_wait_and_never_prolongs_it() -> None:
    peer = Peer(server(TLS12))
    session = TlsSession(peer, NAME, TLS12)
    session.hurry(1.0)
    first = peer.deadline
    assert first < 1e9
    session.hurry(1000.0)
    assert peer.deadline == first
