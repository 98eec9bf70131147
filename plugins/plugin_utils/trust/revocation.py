# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate revocation lists (RFC 5280 section 5), given as files or bytes: nothing is fetched here.

A list says that a certificate is good only while it is current, signed by the certificate's own issuer and complete
for that certificate. Delta lists, lists that cover some reasons only, indirect lists and lists whose scope is not
understood never say good; what a list of the issuer revokes is revoked all the same, but by an indirect one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der, signatures
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import (
    AUTHORITY_KEY_IDENTIFIER,
    Certificate,
    PointName,
    point_names,
    read_extensions,
)
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.describe import moment_text, serial_text
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.names import NameKey, name_key
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.sources import Source, SourceError, SourceReader

# The lists of the largest public authorities stay below.
_MAX_FILE_BYTES = 64 * 1024 * 1024

_REASON_CODE = der.oid("2.5.29.21")
_CERTIFICATE_ISSUER = der.oid("2.5.29.29")
# Hold instruction, invalidity date: beside a reason, what an entry may say without changing whose it is.
_KNOWN_ENTRY_EXTENSIONS = (_REASON_CODE, der.oid("2.5.29.23"), der.oid("2.5.29.24"))
_DELTA = der.oid("2.5.29.27")
_CRL_NUMBER = der.oid("2.5.29.20")
_ISSUING_DISTRIBUTION_POINT = der.oid("2.5.29.28")
_KNOWN_EXTENSIONS = (_CRL_NUMBER, _ISSUING_DISTRIBUTION_POINT, AUTHORITY_KEY_IDENTIFIER)
_CRL_SIGN = 0x02

# RFC 5280 section 5.3.1
_REASONS = {
    0: "unspecified",
    1: "keyCompromise",
    2: "cACompromise",
    3: "affiliationChanged",
    4: "superseded",
    5: "cessationOfOperation",
    6: "certificateHold",
    8: "removeFromCRL",
    9: "privilegeWithdrawn",
    10: "aACompromise",
}
_HOLD = "certificateHold"
_REMOVED = "removeFromCRL"


def reason_name(code: int) -> str:
    """The name of a reason code."""
    return _REASONS.get(code, "unspecified")


class CrlSourceError(SourceError):
    """A source of revocation lists that cannot be used; the message names it, says why and what to do."""


@dataclass(frozen=True)
class Entry:
    """A revoked certificate: when, and the reason by its name in RFC 5280 section 5.3.1."""

    date: datetime | None
    reason: str


@dataclass(frozen=True, eq=False)
class Crl:
    """A revocation list as read; nothing about it is verified yet."""

    issuer: bytes
    issuer_key: NameKey
    this_update: datetime
    next_update: datetime | None
    entries: Mapping[int, Entry]
    tbs: bytes
    algorithm: bytes
    signature: bytes
    only_users: bool
    only_authorities: bool
    foreign: bool
    """lists certificates of other issuers too, or attribute certificates: its serial numbers mean nothing here"""
    partial: bool
    """a delta, for some reasons only, or with a version or a critical extension that is not known: never says good"""
    points: frozenset[PointName] | None
    """the distribution points that this list is for, empty where none of them is understood; None when it is for all"""


@dataclass(frozen=True)
class Revocation:
    """What the lists say of one certificate. status: good | revoked | not_assessed."""

    status: str
    detail: str
    date: datetime | None = None
    reason: str | None = None


