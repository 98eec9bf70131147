# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last handshake and what the hellos before it collect: proof of the key, every chain, and a device that dies."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import pki
from servers.device import (
    Device,
    Link,
    Serve,
    Tls,
    alert,
    free_port,
    hangs_up,
    hello_name,
    hello_version,
    record,
    records,
    replies,
    resets,
    server_context,
    silent,
    web_page,
)
from servers.probe import card, exactly, probe, statuses, visit

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.connection import Connection

Credentials = Callable[..., str]
MODERN, OLD = ("TLSv1.2", "TLSv1.3"), ("TLSv1.2",)


# -- the key must be held, the handshake must end


def wrong_signature(data: bytes) -> list[bytes]:
    """A server's bytes with the last byte of its ServerKeyExchange changed, as a server signs that lacks the key."""
    told = bytearray()
    for kind, payload in records(data):
        body = bytearray(payload)
        at = 0
        while kind == 22 and at + 4 <= len(body):
            size = int.from_bytes(body[at + 1 : at + 4], "big")
            if body[at] == 12:
                body[at + 3 + size] ^= 1
            at += 4 + size
        told += record(kind, bytes(body))
    return [bytes(told)]


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
@pytest.mark.parametrize("service", ["https", "dicom"])
def test_a_signature_that_is_not_by_the_certificates_key(credentials: Credentials, kind: str, service: str) -> None:
    context = server_context(credentials(kind), OLD, "ECDHE+AESGCM")
    with Device(Tls(context, web_page(), shape=wrong_signature)) as device:
        seen = probe(device.port, service, [pki.NAME])
        assert device.connections <= 4
    assert (seen["handshake"], seen["key_proof"]) == ("not_possible", "not_held")
    assert "signature" in seen["key_proof_detail"]
    assert statuses(seen) == exactly(*OLD) and len(seen["chain"]) == 2


def test_a_certificate_of_another_kind_than_the_suites_is_of_use_to_no_client(credentials: Credentials) -> None:
    der = ssl.PEM_cert_to_DER_cert(Path(credentials("rsa")).read_text().split("PRIVATE KEY-----\n")[-1])
    told = len(der).to_bytes(3, "big") + der
    message = b"\x0b" + (len(told) + 3).to_bytes(3, "big") + len(told).to_bytes(3, "big") + told

    def other_kind(data: bytes) -> list[bytes]:
        said = b""
        for kind, payload in records(data):
            body, at = b"", 0
            while kind == 22 and at + 4 <= len(payload):
                end = at + 4 + int.from_bytes(payload[at + 1 : at + 4], "big")
                body += message if payload[at] == 11 else payload[at:end]
                at = end
            said += record(kind, body or payload)
        return [said]

    context = server_context(credentials("ecdsa"), OLD, "ECDHE+AESGCM")
    with Device(Tls(context, web_page(), shape=other_kind)) as device:
        seen = probe(device.port, "https", [pki.NAME])
    assert (seen["handshake"], seen["key_proof"]) == ("refused", "not_proved")
    assert "wrong certificate type" in seen["error"] and leaf(seen)


class Ends:
    """A server that answers every hello, and ends each handshake at the client's next flight."""

    def __init__(self, whole: Tls, how: Callable[[Link], None], times: int = 99) -> None:
        self._whole, self._how, self.times = whole, how, times

    def __call__(self, link: Link) -> None:
        hellos = 0
        receive = link.receive

        def counted() -> bytes:
            nonlocal hellos
            data = receive()
            hellos += bool(data)
            if hellos > 1 and self.times > 0:
                self.times -= 1
                self._how(link)
                return b""
            return data

        link.receive = counted  # type: ignore[method-assign]
        self._whole(link)


def says(number: int) -> Callable[[Link], None]:
    def how(link: Link) -> None:
        link.send(alert(number))
        link.sock.shutdown(1)

    return how


@pytest.mark.parametrize(
    ("how", "handshake", "error"),
    [
        (Link.reset, "cut", "reset"),
        (lambda link: link.sock.shutdown(1), "cut", "eof"),
        (says(40), "refused", "handshake failure"),
        (says(51), "refused", "decrypt error"),
        (says(20), "refused", "bad record mac"),
    ],
)
def test_a_handshake_that_does_not_end_well(
    credentials: Credentials, how: Callable[[Link], None], handshake: str, error: str
) -> None:
    """The signature was good all the same; and what was cut is tried twice, with a control that was answered."""
    with Device(Ends(Tls(server_context(credentials(), OLD, "ECDHE+AESGCM")), how)) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
        assert device.connections <= 6
    assert (seen["handshake"], seen["key_proof"]) == (handshake, "proved")
    assert error in seen["error"] and seen["answers_unsteadily"] is not True
    assert seen["client_certificate"] == "not_requested"
    assert statuses(seen) == exactly(*OLD) and len(seen["chain"]) == 2


