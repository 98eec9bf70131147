# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains with one fault each: made once a run, with dates from today."""

from __future__ import annotations

import functools
from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509
from unit import pki_factory as pki

NAME, SECOND_NAME = "dev.hopital.example", "www.hopital.example"
#: Days from the fixed moment of the certificate factory to now.
_AGE = (datetime.now(timezone.utc) - pki.NOW).days


def _days(start: float, end: float) -> tuple[float, float]:
    return start + _AGE, end + _AGE


@functools.cache
def root() -> pki.Identity:
    """What every tool is told to trust."""
    return pki.make("Root", ca=True, kind="rsa2048", days=_days(-2000, 3000))


@functools.cache
def crossed_root() -> pki.Identity:
    """The root's name and key, signed by a root that has expired."""
    old = pki.make("Old root", ca=True, kind="rsa2048", days=_days(-2000, -20))
    return pki.make("Root", old, ca=True, kind="rsa2048", days=_days(-2000, 900))


@functools.cache
def issuing(start: float = -1000, end: float = 900) -> pki.Identity:
    """The intermediate; one key, whatever its dates (days from today)."""
    return pki.make("Issuing", root(), ca=True, kind="rsa2048", days=_days(start, end), path_length=0)


@functools.cache
def leaf(kind: str = "rsa2048", end: float = 365, *extra: x509.ExtensionType) -> pki.Identity:
    """A server's own certificate; one key of each kind."""
    names, more = [NAME, SECOND_NAME], [(one, False) for one in extra]
    return pki.make(NAME, issuing(), kind=kind, label=kind, days=_days(-400, end), dns=names, extra=more)


def must_staple() -> pki.Identity:
    """It wants an OCSP answer beside it (RFC 7633)."""
    return leaf("rsa2048", 365, x509.TLSFeature([x509.TLSFeatureType.status_request]))


def used_as_authority() -> pki.Identity:
    """Its key may sign certificates, and nothing else."""
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    refused = dict.fromkeys((*names, "encipher_only", "decipher_only"), False)
    return leaf("rsa2048", 365, x509.KeyUsage(key_cert_sign=True, crl_sign=True, **refused))


def write(folder: Path, name: str, *chain: pki.Identity) -> str:
    """Key and certificates of one chain as a file, leaf first."""
    path = folder / f"{name}.pem"
    path.write_text(chain[0].private_pem + "".join(one.pem for one in chain))
    return str(path)
