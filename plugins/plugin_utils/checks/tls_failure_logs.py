# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on TLS failures in the logs: the same peer failing for the same cause again and again (annex 1, item 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import from_login
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    as_list,
    as_mapping,
    as_number,
    clean_text,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import instant_text, parse_instant

_TOLD = 12


#: A device's log may be written a little later than our visit ends.
_SLACK = timedelta(seconds=30)


def judge_failures(
    data: Mapping[str, Any], policy: Mapping[str, Any], visited: Iterable[tuple[datetime, datetime]] = ()
) -> Verdict:
    """tls_failure_logs: fewer than `tls_failures_repeated` failures of one peer for one cause.

    visited: when we were there ourselves, by the device's clock. Failures without an address are no incident: some
    services name nobody, and what they note may be our own visits.
    """
    limit = policy["tls_failures_repeated"]
    since, total = parse_instant(data.get("since")), as_number(data.get("total"))
    counted: dict[tuple[str | None, str], dict[str, Any]] = {}
    for group in map(as_mapping, as_list(data.get("groups"))):
        count = as_number(group.get("count"))
        if count is None or count <= 0:
            continue
        peer = group.get("peer")
        key = (clean_text(peer) if isinstance(peer, str) and peer else None, clean_text(group.get("cause")))
        if key[0] is None:
            count -= _ours(group, visited)
        last = parse_instant(group.get("last_at"))
        entry = counted.setdefault(key, {"peer": key[0], "cause": key[1], "count": 0, "last_at": None})
        entry["count"] += int(count)
        if last is not None:
            entry["last_at"] = max(entry["last_at"] or "", instant_text(last))
    observed: dict[str, Any] = {
        "since": None if since is None else instant_text(since),
        "total": sum(entry["count"] for entry in counted.values()) if total is None else int(total),
    }
    expected = {"fewer_than": limit}
    ordered = sorted(counted.values(), key=lambda entry: (-entry["count"], entry["cause"], entry["peer"] or ""))
    repeated = [entry for entry in ordered if entry["count"] >= limit and entry["peer"] is not None]
    if repeated:
        return Verdict("repeated_tls_failures", {**observed, "repeated": repeated[:_TOLD]}, expected)
    if since is None or (not counted and observed["total"] >= limit):
        # How far back was looked, or what was counted, is not known.
        return Verdict("login_subset_failed", {**observed, "subset": "tls_failures", "detail": ""}, expected)
    nameless = [entry for entry in ordered if entry["count"] >= limit]
    if nameless:
        return Verdict("failures_without_address", {**observed, "repeated": nameless[:_TOLD]}, expected)
    return Verdict("no_repeated_failures", observed, expected)


def _ours(group: Mapping[str, Any], visited: Iterable[tuple[datetime, datetime]]) -> int:
    """How many failures of a group fall into our own visits."""
    moments = [moment for moment in map(parse_instant, as_list(group.get("moments"))) if moment is not None]
    return sum(any(begun - _SLACK <= moment <= ended + _SLACK for begun, ended in visited) for moment in moments)


CHECK = (
    "tls_failure_logs",
    "device",
    from_login("tls_failures", lambda s, told: judge_failures(told.data, s.policy, s.visited)),
)
