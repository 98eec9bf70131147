# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What places are called."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.places import (
    CLIENT,
    ENDPOINT,
    FILE,
    PEER,
    declared_names,
    peer_key,
    place_label,
)


@pytest.mark.parametrize(
    ("kind", "place", "label"),
    [
        (ENDPOINT, {"service": "https", "port": 443}, "https:443"),
        (ENDPOINT, {"service": None, "port": 2762}, "tls:2762"),
        (ENDPOINT, {"service": "di\u202ecom", "port": 104}, "di[U+202E]com:104"),
        (PEER, {"names": ["pacs.example", "pacs"], "address": "10.0.0.1", "port": 2762}, "peer:pacs.example:2762"),
        (PEER, {"names": [], "address": "10.0.0.1", "port": 2762}, "peer:10.0.0.1:2762"),
        (PEER, {"names": ["a\u202eb"], "port": 443}, "peer:a[U+202E]b:443"),
        (PEER, {"names": [None, ""], "address": "2001:db8::1", "port": 443}, "peer:2001:db8::1:443"),
        (CLIENT, {"path": "/etc/ssl/device.pem"}, "client:/etc/ssl/device.pem"),
        (FILE, {"path": "*"}, "file:*"),
    ],
)
def test_a_place_is_called(kind: str, place: dict[str, Any], label: str) -> None:
    assert place_label(kind, place) == label


def test_a_peer_is_observed_by_its_address_whatever_it_is_called() -> None:
    assert peer_key({"names": ["pacs"], "address": "10.0.0.1", "port": 2762}) == "peer:10.0.0.1:2762"


@pytest.mark.parametrize("names", [None, "echo-004", 7, [None, 4, ""]])
def test_names_that_are_none(names: Any) -> None:
    assert declared_names({"names": names}) == ()
