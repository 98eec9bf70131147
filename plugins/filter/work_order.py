# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work_order filter: the text of a work order in, inventory names out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: work_order
short_description: Find the devices that a work order of the CMMS names
version_added: 1.0.0
author: The biomed.cert_hygiene authors
description:
  - Reads a text or CSV file with one device a line, named by its inventory name or by its number in the CMMS, and says
    which hosts these are. What the inventory does not have is told, never left out.
positional: numbers
options:
  _input:
    description:
      - The text. The first column counts; columns are parted by semicolons, tabs or commas.
      - A first line without any digit is taken for headings, where lines follow.
    type: str
    required: true
  numbers:
    description: The hosts to choose from, by name, with their number in the CMMS, or an empty text.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the devices of a work order
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'ot-2026-117.csv') | biomed.cert_hygiene.work_order(numbers) }}"
  vars:
    numbers: {echo-004: DM-00412, mri-002: DM-00233}
"""

RETURN = r"""
_value:
  description: What the work order names.
  type: dict
  contains:
    devices:
      description: Inventory names in the order of the text, each once.
      type: list
      elements: str
    unknown:
      description: Entries that are neither a name nor a number of the inventory.
      type: list
      elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.work_order import read_work_order


def work_order(text: Any, numbers: Any) -> dict[str, list[str]]:
    """See DOCUMENTATION."""
    if not isinstance(text, str):
        raise AnsibleFilterError("biomed.cert_hygiene.work_order: the text of a work order is needed.")
    if not isinstance(numbers, Mapping):
        raise AnsibleFilterError("biomed.cert_hygiene.work_order: numbers must be a dictionary of inventory names.")
    try:
        return read_work_order(text, {str(name): str(number or "").strip() for name, number in numbers.items()})
    except ValueError as error:
        raise AnsibleFilterError(f"biomed.cert_hygiene.work_order: {error}") from error


class FilterModule:
    """The filter, as Ansible loads it."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Name of the filter -> the function."""
        return {"work_order": work_order}
