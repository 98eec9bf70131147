# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same inputs at every run, so that a red run can be repeated; HYPOTHESIS_PROFILE=exploring draws new ones."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

# Damaged bytes do not shrink to anything that a person reads better: run.py makes them small.
_COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}
settings.register_profile("repeatable", derandomize=True, **_COMMON)
settings.register_profile("exploring", max_examples=5000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
