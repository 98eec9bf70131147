# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of an X.509 certificate (RFC 5280 section 4), each read when asked and apart from the others.

`parse_certificate` asks only for the frame: seven fields in their order. What is inside a field is read by the
property of that name, which raises DerError when that field alone cannot be read. Nothing here judges.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.names import NameKey, name_attributes, name_key
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.signatures import key_facts

# No real certificate comes near; a bound keeps the time spent on a hostile one small.
MAX_CERTIFICATE_BYTES = 65536
# Larger ones are read again each time, so that hostile ones cannot fill the memory.
MAX_CACHED_BYTES = 8192

SUBJECT_KEY_IDENTIFIER = der.oid("2.5.29.14")
KEY_USAGE = der.oid("2.5.29.15")
SUBJECT_ALT_NAME = der.oid("2.5.29.17")
BASIC_CONSTRAINTS = der.oid("2.5.29.19")
NAME_CONSTRAINTS = der.oid("2.5.29.30")
CRL_DISTRIBUTION_POINTS = der.oid("2.5.29.31")
AUTHORITY_KEY_IDENTIFIER = der.oid("2.5.29.35")
EXTENDED_KEY_USAGE = der.oid("2.5.29.37")

# GeneralName tags (RFC 5280 section 4.2.1.6)
GN_EMAIL = 0x81
GN_DNS = 0x82
GN_DIRECTORY = 0xA4
GN_URI = 0x86
GN_IP = 0x87


PointName = tuple[int, bytes | NameKey]
"""a name of a distribution point: its GeneralName tag, and its content or, of a directory name, its key"""


@dataclass(frozen=True)
class AuthorityKeyIdentifier:
    """RFC 5280 section 4.2.1.1."""

    key_id: bytes | None
    issuer_keys: frozenset[NameKey]
    """name of the issuer's own issuer"""
    serial: int | None
    """serial number of the issuer's certificate"""


@dataclass(frozen=True)
class Subtrees:
    """Name constraints, RFC 5280 section 4.2.1.10: (GeneralName tag, content) each."""

    permitted: tuple[tuple[int, bytes], ...]
    excluded: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, eq=False)
