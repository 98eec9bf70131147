# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where services listen with TLS, and whether their logs name the version that each client spoke. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils._tls_settings import (
    Block,
    Reading,
    Setting,
    Unclear,
)

#: Protocols of stunnel that begin without TLS, as openssl s_client names them.
STARTTLS = ("smtp", "imap", "pop3")


@dataclass(frozen=True, order=True)
class Endpoint:
    """address: empty for all of the machine's. starttls: what is spoken first, empty where TLS is."""

    address: str
    port: int
    starttls: str = ""


@dataclass(frozen=True)
class Log:
    """A log of clients. tells: whether each line holds the version; reason, where it does not.

    path: empty where it goes to no file
    """

    path: str
    tells: bool
    reason: str = ""


@dataclass(frozen=True)
class Found:
    """`blocks`: those that serve TLS. No endpoint: not configured for TLS."""

    endpoints: tuple[Endpoint, ...] = ()
    logs: tuple[Log, ...] = ()
    blocks: tuple[Block, ...] = ()


def inspect(service: str, reading: Reading) -> Found:
    """Unclear where an address cannot be read: what cannot be verified is not to be changed."""
    inspectors = {
        "nginx": _nginx,
        "apache": _apache,
        "haproxy": _haproxy,
        "stunnel": _stunnel,
        "mosquitto": _mosquitto,
    }
    found = inspectors[service](reading)
    return Found(tuple(sorted(set(found.endpoints))), tuple(dict.fromkeys(found.logs)), found.blocks)


def _endpoint(text: str, default_port: int | None = None, starttls: str = "") -> Endpoint:
    """`443`, `*:443`, `:443`, `192.0.2.1:443`, `[::]:443`, `:::443`; Unclear for anything else."""
    found = re.fullmatch(
        r"(?:(?:ipv[46]@)?(?P<address>\[[0-9a-fA-F:.]*\]|[0-9.]+|\*|_default_|localhost|::|[0-9a-fA-F:]*:[0-9a-fA-F:]*)?:)?"
        r"(?P<port>\d{1,5})",
        text,
    )
    if found is None and default_port is not None and re.fullmatch(r"\[[0-9a-fA-F:.]+\]|[\d.]+|\*|_default_", text):
        return _endpoint(f"{text}:{default_port}", None, starttls)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise Unclear(f"where it listens is not understood: {text[:80]!r}")
    address = (found["address"] or "").strip("[]")
    if address in ("*", "_default_", "0.0.0.0", "::", ":"):
        address = ""
    return Endpoint("127.0.0.1" if address == "localhost" else address, int(found["port"]), starttls)


def _in(reading: Reading, block: Block | None) -> list[Setting]:
    return [setting for setting in reading.settings if setting.block is block]


# --- nginx --------------------------------------------------------------------------------------------------------


def _nginx(reading: Reading) -> Found:
    formats = {item.words[0]: "".join(item.words[1:]) for item in reading.named("log_format") if len(item.words) > 1}
    servers = {item.blocks[:place] for item in reading.settings for place in _places(item.blocks, "server")}
    endpoints: list[Endpoint] = []
    logs: list[Log] = []
    blocks: list[Block] = []
    for server in sorted(servers, key=lambda stack: (stack[-1].path, stack[-1].body)):
        inside = [item for item in reading.settings if item.blocks[: len(server)] == server]
        own = [item for item in inside if item.blocks == server]
        legacy = any(item.name == "ssl" and item.words == ("on",) for item in own)
        listens = [item.words for item in own if item.name == "listen" and item.words]
        secure = [words for words in listens if legacy or {"ssl", "quic"} & set(words[1:])]
        if not secure:
            continue
        blocks.append(server[-1])
        endpoints += [_endpoint(words[0], 80) for words in secure if not words[0].startswith("unix:")]
        outer = [item for item in reading.settings if item.blocks == server[:-1]]
        logs += _nginx_logs(inside, own, outer, formats)
    return Found(tuple(endpoints), tuple(logs), tuple(blocks))


def _places(blocks: Sequence[Block], name: str) -> list[int]:
    return [number + 1 for number, block in enumerate(blocks) if block.name == name]


