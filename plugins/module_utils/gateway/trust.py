# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trust anchors that a gateway holds: the system's bundle, Java keystores, NSS databases, PEM bundles.

An anchor is told by the SHA-256 of its DER: enough to know whether the hospital's root is there.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import os
import re
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host, NotPermitted

#: Debian and Alpine; Red Hat; SUSE; Alpine and BSD.
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
JAVA_KEYSTORES = (
    "/etc/ssl/certs/java/cacerts",
    "/etc/pki/java/cacerts",
    "/usr/lib/jvm/*/lib/security/cacerts",
    "/usr/lib/jvm/*/jre/lib/security/cacerts",
    "/opt/*/jre/lib/security/cacerts",
)
_BOUNDARY = rb"(?:TRUSTED |X509 )?CERTIFICATE-----"
_PEM = re.compile(rb"-----BEGIN " + _BOUNDARY + rb"([A-Za-z0-9+/=\s]+?)-----END " + _BOUNDARY)
_JKS_MAGIC = b"\xfe\xed\xfe\xed"
_PASSWORD_VARIABLE = "CERT_HYGIENE_STOREPASS"


def trust_stores(host: Host, options: dict[str, Any]) -> dict[str, Any]:
    """{"trust_stores": [{"kind", "path", "readable", "fingerprints_sha256", "ends_on", "detail"}]}.

    ends_on: when each of them ends ("2031-01-09"), in the order of the fingerprints; None where that cannot be read
    """
    stores = []
    seen: set[str] = set()
    for pattern in SYSTEM_BUNDLES:
        stores += _each(host, "system", host.glob(pattern), seen, _pem_bundle)
    for pattern in JAVA_KEYSTORES:
        stores += _each(host, "java", host.glob(pattern), seen, lambda h, path: _java(h, path, options["java_default"]))
    for store in options["java_keystores"]:
        stores += _each(host, "java", [store["path"]], seen, lambda h, path, store=store: _java(h, path, store))
    for path in options["nss_databases"]:
        stores += _each(host, "nss", [path], seen, _nss)
    for path in options["bundles"]:
        stores += _each(host, "file", [path], seen, _pem_bundle)
    return {"trust_stores": stores}


def _each(host: Host, kind: str, paths: list[str], seen: set[str], read: Any) -> list[dict[str, Any]]:
    """One store after the other; one that can't be read loses only itself. Links to the same file count once."""
    found = []
    for path in paths:
        target = host.link(path) or path
        if target in seen:
            continue
        seen.add(target)
        store = {"kind": kind, "path": path, "readable": True, "fingerprints_sha256": [], "ends_on": [], "detail": ""}
        try:
            held = {fingerprint(der): der for der in read(host, path)}
            store.update(fingerprints_sha256=sorted(held), ends_on=[end_day(held[name]) for name in sorted(held)])
        except (NotPermitted, StoreError) as problem:
            store.update(readable=False, detail=str(problem))
        found.append(store)
    return found


class StoreError(Exception):
    """A store that is there and can't be read. The text says why, and never holds a password."""


def fingerprint(der: bytes) -> str:
    """SHA-256 of the DER, in lower hexadecimal."""
    return hashlib.sha256(der).hexdigest()


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """(tag, first byte, byte after the last) of the ASN.1 element at a place. ValueError where it is cut short."""
    if at + 2 > len(der):
        raise ValueError("cut short")
    length, start = der[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[at + 2 : start], "big")
    if start + length > len(der):
        raise ValueError("cut short")
    return der[at], start, start + length


def end_day(der: bytes) -> str | None:
    """The day on which a certificate ends (RFC 5280, 4.1.2.5), None where it cannot be read."""
    try:
        _tag, at, _end = _element(der, _element(der, 0)[1])
        if _element(der, at)[0] == 0xA0:  # the version, which old certificates leave out
            at = _element(der, at)[2]
        for _part in ("serial number", "signature algorithm", "issuer"):
            at = _element(der, at)[2]
        _tag, not_before, _end = _element(der, at)
        tag, start, end = _element(der, _element(der, not_before)[2])
        text = der[start:end].decode("ascii")
        if tag == 0x17:  # UTCTime: two digits of the year, from 1950 on
            text = ("19" if text[:2] >= "50" else "20") + text
        day = datetime.date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None
    return day.isoformat() if tag in (0x17, 0x18) else None


def pem_certificates(data: bytes) -> list[bytes]:
    """The DER of every certificate of a PEM text. A TRUSTED CERTIFICATE of OpenSSL has its trust settings cut off."""
    found = []
    for body in _PEM.findall(data):
        try:
            der = base64.b64decode(b"".join(body.split()), validate=True)
        except binascii.Error:
            continue
        found.append(_first_element(der))
    return found


