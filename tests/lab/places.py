"""Networks, ports and sockets of this process alone, beside all other workers and test runs on this machine.

A claim is an abstract Unix socket: it holds in the network namespace whose loopback it is about, and the kernel lets
it go when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

#: Networks 127.N: beside 127.0, the demo's 127.20 and those of the benchmark.
NETWORKS = range(100, 255)
#: Below what the kernel gives to outgoing connections and to port 0: nobody else takes one between claim and use.
PORTS = range(10000, 32000)

_claims: list[socket.socket] = []


def _claim(name: str) -> bool:
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0biomed.cert_hygiene tests/{name}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def _from_somewhere(places: range) -> Iterator[int]:
    start = os.getpid() * 37 % len(places)
    return chain(places[start:], places[:start])


@functools.cache
def own_network(purpose: str) -> str:
    """The first two numbers of 65,000 addresses ("127.131") that are this process's, for this, until it ends."""
    for number in _from_somewhere(NETWORKS):
        if _claim(f"127.{number}"):
            return f"127.{number}"
    raise OSError("every network of 127.100.0.0 to 127.254.0.0 is in use by another test")


def own_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on, and that is this process's until it ends."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for number in _from_somewhere(PORTS):
        if _claim(f"port {number}"):
            with contextlib.suppress(OSError), socket.socket(family) as attempt:
                attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                attempt.bind((address, number))
                return number
    raise OSError("no port is free")


@functools.cache
def ssh_sockets(home: Path) -> str:
    """Where the runs with this home keep the sockets of their SSH connections, apart from all others' runs.

    Ansible's own place is under the home, and a socket's path has 107 letters: a worker's test has longer ones.
    """
    folder = tempfile.mkdtemp(prefix="ssh-")
    _folders.append(folder)
    return folder


_folders: list[str] = []


def remove_sockets() -> None:
    """At the end of a process that ran tests."""
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)
    ssh_sockets.cache_clear()
