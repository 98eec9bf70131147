# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes from outside, brought to a known shape: bounded printable text, finite numbers, lists and mappings."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.visible import visible

MAX_TEXT = 256
MAX_ITEMS = 50
_MAX_NUMBER = 1e15


@functools.lru_cache(maxsize=8192)
def _clean(text: str) -> str:
    """The same few names come up on every finding of a device, and on many devices."""
    return visible(text, MAX_TEXT)


def clean_text(value: Any) -> str:
    """`value` as one printable line of at most MAX_TEXT characters."""
    return _clean(value) if isinstance(value, str) and len(value) <= MAX_TEXT else visible(value, MAX_TEXT)


def clean_texts(values: Any) -> list[str]:
    """The strings of a list, cleaned; the first MAX_ITEMS of them."""
    return [clean_text(value) for value in as_list(values)[:MAX_ITEMS] if isinstance(value, str)]


def optional_text(value: Any) -> str | None:
    """As `clean_text`; None stays None."""
    return None if value is None else clean_text(value)


def as_mapping(value: Any) -> Mapping[str, Any]:
    """`value` where it is a mapping, else an empty one: a damaged observation is one that tells nothing."""
    # A dictionary is what nearly all are, and asking whether it is one costs a tenth of asking for a Mapping.
    return value if isinstance(value, (dict, Mapping)) else {}


def as_list(value: Any) -> list[Any]:
    """`value` as a list where it is a list or a tuple, else empty."""
    return list(value) if isinstance(value, (list, tuple)) else []


def as_number(value: Any) -> float | None:
    """A finite number as float; None for anything else (booleans, NaN, infinities, text)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -_MAX_NUMBER < value < _MAX_NUMBER else None
