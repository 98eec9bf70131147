# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nmap with its three TLS scripts."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from bench import install
from bench.farm import PORT, Endpoint, Farm
from bench.peers.base import TRUE_VERSIONS, Answers, Call, complete


class Nmap:
    """ssl-cert, ssl-enum-ciphers and sslv2 on the one port."""

    name = "nmap"
    title = "nmap ssl-cert, ssl-enum-ciphers, sslv2"
    share = 200
    note = "a version that it does not list counts as told refused"

    def __init__(self) -> None:
        self._program = Path()

    def install(self) -> str:
        """The Debian package."""
        self._program = install.debian("nmap", "nmap")
        return install.version(self._program, "--version")

    def call(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Call:
        """One run over a file of addresses."""
        (folder / "targets.txt").write_text("".join(f"{target.address}\n" for target in targets), encoding="ascii")
        arguments = ("-Pn", "-n", "-p", str(PORT), "--script", "ssl-cert,ssl-enum-ciphers,sslv2")
        files = ("-oX", "result.xml", "-iL", "targets.txt")
        return Call(
            (str(self._program), *arguments, *files),
            "nmap " + " ".join(arguments + files),
            install.debian_environment(self._program),
        )

    def answers(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Answers:
        """Its XML."""
        given: dict[str, set[str]] = {target.address: set() for target in targets}
        by_address = {target.address: target for target in targets}
        for host in ElementTree.parse(folder / "result.xml").getroot().iter("host"):
            address = host.find("address")
            target = by_address.get(address.get("addr", "")) if address is not None else None
            if target is not None:
                given[target.address] = _facts(farm, target, host)
        return complete(given, targets)


def _facts(farm: Farm, target: Endpoint, host: ElementTree.Element) -> set[str]:
    scripts = {script.get("id"): script for script in host.iter("script")}
    certificate = scripts.get("ssl-cert")
    elements = {} if certificate is None else {item.get("key"): item.text or "" for item in certificate.iter("elem")}
    ciphers = scripts.get("ssl-enum-ciphers")
    tables = {} if ciphers is None else {table.get("key"): table for table in ciphers.findall("table")}
    versions = {version: version in tables for version in TRUE_VERSIONS}
    versions["SSLv2"] = "sslv2" in scripts
    pem = elements.get("pem", "")
    checks = {
        "leaf": bool(pem) and hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() == farm.chain(target)[0],
        "key": elements.get("bits") == "2048",
        "signature": elements.get("sig_algo") == "sha256WithRSAEncryption",
        "versions": bool(tables) and versions == TRUE_VERSIONS,
        "negotiated": "TLSv1.3" in tables,
    }
    return {name for name, true in checks.items() if true}
