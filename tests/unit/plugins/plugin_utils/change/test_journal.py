# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal: chained, ours alone, whole lines or none, one writer at a time, and no secret in it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change import journal as journal_module
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change import journal_file
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.journal import (
    NO_LINE,
    ChainError,
    check_chain,
    journal_line,
    journal_text,
    redacted,
    was_authorised,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.journal_file import (
    JournalError,
    append,
    check_journal,
    journal_path,
)

COLLECTIONS = Path(journal_file.__file__).absolute().parents[6]
KEY = "-----BEGIN " + "EC PRIVATE KEY-----"


def line(entry: dict[str, Any], previous: str = NO_LINE) -> bytes:
    return journal_line(journal_text(entry), previous)


def lines(*details: str) -> bytes:
    content = b""
    for detail in details:
        content += line({"detail": detail, "event": "began", "device": "gw-1"}, check_chain(content))
    return content


@pytest.fixture
def journal(tmp_path: Path) -> str:
    folder = tmp_path / "control"
    folder.mkdir(mode=0o700)
    return str(folder / "changes.jsonl")


def fault(path: str) -> str:
    with pytest.raises(JournalError) as caught:
        append(path, {"event": "began"})
    assert "{" not in caught.value.text("fr") and path in caught.value.text("en")
    return caught.value.fault


def test_each_line_names_the_one_before() -> None:
    first, second = lines("a", "b").splitlines()
    assert json.loads(first)["previous_sha256"] == NO_LINE
    assert json.loads(second)["previous_sha256"] == check_chain(first + b"\n")
    assert check_chain(b"") == NO_LINE


@pytest.mark.parametrize(
    ("content", "line", "cut"),
    [
        (lines("a", "b", "c").replace(b'"a"', b'"A"'), 2, False),
        (lines("a", "b", "c").replace(b'"b"', b'"B"'), 3, False),
        (lines("a", "b", "c").split(b"\n", 1)[1], 1, False),
        (b"\n".join(lines("a", "b", "c").split(b"\n")[::2]) + b"\n", 2, False),
        (lines("a", "b")[:-1], 2, True),
        (lines("a") + b"garbage\n", 2, False),
        (lines("a", "b")[:-10] + b"\n", 2, False),
        (b"\n", 1, False),
    ],
)
def test_a_chain_that_was_altered_is_found(content: bytes, line: int, cut: bool) -> None:
    with pytest.raises(ChainError) as caught:
        check_chain(content)
    assert (caught.value.line, caught.value.cut) == (line, cut)


def test_a_line_is_written_for_its_owner_alone(journal: str) -> None:
    append(journal, {"event": "began", "device": "gw-1"})
    append(journal, {"event": "verified", "device": "gw-1"})
    assert os.stat(journal).st_mode & 0o777 == 0o600
    assert [json.loads(line)["event"] for line in Path(journal).read_text("ascii").splitlines()] == [
        "began",
        "verified",
    ]


def test_a_journal_that_cannot_be_trusted_is_refused_and_left_alone(journal: str) -> None:
    path = Path(journal)
    for content, expected in (
        (lines("a", "b").replace(b'"a"', b'"A"'), "journal_broken"),
        (lines("a")[:-1], "journal_cut"),
    ):
        path.write_bytes(content)
        path.chmod(0o600)
        assert fault(journal) == expected
        assert path.read_bytes() == content
    path.write_bytes(lines("a"))
    for mode in (0o640, 0o604):
        path.chmod(mode)
        assert fault(journal) == "journal_unusable"
    path.unlink()
    path.symlink_to(path.with_name("elsewhere"))
    assert fault(journal) == "journal_unusable"
    path.unlink()
    os.mkfifo(path, 0o600)
    assert fault(journal) == "journal_unusable"
    path.unlink()
    path.parent.chmod(0o777)
    assert fault(journal) == "journal_unusable"


def test_a_full_disk_leaves_the_journal_as_it_was(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    append(journal, {"event": "began"})
    before = Path(journal).read_bytes()
    real = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", full)
    assert fault(journal) == "journal_unusable"
    monkeypatch.undo()
    assert Path(journal).read_bytes() == before
    append(journal, {"event": "verified"})


@pytest.mark.parametrize("given", [None, "", "  "])
def test_without_a_journal_nothing_is_changed(given: str | None) -> None:
    with pytest.raises(JournalError) as caught:
        journal_path(given, "")
    assert "change_control_journal" in caught.value.text("en")


@pytest.mark.parametrize("place", ["/tmp/x/changes.jsonl", "/var/tmp/changes.jsonl", "/run/changes.jsonl"])
def test_a_place_that_is_emptied_is_refused_unless_somebody_vouches(place: str) -> None:
    with pytest.raises(JournalError) as caught:
        journal_path(place, "")
    assert caught.value.fault == "journal_fleeting"
    assert journal_path(place, "A. Martin") == place


@pytest.mark.parametrize("kind", ["tmpfs", "overlay"])
def test_a_container_s_layer_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        journal_file, "mounted", lambda: f"1 1 0:1 / / rw - ext4 x rw\n2 1 0:2 / /srv rw - {kind} x rw\n"
    )
    with pytest.raises(JournalError) as caught:
        journal_path("/srv/changes.jsonl", "")
    assert kind in caught.value.text("en")
    assert journal_path("/opt/changes.jsonl", "") == "/opt/changes.jsonl"


def test_looking_makes_nothing(journal: str) -> None:
    check_journal(journal)
    assert not os.path.exists(journal)
    Path(journal).write_bytes(lines("a").replace(b'"a"', b'"A"') + b"x")
    os.chmod(journal, 0o600)
    with pytest.raises(JournalError):
        check_journal(journal)


WRITER = """
import sys
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.journal_file import append
for number in range(40):
    append(sys.argv[1], {"event": "began", "device": sys.argv[2], "detail": str(number)})
"""


def test_runs_at_the_same_time_keep_the_chain_also_when_one_is_killed(journal: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, journal, name], env=environment) for name in ("a", "b", "c")
    ]
    while not os.path.exists(journal) or os.path.getsize(journal) < 2000:
        assert any(process.poll() is None for process in started), "the writers ended too early"
        time.sleep(0.001)
    started[2].kill()
    statuses = [process.wait(60) for process in started]
    assert statuses[:2] == [0, 0]
    content = Path(journal).read_bytes()
    check_chain(content)
    devices = [json.loads(line)["device"] for line in content.splitlines()]
    assert (devices.count("a"), devices.count("b")) == (40, 40)