@pytest.mark.parametrize("how", [Link.reset, lambda link: link.sock.shutdown(1)])
def test_one_handshake_that_is_cut_by_chance_is_tried_again(
    credentials: Credentials, how: Callable[[Link], None]
) -> None:
    with Device(Ends(Tls(server_context(credentials(), OLD)), how, times=1)) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
        assert device.connections == 5
    assert (seen["handshake"], seen["key_proof"], seen["error"]) == ("completed", "proved", None)


@pytest.mark.parametrize("ciphers", ["ECDHE+AESGCM", "AES128-GCM-SHA256"])
@pytest.mark.parametrize("how", [Link.reset, lambda link: link.sock.shutdown(1), says(40), says(42), says(116)])
def test_without_the_certificate_that_was_asked_for_the_end_is_no_failure(
    credentials: Credentials, how: Callable[[Link], None], ciphers: str
) -> None:
    context = server_context(credentials(), OLD, ciphers)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(credentials())
    with Device(Ends(Tls(context), how)) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
        assert device.connections == 4
    assert seen["client_certificate"] == "required" and seen["handshake"] in ("refused", "cut")
    # The signature proves the key; static RSA has none.
    assert seen["key_proof"] == ("proved" if ciphers.startswith("ECDHE") else "not_proved")


@pytest.mark.parametrize("versions", [OLD, ("TLSv1.3",), MODERN], ids="-".join)
@pytest.mark.parametrize("service", ["https", "dicom"])
def test_a_required_client_certificate_leaves_the_key_proved(
    credentials: Credentials, versions: tuple[str, ...], service: str
) -> None:
    context = server_context(credentials(), versions)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(credentials())
    with Device(Tls(context, web_page())) as device:
        seen = probe(device.port, service, [pki.NAME])
    assert (seen["client_certificate"], seen["handshake"], seen["key_proof"]) == ("required", "refused", "proved")


# -- every certificate that a client may get


def leaf(endpoint: dict[str, Any]) -> list[str]:
    """The first certificates of all chains of an endpoint, as Base64 of DER."""
    return [endpoint["chain_der"][0], *(one["chain_der"][0] for one in endpoint["further_chains"])]


@pytest.mark.parametrize("versions", [OLD, MODERN, ("TLSv1.0", "TLSv1.1", "TLSv1.2")], ids="-".join)
@pytest.mark.parametrize("service", ["https", "dicom"])
def test_the_certificates_of_both_keys_are_seen(
    credentials: Credentials, versions: tuple[str, ...], service: str
) -> None:
    context = server_context(credentials("rsa"), versions)
    context.load_cert_chain(credentials("ecdsa"))
    with Device(Tls(context, web_page())) as device:
        seen = probe(device.port, service, [pki.NAME])
        assert device.connections <= {1: 5, 2: 5, 3: 8}[len(versions)]
    assert len(leaf(seen)) == 2
    shown = [seen["chain_shown_to"], *(one["shown_to"] for one in seen["further_chains"])]
    assert {one["key"] for one in shown} == {"rsa", "ecdsa"}


def by_name(credentials: Credentials, named: dict[str | None, str], versions: tuple[str, ...]) -> Serve:
    """A server that shows each name its own kind of certificate; `None`: to who sends no name, or an unknown one."""
    contexts = {name: server_context(credentials(kind), versions) for name, kind in named.items()}

    def serve(link: Link) -> None:
        hello = link.sock.recv(65536, 2)
        name = hello_name(hello) if hello[0] == 22 and hello_version(hello) > 0x0300 else None
        Tls(contexts.get(name, contexts[None]), web_page())(link)

    return serve


@pytest.mark.parametrize("versions", [OLD, ("TLSv1.3",), MODERN], ids="-".join)
@pytest.mark.parametrize(
    ("service", "names"),
    [
        ("dicom", [pki.NAME]),
        ("mllp", [pki.NAME]),
        ("https", [pki.NAME, "192.0.2.7"]),
        ("tls", ["[2001:db8::7]", pki.NAME]),
    ],
)
def test_where_clients_send_no_name_the_certificate_without_one_is_seen(
    credentials: Credentials, service: str, names: list[str], versions: tuple[str, ...]
) -> None:
    serve = by_name(credentials, {None: "rsa", pki.NAME: "p384"}, versions)
    with Device(serve) as device:
        seen = probe(device.port, service, names)
    shown = [seen["chain_shown_to"], *(one["shown_to"] for one in seen["further_chains"])]
    assert len(leaf(seen)) == 2 and {one["server_name"] for one in shown} == {None, pki.NAME}
    # By name and by key: one more, to see what an RSA key shows with the name.
    assert device.connections <= 4 + (versions != ("TLSv1.3",))


