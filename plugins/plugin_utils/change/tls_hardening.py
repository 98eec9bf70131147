# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to write so that a service accepts TLS 1.2 and later only: a drop-in where it has them, else the smallest edit.

Settings of the service as a client are never touched. Sources: see module_utils/_tls_settings.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.found import Found, inspect
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.settings import (
    Block,
    Reading,
    Setting,
    read,
)

_OLD = ("sslv2", "sslv3", "tlsv1", "tlsv1.0", "tlsv1.1")
_NOTE = "# TLS 1.2 at least, written by biomed.cert_hygiene.tls_hardening. Changes made here by hand are lost.\n"
_NGINX_OWN = "biomed-cert-hygiene-tls.conf"
#: Read after the others of its folder: the last one counts.
_APACHE_OWN = "zz-biomed-cert-hygiene-tls.conf"
_APACHE_FOLDERS = ("conf-enabled", "conf.d")


@dataclass(frozen=True)
class Plan:
    """files: the new text by path; only what differs. reload: none | reload | restart"""

    files: Mapping[str, str] = field(default_factory=dict)
    reload: str = "none"


@dataclass
class _Edits:
    """Texts to put in, by file: (start, end, text)."""

    files: Mapping[str, str]
    places: list[tuple[str, int, int, str]] = field(default_factory=list)
    whole: dict[str, str] = field(default_factory=dict)

    def replace(self, setting: Setting, text: str) -> None:
        if self.files[setting.path][setting.start : setting.end] != text:
            self.places.append((setting.path, setting.start, setting.end, text))

    def insert(self, path: str, at: int, text: str) -> None:
        self.places.append((path, at, at, text))

    def texts(self) -> dict[str, str]:
        after = dict(self.whole)
        places: dict[str, list[tuple[int, int, str]]] = {}
        for path, start, end, text in sorted(set(self.places)):
            places.setdefault(path, []).append((start, end, text))
        for path, changes in places.items():
            old = after.get(path, self.files.get(path, ""))
            # The file's own line ends.
            line_end = "\r\n" if "\r\n" in old else "\n"
            parts, at = list[str](), 0
            for start, end, text in changes:
                parts += [old[at:start], re.sub(r"\r?\n", line_end, text)]
                at = end
            after[path] = "".join(parts) + old[at:]
        return {path: text for path, text in sorted(after.items()) if self.files.get(path) != text}


def plan(service: str, files: Mapping[str, str], mains: Sequence[str], version: str = "") -> Plan:
    """files: its whole configuration, text by absolute path; mains: those that it was started with.

    version: of mosquitto, whose default changed with 2.0. ValueError, one sentence, for what cannot be read for sure.
    """
    reading = read(service, mains, files)
    found = inspect(service, reading)
    if not found.endpoints:
        return Plan()
    edits = _Edits(files)
    if service == "mosquitto":
        _mosquitto(reading, found, edits, version)
    else:
        _PLANNERS[service](reading, found, edits, mains)
    texts = edits.texts()
    return Plan(texts, "none" if not texts else "restart" if service == "mosquitto" else "reload")


def difference(path: str, before: str | None, after: str) -> str:
    """The lines that differ, and no others: what stands around them may be secret."""
    lines = difflib.unified_diff((before or "").splitlines(), after.splitlines(), path, path, n=0, lineterm="")
    return "\n".join(lines)


def _old(word: str) -> bool:
    return word.lower() in _OLD


def _inside(reading: Reading, block: Block, name: str) -> list[Setting]:
    return [setting for setting in reading.inside(block) if setting.name == name]


# --- nginx --------------------------------------------------------------------------------------------------------


