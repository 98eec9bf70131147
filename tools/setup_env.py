# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the environments that `make` needs before it has a tool to make them with, and does nothing twice.

    python tools/setup_env.py runtime    .venv with ansible-core and requirements.txt, and the collection link
    python tools/setup_env.py dev        the same and requirements-dev.txt: nox, linters, type checker, tests
    python tools/setup_env.py other      .venv-other: the other supported ansible-core, for the tests
    python tools/setup_env.py --fresh runtime|dev    0 when nothing has to be done, 1 otherwise

nox cannot do this: it lives in .venv itself, `make demo` needs none, and it would take a Python by a name on PATH,
where a pyenv shim that fails stands before the one that works. Standard library only. What was installed is remembered
in `<venv>/.stamps`, one hash a kind, of the requirements, the interpreter and the place: scripts in an environment name
the folder that it was made in, so one that was copied or moved is made anew.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import debian

ROOT = Path(__file__).resolve().parent.parent
COLLECTION_LINK = ROOT / "collections" / "ansible_collections" / "biomed" / "cert_hygiene"
NEWEST_CORE = "ansible-core>=2.19,<2.22"
OLDEST_CORE = "ansible-core>=2.19,<2.20"
STAMPS = ".stamps"
NO_SECOND_PYTHON = 3


class SetupError(Exception):
    """Something a person has to mend; the message says what and how."""


@dataclass(frozen=True)
class Kind:
    """One thing to install: which environment, from which files, with which further requirements."""

    name: str
    venv: str
    files: tuple[str, ...]
    packages: tuple[str, ...]


RUNTIME = Kind("runtime", ".venv", ("requirements.txt",), (NEWEST_CORE,))
DEV = Kind("dev", ".venv", ("requirements.txt", "requirements-dev.txt", "tests/unit/requirements.txt"), (NEWEST_CORE,))


def other_kind(first: tuple[int, int]) -> tuple[Kind, tuple[str, ...]]:
    """The second pair of interpreter and ansible-core, and the Python versions that may carry it.

    With the newest ansible-core in `.venv` (Python >= 3.12) it is the oldest supported one, preferably on
    Python 3.11, with the oldest supported cryptography; with Python 3.11 in `.venv` it is the newest one.
    """
    files = ("requirements.txt", "tests/unit/requirements.txt")
    if first >= (3, 12):
        return Kind("other", ".venv-other", files, (OLDEST_CORE, "cryptography<44")), ("3.11", "3.12", "3.13")
    return Kind("other", ".venv-other", files, (NEWEST_CORE,)), ("3.14", "3.13", "3.12")


def wanted_stamp(kind: Kind, python: str) -> str:
    """A hash that changes when the requirements, the interpreter or the place of the checkout change."""
    digest = hashlib.sha256()
    for part in (python, str(ROOT), *kind.packages):
        digest.update(part.encode() + b"\0")
    for name in kind.files:
        digest.update((ROOT / name).read_bytes() + b"\0")
    return digest.hexdigest()


