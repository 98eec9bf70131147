# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets: how the TLS services of a gateway are configured, and what keytool and certutil show of its stores."""

from __future__ import annotations

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import parse_nss_list
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.java import parse_entries, trusted
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.stores.nss import parse_details
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.found import inspect
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.settings import SERVICES, Unclear, read
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.tls_hardening import difference, plan
from fuzz.registry import Shape, target

_MAIN = "/etc/gw/main.conf"
#: Between the files of a configuration.
SPLIT = b"\x0c\n"

_TOKENS = (
    *(b"server {", b"http {", b"}\n", b"ssl_protocols TLSv1;", b"listen 443 ssl;", b"include conf.d/*.conf;", b"${a}"),
    *(b"<VirtualHost *:443>\n", b"</VirtualHost>\n", b"SSLEngine on\n", b"SSLProtocol all\n", b"Include conf.d/*\n"),
    *(b"bind :443 ssl crt-list conf.d/0.conf\n", b"frontend a\n", b"defaults\n", b"listen b\n", b"from", b"global\n"),
    *(b"[a]\n", b"accept = 443\n", b"client = yes\n", b"sslVersionMin = TLSv1\n", b"include = /etc/gw/conf.d\n"),
    *(b"listener 8883\n", b"certfile a\n", b"tls_version tlsv1\n", b"connection a\n", b"include_dir /etc/gw/conf.d\n"),
    *(b"\\\n", b"\\\r\n", b'"', b"'", b"#", b";", b"[::]:", b"a_by_lua_block {", b"[b-a]", b"\x00", SPLIT),
)


@target("lines", _TOKENS)
def tls_configuration(data: bytes) -> Shape:
    """Each service's reader refuses it in one sentence, or knows where each setting stands, and mends it for good."""
    main, *others = (part.decode("utf-8", "replace") for part in data[:65536].split(SPLIT)[:20])
    files = {_MAIN: main, **{f"/etc/gw/conf.d/{number}.conf": text for number, text in enumerate(others)}}
    return tuple(_hardened(service, files) for service in SERVICES)


def _hardened(service: str, files: dict[str, str]) -> Shape:
    try:
        reading = read(service, [_MAIN], files)
        for setting in reading.settings:
            assert 0 <= setting.start <= setting.end <= len(files[setting.path])
        found = inspect(service, reading)
        wanted = plan(service, files, [_MAIN])
    except Unclear as problem:
        assert len(str(problem)) < 300 and "\n" not in str(problem)
        return "unclear"
    after = {**files, **wanted.files}
    for path, text in wanted.files.items():
        assert text != files.get(path)
        assert difference(path, files.get(path), text)
    assert sum(map(len, after.values())) < 30 * sum(map(len, files.values())) + 1000
    if not wanted.files:
        return len(reading.settings) > 1, len(found.endpoints) > 0, len(found.logs) > 0
    # What it wrote is read again, and is what it wants.
    assert inspect(service, read(service, [_MAIN], after)).endpoints == found.endpoints
    assert plan(service, after, [_MAIN]).files == {}
    return "mended", tuple(sorted(path == _MAIN for path in wanted.files))


_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n"


@target("lines", (b"Alias name: ", b"Entry type: trustedCertEntry\n", b"Entry type: PrivateKeyEntry\n", _CERTIFICATE))
def keytool_list(data: bytes) -> Shape:
    """Each entry has a kind and the fingerprints of its certificates."""
    text = data.decode("utf-8", "replace")
    entries = parse_entries(text)
    assert len(entries) <= text.count("Alias name: ")
    prints = [one for _kind, found in entries.values() for one in found]
    assert len(prints) <= text.count("-----BEGIN")
    assert all(len(one) == 64 for one in prints)
    return len(entries) > 1, sorted({kind for kind, _found in entries.values()})[:3], len(trusted(entries)) > 0


@target(
    "lines",
    (
        b"Certificate:\n",
        b"    SSL Flags:\n",
        b"            Trusted CA\n",
        b" " * 12,
        b"C,,",
        b",,\n",
        b"AB:" * 31 + b"AB",
    ),
)
def certutil_list(data: bytes) -> Shape:
    """Nicknames with their flags, and of each certificate whether it is trusted."""
    text = data.decode("utf-8", "replace")
    nicknames = parse_nss_list(text)
    assert len(nicknames) <= len(text.splitlines())
    assert all(name and flags.count(",") == 2 for name, flags in nicknames)
    details = parse_details(text)
    assert len(details) <= text.count("Certificate:")
    assert all(len(key) == 64 for key in details)
    return len(nicknames) > 1, len(details) > 0, sorted(set(details.values()))
