# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway made of texts: its files by path, what its commands print. It is looked at as a recorded one is."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from typing import Any

from unit.gateway_options import OPTIONS

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.gather import gather
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import FileState
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.recording import RecordedHost

#: 2026-11-30 08:53:20 UTC
NOW = 1796028800.0


class WrittenHost(RecordedHost):
    """Names are matched against the files that it has, and a folder is there where a file lies in it."""

    def __init__(self, record: Mapping[str, Any], modified: float) -> None:
        super().__init__(dict(record))
        self._paths = sorted(record["files"])
        self._modified = modified

    def glob(self, pattern: str) -> list[str]:
        wanted = re.compile(fnmatch.translate(pattern.replace("**/", "*")))
        return [
            path
            for path in self._paths
            if wanted.match(path) and ("**" in pattern or path.count("/") == pattern.count("/"))
        ]

    def state(self, path: str) -> FileState | None:
        text = (self._record["files"].get(path) or {}).get("text")
        return None if text is None else FileState(0o600, 0, 0, self._modified, len(text))


def host(
    files: Mapping[str, str | None],
    commands: Mapping[str, str | tuple[int, str]] | None = None,
    links: Mapping[str, str] | None = None,
    modified: float = NOW,
) -> WrittenHost:
    """files: None for one that may not be read; commands: what one prints, or (status, what it prints)."""
    told = {name: output if isinstance(output, tuple) else (0, output) for name, output in (commands or {}).items()}
    return WrittenHost(
        {
            "files": {
                path: {"not_permitted": True} if text is None else {"text": text} for path, text in files.items()
            },
            "commands": {name: {"status": code, "stdout": out, "stderr": ""} for name, (code, out) in told.items()},
            "links": dict(links or {}),
            "privileged": None not in files.values(),
        },
        modified,
    )


def facts(gateway: RecordedHost, subset: str, **options: Any) -> dict[str, Any]:
    """What `gateway_info` makes of one subset, with its state."""
    return gather(gateway, [subset], {**OPTIONS, "now": NOW, **options})
