# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One SSH session with a device through the system's OpenSSH client, which still knows old algorithms.

The password goes by SSH_ASKPASS and the environment of that one process, never in arguments or files.
"""

from __future__ import annotations

import base64
import os
import select
import subprocess
import tempfile
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.dialogue import hold
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.host_keys import keys_on_record
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import Allowance, SessionFailed

#: What OpenSSH still knows and no longer offers by itself.
_LEGACY = {
    "HostKeyAlgorithms": "+ssh-rsa",
    "PubkeyAcceptedAlgorithms": "+ssh-rsa",
    "KexAlgorithms": "+diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1,diffie-hellman-group1-sha1",
    "Ciphers": "+aes128-cbc,aes256-cbc,3des-cbc",
    "MACs": "+hmac-sha1",
}
#: The name that the device has in the known_hosts file made for it.
_ALIAS = "device"

#: Answers once. Asked again, the password was refused: the client is ended before it tries anything else.
_HELPER = """\
#!/bin/sh
if mkdir "$0.used" 2>/dev/null; then
    printf '%s\\n' "$CERT_HYGIENE_PASSWORD"
else
    kill "$PPID"
    exit 1
fi
"""

_SAID = (
    ("Host key verification failed", "host_key_mismatch"),
    ("No matching host key", "host_key_mismatch"),
    ("Permission denied", "login_refused"),
    ("Too many authentication failures", "login_refused"),
    ("Could not resolve", "name_not_resolved"),
    ("Connection refused", "no_answer"),
    ("Connection timed out", "no_answer"),
    ("No route to host", "no_answer"),
    ("unreachable", "no_answer"),
    ("Unable to negotiate", "no_common_algorithm"),
    ("Bad configuration option", "openssh_missing"),
    ("Bad SSH2", "openssh_missing"),
    ("Invalid key length", "no_common_algorithm"),
)


def ask_over_openssh(device: dict[str, Any], secret: dict[str, str], allowance: Allowance) -> dict[str, Any]:
    """Answers by output, as `hold` gives them."""
    record = keys_on_record(device["host_key"], device["known_hosts"], device["names"], device["port"])
    if record.fingerprint is not None:
        raise SessionFailed(
            "host_key_unknown", "transport openssh needs the host key itself (kind and Base64), not its fingerprint"
        )
    if not record.keys:
        raise SessionFailed("host_key_unknown", f"{record.where}; the device was not asked")
    with tempfile.TemporaryDirectory(prefix="cert-hygiene-") as folder:
        with open(os.path.join(folder, "known_hosts"), "w", encoding="ascii") as handle:
            for marker, keys in (("", record.keys), ("@revoked ", [("", key) for key in record.revoked])):
                for kind, key in keys:
                    kind = kind or key[4 : 4 + int.from_bytes(key[:4], "big")].decode("ascii")
                    handle.write(f"{marker}{_ALIAS} {kind} {base64.b64encode(key).decode('ascii')}\n")
        process = _start(device, secret, folder, allowance)
        try:
            return hold(_ProcessLine(process), device, secret, allowance)
        except SessionFailed as problem:
            if problem.answers:
                raise
            raise _explained(process, problem) from None
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def _start(
    device: dict[str, Any], secret: dict[str, str], folder: str, allowance: Allowance
) -> subprocess.Popen[bytes]:
    options = {
        "StrictHostKeyChecking": "yes",
        "HostKeyAlias": _ALIAS,
        "UserKnownHostsFile": f'"{folder}/known_hosts"',
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "VerifyHostKeyDNS": "no",
        "ConnectTimeout": str(max(1, int(allowance.seconds()))),
        "ConnectionAttempts": "1",
        "NumberOfPasswordPrompts": "1",
        "LogLevel": "INFO",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ControlMaster": "no",
        "ControlPath": "none",
        "IdentityAgent": "none",
        "PermitLocalCommand": "no",
        **(_LEGACY if device["ssh"].get("legacy_algorithms") else {}),
    }
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": folder}
    if device["private_key_file"]:
        options.update(PreferredAuthentications="publickey", IdentitiesOnly="yes", BatchMode="yes")
        options["IdentityFile"] = f'"{device["private_key_file"]}"'
    elif "password" in secret:
        options.update(PreferredAuthentications="password,keyboard-interactive", PubkeyAuthentication="no")
        environment.update(
            SSH_ASKPASS=_helper(folder),
            SSH_ASKPASS_REQUIRE="force",
            DISPLAY=":",
            CERT_HYGIENE_PASSWORD=secret["password"],
        )
    else:
        options.update(PreferredAuthentications="none", BatchMode="yes")
    command = ["ssh", "-tt", "-F", "none", "-p", str(device["port"]), "-l", device["user"]]
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    try:
        # A dialogue needs a process that goes on: AnsibleModule.run_command waits for its end.
        return subprocess.Popen(  # pylint: disable=ansible-bad-function
            [*command, "--", device["address"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise SessionFailed(
            "openssh_missing", "the vantage has no OpenSSH client: install openssh-client there"
        ) from None


def _helper(folder: str) -> str:
    path = os.path.join(folder, "askpass")
    with open(path, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o700)) as handle:
        handle.write(_HELPER)
    if not os.access(path, os.X_OK):
        raise SessionFailed(
            "openssh_missing", f"programs cannot run from {tempfile.gettempdir()}: give another TMPDIR on the vantage"
        )
    return path


def _explained(process: subprocess.Popen[bytes], problem: SessionFailed) -> SessionFailed:
    """What the client said, where it ended by itself; else the problem of the dialogue."""
    try:
        process.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        return problem
    said = (process.stderr.read(65536) if process.stderr else b"").decode("utf-8", "replace").strip()
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")[:200]
    for phrase, reason in _SAID:
        if phrase.lower() in said.lower():
            return SessionFailed(reason, last)
    if process.returncode < 0:
        return SessionFailed("login_refused", "the device refused the login")
    return SessionFailed(problem.reason if not said else "no_ssh", last or str(problem))


class _ProcessLine:
    """The client's standard input and output as a Line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def send(self, text: str) -> None:
        stream = self._process.stdin
        try:
            if stream is not None:
                stream.write(text.encode("utf-8"))
                stream.flush()
        except OSError:
            raise SessionFailed("stopped_answering", "the session ended") from None

    def receive(self, seconds: float) -> bytes | None:
        stream = self._process.stdout
        if stream is None:
            return b""
        ready, _writable, _failed = select.select([stream], [], [], max(0.0, seconds))
        return os.read(stream.fileno(), 16384) if ready else None
