# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore replaces is kept first, and comes back as it was: contents, modes, links, and what was not there."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import archive, held
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import kept_restore as keeping
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive import ArchiveError
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive_restore import differences, restore

KEY = "-----BEGIN PRIVATE KEY-----\n"  # not one, but known for one


def listing(place: Path) -> dict[str, Any]:
    """All that a restore may change."""
    found = {}
    for path in [place, *place.rglob("*")]:
        about = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path)] = (about.st_mode, about.st_uid, about.st_gid, content)
    return found


class Gateway:
    """Files as they were saved, and as they are now."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.etc = root / "etc"
        self.folder = str(root / "lib" / "cert-hygiene" / "restore")
        (self.etc / "sub").mkdir(parents=True)
        for name in ("a", "b", "sub/c"):
            (self.etc / name).write_text("first\n")
        (self.etc / "link").symlink_to("a")
        names = ("a", "b", "sub", "link", "new", "key")
        self.manifest, data = archive.take([str(self.etc / name) for name in names], [], True, True)
        self.contents = archive.read(data)[1]
        self.saved = listing(self.etc)
        (self.etc / "a").write_text("second\n")
        (self.etc / "a").chmod(0o600)
        (self.etc / "b").unlink()
        (self.etc / "sub/c").unlink()
        (self.etc / "sub").rmdir()
        (self.etc / "link").unlink()
        (self.etc / "link").write_text("no link\n")
        (self.etc / "new").write_text("second\n")
        (self.etc / "key").write_text(KEY)
        self.before = listing(self.etc)

    @property
    def changes(self) -> list[dict[str, Any]]:
        return differences(self.manifest)["changes"]

    def keep(self) -> list[dict[str, Any]]:
        changes = self.changes
        with keeping.at_work(self.folder) as place:
            keeping.keep(self.folder, place, self.manifest, changes, "change-1")
        return changes

    def restore(self) -> None:
        restore(self.manifest, self.contents, self.keep())

    def kept(self) -> keeping.Kept:
        left = keeping.kept(self.folder)
        assert left is not None
        return left


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    yield Gateway(tmp_path)
    assert not list(tmp_path.rglob("*.cert-hygiene-new"))


def test_what_was_put_back_is_undone_as_if_nothing_had_been(gateway: Gateway) -> None:
    gateway.restore()
    assert listing(gateway.etc) == gateway.saved
    left = gateway.kept()
    assert (left.change_id, left.whole) == ("change-1", True)
    keeping.undo(left)
    assert listing(gateway.etc) == gateway.before
    assert not gateway.kept().whole
    assert keeping.settle(gateway.folder) and keeping.kept(gateway.folder) is None
    assert os.listdir(os.path.dirname(gateway.folder)) == [] and not keeping.settle(gateway.folder)


def test_what_is_kept_is_for_root_alone_and_can_be_read_without_us(gateway: Gateway) -> None:
    gateway.restore()
    folder = Path(gateway.folder)
    modes = [folder.parent, folder, folder / "before.tar.gz", Path(f"{folder}.json")]
    assert [path.stat().st_mode & 0o777 for path in modes] == [0o700, 0o700, 0o600, 0o600]
    state = json.loads(Path(f"{folder}.json").read_text())
    assert "PRIVATE" not in json.dumps(state)
    hashes = {entry["path"]: entry.get("sha256") for entry in state["before"]}
    second = (
        subprocess.run(["sha256sum"], input=b"second\n", capture_output=True, check=True).stdout.decode().split()[0]
    )
    assert hashes[str(gateway.etc / "a")] == second and hashes[str(gateway.etc / "b")] is None
    command = ["tar", "xzOf", str(folder / "before.tar.gz"), f"files{gateway.etc}/key"]
    assert subprocess.run(command, capture_output=True, check=True).stdout.decode() == KEY


@pytest.mark.parametrize("step", range(11))
def test_killed_at_any_step_the_next_run_undoes_or_finishes_it(tmp_path: Path, step: int) -> None:
    gateway = Gateway(tmp_path)
    program = f"""
import os, signal
from pathlib import Path
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import archive
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.archive_restore import differences, restore
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import kept_restore as keeping
left = {step}
def counted(call):
    def instead(*given, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*given, **options)
    return instead
os.rename, os.replace, os.unlink, os.mkdir = map(counted, (os.rename, os.replace, os.unlink, os.mkdir))
manifest, contents = archive.read(Path({str(tmp_path / "archive")!r}).read_bytes())
changes = differences(manifest)["changes"]
with keeping.at_work({gateway.folder!r}) as place:
    keeping.keep({gateway.folder!r}, place, manifest, changes, "x")
    restore(manifest, contents, changes)
