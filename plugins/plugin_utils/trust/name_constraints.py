# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the names of a certificate stay inside what an authority above it may issue (RFC 5280 section 4.2.1.10).

DNS names, IP addresses and directory names are judged. A certificate without any DNS name is judged by its common
name when that looks like a host name, as old clients that fall back on it do. E-mail addresses and URIs, which say
nothing of a device, are not judged: a constraint on a form that the certificate uses is then `None`.
"""

from __future__ import annotations

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import (
    GN_DIRECTORY,
    GN_DNS,
    GN_IP,
    Certificate,
    Subtrees,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.names import (
    common_name,
    name_attributes,
    name_key,
)

_JUDGED = (GN_DNS, GN_IP, GN_DIRECTORY)

# Names times constraints; real certificates stay below a thousand.
_MAX_COMPARISONS = 50_000


def allows(constraints: Subtrees, certificate: Certificate) -> bool | None:
    """Whether `constraints` allow every name of `certificate`; None when that cannot be judged. Raises DerError."""
    names = list(certificate.alt_names)
    forms = {tag for tag, _content in names}
    if name_attributes(certificate.subject):
        names.append((GN_DIRECTORY, certificate.subject))
    if GN_DNS not in forms and not certificate.is_ca:
        host = _host_name(certificate)
        if host is not None:
            names.append((GN_DNS, host))
    if len(names) * (len(constraints.permitted) + len(constraints.excluded)) > _MAX_COMPARISONS:
        return None
    undecided = False
    for tag, content in names:
        permitted = [base for kind, base in constraints.permitted if kind == tag]
        excluded = [base for kind, base in constraints.excluded if kind == tag]
        if tag not in _JUDGED:
            undecided = undecided or bool(permitted or excluded)
            continue
        if any(_within(tag, content, base) for base in excluded):
            return False
        if permitted and not any(_within(tag, content, base) for base in permitted):
            return False
    return None if undecided else True


def _host_name(certificate: Certificate) -> bytes | None:
    text = common_name(certificate.subject)
    if not text or not text.isascii() or "." not in text or not all(char.isalnum() or char in "-._*" for char in text):
        return None
    return text.encode("ascii")


def _within(tag: int, name: bytes, base: bytes) -> bool:
    if tag == GN_DNS:
        return _dns_within(name.lower(), base.lower())
    if tag == GN_IP:
        return _ip_within(name, base)
    return _directory_within(name, base)


def _dns_within(name: bytes, base: bytes) -> bool:
    # A leading dot is no part of RFC 5280 for this form; authorities that write it mean the names below.
    if not base or name == base:
        return True
    return name.endswith(base if base.startswith(b".") else b"." + base)


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
