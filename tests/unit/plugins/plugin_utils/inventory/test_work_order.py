# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work orders: the devices that they name, and what the inventory does not have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.work_order import read_work_order

NUMBERS = {"echo-004": "DM-00412", "mri-002": "DM-00233", "mri-002-workstation": "DM-00233", "ct-001": ""}


@pytest.mark.parametrize(
    ("text", "devices", "unknown"),
    [
        ("echo-004\nct-001\n", ["echo-004", "ct-001"], []),
        ("Dispositif;Atelier\necho-004;A\n", ["echo-004"], []),
        ('\ufeff"N° d\'inventaire";"Motif"\r\n"DM-00412";"MP; annuelle"\r\n', ["echo-004"], []),
        ("DM-00412\tMP\n\nct-001\n", ["echo-004", "ct-001"], []),
        ("device,reason\necho-004,MP\necho-004,again\nDM-00412,again\n", ["echo-004"], []),
        ("DM-00233\n", ["mri-002", "mri-002-workstation"], []),
        ("echo-004\necho-0004\n", ["echo-004"], ["echo-0004"]),
        ("echo-0004\necho-004\n", ["echo-004"], ["echo-0004"]),
        ("device\n", [], ["device"]),
        ("", [], []),
        (" ; \n;;\n", [], []),
    ],
)
def test_devices_are_found_by_name_or_number(text: str, devices: list[str], unknown: list[str]) -> None:
    assert read_work_order(text, NUMBERS) == {"devices": devices, "unknown": unknown}


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    try:
        found = read_work_order(text, NUMBERS)
    except ValueError as error:
        assert str(error).startswith("line ")
    else:
        assert set(found["devices"]) <= set(NUMBERS)
