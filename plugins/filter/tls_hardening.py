# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tls_hardening filter: a service's configuration in, what to write into which file out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tls_hardening
short_description: Say what to write so that a service accepts TLS 1.2 and later only
version_added: "1.0.0"
author: The biomed.cert_hygiene authors
description:
  - Takes the configuration of a service as it is and returns the files that must differ, with their new text. A drop-in
    where the service has them and nothing overrides it, else the smallest edit; all else stays as it is, byte for byte.
  - Settings of the service as a client are left alone. A service that is not configured for TLS gets nothing.
  - Reads and writes nothing. The role P(biomed.cert_hygiene.tls_hardening#role) does, after change control and a
    backup.
positional: service, mains, version
options:
  _input:
    description: The text of each configuration file, by its absolute path.
    type: dict
    required: true
  service:
    description: The service.
    type: str
    choices: [nginx, apache, haproxy, stunnel, mosquitto]
    required: true
  mains:
    description: The files that the service was started with; the others are those that they include.
    type: list
    elements: str
    required: true
  version:
    description: The version of mosquitto, whose default changed with 2.0.
    type: str
    default: ""
seealso:
  - plugin: biomed.cert_hygiene.tls_services_info
    plugin_type: module
"""

EXAMPLES = r"""
- name: Show what would be written
  ansible.builtin.debug:
    msg: "{{ files | biomed.cert_hygiene.tls_hardening('haproxy', ['/etc/haproxy/haproxy.cfg']) }}"
  vars:
    files: {/etc/haproxy/haproxy.cfg: "{{ lookup('ansible.builtin.file', 'haproxy.cfg') }}"}
"""

RETURN = r"""
_value:
  description: What to do.
  type: dict
  contains:
    files:
      description: The files that must differ, each with C(path), C(content) and C(diff) (the lines that differ alone).
      type: list
      elements: dict
    reload:
      description: V(none), V(reload), or V(restart) where the service reads these settings at its start only.
      type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.tls_hardening import difference, plan


def tls_hardening(files: Any, service: Any, mains: Any, version: Any = "") -> dict[str, Any]:
    """See DOCUMENTATION. AnsibleFilterError, naming the argument, for anything that cannot be used."""
    if not isinstance(files, Mapping) or not all(isinstance(text, str) for text in files.values()):
        raise AnsibleFilterError("biomed.cert_hygiene.tls_hardening: files: a dictionary of path and text is needed")
    if not isinstance(mains, (list, tuple)):
        raise AnsibleFilterError("biomed.cert_hygiene.tls_hardening: mains: a list is needed")
    texts = {str(path): str(text) for path, text in files.items()}
    try:
        found = plan(str(service), texts, [str(path) for path in mains], str(version))
    except ValueError as error:
        raise AnsibleFilterError(f"biomed.cert_hygiene.tls_hardening: {error}") from error
    return {
        "files": [
            {"path": path, "content": text, "diff": difference(path, texts.get(path), text)}
            for path, text in found.files.items()
        ],
        "reload": found.reload,
    }


class FilterModule:
    """The filter, as Ansible loads it."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Name of the filter -> the function."""
        return {"tls_hardening": tls_hardening}
