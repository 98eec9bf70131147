#!/usr/bin/python
# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration files of a gateway, saved on the control node, or put back."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: config_archive
short_description: Save the configuration files of a gateway on the control node, or put them back
version_added: "1.0.0"
description:
  - With O(state=taken), saves files as one archive for the host, C(O(dest)/HOST/TIME-NAME.tar.gz), with a manifest of
    their SHA-256 hashes, owners, modes and times. Nothing is written on the gateway.
  - The archive is written beside its place, read back and compared before it is said to be taken.
  - Private keys are known by the content of the file. They stay on the gateway, unless O(recipients) are given and
    O(private_keys) asks for them. Files that hold passwords or their hashes stay there, unless O(recipients) are given.
  - With O(state=restored), verifies an archive and puts back what differs. Every file is written beside its place
    first; nothing is changed where one of them cannot be. What was not there is removed, a private key that was left
    on the gateway is left, and so is a file that came since.
  - Asks nobody's leave. Most people use the roles P(biomed.cert_hygiene.config_backup#role) and
    P(biomed.cert_hygiene.change_control#role), and the playbook C(biomed.cert_hygiene.restore_backup).
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
options:
  state:
    description: Whether to save or to put back.
    type: str
    choices: [taken, restored]
    default: taken
  paths:
    description: Files and folders that a change may touch. One that is not there is written down as absent.
    type: list
    elements: str
    default: []
  settings:
    description: Further files, folders and patterns, saved where they are there.
    type: list
    elements: str
    default: []
  dest:
    description: Folder on the control node. It is made with mode 0700; one that others may look into is refused.
    type: str
  name:
    description: Part of the archive's name, such as the kind of change.
    type: str
    default: backup
  recipients:
    description:
      - Who can read the archive. age recipients (V(age1...), or SSH public keys), or fingerprints of OpenPGP
        keys (40 hexadecimal digits) that C(gpg) knows on the control node; not both.
    type: list
    elements: str
    default: []
  gnupg_home:
    description: GnuPG's folder on the control node, where it is not the usual one.
    type: str
  private_keys:
    description: Whether private keys are saved too. Only with O(recipients).
    type: bool
    default: false
  src:
    description: With O(state=restored), the archive on the control node.
    type: str
  identity:
    description: With O(state=restored), the file on the control node with the age identity that reads the archive.
    type: str
  archive:
    description: Used between the control node's half of this module and the gateway's.
    type: str
attributes:
  check_mode:
    support: full
    description: Says what would be saved, or put back. Writes nothing.
  diff_mode:
    support: none
    description: Which files would be put back is returned; their content is not shown.
  platform:
    support: full
    platforms: posix
    description: Linux gateways with Python 3.9 or newer.
notes:
  - Encryption needs the program C(age) or C(gpg) on the control node. An archive is encrypted before it is written.
seealso:
  - module: biomed.cert_hygiene.change_journal
"""

EXAMPLES = r"""
- name: Save what the change will touch
  biomed.cert_hygiene.config_archive:
    paths: [/etc/chrony/chrony.conf]
    settings: [/etc/hosts, /etc/ssl]
    dest: /var/lib/biomed-cert-hygiene/backups
  become: true
  register: backup

- name: Put it back
  biomed.cert_hygiene.config_archive:
    state: restored
    src: "{{ backup.path }}"
  become: true
"""

RETURN = r"""
path:
  description: The archive on the control node; empty in check mode.
  returned: O(state=taken)
  type: str
sha256:
  description: The hash of the archive as it lies on the disk.
  returned: O(state=taken)
  type: str
saved:
  description: The paths that are in it.
  returned: O(state=taken)
  type: list
  elements: str
left_out:
  description: What was left on the gateway, with C(path) and C(reason) (V(private_key), V(password)).
  returned: O(state=taken)
  type: list
  elements: dict
changes:
  description: What was put back, or would be, with C(path), C(type) and C(what) differed.
  returned: O(state=restored)
  type: list
  elements: dict
files:
  description: The same files as M(biomed.cert_hygiene.change_journal) takes them, with their hashes.
  returned: O(state=restored)
  type: list
  elements: dict
keys_left:
  description: Private keys and passwords that were left on the gateway and are V(missing) or V(changed) there.
  returned: O(state=restored)
  type: list
  elements: dict
extra:
  description: Files that are in a saved folder only now. They are left.
  returned: O(state=restored)
  type: list
  elements: str
sums:
  description: The hashes of the files as C(sha256sum --check) takes them.
  returned: O(state=restored)
  type: str
"""

import base64
import hashlib

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.biomed.cert_hygiene.plugins.module_utils._config_archive import (
    ArchiveError,
    differences,
    read,
    restore,
    sums,
    take,
)


def main() -> None:
    """The gateway's half: hands the archive over, or puts one back."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["taken", "restored"], "default": "taken"},
            "paths": {"type": "list", "elements": "str", "default": []},
            "settings": {"type": "list", "elements": "str", "default": []},
            "recipients": {"type": "list", "elements": "str", "default": []},
            "private_keys": {"type": "bool", "default": False},
            "archive": {"type": "str", "no_log": True},
            # Taken by the action.
            "dest": {"type": "str"},
            "name": {"type": "str", "default": "backup"},
            "gnupg_home": {"type": "str"},
            "src": {"type": "str"},
            "identity": {"type": "str", "no_log": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    encrypted = bool(params["recipients"])
    try:
        if params["state"] == "taken":
            manifest, archive = take(
                params["paths"], params["settings"], encrypted and params["private_keys"], encrypted
            )
            answer = {"manifest": manifest}
            if not module.check_mode:
                answer["content"] = base64.b64encode(archive).decode("ascii")
                answer["content_sha256"] = hashlib.sha256(archive).hexdigest()
            module.exit_json(changed=False, **answer)
        manifest, contents = read(base64.b64decode(params["archive"] or ""))
        found = differences(manifest)
        if found["changes"] and not module.check_mode:
            restore(manifest, contents, found["changes"])
        module.exit_json(changed=bool(found["changes"]), sums=sums(manifest), **found)
    except ArchiveError as error:
        module.fail_json(msg=f"config_archive: {error}.")


if __name__ == "__main__":
    main()
