# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One hello, and each way in which a peer can answer it: OpenSSL's own answers, and what is no answer."""

from __future__ import annotations

import ssl
import time

import pytest
from unit import pki_factory as pki
from unit.tls_peer import Peer, Script, done, server_context

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import PeerReset
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import DeadlineExpired
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.exchange import (
    Answer,
    exchange_hello,
    exchange_sslv2,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.hello import client_hello, sslv2_client_hello
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import TLS12, TLS13, Sslv2Hello

ROOT = pki.make("Exchange root", ca=True)
ISSUING = pki.make("Exchange issuing", ROOT, ca=True)
LEAF = pki.make("device.hopital.example", ISSUING, dns=["device.hopital.example"], kind="rsa2048")
HELLO = client_hello(TLS12, "device.hopital.example").sent


def tls12() -> ssl.SSLContext:
    context = server_context(LEAF, ISSUING)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def flight(context: ssl.SSLContext) -> bytes:
    """All that the server says to the hello."""
    peer = Peer(context)
    done(peer.send(HELLO))
    return bytes(done(peer.receive()))


def asked(*said: bytes | Exception, whole: bool = True, most: int = 65536) -> Answer:
    answer = done(exchange_hello(Script(*said), HELLO, most, whole))
    assert isinstance(answer, Answer)
    return answer


@pytest.mark.parametrize("step", [65536, 1])
def test_a_whole_flight_gives_the_chain_as_sent(step: int) -> None:
    begun = time.time()
    answer = done(exchange_hello(Peer(tls12(), step=step), HELLO, 65536, True))
    assert (answer.kind, answer.evidence, answer.problem, answer.stalled) == ("server_hello",) * 2 + (None, False)
    assert answer.hello.version == TLS12
    assert answer.chain == (LEAF.der, ISSUING.der)
    assert answer.certificate_requested is False
    assert begun <= answer.at <= time.time()


def test_a_client_certificate_that_is_asked_for_is_told() -> None:
    context = tls12()
    context.verify_mode = ssl.CERT_OPTIONAL
    assert done(exchange_hello(Peer(context), HELLO, 65536, True)).certificate_requested is True


def test_where_the_hello_is_enough_no_more_is_said_of_the_rest() -> None:
    answer = asked(flight(tls12()), whole=False)
    assert (answer.kind, answer.certificate_requested) == ("server_hello", None)


def test_a_server_of_tls_1_3_alone_refuses_with_an_alert() -> None:
    context = server_context(LEAF, ISSUING)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    answer = done(exchange_hello(Peer(context), HELLO, 65536, True))
    assert (answer.kind, answer.alert, answer.evidence) == ("alert", 70, "alert:70")
    # To a hello of its own version it says hello, and all else in cipher.
    answer = done(exchange_hello(Peer(context), client_hello(TLS13).sent, 65536, False))
    assert (answer.kind, answer.hello.version) == ("server_hello", TLS13)


@pytest.mark.parametrize(
    ("said", "kind", "evidence", "stalled"),
    [
        ((), "eof", "eof", False),
        ((b"\x16\x03\x03", b""), "eof", "eof", False),
        ((PeerReset(),), "reset", "reset", False),
        ((DeadlineExpired(),), "silence", "silence", False),
        ((b"\x15\x03\x01\x00\x02\x02\x28",), "alert", "alert:40", False),
        # A refusal that calls itself a warning, and what then comes.
        ((b"\x15\x03\x01\x00\x02\x01\x28",), "alert", "alert:40", False),
        ((b"\x15\x03\x01\x00\x02\x01\x28", PeerReset()), "alert", "alert:40", False),
        ((b"\x15\x03\x01\x00\x02\x01\x28", DeadlineExpired()), "alert", "alert:40", True),
        ((b"SSH-2.0-dropbear\r\n",), "not_tls", "inferred", False),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "not_tls", "inferred", False),
    ],
)
def test_what_is_no_server_hello(said: tuple[bytes | Exception, ...], kind: str, evidence: str, stalled: bool) -> None:
    answer = asked(*said)
    assert (answer.kind, answer.evidence, answer.stalled) == (kind, evidence, stalled)
    assert answer.hello is None and answer.chain is None
    assert (answer.problem is not None) == (kind == "not_tls")


def test_half_a_flight_is_a_hello_all_the_same() -> None:
    whole = flight(tls12())
    for ending, stalled in ((DeadlineExpired(), True), (PeerReset(), False), (b"", False)):
        answer = asked(whole[:300], ending)
        assert (answer.kind, answer.chain, answer.stalled) == ("server_hello", None, stalled)
        assert answer.certificate_requested is None


def test_a_flight_beyond_its_bound_is_cut_off() -> None:
    answer = asked(flight(tls12()), most=600)
    assert answer.kind == "server_hello" and answer.chain is None
    assert answer.problem


# -- SSLv2


def sslv2(*said: bytes | Exception) -> Answer:
    answer = done(exchange_sslv2(Script(*said), sslv2_client_hello()))
    assert isinstance(answer, Answer)
    return answer


SSLV2_BODY = b"\x04\x00\x01\x00\x02" + b"\x00\x05\x00\x03\x00\x10" + b"LEAF." + b"\x01\x00\x80" + bytes(16)
SSLV2_HELLO = (0x8000 | len(SSLV2_BODY)).to_bytes(2, "big") + SSLV2_BODY


def test_a_server_that_still_speaks_sslv2_is_known() -> None:
    for said in ((SSLV2_HELLO,), tuple(bytes((byte,)) for byte in SSLV2_HELLO)):
        answer = sslv2(*said)
        assert (answer.kind, answer.evidence, answer.sslv2) == ("sslv2", "server_hello", Sslv2Hello(b"LEAF.", 1))
        assert answer.at > 0


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ((), "eof"),
        ((SSLV2_HELLO[:15],), "eof"),
        ((PeerReset(),), "reset"),
        ((SSLV2_HELLO[:15], DeadlineExpired()), "silence"),
        ((b"\x15\x03\x01\x00\x02\x02", b"\x46"), "alert"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "not_tls"),
    ],
)
def test_what_is_no_answer_in_sslv2(said: tuple[bytes | Exception, ...], kind: str) -> None:
    answer = sslv2(*said)
    assert (answer.kind, answer.sslv2) == (kind, None)
    assert answer.alert == (70 if kind == "alert" else None)
    assert len(answer.first_bytes) <= 256
