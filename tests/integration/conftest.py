"""One demo hospital for the whole session, on a network of this process' own, and the collection as the tree has it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.runs import ROOT, Run, run_audit
from lab.hospital import Hospital, HospitalError


def open_hospital(state: Path) -> Hospital:
    """Open a hospital beside any other on this machine: several test runs may go on at once."""
    first = os.getpid() % 200
    for step in range(10):
        hospital = Hospital(state, f"127.{30 + (first + step * 7) % 200}")
        try:
            hospital.open()
            return hospital
        except HospitalError as error:
            if "in use" not in str(error):
                raise
    raise HospitalError("ten networks of 127.0.0.0/8 are in use")


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """The demo hospital, open for the whole session; call `forget()` before counting."""
    opened = open_hospital(tmp_path_factory.mktemp("hospital") / "state")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections path that leads to this tree."""
    path = tmp_path_factory.mktemp("collections")
    (path / "ansible_collections" / "biomed").mkdir(parents=True)
    (path / "ansible_collections" / "biomed" / "cert_hygiene").symlink_to(ROOT, target_is_directory=True)
    return path


@pytest.fixture
def audit(hospital: Hospital, collections: Path, tmp_path: Path) -> Callable[..., Run]:
    """Run the audit of the demo hospital (or of another inventory) in a folder of the test's own, and count anew."""

    def run(*arguments: str, inventory: Path = hospital.inventory, **variables: Any) -> Run:
        hospital.forget()
        return run_audit(inventory, tmp_path, *arguments, variables=variables, collections=collections)

    return run
