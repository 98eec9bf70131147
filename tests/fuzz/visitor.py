# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One round over devices, in a process of its own, so that its memory and CPU can be told.

Reads {"devices", "settings"} from standard input; writes {"observations", "wall", "cpu", "longest", "memory"}: seconds,
CPU-seconds, CPU-seconds of the longest step during which all other visits waited, bytes that the process grew by.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "collections")]

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import EventLoop  # noqa: E402
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit import round as visit_round  # noqa: E402
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.visit.device import Settings  # noqa: E402


def _memory() -> int:
    """The most that this process ever held, in bytes. (ru_maxrss would be that of the parent, if that was larger.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


class _WatchedLoop(EventLoop):
    """Tells how long one visit kept all others waiting."""

    longest = 0.0

    def _step(self, *step: Any) -> None:
        begun = time.process_time()
        super()._step(*step)
        _WatchedLoop.longest = max(_WatchedLoop.longest, time.process_time() - begun)


def main() -> None:
    task = json.load(sys.stdin)
    observations: list[dict[str, object]] = []
    before, wall, cpu = _memory(), time.monotonic(), time.process_time()
    visit_round.EventLoop = _WatchedLoop
    visit_round.Round(Settings(**task["settings"]), 200, 0.0, observations.append).run(task["devices"])
    result = {
        "observations": observations,
        "wall": time.monotonic() - wall,
        "cpu": time.process_time() - cpu,
        "longest": _WatchedLoop.longest,
        "memory": _memory() - before,
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