def parse_crl(data: bytes) -> Crl:
    """The revocation list in `data` (DER). Raises DerError."""
    start, stop = der.expect(data, 0, len(data), der.SEQUENCE)
    outer = der.children(data, start, stop)
    if stop != len(data) or [element[0] for element in outer] != [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        raise DerError("not a revocation list")
    _tag, header, tbs_start, tbs_stop = outer[0]
    fields = der.children(data, tbs_start, tbs_stop)
    known_version = True
    if fields and fields[0][0] == der.INTEGER:
        _tag, _header, first, last = fields.pop(0)
        known_version = data[first:last] == b"\1"  # version 2, the only one that says so
    if [field[0] for field in fields[:2]] != [der.SEQUENCE, der.SEQUENCE] or len(fields) < 3:
        raise DerError("not a revocation list")
    algorithm = data[fields[0][1] : fields[0][3]]
    if algorithm != data[outer[1][1] : outer[1][3]]:
        raise DerError("it names two signature algorithms")
    issuer = data[fields[1][1] : fields[1][3]]
    this_update = der.time(fields[2][0], data[fields[2][2] : fields[2][3]])
    next_update, odd, foreign = None, False, False
    entries: dict[int, Entry] = {}
    extensions: dict[bytes, tuple[bool, bytes]] = {}
    for tag, _header, first, last in fields[3:]:
        if tag in (der.UTC_TIME, der.GENERALIZED_TIME):
            next_update = der.time(tag, data[first:last])
        elif tag == der.SEQUENCE:
            entries, odd, foreign = _entries(data, first, last)
        elif tag == 0xA0:
            inner, end = der.expect(data, first, last, der.SEQUENCE)
            extensions, sound = read_extensions(data, inner, end)
            if not sound:
                raise DerError("an extension cannot be read, or stands twice")
    issuer_key = name_key(issuer)
    scope = _scope(extensions.get(_ISSUING_DISTRIBUTION_POINT, (False, b"\x30\x00"))[1], issuer_key)
    unknown = any(critical and kind not in _KNOWN_EXTENSIONS for kind, (critical, _value) in extensions.items())
    return Crl(
        issuer=issuer,
        issuer_key=issuer_key,
        this_update=this_update,
        next_update=next_update,
        entries=entries,
        tbs=data[header:tbs_stop],
        algorithm=algorithm,
        signature=der.whole_bytes(data[outer[2][2] : outer[2][3]]),
        only_users=0x81 in scope.flags,
        only_authorities=0x82 in scope.flags,
        foreign=foreign or bool(scope.flags & {0x84, 0x85}),
        partial=odd or not known_version or unknown or _DELTA in extensions or 0x83 in scope.flags,
        points=scope.points,
    )


@dataclass(frozen=True)
class _Scope:
    flags: frozenset[int]
    points: frozenset[PointName] | None


def _scope(value: bytes, issuer_key: NameKey) -> _Scope:
    """RFC 5280 section 5.2.5: 1 only users, 2 only authorities, 3 some reasons, 4 indirect, 5 only attributes.

    A field that is not known here, or stands twice, counts as 3: the list then holds nobody knows which part.
    """
    flags = set()
    points: frozenset[PointName] | None = None
    start, stop = der.expect(value, 0, len(value), der.SEQUENCE)
    fields = der.children(value, start, stop)
    for tag, _header, first, last in fields:
        if tag == 0xA0:
            points = point_names(value, first, last, issuer_key)
        elif tag not in (0x81, 0x82, 0x84, 0x85):
            flags.add(0x83)
        elif der.boolean(value[first:last]):
            flags.add(tag)
    if len({field[0] for field in fields}) < len(fields):
        flags.add(0x83)
    return _Scope(frozenset(flags), points)


def _entries(data: bytes, start: int, stop: int) -> tuple[dict[int, Entry], bool, bool]:
    """The entries; whether one says more than is understood here (RFC 5280 section 5.3), or is another issuer's."""
    found: dict[int, Entry] = {}
    odd = foreign = False
    while start < stop:
        _tag, first, last = der.read(data, start, stop)
        serial_start, serial_stop = der.expect(data, first, last, der.INTEGER)
        tag, date_start, date_stop = der.read(data, serial_stop, last)
        date: datetime | None
        try:
            date = der.time(tag, data[date_start:date_stop])
        except DerError:
            date = None
        reason = "unspecified"
        if date_stop < last:
            inner, end = der.expect(data, date_stop, last, der.SEQUENCE)
            extensions, sound = read_extensions(data, inner, end)
            reason = _reason(extensions)
            foreign = foreign or _CERTIFICATE_ISSUER in extensions
            odd = (
                odd
                or not sound
                or any(
                    critical and kind not in _KNOWN_ENTRY_EXTENSIONS for kind, (critical, _value) in extensions.items()
                )
            )
        serial = der.integer(data[serial_start:serial_stop])
        # Of two entries the one that revokes for good stands.
        if serial not in found or found[serial].reason in (_HOLD, _REMOVED):
            found[serial] = Entry(date, reason)
        start = last
    return found, odd, foreign


def _reason(extensions: Mapping[bytes, tuple[bool, bytes]]) -> str:
    found = extensions.get(_REASON_CODE)
    if found is None:
        return "unspecified"
    value = found[1]
    inner, end = der.expect(value, 0, len(value), der.ENUMERATED)
    return reason_name(der.integer(value[inner:end]))


def load_crls(sources: Sequence[Source]) -> list[Crl]:
    """Every revocation list in `sources`: paths (PEM or DER), PEM text, or the bytes of either.

    Raises CrlSourceError: no such file, a directory, no revocation list inside, a private key inside, an unreadable
    list.
    """
    reader = SourceReader("revocation list", ("X509 CRL",), CrlSourceError, _MAX_FILE_BYTES)
    found = []
    for number, source in enumerate(sources, 1):
        for label, data in reader.blocks(source, number):
            try:
                found.append(parse_crl(data))
            except DerError as exc:
                raise CrlSourceError(
                    f"{label} is not a readable revocation list ({exc}). Fetch it again from the authority."
                ) from exc
    return found


def _stands(entry: Entry, crl: Crl, newest: Crl | None, now: datetime) -> bool:
    """Whether an entry still means revoked: always, but for a hold that a later list can have lifted."""
    if entry.reason == _REMOVED:
        return False
    if entry.reason != _HOLD:
        return True
    current = crl.next_update is None or crl.next_update >= now
    return current and (newest is None or crl.this_update >= newest.this_update)


class RevocationBook:
    """The revocation lists of a run, asked certificate by certificate."""

    def __init__(self, crls: Iterable[Crl]) -> None:
        self._by_issuer: dict[NameKey, list[Crl]] = {}
        for crl in crls:
            self._by_issuer.setdefault(crl.issuer_key, []).append(crl)
        self._signed: dict[tuple[int, bytes], bool | None] = {}

    def __bool__(self) -> bool:
        return bool(self._by_issuer)

    def check(self, certificate: Certificate, issuer: Certificate, now: datetime) -> Revocation:
        """What the lists of `issuer` say of `certificate` at `now`.

        Of several lists that cover the certificate the newest counts. An out-of-date list cannot say good, but a
        revocation in it stands: only a certificate on hold may have come back (RFC 5280 section 5.3.1).
        """
        who = f"serial number {serial_text(certificate.serial)}"
        problem = "no revocation list of its issuer was given"
        newest: Crl | None = None
        partial: list[Crl] = []
        for crl in self._by_issuer.get(certificate.issuer_key, ()):
            refusal = self._refusal(crl, certificate, issuer, now)
            if refusal:
                problem = refusal
            elif crl.partial:
                problem = "the revocation list of its issuer holds only a part of the revocations"
                partial.append(crl)
            elif newest is None or crl.this_update > newest.this_update:
                newest = crl
        for crl in partial if newest is None else (newest, *partial):
            entry = crl.entries.get(certificate.serial) if certificate.serial is not None else None
            if entry is not None and _stands(entry, crl, newest, now):
                when = f" on {moment_text(entry.date)}" if entry.date else ""
                detail = f"{who} was revoked{when}, reason {entry.reason}"
                return Revocation("revoked", detail, entry.date, entry.reason)
        if newest is None or certificate.serial is None:
            return Revocation("not_assessed", f"{who}: {problem}")
        if newest.next_update is not None and newest.next_update < now:
            since = moment_text(newest.next_update)
            return Revocation("not_assessed", f"{who}: the revocation list of its issuer is out of date since {since}")
        return Revocation("good", f"{who} is not in the revocation list of {moment_text(newest.this_update)}")

    def _refusal(self, crl: Crl, certificate: Certificate, issuer: Certificate, now: datetime) -> str | None:
        """Why a list says nothing about a certificate, if so."""
        if crl.this_update > now:
            return f"the revocation list of its issuer is not valid before {moment_text(crl.this_update)}"
        if crl.foreign:
            return "the revocation list lists certificates of other issuers, which is not supported"
        try:
            if (certificate.is_ca and crl.only_users) or (not certificate.is_ca and crl.only_authorities):
                return "the revocation list of its issuer is for another kind of certificate"
            if crl.points is not None and not crl.points & certificate.distribution_points:
                return "the revocation list of its issuer is for other certificates of that issuer"
            if not issuer.may(_CRL_SIGN):
                return "its issuer may not sign revocation lists"
        except DerError:
            return "an extension of the certificate or of its issuer cannot be read"
        return None if self._is_signed(crl, issuer.spki) else "the revocation list was not signed by its issuer"

    def _is_signed(self, crl: Crl, spki: bytes) -> bool:
        known = (id(crl), spki)
        if known not in self._signed:
            self._signed[known] = signatures.verify(spki, crl.algorithm, crl.tbs, crl.signature)
        return bool(self._signed[known])