class Certificate:
    """A certificate whose frame could be read; two objects of one DER are told apart, compare `der`."""

    der: bytes
    tbs: bytes
    """the bytes that were signed"""
    signature_algorithm: bytes
    """whole AlgorithmIdentifier beside the signature"""
    inner_algorithm: bytes
    """the same as written inside the signed bytes"""
    signature_bits: bytes
    version: int
    serial: int | None
    issuer: bytes
    subject: bytes
    validity: bytes
    spki: bytes
    """whole SubjectPublicKeyInfo"""
    extensions: dict[bytes, tuple[bool, bytes]]
    """type -> (critical, value); the first one where a type is repeated"""
    defects: tuple[str, ...]
    """what is wrong with the frame itself: trailing_data, version, serial_number, extensions"""
    serial_padded: bool = False
    """whether the serial number is written with more bytes than it needs, which DER forbids"""

    @functools.cached_property
    def signature(self) -> bytes:
        return der.whole_bytes(self.signature_bits)

    @functools.cached_property
    def subject_key(self) -> NameKey:
        return name_key(self.subject)

    @functools.cached_property
    def issuer_key(self) -> NameKey:
        return name_key(self.issuer)

    @functools.cached_property
    def not_before(self) -> datetime:
        return der.time(*self._dates[0])

    @functools.cached_property
    def not_after(self) -> datetime:
        return der.time(*self._dates[1])

    @functools.cached_property
    def oddities(self) -> frozenset[str]:
        """What is read here and refused by stricter readers, fields that cannot be read left aside.

        serial_padded, version_without_extensions (and there are some: RFC 5280 section 4.1.2.9), date_without_seconds,
        date_form (a fraction of a second or a time zone, section 4.1.2.5), curve_parameters (instead of a name),
        exponent (of an RSA key: even, or 1).
        """
        found = set()
        if self.serial_padded:
            found.add("serial_padded")
        if self.extensions and self.version in (1, 2):
            found.add("version_without_extensions")
        try:
            for tag, content in self._dates:
                strict = 13 if tag == der.UTC_TIME else 15
                if content[-1:] != b"Z" or len(content) > strict:
                    found.add("date_form")
                elif len(content) < strict:
                    found.add("date_without_seconds")
        except DerError:
            pass
        try:
            key = key_facts(self.spki)
        except DerError:
            return frozenset(found)
        if key.curve == "explicit":
            found.add("curve_parameters")
        if key.exponent is not None and (key.exponent < 3 or not key.exponent & 1):
            found.add("exponent")
        return frozenset(found)

    @functools.cached_property
    def _dates(self) -> list[tuple[int, bytes]]:
        """Tag and content of the two dates."""
        found = [(tag, self.validity[start:stop]) for tag, _header, start, stop in der.members(self.validity)]
        if len(found) != 2:
            raise DerError("validity without two dates")
        return found

    def value(self, kind: bytes) -> bytes | None:
        """The value of an extension."""
        found = self.extensions.get(kind)
        return found[1] if found else None

    @functools.cached_property
    def basic_constraints(self) -> tuple[bool, int | None] | None:
        """(is an authority, path length); None without this extension."""
        value = self.value(BASIC_CONSTRAINTS)
        if value is None:
            return None
        is_ca, path_length = False, None
        fields = der.members(value)
        # Each at most once and in this order: of {FALSE, TRUE} clients read one or the other.
        if fields and fields[0][0] == der.BOOLEAN:
            _tag, _header, start, stop = fields.pop(0)
            is_ca = der.boolean(value[start:stop])
        if fields and fields[0][0] == der.INTEGER:
            _tag, _header, start, stop = fields.pop(0)
            path_length = der.integer(value[start:stop])
        if fields or (path_length is not None and path_length < 0):
            raise DerError("unusable basic constraints")
        return is_ca, path_length

    @functools.cached_property
    def is_ca(self) -> bool:
        return bool(self.basic_constraints and self.basic_constraints[0])

    def may(self, usage: int) -> bool:
        """Whether the key usage allows `usage` (a mask of the first byte); without the extension all is allowed."""
        return bool(self._key_usage & usage)

    @functools.cached_property
    def _key_usage(self) -> int:
        value = self.value(KEY_USAGE)
        if value is None:
            return 0xFF
        start, stop = der.expect(value, 0, len(value), der.BIT_STRING)
        flags = der.bits(value[start:stop])
        return flags[0] if flags else 0

    @functools.cached_property
    def extended_key_usages(self) -> frozenset[bytes] | None:
        value = self.value(EXTENDED_KEY_USAGE)
        if value is None:
            return None
        return frozenset(value[start:stop] for _tag, _header, start, stop in der.members(value))

    @functools.cached_property
    def key_id(self) -> bytes | None:
        value = self.value(SUBJECT_KEY_IDENTIFIER)
        if value is None:
            return None
        start, stop = der.expect(value, 0, len(value), der.OCTET_STRING)
        return value[start:stop]

    @functools.cached_property
    def authority_key_id(self) -> AuthorityKeyIdentifier | None:
        value = self.value(AUTHORITY_KEY_IDENTIFIER)
        if value is None:
            return None
        key_id: bytes | None = None
        serial: int | None = None
        issuers: frozenset[NameKey] = frozenset()
        for tag, _header, start, stop in der.members(value):
            if tag == 0x80:
                key_id = value[start:stop]
            elif tag == 0xA1:
                issuers = frozenset(
                    name_key(content) for kind, content in general_names(value, start, stop) if kind == GN_DIRECTORY
                )
            elif tag == 0x82:
                serial = der.integer(value[start:stop])
        return AuthorityKeyIdentifier(key_id, issuers, serial)

    @functools.cached_property
    def alt_names(self) -> list[tuple[int, bytes]]:
        """The subject alternative names, (GeneralName tag, content) each; empty without this extension."""
        value = self.value(SUBJECT_ALT_NAME)
        if value is None:
            return []
        start, stop = der.expect(value, 0, len(value), der.SEQUENCE)
        return general_names(value, start, stop)

    @functools.cached_property
    def name_constraints(self) -> Subtrees | None:
        value = self.value(NAME_CONSTRAINTS)
        if value is None:
            return None
        found: dict[int, list[tuple[int, bytes]]] = {0xA0: [], 0xA1: []}
        for tag, _header, start, stop in der.members(value):
            if tag not in found:
                raise DerError("unusable name constraints")
            for kind, _inner, base, end in der.children(value, start, stop):
                subtree = general_names(value, base, end)
                # What follows the base is minimum and maximum, of which RFC 5280 allows 0 and none.
                if kind != der.SEQUENCE or not subtree or subtree[1:] not in ([], [(0x80, b"\0")]):
                    raise DerError("unusable name constraints")
                found[tag].append(subtree[0])
        return Subtrees(tuple(found[0xA0]), tuple(found[0xA1]))

    @functools.cached_property
    def distribution_points(self) -> frozenset[PointName]:
        """The names of the CRL distribution points of its own issuer and for all reasons (RFC 5280, 4.2.1.13)."""
        value = self.value(CRL_DISTRIBUTION_POINTS)
        names: frozenset[PointName] = frozenset()
        if value is not None:
            for _tag, _header, start, stop in der.members(value):
                fields = der.children(value, start, stop)
                # With some reasons only (1) or another issuer of lists (2) no list of the issuer is complete.
                if [field[0] for field in fields] == [0xA0]:
                    names |= point_names(value, fields[0][2], fields[0][3], self.issuer_key)
        return names