@pytest.mark.parametrize("versions", [OLD, ("TLSv1.3",), MODERN], ids="-".join)
def test_each_further_declared_name_gets_one_hello(credentials: Credentials, versions: tuple[str, ...]) -> None:
    serve = by_name(credentials, {None: "rsa", "www.hopital.example": "p384"}, versions)
    with Device(serve) as device:
        seen = probe(device.port, "tls", [pki.NAME, "www.hopital.example", "old.hopital.example"])
        names = [hello_name(bytes(link.received)) for link in device.links]
    assert names.count("www.hopital.example") == names.count("old.hopital.example") == 1
    told = {one["server_name"]: one["chain"] for one in seen["server_names"]}
    assert told == {"www.hopital.example": 1, "old.hopital.example": 0}
    assert len(leaf(seen)) == 2


@pytest.mark.parametrize("service", ["tls", "https"])
def test_a_certificate_for_one_version_alone_is_seen(credentials: Credentials, service: str) -> None:
    """Two servers behind one address, by version."""
    new = Tls(server_context(credentials("ecdsa"), ("TLSv1.3",)), web_page())
    old = Tls(server_context(credentials("rsa"), OLD), web_page())

    def serve(link: Link) -> None:
        (new if hello_version(link.sock.recv(65536, 2)) == 0x0304 else old)(link)

    with Device(serve) as device:
        seen = probe(device.port, service, [pki.NAME])
    assert statuses(seen) == exactly(*MODERN)
    assert [one["shown_to"]["version"] for one in seen["further_chains"]] == ["TLSv1.3"]


@pytest.mark.parametrize("kinds", [("rsa", "p384"), ("p384", "rsa")], ids="-".join)
@pytest.mark.parametrize("versions", [MODERN, ("TLSv1.2",)], ids="-".join)
@pytest.mark.parametrize("service", ["tls", "https", "dicom"])
@pytest.mark.parametrize("old", [{}, {0x0302: 80, 0x0301: 80, 0x0300: 40}, {0x0302: 80, 0x0301: 40, 0x0300: 40}, None])
def test_every_other_node_shows_another_certificate(
    credentials: Credentials,
    kinds: tuple[str, ...],
    versions: tuple[str, ...],
    service: str,
    old: dict[int, int] | None,
) -> None:
    """Also where old hellos are refused with alerts that may be a limiter's, or cut (None)."""
    nodes = [Tls(server_context(credentials(kind), versions), web_page()) for kind in kinds]

    def serve(link: Link) -> None:
        version = hello_version(link.sock.recv(65536, 2))
        if version < 0x0303 and old is None:
            hangs_up(link)
        elif old is not None and version in old:
            replies(alert(old[version]))(link)
        else:
            nodes[link.number % 2](link)

    with Device(serve) as device:
        seen = probe(device.port, service, [pki.NAME])
        assert device.connections <= 9
    assert len(leaf(seen)) == 2 and statuses(seen) == exactly(*versions)


def test_the_chain_is_kept_where_the_handshake_fails_after_it(tmp_path: Path, credentials: Credentials) -> None:
    context = server_context(credentials("ecdsa"), ("TLSv1.3",))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(credentials())
    with Device(Tls(context)) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
    assert len(seen["chain"]) == 2 and seen["handshake"] == "refused"


# -- what was negotiated, and what is weak


@pytest.mark.parametrize(
    ("versions", "kind", "ciphers", "group", "signature"),
    [
        (MODERN, "ecdsa", "ALL", "x25519", "ecdsa_secp256r1_sha256"),
        (OLD, "rsa", "ECDHE+AESGCM", "x25519", "rsa_pss_rsae_sha256"),
        (OLD, "rsa", "AES128-GCM-SHA256", None, None),
        (("TLSv1.0",), "rsa", "ECDHE-RSA-AES128-SHA", "x25519", "rsa_pkcs1_md5_sha1"),
    ],
)
def test_what_was_negotiated_is_told(
    credentials: Credentials, versions: tuple[str, ...], kind: str, ciphers: str, group: str, signature: str
) -> None:
    with Device(Tls(server_context(credentials(kind), versions, ciphers))) as device:
        seen = probe(device.port, "tls", [pki.NAME])
    found = seen["negotiated"]
    assert (found["version"], found["group"], found["signature_algorithm"]) == (versions[-1], group, signature)
    assert seen["versions"][versions[-1]]["cipher"] == found["cipher"] or versions[-1] == "TLSv1.2"


