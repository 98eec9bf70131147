# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sslscan at its leanest: certificate and versions, no list of suites."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from bench import install
from bench.farm import Endpoint, Farm
from bench.peers.base import TRUE_VERSIONS, Answers, Call, complete


class Sslscan:
    """One process, one target after the other, as it works."""

    name = "sslscan"
    title = "sslscan, leanest"
    share = 200
    note = ""

    def __init__(self) -> None:
        self._program = Path()

    def install(self) -> str:
        """The Debian package."""
        self._program = install.debian("sslscan", "sslscan")
        return install.version(self._program, "--no-colour", "--version")

    def call(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Call:
        """One run over a file of targets."""
        lines = [f"{target.address}:{target.port}\n" for target in targets]
        (folder / "targets.txt").write_text("".join(lines), encoding="ascii")
        left_out = ("ciphersuites", "compression", "fallback", "groups", "heartbleed", "renegotiation")
        arguments = ("--show-certificate", *(f"--no-{test}" for test in left_out), "--no-colour")
        files = ("--targets=targets.txt", "--xml=result.xml")
        return Call(
            (str(self._program), *arguments, *files),
            "sslscan " + " ".join(arguments + files),
            install.debian_environment(self._program),
        )

    def answers(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Answers:
        """Its XML."""
        given: dict[str, set[str]] = {target.address: set() for target in targets}
        by_address = {target.address: target for target in targets}
        for test in ElementTree.parse(folder / "result.xml").getroot().iter("ssltest"):
            target = by_address.get(test.get("host", ""))
            if target is not None:
                given[target.address] = _facts(farm, target, test)
        return complete(given, targets)


def _facts(farm: Farm, target: Endpoint, test: ElementTree.Element) -> set[str]:
    protocols = {
        ("SSLv" if item.get("type") == "ssl" else "TLSv") + str(item.get("version")): item.get("enabled") == "1"
        for item in test.findall("protocol")
    }
    blob = test.find(".//certificate-blob")
    key = test.find(".//certificate/pk")
    signatures = [(item.text or "").strip() for item in test.findall(".//certificate/signature-algorithm")]
    leaf = ssl.PEM_cert_to_DER_cert((blob.text or "").strip()) if blob is not None and blob.text else b""
    checks = {
        "leaf": hashlib.sha256(leaf).hexdigest() == farm.chain(target)[0],
        "versions": protocols == TRUE_VERSIONS,
        "key": key is not None and key.get("bits") == "2048",
        "signature": "sha256WithRSAEncryption" in signatures,
    }
    return {name for name, true in checks.items() if true}