def general_names(data: bytes, start: int, stop: int) -> list[tuple[int, bytes]]:
    """(tag, content) of each GeneralName in the content from `start` to `stop`; a directoryName is a whole Name."""
    return [(tag, data[inner:end]) for tag, _header, inner, end in der.children(data, start, stop)]


def point_names(data: bytes, start: int, stop: int, issuer: NameKey) -> frozenset[PointName]:
    """The names in a DistributionPointName (RFC 5280 section 4.2.1.13), given its content.

    Directory names are compared as names are, also when they are written as what comes after the name of `issuer`.
    Empty where the names are not understood.
    """
    names: set[PointName] = set()
    for kind, header, first, last in der.children(data, start, stop):
        if kind == 0xA0:
            names |= {
                (tag, name_key(content) if tag == GN_DIRECTORY else content)
                for tag, content in general_names(data, first, last)
            }
        elif kind == 0xA1:
            name = der.element(der.SEQUENCE, der.element(der.SET, data[first:last]))
            names.add((GN_DIRECTORY, (*issuer, *name_key(name))))
        else:
            raise DerError(f"unknown distribution point at byte {header}")
    return frozenset(names)


def read_extensions(data: bytes, start: int, stop: int) -> tuple[dict[bytes, tuple[bool, bytes]], bool]:
    """The extensions in the content of a SEQUENCE OF Extension, and whether all were readable and none repeated."""
    found: dict[bytes, tuple[bool, bytes]] = {}
    sound = True
    try:
        for _tag, _header, inner, end in der.children(data, start, stop):
            try:
                id_start, id_stop = der.expect(data, inner, end, der.OID)
                tag, first, last = der.read(data, id_stop, end)
                critical = False
                if tag == der.BOOLEAN:
                    critical = der.boolean(data[first:last])
                    tag, first, last = der.read(data, last, end)
                if tag != der.OCTET_STRING or last != end:
                    raise DerError("unusable extension")
            except DerError:
                sound = False
                continue
            kind = data[id_start:id_stop]
            if kind in found:
                sound = False
            else:
                found[kind] = (critical, data[first:last])
    except DerError:
        sound = False
    return found, sound