def _nginx_logs(inside: list[Setting], own: list[Setting], outer: list[Setting], formats: dict[str, str]) -> list[Log]:
    def named(settings: list[Setting]) -> list[Setting]:
        return [item for item in settings if item.name == "access_log" and item.words]

    # Logs of the same block stand together: one that tells is enough. A block below has its own, or inherits.
    groups = [named(own) or named(outer)]
    deeper = {item.blocks for item in named(inside)} - {item.blocks for item in own}
    groups += [[item for item in named(inside) if item.blocks == blocks] for blocks in deeper]
    logs = []
    for group in groups:
        read = [_nginx_log(item, formats) for item in group] or [Log("", False, "not_logged")]
        logs += [log for log in read if log.tells] or read[:1]
    return logs


def _nginx_log(item: Setting, formats: dict[str, str]) -> Log:
    path, rest = item.words[0], item.words[1:]
    if path == "off":
        return Log("", False, "not_logged")
    if not path.startswith("/") or "$" in path:
        return Log("", False, "no_file")
    text = formats.get(rest[0] if rest else "", "")
    tells = "$ssl_protocol" in text and any(name in text for name in ("$remote_addr", "$realip_remote_addr"))
    tells = tells and not any(word.startswith("if=") for word in rest)
    return Log(path, tells, "" if tells else "not_logged")


# --- Apache -------------------------------------------------------------------------------------------------------

_APACHE_LOGS = {"${APACHE_LOG_DIR}": "/var/log/apache2"}


def _apache(reading: Reading) -> Found:
    formats = {item.words[1]: item.words[0] for item in reading.named("logformat") if len(item.words) > 1}
    hosts = [_virtual_host(item.blocks) for item in reading.settings if _on(item)]
    listens = [item.words[0] for item in reading.named("listen") if item.words]
    endpoints: list[Endpoint] = []
    logs: list[Log] = []
    for host in dict.fromkeys(hosts):
        if host is None:
            endpoints += [_endpoint(text) for text in listens if _endpoint(text).port != 80]
        else:
            endpoints += [_endpoint(word) for word in host.words]
        custom = _apache_logs(reading, host) or _apache_logs(reading, None)
        told = [_apache_log(item, formats) for item in custom] or [Log("", False, "not_logged")]
        logs += [log for log in told if log.tells] or told[:1]
    # A wildcard of a virtual host answers where Apache listens.
    bound = {_endpoint(text) for text in listens}
    endpoints = [
        entry
        for point in endpoints
        for entry in ([one for one in bound if one.port == point.port] if not point.address and bound else [point])
    ]
    return Found(tuple(endpoints), tuple(logs), tuple(host for host in dict.fromkeys(hosts) if host is not None))


def _on(item: Setting) -> bool:
    return item.name == "sslengine" and bool(item.words) and item.words[0].lower() in ("on", "optional")


def _virtual_host(blocks: Sequence[Block]) -> Block | None:
    return next((block for block in blocks if block.name == "virtualhost"), None)


def _apache_logs(reading: Reading, host: Block | None) -> list[Setting]:
    return [
        item
        for item in reading.settings
        if item.name in ("customlog", "transferlog") and item.words and _virtual_host(item.blocks) is host
    ]


def _apache_log(item: Setting, formats: dict[str, str]) -> Log:
    path = item.words[0]
    for name, folder in _APACHE_LOGS.items():
        path = path.replace(name, folder)
    if path.startswith("logs/"):
        path = f"/var/log/httpd/{path[5:]}"
    if not path.startswith("/") or "$" in path:
        return Log("", False, "no_file")
    text = formats.get(item.words[1], item.words[1]) if len(item.words) > 1 else ""
    tells = "SSL_PROTOCOL}x" in text and re.search(r"%[<>]?[ha]\b", text) is not None
    tells = tells and not any(word.lower().startswith(("env=", "expr=")) for word in item.words[2:])
    return Log(path, tells, "" if tells else "not_logged")


# --- haproxy ------------------------------------------------------------------------------------------------------

