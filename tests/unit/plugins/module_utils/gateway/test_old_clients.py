# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which old clients the logs of services name, and when those logs cannot tell."""

from __future__ import annotations

import gzip
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.old_clients import old_clients
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.found import Log

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc).timestamp()
LONG_AGO = '192.0.2.7 - [01/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 TLSv1.2\n'


def asked(path: Path, text: str, own: tuple[str, ...] = ()) -> dict[str, object]:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (NOW, NOW))
    return old_clients([Log(str(path), True)], 14, own, NOW)


@pytest.mark.parametrize(
    ("text", "peers"),
    [
        ('192.0.2.9 - [21/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 TLSv1.3\n', []),
        ('192.0.2.9 - [21/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 -\n', []),
        ('192.0.2.9 - [21/Nov/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 TLSv1\n', [("192.0.2.9", ["TLSv1"], False)]),
        ('192.0.2.9 - [21/Nov/2026:08:00:00 +0000] "x" TLSv1.1\n', [("192.0.2.9", ["TLSv1.1"], False)]),
        ('192.0.2.9 - [02/Nov/2026:08:00:00 +0000] "x" TLSv1.1\n', []),
        ('127.0.0.1 - [21/Nov/2026:08:00:00 +0000] "x" TLSv1.1\n', []),
        ('192.0.2.1 - [21/Nov/2026:08:00:00 +0000] "x" TLSv1.1\n', []),
        ("192.0.2.9 undated TLSv1.1\n", [("192.0.2.9", ["TLSv1.1"], False)]),
        (
            "Nov 21 08:00:00 gw haproxy[7]: 192.0.2.9:4711 [x] web~ - 0/0 -/TLSv1.1/X\n",
            [("192.0.2.9", ["TLSv1.1"], False)],
        ),
        (
            "2026.11.21 08:00:00 LOG5[3]: Service [dicom] accepted connection from 192.0.2.9:4711\n"
            "2026.11.21 08:00:00 LOG5[4]: Service [dicom] accepted connection from 192.0.2.8:4711\n"
            "2026.11.21 08:00:01 LOG6[3]: TLSv1 ciphersuite: X (256-bit encryption)\n",
            [("192.0.2.9", ["TLSv1"], False)],
        ),
        (
            "2026/11/21 08:00:00 [info] 7#7: *1 SSL_do_handshake() failed (SSL: error:0A000102:SSL "
            "routines::unsupported protocol) while SSL handshaking, client: 192.0.2.9, server: 0.0.0.0:443\n",
            [("192.0.2.9", [], True)],
        ),
        (
            "2026-11-21T08:00:00: New connection from 192.0.2.9:4711 on port 8883.\n"
            "2026-11-21T08:00:00: OpenSSL Error[0]: error:0A000102:SSL routines::unsupported protocol\n",
            [("192.0.2.9", [], True)],
        ),
        ("TLSv1 from nobody\n", [("unknown", ["TLSv1"], False)]),
        # A date in the request, before the line's own, and where the line's own is of another form.
        (
            '192.0.2.9 "GET /?[01/Jan/2020:08:00:00 +0000] HTTP/1.1" [21/Nov/2026:08:00:00 +0000] TLSv1\n',
            [("192.0.2.9", ["TLSv1"], False)],
        ),
        (
            'Nov 21 08:00:00 gw haproxy[7]: 192.0.2.9:4711 -/TLSv1/X "GET /?[01/Jan/2020:08:00:00 +0000] HTTP/1.1"\n',
            [("192.0.2.9", ["TLSv1"], False)],
        ),
    ],
)
def test_old_clients_are_named(tmp_path: Path, text: str, peers: list[tuple[str, list[str], bool]]) -> None:
    found = asked(tmp_path / "a.log", LONG_AGO + text, own=("192.0.2.1",))
    assert found["blind"] == []
    assert [(peer["address"], peer["versions"], peer["refused"]) for peer in found["peers"]] == peers  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        "",
        '192.0.2.7 - [21/Nov/2026:08:00:00 +0000] "x" 200 TLSv1.2\n',
        '192.0.2.7 - [01/Nov/2026:08:00:00 +0000] "x" 200 -\n',
        "192.0.2.7 undated TLSv1.2\n",
        '192.0.2.7 "GET /?[01/Jan/2020:08:00:00 +0000] HTTP/1.1" [21/Nov/2026:08:00:00 +0000] TLSv1.2\n',
    ],
)
def test_a_log_that_does_not_go_back_far_enough_cannot_tell(tmp_path: Path, text: str) -> None:
    found = asked(tmp_path / "a.log", text)
    assert found["blind"] == [{"log": str(tmp_path / "a.log"), "reason": "too_short"}]


def test_a_log_that_is_not_there_cannot_tell(tmp_path: Path) -> None:
    logs = [Log(str(tmp_path / "none.log"), True), Log("", False, "no_file"), Log("/x", False, "not_logged")]
    assert [entry["reason"] for entry in old_clients(logs, 14, (), NOW)["blind"]] == [
        "no_file",
        "no_file",
        "not_logged",
    ]


def test_rotated_files_are_read_and_others_are_not(tmp_path: Path) -> None:
    old = LONG_AGO.replace("01/Nov", "20/Nov").replace("192.0.2.7", "192.0.2.9").replace("TLSv1.2", "TLSv1")
    with gzip.open(tmp_path / "a.log.2.gz", "wt") as handle:
        handle.write(LONG_AGO)
    (tmp_path / "a.log.1").write_text(old, encoding="ascii")
    (tmp_path / "a.log of mine").write_text(old.replace("192.0.2.9", "192.0.2.5"), encoding="ascii")
    for number, name in enumerate(("a.log.1", "a.log.2.gz"), 1):
        os.utime(tmp_path / name, (NOW - 86400 * number, NOW - 86400 * number))
    found = asked(tmp_path / "a.log", "")
    assert found["blind"] == []
    assert [peer["address"] for peer in found["peers"]] == ["192.0.2.9"]  # type: ignore[attr-defined]


def test_a_broken_file_is_never_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.log.1.gz").write_bytes(b"\x1f\x8bnot gzip")
    os.utime(tmp_path / "a.log.1.gz", (NOW, NOW))
    assert asked(tmp_path / "a.log", LONG_AGO)["blind"] == [{"log": str(tmp_path / "a.log"), "reason": "not_readable"}]


@pytest.mark.parametrize(
    "stamped",
    [
        "[31/Dec/9999:23:59:59 -1400]",
        "[01/Jan/0001:00:00:00 +1400]",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_a_time_out_of_the_calendar_is_none(tmp_path: Path, stamped: str) -> None:
    """A request that a log repeats can hold any; the line counts as one without a date."""
    found = asked(tmp_path / "a.log", f"192.0.2.9 - {stamped} TLSv1\n")
    assert found["peers"] == [
        {"address": "192.0.2.9", "versions": ["TLSv1"], "count": 1, "last_at": None, "refused": False}
    ]
    assert found["told_since"] is None
