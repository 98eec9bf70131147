# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients refuse on a path whose signatures and dates are good: purposes, and odd but signed certificates.

What every client refuses in a server's own certificate is `purpose_not_server`. What some refuse and others accept is
`some_clients_refuse`, and which clients these are was seen with OpenSSL 3.0, GnuTLS 3.7 and Java 17, or is in the
documentation of Go (integers that are not minimal).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.path_rules import (
    Problem,
    Purpose,
    quoted,
    shown,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.trust.paths import CONTRADICTS, Path, fit
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import Certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError

# Key usage, RFC 5280 section 4.2.1.3: what TLS may use a server's key for, of which today's suites need the first.
_DIGITAL_SIGNATURE = 0x80
_TLS_KEY_USAGES = 0x80 | 0x20 | 0x08

_PURPOSES = {"server": der.oid("1.3.6.1.5.5.7.3.1"), "client": der.oid("1.3.6.1.5.5.7.3.2")}
_ANY_PURPOSE = der.oid("2.5.29.37.0")
_OLD_SERVER_PURPOSES = frozenset(map(der.oid, ("1.3.6.1.4.1.311.10.3.3", "2.16.840.1.113730.4.1")))
_NETSCAPE_TYPE = der.oid("2.16.840.1.113730.1.1")
_NETSCAPE_SERVER = 0x40
_TLS_FEATURE = der.oid("1.3.6.1.5.5.7.1.24")
# status_request and status_request_v2, RFC 7633
_STAPLES = (5, 17)

#: cause -> the clients that refuse it
REFUSED_BY = {
    "twin_sent_first": ("GnuTLS",),
    "date_without_seconds": ("OpenSSL",),
    "date_form": ("GnuTLS", "OpenSSL"),
    "serial_padded": ("Go", "OpenSSL"),
    "version_without_extensions": ("GnuTLS", "Java"),
    "exponent": ("Java",),
    "curve_parameters": ("Java", "OpenSSL"),
    "key_usage_without_signature": ("GnuTLS", "Java"),
    "any_purpose": ("OpenSSL",),
    "old_purpose": ("GnuTLS",),
    "authority_purpose": ("GnuTLS", "OpenSSL"),
    "key_identifier": ("GnuTLS", "OpenSSL"),
}


_READS_ANCHORS = ("OpenSSL",)

_ODDITIES = {
    "serial_padded": "has a serial number that is written with needless zeros",
    "version_without_extensions": "has extensions, which its version does not know",
    "date_without_seconds": "has a date without seconds",
    "date_form": "has a date with a fraction of a second or a time zone",
    "curve_parameters": "has a key whose curve is written out instead of named",
    "exponent": "has an RSA key with an exponent that protects nothing",
}


def client_problems(
    path: Path, sent: Sequence[Certificate], now: datetime, purpose: Purpose, anchored: bool
) -> Iterator[Problem]:
    """What clients refuse on `path`, the device's certificate first; `sent` as the server sent it."""
    leaf = path[0]
    try:
        yield from _leaf_problems(leaf, purpose, pinned=anchored and len(path) == 1)
    except DerError as exc:
        detail = f"{quoted(leaf.subject)} cannot be read in full: {exc}"
        yield Problem("not_assessed", "leaf_unreadable", detail, shown(leaf.subject))
    for position, link in enumerate(path):
        for cause in sorted(link.oddities):
            yield _refused(link, cause, _ODDITIES[cause])
        if position and _PURPOSES[purpose] not in (_usages(link) or (_PURPOSES[purpose],)):
            # Of an anchor, OpenSSL alone reads the purposes.
            clients = _READS_ANCHORS if anchored and link is path[-1] else REFUSED_BY["authority_purpose"]
            yield _refused(link, "authority_purpose", f"is restricted to other purposes than a TLS {purpose}", clients)
        if link is path[-1]:
            return
        if fit(link, path[position + 1]) == CONTRADICTS:
            yield _refused(link, "key_identifier", "names another key than its issuer's")
        if position:
            yield from _twin_problems(link, sent, now)


def _refused(link: Certificate, cause: str, what: str, clients: tuple[str, ...] = ()) -> Problem:
    detail = f"{quoted(link.subject)} {what}"
    return Problem("some_clients_refuse", cause, detail, shown(link.subject), clients=clients or REFUSED_BY[cause])


def _usages(link: Certificate) -> frozenset[bytes] | None:
    """The extended key usages of an authority; one that cannot be read is told by the rules of the path."""
    try:
        return link.extended_key_usages
    except DerError:
        return None


def _leaf_problems(leaf: Certificate, purpose: Purpose, pinned: bool) -> Iterator[Problem]:
    """Whether the device's certificate may be what it is used as. Raises DerError."""
    usages = leaf.extended_key_usages
    if purpose == "client":
        if usages is not None and _PURPOSES[purpose] not in usages:
            detail = f"the extended key usage of {quoted(leaf.subject)} does not allow a TLS client"
            yield Problem("not_assessed", "purpose", detail, shown(leaf.subject))
        return

    def unfit(cause: str, what: str) -> Problem:
        return Problem("purpose_not_server", cause, f"{quoted(leaf.subject)} {what}", shown(leaf.subject))

    # One that is pinned stands for itself alone, and most devices that sign their own certificate call it an authority.
    if leaf.is_ca and not pinned:
        yield unfit("authority_as_server", "is an authority's certificate, used as a server's")
    if not leaf.may(_TLS_KEY_USAGES):
        yield unfit("key_usage_not_tls", "has a key usage that allows nothing that TLS needs")
    elif not leaf.may(_DIGITAL_SIGNATURE):
        yield _refused(leaf, "key_usage_without_signature", "has a key usage without digital signature")
    netscape = leaf.value(_NETSCAPE_TYPE)
    if netscape is not None and not _flags(netscape) & _NETSCAPE_SERVER:
        yield unfit("netscape_type", "has a Netscape type that is not that of a server")
    if usages is not None and _PURPOSES["server"] not in usages:
        if usages & _OLD_SERVER_PURPOSES:
            yield _refused(leaf, "old_purpose", "allows a TLS server by an old number alone")
        elif _ANY_PURPOSE in usages:
            yield _refused(leaf, "any_purpose", "allows any purpose, and not that of a TLS server by its number")
        else:
            yield unfit("extended_key_usage", "has an extended key usage without that of a TLS server")
    if any(feature in _STAPLES for feature in _features(leaf)):
        # Firefox and GnuTLS refuse it where the server does not: a visit does not ask, so it cannot tell.
        detail = f"{quoted(leaf.subject)} demands that the server sends an OCSP answer along, which was not asked for"
        yield Problem("not_assessed", "must_staple", detail, shown(leaf.subject))


def _flags(value: bytes) -> int:
    start, stop = der.expect(value, 0, len(value), der.BIT_STRING)
    flags = der.bits(value[start:stop])
    return flags[0] if flags else 0


def _features(leaf: Certificate) -> list[int]:
    value = leaf.value(_TLS_FEATURE)
    return [der.integer(value[start:stop]) for _tag, _header, start, stop in der.members(value)] if value else []


def _twin_problems(link: Certificate, sent: Sequence[Certificate], now: datetime) -> Iterator[Problem]:
    """A certificate of the same authority and key that is sent before `link` and is out of its dates."""
    for other in sent:
        if other.der == link.der:
            return
        try:
            if (other.spki, other.subject_key) == (link.spki, link.subject_key) and not (
                other.not_before <= now <= other.not_after
            ):
                yield _refused(link, "twin_sent_first", "is sent after another of its certificates that is not valid")
                return
        except DerError:
            continue
