# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a visit costs: each line of the table in the guides against a real server, counted on the server's side."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers import pki
from servers.device import Device, Link, free_port, silent
from servers.probe import accepted, probe, statuses
from servers.real import Unavailable, program, running
from servers.services import SERVICES
from servers.stacks import STACKS, Credentials, nginx

MODERN = ("TLSv1.2", "TLSv1.3")


def relay(port: int) -> Device:
    """What stands before a server and counts: connections, and the bytes that it is sent."""

    def serve(link: Link) -> None:
        with socket.create_connection(("127.0.0.1", port)) as behind:
            back = threading.Thread(target=_pour, args=(behind, link), daemon=True)
            back.start()
            while data := link.receive():
                with contextlib.suppress(OSError):
                    behind.sendall(data)
            with contextlib.suppress(OSError):
                behind.shutdown(socket.SHUT_WR)
            back.join(5)

    return Device(serve)


def _pour(behind: socket.socket, link: Link) -> None:
    with contextlib.suppress(OSError):
        while data := behind.recv(65536):
            link.send(data)
    with contextlib.suppress(OSError):
        link.sock.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def _nginx(files: Credentials, folder: Path, protocols: str, *more: str) -> Iterator[int]:
    port = free_port()
    block = (
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {files.chain}; ssl_certificate_key {files.key};"
        f" {' '.join(more)} {protocols} return 204; }}"
    )
    with nginx(block, [port], folder):
        yield port


@contextlib.contextmanager
def _s_server(files: Credentials, folder: Path, *options: str) -> Iterator[int]:
    port = free_port()
    base = [program("openssl"), "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", "-key", str(files.key)]
    with running([*base, "-cert", str(files.leaf), *options], [port], folder):
        yield port


@contextlib.contextmanager
def _stack(name: str, files: Credentials, folder: Path, versions: tuple[str, ...]) -> Iterator[int]:
    port = free_port()
    with STACKS[name].serve(files, {port: versions}, folder):
        yield port


@contextlib.contextmanager
def _service(name: str, port_name: str, files: Credentials, folder: Path) -> Iterator[int]:
    folder.mkdir(parents=True, exist_ok=True)
    with SERVICES[name](files, folder) as ports:
        yield ports[port_name]


def elliptic(folder: Path) -> tuple[str, str]:
    """nginx's words for a second certificate, of an elliptic key."""
    pems, key = pki.chain_of(3, "ecdsa")
    chain = pki.write(folder, pems[:2], b"", "ec-chain.pem")
    return f"ssl_certificate {chain};", f"ssl_certificate_key {pki.write(folder, [], key, 'ec-key.pem')};"


PROTOCOLS = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0;"
OLD = ("SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2")

#: what the endpoint is -> (how it is served, service, most connections, most bytes)
ROWS: dict[str, tuple[Any, str, int, int]] = {
    "https: nginx": (lambda files, folder: _nginx(files, folder, PROTOCOLS), "https", 4, 1100),
    "https: nginx, two keys": (
        lambda files, folder: _nginx(files, folder, PROTOCOLS, *elliptic(files.folder)),
        "https",
        4,
        1100,
    ),
    "https: nginx, two keys, its own order": (
        lambda files, folder: _nginx(
            files, folder, PROTOCOLS + " ssl_prefer_server_ciphers on;", *elliptic(files.folder)
        ),
        "https",
        4,
        1100,
    ),
    "https: nginx, TLS 1.2": (
        lambda files, folder: _nginx(files, folder, PROTOCOLS.replace(" TLSv1.3", "")),
        "https",
        4,
        1100,
    ),
    "https: java": (lambda files, folder: _stack("java", files, folder, MODERN), "https", 4, 1100),
    "https: gnutls": (lambda files, folder: _stack("gnutls", files, folder, MODERN), "https", 4, 1100),
    "dicom: storescp": (lambda files, folder: _service("dcmtk", "dicom", files, folder), "dicom", 4, 1100),
    "dicom: openssl": (
        lambda files, folder: _stack("openssl", files, folder, ("TLSv1.2",)),
        "dicom",
        4,
        1100,
    ),
    "mllp: stunnel": (lambda files, folder: _stack("stunnel", files, folder, MODERN), "mllp", 4, 1100),
    "mllp: stunnel, TLS 1.2": (
        lambda files, folder: _stack("stunnel", files, folder, ("TLSv1.2",)),
        "mllp",
        4,
        1100,
    ),
    "alert 80: nginx as it comes": (lambda files, folder: _nginx(files, folder, ""), "https", 6, 1500),
    "alert 80: s_server as it comes": (_s_server, "tls", 6, 1500),
    "TLS 1.0 to 1.2 with SSLv3": (lambda files, folder: _stack("openssl-1.0.2e", files, folder, OLD), "https", 7, 1700),
    "TLS 1.0 to 1.2 with SSLv3: java": (lambda files, folder: _stack("java", files, folder, OLD), "dicom", 7, 1700),
}


