"""One demo hospital for the whole session, on a network of this process' own, and a way to run playbooks at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
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
