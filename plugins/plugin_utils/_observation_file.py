# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observations as a file: one JSON object a line, readable by its owner only, whole or not there."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any


def write_observations(dest: str, observations: Iterable[Mapping[str, Any]]) -> None:
    """Write beside and rename: a reader sees the new file or the one before. Raises OSError, and leaves nothing."""
    folder, name = os.path.split(os.path.abspath(dest))
    descriptor, staged = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as handle:
            for observation in observations:
                handle.write(json.dumps(observation, ensure_ascii=True, separators=(",", ":")) + "\n")
        os.replace(staged, dest)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(staged)
        raise
