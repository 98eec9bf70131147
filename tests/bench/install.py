# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets what the benchmark compares with into `.bench/`: nothing is installed on the machine itself.

A Debian package is downloaded and unpacked, with those that it needs and that are not installed; a Python program
gets an environment of its own; a collection is taken out of the `ansible` wheel.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from bench.places import HOME

_DEBIAN = HOME / "debian"
_SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


class Unavailable(Exception):
    """It cannot be had here; the message says why."""


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    try:
        answer = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise Unavailable(f"{command[0]}: {error.strerror}") from None
    if answer.returncode:
        said = (answer.stderr or answer.stdout).strip().splitlines()
        raise Unavailable(f"{Path(command[0]).name} {command[1]}: {said[-1] if said else answer.returncode}")
    return answer.stdout + answer.stderr


def debian(package: str, program: str) -> Path:
    """The path of a program: the machine's own, or that of a Debian package unpacked here."""
    found = shutil.which(program, path=_SYSTEM_PATH)
    if found:
        return Path(found)
    folder = _DEBIAN / package
    if not (folder / "complete").exists():
        _unpack(package, folder)
    places = [place for place in ("usr/bin", "usr/sbin", "bin", "sbin") if (folder / place / program).exists()]
    if not places:
        raise Unavailable(f"the Debian package {package} has no {program}")
    return folder / places[0] / program


def _unpack(package: str, folder: Path) -> None:
    plan = ["apt-get", "-s", "-q", "install", "--no-install-recommends", package]
    try:
        planned = _run(plan)
    except Unavailable:
        if os.geteuid() != 0:
            raise
        _run(["apt-get", "-q", "update"])
        planned = _run(plan)
    packages = re.findall(r"^Inst (\S+)", planned, re.M)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _run(["apt-get", "-q", "download", *packages], folder)
    for archive in sorted(folder.glob("*.deb")):
        _run(["dpkg", "-x", str(archive), str(folder)])
        archive.unlink()
    (folder / "complete").touch()


def debian_environment(program: Path) -> dict[str, str]:
    """What a program that was unpacked here needs, to find its libraries and data."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    if not program.is_relative_to(_DEBIAN):
        return environment
    folder = _DEBIAN / program.relative_to(_DEBIAN).parts[0]
    patterns = ("usr/lib/*-linux-*", "lib/*-linux-*", "usr/lib/*-linux-*/blas")
    libraries = [path for pattern in patterns for path in folder.glob(pattern)]
    environment["LD_LIBRARY_PATH"] = os.pathsep.join(map(str, libraries))
    environment["NMAPDIR"] = str(folder / "usr/share/nmap")
    return environment


def debian_shim(program: Path) -> Path:
    """A command that runs the program with that environment, for callers that give none."""
    if not program.is_relative_to(_DEBIAN):
        return program
    shim = HOME / "bin" / program.name
    shim.parent.mkdir(parents=True, exist_ok=True)
    libraries = debian_environment(program)["LD_LIBRARY_PATH"]
    shim.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {program} "$@"\n')
    shim.chmod(0o755)
    return shim


def python_program(requirement: str, program: str) -> Path:
    """A program of a Python package, in an environment of its own."""
    name = requirement.partition("==")[0]
    folder = HOME / "python" / name
    stamp = folder / "requirement"
    if not stamp.exists() or stamp.read_text() != requirement:
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", requirement])
        stamp.write_text(requirement)
    return folder / "bin" / program


def collection(requirement: str, namespace: str, name: str) -> tuple[Path, str]:
    """(a collections path that has the collection, its version), out of the bundle of that requirement."""
    folder = HOME / "collections"
    place = folder / "ansible_collections" / namespace / name
    if not (place / "MANIFEST.json").exists():
        wheels = HOME / "wheels"
        shutil.rmtree(wheels, ignore_errors=True)
        _run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(wheels), requirement])
        prefix = f"ansible_collections/{namespace}/{name}/"
        with zipfile.ZipFile(next(wheels.glob("ansible-*.whl"))) as wheel:
            wheel.extractall(folder, [entry for entry in wheel.namelist() if entry.startswith(prefix)])
        shutil.rmtree(wheels)
    manifest = json.loads((place / "MANIFEST.json").read_text(encoding="utf-8"))
    return folder, str(manifest["collection_info"]["version"])


def version(program: Path, *arguments: str) -> str:
    """The first number with a point that the program says of itself."""
    environment = debian_environment(program)
    command = [str(program), *arguments]
    answer = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
    )
    found = re.search(r"\d+\.\d[\w.+~-]*", answer.stdout + answer.stderr)
    return found[0] if found else "?"
