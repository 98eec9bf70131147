# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a cut may have another reason than the version that was asked: pure functions over a visit's connections.

What cuts by turns (a balancer with a dead node), what lets in so many in a while (a limiter, a device of one session),
and what cuts by chance, all cut an old hello too. A version is refused only where none of them explains what was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls.wire import SSLV3, TLS10, TLS11

#: Any so many of two, three or four connections in a row.
_TURNS = (2, 3, 4)
#: Versions that are asked for one after the other; a hello of one offers those below it too.
_OLD = (TLS11, TLS10, SSLV3)
#: A version that alone is cut must be cut so often: servers refuse all that is old in one way.
_FEWEST_ALONE = 3
#: A server spoke: by its hello, of the version, or of the name.
_LET_IN = ("server_hello", "alert:70", "alert:112")


@dataclass(frozen=True)
class Sent:
    """One connection: the form of its hello, the newest version in it, what came.

    `rested`: since the rest before it, nothing had been let in, so that a limiter had no reason to cut it.
    """

    form: bytes
    version: int
    evidence: str
    rested: bool = False

    @property
    def let_in(self) -> bool:
        """Whether a server spoke, and not something that cuts whatever comes."""
        return self.evidence in _LET_IN

    @property
    def kind(self) -> str:
        """What came, whichever alert it was."""
        return self.evidence.partition(":")[0]


def wavers(diary: Sequence[Sent]) -> bool:
    """Whether the same hello was cut once, and let in once: what is cut here says nothing."""
    let_in = {one.form for one in diary if one.let_in}
    return any(one.form in let_in for one in diary if not one.let_in)


def explained(version: int, diary: Sequence[Sent]) -> bool:
    """Whether the cuts of this version may come from something that cuts whatever is asked.

    Its own hellos speak for it; and where those of TLS 1.0, and up to it, were cut alike, and nothing new was cut,
    all that were cut so. (OpenSSL with an elliptic key says alert 80 to TLS 1.1, and 40 to TLS 1.0: alike.) The alert
    40 of SSLv3 is many stacks' own, and speaks for SSLv3 alone.
    """
    seen = {one.kind for one in diary if TLS10 <= one.version <= max(version, TLS10)}
    # A new hello for the other kind of key is refused with alert 40.
    astray = any(one.version > TLS11 and not one.let_in and one.evidence != "alert:40" for one in diary)
    alike = version in _OLD and len(seen) == 1 and not astray
    group = [one for one in diary if alike and one.version in _OLD and one.kind in seen]
    asked = {version, *(one.version for one in group if (one.version, one.evidence) != (SSLV3, "alert:40"))}
    cuts = [at for at, one in enumerate(diary) if one.version in asked and not one.let_in]
    let_in = [at for at, one in enumerate(diary) if one.let_in]
    by_turns = any(not {at % turn for at in cuts} & {at % turn for at in let_in} for turn in _TURNS)
    limited = version in _OLD and not any(diary[at].rested for at in cuts)
    rare = version in _OLD and not alike and len(cuts) < _FEWEST_ALONE
    return by_turns or limited or rare