def _nginx(reading: Reading, found: Found, edits: _Edits, _mains: Sequence[str]) -> None:
    for setting in reading.named("ssl_protocols"):
        if any(map(_old, setting.words)):
            kept = [word for word in setting.words if not _old(word)] or ["TLSv1.2", "TLSv1.3"]
            edits.replace(setting, " ".join(["ssl_protocols", *kept]))
    # nginx adds up what stands twice in a block: a drop-in serves only where there is nothing yet.
    without = {block for block in found.blocks if not _inside(reading, block, "ssl_protocols")}
    for top in dict.fromkeys(stack[0] for stack in reading.blocks if stack[-1] in without):
        if _inside(reading, top, "ssl_protocols"):
            continue
        line = "ssl_protocols TLSv1.2 TLSv1.3;"
        folder = _nginx_folder(reading, top) if top.name == "http" else None
        if folder:
            edits.whole[posixpath.join(folder, _NGINX_OWN)] = f"{_NOTE}{line}\n"
        else:
            edits.insert(top.path, top.body, f"\n    {line}")


def _nginx_folder(reading: Reading, top: Block) -> str | None:
    for setting in _inside(reading, top, "include"):
        pattern = setting.words[0] if setting.words else ""
        if posixpath.basename(pattern) == "*.conf" and posixpath.basename(posixpath.dirname(pattern)) == "conf.d":
            folder = posixpath.dirname(pattern)
            places = map(posixpath.dirname, reading.patterns)
            return next(place for place in places if place == folder or place.endswith(f"/{folder}"))
    return None


# --- Apache -------------------------------------------------------------------------------------------------------

_APACHE_ALL = ("sslv3", "tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3")


def _apache(reading: Reading, found: Found, edits: _Edits, mains: Sequence[str]) -> None:
    in_hosts = [setting for setting in reading.named("sslprotocol") if _host(setting.blocks)]
    for setting in in_hosts:
        _apache_mend(setting, edits)
    common = [setting for setting in reading.named("sslprotocol") if not _host(setting.blocks)]
    mended = {block for setting in in_hosts for block in setting.blocks}
    hosts = [block for block in found.blocks if block not in mended]
    if (hosts or not found.blocks) and (not common or _apache_on(common[-1].words) & set(_OLD)):
        own = _apache_drop_in(reading)
        if own:
            edits.whole[own] = f"{_NOTE}<IfModule mod_ssl.c>\n    SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1\n</IfModule>\n"
            # What is read after the drop-in has the last word.
            after = read("apache", mains, {**edits.files, own: edits.whole[own]})
            order = [item for item in after.named("sslprotocol") if not _host(item.blocks)]
            place = max((number for number, item in enumerate(order) if item.path == own), default=-1)
            for setting in order[place + 1 :]:
                _apache_mend(setting, edits)
        elif common:
            _apache_mend(common[-1], edits)
        else:
            for block in hosts:
                edits.insert(block.path, block.body, "\n    SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1")


def _host(blocks: Iterable[Block]) -> bool:
    return any(block.name == "virtualhost" for block in blocks)


def _apache_on(words: Iterable[str]) -> set[str]:
    on: set[str] = set()
    for word in words:
        name = word.lstrip("+-").lower()
        versions = set(_APACHE_ALL) if name == "all" else {name}
        on = on | versions if word[:1] == "+" else on - versions if word[:1] == "-" else versions
    return on


def _apache_mend(setting: Setting, edits: _Edits) -> None:
    on = _apache_on(setting.words)
    weak = [name for name in _OLD if name in on]
    if weak and not on - set(_OLD):
        edits.replace(setting, "SSLProtocol TLSv1.2")
    elif weak:
        old = edits.files[setting.path][setting.start : setting.end]
        edits.replace(
            setting, old + "".join(f" -{name.upper().replace('LSV', 'LSv').replace('SLV', 'SLv')}" for name in weak)
        )


def _apache_drop_in(reading: Reading) -> str | None:
    for pattern in reversed(reading.patterns):
        folder, name = posixpath.split(pattern)
        if name == "*.conf" and posixpath.basename(folder) in _APACHE_FOLDERS:
            return posixpath.join(folder, _APACHE_OWN)
    return None


# --- haproxy ------------------------------------------------------------------------------------------------------

