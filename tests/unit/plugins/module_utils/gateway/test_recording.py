# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording holds what was seen, and no secret, whichever way a file is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.recording import RecordedHost, RecordingHost

# Not a key, but known for one.
TEXT = "before\n-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\nafter"


@pytest.mark.parametrize(
    ("read", "again"),
    [
        (lambda host, path: host.read(path), "before\n-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\nafter"),
        (
            lambda host, path: "\n".join(host.lines(path)),
            "before\n-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\nafter",
        ),
        (lambda host, path: host.read_secret(path), ""),
    ],
    ids=["read", "lines", "read_secret"],
)
def test_what_is_read_is_recorded_without_its_secrets(
    tmp_path: Path, read: Callable[[Host, str], Any], again: str
) -> None:
    path = tmp_path / "a.pem"
    path.write_text(TEXT)
    host = RecordingHost()
    assert read(host, str(path)) == TEXT
    kept = json.dumps(host.record)
    assert "hunter2" not in kept
    assert read(RecordedHost(json.loads(kept)), str(path)) == again
