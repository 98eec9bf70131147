# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All fuzz targets: importing this module fills the registry."""

from __future__ import annotations

from fuzz import (
    certificate_targets,
    configuration_targets,
    diagnose_targets,
    gateway_targets,
    login_targets,
    observation_targets,
    wire_targets,
)
from fuzz.registry import CORPUS, TARGETS, Target

__all__ = [
    "CORPUS",
    "TARGETS",
    "Target",
    "certificate_targets",
    "configuration_targets",
    "diagnose_targets",
    "gateway_targets",
    "login_targets",
    "observation_targets",
    "wire_targets",
]
