# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers of a hospital, visited once: what is seen, how it is judged, and what their administrator reads.

The table of the safety page (docs/en/security.md, docs/fr/securite.md) says the same of connections and lines.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from servers import pki
from servers.engines import ENGINES
from servers.judge import judged
from servers.probe import accepted, card, exactly, statuses
from servers.real import Unavailable
from servers.stacks import Credentials

MODERN = ("TLSv1.2", "TLSv1.3")
OLD = ("TLSv1.0", "TLSv1.1", *MODERN)
CUT_SHORT = r"unexpected eof|non-properly terminated"
REFUSED = (
    "version too low|unknown protocol|unsupported protocol|no suitable signature|illegal or unsupported version"
    "|no shared cipher|No supported cipher suites"
)


@dataclass(frozen=True)
class Case:
    """One visit to one server.

    lines:  of its log afterwards (at most `most`, where chance has a say), `says` matches each
    failed: check -> reason; every other check of what the network shows passes
    """

    server: str
    endpoint: str
    versions: tuple[str, ...]
    connections: int
    lines: int
    says: str = f"{CUT_SHORT}|{REFUSED}"
    failed: Mapping[str, str] = field(default_factory=dict)
    handshake: str = "completed"
    log: str = "server.log"
    most: int = 0


OBSOLETE = {"tls_versions": "obsolete_versions_accepted"}
CASES = (
    Case("orthanc", "dicom", OLD, 6, 5, failed=OBSOLETE),
    Case("storescp +py", "dicom", MODERN, 4, 3),
    Case("storescp +px", "dicom", OLD, 6, 5, failed=OBSOLETE),
    Case("storescp +pz", "dicom", ("TLSv1.2",), 4, 3),
    Case("storescp +pa", "dicom", OLD[:3], 7, 6, failed={**OBSOLETE, "tls_cipher": "cipher_outdated"}),
    Case("pynetdicom", "dicom", MODERN, 4, 0),
    Case(
        *("mllp", "mllp", MODERN, 6, 19),
        says=f"accepted connection|Connection (reset/)?closed|connect|{CUT_SHORT}|{REFUSED}",
        log="stunnel/server.log",
    ),
    Case("mllp", "mllp", MODERN, 6, 2, "Connection (established|closed)", log="engine/server.log"),
    Case(
        *("mosquitto", "mqtts", MODERN, 6, 8),
        says=f"New connection|disconnected|closed its connection|{CUT_SHORT}|{REFUSED}",
        # One line or three for a greeting: it depends on whether it reads the greeting at once.
        most=18,
    ),
    # The last line is of the loopback alone, where cups wants to be called localhost.
    Case("cups", "https", OLD, 6, 6, f"{CUT_SHORT}|{REFUSED}|invalid Host", OBSOLETE, log="error_log"),
    Case("slapd", "ldap", OLD, 6, 5, failed=OBSOLETE, log="tls/server.log"),
    Case("slapd", "ldaps", OLD, 6, 5, failed=OBSOLETE, log="tls/server.log"),
    Case("slapd stats", "ldap", OLD, 6, 36, ".", OBSOLETE, log="tls/server.log"),
    Case("exim", "smtp", OLD, 7, 6, failed=OBSOLETE, log="spool/mainlog"),
    Case("xrdp", "rdp", MODERN, 4, 34, ".", log="*/xrdp.log"),
)
#: What the network can say of an endpoint without a page of its own.
CHECKS = {
    *("certificate_key", "certificate_name", "certificate_signature", "certificate_trust", "certificate_validity"),
    *("tls_cipher", "tls_versions"),
}


@pytest.fixture
def place(workshop: Path) -> Path:
    """A folder that a server which gave up root may write to."""
    folder = Path(tempfile.mkdtemp(dir=workshop))
    folder.chmod(0o755)
    return folder


