# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else may have cut the hellos of a version."""

from __future__ import annotations

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.cuts import Sent, explained, wavers
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import SSLV3, TLS10, TLS11, TLS12, TLS13

VERSIONS = {"n": TLS13, "2": TLS12, "1": TLS11, "0": TLS10, "3": SSLV3}


def diary(text: str) -> list[Sent]:
    """ "2+ 1! |0~": TLS 1.2 let in, TLS 1.1 cut; and, after a rest, TLS 1.0 cut in another way."""
    found, rested = [], False
    for word in text.split():
        rested = rested or word[0] == "|"
        version, how = word.strip("|")
        evidence = {"+": "server_hello", "-": "alert:70", "!": "eof", "~": "alert:40", "?": "alert:80"}[how]
        found.append(Sent(version.encode(), VERSIONS[version], evidence, rested))
        rested = rested and how in "!~?"
    return found


@pytest.mark.parametrize(
    ("visit", "version", "doubtful"),
    [
        # The usual visits to servers that cut all that is old.
        ("2+ 1! n+ |0! 1! 3!", TLS11, False),
        ("2+ 1! n+ |0! 1! 3!", TLS10, False),
        ("2+ 1! n+ |0! 1! 3!", SSLV3, False),
        ("2+ 1! n+ |0! 3! 2+", TLS11, False),
        # SSLv3 has an alert of its own, as with OpenSSL 3.0.
        ("2+ 1! n+ |0! 1! 3~", TLS10, False),
        ("2+ 1! n+ |0! 1! 3~", SSLV3, False),
        # OpenSSL with an elliptic key: the other kind of key is refused, and each old version with another alert.
        ("2+ 2~ 1? n+ |0~ 1~ 1? 3~", TLS11, False),
        ("2+ 2~ 1? n+ |0~ 1~ 1? 3~", TLS10, False),
        ("2+ 2~ 1? n+ |0~ 1~ 1? 3~", SSLV3, False),
        # No rest: a limiter.
        ("2+ 1! n+ 0! 1! 3!", TLS11, True),
        # Every second; two of three; three of four.
        ("2+ 1! 2+ |1! 2+ |1!", TLS11, True),
        ("2+ 1! 0! n+ |1! 3!", TLS11, True),
        ("2+ 1! 0! 3! n+ |1!", TLS11, True),
        # Another old hello was understood: this version must speak for itself, and more than once or twice.
        ("2+ 1! n+ |0- 1!", TLS11, True),
        ("2+ 1! n+ |0- 1! |1! |1!", TLS11, False),
        # Cut in two ways, or something new was cut too.
        ("2+ 1! n+ |0~ 1! 3!", TLS11, True),
        ("2+ 1! n! n+ |0! 1! 3!", TLS11, True),
    ],
)
def test_a_version_is_refused_where_nothing_else_explains_its_cuts(visit: str, version: int, doubtful: bool) -> None:
    assert explained(version, diary(visit)) is doubtful


@pytest.mark.parametrize(
    ("visit", "found"), [("2+ 1! 2!", True), ("2! 2+", True), ("2+ 1! 1!", False), ("1- 1-", False)]
)
def test_the_same_hello_cut_and_let_in(visit: str, found: bool) -> None:
    assert wavers(diary(visit)) is found
