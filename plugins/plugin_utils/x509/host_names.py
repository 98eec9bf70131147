# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a certificate carries the names by which a device is reached (RFC 9525, and RFC 6125 before it).

The rules are those of the strictest clients in use, because a device is only reachable by all of them:
- an IP address matches a subject alternative name of type iPAddress alone, whatever the textual form of either;
- a host name matches a dNSName, letter case aside; one trailing dot of the name asked for is ignored;
- `*` counts as the whole left-most label only, stands for exactly one label, and needs two labels after it;
- an internationalised name is compared in its ASCII form (A-labels of IDNA 2008); a name that the certificate writes
  in another alphabet matches nothing (RFC 5280 section 4.2.1.6 allows ASCII only);
- the common name never counts (RFC 9525 section 2); names_only_in_common_name tells the certificates that old clients
  accept and modern ones refuse.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 1035 section 2.3.4; also bounds the time of punycode, which grows with the square of the length.
_MAX_NAME = 253
_MAX_LABEL = 63
# Full stops of East Asian writing count as dots (UTS 46).
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_IDNA_JOINERS = "-\u00b7\u200c\u200d"
_IDNA_CATEGORIES = ("Ll", "Lo", "Lm", "Mn", "Mc", "Nd")


def uncovered_names(leaf: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Those of `names` (host names and IP addresses) that the subject alternative names of `leaf` do not cover.

    `leaf` is a chain entry as describe_certificate makes it. A certificate that cannot be read covers nothing.
    """
    dns, addresses = _carried(leaf)
    return [name for name in names if not _covered(str(name), dns, addresses)]


def name_match(leaf: Mapping[str, Any], names: Sequence[str], address: str) -> bool | None:
    """Whether `leaf` covers all of `names`, or `address` where no name is declared.

    None when there is nothing to compare with: the certificate, or the names that did not match in it, cannot be read;
    or no name is declared and an IP address, which certificates seldom carry, is all that is known.
    """
    if "names" not in leaf:
        return None
    readable = "names" not in (leaf.get("unreadable") or ())
    if names:
        return True if not uncovered_names(leaf, names) else (False if readable else None)
    if not str(address).strip():
        return None
    if not uncovered_names(leaf, [address]):
        return True
    return None if ip_of(str(address)) is not None or not readable else False


def names_only_in_common_name(leaf: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Whether `names` are covered by the common name alone: there is no subject alternative name to cover them."""
    dns, addresses = _carried(leaf)
    common_name = leaf.get("common_name")
    if dns or addresses or not names or not common_name or "names" in (leaf.get("unreadable") or ()):
        return False
    address = ip_of(common_name)
    carried = ([], [address]) if address is not None else ([common_name], [])
    return all(_covered(str(name), *carried) for name in names)


def ip_of(text: str) -> IPAddress | None:
    """The IP address that a text writes (an IPv6 address may stand in brackets or name a zone), or None."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _carried(leaf: Mapping[str, Any]) -> tuple[list[str], list[IPAddress]]:
    names = leaf.get("names") or {}
    addresses = [ip_of(str(text)) for text in names.get("ip") or ()]
    return [str(name) for name in names.get("dns") or ()], [address for address in addresses if address is not None]


def _covered(name: str, dns: Sequence[str], addresses: Sequence[IPAddress]) -> bool:
    address = ip_of(name)
    if address is not None:
        return address in addresses
    wanted = _ascii(name)
    if wanted is None:
        return False
    return any(_same(wanted, pattern.lower()) for pattern in dns if pattern.isascii())


def _ascii(name: str) -> str | None:
    """A host name as certificates write it: lower case, A-labels, no trailing dot; None when it is no host name."""
    name = name.strip()
    name = name[:-1] if name.endswith(".") else name
    if not name or len(name) > _MAX_NAME:
        return None
    labels = [label if label.isascii() else _a_label(label) for label in _DOTS.split(name)]
    return ".".join(label.lower() for label in labels if label) if all(labels) else None


def _a_label(label: str) -> str | None:
    """The ASCII form of a label by IDNA 2008 (RFC 5891 section 4), None for one that it does not allow.

    Other than by the older rule, that the standard library knows, "ß", "ς" and joiners stand for themselves.
    """
    label = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", label.lower()).lower())
    if not all(unicodedata.category(char) in _IDNA_CATEGORIES or char in _IDNA_JOINERS for char in label):
        return None
    if not label or unicodedata.category(label[0]).startswith("M"):
        return None
    if label.startswith("-") or label.endswith("-") or label[2:4] == "--":
        return None
    if label.isascii():
        return label
    ascii_form = "xn--" + label.encode("punycode").decode("ascii")
    return ascii_form if len(ascii_form) <= _MAX_LABEL else None


def _same(name: str, pattern: str) -> bool:
    if name == pattern:
        return True
    if not pattern.startswith("*."):
        return False
    label, dot, rest = name.partition(".")
    parent = pattern[2:]
    return bool(label and dot) and rest == parent and "." in parent.strip(".")
