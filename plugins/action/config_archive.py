# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node's half of config_archive: where the archive lies, encrypted, read back, and given back."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.arguments import CONFIG_ARCHIVE
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive import ArchiveError, read
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.control_node import encryption
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.private_folder import (
    FolderError,
    private_folder,
    write_new,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.vantage.told import DataOnly

_ENDINGS = {"": ".tar.gz", "age": ".tar.gz.age", "gpg": ".tar.gz.gpg"}
_MOST = 256 * 1024 * 1024
# What the gateway's half is told.
_SENT = {
    "taken": ("state", "paths", "settings", "recipients", "private_keys"),
    "restored": ("state", "kept_in", "change_id"),
    "undone": ("state", "kept_in"),
    "settled": ("state", "kept_in"),
}


class _Failed(Exception):
    """One sentence, with the way out."""


class ActionModule(DataOnly):
    """See the documentation of the module config_archive."""

    taken = (
        *("content", "content_sha256", "manifest", "changes", "files", "keys_left", "extra"),
        *("expected", "left_open", "whole", "change_id", "wanted"),
    )
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Save the files of the host, or put them back."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        if "archive" in self._task.args:
            message = "config_archive: archive is not for playbooks: name the archive's file in src."
            return {**result, "failed": True, "changed": False, "msg": message}
        needed = [("state", state, ("kept_in",)) for state in ("undone", "settled")]
        # A place on the gateway, which no home folder of the control node is put into.
        arguments = {**CONFIG_ARCHIVE, "kept_in": {"type": "str"}}
        _validation, options = self.validate_argument_spec(arguments, required_if=needed)
        work = {"taken": self._taken, "restored": self._restored}.get(options["state"], self._on_gateway)
        try:
            result.update(work(options, task_vars or {}))
        except (_Failed, encryption.EncryptionError, ArchiveError, FolderError) as error:
            result.update(failed=True, changed=False, msg=f"config_archive: {error}.")
        return result

    def _taken(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        recipients = options["recipients"]
        program = encryption.chosen(recipients)
        device = str(task_vars["inventory_hostname"])
        if not options["dest"]:
            raise _Failed("dest is missing: name a folder of the control node (config_backup_dir)")
        dest = os.path.abspath(os.path.expanduser(options["dest"]))
        private_folder(dest, make=False)
        if options["private_keys"] and not recipients:
            raise _Failed("private keys are saved encrypted only: give recipients (config_backup_recipients)")
        answer = self._on_gateway(options, task_vars)
        if answer.get("failed"):
            return answer
        manifest = answer["manifest"]
        told: dict[str, Any] = {
            "changed": False,
            "path": "",
            "saved": [entry["path"] for entry in manifest["files"]],
            "left_out": [{key: entry[key] for key in ("path", "reason")} for entry in manifest["left_out"]],
        }
        if self._task.check_mode:
            return told
        content = base64.b64decode(answer["content"])
        if hashlib.sha256(content).hexdigest() != answer["content_sha256"]:
            raise _Failed("the archive did not arrive as it was sent")
        read(content)
        stored = encryption.encrypt(content, recipients, options["gnupg_home"]) if program else content
        folder = private_folder(os.path.join(private_folder(dest, make=True), _slug(device)), make=True)
        moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        # A random part: two runs of one second must not meet.
        name = f"{moment}-{_slug(options['name'] or 'backup')}-{secrets.token_hex(3)}{_ENDINGS[program]}"
        told["path"] = os.path.join(folder, name)
        told["sha256"] = write_new(told["path"], stored)
        if not program:
            read(_content(told["path"]))
        return told

    def _restored(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if not options["src"]:
            raise _Failed("src is missing: name the archive on the control node (restore_archive)")
        path = os.path.abspath(os.path.expanduser(options["src"]))
        device = str(task_vars["inventory_hostname"])
        if os.path.basename(os.path.dirname(path)) != _slug(device):
            raise _Failed(f"'{path}' is no backup of {device}: it must lie in a folder {_slug(device)}")
        stored = _content(path)
        try:
            archive = encryption.decrypt(stored, options["identity"], options["gnupg_home"])
            read(archive)
        except (encryption.EncryptionError, ArchiveError) as error:
            raise _Failed(f"'{path}' cannot be used: {error}") from None
        return self._on_gateway({**options, "archive": base64.b64encode(archive).decode()}, task_vars)

    def _on_gateway(self, options: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The module's answer. Neither what it is given nor what it says may be shown with -vvv: keys may be in it."""
        sent = (*_SENT[options["state"]], "archive")
        arguments = {key: value for key, value in options.items() if key in sent and value is not None}
        context = self._connection._play_context
        before, context.no_log = context.no_log, True
        try:
            answer = self._execute_module("biomed.cert_hygiene.config_archive", arguments, task_vars=task_vars)
        finally:
            context.no_log = before
        answer.pop("invocation", None)
        return dict(answer)


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST + 1)
    except OSError as error:
        raise _Failed(f"'{path}' cannot be read ({error.strerror})") from None
    if len(data) > _MOST:
        raise _Failed(f"'{path}' is larger than any backup of ours")
    return data


def _slug(name: str) -> str:
    """A device's name as the name of a folder: never a path, and never that of another device."""
    slug = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60]
    return slug if slug == name else f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
