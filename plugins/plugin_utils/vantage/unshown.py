# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret among a module's arguments."""

from __future__ import annotations


class Unshown(str):
    """A text that Ansible's own debugging output, which shows the arguments of a module, does not show."""

    def __repr__(self) -> str:
        return "'***'"
