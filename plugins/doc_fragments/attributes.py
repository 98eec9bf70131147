# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plugins that only look have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Shared documentation."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  action:
    description: Has a control-node half that reads inventory variables and interprets what the vantage saw.
    support: full
"""

    #: How a session with an appliance is opened and verified.
    SESSION = r"""
options:
  profile_folders:
    description: Folders of the user's own device profiles, on the control node. They win over those that come along.
    type: list
    elements: path
    default: []
  trust_anchors:
    description: The hospital's root certificates, as files on the control node or PEM texts, for devices over HTTPS.
    type: list
    elements: str
    default: []
  known_hosts:
    description: A C(known_hosts) file on the vantage, for devices without C(device_ssh_host_key).
    type: path
"""
