# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations as no administrator writes them: each is read in a moment, or refused in one sentence.

What is read of sound ones, and what is then changed, is tested in plugin_utils/test_tls_hardening.
"""

from __future__ import annotations

import contextlib
import time
import tracemalloc

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.found import Found, inspect
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.settings import (
    Reading,
    Unclear,
    matching,
    read,
)

MAIN = "/etc/gw/main.conf"
PART = "/etc/gw/conf.d/a.conf"
#: A thousand times what a configuration of a few hundred lines takes.
MOST_SECONDS = 5.0


def seen(service: str, text: str, **parts: str) -> tuple[Reading, Found]:
    files = {MAIN: text, **{f"/etc/gw/conf.d/{name}.conf": part for name, part in parts.items()}}
    reading = read(service, [MAIN], files)
    return reading, inspect(service, reading)


def unclear(service: str, text: str, **parts: str) -> str:
    with pytest.raises(Unclear) as problem:
        seen(service, text, **parts)
    assert "\n" not in str(problem.value) and len(str(problem.value)) < 200
    return str(problem.value)


MANY = 8000

READ = {
    "servers": ("nginx", "server { listen 443 ssl; }" * MANY),
    "logs around servers": ("nginx", "http {" + "access_log /a;" * MANY + "server { listen 443 ssl; }" * MANY + "}"),
    "logs within a server": ("nginx", "server { listen 443 ssl;" + "location a { access_log /a; }" * MANY + "}"),
    "Lua": ("nginx", "a_by_lua_block { }" * 4 * MANY),
    "virtual hosts": (
        "apache",
        "".join(f"Listen 192.0.{number // 250}.{number % 250}:443\n" for number in range(MANY))
        + "<VirtualHost *:443>\nSSLEngine on\n</VirtualHost>\n" * MANY,
    ),
    "quotes": ("apache", 'a "\\' * 4 * MANY),
    "frontends": ("haproxy", "defaults\n" + " log global\n" * MANY + "frontend a\n bind :443 ssl\n" * MANY),
    "services": ("stunnel", "".join(f"a{number} = b\n" for number in range(MANY)) + "[a]\naccept = 443\n" * MANY),
    "listeners": ("mosquitto", "listener 8883\ncertfile a\n" * MANY),
}


@pytest.mark.parametrize("case", READ)
def test_much_of_the_same_is_read_in_a_moment(case: str) -> None:
    service, text = READ[case]
    begun = time.process_time()
    seen(service, text)
    assert time.process_time() - begun < MOST_SECONDS


REFUSED = {
    "variables that never end": ("nginx", "${" * 500_000, "too deeply"),
    "blocks within blocks": ("nginx", "a {" * 300_000, "too deeply"),
    "sections within sections": ("apache", "<a\n" * 300_000, "too deeply"),
    "empty blocks": ("nginx", "a {}" * 60_000, "too long"),
    "empty sections": ("haproxy", "frontend a\n" * 60_000, "too long"),
    "settings": ("mosquitto", "a\n" * 60_000, "too long"),
    "patterns": ("nginx", "".join(f"include {number}/*;" for number in range(2000)), "too many files"),
    "colons": ("nginx", "server { listen " + ":" * 300_000 + "x ssl; }", "where it listens is not understood: '::"),
    "more colons": ("stunnel", "[a]\naccept = " + ":" * 300_000 + "x", "where it listens is not understood: '::"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_not_end_is_refused(case: str) -> None:
    service, text, said = REFUSED[case]
    begun = time.process_time()
    with pytest.raises(Unclear, match=said):
        seen(service, text)
    assert time.process_time() - begun < MOST_SECONDS


@pytest.mark.parametrize(
    ("service", "text"),
    [
        ("nginx", "a {" * 100_000),
        ("apache", "<a\n" * 100_000),
        ("nginx", "a" * 1_000_000),
        ("nginx", '"' + "a" * 1_000_000),
        ("nginx", "#\n" * 100_000),
        ("apache", '"' + "a" * 1_000_000),
        ("apache", "\\\n" * 100_000),
        ("haproxy", "a" * 1_000_000),
    ],
)
def test_no_text_fills_the_memory(service: str, text: str) -> None:
    tracemalloc.start()
    try:
        with contextlib.suppress(Unclear):
            seen(service, text)
        assert tracemalloc.get_traced_memory()[1] < 24_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("service", "include"),
    [
        ("nginx", "include conf.d/{name}.conf;\n"),
        ("apache", "Include conf.d/{name}.conf\n"),
        ("stunnel", "include = /etc/gw/conf.d/{name}\n"),
        ("mosquitto", "include_dir /etc/gw/conf.d/{name}\n"),
    ],
)
def test_files_that_include_each_other_end(service: str, include: str) -> None:
    if service in ("nginx", "apache"):
        assert "too deeply" in unclear(service, include.format(name="a"), a=include.format(name="a") * 3)
    else:
        files = {MAIN: include.format(name="a"), "/etc/gw/conf.d/a/b.conf": include.format(name="a") * 3}
        with pytest.raises(Unclear, match="too deeply"):
            read(service, [MAIN], files)


def test_a_file_that_is_included_again_and_again_counts_each_time() -> None:
    text = "include conf.d/a.conf;" * 30
    long = "# " + "x" * 1_000_000
    assert "too long" in unclear("nginx", text, a=long)
    bind = "frontend a\n" + "    bind :443 ssl crt-list /etc/gw/conf.d/a.conf\n" * 30
    assert "too long" in unclear("haproxy", bind, a=long)
    assert len(seen("nginx", text, a="# x\n")[0].patterns) == 30


def test_a_listener_without_a_port_is_refused() -> None:
    assert unclear("mosquitto", "listener\ncertfile a\n") == "a listener without a port"


def test_apache_joins_lines_whatever_their_ends() -> None:
    for end in ("\n", "\r\n"):
        reading, _found = seen("apache", f"SSLProtocol all \\{end}    -SSLv3{end}Listen 443{end}")
        protocol, listen = reading.settings
        assert protocol.words == ("all", "-SSLv3")
        assert listen.words == ("443",)
    # A backslash at the very end continues nothing.
    assert [item.words for item in seen("apache", "a b\\")[0].settings[:1]] == [("b",)]


def test_a_pattern_is_matched_or_refused_on_every_python(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/a/b.conf": "", "/a/.c.conf": "", "/a/b/c.conf": ""}
    assert matching("/a/*.conf", files) == ["/a/b.conf"]
    assert matching("/a/.*.conf", files) == ["/a/.c.conf"]
    assert matching("/a/[b-a].conf", files) == []
    # Python 3.9 makes of [b-a] an expression that does not compile.
    monkeypatch.setattr("fnmatch.translate", lambda piece: "[b-a]")
    with pytest.raises(Unclear, match="pattern"):
        matching("/a/[b-a].conf", files)


def test_nginx_s_logs_come_in_the_order_of_the_file() -> None:
    text = "server { listen 443 ssl; access_log /a; location x { access_log /b; } location y { access_log /c; } }"
    assert [log.path for log in seen("nginx", text)[1].logs] == ["/a", "/b", "/c"]
