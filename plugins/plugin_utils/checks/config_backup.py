# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on configuration backups: there is one, and it is recent (annex 1, item 4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import from_login
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import ConfigBackup
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import (
    DAY_SECONDS,
    instant_text,
    parse_instant,
    whole_days,
)

# The clocks of two machines may differ a little.
_FUTURE_ALLOWED = timedelta(days=1)


def judge_backup(data: ConfigBackup, policy: Mapping[str, Any], now: datetime) -> Verdict:
    """config_backup: the newest backup is at most `config_backup_max_age_days` old."""
    limit = policy["config_backup_max_age_days"]
    observed: dict[str, Any] = {"made_at": None, "path": data.path}
    expected = {"max_age_days": limit}
    if data.made_at is None:
        return Verdict("backup_missing", observed, expected)
    made = parse_instant(data.made_at)
    if made is None or made - now > _FUTURE_ALLOWED:
        return Verdict("backup_undated", observed, expected)
    age = (now - made).total_seconds()
    observed.update(made_at=instant_text(made), age_days=max(0, whole_days(age)))
    return Verdict("backup_too_old" if age > limit * DAY_SECONDS else "backup_recent", observed, expected)


CHECK = (
    "config_backup",
    "device",
    from_login("config_backup", lambda s, told: judge_backup(told.data, s.policy, s.now)),
)
