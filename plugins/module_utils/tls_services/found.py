# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where services listen with TLS, and whether their logs name the version that each client spoke. Pure."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.settings import (
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
    inspectors = {"nginx": _nginx, "apache": _apache, "haproxy": _haproxy, "stunnel": _stunnel, "mosquitto": _mosquitto}
    found = inspectors[service](reading)
    return Found(tuple(sorted(set(found.endpoints))), tuple(dict.fromkeys(found.logs)), found.blocks)


#: A host name: not all digits, and with no variable in it.
_HOST = r"(?=[A-Za-z0-9.-]*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
#: No address is longer.
_MAX_ADDRESS = 100


def _endpoint(text: str, default_port: int | None = None, starttls: str = "") -> Endpoint:
    """`443`, `*:443`, `:443`, `192.0.2.1:443`, `[::]:443`, `:::443`, `gw.example:443`; Unclear for anything else."""
    short = text if len(text) <= _MAX_ADDRESS else ""
    found = re.fullmatch(
        r"(?:(?:ipv[46]@)?(?P<address>\[[0-9a-fA-F:.]*\]|[0-9.]+|\*|_default_|::|[0-9a-fA-F:]*:[0-9a-fA-F:]*"
        rf"|{_HOST})?:)?"
        r"(?P<port>\d{1,5})",
        short,
    )
    alone = rf"\[[0-9a-fA-F:.]+\]|[\d.]+|\*|_default_|{_HOST}"
    if found is None and default_port is not None and re.fullmatch(alone, short):
        return _endpoint(f"{text}:{default_port}", None, starttls)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise Unclear(f"where it listens is not understood: {text[:80]!r}")
    address = (found["address"] or "").strip("[]")
    if address in ("*", "_default_", "0.0.0.0", "::", ":"):
        address = ""
    return Endpoint("127.0.0.1" if address == "localhost" else address, int(found["port"]), starttls)


# --- nginx --------------------------------------------------------------------------------------------------------


def _nginx(reading: Reading) -> Found:
    formats = {item.words[0]: "".join(item.words[1:]) for item in reading.named("log_format") if len(item.words) > 1}
    outer: dict[Block, Block | None] = {}
    for item in reading.settings:
        around: Block | None = None
        for block in item.blocks:
            if block.name == "server":
                outer[block] = around
            around = block
    logged = _by(reading.named("access_log"), lambda item: item.block)
    deeper: dict[Block, list[Block]] = {}
    for found in logged.values():
        for block in found[0].blocks[:-1]:
            deeper.setdefault(block, []).append(found[0].blocks[-1])
    endpoints: list[Endpoint] = []
    blocks: list[Block] = []
    # Logs of the same block stand together: one that tells is enough. A block below has its own, or inherits.
    groups: dict[Block | None, None] = {}
    for server in sorted(outer, key=lambda block: (block.path, block.body)):
        own = reading.inside(server)
        # Of the `ssl` lines of a server and of what is around it, the innermost counts.
        spoken = [
            item.words for block in (outer[server], server) for item in reading.inside(block) if item.name == "ssl"
        ]
        legacy = bool(spoken) and spoken[-1] == ("on",)
        listens = [item.words for item in own if item.name == "listen" and item.words]
        secure = [words for words in listens if legacy or {"ssl", "quic"} & set(words[1:])]
        if not secure:
            continue
        blocks.append(server)
        endpoints += [_endpoint(words[0], 80) for words in secure if not words[0].startswith("unix:")]
        groups[server if server in logged else outer[server]] = None
        groups.update(dict.fromkeys(deeper.get(server, ())))
    logs: list[Log] = []
    for group in groups:
        logs += _told([_nginx_log(item, formats) for item in logged.get(group, ())])
    return Found(tuple(endpoints), tuple(logs), tuple(blocks))


def _by(settings: Iterable[Setting], key: Callable[[Setting], Block | None]) -> dict[Block | None, list[Setting]]:
    """The settings that have words, in groups."""
    groups: dict[Block | None, list[Setting]] = {}
    for item in settings:
        if item.words:
            groups.setdefault(key(item), []).append(item)
    return groups


