# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on the device's label (annex 1, item 5). A person answers it."""

from __future__ import annotations

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict

CHECK = ("label", "device", lambda s: [Verdict("attestation_needed")])