"""
    (tmp_path / "archive").write_bytes(archive._pack(gateway.manifest, gateway.contents))
    died = subprocess.run(
        [sys.executable, "-c", program], check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert died.returncode == -9, died
    left = keeping.kept(gateway.folder)
    if left is None:
        assert listing(gateway.etc) == gateway.before
        keeping.settle(gateway.folder)
    else:
        keeping.undo(left)
        assert listing(gateway.etc) == gateway.before
        keeping.settle(gateway.folder)
    gateway.restore()
    assert listing(gateway.etc) == gateway.saved
    assert not list(tmp_path.rglob("*.cert-hygiene-new"))


def test_a_change_that_was_left_open_stands_in_the_way_of_the_next(gateway: Gateway) -> None:
    gateway.restore()
    (gateway.etc / "a").write_text("third\n")
    with pytest.raises(ArchiveError, match="left open"):
        gateway.keep()
    assert (gateway.etc / "a").read_text() == "third\n" and not gateway.kept().whole


@pytest.mark.parametrize("harm", ["mode", "text", "json", "copies", "others", "gone", "wanted", "link"])
def test_what_cannot_be_trusted_is_not_put_back(gateway: Gateway, harm: str) -> None:
    gateway.restore()
    state, copies = Path(gateway.folder + ".json"), Path(gateway.folder, "before.tar.gz")
    said = json.loads(state.read_text())
    if harm == "mode":
        state.chmod(0o644)
    elif harm == "text":
        state.write_text("{")
    elif harm == "json":
        state.write_text("[]")
    elif harm == "copies":
        copies.write_bytes(copies.read_bytes()[:-1] + b"x")
    elif harm == "others":
        copies.write_bytes(archive.copies([entry["path"] for entry in said["before"]])[1])
    elif harm == "gone":
        copies.unlink()
    elif harm == "wanted":
        state.write_text(json.dumps({**said, "wanted": said["wanted"][1:]}))
    else:
        state.rename(gateway.root / "elsewhere")
        state.symlink_to(gateway.root / "elsewhere")
    with pytest.raises(ArchiveError, match=r"cannot be used|not as we write it|cannot be read"):
        keeping.kept(gateway.folder)
    assert listing(gateway.etc) == gateway.saved


def test_a_full_disk_below_what_is_kept_stops_before_anything_changed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, data: bytes, mode: int = 0o600) -> None:
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(keeping, "write", full)
    with pytest.raises(ArchiveError, match=r"nothing was put back .*No space left"):
        gateway.restore()
    assert listing(gateway.etc) == gateway.before and keeping.kept(gateway.folder) is None
    assert not os.path.exists(gateway.folder)


def test_two_runs_do_not_meet(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "_LOCK_SECONDS", 0.1)
    os.makedirs(os.path.dirname(gateway.folder))
    other = os.open(os.path.dirname(gateway.folder), os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(ArchiveError, match="another run"):
        gateway.restore()
    os.close(other)
    assert listing(gateway.etc) == gateway.before
    gateway.restore()


def test_a_folder_that_was_made_goes_again_unless_somebody_uses_it(gateway: Gateway) -> None:
    gateway.restore()
    (gateway.etc / "sub/foreign").write_text("mine\n")
    with pytest.raises(ArchiveError, match="sub is a folder, and there is something in it"):
        keeping.undo(gateway.kept())
    assert (gateway.etc / "sub/foreign").read_text() == "mine\n" and gateway.kept().whole
    (gateway.etc / "sub/foreign").unlink()
    keeping.undo(gateway.kept())
    assert listing(gateway.etc) == gateway.before


def test_a_failure_in_the_middle_is_told_and_can_be_undone(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename
    changes = gateway.keep()

    def stubborn(source: str, target: str, **folders: int) -> None:
        if target == "link":
            raise OSError(16, "Device or resource busy", source)
        rename(source, target, **folders)

    monkeypatch.setattr(os, "rename", stubborn)
    with pytest.raises(ArchiveError, match=r"2 of 4 files were put back, each of them whole, then .*/link: Device"):
        restore(gateway.manifest, gateway.contents, changes)
    monkeypatch.undo()
    assert listing(gateway.etc) not in (gateway.before, gateway.saved)
    keeping.undo(gateway.kept())
    assert listing(gateway.etc) == gateway.before


def test_nothing_is_put_in_the_place_of_a_device(gateway: Gateway) -> None:
    os.mkfifo(gateway.etc / "b")
    with pytest.raises(ArchiveError, match="b is no file"):
        restore(gateway.manifest, gateway.contents, gateway.changes)


def test_a_folder_keeps_its_mode_where_nothing_was_put_back(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    (gateway.etc / "sub").mkdir(0o711)
    before = listing(gateway.etc)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArchiveError, match="nothing was put back"):
        restore(gateway.manifest, gateway.contents, gateway.changes)
    assert listing(gateway.etc) == before


def test_what_the_gateways_own_tools_must_say(gateway: Gateway) -> None:
    changed = {change["path"] for change in gateway.changes}
    gateway.restore()
    expected = archive.expected(gateway.manifest["files"], changed)
    check = subprocess.run(["sha256sum", "-c"], input=expected["sums"].encode(), capture_output=True, check=False)
    assert check.returncode == 0 and len(check.stdout.splitlines()) == 3
    command = ["stat", "-c", "%u %g %a %n", "--", *expected["paths"]]
    found = subprocess.run(command, capture_output=True, check=False, text=True).stdout.splitlines()
    assert found == expected["stat"] and len(expected["paths"]) == len(found) + 2
