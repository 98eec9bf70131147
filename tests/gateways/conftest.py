"""Fixtures: one laboratory a session, and the reason why there is none where a machine cannot make one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateways.lab import Lab, Unavailable, check_machine, temporary_lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """An empty laboratory: a network, to which a test adds the gateways that it needs."""
    try:
        check_machine()
    except Unavailable as why:
        pytest.skip(str(why))
    with temporary_lab() as made:
        yield made
