# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fingerprint is taken as a program printed it, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.fingerprints import plain_fingerprint

PLAIN = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PAIRS = ":".join(PLAIN[at : at + 2] for at in range(0, 64, 2)).upper()


@pytest.mark.parametrize(
    "given",
    [
        PLAIN,
        PLAIN.upper(),
        f" {PAIRS}\n",
        PAIRS.replace(":", " "),
        f"sha256:{PLAIN}",
        f"SHA256 Fingerprint={PAIRS}",  # openssl 1.1
        f"sha256 Fingerprint={PAIRS}",  # openssl 3
        f"SHA256: {PAIRS}",  # keytool
        f"SHA-256: {PAIRS}",
        f"SHA-256 Fingerprint {PAIRS}",  # Chromium
        f"Empreinte SHA-256\xa0: {PAIRS}",
        f"{PAIRS[:48]}\n{PAIRS[48:]}",
    ],
)
def test_as_programs_print_it(given: str) -> None:
    assert plain_fingerprint(given) == PLAIN


@pytest.mark.parametrize(
    "given",
    ["", None, 7, PLAIN[1:], PLAIN + "0", f"SHA1 Fingerprint={PAIRS[:59]}", f"SHA1 Fingerprint={PAIRS}", "x" * 64],
)
def test_what_is_none(given: object) -> None:
    assert plain_fingerprint(given) is None
