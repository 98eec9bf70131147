# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SHA-256 fingerprints as people write them."""

from __future__ import annotations

import re
from typing import Any

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_LABEL = re.compile(
    r"^(?:empreinte |fingerprint )?sha-?256(?: fingerprint| hash)? ?[:=]? ?|^(?:empreinte|fingerprint) ?[:=]? ?"
)


def plain_fingerprint(value: Any) -> str | None:
    """64 lower hexadecimal digits from "AB:CD:…", as openssl, keytool, certutil and browsers print it; None where it is
    no SHA-256."""
    if not isinstance(value, str):
        return None
    if _FINGERPRINT.fullmatch(value):
        return value
    text = re.sub(r"[:\s]", "", _LABEL.sub("", value.strip().lower()))
    return text if _FINGERPRINT.fullmatch(text) else None