_HAPROXY_RANGE = re.compile(r"(\bssl-(?:min|max)-ver\s+)(?:SSLv3|TLSv1\.0|TLSv1\.1)\b(?!\.)", re.IGNORECASE)
_HAPROXY_FORCED = re.compile(r"(?<!\s)\s+force-(?:sslv3|tlsv10|tlsv11)\b")
_HAPROXY_NOT = ("no-sslv3", "no-tlsv10", "no-tlsv11")


def _haproxy(reading: Reading, _found: Found, edits: _Edits, mains: Sequence[str]) -> None:
    options = list(reading.named("ssl-default-bind-options"))
    for item in (*reading.named("bind"), *reading.named("crt-list")):
        edits.replace(item, _haproxy_mended(item, edits))
    words = [word for item in options for word in _haproxy_mended(item, edits).split()]
    missing = ""
    if not {"ssl-min-ver", "force-tlsv12", "force-tlsv13"} & set(words) and not set(_HAPROXY_NOT[1:]) <= set(words):
        # The two ways exclude each other: haproxy passes over the words once there is a least version.
        named = any(word in words for word in _HAPROXY_NOT)
        missing = " ".join(word for word in _HAPROXY_NOT if word not in words) if named else "ssl-min-ver TLSv1.2"
    for number, item in enumerate(options):
        text = _haproxy_mended(item, edits)
        edits.replace(item, f"{text} {missing}" if missing and number == 0 else text)
    if missing and not options:
        line = f"\n    ssl-default-bind-options {missing}"
        block = next((stack[-1] for stack in reading.blocks if stack[-1].name == "global"), None)
        if block:
            edits.insert(block.path, block.body, line)
        else:
            edits.insert(mains[0], 0, f"global{line}\n\n")


def _haproxy_mended(item: Setting, edits: _Edits) -> str:
    text = edits.files[item.path][item.start : item.end]
    return _HAPROXY_FORCED.sub("", _HAPROXY_RANGE.sub(r"\g<1>TLSv1.2", text))


# --- stunnel ------------------------------------------------------------------------------------------------------


def _stunnel(reading: Reading, found: Found, edits: _Edits, _mains: Sequence[str]) -> None:
    common = {item.name: item.words[0].lower() for item in reading.settings if not item.blocks}
    off = {item.words[0] for item in reading.named("options") if not item.blocks}
    for block in found.blocks:
        own = {item.name: item for item in reading.inside(block)}
        refused = off | {item.words[0] for item in _inside(reading, block, "options")}
        least = own.get("sslversionmin") or own.get("sslversion")
        most = own.get("sslversionmax")
        if least and (_old(least.words[0]) or least.words[0].lower() == "all"):
            edits.replace(least, "sslVersionMin = TLSv1.2")
        elif not least and not {"NO_TLSv1", "NO_TLSv1.1"} <= refused:
            inherited = common.get("sslversionmin") or common.get("sslversion") or "all"
            if _old(inherited) or inherited == "all":
                edits.insert(block.path, block.body, "\nsslVersionMin = TLSv1.2")
        if most and _old(most.words[0]):
            edits.replace(most, "sslVersionMax = TLSv1.2")
        elif not most and _old(common.get("sslversionmax") or common.get("sslversion") or ""):
            edits.insert(block.path, block.body, "\nsslVersionMax = TLSv1.2")


# --- mosquitto ----------------------------------------------------------------------------------------------------


def _mosquitto(reading: Reading, found: Found, edits: _Edits, version: str) -> None:
    for block in found.blocks:
        chosen = _inside(reading, block, "tls_version")
        for setting in chosen:
            if any(map(_old, setting.words)):
                edits.replace(setting, "tls_version tlsv1.2")
        if not chosen and int(re.match(r"\d*", version)[0] or 0) < 2:  # type: ignore[index]
            after = [*_inside(reading, block, "certfile"), *_inside(reading, block, "psk_hint")][0]
            edits.insert(after.path, after.end, "\ntls_version tlsv1.2")


_PLANNERS: dict[str, Callable[[Reading, Found, _Edits, Sequence[str]], None]] = {
    "nginx": _nginx,
    "apache": _apache,
    "haproxy": _haproxy,
    "stunnel": _stunnel,
}
