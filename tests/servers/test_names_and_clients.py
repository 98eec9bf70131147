# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and client certificates on real servers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import pki
from servers.device import free_port
from servers.probe import exactly, probe, statuses
from servers.real import Unavailable, program, running
from servers.stacks import Credentials, nginx

MODERN = ("TLSv1.2", "TLSv1.3")


@contextlib.contextmanager
def openssl(files: Credentials, folder: Path, *options: str) -> Iterator[int]:
    port = free_port()
    base = [program("openssl"), "s_server", "-www", "-accept", f"127.0.0.1:{port}", "-key", str(files.key)]
    with running([*base, "-cert", str(files.leaf), "-cert_chain", str(files.middle), *options], [port], folder):
        yield port


@contextlib.contextmanager
def gnutls(files: Credentials, folder: Path, *options: str) -> Iterator[int]:
    port = free_port()
    base = [program("gnutls-serv"), "--quiet", "--http", "--port", str(port), "--x509certfile", str(files.chain)]
    with running([*base, "--x509keyfile", str(files.key), *options], [port], folder):
        yield port


@pytest.fixture(autouse=True)
def _skip_what_is_missing() -> Iterator[None]:
    try:
        program("openssl"), program("nginx"), program("gnutls-serv")
    except Unavailable as why:
        pytest.skip(str(why))
    yield


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize(("option", "found"), [("-Verify", "required"), ("-verify", "requested")])
def test_openssl_asks_for_a_client_certificate(
    files: Credentials, tmp_path: Path, version: str, option: str, found: str
) -> None:
    extra = ["-verify_return_error"] if found == "required" else []
    with openssl(files, tmp_path, version, option, "1", "-CAfile", str(files.root), *extra) as port:
        seen = probe(port, "dicom", [pki.NAME], depth="handshake")
    assert (seen["client_certificate"], seen["handshake"]) == (found, "refused" if found == "required" else "completed")
    assert seen["chain"] == list(files.ders)


@pytest.mark.parametrize("version", ["TLS1.2", "TLS1.3"])
def test_gnutls_asks_for_a_client_certificate(files: Credentials, tmp_path: Path, version: str) -> None:
    priority = f"NORMAL:-VERS-ALL:+VERS-{version}"
    with gnutls(
        files, tmp_path, "--priority", priority, "--x509cafile", str(files.root), "--require-client-cert"
    ) as port:
        seen = probe(port, "dicom", [pki.NAME], depth="handshake")
    assert (seen["client_certificate"], seen["handshake"]) == ("required", "refused")


def test_nginx_asks_for_a_client_certificate_and_says_so_in_the_page(files: Credentials, tmp_path: Path) -> None:
    ports = {"on": free_port(), "optional": free_port(), "off": free_port()}
    servers = "\n".join(
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {files.chain}; ssl_certificate_key {files.key};"
        f" ssl_protocols TLSv1.2 TLSv1.3; ssl_client_certificate {files.root}; ssl_verify_client {mode}; return 204; }}"
        for mode, port in ports.items()
    )
    with nginx(servers, list(ports.values()), tmp_path):
        seen = {mode: probe(port, "https", [pki.NAME]) for mode, port in ports.items()}
    found = {mode: endpoint["client_certificate"] for mode, endpoint in seen.items()}
    assert found == {"on": "required", "optional": "requested", "off": "not_requested"}
    assert {endpoint["handshake"] for endpoint in seen.values()} == {"completed"}
    assert all(len(endpoint["visit"]["clock"]["samples"]) == 1 for endpoint in seen.values())


def test_nginx_that_knows_its_own_names_only(files: Credentials, tmp_path: Path) -> None:
    port = free_port()
    servers = (
        f"server {{ listen 127.0.0.1:{port} ssl default_server; ssl_protocols TLSv1.2 TLSv1.3;"
        " ssl_reject_handshake on; }\n"
        f"server {{ listen 127.0.0.1:{port} ssl; server_name {pki.NAME}; ssl_certificate {files.chain};"
        f" ssl_certificate_key {files.key}; return 204; }}"
    )
    with nginx(servers, [port], tmp_path):
        seen = probe(port, "https", ["other.hopital.example", pki.NAME])
        nameless = probe(port, "https")
    assert statuses(seen) == exactly(*MODERN)
    assert (seen["server_name"], len(seen["chain"]), seen["handshake"]) == (pki.NAME, 2, "completed")
    assert nameless["outcome"] == "tls" and "alert 112" in nameless["error"]
    assert not {"accepted", "refused"} & set(statuses(nameless).values())


def test_openssl_that_needs_the_name(files: Credentials, tmp_path: Path) -> None:
    options = ("-servername", pki.NAME, "-servername_fatal", "-cert2", str(files.chain), "-key2", str(files.key))
    with openssl(files, tmp_path, *options) as port:
        seen = probe(port, "dicom", ["other.hopital.example", pki.NAME])
    assert statuses(seen) == exactly(*MODERN)


def test_http_on_a_tls_port_and_tls_on_an_http_port(files: Credentials, tmp_path: Path) -> None:
    port = free_port()
    with nginx(f"server {{ listen 127.0.0.1:{port}; return 204; }}", [port], tmp_path):
        seen = probe(port, "https", [pki.NAME])
    assert (seen["outcome"], seen["connections"]) == ("not_tls", 1)
    assert "400 Bad Request" in seen["error"]
