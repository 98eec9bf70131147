# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report folder: what may be replaced, and a swap that survives being killed anywhere."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report import folder, staging
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.folder import (
    MARKER,
    Preview,
    ReportFolderError,
    look_at,
    sheet_name,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report.staging import Staging

OLD = {"index.html": b"old", "summary.json": b"{}", "fr/devices/echo-4-0123456789ab.html": b"old sheet"}
NEW = {"index.html": b"new", "summary.json": b"{}", "devices/echo-4-0123456789ab.html": b"new sheet"}


def write(dest: Path, files: dict[str, bytes], mode: int = 0o600) -> tuple[bool, list[str]]:
    with Staging(look_at(str(dest)), mode) as out:
        for name, data in files.items():
            out.write(name, data)
        changed = out.commit()
    return changed, out.warnings


def content(place: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.name != MARKER
    }


def beside(dest: Path) -> list[str]:
    """What lies in the parent apart from the report itself."""
    return sorted(name for name in os.listdir(dest.parent) if name != dest.name)


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "report"


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "slug"),
    [
        ("echo-004", "echo-004"),
        ("Échographe n° 4", "echographe-n-4"),
        ("../../x", "x"),
        ("/etc/passwd", "etc-passwd"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("日本", "device"),
        ("\u202e\x00", "device"),
        ("\ud800", "device"),
        ("x" * 300, "x" * 40),
        ("", "device"),
    ],
)
def test_a_device_name_is_never_a_path(device: str, slug: str) -> None:
    name = sheet_name(device)
    assert re.fullmatch(re.escape(slug) + r"-[0-9a-f]{12}\.html", name)
    assert folder.OURS.fullmatch(f"fr/devices/{name}")


def test_names_that_look_alike_get_different_sheets() -> None:
    names = ["echo 4", "echo-4", "ECHO-4", "echo_4", "x" * 50, "x" * 51]
    assert len({sheet_name(name) for name in names}) == len(names)


# --- what may be replaced -------------------------------------------------------------------------


def test_a_new_report_is_private(dest: Path) -> None:
    assert write(dest, OLD) == (True, [])
    assert content(dest) == OLD
    assert stat.S_IMODE(dest.stat().st_mode) == 0o700
    for path in dest.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert beside(dest) == []


def test_modes_asked_for_hold_whatever_the_umask(dest: Path) -> None:
    former = os.umask(0o077)
    try:
        write(dest, OLD, 0o640)
    finally:
        os.umask(former)
    assert stat.S_IMODE(dest.stat().st_mode) == 0o750
    assert stat.S_IMODE((dest / "fr" / "devices").stat().st_mode) == 0o750
    assert stat.S_IMODE((dest / "index.html").stat().st_mode) == 0o640
    assert write(dest, OLD, 0o640)[0] is False
    assert write(dest, OLD, 0o600)[0] is True


def test_an_empty_folder_becomes_the_report(dest: Path) -> None:
    dest.mkdir()
    assert write(dest, NEW)[0] is True
    assert content(dest) == NEW


def test_missing_parents_are_made_and_removed_again_when_it_fails(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "report"
    with pytest.raises(RuntimeError), Staging(look_at(str(deep))) as out:
        out.write("index.html", b"x")
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    assert write(deep, NEW)[0] is True


def test_a_stale_sheet_goes_with_the_former_report(dest: Path) -> None:
    write(dest, OLD)
    assert write(dest, NEW) == (True, [])
    assert content(dest) == NEW
    assert beside(dest) == []


def test_the_same_report_is_no_change_and_not_even_touched(dest: Path) -> None:
    write(dest, OLD)
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in dest.rglob("*")}
    assert write(dest, OLD) == (False, [])
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in dest.rglob("*")} == before
    assert beside(dest) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda dest: (dest / "index.html").write_bytes(b"olD"),
        lambda dest: (dest / "index.html").write_bytes(b"older"),
        lambda dest: (dest / "index.html").unlink(),
        lambda dest: (dest / "devices").mkdir(),
        lambda dest: (dest / "findings.csv").write_bytes(b""),
        lambda dest: (dest / "index.html").chmod(0o644),
        lambda dest: dest.chmod(0o755),
        lambda dest: (dest / "fr").chmod(0o755),
    ],
    ids=["changed", "longer", "missing", "stale folder", "stale file", "file mode", "mode", "folder mode"],
)
def test_any_difference_is_a_change_and_is_mended(dest: Path, spoil: Callable[[Path], object]) -> None:
    write(dest, OLD)
    spoil(dest)
    with Preview(look_at(str(dest))) as preview:
        for name, data in OLD.items():
            preview.write(name, data)
        assert preview.commit() is True
    assert write(dest, OLD)[0] is True
    assert write(dest, OLD)[0] is False


