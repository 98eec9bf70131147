# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each service listens with TLS, by configurations as distributions and manufacturers write them."""

from __future__ import annotations

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.found import inspect
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.running import PROGRAMS
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.settings import Unclear, read

VHOST = "<VirtualHost {}>\n  SSLEngine on\n</VirtualHost>\n"
INDENTED = """\
  global
    maxconn 100
  defaults
    mode http
\tfrontend dicom
    bind 127.0.0.1:2762 ssl crt /a.pem
    default_backend pacs
  backend pacs
    server s1 127.0.0.1:11112 ssl verify none
"""


@pytest.mark.parametrize(
    ("service", "text", "places"),
    [
        ("haproxy", INDENTED, ["127.0.0.1:2762"]),
        ("haproxy", INDENTED.replace("\n", "\r\n"), ["127.0.0.1:2762"]),
        ("haproxy", "listen a\nbind quic4@:443 ssl crt /a\n bind :443 ssl crt /a\n", [":443"]),
        (
            "haproxy",
            "frontend a\n bind pacs.hopital.example:443,[::]:8443 ssl crt /a\n",
            [":8443", "pacs.hopital.example:443"],
        ),
        ("haproxy", "frontend a\n bind ipv6@:::443 v6only ssl crt /a\n", [":443"]),
        ("haproxy", "frontend a\n bind :80\n", []),
        ("nginx", "http { ssl on; server { listen 443; } server { listen 8443; ssl off; } }", [":443"]),
        ("nginx", "http { server { listen 443; ssl on; } }", [":443"]),
        ("nginx", "http { ssl off; server { listen 443; } }", []),
        ("nginx", "http { server { listen gw.hopital.example:443 ssl; } }", ["gw.hopital.example:443"]),
        ("nginx", "http { server { listen gw-1 ssl; listen [2001:db8::1]:443 ssl; } }", ["2001:db8::1:443", "gw-1:80"]),
        ("nginx", "stream { server { listen 2762 ssl; } }", [":2762"]),
        ("apache", "Listen 443\n" + VHOST.format("gw.hopital.example:443"), ["gw.hopital.example:443"]),
        ("apache", "Listen 80\nListen 443 https\n" + VHOST.format("*"), [":443"]),
        ("apache", "Listen 80\nListen 192.0.2.1:443\n" + VHOST.format("192.0.2.1"), ["192.0.2.1:443"]),
        ("apache", "Listen [::]:443\n" + VHOST.format("*:*"), [":443"]),
        ("apache", "Listen 443\n" + VHOST.format("[2001:db8::1]"), [":443"]),
        ("apache", "Listen 443\n" + VHOST.format("[2001:db8::1]:443"), ["2001:db8::1:443"]),
        ("apache", "Listen 80\n<VirtualHost *:80>\n</VirtualHost>\n", []),
        ("stunnel", "\ufeff; from Windows\r\ncert = /a.pem\r\n[web]\r\naccept = 443\r\nconnect = 80\r\n", [":443"]),
        ("stunnel", "\ufeffcert = /a.pem\n[web]\naccept = gw.hopital.example:443\n", ["gw.hopital.example:443"]),
        (
            "mosquitto",
            "listener 8883\ncertfile /a\nlistener 8884 gw.example\ncertfile /a\n",
            [":8883", "gw.example:8884"],
        ),
    ],
)
def test_where_a_service_listens(service: str, text: str, places: list[str]) -> None:
    endpoints = inspect(service, read(service, ["/m"], {"/m": text})).endpoints
    assert [f"{point.address}:{point.port}" for point in endpoints] == places


@pytest.mark.parametrize("address", ["${ADDR}:443", ":443-450", "$PORT", "host_name!:443", "443x", "-a:443"])
def test_a_place_that_is_not_understood_is_said(address: str) -> None:
    with pytest.raises(Unclear, match="where it listens is not understood"):
        inspect("haproxy", read("haproxy", ["/m"], {"/m": f"frontend a\n bind {address} ssl crt /a\n"}))


@pytest.mark.parametrize("process", ["apache2", "httpd", "httpd-prefork", "httpd2-worker", "httpd-event"])
def test_apache_runs_under_many_names(process: str) -> None:
    assert process in PROGRAMS["apache"].processes and len(process) < 16
