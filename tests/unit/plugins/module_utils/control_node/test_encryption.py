# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption with the real age and GnuPG: what is stored hides what it holds, and only its recipients read it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.control_node import encryption
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.control_node.encryption import (
    EncryptionError,
    chosen,
    decrypt,
    encrypt,
)

SECRET = b"\x1f\x8b" + b"the archive, and the key in it" * 50
RECIPIENT = "age1" + "q" * 58
FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"

with_age = pytest.mark.skipif(not shutil.which("age"), reason="the program age is not installed (package age)")
with_gpg = pytest.mark.skipif(not shutil.which("gpg"), reason="the program gpg is not installed (package gnupg)")


def age_identity(path: Path) -> tuple[str, str]:
    """An identity's file, and its recipient."""
    subprocess.run(["age-keygen", "-o", str(path)], check=True, capture_output=True)
    said = subprocess.run(["age-keygen", "-y", str(path)], check=True, capture_output=True, text=True)
    return str(path), said.stdout.strip()


@pytest.fixture
def gnupg(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A folder of GnuPG with a key of its own, and the key's fingerprint."""
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    made = [*command, "--passphrase", "", "--quick-generate-key", "backup@hopital.example", "rsa2048", "encr"]
    subprocess.run(made, check=True, capture_output=True)
    listed = subprocess.run([*command, "--with-colons", "--list-keys"], check=True, capture_output=True, text=True)
    fingerprints = [line.split(":")[9] for line in listed.stdout.splitlines() if line.startswith("fpr")]
    yield str(home), fingerprints[0]
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)


@with_age
def test_age_hides_it_and_gives_it_back_to_each_recipient_and_nobody_else(tmp_path: Path) -> None:
    (one, to_one), (two, to_two), (other, _to_other) = (age_identity(tmp_path / name) for name in ("1", "2", "3"))
    stored = encrypt(SECRET, [to_one, to_two], None)
    assert stored.startswith(b"age-encryption.org/") and SECRET[:40] not in stored
    assert decrypt(stored, one, None) == decrypt(stored, two, None) == SECRET
    with pytest.raises(EncryptionError, match="age failed"):
        decrypt(stored, other, None)
    with pytest.raises(EncryptionError, match="name the file of the identity"):
        decrypt(stored, None, None)
    with pytest.raises(EncryptionError, match="age failed"):
        decrypt(stored[:-20], one, None)


@with_age
@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="the program ssh-keygen is not installed")
def test_age_takes_an_ssh_key_as_people_have_them(tmp_path: Path) -> None:
    key = tmp_path / "id_ed25519"
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "A. Martin, DSI", "-f", str(key)]
    subprocess.run(made, check=True, capture_output=True)
    public = key.with_suffix(".pub").read_text().strip()
    assert chosen([public]) == "age"
    assert decrypt(encrypt(SECRET, [public], None), str(key), None) == SECRET


@with_gpg
def test_gnupg_hides_it_and_gives_it_back_from_its_own_folder(gnupg: tuple[str, str], tmp_path: Path) -> None:
    home, fingerprint = gnupg
    assert chosen([fingerprint.lower()]) == "gpg"
    stored = encrypt(SECRET, [fingerprint], home)
    assert SECRET[:40] not in stored and stored[:2] != b"\x1f\x8b"
    assert decrypt(stored, None, home) == SECRET
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    with pytest.raises(EncryptionError, match="gpg failed"):
        decrypt(stored, None, str(other))
    with pytest.raises(EncryptionError, match="gpg failed"):
        encrypt(SECRET, [FINGERPRINT], home)


def test_what_is_not_encrypted_is_given_back_as_it_is() -> None:
    assert decrypt(SECRET, None, None) == SECRET


@pytest.mark.parametrize(
    "recipients",
    [
        ["a.martin@hopital.example"],
        ["--output=/etc/passwd"],
        [RECIPIENT, FINGERPRINT],
        [RECIPIENT + "\n-o /etc/passwd"],
        [FINGERPRINT[:-1]],
        [FINGERPRINT[-16:]],
        [FINGERPRINT + "\n"],
        [""],
        ["AGE-SECRET-KEY-1QQQQ"],
        ["ssh-ed25519 AAAA\nssh-rsa BBBB"],
    ],
)
def test_what_is_no_recipient_is_refused_before_any_program_runs(
    recipients: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_given, **_options: pytest.fail("a program was run"))
    with pytest.raises(EncryptionError, match="recipients must all be age recipients"):
        chosen(recipients)
    with pytest.raises(EncryptionError, match="recipients must all be age recipients"):
        encrypt(SECRET, recipients, None)


@pytest.mark.parametrize(("recipient", "package"), [(RECIPIENT, "age"), (FINGERPRINT, "gnupg")])
def test_a_program_that_is_missing_is_named_with_its_package(
    recipient: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EncryptionError, match=f"install the package {package}$"):
        chosen([recipient])
    with pytest.raises(EncryptionError, match=f"install the package {package}$"):
        decrypt(b"age-encryption.org/v1" if package == "age" else b"\x85\x01", "id", None)
    assert chosen([]) == ""


def stand_in(folder: Path, script: str) -> None:
    """A program in the place of age and gpg, for what the real ones never do."""
    for name in ("age", "gpg"):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("cat", "did not encrypt"),
        ("cat > /dev/null", "did not encrypt"),
        ("printf x; cat; printf y", "did not encrypt"),
        ("head -c 100", "did not encrypt"),
        ("cat > /dev/null; echo no such key >&2; exit 2", r"failed \(no such key\)"),
        ("cat > /dev/null; exit 3", r"failed \(3\)"),
    ],
)
@pytest.mark.parametrize("recipient", [RECIPIENT, FINGERPRINT])
def test_a_program_that_does_not_do_its_work_is_never_believed(
    script: str, said: str, recipient: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, script)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(EncryptionError, match=said):
        encrypt(SECRET, [recipient], None)


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(encryption, "_SECONDS", 0.2)
    with pytest.raises(EncryptionError, match="did not end"):
        encrypt(SECRET, [RECIPIENT], None)


def test_nothing_secret_is_among_the_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, f'echo "$@" >> {tmp_path}/arguments; cat > /dev/null; exit 1')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for recipient in (RECIPIENT, FINGERPRINT):
        with pytest.raises(EncryptionError):
            encrypt(b"top secret", [recipient], None)
    said = (tmp_path / "arguments").read_text()
    assert RECIPIENT in said and FINGERPRINT in said and "secret" not in said
    assert stat.S_ISREG((tmp_path / "arguments").stat().st_mode)
