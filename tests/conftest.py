# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: what kind each is, which stay together on one worker, and an orderly end when told to stop."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from lab.places import remove_sockets

KINDS = {
    "fuzz": "fuzz",
    "gateways": "gateway",
    "integration": "lab",
    "molecule": "molecule",
    "servers": "servers",
    "vectors": "vectors",
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
#: A server is started once for all tests that name it. `make test` runs the fast ones; the others are slow to install.
FAST_SERVERS = ("aiosmtpd", "dcmtk", "gnutls", "java", "mllp", "nginx", "openssl", "pynetdicom", "storescp", "stunnel")
SLOW_SERVERS = (
    *("cups", "dovecot", "exim", "mariadb", "mosquitto", "orthanc", "postfix", "postgresql", "slapd", "vsftpd", "xrdp"),
    *("mbedtls", "node", "node-0.8-openssl-1.0.0m", "openssl-1.0.2e"),
)


def pytest_configure(config: pytest.Config) -> None:
    """SIGTERM is Ctrl-C here: fixtures take down what they built. Only once, so that nothing disturbs them then."""
    signal.signal(signal.SIGTERM, _interrupt)
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(Groups(), "groups")


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # Not SIG_IGN, which what is started from now on would inherit.
    signal.signal(number, lambda *_again: None)
    raise KeyboardInterrupt


def pytest_unconfigure() -> None:
    remove_sockets()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the kind that its folder says."""
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder in KINDS:
            item.add_marker(KINDS[folder])
        if folder == "integration" and item.path.name in FILES:
            item.add_marker(FILES[item.path.name])
        if folder == "servers" and server_of(item.nodeid) in SLOW_SERVERS:
            item.add_marker("slow_install")


def server_of(nodeid: str) -> str:
    """The server that a test of tests/servers names in its parameters; "" where it names none."""
    parameters = nodeid.partition("[")[2]
    named = [name for name in (*FAST_SERVERS, *SLOW_SERVERS) if name in parameters]
    return max(named, key=len, default="")


def group_of(nodeid: str) -> str:
    """What a test shares with others: its file's laboratory, or its server. Its own name where it stands alone."""
    path = Path(nodeid.partition("::")[0])
    if path.parent.name == "gateways" or path.name in TOGETHER:
        return str(path)
    return (server_of(nodeid) if path.parent.name == "servers" else "") or nodeid


class Groups:
    """Keeps a group on one worker. By the names of the tests: pytest-xdist's own marker is lost with pytest 9.2."""

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        if config.getvalue("dist") != "loadgroup":
            return None
        from xdist.scheduler import LoadScopeScheduling

        class Scheduling(LoadScopeScheduling):  # type: ignore[misc, unused-ignore]
            def _split_scope(self, nodeid: str) -> str:
                return group_of(nodeid)

        return Scheduling(config, log)
