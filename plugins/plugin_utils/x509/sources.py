# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads certificates and revocation lists from where a person put them: a file, PEM text or bytes.

Errors name the source and the way out. They never repeat what a source contains, because what was given by mistake
may be a private key.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509 import der
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.x509.der import DerError

Source = str | bytes | os.PathLike[str]

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----(.*?)-----END \1-----", re.DOTALL)
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,64}PRIVATE KEY")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{40,}={0,2}\s*")
_PKCS7_SIGNED = der.oid("1.2.840.113549.1.7.2")


_SERVER_PURPOSES = {der.oid("1.3.6.1.5.5.7.3.1"), der.oid("2.5.29.37.0")}


class SourceError(ValueError):
    """A source that cannot be used; the message names it, says why and what to do."""


class SourceReader:
    """Reads sources of one kind and raises `error` about them.

    `wanted` is the kind of thing that is looked for, as in "certificate"; `max_bytes` bounds what is read of a file.
    """

    def __init__(self, wanted: str, labels: tuple[str, ...], error: type[SourceError], max_bytes: int) -> None:
        self._wanted = wanted
        self._labels = labels
        self._error = error
        self._max_bytes = max_bytes

    def blocks(self, source: Source, number: int) -> Iterator[tuple[str, bytes]]:
        """(what it is called in a message, DER) of each thing in a source, which is the `number`th of its list."""
        name, data = self._read(source, number)
        if _PRIVATE_KEY.search(data):
            raise self._error(
                f"{name} holds a private key. Take the key out and give only the {self._wanted}: "
                "a private key stays on its device."
            )
        if b"-----BEGIN " not in data:
            self._refuse_what_it_is_not(name, data)
            yield name, _first_element(data, only_before_space=True)
            return
        found = 0
        for match in _BLOCK.finditer(data):
            kind = match[1].decode("ascii")
            if kind not in self._labels:
                continue
            found += 1
            label = f"{self._wanted} number {found} of {name}"
            try:
                content = base64.b64decode(b"".join(match[2].split()), validate=True)
            except binascii.Error as exc:
                raise self._error(
                    f"{label} is not readable: its text is not base64. Copy the file again, or export it once more."
                ) from exc
            yield label, self._trusted(label, content) if kind.startswith("TRUSTED ") else content
        if not found:
            raise self._error(self._nothing_in(name, sorted({m[1].decode("ascii") for m in _BLOCK.finditer(data)})))

    def _trusted(self, label: str, content: bytes) -> bytes:
        """The certificate of a TRUSTED CERTIFICATE, to which OpenSSL appends its own trust settings (X509_CERT_AUX):
        purposes that it is trusted for, if it is not for all, and [0] those that it is rejected for."""
        certificate = _first_element(content)
        try:
            settings = content[len(certificate) :]
            listed = {
                tag: {settings[first:last] for _tag, _header, first, last in der.children(settings, start, stop)}
                for tag, _header, start, stop in (der.members(settings) if settings else ())
                if tag in (der.SEQUENCE, 0xA0)
            }
        except DerError as exc:
            raise self._error(f"{label} has trust settings that cannot be read ({exc}). Export it again.") from exc
        trusted, rejected = listed.get(der.SEQUENCE), listed.get(0xA0, set())
        if rejected & _SERVER_PURPOSES or (trusted is not None and not trusted & _SERVER_PURPOSES):
            raise self._error(
                f"{label} says that it is not to be trusted for TLS servers (its trust settings by OpenSSL). "
                f"Take it out, or export the {self._wanted} without these settings if it is to be trusted all the same."
            )
        return certificate

    def _nothing_in(self, name: str, labels: list[str]) -> str:
        if any(label in ("PKCS7", "CMS") for label in labels):
            return self._convert(name, "a PKCS #7 bundle", "openssl pkcs7 -print_certs")
        what = f"only {', '.join(labels)}" if labels else "a PEM block that never ends"
        return (
            f"{name} holds no {self._wanted}: {what}. Give a file with a "
            f"-----BEGIN {self._labels[0]}----- block, or the same in DER."
        )

    def _convert(self, name: str, what: str, command: str) -> str:
        return f"{name} is {what}, not a {self._wanted}. Convert it to PEM, for example with: {command}"

    def _read(self, source: Source, number: int) -> tuple[str, bytes]:
        if isinstance(source, bytes):
            return f"source number {number}", _plain(source)
        text = os.fspath(source)
        if "-----BEGIN " in text:
            return f"the PEM text given as source number {number}", text.encode("utf-8", "replace")
        if "\n" in text or len(text) > 1024 or "\0" in text or _looks_like_der(text):
            raise self._error(
                f"source number {number} is neither the path of a file nor PEM text. "
                "PEM text needs its -----BEGIN …----- and -----END …----- lines."
            )
        if not text.strip():
            raise self._error(f"source number {number} is empty. Give the path of a file, or PEM text.")
        try:
            with open(text, "rb") as file:
                data = file.read(self._max_bytes + 1)
        except FileNotFoundError as exc:
            raise self._error(
                f"{text}: no such file. Give the path of a {self._wanted} file on the control node."
            ) from exc
        except IsADirectoryError as exc:
            raise self._error(f"{text} is a directory. Name the {self._wanted} files inside it one by one.") from exc
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            raise self._error(f"{text} cannot be read: {reason}. Check its permissions.") from exc
        if len(data) > self._max_bytes:
            raise self._error(f"{text} is larger than {self._max_bytes} bytes. Give a file of {self._wanted}s alone.")
        if not data.strip():
            raise self._error(f"{text} is empty: it holds no {self._wanted}. Export the {self._wanted} again.")
        return text, _plain(data)

    def _refuse_what_it_is_not(self, name: str, data: bytes) -> None:
        """Recognises the other binary files that people have beside a certificate."""
        try:
            start, stop = der.expect(data, 0, len(data), der.SEQUENCE)
            elements = der.children(data, start, stop)
        except DerError:
            return
        tags = [element[0] for element in elements]
        first = elements[0] if elements else None
        # PKCS #8 and PKCS #1 start with version 0, SEC 1 with version 1; an encrypted PKCS #8 is {algorithm, octets}.
        if tags[:2] in ([der.INTEGER, der.SEQUENCE], [der.INTEGER, der.INTEGER], [der.INTEGER, der.OCTET_STRING]):
            if first is not None and data[first[2] : first[3]] == b"\x03":
                raise self._error(
                    f"{name} is a PKCS #12 file (.pfx, .p12), which may hold a private key. "
                    f"Export the {self._wanted} alone, without its key."
                )
            raise self._error(
                f"{name} holds a private key. Give the {self._wanted}: a private key stays on its device."
            )
        if tags == [der.SEQUENCE, der.OCTET_STRING]:
            raise self._error(
                f"{name} holds an encrypted private key. Give the {self._wanted}: a private key stays on its device."
            )
        if first is not None and first[0] == der.OID and data[first[2] : first[3]] == _PKCS7_SIGNED:
            raise self._error(self._convert(name, "a PKCS #7 bundle", "openssl pkcs7 -inform DER -print_certs"))


def _plain(data: bytes) -> bytes:
    """The bytes without what text editors add: Windows saves PEM as UTF-16 when it is asked for Unicode."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    return data


def _first_element(data: bytes, only_before_space: bool = False) -> bytes:
    try:
        stop = der.read(data, 0, len(data))[2]
    except DerError:
        return data
    return data if only_before_space and data[stop:].strip() else data[:stop]


def _looks_like_der(text: str) -> bool:
    """Whether this is base64 of DER without its PEM lines: it may be a key, so it must not be shown as a path."""
    return text.lstrip().startswith("M") and _BASE64.fullmatch(text) is not None
