# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check on trust stores: the hospital's root is where the device's applications look (white paper, 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.subject import from_login
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.evidence.verdict import Verdict
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.login import TrustStore
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.clean import (
    MAX_ITEMS,
    as_list,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.fingerprints import plain_fingerprint
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.instants import (
    DAY_SECONDS,
    instant_text,
    whole_days,
)

_UNTOLD = TrustStore()


def _roots(device: Mapping[str, Any], policy: Mapping[str, Any]) -> list[str]:
    """The roots that the device must hold: its own list, else the hospital's."""
    declared = as_list(device.get("trust_anchors_sha256")) or as_list(policy["trust_store_roots"])
    return sorted({found for found in map(plain_fingerprint, declared) if found})


def _first_end(stores: Sequence[TrustStore], roots: Sequence[str]) -> tuple[datetime, str] | None:
    """(end, fingerprint) of the hospital's root that ends first, of those whose end a store tells."""
    ends = [
        (end, fingerprint)
        for store in stores
        for value, end in zip(store.fingerprints_sha256, store.ends_on, strict=False)
        if (fingerprint := plain_fingerprint(value)) is not None and fingerprint in roots and end is not None
    ]
    return min(ends, default=None)


def judge_trust_store(
    device: Mapping[str, Any], data: Sequence[TrustStore], policy: Mapping[str, Any], now: datetime | None = None
) -> Verdict:
    """trust_store: every root of the hospital is in a store of the system or in one of an application.

    An application's own store (Java, NSS, a bundle) that lacks it fails too, though less: the application looks there
    and nowhere else. A store of the system that lacks it, beside an application's that has it, is only told.

    A root that is held and ends soon takes all that it vouches for with it: judged where `now` is given, by the days of
    the policy, since a root's lifetime is no measure of the time that its replacement everywhere takes.
    """
    roots = _roots(device, policy)
    stores = [store for store in data if store != _UNTOLD]
    readable = [store for store in stores if store.readable is True]
    held = {
        index: {found for found in map(plain_fingerprint, store.fingerprints_sha256) if found}
        for index, store in enumerate(readable)
    }
    observed: dict[str, Any] = {
        "stores": _paths(readable),
        "unreadable": _paths([store for store in stores if store.readable is not True]),
    }
    if not roots:
        return Verdict("hospital_root_not_declared", observed)
    expected = {"roots": roots}
    wanted = set(roots)
    without = [store for index, store in enumerate(readable) if not wanted <= held[index]]
    missing = sorted(wanted.difference(*held.values())) if held else roots
    observed.update(without=_paths(without), missing=missing)
    if not readable:
        return Verdict("trust_store_unreadable", observed, expected)
    if missing:
        # What cannot be read may hold it.
        return Verdict(
            "trust_store_unreadable" if observed["unreadable"] else "hospital_root_missing", observed, expected
        )
    first = None if now is None else _first_end(readable, roots)
    left = None if first is None or now is None else (first[0] - now).total_seconds()
    ending: dict[str, Any] = {}
    if first is not None and left is not None and left < policy["plan_days"] * DAY_SECONDS:
        ending = {
            "authority": first[1],
            "authority_fingerprint_sha256": first[1],
            "not_after": instant_text(first[0]),
            "days_left": whole_days(left),
        }
        if left < 0:
            return Verdict("hospital_root_expired", {**observed, **ending}, expected, first[0].date().isoformat())
    applications = [store for store in without if store.kind != "system"]
    if applications:
        observed["without"] = _paths(applications)
        return Verdict("hospital_root_not_everywhere", observed, expected)
    if first is not None and ending:
        return Verdict("hospital_root_ends_soon", {**observed, **ending}, expected, first[0].date().isoformat())
    if observed["unreadable"]:
        return Verdict("trust_store_unreadable", observed, expected)
    return Verdict("hospital_root_present", observed, expected)


def _paths(stores: Sequence[TrustStore]) -> list[str]:
    # A device that lists its authorities does not say where it keeps them.
    return [store.path or store.kind or "?" for store in stores[:MAX_ITEMS]]


CHECK = (
    "trust_store",
    "device",
    from_login("trust_stores", lambda s, told: judge_trust_store(s.device, told.data, s.policy, s.now)),
)
