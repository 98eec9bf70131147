# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the paths from a certificate to a trust anchor (RFC 4158): who signed whom, and nothing else.

The search is bounded in steps, in depth and in signatures that are computed, because a hostile server may send fifty
authorities of one name that all signed each other. Signatures are remembered, so that the authorities of a fleet are
verified once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import signatures
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.certificate import Certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.names import NameKey

# Far above any real chain.
_MAX_DEPTH = 16
_MAX_STEPS = 256
_MAX_SIGNATURES = 32
_MAX_REMEMBERED = 8192

Path = tuple[Certificate, ...]
"""the device's certificate first, the anchor last"""


@dataclass(frozen=True)
class DeadEnd:
    """A path that goes no further without having met an anchor.

    cause: root_not_trusted (the last certificate signed itself), issuer_unknown, issuer_key_unknown (a certificate with
    the issuer's name is known, and by its key identifier it is not the one), signature_invalid, algorithm_unsupported.
    """

    path: Path
    cause: str


@dataclass
class Findings:
    dead_ends: list[DeadEnd] = field(default_factory=list)
    limited: bool = False
    """a bound was met: there may be paths that were not found"""


@dataclass
class _Walk:
    pools: tuple[Mapping[NameKey, list[Certificate]], ...]
    visit: Callable[[Path], None]
    findings: Findings = field(default_factory=Findings)
    steps: int = _MAX_STEPS
    signatures: int = _MAX_SIGNATURES


class PathFinder:
    """`anchors` end a path; `known` are authorities that may stand in for what a server did not send."""

    def __init__(self, anchors: Iterable[Certificate], known: Iterable[Certificate]) -> None:
        anchors = list(anchors)
        self._anchors = frozenset(anchor.der for anchor in anchors)
        self._anchors_by_name = _by_subject(anchors)
        self._known_by_name = _by_subject(known)
        self._signed: dict[tuple[bytes, bytes], bool | None] = {}

    @property
    def has_anchors(self) -> bool:
        return bool(self._anchors)

    def is_anchor(self, certificate: Certificate) -> bool:
        return certificate.der in self._anchors

    def names_an_anchor(self, names: Iterable[NameKey]) -> bool:
        """Whether one of `names` is the subject of an anchor."""
        return any(name in self._anchors_by_name for name in names)

    def find(self, sent: Sequence[Certificate], use_known: bool, visit: Callable[[Path], None]) -> Findings:
        """Calls `visit` with each path from the first of `sent` to an anchor."""
        pools = (self._anchors_by_name, _by_subject(sent))
        walk = _Walk((*pools, self._known_by_name) if use_known else pools, visit)
        self._extend((sent[0],), walk)
        return walk.findings

    def _extend(self, path: Path, walk: _Walk) -> None:
        """Follows `path` upwards."""
        last = path[-1]
        if self.is_anchor(last):
            walk.visit(path)
            return
        walk.steps -= 1
        if walk.steps < 0 or len(path) >= _MAX_DEPTH:
            walk.findings.limited = True
            return
        issuers, cause = self._issuers(last, walk)
        # An authority is its name and its key: its other certificates lead nowhere new.
        onward = [
            issuer for issuer in issuers if self.is_anchor(issuer) or not any(_is_same(issuer, one) for one in path)
        ]
        if not onward:
            walk.findings.dead_ends.append(DeadEnd(path, cause))
        for issuer in onward:
            self._extend((*path, issuer), walk)

    def _issuers(self, certificate: Certificate, walk: _Walk) -> tuple[list[Certificate], str]:
        """Those who signed a certificate, likeliest first; and the cause if none leads on."""
        candidates: dict[bytes, Certificate] = {}
        for pool in walk.pools:
            for candidate in pool.get(certificate.issuer_key, ()):
                candidates.setdefault(candidate.der, candidate)
        if not candidates:
            return [], "issuer_unknown"
        issuers: list[Certificate] = []
        causes: set[str] = set()
        by_fit = [(fit(certificate, candidate), candidate) for candidate in candidates.values()]
        if len(by_fit) > 1:
            by_fit.sort(key=lambda pair: (pair[1].der not in self._anchors, pair[0]))
        for match, candidate in by_fit:
            if issuers and match == CONTRADICTS:
                continue
            signed = self._is_signed(certificate, candidate, walk)
            if signed:
                issuers.append(candidate)
            elif signed is None:
                causes.add("algorithm_unsupported")
            elif match < CONTRADICTS:
                causes.add("signature_invalid")
        if any(issuer.der == certificate.der for issuer in issuers):
            return issuers, "root_not_trusted"
        if issuers:
            return issuers, "issuer_unknown"
        for cause in ("algorithm_unsupported", "signature_invalid"):
            if cause in causes:
                return [], cause
        return [], "issuer_key_unknown"

    def _is_signed(self, certificate: Certificate, issuer: Certificate, walk: _Walk) -> bool | None:
        """Whether the key of `issuer` signed `certificate`; None when that cannot be told."""
        pair = (issuer.spki, certificate.der)
        if pair not in self._signed:
            if walk.signatures <= 0:
                walk.findings.limited = True
                return None
            walk.signatures -= 1
            if len(self._signed) >= _MAX_REMEMBERED:
                self._signed.clear()
            self._signed[pair] = is_signed_by(certificate, issuer)
        return self._signed[pair]


FITS, MAY_FIT, CONTRADICTS = range(3)


def fit(certificate: Certificate, issuer: Certificate) -> int:
    """What the key identifiers say: FITS, MAY_FIT or CONTRADICTS.

    They order the candidates (RFC 4158 section 3.5.12); one that contradicts is tried when no other is the issuer.
    """
    try:
        wanted = certificate.authority_key_id
        offered = issuer.key_id
    except DerError:
        return MAY_FIT
    if wanted is None:
        return MAY_FIT
    if wanted.key_id is not None and offered is not None:
        return FITS if wanted.key_id == offered else CONTRADICTS
    if wanted.serial is not None and wanted.issuer_keys:
        same = wanted.serial == issuer.serial and issuer.issuer_key in wanted.issuer_keys
        return FITS if same else CONTRADICTS
    return MAY_FIT


def is_signed_by(certificate: Certificate, issuer: Certificate) -> bool | None:
    """Whether the key of `issuer` signed `certificate`; None when that cannot be computed here."""
    # RFC 5280 section 4.1.1.2: the algorithm is written twice, and must be the same.
    if certificate.signature_algorithm != certificate.inner_algorithm:
        return False
    try:
        signature = certificate.signature
    except DerError:
        return False
    return signatures.verify(issuer.spki, certificate.signature_algorithm, certificate.tbs, signature)


def _is_same(one: Certificate, other: Certificate) -> bool:
    return one.spki == other.spki and one.subject_key == other.subject_key


def _by_subject(certificates: Iterable[Certificate]) -> dict[NameKey, list[Certificate]]:
    found: dict[NameKey, dict[bytes, Certificate]] = {}
    for certificate in certificates:
        found.setdefault(certificate.subject_key, {})[certificate.der] = certificate
    return {name: list(group.values()) for name, group in found.items()}
