# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages that the tests need (debian-packages.txt): as root those that are missing are installed.

Standard library only, as setup_env.py, which needs it before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("debian-packages.txt")
POLICY = Path("/usr/sbin/policy-rc.d")
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


class AptError(Exception):
    """apt cannot install; the message says why."""


@dataclass(frozen=True)
class Package:
    """`when` is the command that needs it (`test`, or `test-all` alone), `program` what proves that it is there."""

    name: str
    when: str
    program: str
    purpose: str


def listed(text: str) -> list[Package]:
    """The packages of debian-packages.txt: name, when, program, purpose."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [Package(*line.split(None, 3)) for line in lines]


def missing(commands: Collection[str]) -> list[Package]:
    """Those that these commands need and whose program is not found."""
    packages = listed(LIST.read_text(encoding="utf-8"))
    return [
        package for package in packages if package.when in commands and not shutil.which(package.program, path=PATH)
    ]


def install_what_exists(packages: Sequence[str]) -> dict[str, str]:
    """All at once; where that fails, one by one, because another release names some of them otherwise.

    Returns why each package that could not be installed was not.
    """
    try:
        apt_install(packages)
    except AptError as error:
        if len(packages) == 1:
            return {packages[0]: str(error)}
        return {name: why for package in packages for name, why in install_what_exists([package]).items()}
    return {}


def apt_install(packages: Sequence[str]) -> None:
    """Install as root, starting no service; the lists are refreshed only if the first try fails. AptError."""
    if not shutil.which("apt-get"):
        raise AptError("there is no apt-get here")
    if os.geteuid() != 0:
        raise AptError("only root may install it")
    # --no-remove: no package of this machine makes way for a test.
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "--no-remove", *packages]
    with no_service_started():
        if call(command).returncode == 0:
            return
        call(["apt-get", "update", "-q"])
        second = call(command)
    if second.returncode:
        raise AptError(f"apt-get could not install {' '.join(packages)}:\n{second.stdout.strip()}")


def call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@contextmanager
def no_service_started() -> Iterator[None]:
    """Debian starts what it installs: a test wants the program, not a database that listens from now on."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)