def _first_element(der: bytes) -> bytes:
    """The first ASN.1 element alone: what follows in a TRUSTED CERTIFICATE is not the certificate."""
    if len(der) < 4 or der[0] != 0x30 or not der[1] & 0x80:
        return der
    count = der[1] & 0x7F
    return der[: 2 + count + int.from_bytes(der[2 : 2 + count], "big")]


def _pem_bundle(host: Host, path: str) -> list[bytes]:
    data = host.read_bytes(path)
    if data is None:
        raise StoreError("no such file")
    return pem_certificates(data)


def jks_certificates(data: bytes) -> list[bytes]:
    """The certificates of a JKS keystore's trusted entries. They are stored in clear; keys are passed over.

    Layout: magic, version 2, count, entries of tag 1 (key) or 2 (trusted certificate), SHA-1 of it all.
    """
    at = 12
    if data[:4] != _JKS_MAGIC or len(data) < at:
        raise StoreError("no JKS keystore")
    version, count = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
    found = []

    def take(size: int) -> bytes:
        nonlocal at
        if at + size > len(data):
            raise StoreError("the keystore is cut short")
        at += size
        return data[at - size : at]

    def block(length_bytes: int) -> bytes:
        return take(int.from_bytes(take(length_bytes), "big"))

    def certificate() -> bytes:
        if version == 2:
            block(2)  # "X.509"
        return block(4)

    for _entry in range(count):
        tag = int.from_bytes(take(4), "big")
        block(2)  # alias
        take(8)  # date
        if tag == 2:
            found.append(certificate())
        elif tag == 1:
            block(4)  # the encrypted private key
            for _link in range(int.from_bytes(take(4), "big")):
                certificate()
        else:
            raise StoreError("the keystore has an entry of an unknown kind")
    return found


def _java(host: Host, path: str, store: dict[str, Any]) -> list[bytes]:
    data = host.read_bytes(path)
    if data is None:
        raise StoreError("no such file")
    if data[:4] == _JKS_MAGIC:
        return jks_certificates(data)
    password = _password(host, store)
    if password is None:
        raise StoreError("a PKCS#12 keystore needs its password, given by password_file or password_env")
    # The password travels in the environment: a command line is seen by every account.
    output = host.run(
        *("keytool", "-list", "-rfc", "-keystore", path, "-storepass:env", _PASSWORD_VARIABLE),
        "-J-XX:-UsePerfData",  # else Java leaves a folder in /tmp
        environment={_PASSWORD_VARIABLE: password},
    )
    if output is None:
        raise StoreError("a PKCS#12 keystore, and no keytool to read it with")
    if output.status != 0:
        reason = "wrong password" if "password was incorrect" in output.stdout + output.stderr else "keytool refused it"
        raise StoreError(reason)
    return pem_certificates(output.stdout.encode())


def _password(host: Host, store: dict[str, Any]) -> str | None:
    if store.get("password_file"):
        text = host.read_secret(store["password_file"])
        if text is None:
            raise StoreError(f"password_file {store['password_file']} is not there")
        return text.splitlines()[0] if text else ""
    if store.get("password_env"):
        password = os.environ.get(store["password_env"])
        if password is None:
            raise StoreError(f"the environment has no {store['password_env']}")
        return password
    return store.get("password")


def _nss(host: Host, path: str) -> list[bytes]:
    database = f"sql:{path}"
    listed = host.run("certutil", "-L", "-d", database)
    if listed is None:
        raise StoreError("no certutil to read an NSS database with")
    if listed.status != 0:
        raise StoreError("certutil cannot open it")
    found: list[bytes] = []
    for nickname, flags in parse_nss_list(listed.stdout):
        # C or T in the first place: trusted to say who a server is, or a client.
        if not set(flags.split(",")[0]) & set("CT"):
            continue
        shown = host.run("certutil", "-L", "-d", database, "-n", nickname, "-a")
        if shown is not None and shown.status == 0:
            found += pem_certificates(shown.stdout.encode())
    return found


def parse_nss_list(text: str) -> list[tuple[str, str]]:
    """(nickname, trust flags) of each line of `certutil -L`."""
    found = []
    for line in text.splitlines():
        name, _gap, flags = line[:500].rstrip().rpartition(" ")
        if not name or name.startswith("Certificate Nickname"):
            continue
        if re.fullmatch(r"[A-Za-z]*,[A-Za-z]*,[A-Za-z]*", flags):
            found.append((name.rstrip() or " ", flags))
    return found
