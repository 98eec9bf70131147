# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every observation made by logging in begins with; where nothing could be asked, it is all there is."""

from __future__ import annotations

from typing import Any

SCHEMA_VERSION = 1


class NotAsked(Exception):
    """A device that one does not log in on; `reason` and `detail` are those of its observation."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


def login_observation(
    device: str,
    source: str,
    vantage: str,
    times: tuple[str, str],
    outcome: str,
    reason: str | None = None,
    detail: str | None = None,
) -> dict[str, Any]:
    """`source`: gateway | appliance | access; `times`: begun and ended (ISO 8601); no key `detail` for None."""
    observation: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "device": device,
        "source": source,
        "vantage": vantage,
        "started_at": times[0],
        "finished_at": times[1],
        "outcome": outcome,
        "reason": reason,
    }
    if detail is not None:
        observation["detail"] = detail
    return observation
