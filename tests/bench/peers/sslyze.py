# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sslyze: certificate and all six protocol versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import install
from bench.farm import Endpoint, Farm
from bench.peers.base import TRUE_VERSIONS, Answers, Call, complete

REQUIREMENT = "sslyze==6.3.1"
_COMMANDS = {
    "SSLv2": ("--sslv2", "ssl_2_0_cipher_suites"),
    "SSLv3": ("--sslv3", "ssl_3_0_cipher_suites"),
    "TLSv1.0": ("--tlsv1", "tls_1_0_cipher_suites"),
    "TLSv1.1": ("--tlsv1_1", "tls_1_1_cipher_suites"),
    "TLSv1.2": ("--tlsv1_2", "tls_1_2_cipher_suites"),
    "TLSv1.3": ("--tlsv1_3", "tls_1_3_cipher_suites"),
}


class Sslyze:
    """The same facts by another road: every suite of every version is tried."""

    name = "sslyze"
    title = "sslyze, certificate and versions"
    share = 50
    note = ""

    def __init__(self) -> None:
        self._program = Path()

    def install(self) -> str:
        """In an environment of its own."""
        self._program = install.python_program(REQUIREMENT, "sslyze")
        return REQUIREMENT.partition("==")[2]

    def call(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Call:
        """One run over a file of targets, each with its name and its address."""
        lines = [f"{target.host_name}:{target.port}{{{target.address}}}\n" for target in targets]
        (folder / "targets.txt").write_text("".join(lines), encoding="ascii")
        arguments = (
            "--certinfo",
            *(option for option, _key in _COMMANDS.values()),
            "--mozilla_config=disable",
            "--quiet",
            "--targets_in=targets.txt",
            "--json_out=result.json",
        )
        return Call(
            (str(self._program), f"--certinfo_ca_file={farm.authority.root}", *arguments),
            "sslyze --certinfo_ca_file=root.pem " + " ".join(arguments),
        )

    def answers(self, farm: Farm, targets: Sequence[Endpoint], folder: Path) -> Answers:
        """Its JSON."""
        report = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        by_address = {
            entry["server_location"]["ip_address"]: entry["scan_result"]
            for entry in report["server_scan_results"]
            if entry["scan_result"]
        }
        given = {}
        for target in targets:
            result = by_address.get(target.address)
            given[target.address] = _facts(farm, target, result) if result else set()
        return complete(given, targets)


def _facts(farm: Farm, target: Endpoint, result: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    certificates = (result["certificate_info"]["result"] or {}).get("certificate_deployments")
    if certificates:
        deployment = certificates[0]
        chain = deployment["received_certificate_chain"]
        expected = farm.chain(target)
        leaf = chain[0]
        paths = deployment["path_validation_results"]
        checks = {
            "leaf": bytes_of(leaf["fingerprint_sha256"]) == expected[0],
            "chain": [bytes_of(entry["fingerprint_sha256"]) for entry in chain] == list(expected),
            "key": leaf["public_key"]["key_size"] == 2048,
            "signature": leaf["signature_hash_algorithm"]["name"] == "sha256",
            "trust": any(path["was_validation_successful"] for path in paths),
            "name": any(path["was_validation_successful"] for path in paths),
        }
        found = {name for name, true in checks.items() if true}
    versions = {}
    negotiated = False
    for version, (_option, key) in _COMMANDS.items():
        suites = (result[key]["result"] or {}).get("accepted_cipher_suites")
        versions[version] = None if suites is None else bool(suites)
        negotiated = negotiated or (version == "TLSv1.3" and bool(suites))
    if versions == TRUE_VERSIONS:
        found.add("versions")
    if negotiated:
        found.add("negotiated")
    return found


def bytes_of(fingerprint: str) -> str:
    """A fingerprint in hexadecimal; sslyze writes it in Base64."""
    import base64

    return base64.b64decode(fingerprint).hex()