@pytest.mark.parametrize(
    ("ciphers", "status"),
    [
        ("ALL", "accepted"),
        ("ECDHE+AESGCM", "refused"),
        ("ECDHE+AESGCM:NULL-SHA256", "accepted"),
        ("ECDHE+AESGCM:AECDH-AES128-SHA", "accepted"),
    ],
)
def test_thorough_tells_whether_a_weak_suite_is_accepted(credentials: Credentials, ciphers: str, status: str) -> None:
    with Device(Tls(server_context(credentials(), MODERN, ciphers))) as device:
        seen = probe(device.port, "tls", [pki.NAME], depth="thorough")
        assert device.connections <= 12
    assert seen["weak_suites"]["status"] == status
    assert bool(seen["weak_suites"]["accepted"]) == (status == "accepted")
    assert seen["key_proof"] == "proved" and statuses(seen) == exactly(*MODERN)


# -- a device that dies, and one that comes back


def dies_at(number: int, whole: Tls, listeners: list[Device]) -> Serve:
    """A process that ends at the n-th connection, and whose ports refuse from then on."""

    def serve(link: Link) -> None:
        if sum(device.connections for device in listeners) >= number:
            for device in listeners:
                device.stop_listening()
            link.reset()
        else:
            whole(link)

    return serve


@pytest.mark.parametrize(
    ("at", "after", "service"),
    [(2, "hello", "https"), (4, "handshake", "https"), (4, "handshake", "dicom"), (5, None, "dicom")],
)
def test_a_port_that_refuses_later_is_looked_at_once_more(
    credentials: Credentials, at: int, after: str | None, service: str
) -> None:
    listeners: list[Device] = []
    listeners.append(Device(dies_at(at, Tls(server_context(credentials(), MODERN), web_page()), listeners)))
    raw = visit(card([(listeners[0].port, service)], names=[pki.NAME]))
    assert listeners[0].connections <= at
    assert (raw["died_after"], raw["died_port"]) == (after, listeners[0].port if after else None)
    assert (raw["outcome"], raw["reason"]) == (("aborted", "stopped_answering") if after else ("observed", None))
    listeners[0].close()


def test_a_process_that_ends_with_the_handshake_of_its_other_port(credentials: Credentials) -> None:
    """DICOM and HTTPS of one process: the second port was never open, and the first one is asked again."""
    whole = Tls(server_context(credentials(), MODERN), web_page())
    dicom = free_port()

    def serve(link: Link) -> None:
        whole(link)
        if link.number == 3:
            device.stop_listening()

    with Device(serve) as device:
        raw = visit(card([(device.port, "https"), (dicom, "dicom")], names=[pki.NAME]), pause=0.3)
    assert [endpoint["outcome"] for endpoint in raw["endpoints"]] == ["tls", "refused"]
    assert (raw["outcome"], raw["died_after"], raw["died_port"]) == ("aborted", "handshake", device.port)


def test_a_refused_port_beside_a_healthy_one_costs_one_look_and_no_abort(credentials: Credentials) -> None:
    with Device(Tls(server_context(credentials(), MODERN), web_page())) as device:
        raw = visit(card([(device.port, "https"), (free_port(), "dicom")], names=[pki.NAME]))
        for _moment in range(100):  # a connection without a byte is accepted a moment after it is over
            if device.connections == 5:
                break
            time.sleep(0.02)
        assert device.connections == 5 and device.links[-1].received == b""
    assert (raw["outcome"], raw["died_after"]) == ("observed", None)


def test_who_answers_and_resets_is_alive(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    """A web server that closes after its answer meets our goodbye with a reset: no look more is worth that."""
    # Reads true whatever is written: whether the reset comes in time is up to the kernel.
    monkeypatch.setattr(
        Connection, "was_reset", property(lambda _self: True, lambda _self, _value: None), raising=False
    )
    with Device(Tls(server_context(credentials(), MODERN), web_page())) as device:
        raw = visit(card([(device.port, "https")], names=[pki.NAME]))
        assert (raw["connections"], raw["outcome"], raw["died_after"]) == (4, "observed", None)


@pytest.mark.parametrize("serve", [resets, hangs_up, silent])
def test_who_never_spoke_has_no_proof(serve: Serve) -> None:
    with Device(serve) as device:
        seen = probe(device.port, "https", [pki.NAME], timeout=0.4)
    assert (seen["handshake"], seen["key_proof"]) == ("not_tried", "not_tried")
