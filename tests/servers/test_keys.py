# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that do not hold the key of their certificate: real ones, seen by every Python that a vantage may have."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from servers import pki
from servers.device import free_port
from servers.probe import exactly, probe, statuses
from servers.real import PROGRAMS, ROOT, Unavailable, program, python, running

RANGES = (("TLSv1.2",), ("TLSv1.3",), ("TLSv1.2", "TLSv1.3"))
VISIT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from servers.probe import probe
seen = probe(int(sys.argv[2]), "dicom", ["echo-004.hopital.example"], timeout=10.0)
print(json.dumps([seen["key_proof"], seen["handshake"], len(seen["chain_der"])]))
"""


@pytest.fixture(scope="module", params=["rsa", "ecdsa"])
def ports(request: pytest.FixtureRequest, workshop: Path) -> Iterator[dict[tuple[str, ...], int]]:
    """range -> port of a Java server whose certificate was renewed and whose key was not."""
    folder = workshop / f"wrong-key-{request.param}"
    folder.mkdir()
    pems, _key = pki.chain_of(3, request.param)
    chain = pki.write(folder, pems[:2], b"", "chain.pem")
    other = folder / "other.der"
    form = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    other.write_bytes(pki.make_key(request.param).private_bytes(*form))
    found = {versions: free_port() for versions in RANGES}
    words = [f"{port}:{'-'.join(versions)}" for versions, port in found.items()]
    algorithm = {"rsa": "RSA", "ecdsa": "EC"}[request.param]
    try:
        program("javac")
        source = str(PROGRAMS / "WrongKeyServer.java")
        java = [program("java"), "-XX:TieredStopAtLevel=1", source, chain, str(other), algorithm, *words]
        with running(java, list(found.values()), folder):
            yield found
    except Unavailable as why:
        pytest.skip(str(why))


@pytest.mark.parametrize("versions", RANGES, ids=" to ".join)
def test_the_key_is_not_held_and_the_chain_is_kept(
    ports: dict[tuple[str, ...], int], versions: tuple[str, ...]
) -> None:
    seen = probe(ports[versions], "dicom", [pki.NAME], timeout=10.0)
    assert (seen["key_proof"], seen["handshake"]) == ("not_held", "not_possible")
    assert statuses(seen) == exactly(*versions) and len(seen["chain"]) >= 1
    assert seen["connections"] <= 4


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 11), (3, 12), (3, 13)], ids=lambda version: f"3.{version[1]}")
def test_every_python_tells_a_wrong_signature(ports: dict[tuple[str, ...], int], version: tuple[int, int]) -> None:
    try:
        interpreter = python(version)
    except Unavailable as why:
        pytest.skip(str(why))
    for port in ports.values():
        answer = subprocess.run(
            [interpreter, "-c", VISIT, str(ROOT / "tests"), str(port)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        key, handshake, chain = json.loads(answer.stdout)
        assert (key, handshake) == ("not_held", "not_possible") and chain >= 1
