# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds an address keeps the others from it, unless it is another account that only wants to be in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net import address_guard
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.address_guard import AddressClaim

NOBODY = 65534
HOLD = """
import os, socket, sys
sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for name in sys.argv[2:]]
os.setuid(int(sys.argv[1]))
for one, name in zip(sockets, sys.argv[2:]):
    one.bind("\\0biomed.cert_hygiene/" + name)
    one.listen(socket.SOMAXCONN)
print("held", flush=True)
sys.stdin.read()
"""
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="claims by socket are Linux's")


@pytest.fixture
def address() -> str:
    return f"192.0.2.1-{os.getpid()}"


@pytest.fixture
def holds() -> Iterator[Callable[..., None]]:
    """Another process that holds these names under an account."""
    started = []

    def hold(account: int, *names: str) -> None:
        if account and os.geteuid():
            pytest.skip("takes another account, which root alone can")
        command = [sys.executable, "-c", HOLD, str(account), *names]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout and process.stdout.readline() == b"held\n"

    yield hold
    for process in started:
        process.communicate()


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Time that passes when it is told to."""
    now = [0.0]
    monkeypatch.setattr(address_guard.time, "monotonic", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes


def test_a_run_of_ours_is_waited_for_however_long(
    address: str, holds: Callable[..., None], passing: Callable[[float], None]
) -> None:
    holds(os.geteuid(), address)
    claim = AddressClaim(address)
    for _attempt in range(200):  # more questions than a short queue would hold
        assert not claim.take()
        passing(1.0)


@pytest.mark.parametrize("names", [("",), ("", "/{}")], ids=["the name", "the name and ours after it"])
def test_another_account_is_waited_for_as_long_as_a_visit_lasts(
    address: str, holds: Callable[..., None], passing: Callable[[float], None], names: tuple[str, ...]
) -> None:
    holds(NOBODY, *(address + name.format(os.geteuid()) for name in names))
    claim, other = AddressClaim(address), AddressClaim(address)
    assert not claim.take() and not other.take()
    passing(14.0)
    assert not claim.take()
    passing(2.0)
    assert claim.take()
    assert len(names) > 1 or not other.take()  # one of ours at a time, also beside a stranger
    claim.release()
    assert other.take()
    other.release()


def test_a_folder_of_somebody_else_is_not_written_to(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(address_guard, "_ABSTRACT_SOCKETS", False)
    elsewhere = os.path.join(tmp_path, "elsewhere")
    os.mkdir(elsewhere)
    os.symlink(elsewhere, os.path.join(tmp_path, f"biomed-cert-hygiene-{os.getuid()}"))
    claim = AddressClaim(address)
    assert claim.take()
    claim.release()
    assert os.listdir(elsewhere) == []
