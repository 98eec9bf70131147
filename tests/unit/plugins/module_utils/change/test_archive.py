# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives: keys are known by their content, hashes hold, and what is put back is put back whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import archive, archive_restore
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive import ArchiveError
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive_restore import differences, restore
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive_secrets import secret_inside

EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
ENCODINGS, FORMATS = serialization.Encoding, serialization.PrivateFormat


def key_files() -> list[tuple[str, bytes]]:
    found = []
    for name, key in (("ec", EC), ("rsa", RSA)):
        for form in (FORMATS.PKCS8, FORMATS.TraditionalOpenSSL):
            for encoding in (ENCODINGS.PEM, ENCODINGS.DER):
                data = key.private_bytes(encoding, form, NoEncryption())
                found.append((f"{name}-{str(form)[14:]}-{str(encoding)[9:]}", data))
        secret = BestAvailableEncryption(b"x")
        for encoding in (ENCODINGS.PEM, ENCODINGS.DER):
            found.append((f"{name}-locked-{str(encoding)[9:]}", key.private_bytes(encoding, FORMATS.PKCS8, secret)))
        found.append((f"{name}-ssh", key.private_bytes(ENCODINGS.PEM, FORMATS.OpenSSH, NoEncryption())))
    found.append(("p12", pkcs12.serialize_key_and_certificates(b"k", EC, None, None, BestAvailableEncryption(b"x"))))
    found.append(("jks", b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1\0\0\0\1\0\1k"))
    found.append(("nss", b"SQLite format 3\0....CREATE TABLE nssPrivate"))
    return found


@pytest.mark.parametrize(("name", "data"), key_files())
def test_a_key_is_known_by_what_is_in_the_file(name: str, data: bytes) -> None:
    assert secret_inside("/etc/ssl/harmless.txt", data) == "private_key"
    assert secret_inside("/etc/ssl/in.pem", b"# a comment\n" + data) == ("private_key" if b"-----" in data else None)


def test_what_is_no_key_is_saved() -> None:
    public = EC.public_key().public_bytes(ENCODINGS.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    trusted = b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1\0\0\0\2\0\1k" + bytes(8) + b"\0\5X.509\0\0\0\3abc" + bytes(20)
    for data in (b"", b"127.0.0.1 localhost\n", public, trusted, b"-----BEGIN CERTIFICATE-----\nMIIB"):
        assert secret_inside("/etc/x", data) is None
    assert secret_inside("/etc/x", trusted[:40]) == "private_key"  # it cannot be followed to its end


@pytest.mark.parametrize(
    ("path", "data", "what"),
    [
        ("/etc/ssl/server.key", b"\x01\x02 of some format", "private_key"),
        ("/etc/ssl/chain.key", b"-----BEGIN CERTIFICATE-----", None),
        ("/etc/shadow", b"tech:*:1::\n", "password"),
        ("/opt/users", b"tech:$y$j9T$salt$hash:1::\n", "password"),
        ("/etc/wpa.conf", b"network={\n  psk=secret\n}", "password"),
    ],
)
def test_other_secrets(path: str, data: bytes, what: str | None) -> None:
    assert secret_inside(path, data) == what


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    (folder / "ssl").mkdir(parents=True)
    (folder / "one.conf").write_text("one\n")
    (folder / "ssl/two\nlines").write_text("two\n")
    (folder / "ssl/link").symlink_to("nowhere")
    (folder / "ssl/my.pem").write_bytes(EC.private_bytes(ENCODINGS.PEM, FORMATS.PKCS8, NoEncryption()))
    (folder / "one.conf").chmod(0o640)
    os.utime(folder / "one.conf", ns=(1, 1_600_000_000_123_456_789))
    return folder


def taken(place: Path, **options: bool) -> tuple[dict[str, Any], dict[str, bytes], bytes]:
    given = {"with_keys": False, "with_passwords": False, **options}
    manifest, data = archive.take([str(place / "one.conf"), str(place / "new.conf")], [str(place / "s*")], **given)
    assert archive.read(data)[0] == manifest
    return (*archive.read(data), data)


def put_back(place: Path, manifest: dict[str, Any], contents: dict[str, bytes]) -> list[str]:
    found = differences(manifest)
    restore(manifest, contents, found["changes"])
    assert not list(place.rglob("*.cert-hygiene-new"))
    assert differences(manifest)["changes"] == []
    return [os.path.basename(change["path"]) for change in found["changes"]]


def test_what_was_changed_removed_and_made_is_put_back(place: Path) -> None:
    manifest, contents, _data = taken(place)
    assert put_back(place, manifest, contents) == []
    (place / "one.conf").write_text("other\n")
    (place / "one.conf").chmod(0o666)
    (place / "ssl/two\nlines").unlink()
    (place / "ssl/link").unlink()
    (place / "new.conf").write_text("new\n")
    (place / "ssl/later").write_text("later\n")
    assert differences(manifest)["extra"] == [str(place / "ssl/later")]
    assert sorted(put_back(place, manifest, contents)) == ["link", "new.conf", "one.conf", "two\nlines"]
    state = (place / "one.conf").stat()
    assert (state.st_mode & 0o777, state.st_mtime_ns) == (0o640, 1_600_000_000_123_456_789)
    assert not (place / "new.conf").exists() and (place / "ssl/later").exists()


def test_a_key_stays_and_is_asked_for(place: Path) -> None:
    manifest, contents, data = taken(place)
    assert b"PRIVATE" not in data and [entry["path"] for entry in manifest["left_out"]] == [str(place / "ssl/my.pem")]
    (place / "ssl/my.pem").unlink()
    assert put_back(place, manifest, contents) == []
    assert [entry["state"] for entry in differences(manifest)["keys_left"]] == ["missing"]
    (place / "ssl/my.pem").write_text("another")
    assert [entry["state"] for entry in differences(manifest)["keys_left"]] == ["changed"]
    manifest, contents, _data = taken(place, with_keys=True)
    assert manifest["left_out"] == []


def test_tar_and_sha256sum_read_it(place: Path, tmp_path: Path) -> None:
    _manifest, _contents, data = taken(place)
    (tmp_path / "x.tar.gz").write_bytes(data)
    subprocess.run(["tar", "xzf", "x.tar.gz"], cwd=tmp_path, check=True)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=True)
    assert (tmp_path / "MANIFEST.json").exists()


def test_an_archive_that_was_altered_is_refused(place: Path) -> None:
    manifest, contents, data = taken(place)
    for broken in (b"", data[:-30], data[:60] + b"\0\0" + data[62:], b"\x1f\x8b" + b"x" * 100):
        with pytest.raises(ArchiveError):
            archive.read(broken)
    path = str(place / "one.conf")
    with pytest.raises(ArchiveError, match="hash"):
        archive.read(archive._pack(manifest, {**contents, path: b"evil"}))
    for bad in ("etc/x", "/etc/../x"):
        wrong = {**manifest, "files": [{"path": bad, "type": "absent"}]}
        with pytest.raises(ArchiveError):
            archive.read(archive._pack(wrong, {}))


@pytest.mark.parametrize("name", ["fsync", "fchown", "symlink"])
def test_a_disk_that_fails_leaves_everything_as_it_was(place: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    manifest, contents, _data = taken(place)
    (place / "one.conf").write_text("other\n")
    (place / "ssl/link").unlink()
    changes = differences(manifest)["changes"]
    calls = []

    def fails(*given: Any, **_options: Any) -> None:
        calls.append(given)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, name, fails)
    with pytest.raises(ArchiveError, match="nothing was put back"):
        restore(manifest, contents, changes)
    monkeypatch.undo()
    assert calls
    assert (place / "one.conf").read_text() == "other\n"
    assert not list(place.rglob("*.cert-hygiene-new")) and not os.path.lexists(place / "ssl/link")


def test_nothing_is_put_back_through_a_link(place: Path, tmp_path: Path) -> None:
    manifest, contents, _data = taken(place)
    (place / "ssl").rename(tmp_path / "elsewhere")
    (place / "ssl").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/two\nlines").write_text("other\n")
    with pytest.raises(ArchiveError, match=r"leads elsewhere|no folder"):
        restore(manifest, contents, differences(manifest)["changes"])
    assert (tmp_path / "elsewhere/two\nlines").read_text() == "other\n"


@pytest.mark.parametrize("moment", ["_write", "_dress", "take_away", "in_folder", "look"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_folder_exchanged_meanwhile_leads_nowhere(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, nth: int
) -> None:
    """Its owner puts a link to a foreign folder in its place, each time just before this step."""
    manifest, contents, _data = taken(place)
    (place / "ssl/two\nlines").write_text("other\n")
    (place / "ssl/made").write_text("made since")
    manifest["files"].append({"path": str(place / "ssl/made"), "type": "absent"})
    (place / "ssl").chmod(0o700)
    foreign = tmp_path / "foreign"
    shutil.copytree(place / "ssl", foreign, symlinks=True)
    foreign.chmod(0o755)
    before = pictures(foreign)
    calls = []
    real = getattr(archive_restore, moment)

    def exchanged(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == nth:
            (place / "ssl").rename(tmp_path / "moved")
            (place / "ssl").symlink_to(foreign)
        return real(*given)

    changes = differences(manifest)["changes"]
    monkeypatch.setattr(archive_restore, moment, exchanged)
    with suppress(ArchiveError):
        restore(manifest, contents, changes)
        differences(manifest)
    assert pictures(foreign) == before


def pictures(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, owner and content of all that is there."""
    found = {"": (folder.stat().st_mode, folder.stat().st_uid, b"")}
    for path in folder.iterdir():
        state = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(state.st_mode) else b""
        found[path.name] = (state.st_mode, state.st_uid, content)
    return found


def test_what_is_too_much_or_relative_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArchiveError, match="absolute"):
        archive.take(["etc/hosts"], [], False, False)
    monkeypatch.setattr(archive, "MAX_BYTES", 3)
    with pytest.raises(ArchiveError, match=r"larger|more than"):
        taken(place)
