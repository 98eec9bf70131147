# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the matrix: one set of credentials, and each stack started once with all its ranges."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.device import free_port
from servers.real import Unavailable
from servers.stacks import STACKS, Credentials, Range, make_credentials


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    """A folder that servers may read which give up root; pytest's own are for its user alone."""
    folder = Path(tempfile.mkdtemp(prefix="cert-hygiene-servers-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def files(workshop: Path) -> Credentials:
    """One chain of two, in every form that a server wants."""
    folder = workshop / "credentials"
    folder.mkdir()
    return make_credentials(folder)


class RunningStacks:
    """Each stack is started once, when its first test comes, with all its ranges."""

    def __init__(self, files: Credentials, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._held = contextlib.ExitStack()
        self._ports: dict[str, dict[Range, int] | Unavailable] = {}

    def ports(self, name: str) -> dict[Range, int]:
        """range -> port."""
        if name not in self._ports:
            ports: dict[Range, int] = {}
            while len(ports) < len(STACKS[name].ranges):
                port = free_port()
                if port not in ports.values():
                    ports[STACKS[name].ranges[len(ports)]] = port
            by_port = {port: versions for versions, port in ports.items()}
            try:
                self._held.enter_context(STACKS[name].serve(self._files, by_port, self._folder / name))
                self._ports[name] = ports
            except Unavailable as why:
                self._ports[name] = why
        found = self._ports[name]
        if isinstance(found, Unavailable):
            pytest.skip(f"{name}: {found}")
        return found

    def close(self) -> None:
        """End them all."""
        self._held.close()


@pytest.fixture(scope="session")
def running_stacks(files: Credentials, workshop: Path) -> Iterator[RunningStacks]:
    """The stacks that have been asked for so far."""
    stacks = RunningStacks(files, workshop / "stacks")
    yield stacks
    stacks.close()


@pytest.fixture
def stack_ports(request: pytest.FixtureRequest, running_stacks: RunningStacks) -> dict[Range, int]:
    """range -> port of the stack that the test names."""
    return running_stacks.ports(request.param)
