# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers of every service that a package offers: where TLS begins, and what a refusal says.

No package offers a SQL Server (`mssql`): its behaviour is replayed in the unit tests of the preambles.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers import pki
from servers.probe import accepted, probe, statuses
from servers.real import Unavailable
from servers.services import SERVICES
from servers.stacks import Credentials

#: server -> {port name: what a refusal must say, None where TLS is to begin}
EXPECTED: dict[str, dict[str, str | None]] = {
    "aiosmtpd": {"smtp": None, "smtp without TLS": "454"},
    "postfix": {"smtp": None, "smtp without TLS": "502 5.5.1"},
    "dovecot": {"imap": None, "pop3": None, "imaps": None, "pop3s": None},
    "vsftpd": {"ftp": None, "ftp without TLS": "530 Please login"},
    "slapd": {"ldap": None, "ldaps": None, "ldap without TLS": "LDAP result 2"},
    "postgresql": {"postgres": None, "postgres without TLS": "N"},
    "mariadb": {"mysql": None, "mysql without TLS": "MariaDB"},
    "xrdp": {"rdp": None, "rdp without TLS": "RDP"},
    "dcmtk": {"dicom": None},
}


@pytest.fixture(scope="module", params=list(EXPECTED))
def server(request: pytest.FixtureRequest, files: Credentials, workshop: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """(name, ports) of one running server."""
    folder = workshop / request.param
    folder.mkdir()
    running = SERVICES[request.param](files, folder)
    try:
        ports = running.__enter__()
    except Unavailable as why:
        pytest.skip(f"{request.param}: {why}")
    yield request.param, ports
    running.__exit__(None, None, None)


def test_every_service_is_brought_to_tls_and_every_refusal_is_told(
    server: tuple[str, dict[str, int]], files: Credentials
) -> None:
    name, ports = server
    for port_name, said in EXPECTED[name].items():
        service = port_name.split()[0]
        seen = probe(ports[port_name], service, [pki.NAME], timeout=10.0)
        if said is None:
            assert (port_name, seen["outcome"], seen["handshake"]) == (port_name, "tls", "completed")
            assert seen["chain"] == list(files.ders), port_name
            assert accepted(seen)[-2:] == ["TLSv1.2", "TLSv1.3"], port_name
            assert set(statuses(seen).values()) == {"accepted", "refused"}, port_name
            # One that hangs up on old versions gets a control, after each of them was asked for itself.
            assert seen["connections"] <= len(accepted(seen)) + 2 + 2 * (seen["answers_unsteadily"] is False)
            assert seen["error"] is None
        else:
            # RFC 3207, section 4: 454 is said of a while, not of the server.
            refusal = "starttls_unavailable" if said == "454" else "starttls_refused"
            assert (port_name, seen["outcome"], seen["connections"]) == (port_name, refusal, 1)
            assert said in seen["error"], port_name


def test_dicom(files: Credentials, tmp_path: Path) -> None:
    """storescp: TLS, plain DICOM on the port, and a client certificate that is required."""
    try:
        running = SERVICES["dcmtk"](files, tmp_path)
        ports = running.__enter__()
    except Unavailable as why:
        pytest.skip(str(why))
    try:
        seen: dict[str, dict[str, Any]] = {name: probe(port, "dicom", [pki.NAME]) for name, port in ports.items()}
    finally:
        running.__exit__(None, None, None)
    assert seen["dicom"]["handshake"] == "completed" and seen["dicom"]["client_certificate"] == "not_requested"
    required = seen["dicom with client certificates"]
    assert (required["client_certificate"], required["handshake"]) == ("required", "refused")
    plain = seen["dicom without TLS"]
    # It takes our hello for a PDU of 17 MB, and resets; nothing is told refused.
    assert plain["outcome"] in ("reset", "closed", "not_tls")
    assert not {"accepted", "refused"} & set(statuses(plain).values())
