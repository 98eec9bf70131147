# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not leave a gateway in the clear: private keys and passwords, known by what is in a file."""

from __future__ import annotations

import re

_PEM_KEY = re.compile(
    rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY"
)

_PKCS12_VERSION = re.compile(rb"\A\x30(?:[\x00-\x7f]|\x80|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03", re.DOTALL)

#: PKCS#8 (version, AlgorithmIdentifier), PKCS#1 (version 0, modulus), SEC1 (version 1, octets).
_DER_KEY = re.compile(
    rb"\A\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)(?:\x02\x01[\x00\x01]\x30|\x02\x01\x00\x02|\x02\x01\x01\x04)",
    re.DOTALL,
)

#: PKCS#8, encrypted: an AlgorithmIdentifier of PKCS#5 or PKCS#12.
_DER_ENCRYPTED_KEY = re.compile(
    rb"\A\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)\x30(?:.|\x81.)\x06.\x2a\x86\x48\x86\xf7\x0d\x01(?:\x05|\x0c)",
    re.DOTALL,
)

_KEY_NAME = re.compile(
    r"(?i)(\.(key|p12|pfx|bks|bcfks|ppk|keytab)|/key[34]\.db|/ssh_host_\w+_key|/id_(rsa|dsa|ecdsa|ed25519))$"
)

_PASSWORD_NAME = re.compile(r"(/g?shadow-?|/(chap|pap)-secrets|/\.?htpasswd|/\.netrc|/\.pgpass)$")
_PASSWORD = re.compile(rb"(?im)^[^#\n]{0,64}:\$(?:1|2[abxy]?|5|6|7|y|gy)\$|^\s*(?:psk|wep-key\d|sae_password)\s*=\s*\S")


def secret_inside(path: str, data: bytes) -> str | None:
    """ "private_key", "password", or None where neither is in the file."""
    if _PEM_KEY.search(data) or _DER_KEY.match(data) or _DER_ENCRYPTED_KEY.match(data):
        return "private_key"
    if data[:4] in (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"):
        return "private_key" if _store_has_key(data) else None
    if _PKCS12_VERSION.match(data) or (data[:15] == b"SQLite format 3" and b"nssPrivate" in data):
        return "private_key"
    if _KEY_NAME.search(path) and data and b"-----BEGIN CERTIFICATE-----" not in data:
        return "private_key"
    if _PASSWORD_NAME.search(path) or _PASSWORD.search(data):
        return "password"
    return None


def _store_has_key(data: bytes) -> bool:
    """Whether a JKS or JCEKS store holds anything but trusted certificates. Rather yes where it cannot be followed."""
    version, count, at = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big"), 12
    for _entry in range(count):
        if at + 6 > len(data) or int.from_bytes(data[at : at + 4], "big") != 2:
            return True
        at += 6 + int.from_bytes(data[at + 4 : at + 6], "big") + 8
        if version == 2:
            at += 2 + int.from_bytes(data[at : at + 2], "big")
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return at > len(data)
