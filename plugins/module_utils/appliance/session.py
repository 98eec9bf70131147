# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every session with an appliance has: a way to fail that people understand, limits of time, and what came of a
try to log in.

`accepted` and `refused` are said only where the device said so; whatever else it does is `no_answer`. The texts are
ours: what a device answered may repeat the password.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.addresses import why_no_device

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


class SessionFailed(Exception):
    """No session, or not all of it. `reason` is a closed word of the documentation, the text is for people.

    `answers`: what was answered before.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.answers: dict[str, Any] = {}


class PortClosed(SessionFailed):
    """The device is there, and says that nothing listens on this port."""


class Allowance:
    """The time of one device: `step` seconds without a sign of life, and an end on the monotonic clock."""

    def __init__(self, step: float, deadline: float) -> None:
        self.step = step
        self._deadline = deadline

    def seconds(self) -> float:
        """What the next step may take; SessionFailed when the device's time is over."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise SessionFailed("visit_time_over", "the time for this device is over")
        return min(self.step, left)

    def left(self) -> float:
        """What is left of the device's time; not below 0."""
        return max(0.0, self._deadline - time.monotonic())


def numeric_address(address: str) -> str:
    """The first address that a name leads to; SessionFailed where it leads to none, or to one that is no device's."""
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        raise SessionFailed("name_not_resolved", f"the name {address} leads to no address") from None
    for numeric in found:
        problem = why_no_device(numeric)
        if problem:
            raise SessionFailed("name_not_resolved", f"the name {address} leads to {numeric}: {problem}")
    return found[0]


def connect(address: str, port: int, allowance: Allowance) -> socket.socket:
    """A TCP connection; SessionFailed with name_not_resolved or no_answer."""
    try:
        return socket.create_connection((address, port), timeout=allowance.seconds())
    except (socket.gaierror, UnicodeError):
        raise SessionFailed("name_not_resolved", f"the name {address} leads to no address") from None
    except socket.timeout:
        raise SessionFailed("no_answer", f"nothing answers on port {port}") from None
    except ConnectionRefusedError as error:
        raise PortClosed("no_answer", f"port {port}: {error.strerror or error}") from None
    except OSError as error:
        raise SessionFailed("no_answer", f"port {port}: {error.strerror or error}") from None


@contextlib.contextmanager
def cut_after(sock: socket.socket, seconds: float) -> Iterator[None]:
    """End the connection after so many seconds, whatever waits on it: not every library call has a limit of its own."""

    def cut() -> None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


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
