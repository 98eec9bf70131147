# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that gateway_info gives its subsets where a task gives none; `now` is the test's own."""

from __future__ import annotations

from typing import Any

OPTIONS: dict[str, Any] = {
    "log_days": 7,
    "log_files": [],
    "own_addresses": [],
    "java_keystores": [],
    "java_default": {"password": "changeit"},
    "nss_databases": [],
    "bundles": [],
    "certificate_files": [],
    "backup_paths": [],
}
