"""Revocation asked of real parts: OpenSSL's own OCSP responder, and lists from a file and from an address."""

from __future__ import annotations

import functools
import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from integration.tls_server import tls_server
from lab.places import own_port
from unit import pki_factory as pki

Probe = Callable[..., tuple[dict[str, Any], str]]

# The product judges at the real time: what is made here is valid around today, whenever that is.
_TODAY = (datetime.now(timezone.utc) - pki.NOW).total_seconds() / 86400
_make = functools.partial(pki.make, kind="rsa2048", days=(_TODAY - 30, _TODAY + 300))
ROOT = _make("Revocation Root", ca=True)
ISSUING = _make("Revocation Issuing", ROOT, ca=True)
GOOD = _make("good.hopital.example", ISSUING, dns=["good.hopital.example"])
REVOKED = _make("revoked.hopital.example", ISSUING, dns=["revoked.hopital.example"])


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[list[dict[str, Any]]]:
    """Two devices with TLS 1.2, one of which has a revoked certificate."""
    described = []
    with ExitStack() as servers:
        for identity in (GOOD, REVOKED):
            port = servers.enter_context(tls_server(tmp_path, identity, ISSUING))
            name = identity.certificate.subject.rfc4514_string().split("CN=")[1].split(",")[0]
            described.append(
                {
                    "name": name.split(".")[0],
                    "address": "127.0.0.1",
                    "names": [name],
                    "endpoints": [{"port": port, "service": "tls"}],
                    "consent": True,
                }
            )
        yield described


@pytest.fixture
def responder(tmp_path: Path) -> Iterator[str]:
    """`openssl ocsp` with an index of both certificates."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    (tmp_path / "ca.pem").write_text(ISSUING.pem, encoding="ascii")
    (tmp_path / "ca.key").write_text(ISSUING.private_pem, encoding="ascii")
    lines = []
    ends = f"{datetime.now(timezone.utc) + timedelta(days=300):%y%m%d}000000Z"
    revoked = f"{datetime.now(timezone.utc) - timedelta(days=3):%y%m%d}000000Z,keyCompromise"
    for identity, state, date in ((GOOD, "V", ""), (REVOKED, "R", revoked)):
        serial = f"{identity.certificate.serial_number:X}"
        serial = serial if len(serial) % 2 == 0 else "0" + serial
        lines.append(f"{state}\t{ends}\t{date}\t{serial}\tunknown\t/CN=device\n")
    (tmp_path / "index.txt").write_text("".join(lines), encoding="ascii")
    port = own_port()
    command = "openssl ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 1 -port"
    process = subprocess.Popen(
        [*command.split(), str(port)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    # It says ACCEPT once it listens. A connection that says nothing would keep it busy for ever: none is tried.
    assert process.stdout is not None and b"ACCEPT" in process.stdout.readline()
    yield f"http://127.0.0.1:{port}/"
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def list_address(tmp_path: Path) -> Iterator[str]:
    """A web server with the two authorities' revocation lists in one file."""
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "hospital.crl").write_text(both_lists(), encoding="ascii")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hospital.crl"
    server.shutdown()
    server.server_close()


def both_lists() -> str:
    serial = REVOKED.certificate.serial_number
    current = (_TODAY - 1, _TODAY + 6)
    lists = (
        pki.crl(ROOT, days=current),
        pki.crl(ISSUING, [(serial, x509.ReasonFlags.key_compromise)], days=current, revoked_on=_TODAY - 3),
    )
    pem = [ssl.DER_cert_to_PEM_cert(data) for data in lists]
    return "".join(pem).replace("CERTIFICATE", "X509 CRL")


def verdicts(result: dict[str, Any]) -> list[tuple[str, str]]:
    trusts = [observation["endpoints"][0]["trust"] for observation in result["observations"]]
    return [(trust["status"], trust["revocation"]["status"]) for trust in trusts]


def test_openssls_responder_is_asked_and_believed(probe: Probe, devices: list[Any], responder: str) -> None:
    result, output = probe(devices=devices, trust_anchors=[ROOT.pem], ocsp=responder)
    assert "OCSP left" not in output, output
    assert verdicts(result) == [("trusted", "good"), ("revoked", "revoked")]


def test_a_responder_that_is_away_clears_nothing(probe: Probe, devices: list[Any]) -> None:
    result, output = probe(devices=devices, trust_anchors=[ROOT.pem], ocsp=f"http://127.0.0.1:{own_port()}/")
    assert verdicts(result) == [("trusted", "not_assessed")] * 2
    assert all(entry["endpoints"][0]["trust"]["revocation"]["asked"] for entry in result["observations"])
    assert "OCSP left 2 certificates open" in " ".join(output.split())


def test_lists_from_a_file(probe: Probe, devices: list[Any], tmp_path: Path) -> None:
    (tmp_path / "hospital.crl").write_text(both_lists(), encoding="ascii")
    result, _output = probe(devices=devices, trust_anchors=[ROOT.pem], crls=["hospital.crl"])
    assert verdicts(result) == [("trusted", "good"), ("revoked", "revoked")]


def test_lists_from_an_address(probe: Probe, devices: list[Any], list_address: str) -> None:
    result, _output = probe(devices=devices, trust_anchors=[ROOT.pem], crls=[list_address])
    assert verdicts(result) == [("trusted", "good"), ("revoked", "revoked")]


def test_a_list_that_cannot_be_had_clears_nothing(probe: Probe, devices: list[Any]) -> None:
    result, output = probe(
        devices=devices, trust_anchors=[ROOT.pem], crls=[f"http://127.0.0.1:{own_port()}/hospital.crl"]
    )
    assert verdicts(result) == [("trusted", "not_assessed")] * 2
    assert all(entry["endpoints"][0]["trust"]["revocation"]["asked"] for entry in result["observations"])
    assert "cannot be had" in output
