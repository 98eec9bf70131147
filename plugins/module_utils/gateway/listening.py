# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that a gateway listens on, from /proc/net, and the program behind each where this login may see it."""

from __future__ import annotations

import ipaddress
import os
import re
import struct
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host, NotPermitted, NotSupported

_TABLES = {"tcp": ("/proc/net/tcp", "/proc/net/tcp6"), "udp": ("/proc/net/udp", "/proc/net/udp6")}
#: TCP_LISTEN; an unconnected UDP socket is TCP_CLOSE.
_WAITING = {"tcp": "0A", "udp": "07"}


def listening(host: Host, _options: dict[str, Any]) -> dict[str, Any]:
    """{"listening": [{"protocol", "address", "port", "program"}], "detail"}."""
    sockets: dict[tuple[str, str, int], str] = {}
    seen = False
    for protocol, paths in _TABLES.items():
        for path in paths:
            text = host.read(path)
            if text is None:
                continue
            seen = True
            for address, port, inode in parse_table(text, _WAITING[protocol]):
                sockets.setdefault((protocol, address, port), inode)
    if not seen:
        raise NotSupported("no /proc/net/tcp")
    programs = _programs(host)
    found = [
        {"protocol": protocol, "address": address, "port": port, "program": programs.get(inode)}
        for (protocol, address, port), inode in sorted(sockets.items())
    ]
    hidden = not host.privileged() and any(entry["program"] is None for entry in found)
    return {
        "listening": found,
        "detail": "programs of other accounts are seen by a privileged login only" if hidden else "",
    }


def parse_table(text: str, state: str) -> list[tuple[str, int, str]]:
    """(address, port, inode) of the sockets in `state`, from a /proc/net table."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 10 or words[3] != state or ":" not in words[1]:
            continue
        address, _colon, port = words[1].partition(":")
        try:
            # A UDP socket with a peer is a conversation, not a service.
            if state == "07" and int(words[2].rsplit(":", 1)[1], 16):
                continue
            found.append((parse_address(address), int(port, 16), words[9]))
        except (ValueError, struct.error):
            continue
    return found


def parse_address(text: str) -> str:
    """An address as the kernel writes it: 32-bit words in the machine's byte order, in hexadecimal."""
    data = bytes.fromhex(text)
    packed = b"".join(struct.pack("=I", word) for word in struct.unpack(f">{len(data) // 4}I", data))
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _programs(host: Host) -> dict[str, str]:
    """Program by socket inode. Processes of other accounts cannot be looked into without privilege."""
    found: dict[str, str] = {}
    for descriptor in host.glob("/proc/[0-9]*/fd/*"):
        target = re.fullmatch(r"socket:\[(\d+)\]", host.descriptor(descriptor) or "")
        if not target:
            continue
        process = os.path.dirname(os.path.dirname(descriptor))
        try:
            name = (host.read(f"{process}/comm") or "").strip()
        except NotPermitted:
            continue
        found.setdefault(target[1], name)
    return found
