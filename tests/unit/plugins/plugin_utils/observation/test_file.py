# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of observations: whole lines, whoever writes at the same time, and whatever the disk does."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.file import append_observation

LARGE = "x" * 200_000


def _append_many(dest: str, worker: int) -> None:
    for number in range(20):
        append_observation(dest, {"device": f"{worker}-{number}", "text": LARGE})


def test_workers_that_append_at_once_leave_whole_lines(tmp_path: Path) -> None:
    dest = tmp_path / "gateways.jsonl"
    context = multiprocessing.get_context("spawn")  # a fork under the threads of pytest-xdist may hang
    workers = [context.Process(target=_append_many, args=(str(dest), worker)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    names = [json.loads(line)["device"] for line in dest.read_text(encoding="ascii").splitlines()]
    assert sorted(names) == sorted(f"{worker}-{number}" for worker in range(4) for number in range(20))
    assert dest.stat().st_mode & 0o777 == 0o600


def test_a_disk_that_fills_up_leaves_no_half_line(tmp_path: Path) -> None:
    dest = tmp_path / "gateways.jsonl"
    append_observation(str(dest), {"device": "gw-001"})
    code = (
        "import resource, signal, sys\n"
        f"from {append_observation.__module__} import append_observation\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    append_observation(sys.argv[1], {'device': 'gw-002', 'text': 'x' * 5000})\n"
        "except OSError as error:\n"
        "    sys.exit(str(error.strerror))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(dest)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 1 and done.stderr.strip() in ("File too large", "No space left on device")
    append_observation(str(dest), {"device": "gw-003"})
    assert [json.loads(line)["device"] for line in dest.read_text(encoding="ascii").splitlines()] == [
        "gw-001",
        "gw-003",
    ]
