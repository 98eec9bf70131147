# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The book of tries never allows more than the limit, whatever happens to it, and lies only where it will last."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access import book as book_file
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.access.book import Account, Book, NoTry
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import lasting_folder
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change.lasting_folder import (
    FolderUnfit,
    filesystem_of,
    fleeting,
    open_folder,
)

ADMIN = Account("echo-004", "192.0.2.14", "admin")


def refused(book: Book, account: Account = ADMIN) -> str | None:
    """Why no try is left."""
    try:
        book.spend(account, "ssh", 0)
    except NoTry as problem:
        return problem.result
    return None


def pages(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def test_tries_are_counted_before_they_are_made_and_end_at_the_limit(tmp_path: Path) -> None:
    for number in range(4):
        # Each run opens the book anew.
        assert refused(Book(str(tmp_path), 2)) == (None if number < 2 else "limit_reached")
    assert [[entry["result"] for entry in page["tries"]] for page in pages(tmp_path)] == [[None, None]] * 2


@pytest.mark.parametrize(
    ("account", "left"),
    [
        (Account("echo-004", "192.0.2.99", "admin"), False),  # the same device at another address
        (Account("renamed", "192.0.2.14", "admin"), False),  # another name at the same address
        (Account("echo-004", "192.0.2.14", "ADMIN"), False),  # many systems take both for one account
        (Account("echo-004", "192.0.2.14", "service"), True),
        (Account("echo-005", "192.0.2.15", "admin"), True),
    ],
)
def test_what_is_the_same_account(tmp_path: Path, account: Account, left: bool) -> None:
    book = Book(str(tmp_path), 1)
    assert refused(book) is None
    assert (refused(book, account) is None) is left


def test_a_day_later_there_are_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book, now = Book(str(tmp_path), 2), time.time()
    for at, result in ((0, None), (3600, None), (86000, "limit_reached"), (86401, None), (86402, "limit_reached")):
        monkeypatch.setattr(book_file.time, "time", lambda at=at: now + at)
        assert refused(book) == result, at
    # A clock that was set back gives no further try.
    monkeypatch.setattr(book_file.time, "time", lambda: now - 7 * 86400)
    assert refused(book) == "limit_reached"


def test_a_lock_out_is_remembered_until_a_person_removes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book, now = Book(str(tmp_path), 5), time.time()
    book.write_result(ADMIN, book.spend(ADMIN, "http", 0), "locked_out", "HTTP 423")
    monkeypatch.setattr(book_file.time, "time", lambda: now + 90 * 86400)
    with pytest.raises(NoTry, match="HTTP 423") as problem:
        book.check(ADMIN)
    assert problem.value.result == "locked_out"
    for place in ADMIN.places:
        assert refused(book) == "locked_out"
        os.unlink(book.path(place, ADMIN.name))
    assert refused(book) is None


def test_what_came_of_a_try_is_known(tmp_path: Path) -> None:
    book = Book(str(tmp_path), 5)
    assert book.last(ADMIN, "ssh", 0) == (0.0, None)
    mark = book.spend(ADMIN, "ssh", 0)
    book.spend(ADMIN, "ssh", 1)
    book.write_result(ADMIN, mark, "accepted", None)
    assert book.last(ADMIN, "ssh", 0)[1] == "accepted"
    assert book.last(ADMIN, "ssh", 1)[1] is None
    assert book.last(ADMIN, "ftp", 0) == (0.0, None)


def _spend_many(folder: str, count: int, done: Any) -> None:
    book = Book(folder, 5)
    done.put(sum(refused(book) is None for _try in range(count)))


def test_many_runs_at_once_keep_the_limit_together(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    runs = [context.Process(target=_spend_many, args=(str(tmp_path), 6, done)) for _run in range(3)]
    for run in runs:
        run.start()
    assert sum(done.get(timeout=60) for _run in runs) == 5
    for run in runs:
        run.join()


@pytest.mark.parametrize("call", ["fsync", "replace", "unlink", "open"])
def test_what_cannot_be_written_down_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    book = Book(str(tmp_path), 5)
    book.spend(ADMIN, "ssh", 0)
    before = pages(tmp_path)

    def full(*_arguments: Any, **_more: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(book_file.os, call, full)
        assert refused(book) == "not_tried"
    if call != "fsync":
        assert pages(tmp_path) == before
    # A piece that a killed run left behind is in nobody's way.
    for place in ADMIN.places:
        Path(book.path(place, "admin") + ".new").write_text("{", encoding="utf-8")
    assert refused(book) is None


def _damage(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        page = json.loads(path.read_text(encoding="utf-8"))
        change(page)
        path.write_text(json.dumps(page), encoding="utf-8")

    return damage


def _to_link(path: Path) -> None:
    other = path.with_suffix(".other")
    path.rename(other)
    path.symlink_to(other)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("", encoding="utf-8"),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_text(path.read_text(encoding="utf-8")[:-2], encoding="utf-8"),
        lambda path: path.write_text("[" * 100000, encoding="utf-8"),
        lambda path: path.write_text("[]", encoding="utf-8"),
        lambda path: path.write_text(path.read_text(encoding="utf-8") + " " * 300000, encoding="utf-8"),
        _damage(lambda page: page.update(schema_version=2)),
        _damage(lambda page: page.update(tries=None)),
        _damage(lambda page: page.pop("locked_out")),
        _damage(lambda page: page.update(locked_out="yes")),
        _damage(lambda page: page["tries"][0].update(at="yesterday")),
        _damage(lambda page: page["tries"][0].update(at=float("nan"))),
        _damage(lambda page: page["tries"][0].update(at=True)),
        _damage(lambda page: page["tries"][0].update(result="maybe")),
        _to_link,
    ],
)
def test_a_record_that_cannot_be_read_counts_as_full(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    book = Book(str(tmp_path), 5)
    book.spend(ADMIN, "ssh", 0)
    damage(sorted(tmp_path.glob("*.json"))[0])
    assert refused(book) == "not_tried"


def test_a_run_that_holds_the_lock_for_ever_stops_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_file, "_LOCK_SECONDS", 0.1)
    with (tmp_path / "lock").open("w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert refused(Book(str(tmp_path), 5)) == "not_tried"
    assert refused(Book(str(tmp_path), 5)) is None


def test_the_files_are_ours_alone_and_named_safely(tmp_path: Path) -> None:
    book = Book(str(tmp_path), 5)
    book.spend(Account("../../etc/x", "::1%eth0", "a/b\n.json"), "ssh", 0)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.name == "lock" or path.suffix == ".json"
    assert len(list(tmp_path.glob("*.json"))) == 2


# -- a folder that lasts

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:20 / /dev/shm rw - tmpfs tmpfs rw
24 22 0:21 / /var/lib/in\\040memory rw shared:7 - tmpfs tmpfs rw
25 22 8:2 / /var/lib rw shared:3 master:1 - xfs /dev/sda2 rw
26 22 0:40 / /srv rw - overlay overlay rw
27 26 8:3 / /srv rw - nfs4 server:/srv rw
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/", "ext4"),
        ("/opt/x", "ext4"),
        ("/var/lib/biomed", "xfs"),
        ("/var/library", "ext4"),
        ("/var/lib/in memory/x", "tmpfs"),
        ("/srv/x", "nfs4"),  # mounted over another
        ("/dev/shm/x", "tmpfs"),
    ],
)
def test_the_file_system_of_a_folder(place: str, kind: str) -> None:
    assert filesystem_of(place, MOUNTS) == kind


@pytest.mark.parametrize(
    ("place", "mounts", "said"),
    [
        ("/var/lib/biomed", MOUNTS, None),
        ("/srv/biomed", MOUNTS, None),
        ("/var/lib/in memory", MOUNTS, "will not last (it lies on tmpfs, as in a container)"),
        ("/var/lib/biomed", "1 0 0:1 / / rw - overlay overlay rw\n", "will not last (it lies on overlay"),
        ("/tmp/x", MOUNTS, "lies in /tmp, which the system empties"),
        ("/run/x", MOUNTS, "lies in /run, which the system empties"),
        ("/var/lib/biomed", "", "lies on nobody knows what"),
        ("/var/lib/biomed", "nonsense - x\n", "lies on nobody knows what"),
    ],
)
def test_what_will_not_last(place: str, mounts: str, said: str | None) -> None:
    found = fleeting(place, mounts)
    assert (found is None) if said is None else (found is not None and found.startswith(said))


def test_a_folder_is_made_for_us_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "state"
    with pytest.raises(FolderUnfit, match="name a folder on a lasting disk"):
        open_folder("/dev/shm/x", " ")
    monkeypatch.setattr(lasting_folder, "_EMPTIED", ())
    monkeypatch.setattr(lasting_folder, "mounted", lambda: MOUNTS)
    assert open_folder(str(place), "") == str(place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    place.chmod(0o750)
    with pytest.raises(FolderUnfit, match="0700"):
        open_folder(str(place), "someone")
    with pytest.raises(FolderUnfit, match="cannot be made or read"):
        open_folder(str(tmp_path / "no" / "such"), "someone")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(FolderUnfit):
        open_folder(str(tmp_path / "file"), "someone")


_MOUNTED = """
mkdir -p "$1/memory" "$1/low" "$1/high" "$1/work" "$1/layer" || exit 7
mount -t tmpfs tmpfs "$1/memory" && mount -t tmpfs tmpfs "$1/high" || exit 7
mkdir "$1/high/up" "$1/high/work" || exit 7
mount -t overlay overlay -o "lowerdir=$1/low,upperdir=$1/high/up,workdir=$1/high/work" "$1/layer" || exit 7
exec "$2" -c '
import sys
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.change import lasting_folder
lasting_folder._EMPTIED = ()
for name in ("memory", "layer"):
    try:
        lasting_folder.open_folder(sys.argv[1] + "/" + name + "/state", "")
    except lasting_folder.FolderUnfit as problem:
        print(name, str(problem).split("it lies on ")[1].split(",")[0])
' "$1"
"""


def test_a_real_container_layer_and_real_memory_are_known(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("to mount a tmpfs and an overlay of one's own needs root and unshare")
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNTED, "sh", tmp_path, sys.executable]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    if told.returncode == 7 or told.stderr.startswith("unshare:"):
        pytest.skip(f"this machine mounts nothing for us: {told.stderr.strip()}")
    assert told.stdout == "memory tmpfs\nlayer overlay\n", told.stderr


def test_a_link_into_memory_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "state"
    link.symlink_to("/dev/shm")
    monkeypatch.setattr(lasting_folder, "_EMPTIED", ())
    monkeypatch.setattr(lasting_folder, "mounted", lambda: MOUNTS)
    with pytest.raises(FolderUnfit, match="tmpfs"):
        open_folder(str(link), "")
