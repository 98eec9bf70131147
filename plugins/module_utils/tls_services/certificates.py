# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates, and their keys, that the configuration of a TLS service names. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.settings import Block, Reading, Setting

#: nginx's modules that go to other servers, each with a certificate of its own.
_NGINX_CLIENTS = ("proxy_ssl", "grpc_ssl", "uwsgi_ssl")


@dataclass(frozen=True)
class Certificate:
    """role: server | client. path: absolute, where the service's own root is known; haproxy may name a folder."""

    role: str
    path: str
    key_path: str | None


def certificates(service: str, reading: Reading, mains: Sequence[str], texts: Mapping[str, str]) -> list[Certificate]:
    """Each once, in the order in which they are named. texts: the files that were read, by path."""
    finders = {"nginx": _nginx, "apache": _apache, "stunnel": _stunnel, "mosquitto": _mosquitto}
    root = posixpath.dirname(mains[0]) if mains else "/"
    found = _haproxy(reading, texts) if service == "haproxy" else finders[service](reading, root)
    return list(dict.fromkeys(found))


def _pairs(role: str, root: str, names: Sequence[str], keys: Sequence[str]) -> Iterator[Certificate]:
    """A service wants the keys of a block in the order of its certificates."""
    for position, path in enumerate(names):
        key = posixpath.join(root, keys[position]) if position < len(keys) else None
        yield Certificate(role, posixpath.join(root, path), key)


def _by_block(reading: Reading, *names: str) -> Iterator[list[list[str]]]:
    """For each block, and for what stands in none: the first words of each of these settings."""
    for block in [None, *dict.fromkeys(stack[-1] for stack in reading.blocks)]:
        yield _values(reading, block, *names)


def _values(reading: Reading, block: Block | None, *names: str) -> list[list[str]]:
    inside = reading.inside(block)
    return [[item.words[0] for item in inside if item.name == name and item.words] for name in names]


def _nginx(reading: Reading, root: str) -> Iterator[Certificate]:
    for named, keys in _by_block(reading, "ssl_certificate", "ssl_certificate_key"):
        yield from _pairs("server", root, named, keys)
    for prefix in _NGINX_CLIENTS:
        for named, keys in _by_block(reading, f"{prefix}_certificate", f"{prefix}_certificate_key"):
            yield from _pairs("client", root, named, keys)


def _apache(reading: Reading, root: str) -> Iterator[Certificate]:
    root = next((item.words[0] for item in reading.named("serverroot") if item.words), root)
    for named, keys in _by_block(reading, "sslcertificatefile", "sslcertificatekeyfile"):
        yield from _pairs("server", root, named, keys)
    for [named] in _by_block(reading, "sslproxymachinecertificatefile"):
        yield from _pairs("client", root, named, [])


def _haproxy(reading: Reading, texts: Mapping[str, str]) -> Iterator[Certificate]:
    base = next((item.words[0] for item in reading.named("crt-base") if item.words and _in(item, "global")), "/")
    for item in reading.settings:
        role = "client" if item.name in ("server", "default-server") else "server"
        if item.name == "crt-list":
            # The reader takes the first word of an entry for its name, in small letters.
            entry = texts.get(item.path, "")[item.start : item.end].split()
            yield Certificate(role, posixpath.join(base, entry[0]), None)
        elif item.name == "load" and _in(item, "crt-store"):
            named, keys = (_after(item.words, word) for word in ("crt", "key"))
            stores = _values(reading, item.block, "crt-base", "key-base")
            for path in named:
                key = posixpath.join((stores[1] or [base])[0], keys[0]) if keys else None
                yield Certificate(role, posixpath.join((stores[0] or [base])[0], path), key)
        else:
            # "@store/name" is named where it is loaded.
            for path in _after(item.words, "crt"):
                if not path.startswith("@"):
                    yield Certificate(role, posixpath.join(base, path), None)


def _in(item: Setting, name: str) -> bool:
    return item.block is not None and item.block.name == name


def _after(words: Sequence[str], name: str) -> list[str]:
    return [after for word, after in zip(words, words[1:]) if word == name]


def _stunnel(reading: Reading, _root: str) -> Iterator[Certificate]:
    common = {item.name: item.words[0] for item in reading.inside(None)}
    sections = [{item.name: item.words[0] for item in reading.inside(stack[-1])} for stack in reading.blocks]
    for own in sections or [{}]:
        values = {**common, **own}
        if values.get("cert"):
            role = "client" if values.get("client", "no").lower() == "yes" else "server"
            yield Certificate(role, values["cert"], values.get("key"))


def _mosquitto(reading: Reading, _root: str) -> Iterator[Certificate]:
    for named, keys in _by_block(reading, "certfile", "keyfile"):
        yield from _pairs("server", "/", named, keys)
    for named, keys in _by_block(reading, "bridge_certfile", "bridge_keyfile"):
        yield from _pairs("client", "/", named, keys)
