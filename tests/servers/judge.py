# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visits with their findings. Apart from probe, which runs on a vantage's old Pythons, without Ansible."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.filter.assess import assess
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.inventory.card import card_from_dictionary
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.observation.interpret import VantageClock, interpret
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.judge import TrustJudge
from servers.probe import visit


def judged(device: dict[str, Any], root: bytes, **settings: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Visit a device as a task does: (its observation, its findings). `root`: DER, the hospital's authority."""
    now = datetime.now(timezone.utc)
    device_as_read = card_from_dictionary(device, now)
    raw = visit(device_as_read, **settings)
    observation = interpret(raw, device_as_read, TrustJudge([root]), "localhost", now, VantageClock())
    return observation, assess([observation], [device], now=now.isoformat())
