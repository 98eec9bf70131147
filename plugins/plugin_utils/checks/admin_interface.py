# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on the administration: who gets into it without a right to (annex 1, item 3).

What was tried is judged, and only that: a try that did not come to an answer is never a refusal.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.access import (
    access_details,
    access_place,
    access_unchecked,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import from_access
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import MAX_ITEMS

_KINDS = ("anonymous", "clinical")


def judge_admin_interface(visit: Visit) -> Verdict:
    """admin_interface: the administration refuses both an anonymous visitor and the clinical user."""
    entries = visit.facts.admin_interface
    if not entries:
        return access_unchecked(visit)
    places: dict[str, list[str]] = {}
    for kind in _KINDS:
        for result in ("accepted", "refused"):
            mine = [entry for entry in entries if entry.who == kind and entry.result == result]
            places[f"{kind}_{result}"] = [access_place(entry) for entry in mine][:MAX_ITEMS]
    observed: dict[str, Any] = {
        "open_to_anonymous": places["anonymous_accepted"],
        "open_to_clinical": places["clinical_accepted"],
        "refused": list(dict.fromkeys(places["anonymous_refused"] + places["clinical_refused"])),
    }
    if places["anonymous_accepted"]:
        return Verdict("admin_open_to_anonymous", observed)
    if places["clinical_accepted"]:
        return Verdict("admin_open_to_clinical_user", observed)
    rest = [entry for entry in entries if entry.result != "refused"]
    if rest or not places["anonymous_refused"] or not places["clinical_refused"]:
        # Half of the question was not asked, or came to no answer.
        observed.update(open=list(dict.fromkeys(map(access_place, rest)))[:MAX_ITEMS], detail=access_details(rest))
        observed["untried_as_clinical"] = not any(entry.who == "clinical" for entry in entries)
        return Verdict("access_inconclusive", observed)
    return Verdict("admin_protected", observed)


CHECK = ("admin_interface", "device", lambda s: [from_access(s, judge_admin_interface)])