@pytest.mark.parametrize("content_of_it", ["notes.txt", ".hidden", "sub/"])
def test_a_folder_of_somebody_else_is_refused_untouched(dest: Path, content_of_it: str) -> None:
    dest.mkdir()
    if content_of_it.endswith("/"):
        (dest / content_of_it).mkdir()
    else:
        (dest / content_of_it).write_text("mine")
    with pytest.raises(ReportFolderError, match="nothing was touched"):
        write(dest, NEW)
    assert os.listdir(dest) == [content_of_it.rstrip("/")]
    assert beside(dest) == []


def test_a_marker_that_is_no_file_marks_nothing(dest: Path) -> None:
    (dest / MARKER).mkdir(parents=True)
    with pytest.raises(ReportFolderError, match="nothing was touched"):
        look_at(str(dest))


def test_links_files_and_odd_places_are_refused_in_one_sentence(dest: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("mine")
    for place, said in [
        (tmp_path / "link", "symbolic link"),
        (f"{tmp_path}/link/", "symbolic link"),
        (tmp_path / "dangling", "symbolic link"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "report", "below a file"),
        (tmp_path / "file" / "a" / "report", "below"),
        ("/", "root of the file system"),
        ("", "dest is empty"),
        ("a\0b", "dest is empty"),
    ]:
        with pytest.raises(ReportFolderError, match=said) as refused:
            look_at(str(place))
        assert "\n" not in str(refused.value)
    assert sorted(os.listdir(tmp_path)) == ["dangling", "file", "link", "real"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_link_above_the_folder_is_followed(dest: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert write(tmp_path / "link" / "report", NEW)[0] is True
    assert content(tmp_path / "real" / "report") == NEW


def test_an_unwritable_parent_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(staging.tempfile, "mkdtemp", refuse)
    with pytest.raises(ReportFolderError, match=r"cannot be written beside .* \(Permission denied\): make "):
        write(tmp_path / "report", NEW)
    monkeypatch.setattr(staging.os, "mkdir", refuse)
    with pytest.raises(ReportFolderError, match="Permission denied"):
        write(tmp_path / "a" / "report", NEW)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_the_former_report(dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(dest, OLD)

    def full(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    with pytest.raises(ReportFolderError, match="the folder is as it was"), Staging(look_at(str(dest))) as out:
        monkeypatch.setattr(staging.os, "write", full)
        out.write("index.html", b"x")
    assert content(dest) == OLD
    assert beside(dest) == []


def test_a_file_put_into_a_report_by_somebody_else_is_kept_aside(dest: Path) -> None:
    write(dest, OLD)
    (dest / "signed.pdf").write_bytes(b"signature")
    (dest / "fr" / "notes.txt").write_bytes(b"notes")
    assert write(dest, OLD) == (False, [])
    changed, warnings = write(dest, NEW)
    assert changed
    assert content(dest) == NEW
    assert beside(dest) == ["report.kept-1"]
    assert content(dest.parent / "report.kept-1") == {"fr/notes.txt": b"notes", "signed.pdf": b"signature"}
    assert len(warnings) == 1
    assert "report.kept-1" in warnings[0]
    assert not (dest.parent / "report.kept-1" / MARKER).exists()


@pytest.mark.parametrize("language", ["", "fr/"])
def test_a_sheet_that_was_filled_in_where_it_lies_is_kept_aside(dest: Path, language: str) -> None:
    sheet = f"{language}attestations-to-fill.csv"
    files = {**OLD, sheet: b"to fill"}
    assert write(dest, files) == (True, [])
    (dest / sheet).write_bytes(b"filled in")
    finished = (dest / "summary.json").stat().st_mtime
    os.utime(dest / sheet, (finished + 60, finished + 60))
    changed, warnings = write(dest, files)
    assert changed
    assert content(dest) == files
    assert content(dest.parent / "report.kept-1") == {sheet: b"filled in"}
    assert "report.kept-1" in warnings[0]


def test_a_sheet_that_nobody_touched_goes_with_its_report(dest: Path) -> None:
    write(dest, {**OLD, "attestations-to-fill.csv": b"to fill", "fr/attestations-to-fill.csv": b"to fill"})
    assert write(dest, NEW) == (True, [])
    assert beside(dest) == []


def test_a_file_that_is_not_known_as_ours_cannot_be_written(dest: Path) -> None:
    for name in ("notes.txt", "../x", "fr/summary.json", "devices/x.html", "de/index.html"):
        with pytest.raises(NotImplementedError, match="not in the list"):
            write(dest, {name: b"x"})
    assert os.listdir(dest.parent) == []


def test_links_in_a_former_report_are_not_followed(dest: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "index.html").write_text("mine")
    write(dest, OLD)
    (dest / "en").symlink_to(precious)
    (dest / "index.html").unlink()
    (dest / "index.html").symlink_to(precious / "index.html")
    assert write(dest, NEW)[0] is True
    assert (precious / "index.html").read_text() == "mine"
    assert content(dest) == NEW


# --- check mode -----------------------------------------------------------------------------------


def test_a_preview_writes_nothing_anywhere(dest: Path) -> None:
    def preview(files: dict[str, bytes]) -> bool:
        with Preview(look_at(str(dest))) as out:
            with out.spool() as spool:
                spool.write(b"x")
            for name, data in files.items():
                out.write_chunks(name, iter([data[:1], data[1:]]))
            return out.commit()

    assert preview(OLD) is True
    assert os.listdir(dest.parent) == []
    write(dest, OLD)
    assert preview(OLD) is False
    assert preview(NEW) is True
    assert content(dest) == OLD


# --- the swap, interrupted ------------------------------------------------------------------------


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "two renames":
        monkeypatch.setattr(staging, "exchange", lambda one, other: False)
    return str(request.param)


def test_both_ways_of_swapping_give_the_same(dest: Path, way: str) -> None:
    write(dest, OLD)
    assert write(dest, NEW) == (True, [])
    assert content(dest) == NEW
    assert beside(dest) == []


def test_a_failing_second_rename_puts_the_former_report_back(dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(dest, OLD)
    monkeypatch.setattr(staging, "exchange", lambda one, other: False)
    rename, calls = os.rename, []

    def fail_once(source: str, target: str) -> None:
        calls.append(source)
        if len(calls) == 2:
            raise OSError(16, "Device or resource busy")
        rename(source, target)

    monkeypatch.setattr(staging.os, "rename", fail_once)
    with pytest.raises(ReportFolderError, match="could not take the place"):
        write(dest, NEW)
    assert content(dest) == OLD
    assert beside(dest) == []


KILLED = textwrap.dedent("""
    import os, signal, sys
    from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.report import folder, staging

    dest, way, step = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seen = 0
    if way == "two renames":
        staging.exchange = lambda one, other: False

    def watch(event, args):
        # Every change of the file system is an instant to die at: just before it happens.
        global seen
        if event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "tempfile.mkdtemp") or (
            event == "open" and isinstance(args[2], int) and args[2] & os.O_CREAT
        ) or event == "ctypes.dlsym":
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    sys.addaudithook(watch)
    with staging.Staging(folder.look_at(dest)) as out:
        for name in ("index.html", "summary.json", "devices/echo-4-0123456789ab.html"):
            data = b"{}" if name == "summary.json" else b"new sheet" if "/" in name else b"new"
            out.write(name, data)
        out.commit()
    print(seen)
""")


def run_until(dest: Path, way: str, step: int) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(part for part in sys.path if part)
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(dest), way, str(step)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("kind", ["exchange", "two renames"])
def test_killed_at_any_instant_a_reader_sees_one_whole_report(tmp_path: Path, kind: str) -> None:
    reference = tmp_path / "reference" / "report"
    write(reference, OLD)
    whole = run_until(reference, kind, -1)
    assert whole.returncode == 0, whole.stderr
    steps = int(whole.stdout)
    assert steps > 10
    seen = []
    for step in range(steps):
        dest = tmp_path / f"killed-{step}" / "report"
        write(dest, OLD)
        assert run_until(dest, kind, step).returncode == -signal.SIGKILL
        if dest.exists():
            found = content(dest)
            assert found in (OLD, NEW), f"half a report after step {step}"
            seen.append("new" if found == NEW else "old")
        else:
            assert kind == "two renames", f"no report after step {step}"
            seen.append("none")
        # The next run makes good whatever was left, also when it changes nothing itself.
        write(dest, OLD if seen[-1] != "new" else NEW)
        assert content(dest) in (OLD, NEW)
        assert beside(dest) == [], f"leftovers after step {step}"
    assert seen.count("none") <= 1
    assert {"old", "new"} <= set(seen)


def test_a_report_moved_away_by_a_killed_run_is_put_back_first(dest: Path) -> None:
    write(dest, OLD)
    away = dest.parent / ".report.biomed-report-abcd1234.old"
    dest.rename(away)
    with Staging(look_at(str(dest))):
        assert content(dest) == OLD
    assert beside(dest) == []


def test_leftovers_of_others_are_not_touched(dest: Path) -> None:
    parent = dest.parent
    unmarked = parent / ".report.biomed-report-aaaa1111.new"
    unmarked.mkdir()
    (unmarked / "file").write_text("mine")
    other = parent / ".other.biomed-report-aaaa1111.new"
    other.mkdir()
    (other / MARKER).write_text("")
    plain = parent / ".report.biomed-report-bbbb2222.new"
    plain.write_text("a file")
    empty = parent / ".report.biomed-report-cccc3333.new"
    empty.mkdir()
    write(dest, NEW)
    assert beside(dest) == [other.name, unmarked.name, plain.name]


def test_a_run_that_is_alive_keeps_its_folder(dest: Path) -> None:
    with Staging(look_at(str(dest))) as first:
        first.write("index.html", b"first")
        assert write(dest, NEW)[0] is True  # a second run, start to end, meanwhile
        first.write("summary.json", b"{}")
        assert first.commit() is True
    assert content(dest) == {"index.html": b"first", "summary.json": b"{}"}
    assert beside(dest) == []


def test_a_locked_parent_is_waited_for_not_forever(dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_LOCK_TRIES", 2)
    descriptor = os.open(dest.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert write(dest, NEW)[0] is True
    finally:
        os.close(descriptor)


def test_a_folder_of_somebody_else_that_appears_meanwhile_is_not_replaced(dest: Path) -> None:
    with pytest.raises(ReportFolderError, match="nothing was touched"), Staging(look_at(str(dest))) as out:
        out.write("index.html", b"x")
        dest.mkdir()
        (dest / "notes.txt").write_text("mine")
        out.commit()
    assert content(dest) == {"notes.txt": b"mine"}
    assert beside(dest) == []


def test_a_very_long_name_still_gets_its_staging_folder(tmp_path: Path) -> None:
    dest = tmp_path / ("r" * 250)
    assert write(dest, NEW)[0] is True
    assert write(dest, OLD)[0] is True
    assert beside(dest) == []


def test_observations_inside_the_folder_are_noticed(dest: Path) -> None:
    place = look_at(str(dest))
    assert place.holds(str(dest / "observations.jsonl"))
    assert place.holds(str(dest / "a" / ".." / "b.jsonl"))
    assert not place.holds(str(dest) + "-observations.jsonl")
    assert not place.holds(str(dest / ".." / "observations.jsonl"))