_HAPROXY_LOG = "/var/log/haproxy.log"


def _haproxy(reading: Reading) -> Found:
    endpoints: list[Endpoint] = []
    logs: list[Log] = []
    blocks: list[Block] = []
    defaults: Block | None = None
    named: dict[str, Block] = {}
    for stack in reading.blocks:
        block = stack[-1]
        if block.name == "defaults":
            defaults = block
            named[block.words[0] if block.words else ""] = block
            continue
        binds = [item for item in _in(reading, block) if item.name == "bind" and "ssl" in item.words[1:]]
        if block.name not in ("frontend", "listen") or not binds:
            continue
        blocks.append(block)
        for item in binds:
            for address in item.words[0].split(","):
                if not address.startswith(("unix@", "/", "abns@", "fd@", "sockpair@")):
                    endpoints.append(_endpoint(address))
        source = named.get(block.words[block.words.index("from") + 1]) if "from" in block.words[:-1] else defaults
        logs.append(_haproxy_log(_in(reading, block), _in(reading, source) if source else []))
    return Found(tuple(endpoints), tuple(logs), tuple(blocks))


def _haproxy_log(own: list[Setting], inherited: list[Setting]) -> Log:
    def formats(settings: list[Setting]) -> list[str]:
        return [
            " ".join(item.words) if item.name == "log-format" else item.words[0]
            for item in settings
            if item.name == "log-format" or (item.name == "option" and item.words[:1] and item.words[0].endswith("log"))
        ]

    last = (formats(own) or formats(inherited) or [""])[-1]
    tells = last == "httpslog" or (("%sslv" in last or "ssl_fc_protocol" in last) and "%ci" in last)
    tells = tells and any(item.name == "log" for item in (*own, *inherited))
    return Log(_HAPROXY_LOG, tells, "" if tells else "not_logged")


# --- stunnel ------------------------------------------------------------------------------------------------------


def _stunnel(reading: Reading) -> Found:
    endpoints: list[Endpoint] = []
    blocks: list[Block] = []
    logs: list[Log] = []
    for stack in reading.blocks:
        own = {item.name: item.words[0] for item in _in(reading, stack[-1])}
        settings = {item.name: item.words[0] for item in reading.settings if not item.blocks} | own
        if settings.get("client", "no").lower() == "yes" or "accept" not in own:
            continue
        blocks.append(stack[-1])
        starttls = settings.get("protocol", "")
        if starttls and starttls not in STARTTLS:
            raise Unclear(f"stunnel's protocol {starttls[:40]!r} cannot be verified from outside")
        if not own["accept"].startswith("/"):
            endpoints.append(_endpoint(own["accept"], None, starttls))
        level = settings.get("debug", "5").lower().rpartition(".")[2]
        tells = level in ("6", "7", "info", "debug")
        path = settings.get("output", "")
        logs.append(Log(path, tells and bool(path), "" if tells and path else "not_logged" if path else "no_file"))
    return Found(tuple(endpoints), tuple(logs), tuple(blocks))


# --- mosquitto ----------------------------------------------------------------------------------------------------


def _mosquitto(reading: Reading) -> Found:
    endpoints: list[Endpoint] = []
    blocks: list[Block] = []
    paths = [item.words[1] for item in reading.named("log_dest") if item.words[:1] == ("file",) and len(item.words) > 1]
    for stack in reading.blocks:
        block = stack[-1]
        own = {item.name: item.words for item in _in(reading, block)}
        if block.name == "connection" or not ({"certfile", "psk_hint"} & own.keys()):
            continue
        if block.name == "listener":
            port, address = block.words[0], block.words[1] if len(block.words) > 1 else ""
        else:
            port = (own.get("port") or ("1883",))[0]
            address = (own.get("bind_address") or ("",))[0]
        blocks.append(block)
        endpoints.append(
            _endpoint(f"[{address}]:{port}" if ":" in address else f"{address}:{port}" if address else port)
        )
    # It never says which version a client speaks.
    return Found(
        tuple(endpoints), tuple(Log(path, False, "not_logged") for path in (paths or [""]) if blocks), tuple(blocks)
    )
