# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a device's observations counts, whether it was seen at all, and which firmware it told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import newest, unusable
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation

#: Endpoint outcomes that the device itself gave. A refusal, a reset or silence may as well be a firewall's.
_ANSWERED = frozenset({"tls", "not_tls", "starttls_refused", "starttls_unavailable"})


def counting(
    observations: Sequence[Observation], device: str, policy: Mapping[str, Any], now: datetime
) -> list[Observation]:
    """The newest observation of each source, where it is neither too old nor undated."""
    sources = dict.fromkeys(item.source for item in observations)
    found = (newest(observations, device, source) for source in sources)
    return [item for item in found if item is not None and unusable(item.at, policy, now) is None]


def was_seen(counted: Sequence[Observation]) -> bool:
    """Whether the device answered, to a visit or to a login."""
    return any(_answered(item) if item.source == "network" else item.outcome == "observed" for item in counted)


def _answered(visit: Observation) -> bool:
    states = set(visit.ports.values())
    if any(item.outcome in _ANSWERED for item in visit.endpoints) or "open" in states:
        return True
    # Of a device that serves nothing, refused connections are all that there is to see.
    return bool(visit.samples) or (not visit.endpoints and "closed" in states)


def firmware(counted: Sequence[Observation]) -> str | None:
    """The firmware's version, as the latest login that could read it tells it."""
    told = [(item.at, item.system.firmware) for item in counted]
    found = [(at, text) for at, text in told if at is not None and text is not None and text.strip()]
    return max(found)[1].strip() if found else None
