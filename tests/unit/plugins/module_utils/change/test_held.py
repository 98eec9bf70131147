# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns a trust store's folder exchanges it, or what is in it, while we write: a foreign file is never touched.

Each attack is made at a named moment, so that its outcome does not hang on how busy the machine is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import files, kept
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held import StoreProblem, held, resolved

SECRET = b"root's own"
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="gives folders to another account, which root alone can")
NOBODY = 65534


class Place:
    """An application's folder with its bundle, and root's folder with a file of the same name."""

    def __init__(self, folder: Path) -> None:
        self.app, self.foreign = folder / "app", folder / "foreign"
        for place, content in ((self.app, b"old"), (self.foreign, SECRET)):
            place.mkdir()
            (place / "bundle.pem").write_bytes(content)
            (place / "bundle.pem").chmod(0o600)
        self.bundle = self.app / "bundle.pem"
        self.secret = self.foreign / "bundle.pem"
        self.before = self.look()

    def look(self) -> tuple[bytes, int, int, list[str]]:
        found = self.secret.stat()
        return self.secret.read_bytes(), found.st_mode, found.st_uid, sorted(os.listdir(self.foreign))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def folder_for_a_link(place: Place) -> None:
    place.app.rename(place.app.with_name("moved"))
    place.app.symlink_to(place.foreign)


def bundle_for_a_link(place: Place) -> None:
    place.bundle.unlink()
    place.bundle.symlink_to(place.secret)


def bundle_for_a_second_name(place: Place) -> None:
    place.bundle.unlink()
    os.link(place.secret, place.bundle)


def bundle_for_a_pipe(place: Place) -> None:
    place.bundle.unlink()
    os.mkfifo(place.bundle)


def made_for_a_link(place: Place) -> None:
    for made in place.app.glob(".cert-hygiene-*"):
        made.rename(place.app / "stolen")
        made.symlink_to(place.secret)


BEFORE = {
    "the folder for a link": (folder_for_a_link, "Too many levels|Not a directory"),
    "the bundle for a link": (bundle_for_a_link, "is a link"),
    "the bundle for a second name of a foreign file": (bundle_for_a_second_name, "second name"),
    "the bundle for a pipe": (bundle_for_a_pipe, "no regular file"),
}


@pytest.mark.parametrize(("attack", "why"), BEFORE.values(), ids=BEFORE)
def test_what_was_exchanged_before_the_write_is_refused(
    attack: Callable[[Place], None], why: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As root's links are trusted: the exchange comes after the path was resolved.
    monkeypatch.setattr("ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.held.resolved", str)
    attack(place)
    with pytest.raises(StoreProblem, match=why):
        files.replace(str(place.bundle), b"new")
    assert place.look() == place.before


@pytest.mark.parametrize("attack", [folder_for_a_link, bundle_for_a_link, made_for_a_link])
@pytest.mark.parametrize("moment", ["fchmod", "fsync", "rename"])
def test_an_exchange_while_we_write_reaches_no_foreign_file(
    attack: Callable[[Place], None], moment: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def first(*words: object, **named: object) -> object:
        if not done:
            done.append(moment)
            attack(place)
        return original(*words, **named)

    original = getattr(os, moment)
    monkeypatch.setattr(os, moment, first)
    try:
        files.replace(str(place.bundle), b"new")
    except StoreProblem as problem:
        assert "exchanged" in str(problem)
    assert done
    assert place.look() == place.before


@ROOT
def test_a_link_is_followed_where_root_alone_could_have_put_it(place: Place, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("app/../app")
    assert resolved(str(tmp_path / "link" / "bundle.pem")) == str(place.bundle)
    bundle_for_a_link(place)
    assert resolved(str(place.bundle)) == str(place.secret)
    os.chown(place.app, NOBODY, NOBODY)
    for read in (resolved, files.read_store):
        with pytest.raises(StoreProblem, match="a link that another account can change"):
            read(str(place.bundle))
    os.chown(place.app, 0, 0)
    place.app.chmod(0o777)
    with pytest.raises(StoreProblem, match="another account can change"):
        resolved(str(place.bundle))
    place.app.chmod(0o1777)  # as /tmp: root's link stays root's
    assert resolved(str(place.bundle)) == str(place.secret)
    os.chown(place.bundle, NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(StoreProblem, match="another account can change"):
        resolved(str(place.bundle))


def test_links_without_end_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StoreProblem, match="too many links"):
        resolved(str(tmp_path / "a" / "x"))


@ROOT
def test_a_file_keeps_its_owner_and_mode_but_no_privilege(place: Place) -> None:
    os.chown(place.bundle, NOBODY, NOBODY)
    place.bundle.chmod(0o4750)
    os.setxattr(place.bundle, "user.note", b"kept")
    files.replace(str(place.bundle), b"new")
    found = place.bundle.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (NOBODY, NOBODY, 0o750)
    assert os.getxattr(place.bundle, "user.note") == b"kept"
    assert place.bundle.read_bytes() == b"new"


@ROOT
def test_copies_are_kept_where_nobody_else_can_write(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "lib"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(StoreProblem, match="must belong to the user that we are"):
        kept.keep(str(folder / "root_ca"), [str(place.bundle)], False, {})
    assert not (folder / "root_ca.json").exists()


def test_a_write_that_fails_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_words: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(StoreProblem, match="No space left on device"):
        files.replace(str(place.bundle), b"new")
    assert place.bundle.read_bytes() == b"old" and os.listdir(place.app) == ["bundle.pem"]
    with pytest.raises(StoreProblem, match="cannot be opened"), held(str(place.app / "missing")):
        pass
