# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device profiles that there are: those that come with the collection, and the user's own, read once."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import Profile, read_profile
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.rules import ProfileError, hint

_OWN = Path(__file__).with_name("book")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ProfileBook:
    """The profiles that come with the collection, and those in the user's own folders, which win."""

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self._folders = [Path(folder) for folder in folders] + [_OWN]

    def get(self, name: str) -> Profile:
        """The profile of this name, or ProfileError with the names there are."""
        if not re.fullmatch(r"[a-z0-9_]{1,64}", name):
            raise ProfileError(f"{name!r} is no name of a profile: it has lower-case letters, digits and _ only")
        for folder in self._folders:
            for suffix in (".yml", ".yaml"):
                path = folder / f"{name}{suffix}"
                if path.is_file():
                    return _load(str(path))
        raise ProfileError(f"there is no device profile {name!r}; {hint(name, self.names())}")

    def names(self) -> list[str]:
        """Every profile's name."""
        return sorted({path.stem for folder in self._folders for path in folder.glob("*.y*ml")})


@functools.cache
def _load(path: str) -> Profile:
    try:
        data = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProfileError(f"{path}: cannot be read as YAML: {_unreadable(error)}") from None
    try:
        profile = read_profile(data)
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from None
    if profile.name != Path(path).stem:
        raise ProfileError(f"{path}: name: {profile.name!r} is not the name of the file")
    return profile


def _unreadable(error: Exception) -> str:
    """Why, without the lines of the file around it: a factory password may stand there."""
    if isinstance(error, OSError):
        return error.strerror or "it cannot be opened"
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or type(error).__name__
    return f"{problem}, line {mark.line + 1}" if mark is not None else str(problem)
