# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data files of the rooms: read once, kept."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@functools.cache
def load_data(name: str) -> Any:
    """The content of <room>/<file>.yml, named `room/file`. Shared by all callers: never change what it returns."""
    path = Path(__file__).parents[1] / f"{name}.yml"
    with path.open(encoding="utf-8") as stream:
        return yaml.load(stream, Loader=_LOADER)  # a safe loader, in C where there is one
