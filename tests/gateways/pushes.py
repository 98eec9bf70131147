"""Roots that are pushed to gateways by a playbook run, and what a gateway then says with programs that are not ours."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from lab.pki import Pki, issue, make_pki, pem
from lab.places import ssh_sockets

from gateways.gateway import Gateway
from gateways.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
ANCHORS = "/usr/local/share/ca-certificates"


@dataclass(frozen=True)
class NewRoot:
    """A hospital's new root, as a file on the control node, and a server certificate that it has signed."""

    folder: Path
    pki: Pki = field(default_factory=lambda: make_pki(datetime.now(timezone.utc)))

    @property
    def file(self) -> Path:
        path = self.folder / "root.pem"
        if not path.exists():
            path.write_bytes(pem(self.pki.root.certificate))
        return path

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.pki.root.certificate.public_bytes(Encoding.DER)).hexdigest()

    def server(self, name: str = "pacs.hopital.example") -> tuple[str, str]:
        """(certificate chain, key) of a server, as PEM."""
        made = issue(self.pki, [name], {"key": "p256"})
        return made.chain_pem.decode("ascii"), made.key_pem.decode("ascii")


def play(
    lab: Lab, folder: Path, plays: Sequence[dict[str, Any]] | str, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a playbook, or one of the collection by name, where the gateways can be reached."""
    return lab.run(
        *command(lab, folder, plays, *arguments), env=environment(folder, **variables), cwd=ROOT, timeout=600
    )


def command(lab: Lab, folder: Path, plays: Sequence[dict[str, Any]] | str, *arguments: str) -> list[str]:
    """The words of that command."""
    playbook = plays if isinstance(plays, str) else str(folder / "playbook.json")
    if not isinstance(plays, str):
        Path(playbook).write_text(json.dumps(plays), encoding="utf-8")
    return [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        str(lab.inventory),
        str(playbook),
        *arguments,
    ]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """What such a run sees of this machine."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": ssh_sockets(folder),
        "ANSIBLE_HOST_KEY_CHECKING": "true",
        "ANSIBLE_NOCOLOR": "true",
        **variables,
    }


def trusts(gateway: Gateway, chain: str) -> bool:
    """Whether OpenSSL there accepts a server's chain with the system's store: its bundle, and its hashed links."""
    gateway.write("/tmp/chain.pem", chain)
    words = ("verify", "-untrusted", "/tmp/chain.pem")
    ways = (("-no-CApath", "-CAfile", BUNDLE), ("-no-CAfile", "-CApath", "/etc/ssl/certs"))
    answers = [gateway.run("openssl", *words, *way, "/tmp/chain.pem", check=False).returncode == 0 for way in ways]
    gateway.run("rm", "/tmp/chain.pem")
    assert len(set(answers)) == 1, f"{gateway.name}: the bundle and the links do not agree: {answers}"
    return answers[0]


def stores(gateway: Gateway) -> dict[str, str]:
    """{path: hash or link} of everything that makes the system's store and the keystores beside it."""
    places = f"{ANCHORS} /etc/ssl/certs /etc/ca-certificates.conf /opt"
    script = f"find {places} -type f -exec sha256sum {{}} + ; find {places} -type l -printf '%l %p\\n'"
    lines = [line.split(maxsplit=1) for line in gateway.shell(script).splitlines()]
    return {path: what for what, path in lines}
