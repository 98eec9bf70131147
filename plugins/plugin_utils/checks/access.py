# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks on access: factory passwords, and who gets into the administration (annex 1, item 3).

What was tried is judged, and only that: a try that did not come to an answer is never a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.visits import Visit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    MAX_ITEMS,
    as_list,
    as_mapping,
    clean_text,
)

_KINDS = ("anonymous", "clinical")


def _entries(visit: Visit, key: str) -> list[Mapping[str, Any]]:
    return [entry for entry in map(as_mapping, as_list(visit.facts.get(key))) if entry]


def _place(entry: Mapping[str, Any]) -> str:
    path = entry.get("path")
    return clean_text(f"{entry.get('service')}:{entry.get('port')}{path if isinstance(path, str) else ''}")


def _unchecked(visit: Visit) -> Verdict:
    return Verdict("visit_aborted" if visit.aborted else "access_not_checked", dict(visit.context))


def _details(entries: list[Mapping[str, Any]]) -> str:
    """The first thing that the checker said about a try without an answer."""
    return next((clean_text(entry["detail"]) for entry in entries if entry.get("detail")), "")


def judge_default_passwords(visit: Visit) -> Verdict:
    """default_passwords: every factory password that is known of this device is refused."""
    entries = _entries(visit, "default_passwords")
    if not entries:
        return _unchecked(visit)

    def told(*results: str) -> list[Mapping[str, Any]]:
        return [entry for entry in entries if entry.get("result") in results]

    accepted, refused = told("accepted"), told("refused")
    observed: dict[str, Any] = {
        "accepted": [clean_text(f"{entry.get('account')} ({_place(entry)})") for entry in accepted][:MAX_ITEMS],
        "refused": [clean_text(f"{entry.get('account')} ({_place(entry)})") for entry in refused][:MAX_ITEMS],
    }
    if accepted:
        return Verdict("default_password_accepted", observed)
    if told("limit_reached"):
        return Verdict("access_limit_reached", observed)
    rest = [entry for entry in entries if entry.get("result") != "refused"]
    if rest:
        observed.update(
            open=[clean_text(f"{entry.get('account')} ({_place(entry)})") for entry in rest][:MAX_ITEMS],
            locked_out=bool(told("locked_out")),
            detail=_details(rest),
        )
        return Verdict("access_inconclusive", observed)
    return Verdict("default_passwords_refused", observed)


def judge_admin_interface(visit: Visit) -> Verdict:
    """admin_interface: the administration refuses both an anonymous visitor and the clinical user."""
    entries = _entries(visit, "admin_interface")
    if not entries:
        return _unchecked(visit)
    places: dict[str, list[str]] = {}
    for kind in _KINDS:
        mine = [entry for entry in entries if entry.get("as") == kind]
        places[kind] = [_place(entry) for entry in mine if entry.get("result") == "accepted"][:MAX_ITEMS]
        places[f"{kind}_refused"] = [_place(entry) for entry in mine if entry.get("result") == "refused"][:MAX_ITEMS]
    observed: dict[str, Any] = {
        "open_to_anonymous": places["anonymous"],
        "open_to_clinical": places["clinical"],
        "refused": list(dict.fromkeys(places["anonymous_refused"] + places["clinical_refused"])),
    }
    if places["anonymous"]:
        return Verdict("admin_open_to_anonymous", observed)
    if places["clinical"]:
        return Verdict("admin_open_to_clinical_user", observed)
    rest = [entry for entry in entries if entry.get("result") != "refused"]
    if rest or not places["anonymous_refused"] or not places["clinical_refused"]:
        # Half of the question was not asked, or came to no answer.
        observed.update(open=list(dict.fromkeys(map(_place, rest)))[:MAX_ITEMS], detail=_details(rest))
        observed["untried_as_clinical"] = not any(entry.get("as") == "clinical" for entry in entries)
        return Verdict("access_inconclusive", observed)
    return Verdict("admin_protected", observed)
