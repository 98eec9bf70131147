# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observations as a file: one JSON object a line, readable by its owner only, whole or not there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
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


def append_observation(dest: str, observation: Mapping[str, Any]) -> None:
    """Add one line to a file that many workers add to at the same time. Raises OSError."""
    line = json.dumps(observation, ensure_ascii=True, separators=(",", ":")) + "\n"
    descriptor = os.open(dest, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab", buffering=0) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = handle.seek(0, os.SEEK_END)
        try:
            data = line.encode("ascii")
            if handle.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            # Half a line would cost the reader the next one too.
            handle.truncate(size)
            raise
