# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module_utils tests share: credentials on disk, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from servers import pki

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit import device


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """credentials(kind="rsa") -> a file with a key, its certificate and the one above it."""
    folder: Path = tmp_path_factory.mktemp("credentials")

    def make(kind: str = "rsa") -> str:
        pems, key = pki.chain_of(3, kind)
        return pki.write(folder, pems[:2], key, f"{kind}.pem")

    return make


@pytest.fixture(autouse=True)
def _short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A visit rests for a moment here, where a real one rests for a second or two."""
    monkeypatch.setattr(device, "REST_SECONDS", 0.01)
    monkeypatch.setattr(device, "LAST_LOOK_SECONDS", 0.05)
