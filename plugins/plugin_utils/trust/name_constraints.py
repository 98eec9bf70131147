# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the names of a certificate stay inside what an authority above it may issue (RFC 5280 section 4.2.1.10).

DNS names, IP addresses and directory names are judged. A certificate without any DNS name is judged by its common
name when that looks like a host name, as old clients that fall back on it do. E-mail addresses and URIs, which say
nothing of a device, are not judged: a constraint on a form that the certificate uses is then `None`.
"""

from __future__ import annotations

import re

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import (
    GN_DIRECTORY,
    GN_DNS,
    GN_EMAIL,
    GN_IP,
    GN_URI,
    Certificate,
    Subtrees,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.names import name_attributes, name_key

_JUDGED = (GN_DNS, GN_IP, GN_DIRECTORY)

_FORMS = (0xA0, GN_EMAIL, GN_DNS, 0xA3, GN_DIRECTORY, 0xA5, GN_URI, GN_IP, 0x88)
_COMMON_NAME = der.oid("2.5.4.3")
_EMAIL_ADDRESS = der.oid("1.2.840.113549.1.9.1")
_DNS_BASE = re.compile(rb"(?:\.?[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*)?")
# Two labels or more, and no number last: an address, a version or a product's name is no host name.
_HOST_NAME = re.compile(
    r"(?:\*\.)?(?:(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.)+(?!-|[0-9]+\Z)[A-Za-z0-9-]{1,63}(?<!-)", re.ASCII
)
_MAX_NAME = 253

# Names times constraints; real certificates stay below a thousand.
_MAX_COMPARISONS = 50_000


def allows(constraints: Subtrees, certificate: Certificate) -> bool | None:
    """Whether `constraints` allow every name of `certificate`; None when that cannot be judged.

    Raises DerError for a name or a constraint that cannot be read: it may be the one that excludes.
    """
    for tag, base in (*constraints.permitted, *constraints.excluded):
        _require_readable(tag, base)
    names = list(certificate.alt_names)
    forms = {tag for tag, _content in names}
    attributes = [attribute for rdn in name_attributes(certificate.subject) for attribute in rdn]
    if attributes:
        names.append((GN_DIRECTORY, certificate.subject))
    if GN_DNS not in forms and not certificate.is_ca:
        names += [(GN_DNS, host) for attribute in attributes if (host := _host_name(*attribute)) is not None]
    names += [(GN_EMAIL, content) for kind, _tag, content in attributes if kind == _EMAIL_ADDRESS]
    if len(names) * (len(constraints.permitted) + len(constraints.excluded)) > _MAX_COMPARISONS:
        return None
    undecided = False
    for tag, content in names:
        permitted = [base for kind, base in constraints.permitted if kind == tag]
        excluded = [base for kind, base in constraints.excluded if kind == tag]
        if tag not in _JUDGED:
            undecided = undecided or bool(permitted or excluded)
            continue
        if any(_within(tag, content, base) or (tag == GN_DNS and _reaches(content, base)) for base in excluded):
            return False
        if permitted and not any(_within(tag, content, base) for base in permitted):
            return False
    return None if undecided else True


def _require_readable(tag: int, base: bytes) -> None:
    if tag not in _FORMS:
        raise DerError(f"a constraint on an unknown form of name: {tag:#04x}")
    if tag == GN_IP and len(base) not in (8, 32):
        raise DerError("a constraint on an address of a wrong length")
    if tag == GN_DNS and _DNS_BASE.fullmatch(base) is None:
        raise DerError("a constraint on a DNS name that is none")
    if tag == GN_DIRECTORY:
        name_attributes(base)


def _host_name(kind: bytes, tag: int, content: bytes) -> bytes | None:
    """The host name that an attribute of the subject is, as old clients read a common name; None when it is none."""
    text = der.string(tag, content) if kind == _COMMON_NAME else None
    if not text or len(text) > _MAX_NAME or _HOST_NAME.fullmatch(text) is None:
        return None
    return text.encode("ascii")


def _within(tag: int, name: bytes, base: bytes) -> bool:
    if tag == GN_DNS:
        return _dns_within(name.lower().rstrip(b"."), base.lower())
    if tag == GN_IP:
        return _ip_within(name, base)
    return _directory_within(name, base)


def _dns_within(name: bytes, base: bytes) -> bool:
    # A leading dot is no part of RFC 5280 for this form; authorities that write it mean the names below.
    if not base or name == base:
        return True
    return name.endswith(base if base.startswith(b".") else b"." + base)


def _reaches(name: bytes, base: bytes) -> bool:
    """Whether a wildcard stands for a name that is excluded, though it is not inside itself."""
    name, base = name.lower().rstrip(b"."), base.lower()
    return name.startswith(b"*.") and base.partition(b".")[2] == name[2:]


def _ip_within(address: bytes, base: bytes) -> bool:
    size = len(address)
    if size not in (4, 16):
        raise DerError("an IP address of a wrong length")
    if len(base) != 2 * size:
        return False
    return all(byte & mask == net & mask for byte, net, mask in zip(address, base[:size], base[size:], strict=True))


def _directory_within(name: bytes, base: bytes) -> bool:
    wanted = name_key(base)
    return name_key(name)[: len(wanted)] == wanted
