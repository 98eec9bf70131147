# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses can be one device's: neither nobody's, nor everybody's, nor our own by another name."""

from __future__ import annotations

import ipaddress
import re

#: A last label that a resolver may take for a number: whole, hexadecimal and octal forms of IPv4 (RFC 3493, inet_aton).
_NUMBER = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)\.?")


def why_no_device(address: str) -> str | None:
    """Why an address literal, or a host name that reads as one, is no device's; None where it can be."""
    bare, mark, zone = address.partition("%")
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        if ":" not in bare and _NUMBER.fullmatch(bare.rpartition(".")[2] or bare.rstrip(".").rpartition(".")[2]):
            return "write an IPv4 address as four numbers from 0 to 255 without leading zeros"
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.packed[:10] == bytes(10) and parsed.packed[10:12] in (b"\xff\xff", b"\x00\x00") and int(parsed) > 1:
            return why_no_device(str(ipaddress.IPv4Address(parsed.packed[12:])))
        if parsed.is_link_local and not (mark and zone):
            return "a link-local address needs its zone, as in fe80::1%eth0"
    elif parsed.is_link_local:
        return "a link-local address is one that a machine gives itself for want of another"
    elif parsed.packed[0] == 0 or parsed.packed[0] >= 240:
        return "this address stands for no device"
    if parsed.is_unspecified:
        return "this address stands for no device"
    return "a multicast address stands for many devices" if parsed.is_multicast else None
