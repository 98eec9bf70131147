# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix: every stack with every contiguous range of versions, each told exactly, at its price."""

from __future__ import annotations

import re
import ssl
import subprocess

import pytest

from servers import pki
from servers.probe import exactly, probe, statuses
from servers.real import program
from servers.stacks import STACKS, Credentials, Range

CASES = [
    pytest.param(
        stack.name, versions, id=f"{stack.name}: {versions[0]}" + (f" to {versions[-1]}" if len(versions) > 1 else "")
    )
    for stack in STACKS.values()
    for versions in stack.ranges
]


def most(versions: Range) -> int:
    """The connections that a range may cost: the limits of the guides."""
    if set(versions) <= {"TLSv1.2", "TLSv1.3"}:
        return 4
    return 7 if len(versions) <= 4 else 9


@pytest.mark.parametrize(("stack_ports", "versions"), CASES, indirect=["stack_ports"])
def test_every_range_of_every_stack(
    request: pytest.FixtureRequest, stack_ports: dict[Range, int], versions: Range, files: Credentials
) -> None:
    stack = STACKS[request.node.callspec.params["stack_ports"]]
    seen = probe(stack_ports[versions], "https" if stack.http else "dicom", [pki.NAME], timeout=10.0)
    assert statuses(seen) == exactly(*versions)
    assert seen["outcome"] == "tls"
    if versions == ("SSLv2",):
        # Its SERVER-HELLO holds one certificate, and the client chooses the cipher.
        assert (seen["chain"], seen["negotiated"]) == (list(files.ders[:1]), None)
        return
    assert seen["negotiated"]["version"] == versions[-1]
    assert seen["chain"] == list(files.ders)
    if (stack.name, versions) == ("gnutls", ("TLSv1.3",)):
        # It says "no suite in common" to TLS 1.2, which is a refusal only once every suite was offered, and a control
        # was answered.
        assert seen["versions"]["TLSv1.2"] == {"status": "refused", "evidence": "alert:40", "control": "answered"}
        assert seen["connections"] <= 11
    else:
        # A server that refuses old versions by anything but protocol_version gets a control.
        assert seen["connections"] <= most(versions) + 2 * (seen["answers_unsteadily"] is False)
    assert seen["answers_unsteadily"] is not True
    if set(versions) == {"TLSv1.2", "TLSv1.3"}:
        assert seen["visit"]["bytes_sent"] <= 1100
    if versions[-1].startswith("TLS"):
        assert (seen["handshake"], seen["key_proof"], seen["further_chains"]) == ("completed", "proved", [])
    else:
        assert (seen["handshake"], seen["key_proof"]) == ("not_possible", "not_proved")
    if stack.http and versions[-1].startswith("TLS"):
        assert (seen["handshake"], seen["error"]) == ("completed", None)
        dates = [sample for sample in seen["visit"]["clock"]["samples"] if sample["source"] == "http_date"]
        assert len(dates) == 1 and abs(dates[0]["offset_seconds"]) <= dates[0]["uncertainty_seconds"] + 0.1


@pytest.mark.parametrize("stack_ports", STACKS, indirect=True)
def test_quick_says_nothing_wrong(request: pytest.FixtureRequest, stack_ports: dict[Range, int]) -> None:
    for versions, port in stack_ports.items():
        if len(versions) not in (1, 2):
            continue
        seen = probe(port, "dicom", [pki.NAME], depth="quick", timeout=10.0)
        truth = exactly(*versions)
        # Undetermined: "no suite in common" is not asked again; SSLv2 is not asked, and may be all that there is.
        allowed = ("not_tested", "undetermined")
        wrong = {name: found for name, found in statuses(seen).items() if found not in (truth[name], *allowed)}
        assert (versions, wrong) == (versions, {})
        assert seen["chain"] or versions == ("SSLv2",), versions
        if versions == ("TLSv1.2", "TLSv1.3"):
            assert seen["connections"] <= 2 and seen["visit"]["bytes_sent"] <= 300


@pytest.mark.parametrize(
    "stack_ports",
    [name for name in STACKS if name in ("openssl", "nginx", "stunnel", "gnutls", "java", "node")],
    indirect=True,
)
@pytest.mark.parametrize(
    "versions", [("TLSv1.2",), ("TLSv1.3",), ("TLSv1.2", "TLSv1.3"), ("TLSv1.0",)], ids=" to ".join
)
def test_an_independent_client_sees_the_same(stack_ports: dict[Range, int], versions: Range) -> None:
    """`openssl s_client`: version, cipher where there is no choice, and the chain as sent."""
    port = stack_ports[versions]
    seen = probe(port, "dicom", [pki.NAME], timeout=10.0)
    command = [program("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-servername", pki.NAME, "-showcerts"]
    answer = subprocess.run(
        [*command, "-cipher", "ALL:@SECLEVEL=0"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    version = re.search(r"^\s+Protocol\s*: (\S+)|^New, (TLSv1\.3),", answer.stdout, re.M)
    assert version is not None, answer.stdout + answer.stderr
    assert (version[1] or version[2]).replace("TLSv1", "TLSv1.0", version[1] == "TLSv1") == seen["negotiated"][
        "version"
    ]
    pems = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", answer.stdout, re.S)
    shown = [ssl.PEM_cert_to_DER_cert(pem) for pem in pems]
    assert shown[: len(seen["chain"])] == seen["chain"]


@pytest.mark.parametrize("stack_ports", ["mbedtls", "node-0.8-openssl-1.0.0m"], indirect=True)
def test_an_old_stack_tells_its_clock_without_http(stack_ports: dict[Range, int]) -> None:
    for versions, port in stack_ports.items():
        if len(versions) == 1 and versions[0].startswith("TLS"):
            seen = probe(port, "dicom", [pki.NAME], timeout=10.0)
            (sample,) = seen["visit"]["clock"]["samples"]
            assert (sample["source"], sample["evidence"]) == ("tls_random", False)
            assert abs(sample["offset_seconds"]) <= sample["uncertainty_seconds"] + 0.2
            assert seen["connections"] <= 6


@pytest.mark.parametrize("stack_ports", ["openssl", "gnutls", "java", "node", "nginx", "openssl-1.0.2e"], indirect=True)
def test_a_new_stack_has_no_clock_in_its_random(stack_ports: dict[Range, int]) -> None:
    for port in list(stack_ports.values())[-6:]:
        assert probe(port, "dicom", [pki.NAME], timeout=10.0)["visit"]["clock"]["samples"] == []
