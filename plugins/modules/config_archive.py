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
  - With O(kept_in), the files that are going to be replaced are kept on the gateway first. O(state=undone) puts them
    back as they were, also after an interrupted run; O(state=settled) forgets them, once the files were verified.
  - Asks nobody's leave. Most people use the roles P(biomed.cert_hygiene.config_backup#role) and
    P(biomed.cert_hygiene.change_control#role), and the playbook C(biomed.cert_hygiene.restore_backup).
author:
  - The biomed.cert_hygiene authors (@biomed-cert-hygiene)
options:
  state:
    description: Whether to save, to put back, to undo that, or to forget what undoing it needs.
    type: str
    choices: [taken, restored, undone, settled]
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
  kept_in:
    description:
      - With O(state=restored), a folder of the gateway (0700) for the files as they were. This module makes it, and
        beside it a file with C(.json) at the end of its name (0600). Where that is there already, nothing is put back.
      - Required with O(state=undone) and O(state=settled).
    type: path
  change_id:
    description: With O(kept_in), a name for this change, such as its RV(biomed.cert_hygiene.change_journal#module:id).
    type: str
    default: ""
  archive:
    description: Used between the control node's half of this module and the gateway's.
    type: str
attributes:
  check_mode:
    support: full
    description: Says what would be saved, put back or undone. Writes nothing.
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
    kept_in: /var/lib/cert-hygiene/restore
  become: true

- name: Undo that
  biomed.cert_hygiene.config_archive:
    state: undone
    kept_in: /var/lib/cert-hygiene/restore
  become: true

- name: Forget the files as they were
  biomed.cert_hygiene.config_archive:
    state: settled
    kept_in: /var/lib/cert-hygiene/restore
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
  returned: with the states restored and undone
  type: list
  elements: dict
files:
  description: The same files as M(biomed.cert_hygiene.change_journal) takes them, with their hashes.
  returned: with the states restored and undone
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
expected:
  description: What the gateway's own tools must say once it is done.
  returned: with the states restored and undone
  type: dict
  contains: &expected
    sums:
      description: The hashes of the files as C(sha256sum -c) takes them.
      type: str
    paths:
      description: The paths of what was changed.
      type: list
      elements: str
    stat:
      description: The lines of C(stat -c '%u %g %a %n') for these paths. One that must not be there has none.
      type: list
      elements: str
left_open:
  description: Whether O(kept_in) kept a restore that was neither verified nor undone.
  returned: O(state=undone)
  type: bool
whole:
  description: Whether all its files were in place.
  returned: O(state=undone)
  type: bool
change_id:
  description: The name that it was given.
  returned: O(state=undone)
  type: str
wanted:
  description: What the gateway's own tools must say where it is finished instead of undone.
  returned: O(state=undone)
  type: dict
  contains: *expected
"""

import base64
import hashlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import CONFIG_ARCHIVE
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import kept_restore as keeping
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive import (
    ArchiveError,
    expected,
    read,
    take,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive_restore import differences, restore


def taken(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """State taken: the archive is handed over."""
    encrypted = bool(params["recipients"])
    manifest, archive = take(params["paths"], params["settings"], encrypted and params["private_keys"], encrypted)
    answer: dict[str, Any] = {"changed": False, "manifest": manifest}
    if not check:
        answer["content"] = base64.b64encode(archive).decode("ascii")
        answer["content_sha256"] = hashlib.sha256(archive).hexdigest()
    return answer


def restored(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """State restored."""
    manifest, contents = read(base64.b64decode(params["archive"] or ""))
    found = differences(manifest)
    changed = {change["path"] for change in found["changes"]}
    if changed and not check:
        if params["kept_in"]:
            with keeping.at_work(params["kept_in"]) as place:
                keeping.keep(params["kept_in"], place, manifest, found["changes"], params["change_id"])
                restore(manifest, contents, found["changes"])
        else:
            restore(manifest, contents, found["changes"])
    return {"changed": bool(changed), "expected": expected(manifest["files"], changed), **found}


def undone(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """State undone."""
    left = keeping.kept(params["kept_in"])
    if left is None:
        return {"changed": False, "left_open": False, "changes": [], "files": []}
    found = differences(left.before)
    paths = {entry["path"] for entry in left.before["files"]}
    answer = {
        "changed": bool(found["changes"]),
        "left_open": True,
        "whole": left.whole,
        "change_id": left.change_id,
        "changes": found["changes"],
        "files": found["files"],
        "expected": expected(left.before["files"], paths),
        "wanted": expected(left.wanted["files"], paths),
    }
    if not check:
        with keeping.at_work(params["kept_in"]):
            keeping.undo(left)
    return answer


def settled(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """State settled."""
    folder = params["kept_in"]
    return {"changed": keeping.kept(folder) is not None if check else keeping.settle(folder)}


def main() -> None:
    """The gateway's half: hands the archive over, puts one back, or undoes that."""
    states = {"taken": taken, "restored": restored, "undone": undone, "settled": settled}
    module = AnsibleModule(
        argument_spec={**CONFIG_ARCHIVE, "archive": {"type": "str", "no_log": True}},
        required_if=[("state", "undone", ("kept_in",)), ("state", "settled", ("kept_in",))],
        supports_check_mode=True,
    )
    try:
        module.exit_json(**states[module.params["state"]](module.params, module.check_mode))
    except ArchiveError as error:
        module.fail_json(msg=f"config_archive: {error}.")


if __name__ == "__main__":
    main()
