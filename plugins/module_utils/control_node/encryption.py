# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files encrypted for storage with age or GnuPG, programs of the control node. What is secret goes through pipes."""

from __future__ import annotations

import re
import shutil
import subprocess

_SECONDS = 120
_AGE = re.compile(r"\A(age1[0-9a-z]{20,}|ssh-(ed25519|rsa) [A-Za-z0-9+/=]+( .*)?)\Z")
_FINGERPRINT = re.compile(r"\A[0-9A-Fa-f]{40}\Z")


class EncryptionError(Exception):
    """It cannot be encrypted or decrypted; the text is one sentence with the way out."""


def chosen(recipients: list[str]) -> str:
    """ "age", "gpg", or "" for no recipients. EncryptionError for others, or where the program is missing."""
    if not recipients:
        return ""
    if all(_AGE.match(recipient) for recipient in recipients):
        program = "age"
    elif all(_FINGERPRINT.match(recipient) for recipient in recipients):
        program = "gpg"
    else:
        raise EncryptionError(
            "recipients must all be age recipients (age1…, ssh-ed25519 …), or all fingerprints of OpenPGP keys "
            "(40 hexadecimal digits)"
        )
    _needed(program)
    return program


def encrypt(data: bytes, recipients: list[str], gnupg_home: str | None) -> bytes:
    """`data` for these recipients."""
    if chosen(recipients) == "age":
        command = ["age", "--encrypt"] + [word for recipient in recipients for word in ("--recipient", recipient)]
    else:
        command = [*_gpg(gnupg_home), "--trust-model", "always", "--compress-algo", "none", "--encrypt"]
        command += [word for recipient in recipients for word in ("--recipient", recipient)]
    encrypted = _run(command, data)
    if data in encrypted or (data and len(encrypted) < len(data)):
        raise EncryptionError(f"{command[0]} did not encrypt")
    return encrypted


def decrypt(data: bytes, identity: str | None, gnupg_home: str | None) -> bytes:
    """What `encrypt` was given; `data` itself where it is not encrypted."""
    if data[:2] == b"\x1f\x8b":
        return data
    if data.startswith(b"age-encryption.org/"):
        _needed("age")
        if not identity:
            raise EncryptionError("the archive is encrypted with age: name the file of the identity that reads it")
        return _run(["age", "--decrypt", "--identity", identity], data)
    _needed("gpg")
    return _run([*_gpg(gnupg_home), "--decrypt"], data)


def _gpg(home: str | None) -> list[str]:
    return ["gpg", "--batch", "--quiet", "--no-tty", *(["--homedir", home] if home else [])]


def _needed(program: str) -> None:
    if not shutil.which(program):
        package = {"gpg": "gnupg"}.get(program, program)
        raise EncryptionError(f"the program {program} is not on the control node: install the package {package}")


def _run(command: list[str], data: bytes) -> bytes:
    try:
        # No shell, and nothing secret among the arguments.
        finished = subprocess.run(  # pylint: disable=ansible-bad-function
            command, input=data, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise EncryptionError(f"{command[0]} did not end within {_SECONDS} seconds") from None
    except OSError as error:
        raise EncryptionError(f"{command[0]} cannot be run ({error.strerror})") from None
    if finished.returncode:
        said = finished.stderr.decode("utf-8", "replace").strip().splitlines()
        raise EncryptionError(f"{command[0]} failed ({said[0][:200] if said else finished.returncode})")
    return finished.stdout
