# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The visit to one device: breaker, budget, pause, deadlines, ports, client certificates, chains, the clock."""

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
    Filtered,
    Link,
    Tls,
    free_port,
    in_turn,
    neighbours,
    replies,
    resets,
    server_context,
    silent,
    web_page,
)
from servers.probe import card, exactly, probe, statuses, visit

Credentials = Callable[..., str]


@pytest.fixture
def modern(credentials: Credentials) -> Tls:
    return Tls(server_context(credentials()), web_page())


# -- the circuit breaker


def test_a_device_that_stops_listening_is_left_alone_at_once(modern: Tls) -> None:
    def last_one(link: Link) -> None:
        device.stop_listening()
        modern(link)

    with Device(in_turn(modern, last_one)) as device, Device(silent) as other:
        raw = visit(card([(device.port, "https"), (other.port, "dicom")], ports=[{"port": other.port}]))
        assert (device.connections, other.connections) == (2, 0)
    assert (raw["outcome"], raw["reason"]) == ("aborted", "stopped_answering")
    # What was seen before is kept, and the rest is open.
    assert raw["endpoints"][0]["versions"]["TLSv1.3"]["status"] == "accepted"
    assert raw["endpoints"][0]["error"] == "stopped_answering"
    assert len(raw["endpoints"]) == 1 and raw["ports"] == {}


@pytest.mark.parametrize("answered", [1, 2, 3])
def test_a_device_that_falls_silent_is_left_alone_after_two_silences(modern: Tls, answered: int) -> None:
    with Device(in_turn(*[modern] * answered, silent)) as device, Device(silent) as other:
        raw = visit(card([(device.port, "https"), (other.port, "https")]), timeout=0.4)
        assert device.connections + other.connections == answered + 2
        assert (raw["outcome"], raw["reason"]) == ("aborted", "stopped_answering")
        assert set(device.endings()) == {"eof"}


