# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host can tell of the way to another without sending it anything: its name, the route, the route's MTU.

Names are asked of the resolver of this host. The route is asked of this host's kernel: a UDP socket that is connected
and never written to sends no packet, and knows which address and which MTU it would use.
"""

from __future__ import annotations

import socket
from typing import Any

#: linux/in.h, linux/in6.h; Python does not name them everywhere.
_IP_MTU, _IPV6_MTU = 14, 24
#: Discard. Nothing is sent to it: the kernel wants a port to look up a route.
_PORT = 9
_MOST = 16


def look(host: str) -> dict[str, Any]:
    """{"host", "addresses", "route", "source", "mtu", "error"} of one name or address.

    route is None where it was not asked, because the name has no address; mtu in octets, None where the kernel does
    not say.
    """
    found: dict[str, Any] = {"host": host, "addresses": [], "route": None, "source": None, "mtu": None, "error": None}
    try:
        answers = socket.getaddrinfo(host, _PORT, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        found["error"] = getattr(error, "strerror", None) or str(error)
        return found
    found["addresses"] = list(dict.fromkeys(answer[4][0] for answer in answers))[:_MOST]
    for family, _kind, _protocol, _name, target in answers[:_MOST]:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(target)
                found["source"] = probe.getsockname()[0]
                found["mtu"] = _mtu(probe, family)
        except OSError as error:
            found["route"], found["error"] = False, error.strerror
            continue
        found["route"], found["error"] = True, None
        return found
    return found


def _mtu(probe: socket.socket, family: int) -> int | None:
    level, option = (socket.IPPROTO_IPV6, _IPV6_MTU) if family == socket.AF_INET6 else (socket.IPPROTO_IP, _IP_MTU)
    try:
        return probe.getsockopt(level, option)
    except OSError:
        return None