_AFTER_THE_KEY = [
    [*issuer_id, *subject_id, *extensions]
    for issuer_id in ([], [0x81])
    for subject_id in ([], [0x82])
    for extensions in ([], [0xA3])
]


def parse_certificate(data: bytes) -> Certificate:
    """The certificate in `data`; raises DerError with what is wrong when its frame cannot be read."""
    return _parse(data) if len(data) <= MAX_CACHED_BYTES else _parse.__wrapped__(data)


def subject_inside(data: bytes) -> bytes | None:
    """The subject of a certificate that cannot be read as a whole, as when it was cut short; None without one."""
    try:
        # The lengths of what holds the fields reach beyond what is there: only the fields themselves are read.
        place = 0
        for _layer in range(2):
            if data[place] != der.SEQUENCE:
                return None
            place += 2 + (data[place + 1] & 0x7F if data[place + 1] & 0x80 else 0)
        fields: list[bytes] = []
        while len(fields) < 5:
            tag, _start, stop = der.read(data, place, len(data))
            if tag != 0xA0:
                fields.append(data[place:stop])
            place = stop
        name_attributes(fields[4])
        return fields[4]
    except (DerError, IndexError):
        return None


@functools.lru_cache(maxsize=2048)
def _parse(data: bytes) -> Certificate:
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise DerError(f"{len(data)} bytes, more than the {MAX_CERTIFICATE_BYTES} that are read")
    start, stop = der.expect(data, 0, len(data), der.SEQUENCE)
    outer = der.children(data, start, stop)
    if [element[0] for element in outer] != [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        raise DerError("not a certificate")
    defects = [] if stop == len(data) else ["trailing_data"]
    _tag, tbs_header, tbs_start, tbs_stop = outer[0]
    fields = der.children(data, tbs_start, tbs_stop)
    version = 1
    if fields and fields[0][0] == 0xA0:
        _tag, _header, first, last = fields.pop(0)
        try:
            first, last = der.expect(data, first, last, der.INTEGER)
            version = der.integer(data[first:last]) + 1
        except DerError:
            version = 0
    if version not in (1, 2, 3):
        defects.append("version")
    shape = [der.INTEGER, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE]
    if [field[0] for field in fields[:6]] != shape:
        raise DerError("not a certificate")
    serial: int | None = None
    padded = False
    try:
        content = data[fields[0][2] : fields[0][3]]
        serial = der.integer(content)
        padded = len(content) > 1 and (content[0], content[1] & 0x80) in ((0, 0), (0xFF, 0x80))
    except DerError:
        defects.append("serial_number")
    extensions: dict[bytes, tuple[bool, bytes]] = {}
    # Unique identifiers, then one block of extensions: of two, clients read one or the other.
    if [field[0] for field in fields[6:]] not in _AFTER_THE_KEY:
        defects.append("extensions")
    for tag, _header, first, last in fields[6:]:
        if tag == 0xA3 and not extensions:
            try:
                first, last = der.expect(data, first, last, der.SEQUENCE)
                extensions, sound = read_extensions(data, first, last)
            except DerError:
                sound = False
            if not sound:
                defects.append("extensions")

    def whole(element: tuple[int, int, int, int]) -> bytes:
        return data[element[1] : element[3]]

    return Certificate(
        der=data,
        tbs=data[tbs_header:tbs_stop],
        signature_algorithm=whole(outer[1]),
        inner_algorithm=whole(fields[1]),
        signature_bits=data[outer[2][2] : outer[2][3]],
        version=version,
        serial=serial,
        issuer=whole(fields[2]),
        validity=whole(fields[3]),
        subject=whole(fields[4]),
        spki=whole(fields[5]),
        extensions=extensions,
        defects=tuple(defects),
        serial_padded=padded,
    )