class Log:
    """What a server writes from now on; the first lines are of the look whether it listens."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder, self._pattern = folder, pattern
        time.sleep(0.5)
        self._before = self._lines()

    def _lines(self) -> list[str]:
        files = sorted(self._folder.glob(self._pattern))
        return [line for file in files for line in file.read_text(errors="replace").splitlines()]

    def lines(self, wanted: int) -> list[str]:
        """Wait for so many, and a moment for more."""
        until = time.monotonic() + 5
        while len(self._lines()) - len(self._before) < wanted and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(0.3)
        return self._lines()[len(self._before) :]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.server}: {case.endpoint}, {case.log}")
def test_a_visit_its_findings_and_the_log_after_it(case: Case, files: Credentials, place: Path) -> None:
    (root,) = pki.ders([files.root.read_bytes()])
    try:
        with ENGINES[case.server](files, place) as ports:
            log = Log(place, case.log)
            device = card([(ports[case.endpoint], case.endpoint)], names=[pki.NAME])
            observation, findings = judged(device, root, timeout=10.0, pause=0.05)
            lines = log.lines(case.lines)
    except Unavailable as why:
        pytest.skip(f"{case.server}: {why}")
    (seen,) = observation["endpoints"]
    assert (seen["outcome"], seen["handshake"], seen["key_proof"]) == ("tls", case.handshake, "proved")
    assert statuses(seen) == exactly(*case.versions)
    assert (len(seen["chain"]), seen["trust"]["status"], seen["name_match"]) == (2, "trusted", True)
    assert {one["check"]: one["reason"] for one in findings if one["status"] == "fail"} == case.failed
    assert {one["check"] for one in findings if one["status"] == "pass"} >= CHECKS - set(case.failed)
    assert seen["connections"] == case.connections
    assert [line for line in lines if not re.search(case.says, line)] == []
    assert case.lines <= len(lines) <= max(case.lines, case.most), lines


def test_storescp_without_encryption(files: Credentials, place: Path) -> None:
    """Its retired NULL profile: encrypted nothing, signed well; the worst that a visit may meet spends its budget."""
    (root,) = pki.ders([files.root.read_bytes()])
    try:
        with ENGINES["storescp +pn"](files, place) as ports:
            observation, findings = judged(card([(ports["dicom"], "dicom")], names=[pki.NAME]), root)
    except Unavailable as why:
        pytest.skip(f"storescp: {why}")
    (seen,) = observation["endpoints"]
    assert accepted(seen) == list(OLD[:3])
    assert seen["connections"] <= 12
    failed = {one["check"]: one["reason"] for one in findings if one["status"] == "fail"}
    assert failed == {**OBSOLETE, "tls_cipher": "cipher_null"}


def test_orthanc_that_dies_of_a_handshake_passes_nothing_on_that_port(files: Credentials, place: Path) -> None:
    """Debian's Orthanc 1.10.1 ends at any finished HTTPS handshake, curl's too; what DICOM showed before is kept."""
    (root,) = pki.ders([files.root.read_bytes()])
    try:
        with ENGINES["orthanc"](files, place) as ports:
            device = card([(ports["dicom"], "dicom"), (ports["https"], "https")], names=[pki.NAME])
            observation, findings = judged(device, root, pause=0.05)
            # A package that was mended lives on: then there is nothing to see here.
            if observation["outcome"] == "observed":
                pytest.skip("this Orthanc does not die")
    except Unavailable as why:
        pytest.skip(f"orthanc: {why}")
    assert (observation["outcome"], observation["reason"]) == ("aborted", "stopped_answering")
    assert (observation["died_after"], observation["died_port"]) == ("handshake", ports["https"])
    at_https = {one["status"] for one in findings if one["endpoint"] == f"https:{ports['https']}"}
    assert at_https == {"not_assessed"}
    passed = {one["check"] for one in findings if one["status"] == "pass"}
    assert passed == CHECKS - {"tls_versions"}
    assert sum(endpoint["connections"] for endpoint in observation["endpoints"]) == 10
