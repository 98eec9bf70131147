# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One value of what a device answered, from the form that its profile names to ours."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock.moments import iso
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.profile import FACTS, WayToRead

_MAX_WORD = 200

_MONTHS = {
    "jan": 1, "feb": 2, "fev": 2, "fév": 2, "mar": 3, "apr": 4, "avr": 4, "may": 5, "mai": 5, "jun": 6, "juin": 6,
    "jul": 7, "juil": 7, "aug": 8, "aou": 8, "aoû": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12, "déc": 12,
}  # fmt: skip


class Unread(Exception):
    """The answer is not what the profile expects; the text says of which output. `status`: that of the subset."""

    def __init__(self, text: str, status: str = "failed") -> None:
        super().__init__(text)
        self.status = status


def converted(reading: WayToRead, found: Any) -> Any:
    if reading.translation:
        word = str(found).strip().lower()
        if word not in reading.translation:
            raise Unread(f"{excerpt(str(found))} in the answer to {reading.output} is none of the profile's words")
        return reading.translation[word]
    try:
        return _FORMS[reading.form](found, reading)
    except (ValueError, OverflowError, OSError, TypeError):
        raise Unread(f"{excerpt(str(found))} in the answer to {reading.output} is no {reading.form}") from None


def _text_of(value: Any, _reading: WayToRead) -> str:
    text = one_line(value)
    if not text or isinstance(value, bool):
        raise ValueError("no text")
    return text


def _epoch_of(value: Any, _reading: WayToRead) -> tuple[float, float]:
    seconds = _number(value)
    datetime.fromtimestamp(seconds, timezone.utc)
    return seconds, 0.0 if seconds % 1 else 1.0


def _iso_of(value: Any, reading: WayToRead) -> tuple[float, float]:
    """(epoch seconds, seconds that the device does not show). A time without a zone proves nothing: ValueError."""
    if isinstance(value, Mapping):
        value = _assembled(value)
    text = re.sub(r"\s*(?:UTC|GMT|Z)$", "+00:00", str(value).strip())
    text = re.sub(r"\s*([+-]\d\d):?(\d\d)$", r"\1:\2", text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if not reading.utc:
            raise ValueError("no zone")
        moment = moment.replace(tzinfo=timezone.utc)
    shown_to = 60.0 if re.search(r"[T ]\d\d:\d\d(?:[+-]|$)", text) else 0.0 if moment.microsecond else 1.0
    return moment.timestamp(), shown_to


def _assembled(groups: Mapping[str, Any]) -> str:
    month = str(groups["month"]).lower().rstrip(".")
    number = int(month) if month.isdigit() else _MONTHS.get(month[:4], _MONTHS.get(month[:3], 0))
    seconds = f":{groups['second']}" if groups.get("second") else ""
    return (
        f"{int(groups['year']):04d}-{number:02d}-{int(groups['day']):02d} "
        f"{int(groups['hour']):02d}:{int(groups['minute']):02d}{seconds}{groups.get('zone') or ''}"
    )


def _utc_offset_of(value: Any, _reading: WayToRead) -> int:
    match = re.fullmatch(r"([+-])(\d\d):?(\d\d)", str(value).strip())
    if match is None:
        raise ValueError("no offset")
    seconds = int(match[2]) * 3600 + int(match[3]) * 60
    return -seconds if match[1] == "-" else seconds


def _seconds_of(value: Any, reading: WayToRead) -> float | int:
    seconds = _number(value)
    return int(seconds) if FACTS[reading.fact] == "utc_offset" else seconds


def _boolean_of(value: Any, _reading: WayToRead) -> bool:
    flag = flag_of(value)
    if flag is None:
        raise ValueError("no boolean")
    return flag


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError("no number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("no finite number")
    return number


_FORMS: dict[str, Any] = {
    "text": _text_of,
    "epoch": _epoch_of,
    "iso": _iso_of,
    "utc_offset": _utc_offset_of,
    "seconds": _seconds_of,
    "milliseconds": lambda value, _reading: _number(value) / 1000,
    "boolean": _boolean_of,
}


def flag_of(value: Any) -> bool | None:
    if isinstance(value, bool) or value is None:
        return value
    word = str(value).strip().lower()
    return True if word in ("true", "yes", "on", "1") else False if word in ("false", "no", "off", "0") else None


def whole_of(value: Any) -> int | None:
    try:
        return None if isinstance(value, bool) else int(str(value))
    except ValueError:
        return None


def instant_of(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return None if moment.tzinfo is None else iso(moment.timestamp(), "seconds")


def day_of(value: Any) -> str | None:
    match = re.match(r"\d{4}-\d\d-\d\d(?!\d)", str(value).strip()) if value is not None else None
    return match[0] if match else None


def one_line(value: Any) -> str:
    """What a device sent, as one short line that harms no terminal."""
    text = " ".join(str(value)[: 4 * _MAX_WORD].split())[:_MAX_WORD]
    return "".join(character if character.isprintable() else "?" for character in text)


def excerpt(text: str) -> str:
    words = one_line(text[:400])
    return repr(words if len(words) <= 60 else words[:57] + "...")
