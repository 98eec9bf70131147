# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ntp_configuration filter: configuration files in, what to write into which of them out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ntp_configuration
short_description: Say what to write so that an NTP client asks the hospital's servers
version_added: "1.0.0"
author: The biomed.cert_hygiene authors
description:
  - Takes the configuration of an NTP client as it is and returns the files that must differ, with their new text. A
    drop-in where the client has them, else the smallest edit; what is not about servers stays as it is, byte for byte.
  - Reads and writes nothing. The role P(biomed.cert_hygiene.time_sync#role) does, after change control and a backup.
  - Tried with chrony, systemd-timesyncd and ntpsec on Debian 12. ntpd of ntp.org and busybox ntpd were never tried on a
    real system.
positional: client, servers
options:
  _input:
    description: The text of each configuration file, by its absolute path.
    type: dict
    required: true
  client:
    description: The NTP client.
    type: str
    choices: [chrony, systemd-timesyncd, ntpsec, ntpd, busybox]
    required: true
  servers:
    description: Names or addresses of the hospital's time servers.
    type: list
    elements: str
    required: true
  exclusive:
    description: Whether lines that name other servers are commented out; they are left otherwise.
    type: bool
    default: false
seealso:
  - plugin: biomed.cert_hygiene.ntp_offset
    plugin_type: module
"""

EXAMPLES = r"""
- name: Show what would be written
  ansible.builtin.debug:
    msg: "{{ files | biomed.cert_hygiene.ntp_configuration('chrony', device_ntp_servers) }}"
  vars:
    files: {/etc/chrony/chrony.conf: "{{ lookup('ansible.builtin.file', 'chrony.conf') }}"}
"""

RETURN = r"""
_value:
  description: What to do.
  type: dict
  contains:
    files:
      description: The files that must differ, with C(path) and C(content); C(content) is null for one to remove.
      type: list
      elements: dict
    foreign:
      description: Configured servers that are not the hospital's.
      type: list
      elements: str
    reload:
      description: V(none), V(sources) where the client can read its servers again while it runs, or V(restart).
      type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.ntp_configuration import plan


def ntp_configuration(files: Any, client: Any, servers: Any, exclusive: bool = False) -> dict[str, Any]:
    """See DOCUMENTATION. AnsibleFilterError, naming the argument, for anything that cannot be used."""
    if not isinstance(files, Mapping) or not all(isinstance(text, str) for text in files.values()):
        raise AnsibleFilterError(
            "biomed.cert_hygiene.ntp_configuration: files: a dictionary of path and text is needed"
        )
    if not isinstance(servers, (list, tuple)):
        raise AnsibleFilterError("biomed.cert_hygiene.ntp_configuration: servers: a list is needed")
    try:
        found = plan(str(client), {str(path): str(text) for path, text in files.items()}, servers, bool(exclusive))
    except ValueError as error:
        raise AnsibleFilterError(f"biomed.cert_hygiene.ntp_configuration: {error}") from error
    return {
        "files": [{"path": path, "content": text} for path, text in found.files.items()],
        "foreign": list(found.foreign),
        "reload": found.reload,
    }


class FilterModule:
    """The filter, as Ansible loads it."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Name of the filter -> the function."""
        return {"ntp_configuration": ntp_configuration}