@pytest.mark.parametrize("row", ROWS)
def test_what_a_visit_costs(files: Credentials, workshop: Path, row: str) -> None:
    serve, service, connections, sent = ROWS[row]
    folder = workshop / row.replace(" ", "_").replace(":", "").replace(",", "")
    try:
        with serve(files, folder) as port, relay(port) as device:
            seen = probe(device.port, service, [pki.NAME], timeout=10.0)
            counted, received = device.connections, device.bytes_received
    except Unavailable as why:
        pytest.skip(str(why))
    assert counted <= connections and received <= sent, (counted, received)
    assert counted == seen["connections"] and seen["visit"]["outcome"] == "observed"
    # All facts: no version is open, the key is proved, and whoever gets another certificate is told.
    assert set(statuses(seen).values()) <= {"accepted", "refused"}
    assert (seen["handshake"], seen["key_proof"], seen["unknown"]) == ("completed", "proved", [])
    assert seen["answers_unsteadily"] is not True
    assert len(seen["further_chains"]) == ("two keys" in row)
    if "SSLv3" in row:
        assert set(accepted(seen)) >= set(OLD)


HAPROXY = """global
  maxconn 100
  ssl-default-bind-ciphers ALL:@SECLEVEL=0
defaults
  mode http
  timeout connect 3s
  timeout client 5s
  timeout server 5s
frontend limited
  bind 127.0.0.1:{port} ssl crt {both} ssl-min-ver TLSv1.0
  stick-table type ip size 1k expire 10s store conn_rate(2s)
  tcp-request connection track-sc0 src
  tcp-request connection reject if {{ sc0_conn_rate gt {rate} }}
  http-request return status 200 content-type text/plain string ok
"""


@pytest.mark.parametrize("rate", [1, 2, 3])
def test_a_rate_limit_of_haproxy_makes_no_version_refused(files: Credentials, workshop: Path, rate: int) -> None:
    """It speaks TLS 1.0 to 1.3, and cuts who comes more often than so many times in two seconds."""
    folder = workshop / f"haproxy-{rate}"
    folder.mkdir()
    port = free_port()
    (folder / "haproxy.cfg").write_text(HAPROXY.format(port=port, both=files.both, rate=rate), encoding="ascii")
    try:
        with running([program("haproxy"), "-db", "-f", folder / "haproxy.cfg"], [port], folder):
            time.sleep(2.5)
            seen = probe(port, "https", [pki.NAME], timeout=10.0)
    except Unavailable as why:
        pytest.skip(str(why))
    spoken = {statuses(seen)[version] for version in ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")}
    assert "refused" not in spoken and seen["handshake"] != "refused"
    assert seen["answers_unsteadily"] is True or spoken == {"accepted"}


def test_a_silent_device_costs_two() -> None:
    with Device(silent) as device:
        seen = probe(device.port, "https", [pki.NAME], timeout=0.5)
        assert device.connections == 2 and seen["outcome"] == "silent"
