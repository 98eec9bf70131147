# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of several verdicts on one check the worst counts, in whichever order they come."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.assess.settle import settle
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.rules.checklist import load_checklist

#: Check -> its reasons, the one that counts first.
ORDERS = {
    "certificate_name": ("name_mismatch", "name_only_in_common_name", "name_covered", "expected_name_missing"),
    "certificate_trust": ("revoked", "incomplete_chain", "some_clients_refuse", "trusted", "trust_undetermined"),
    "clock_offset": (
        *("offset_breaks_validation", "offset_beyond_tolerance", "clock_sources_disagree", "offset_within_tolerance"),
    ),
}


@pytest.mark.parametrize("check", ORDERS)
def test_the_worst_counts(check: str) -> None:
    spec = load_checklist().by_name[check]
    for worse, better in itertools.combinations(ORDERS[check], 2):
        for pair in ((worse, better), (better, worse)):
            assert settle(spec, [Verdict(reason) for reason in pair]).reason == worse
