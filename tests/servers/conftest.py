# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the matrix: one set of credentials, and each stack started once with all its ranges."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.device import free_port
from servers.real import Unavailable
from servers.stacks import STACKS, Credentials, Range, make_credentials


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """One chain of two, in every form that a server wants."""
    folder = tmp_path_factory.mktemp("credentials")
    for parent in (folder, *list(folder.parents)[:3]):
        if parent.owner() == folder.owner() and parent != Path("/tmp"):
            parent.chmod(0o755)
    return make_credentials(folder)


@pytest.fixture(scope="session")
def stack_ports(
    request: pytest.FixtureRequest, files: Credentials, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Range, int]]:
    """range -> port of the stack that the test names."""
    stack = STACKS[request.param]
    ports: dict[Range, int] = {}
    while len(ports) < len(stack.ranges):
        port = free_port()
        if port not in ports.values():
            ports[stack.ranges[len(ports)]] = port
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(
                stack.serve(
                    files, {port: versions for versions, port in ports.items()}, tmp_path_factory.mktemp(stack.name)
                )
            )
        except Unavailable as why:
            pytest.skip(str(why))
        yield ports
