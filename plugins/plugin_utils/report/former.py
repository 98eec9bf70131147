# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report before this one said, device by device: read from its summary.json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text

_FLAGS = {"true": True, "false": False}
# One device a line, and what is asked of it stands first: a long line is not read to its end.
_DEVICE = re.compile(
    r'\{"device":("(?:[^"\\]|\\.)*"),"verdict":"([a-z_]+)"'
    r'(?:,"seen":(true|false|null),"seen_before":(true|false|null))?'
)
_HEAD = re.compile(r'\{"schema_version":1,"generated_at":"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Former:
    """Verdicts by device; (seen then, seen before that) by device, where the report tells it."""

    generated_at: str = ""
    verdicts: Mapping[str, str] = field(default_factory=dict)
    _seen: Mapping[str, tuple[bool | None, bool | None]] = field(default_factory=dict)

    def seen_before(self, now: datetime) -> dict[str, bool | None]:
        """Whether each device was seen the time before `now`: the same report made again has the same past."""
        again = self.generated_at == instant_text(now)
        return {device: before if again else seen for device, (seen, before) in self._seen.items()}


def read_former(path: str) -> Former:
    """The summary.json of an earlier report; an empty one where there is none to read."""
    verdicts: dict[str, str] = {}
    seen: dict[str, tuple[bool | None, bool | None]] = {}
    generated_at = ""
    try:
        with open(path, encoding="utf-8") as summary:
            for line in summary:
                head = _HEAD.match(line)
                if head is not None:
                    generated_at = head[1]
                found = _DEVICE.match(line)
                if found is not None:
                    device = json.loads(found[1])
                    verdicts[device] = found[2]
                    if found[3] is not None:
                        seen[device] = (_FLAGS.get(found[3]), _FLAGS.get(found[4]))
    except (OSError, ValueError):
        return Former()
    return Former(generated_at, verdicts, seen)
