# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: what kind each is, which stay together on one worker, and an orderly end when told to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from lab.places import remove_sockets

KINDS = {
    "fuzz": "fuzz",
    "gateways": "gateway",
    "integration": "lab",
    "molecule": "molecule",
    "servers": "servers",
}
#: Files of tests/integration that are of a further kind.
FILES = {
    "test_demo_command.py": "demo",
    "test_demo_hospital.py": "demo",
    "test_diagnose.py": "diagnose",
    "test_diagnose_network.py": "diagnose",
}
#: Files whose tests share what was built or done once for all of them: they stay on one worker.
TOGETHER = (
    "test_demo_hospital.py",
    "test_diagnose_network.py",
    "test_example_inventory.py",
    "test_gateways.py",
    "test_hostile_servers.py",
    "test_installed.py",
)
#: Parameters that stand for a server which is started once for all tests that name it.
STARTED_ONCE = ("server", "stack_ports")
#: Those that `make test` runs; what the others need takes long to install.
FAST_SERVERS = ("aiosmtpd", "dcmtk", "gnutls", "java", "nginx", "openssl", "stunnel")


def pytest_configure(config: pytest.Config) -> None:
    """SIGTERM is Ctrl-C here: fixtures take down what they built. Only once, so that nothing disturbs them then."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # Not SIG_IGN, which what is started from now on would inherit.
    signal.signal(number, lambda *_again: None)
    raise KeyboardInterrupt


def pytest_unconfigure() -> None:
    remove_sockets()


@pytest.hookimpl(wrapper=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark each test with the kind that its folder says, and with its group."""
    here = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(here).parts[0]
        if folder in KINDS:
            item.add_marker(KINDS[folder])
        if item.path.parent.name == "integration" and item.path.name in FILES:
            item.add_marker(FILES[item.path.name])
        server = _server(item) if folder == "servers" else ""
        if server and server not in FAST_SERVERS:
            item.add_marker("slow_install")
        group = item.path.stem if folder == "gateways" or item.path.name in TOGETHER else server
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
    yield


def _server(item: pytest.Item) -> str:
    parameters = getattr(item, "callspec", None)
    named = [parameters.params[name] for name in STARTED_ONCE if name in parameters.params] if parameters else []
    return str(named[0]) if named else ""