def read_stamps(venv: Path) -> dict[str, str]:
    """What was installed there; nothing where the environment was made in another place."""
    try:
        stamps = json.loads((venv / STAMPS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) and stamps.get("place") == str(venv) else {}


def write_stamp(kind: Kind, python: str) -> None:
    venv = ROOT / kind.venv
    stamps = {**read_stamps(venv), "place": str(venv), "python": python}
    for part in (RUNTIME, DEV) if kind is DEV else (kind,):
        stamps[part.name] = wanted_stamp(part, python)
    (venv / STAMPS).write_text(json.dumps(stamps, indent=1) + "\n", encoding="utf-8")


def is_fresh(kind: Kind, python: str | None = None) -> bool:
    """Whether the environment holds what is asked, for this interpreter or for the one it was made with."""
    venv = ROOT / kind.venv
    stamps = read_stamps(venv)
    made_with = stamps.get("python", "")
    if not made_with or (python is not None and python != made_with) or not (venv / "bin" / "python").exists():
        return False
    return stamps.get(kind.name) == wanted_stamp(kind, made_with)


def link_collection() -> None:
    """collections/ansible_collections/biomed/cert_hygiene -> this checkout, relative, so that it may be moved."""
    target = os.path.relpath(ROOT, COLLECTION_LINK.parent)
    if COLLECTION_LINK.is_symlink() and os.readlink(COLLECTION_LINK) == target:
        return
    COLLECTION_LINK.parent.mkdir(parents=True, exist_ok=True)
    if COLLECTION_LINK.is_symlink():
        COLLECTION_LINK.unlink()
    elif COLLECTION_LINK.exists():
        raise SetupError(f"{COLLECTION_LINK} is a folder, and should be a link to this checkout. Move it away.")
    COLLECTION_LINK.symlink_to(target)


def quietly(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run with no input; what the command says is kept, not shown. One that is not there fails with 127."""
    try:
        return subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, str(error))


def run(command: Sequence[str], what: str) -> str:
    """Run quietly and return what the command said; where it fails, that is the error."""
    result = quietly(command)
    if result.returncode:
        raise SetupError(f"{what} failed ({' '.join(command)}):\n{result.stdout.strip()}")
    return result.stdout


def can_make_environments(python: str) -> bool:
    return quietly([python, "-I", "-c", "import ensurepip, venv"]).returncode == 0


def python_version(python: str) -> tuple[int, int]:
    major, minor = run([python, "-I", "-c", "import sys; print(*sys.version_info[:2])"], "Starting Python").split()
    return int(major), int(minor)


def install_venv_module(python: str) -> None:
    """Debian ships Python without ensurepip: add it as root, else name the one line that does."""
    version = python_version(python)
    default = "/usr/bin/python3"
    is_default = os.path.exists(default) and python_version(default) == version
    package = "python3-venv" if is_default else f"python{version[0]}.{version[1]}-venv"
    try:
        debian.apt_install([package])
    except debian.AptError as error:
        raise SetupError(
            f"{python} cannot make virtual environments: its venv or ensurepip module is missing, and {error}\n"
            f"Install it (on Debian: apt-get install {package}), or name another Python: make PYTHON=/path/to/python3"
        ) from error
    if not can_make_environments(python):
        raise SetupError(f"{package} is installed, and {python} still cannot make virtual environments.")


def install(kind: Kind, python: str) -> None:
    """Make the environment if it is missing, broken, moved or another interpreter's; then install what is asked."""
    venv = ROOT / kind.venv
    started = time.monotonic()
    pip = [str(venv / "bin" / "python"), "-m", "pip"]
    # An interrupted run leaves one half made, an upgrade of the system one whose interpreter has gone.
    reusable = read_stamps(venv).get("python") == python and quietly([*pip, "--version"]).returncode == 0
    if not reusable:
        if not can_make_environments(python):
            install_venv_module(python)
        print(f"setup: making {kind.venv} with {python} …", flush=True)
        run([python, "-m", "venv", "--clear", str(venv)], f"Making {kind.venv}")
    requirements = [argument for name in kind.files for argument in ("-r", name)]
    print(f"setup: installing {', '.join((*kind.files, *kind.packages))} …", flush=True)
    pip += ["install", "-qq", "--no-input", "--disable-pip-version-check"]
    run([*pip, *requirements, *kind.packages], "pip")
    write_stamp(kind, python)
    print(f"setup: {kind.venv} is ready ({time.monotonic() - started:.0f} s)", flush=True)


def find_python(versions: Sequence[str]) -> str | None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    command = ["sh", str(ROOT / "tools" / "find-python.sh"), *versions]
    answer = subprocess.run(
        command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    return answer.stdout.strip() or None


def setup_other() -> int:
    """0 when .venv-other is ready, NO_SECOND_PYTHON when no interpreter here can carry the other ansible-core."""
    version = python_version(read_stamps(ROOT / ".venv").get("python", sys.executable))
    kind, versions = other_kind(version)
    python = find_python(versions)
    if python is None or not can_make_environments(python):
        used = f"{version[0]}.{version[1]}"
        print(f"no second pair: Python {used} is used, and none of {', '.join(versions)} works here", flush=True)
        return NO_SECOND_PYTHON
    if not is_fresh(kind, python):
        install(kind, python)
    return 0


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two `make` in one checkout wait for each other instead of spoiling one environment."""
    folder = ROOT / "collections"
    folder.mkdir(exist_ok=True)
    with (folder / ".setup.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the environments that the Makefile uses.")
    parser.add_argument("kind", choices=("runtime", "dev", "other"))
    parser.add_argument("--fresh", action="store_true", help="only say whether there is nothing to do")
    options = parser.parse_args(arguments)
    try:
        if options.fresh:
            linked = COLLECTION_LINK.is_symlink() and COLLECTION_LINK.exists()
            return 0 if linked and is_fresh(DEV if options.kind == "dev" else RUNTIME) else 1
        with one_at_a_time():
            if options.kind == "other":
                return setup_other()
            link_collection()
            kind = DEV if options.kind == "dev" else RUNTIME
            python = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
            if not is_fresh(kind, python):
                install(kind, python)
    except (SetupError, OSError) as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