def test_a_device_that_is_silent_now_and_then_is_not_given_up(credentials: Credentials) -> None:
    tls = Tls(server_context(credentials(), ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")))
    with Device(in_turn(silent, tls)) as device:
        raw = visit(card([(device.port, "dicom")]), timeout=2.0)
    assert raw["outcome"] == "observed"
    assert raw["endpoints"][0]["versions"]["TLSv1.0"]["status"] == "accepted"


def test_a_filtered_port_beside_a_healthy_endpoint_is_filtered_and_no_abort(modern: Tls) -> None:
    with Device(modern) as device, Filtered() as filtered:
        closed = free_port()
        ports = [{"port": filtered.port}, {"port": closed}, {"port": device.port}]
        raw = visit(card([(device.port, "https")], ports=ports), timeout=0.4)
        # Four for the facts, and one to see that the device is still there.
        assert device.connections == 5
    assert (raw["outcome"], raw["reason"]) == ("observed", None)
    assert raw["ports"] == {str(filtered.port): "filtered", str(closed): "closed", str(device.port): "open"}


def test_a_filtered_endpoint_beside_a_healthy_one_is_unreachable(modern: Tls) -> None:
    with Device(modern) as device, Filtered() as filtered:
        raw = visit(card([(device.port, "https"), (filtered.port, "dicom")]), timeout=0.4)
    assert raw["outcome"] == "observed"
    assert [endpoint["outcome"] for endpoint in raw["endpoints"]] == ["tls", "unreachable"]
    assert raw["endpoints"][1]["connections"] == 1
    assert set(statuses(raw["endpoints"][1]).values()) == {"not_tested"}


def test_a_closed_port_that_is_closed_still_proves_that_the_device_lives() -> None:
    with Filtered() as filtered:
        raw = visit(card([(free_port(), "https")], ports=[{"port": filtered.port}, {"port": free_port()}]), timeout=0.4)
    assert raw["outcome"] == "observed"
    assert raw["endpoints"][0]["outcome"] == "refused"
    assert list(raw["ports"].values()) == ["filtered", "closed"]


def test_a_device_that_goes_dark_between_two_ports_is_aborted(modern: Tls) -> None:
    """Its endpoint answered; then nothing does any more, which no single filtered port may be blamed for."""
    dark: list[Filtered] = []

    def last_one(link: Link) -> None:
        modern(link)
        port = device.port
        device.stop_listening()
        dark.append(Filtered(port=port))

    with Device(in_turn(modern, modern, modern, last_one)) as device, Filtered() as filtered:
        raw = visit(
            card([(device.port, "https")], ports=[{"port": filtered.port}, {"port": 9}]), timeout=0.4, pause=0.3
        )
    for held in dark:
        held.__exit__(None, None, None)
    assert (raw["outcome"], raw["reason"]) == ("aborted", "stopped_answering")
    assert raw["ports"] == {}


def test_a_device_that_answers_nothing_costs_two_time_outs() -> None:
    """`timeout` is what it says, for each connection; and two that nobody answers are enough."""
    with Filtered() as one, Filtered() as two, Filtered() as three:
        started = time.monotonic()
        endpoints = [(one.port, "https"), (two.port, "dicom"), (three.port, "mllp")]
        raw = visit(card(endpoints, ports=[{"port": 23}]), timeout=1.0)
        assert 1.9 < time.monotonic() - started < 2.3
    assert (raw["outcome"], raw["reason"], raw["connections"]) == ("unreachable", "no_answer", 2)


def test_a_device_that_only_accepts_costs_two_time_outs() -> None:
    with Device(silent) as device:
        started = time.monotonic()
        raw = visit(card([(device.port, "https"), (device.port, "dicom")]), timeout=1.0)
        assert 1.9 < time.monotonic() - started < 2.3
        assert (raw["outcome"], raw["connections"], device.endings()) == ("aborted", 2, ["eof", "eof"])


@pytest.mark.parametrize("service", ["dicom", "https", "smtp"])
def test_time_out_is_what_it_says_for_each_answer(credentials: Credentials, service: str) -> None:
    """Two thirds of it are taken for the greeting, and again for each answer in TLS, and the visit is whole."""
    tls = Tls(server_context(credentials(), ("TLSv1.2", "TLSv1.3")), web_page())

    def slow(link: Link) -> None:
        link.delay = 1.2
        if service == "smtp":
            time.sleep(1.2)
            link.sock.sendall(b"220 mail\r\n")
            link.sock.recv(100), time.sleep(1.2), link.sock.sendall(b"250 STARTTLS\r\n")
            link.sock.recv(100), time.sleep(1.2), link.sock.sendall(b"220 go on\r\n")
        tls(link)

    with Device(slow) as device:
        raw = visit(card([(device.port, service)]), timeout=2.0)
    assert (raw["outcome"], raw["endpoints"][0]["handshake"]) == ("observed", "completed")
    assert statuses(raw["endpoints"][0]) == exactly("TLSv1.2", "TLSv1.3")
    assert len(raw["clock"]["samples"]) == (service == "https")


# -- limits


def test_the_budget_ends_an_endpoint_and_not_the_visit(credentials: Credentials) -> None:
    old = Tls(server_context(credentials(), ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")))
    with Device(old) as device, Device(old) as other:
        raw = visit(card([(device.port, "dicom"), (other.port, "dicom")]), connection_budget=2)
        assert (device.connections, other.connections) == (2, 2)
    assert raw["outcome"] == "observed"
    endpoint = raw["endpoints"][0]
    assert endpoint["error"] == "stopped after 2 connections (connection_budget)"
    assert statuses(endpoint)["TLSv1.2"] == statuses(endpoint)["TLSv1.1"] == "accepted"
    # What stays open is named.
    assert endpoint["unknown"] == ["SSLv2", "SSLv3", "TLSv1.0", "key_proof"]


def test_the_pause_is_kept_between_two_connections_of_one_device(modern: Tls) -> None:
    with Device(modern) as device, Device(modern) as other:
        visit(card([(device.port, "https"), (other.port, "https")], ports=[{"port": free_port()}]), pause=0.15)
        links = sorted(device.links + other.links, key=lambda link: link.opened)
        device.endings(), other.endings()
        gaps = [after.opened - before.closed for before, after in neighbours(links)]
        assert len(gaps) == 7 and min(gaps) >= 0.14
        assert device.most_at_once == other.most_at_once == 1


def test_the_time_of_a_device_is_bounded(modern: Tls) -> None:
    def trickles(link: Link) -> None:
        link.receive()
        link.send(b"\x16\x03\x01\x40\x00")
        for _byte in range(1000):
            link.send(b"\x02")
            time.sleep(0.02)

    with Device(trickles) as device, Device(modern) as other:
        started = time.monotonic()
        raw = visit(card([(device.port, "https"), (other.port, "https")]), timeout=5, device_timeout=0.5)
        assert time.monotonic() - started < 10
        assert other.connections == 0
    assert (raw["outcome"], raw["reason"]) == ("aborted", "visit_time_over")
    # It was cut short: it may have answered.
    assert raw["endpoints"][0]["error"] == "visit_time_over"
    assert statuses(raw["endpoints"][0])["TLSv1.3"] == "not_tested"


def test_endpoints_and_ports_are_asked_in_the_order_given(modern: Tls) -> None:
    devices = [Device(modern) for _number in range(3)]
    ports = [Device(silent) for _number in range(2)]
    raw = visit(
        card([(device.port, "https") for device in devices], ports=[{"port": device.port} for device in ports]),
        timeout=1,
    )
    everything = devices + ports
    opened = [device.links[0].opened for device in everything]
    assert opened == sorted(opened)
    assert list(raw["ports"]) == [str(device.port) for device in ports]
    assert set(raw["ports"].values()) == {"open"}
    for device in everything:
        assert set(device.endings()) == {"eof"}
        device.close()


def test_an_open_port_costs_one_connection_without_a_byte() -> None:
    def greets(link: Link) -> None:
        link.send(b"\xff\xfd\x18login: ")
        link.drain()

    with Device(greets) as device:
        raw = visit(card(ports=[{"port": device.port, "service": "telnet"}]))
        assert (device.connections, device.bytes_received, device.endings()) == (1, 0, ["eof"])
    assert raw["ports"] == {str(device.port): "open"} and raw["outcome"] == "observed"


# -- client certificates


def asking(credentials: Credentials, versions: tuple[str, ...], mode: ssl.VerifyMode) -> ssl.SSLContext:
    context = server_context(credentials(), versions)
    context.verify_mode = mode
    context.load_verify_locations(credentials())
    return context


@pytest.mark.parametrize("versions", [("TLSv1.2",), ("TLSv1.3",), ("TLSv1.0",), ("TLSv1.2", "TLSv1.3")], ids="-".join)
@pytest.mark.parametrize("service", ["https", "dicom"])
def test_a_client_certificate_that_is_required(
    credentials: Credentials, versions: tuple[str, ...], service: str
) -> None:
    context = asking(credentials, versions, ssl.CERT_REQUIRED)
    with Device(Tls(context, web_page())) as device:
        seen = probe(device.port, service, [pki.NAME], depth="handshake" if service == "dicom" else "normal")
        assert set(device.endings()) <= {"eof", "reset"}
    assert statuses(seen) == exactly(*versions)
    assert (seen["client_certificate"], seen["handshake"]) == ("required", "refused")
    assert "alert" in seen["error"] or "certificate required" in seen["error"]
    assert len(seen["chain"]) == 2 and seen["visit"]["clock"]["samples"] == []


@pytest.mark.parametrize("versions", [("TLSv1.2",), ("TLSv1.3",)], ids="-".join)
def test_a_client_certificate_that_is_only_asked_for(credentials: Credentials, versions: tuple[str, ...]) -> None:
    context = asking(credentials, versions, ssl.CERT_OPTIONAL)
    with Device(Tls(context, web_page())) as device:
        seen = probe(device.port, "https", [pki.NAME])
    assert (seen["client_certificate"], seen["handshake"], seen["error"]) == ("requested", "completed", None)
    assert len(seen["visit"]["clock"]["samples"]) == 1


def test_a_page_that_says_that_the_certificate_is_missing(credentials: Credentials) -> None:
    page = web_page(body=b"<center>No required SSL certificate was sent</center>")
    for mode, found in ((ssl.CERT_OPTIONAL, "required"), (ssl.CERT_NONE, "not_requested")):
        with Device(Tls(asking(credentials, ("TLSv1.2", "TLSv1.3"), mode), page)) as device:
            assert probe(device.port, "https")["client_certificate"] == found


# -- chains as sent


@pytest.mark.parametrize("versions", [("TLSv1.2",), ("TLSv1.3",)], ids="-".join)
@pytest.mark.parametrize("case", [1, 2, 5, 8, "reversed", "doubled", "foreign", "16 kB"])
def test_chains_come_through_as_sent(tmp_path: Path, versions: tuple[str, ...], case: Any) -> None:
    if case == "16 kB":
        pems, key = pki.chain_of(2, "ecdsa", padding=16000)
    else:
        pems, key = pki.chain_of(case if isinstance(case, int) else 4, "ecdsa")
    if case == "reversed":
        pems = (pems[0], *reversed(pems[1:]))
    elif case == "doubled":
        pems = (pems[0], pems[1], pems[1], pems[0], pems[2])
    elif case == "foreign":
        pems = (pems[0], pki.chain_of(3, "rsa")[0][1], pems[1])
    with Device(Tls(server_context(pki.write(tmp_path, pems, key), versions))) as device:
        seen = probe(device.port, "dicom", [pki.NAME])
    assert seen["chain"] == pki.ders(pems)


# -- the clock


@pytest.mark.parametrize("http", [None, {"method": "HEAD", "path": "/status"}])
def test_the_declared_page_is_asked_and_nothing_else(credentials: Credentials, http: dict[str, str] | None) -> None:
    tls = Tls(server_context(credentials()), web_page())
    with Device(tls) as device:
        probe(device.port, "https", [pki.NAME], http=http)
    (request,) = tls.requests
    assert request.startswith(b"HEAD /status HTTP/1.1\r\n" if http else b"GET / HTTP/1.1\r\n")
    assert f"Host: {pki.NAME}:{device.port}\r\n".encode() in request


@pytest.mark.parametrize("offset", [-720, 0, 3600, -1.8e9])
def test_the_offset_lies_within_its_uncertainty(credentials: Credentials, offset: float) -> None:
    with Device(Tls(server_context(credentials()), web_page(max(offset, 1 - time.time())))) as device:
        (sample,) = probe(device.port, "https", [pki.NAME])["visit"]["clock"]["samples"]
    truth = max(offset, 1 - sample["uncertainty_seconds"] - time.time())
    assert abs(sample["offset_seconds"] - truth) <= sample["uncertainty_seconds"] + 4 * (offset < -1e9)
    assert sample["uncertainty_seconds"] < 1.5


def test_a_proxys_clock_is_no_evidence(credentials: Credentials) -> None:
    with Device(Tls(server_context(credentials()), web_page(extra="Via: 1.1 gateway\r\n"))) as device:
        (sample,) = probe(device.port, "https")["visit"]["clock"]["samples"]
    assert sample["evidence"] is False


@pytest.mark.parametrize(
    ("offset", "ticks", "evidence", "connections"),
    [
        (-3600, False, False, 5),
        (-1.7e9, False, False, 5),
        (-3600, True, True, 5),
        (0, False, True, 4),
        (0, True, True, 4),
    ],
)
def test_a_date_far_off_is_asked_for_again_to_see_whether_it_stands_still(
    credentials: Credentials, offset: float, ticks: bool, evidence: bool, connections: int
) -> None:
    """A Date that is right needs no second look: one that stands still is right by chance alone."""
    page = web_page(offset)
    first = page(b"GET ")
    with Device(Tls(server_context(credentials()), page if ticks else lambda request: first)) as device:
        seen = probe(device.port, "https", [pki.NAME])
        assert device.connections == seen["connections"] == connections
    (sample,) = seen["visit"]["clock"]["samples"]
    assert (sample["evidence"], seen["error"], seen["handshake"]) == (evidence, None, "completed")


def test_a_date_that_stands_still_on_two_endpoints_is_no_evidence(credentials: Credentials) -> None:
    page = web_page()(b"GET ")
    tls = Tls(server_context(credentials()), lambda request: page)
    with Device(tls) as one, Device(tls) as two:
        raw = visit(card([(one.port, "https"), (two.port, "https")]), pause=0.5)
    assert [sample["evidence"] for sample in raw["clock"]["samples"]] == [False, False]


def test_a_device_that_is_gone_when_asked_again_keeps_its_sample(credentials: Credentials) -> None:
    tls = Tls(server_context(credentials(), ("TLSv1.2",)), web_page(-3600))
    with Device(in_turn(tls, tls, tls, tls, lambda link: link.reset())) as device:
        seen = probe(device.port, "https", [pki.NAME])
    (sample,) = seen["visit"]["clock"]["samples"]
    assert (sample["evidence"], seen["error"], seen["handshake"]) == (True, None, "completed")


@pytest.mark.parametrize(
    ("page", "error"),
    [
        (lambda request: b"SIP/2.0 200 OK\r\n\r\n", "no HTTP answer"),
        (lambda request: b"HTTP/1.1 200 OK\r\nDate: gestern\r\nContent-Length: 0\r\n\r\n", None),
        (lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None),
    ],
)
def test_no_usable_date_is_no_sample(
    credentials: Credentials, page: Callable[[bytes], bytes], error: str | None
) -> None:
    with Device(Tls(server_context(credentials()), page)) as device:
        seen = probe(device.port, "https")
    assert seen["visit"]["clock"]["samples"] == [] and seen["error"] == error
    assert seen["handshake"] == "completed"


def test_a_page_that_never_ends_costs_a_second(credentials: Credentials) -> None:
    def endless(request: bytes) -> bytes:
        return web_page()(request).replace(b"Content-Length: 5", b"Content-Length: 99999")

    with Device(Tls(server_context(credentials()), endless, keep_open=True)) as device:
        started = time.monotonic()
        seen = probe(device.port, "https", timeout=5)
        assert time.monotonic() - started < 4.9
    assert len(seen["visit"]["clock"]["samples"]) == 1


def test_a_page_that_is_whole_is_not_waited_for(credentials: Credentials) -> None:
    with Device(Tls(server_context(credentials()), web_page(), keep_open=True)) as device:
        took = []
        for _again in range(3):  # the quickest of them, whatever else this machine does meanwhile
            started = time.monotonic()
            seen = probe(device.port, "https", timeout=5)
            took.append(time.monotonic() - started)
        assert min(took) < 0.9
        assert set(device.endings()) == {"eof"}
    assert len(seen["visit"]["clock"]["samples"]) == 1


def test_a_web_server_that_never_answers_is_one_silence(credentials: Credentials) -> None:
    with Device(Tls(server_context(credentials()))) as device:
        seen = probe(device.port, "https", timeout=0.4)
        assert device.connections == 4
    assert (seen["visit"]["outcome"], seen["error"], seen["handshake"]) == ("observed", "no HTTP answer", "completed")


def test_a_clock_in_the_random_is_confirmed_by_a_second_hello() -> None:
    """An old stack: one version alone, no HTTP, and the time in ServerHello.random."""

    def old_stack(link: Link) -> None:
        hello = link.receive()
        if len(hello) < 12 or hello[10] < 3:
            link.send(b"\x15\x03\x01\x00\x02\x02\x46")
        else:
            random = int(time.time() - 720).to_bytes(4, "big") + bytes(28)
            body = b"\x03\x03" + random + b"\x00\x00\x9c\x00"
            messages = (
                b"\x02"
                + len(body).to_bytes(3, "big")
                + body
                + b"\x0b\x00\x00\x08\x00\x00\x05\x00\x00\x02\x30\x00"
                + b"\x0e\x00\x00\x00"
            )
            link.send(b"\x16\x03\x03" + len(messages).to_bytes(2, "big") + messages)
        link.finish()

    with Device(old_stack) as device:
        seen = probe(device.port, "dicom")
        # The hello that asks for TLS 1.3 is the second one. No handshake is completed with such a device.
        assert device.connections <= 6
    assert statuses(seen) == exactly("TLSv1.2")
    (sample,) = seen["visit"]["clock"]["samples"]
    assert (sample["source"], sample["evidence"]) == ("tls_random", False)
    assert abs(sample["offset_seconds"] + 720) <= sample["uncertainty_seconds"]


# -- the endpoint's own words


@pytest.mark.parametrize(
    ("serve", "outcome"), [(resets, "reset"), (replies(b""), "closed"), (replies(b"hello\r\n"), "not_tls")]
)
def test_an_endpoint_without_tls_does_not_end_the_visit(
    modern: Tls, serve: Callable[[Link], None], outcome: str
) -> None:
    with Device(serve) as odd, Device(modern) as device:
        raw = visit(card([(odd.port, "dicom"), (device.port, "https")]))
    assert [endpoint["outcome"] for endpoint in raw["endpoints"]] == [outcome, "tls"]
    assert raw["outcome"] == "observed"
