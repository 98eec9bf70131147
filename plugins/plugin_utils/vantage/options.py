# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several actions take, checked in one place, and how a secret is handed on.

ValueError names the option; the action adds its own name.
`beside` gives the place of a path beside the playbook.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import load_certificates, pem_text


def at_least(options: Mapping[str, Any], limits: Mapping[str, float]) -> None:
    """Refuse an option that is below its limit, or no number that can be compared."""
    for option, least in limits.items():
        if not options[option] >= least:
            raise ValueError(f"{option} must be at least {least}, not {options[option]}.")


def named_once(devices: Iterable[Any]) -> None:
    """Refuse a device that is named twice."""
    for name, count in Counter(devices).items():
        if count > 1:
            raise ValueError(f"the device name '{name}' is given twice.")


def local_source(source: str, beside: Callable[[str], str]) -> str:
    """A path, looked for from the working directory, then beside the playbook; PEM text as it is."""
    if "-----BEGIN" in source:
        return source
    path = os.path.expanduser(source)
    return path if os.path.isabs(path) or os.path.exists(path) else str(beside(path))


def anchor_texts(sources: Iterable[str], beside: Callable[[str], str]) -> list[str]:
    """The trust anchors of files and of PEM texts, one PEM text each."""
    return [pem_text(der) for der in load_certificates([local_source(source, beside) for source in sources])]


def profile_folders(folders: Iterable[str], beside: Callable[[str], str]) -> list[str]:
    """The folders of the user's own device profiles."""
    paths = []
    for folder in folders:
        path = local_source(folder, beside)
        if not os.path.isdir(path):
            raise ValueError(f"profile_folders: '{folder}' is no folder.")
        paths.append(path)
    return paths


def writable_file(dest: str | None) -> str | None:
    """The absolute path of a file to write, in a folder that can be written to; None where none is wanted."""
    if not dest:
        return None
    path = os.path.abspath(os.path.expanduser(dest))
    folder = os.path.dirname(path)
    if os.path.isdir(path):
        raise ValueError(f"dest '{path}' is a folder; name a file in it.")
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise ValueError(f"dest: '{folder}' is no folder that can be written to.")
    return path


class Unshown(str):
    """A secret that Ansible's own debugging output, which shows the arguments of a module, does not show."""

    def __repr__(self) -> str:
        return "'***'"
