# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine on every Python that a vantage may have: the whole chain of a device that speaks TLS 1.3 alone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from servers import pki
from servers.device import Device, Tls, server_context, web_page
from servers.real import ROOT, Unavailable, python
from servers.stacks import Credentials

VISIT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from servers.probe import probe
seen = probe(int(sys.argv[2]), "https", ["echo-004.hopital.example"])
print(json.dumps([seen["chain_der"], seen["handshake"], len(seen["visit"]["clock"]["samples"]), seen["connections"]]))
"""


@pytest.mark.parametrize(
    "version", [(3, 9), (3, 10), (3, 11), (3, 12), (3, 13), (3, 14)], ids=lambda version: f"3.{version[1]}"
)
@pytest.mark.parametrize("versions", [("TLSv1.3",), ("TLSv1.2", "TLSv1.3"), ("TLSv1.0",)], ids=" to ".join)
def test_the_whole_chain_on_every_python(
    files: Credentials, tmp_path: Path, version: tuple[int, int], versions: tuple[str, ...]
) -> None:
    try:
        interpreter = python(version)
    except Unavailable as why:
        pytest.skip(str(why))
    pems, key = pki.chain_of(4, "ecdsa")
    with Device(Tls(server_context(pki.write(tmp_path, pems, key), versions), web_page())) as device:
        answer = subprocess.run(
            [interpreter, "-c", VISIT, str(ROOT / "tests"), str(device.port)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        chain, handshake, samples, connections = json.loads(answer.stdout)
        assert (len(chain), handshake, samples) == (4, "completed", 1)
        assert connections == device.connections <= 5
        assert all(len(link.received) <= 255 for link in device.links[:-1])