SECRETS = [
    f"+{KEY}\n+MHcCAQEEIHsecretsecretsecretsecret\n+-----END EC PRIVATE KEY-----\n+after",
    " c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0\n+after",  # the middle of a key
    "+password = secret\n+after",
    "-  DB_PASSWORD: 'secret'\n+after",
    "+psk=secret\n+after",
    "+api_key: secret\n+after",
    "+mot_de_passe secret\n+after",
    "+tech:$6$salt$secretsecret:20000:0\n+after",
    "+url https://anna:" + "secret@gmao.hopital.example/\n+after",
    "+Authorization: Bearer secret\n+after",
]


@pytest.mark.parametrize("text", SECRETS)
def test_no_secret_stays_in_a_diff(text: str) -> None:
    for kept in (
        redacted(text),
        json.loads(line({"files": [{"path": "/etc/x", "diff": text}]}))["files"][0]["diff"],
    ):
        assert "secret" not in kept and "c2VjcmV0" not in kept
        assert "after" in kept


def test_what_is_no_secret_stays() -> None:
    text = "-server 192.0.2.1 iburst\n+server 192.0.2.2 iburst\n ssl_protocols TLSv1.2 TLSv1.3;"
    assert redacted(text) == text


def test_a_file_of_secrets_is_not_shown_at_all() -> None:
    entry: dict[str, Any] = {"files": [{"path": "/etc/shadow", "diff": "-tech:abc:1\n+tech:!abc:1"}]}
    assert "abc" not in line(entry).decode("ascii")


@pytest.mark.parametrize("text", SECRETS)
@pytest.mark.parametrize("before", [4090, 19_990], ids=["in a long line", "at the end of what is kept"])
def test_no_half_of_a_secret_stays_where_a_text_is_cut(text: str, before: int) -> None:
    known = [filling for filling in ("x", "x ", "x\n") if "c2VjcmV0" not in redacted(filling + text)]
    for filling in known:
        for shift in range(0, 60, 2):
            start = (filling * before)[: before - shift]
            diff = json.loads(line({"files": [{"path": "/etc/x", "diff": start + text}]}))["files"][0]["diff"]
            assert "secret" not in diff and "c2VjcmV0" not in diff


def test_no_expression_meets_a_long_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what an expression takes more time for than the line is longer, it takes little: 20 kB once took minutes."""
    met = []
    monkeypatch.setattr(journal_module, "_redacted_line", lambda line: met.append(line) or line)
    for entry in ({"detail": "! " * 60_000}, {"files": [{"path": "/etc/x", "diff": "pass " * 60_000}]}):
        line(entry)
    assert met and max(map(len, met)) <= 4096 and sum(map(len, met)) <= 40_000


ASKED = {"id": "one", "device": "gw-1", "ticket": "CHG-1", "kind": "root_ca", "event": "authorised"}


@pytest.mark.parametrize(
    ("entry", "granted"),
    [
        (ASKED, True),
        ({**ASKED, "event": "began"}, True),
        ({**ASKED, "id": "two"}, False),
        ({**ASKED, "id": ""}, False),
        ({**ASKED, "id": "on"}, False),
        ({**ASKED, "device": "gw-2"}, False),
        ({**ASKED, "ticket": "CHG-2"}, False),
        ({**ASKED, "kind": "restore"}, False),
        ({**ASKED, "id": "refused"}, False),
        ({**ASKED, "id": "in a text"}, False),
    ],
)
def test_what_the_journal_says_was_authorised(entry: dict[str, Any], granted: bool) -> None:
    asked = [
        {**ASKED, "id": "zero", "device": "gw-2", "detail": json.dumps({**ASKED, "id": "in a text"})},
        ASKED,
        {**ASKED, "event": "began"},
        {**ASKED, "id": "refused", "event": "refused"},
        {**ASKED, "id": "refused", "event": "authorised"},
    ]
    content = b""
    for one in asked:
        content += line(one, check_chain(content))
    assert was_authorised(content, entry) is granted
    assert not was_authorised(b"", entry)
