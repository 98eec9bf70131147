# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the benchmark keeps its things, and how it calls Ansible."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Everything that the benchmark installs or makes; git and the collection's build leave it out.
HOME = ROOT / ".bench"
DOCUMENT = ROOT / "docs" / "benchmarks.md"


def command(name: str) -> str:
    """A program of the environment that runs the benchmark."""
    return str(Path(sys.executable).parent / name)


def ansible_environment(collections: Path, folder: Path, forks: int = 5) -> dict[str, str]:
    """Settings of an ansible-playbook run: the checkout's own, and nothing of this machine's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    return {
        **kept,
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_FORKS": str(forks),
        "ANSIBLE_HOST_KEY_CHECKING": "false",
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "LC_ALL": "C.UTF-8",
    }
