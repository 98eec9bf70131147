# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock hint in ServerHello.random: believed rarely, and never as evidence."""

from __future__ import annotations

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.random_clock import (
    looks_like_a_clock,
    random_clock_sample,
)

NOW = 1795366800.0


def random_at(seconds: float) -> bytes:
    return int(seconds).to_bytes(4, "big") + bytes(28)


def test_two_hellos_that_agree_give_a_hint() -> None:
    sample = random_clock_sample([(NOW, random_at(NOW - 720)), (NOW + 1, random_at(NOW - 719))], "dicom:2762")
    assert sample == {
        "source": "tls_random",
        "endpoint": "dicom:2762",
        "offset_seconds": -719.5,
        "uncertainty_seconds": 1.5,
        "evidence": False,
    }


@pytest.mark.parametrize(
    "offsets",
    [[], [0], [0, 3], [0, 0, 90000], [-86500, -86500], [-NOW, -NOW]],
    ids=["none", "one", "disagree", "one is far", "both are far", "1970"],
)
def test_everything_else_is_random(offsets: list[float]) -> None:
    assert random_clock_sample([(NOW, random_at(NOW + offset)) for offset in offsets], "dicom:2762") is None


def test_a_random_that_may_be_a_clock_is_worth_a_second_hello() -> None:
    assert looks_like_a_clock(NOW, random_at(NOW - 3600))
    assert not looks_like_a_clock(NOW, b"\xff" * 32)