def _told(logs: list[Log]) -> list[Log]:
    """Of what stands together: the logs that tell, else the first."""
    return [log for log in logs if log.tells] or logs[:1] or [Log("", False, "not_logged")]


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
    hosts = list(dict.fromkeys(_virtual_host(item.blocks) for item in reading.settings if _on(item)))
    bound = [_endpoint(item.words[0]) for item in reading.named("listen") if item.words]
    words = [word for host in hosts if host for word in host.words]
    named = {_endpoint(word) for word in words if not _any_port(word)}
    if None in hosts:
        named |= {point for point in bound if point.port != 80}
    # A wildcard of a virtual host answers where Apache listens.
    wild = {point.port for point in named if not point.address} if bound else set()
    # One without a port is served on all of them.
    every = {point for point in bound if point.port != 80} if any(map(_any_port, words)) else set()
    endpoints = {point for point in named if point.address or not bound} | every
    endpoints |= {point for point in bound if point.port in wild}
    logged = _by(
        (item for item in reading.settings if item.name in ("customlog", "transferlog")),
        lambda item: _virtual_host(item.blocks),
    )
    logs: list[Log] = []
    for group in dict.fromkeys(host if host in logged else None for host in hosts):
        logs += _told([_apache_log(item, formats) for item in logged.get(group, ())])
    return Found(tuple(endpoints), tuple(logs), tuple(host for host in hosts if host))


def _any_port(word: str) -> bool:
    """A virtual host that names no port is served on all of them."""
    return word.endswith(":*") or re.search(r":\d+$|^\d+$", word) is None or (word.endswith("]") and word[:1] == "[")


def _on(item: Setting) -> bool:
    return item.name == "sslengine" and bool(item.words) and item.words[0].lower() in ("on", "optional")


def _virtual_host(blocks: Sequence[Block]) -> Block | None:
    return next((block for block in blocks if block.name == "virtualhost"), None)


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
    spoken: dict[Block | None, tuple[str | None, bool]] = {None: (None, False)}
    for stack in reading.blocks:
        block = stack[-1]
        if block.name == "defaults":
            defaults = block
            named[block.words[0] if block.words else ""] = block
            continue
        binds = [item for item in reading.inside(block) if item.name == "bind" and "ssl" in item.words[1:]]
        if block.name not in ("frontend", "listen") or not binds:
            continue
        blocks.append(block)
        for item in binds:
            for address in item.words[0].split(","):
                # QUIC goes over UDP, where nobody asks.
                if not address.startswith(("unix@", "/", "abns@", "fd@", "sockpair@", "quic4@", "quic6@", "udp@")):
                    endpoints.append(_endpoint(address))
        source = named.get(block.words[block.words.index("from") + 1]) if "from" in block.words[:-1] else defaults
        for one in (block, source):
            if one not in spoken:
                spoken[one] = _haproxy_spoken(reading.inside(one))
        (own, own_log), (inherited, inherited_log) = spoken[block], spoken[source]
        spelt = own if own is not None else inherited or ""
        tells = spelt == "httpslog" or (("%sslv" in spelt or "ssl_fc_protocol" in spelt) and "%ci" in spelt)
        tells = tells and (own_log or inherited_log)
        logs.append(Log(_HAPROXY_LOG, tells, "" if tells else "not_logged"))
    return Found(tuple(endpoints), tuple(logs), tuple(blocks))


def _haproxy_spoken(settings: Sequence[Setting]) -> tuple[str | None, bool]:
    """(the last format of its log, whether it has a log)."""
    formats = [
        " ".join(item.words) if item.name == "log-format" else item.words[0]
        for item in settings
        if item.name == "log-format" or (item.name == "option" and item.words[:1] and item.words[0].endswith("log"))
    ]
    return formats[-1] if formats else None, any(item.name == "log" for item in settings)


# --- stunnel ------------------------------------------------------------------------------------------------------


def _stunnel(reading: Reading) -> Found:
    endpoints: list[Endpoint] = []
    blocks: list[Block] = []
    logs: list[Log] = []
    common = {item.name: item.words[0] for item in reading.inside(None)}
    for stack in reading.blocks:
        own = {item.name: item.words[0] for item in reading.inside(stack[-1])}
        settings = ChainMap(own, common)
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
        own = {item.name: item.words for item in reading.inside(block)}
        if block.name == "connection" or not ({"certfile", "psk_hint"} & own.keys()):
            continue
        if block.name == "listener":
            if not block.words:
                raise Unclear("a listener without a port")
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
