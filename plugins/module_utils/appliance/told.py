# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of one try to log in, and how the signs of a lock-out are known.

`accepted` and `refused` are said only where the device said so; whatever else it does is `no_answer`. The texts are
ours: what a device answered may repeat the password.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

#: Writes a try down before it is made; raises where it may not be made.
Spend = Callable[[], None]

#: What a device says when an account is locked. A page that warns of a lock-out to come is none.
LOCKED_OUT = (
    r"(?i)\btoo many (?:failed |wrong |invalid |incorrect |bad |unsuccessful )*"
    r"(?:log ?ins?|log-ins?|sign-ins?|password|authentication)?[ -]*(?:attempts|failures|tries|retries|log ?ins)"
    r"|\b(?:account|user|login) (?:is|has been|was) (?:now |temporarily )*(?:locked|blocked|disabled|suspended)"
    r"|\btemporarily (?:locked|blocked|banned)\b|\blocked out\b|\baccount locked\b"
    r"|\bcompte (?:est |a été )?(?:verrouillé|bloqué|suspendu)|\btrop de (?:tentatives|essais|échecs)"
)
#: How much of a text is looked at.
MAX_TEXT = 65536


@dataclass(frozen=True)
class Told:
    """result: accepted | refused | locked_out | no_answer. `sign`: of a lock-out, in our words."""

    result: str
    detail: str = ""
    sign: str | None = None


def locked_out(sign: str) -> Told:
    """The device says that the account is locked, or that it wants no further tries."""
    return Told("locked_out", f"a sign of a lock-out: {sign}", sign)


def says_locked(text: str, pattern: str | None) -> bool:
    """Whether a text tells of a lock-out. `pattern`: the profile's own, beside the usual words."""
    text = text[:MAX_TEXT]
    return bool(re.search(LOCKED_OUT, text) or (pattern and re.search(pattern, text, re.MULTILINE)))
