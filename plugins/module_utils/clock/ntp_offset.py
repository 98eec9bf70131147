# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far this machine's clock is from an NTP server's, by a few SNTP queries (RFC 4330)."""

from __future__ import annotations

import socket
import time
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.clock import sntp

_LARGEST_ANSWER = 512
_MAX_ADDRESSES = 16


def ask(server: str, *, timeout: float, queries: int, port: int = sntp.PORT) -> dict[str, Any]:
    """One server: {"server", "addresses", "address", "offset_seconds", "uncertainty_seconds", "stratum", "error"}.

    offset_seconds: this machine minus the server, so that negative is slow; None, with `error`, where no usable answer
    came. timeout: seconds for each answer. An address that does not answer is left for the next one of the name.
    """
    told: dict[str, Any] = {
        "server": server,
        "addresses": [],
        "address": None,
        "offset_seconds": None,
        "uncertainty_seconds": None,
        "stratum": None,
        "error": None,
    }
    try:
        found = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM)[:_MAX_ADDRESSES]
    except (OSError, UnicodeError) as error:
        return {**told, "error": f"the name is not known here: {error}"}
    told["addresses"] = list(dict.fromkeys(str(place[4][0]) for place in found))
    for family, kind, protocol, _name, place in found:
        try:
            with socket.socket(family, kind, protocol) as connection:
                connection.settimeout(timeout)
                connection.connect(place)
                best, error_text = _best(connection, queries)
        except OSError as error:
            best, error_text = None, f"no answer ({error.strerror or 'silence'})"
        told["error"] = error_text
        if best is not None:
            offset, uncertainty, stratum = best
            told.update(address=str(place[0]), offset_seconds=offset, uncertainty_seconds=uncertainty, stratum=stratum)
            return told
    return told


def _best(connection: socket.socket, queries: int) -> tuple[tuple[float, float, int] | None, str | None]:
    """(offset, uncertainty, stratum) of the least uncertain answer, else what was wrong. OSError for silence."""
    answers = []
    for _number in range(queries):
        query = sntp.new_query()
        sent_at = time.time()
        connection.send(query.packet)
        answer = connection.recv(_LARGEST_ANSWER)
        seen = sntp.offset(query, answer, sent_at, time.time())
        if seen is None:
            return None, "the answer is none of a time server"
        if answer[0] >> 6 == 3 or answer[1] > 15:
            return None, "the server says that its own clock is not synchronised"
        answers.append((0.0 - seen[0], seen[1], answer[1]))
    return min(answers, key=lambda found: found[1]), None
