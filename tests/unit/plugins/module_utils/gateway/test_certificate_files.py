# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate files of services, where each distribution keeps its configuration."""

from __future__ import annotations

from typing import Any

import pytest
from unit.gateway_host import facts, host

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.files import parse_os_release

SERVER = "server {{ listen 443 ssl; ssl_certificate {0}.pem; ssl_certificate_key {0}.key; }}\n"
VHOST = "<VirtualHost *:443>\nSSLEngine on\nSSLCertificateFile {0}.crt\nSSLCertificateKeyFile {0}.key\n</VirtualHost>\n"
PEM = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"


def running(process: str, *words: str) -> dict[str, str | None]:
    return {"/proc/7/comm": f"{process}\n", "/proc/7/cmdline": "\0".join(words) + "\0"}


def seen(files: dict[str, str | None]) -> list[tuple[str, str, str, str | None]]:
    found = facts(host(files), "certificate_files")
    assert found["subsets"]["certificate_files"]["status"] == "ok", found["subsets"]
    return [(entry["service"], entry["role"], entry["path"], entry["key_path"]) for entry in found["certificate_files"]]


NGINX, HAPROXY = "/etc/nginx/nginx.conf", "/etc/haproxy/haproxy.cfg"
CASES: dict[str, tuple[dict[str, str | None], list[tuple[str, str, str, str | None]]]] = {
    "Alpine's http.d": (
        {NGINX: "http { include /etc/nginx/http.d/*.conf; }", "/etc/nginx/http.d/a.conf": SERVER.format("/k/a")},
        [("nginx", "server", "/k/a.pem", "/k/a.key")],
    ),
    "SUSE's vhosts.d, relative names": (
        {NGINX: "http { include vhosts.d/*.conf; }", "/etc/nginx/vhosts.d/a.conf": SERVER.format("ssl/a")},
        [("nginx", "server", "/etc/nginx/ssl/a.pem", "/etc/nginx/ssl/a.key")],
    ),
    "a snippet": (
        {
            NGINX: "http { include sites-enabled/*; }",
            "/etc/nginx/sites-enabled/a": "server { listen 443 ssl; include snippets/tls.conf; }",
            "/etc/nginx/snippets/tls.conf": "ssl_certificate /k/a.pem; ssl_certificate_key /k/a.key;",
        },
        [("nginx", "server", "/k/a.pem", "/k/a.key")],
    ),
    "two servers, each with its own key": (
        {
            NGINX: "http { "
            + SERVER.format("/k/a")
            + "server { ssl_certificate_key /k/b.key; ssl_certificate /k/b.pem; } }"
        },
        [("nginx", "server", "/k/a.pem", "/k/a.key"), ("nginx", "server", "/k/b.pem", "/k/b.key")],
    ),
    "as a client": (
        {NGINX: "http { server { location / { proxy_ssl_certificate /c; grpc_ssl_certificate /g; } } }"},
        [("nginx", "client", "/c", None), ("nginx", "client", "/g", None)],
    ),
    "parts without their main file": (
        {"/etc/nginx/http.d/a.conf": SERVER.format("/k/a")},
        [("nginx", "server", "/k/a.pem", "/k/a.key")],
    ),
    "the running one's own file": (
        {
            **running("nginx", "nginx: master process /usr/sbin/nginx -c /opt/n.conf"),
            "/opt/n.conf": "http {" + SERVER.format("/k/o") + "}",
            NGINX: "http {" + SERVER.format("/k/a") + "}",
        },
        [("nginx", "server", "/k/o.pem", "/k/o.key")],
    ),
    "SUSE's Apache": (
        {
            **running("httpd-prefork", "/usr/sbin/httpd-prefork", "-f", "/etc/apache2/httpd.conf"),
            "/etc/apache2/httpd.conf": "ServerRoot /srv/www\nInclude /etc/apache2/vhosts.d/*.conf\n",
            "/etc/apache2/vhosts.d/a.conf": VHOST.format("tls/a"),
        },
        [("apache", "server", "/srv/www/tls/a.crt", "/srv/www/tls/a.key")],
    ),
    "RHEL's Apache": (
        {
            "/etc/httpd/conf/httpd.conf": 'ServerRoot "/etc/httpd"\nIncludeOptional conf.d/*.conf\n',
            "/etc/httpd/conf.d/ssl.conf": VHOST.format("/k/a"),
        },
        [("apache", "server", "/k/a.crt", "/k/a.key")],
    ),
    "Alpine's Apache": (
        {
            "/etc/apache2/httpd.conf": "ServerRoot /var/www\nIncludeOptional /etc/apache2/conf.d/*.conf\n",
            "/etc/apache2/conf.d/ssl.conf": VHOST.format("/k/a"),
        },
        [("apache", "server", "/k/a.crt", "/k/a.key")],
    ),
    "haproxy's conf.d and crt-base": (
        {
            **running("haproxy", "haproxy", "-Ws", "-f", HAPROXY, "-f", "/etc/haproxy/conf.d"),
            HAPROXY: "  global\n    crt-base /k\n",
            "/etc/haproxy/conf.d/a.cfg": "frontend a\n bind :443 ssl crt a.pem crt /b.pem\n",
            "/etc/haproxy/conf.d/b.cfg": "backend b\n server s 10.0.0.1 ssl crt c.pem\n",
        },
        [
            ("haproxy", "server", "/k/a.pem", None),
            ("haproxy", "server", "/b.pem", None),
            ("haproxy", "client", "/k/c.pem", None),
        ],
    ),
    "haproxy's crt-list": (
        {
            HAPROXY: "global\n crt-base /k\nfrontend a\n bind :443 ssl crt-list /l\n",
            "/l": "# x\nA.pem [alpn h2] gw.example\n/B.pem\n",
        },
        [("haproxy", "server", "/k/A.pem", None), ("haproxy", "server", "/B.pem", None)],
    ),
    "haproxy's store": (
        {
            HAPROXY: "crt-store\n crt-base /c\n key-base /y\n load crt a.pem key a.key alias x\n"
            "frontend a\n bind :443 ssl crt @/x\n"
        },
        [("haproxy", "server", "/c/a.pem", "/y/a.key")],
    ),
    "stunnel": (
        {
            "/etc/stunnel/a.conf": "\ufeffCert = /k/a.pem\r\nkey=/k/a.key\r\ninclude = /etc/stunnel/d\r\n",
            "/etc/stunnel/d/x.conf": "[web]\naccept = 443\n",
            "/etc/stunnel/b.conf": "[pacs]\nclient = yes\ncert = /k/b.pem\n[none]\naccept = 80\n",
        },
        [("stunnel", "server", "/k/a.pem", "/k/a.key"), ("stunnel", "client", "/k/b.pem", None)],
    ),
    "mosquitto": (
        {
            "/etc/mosquitto/mosquitto.conf": "include_dir /etc/mosquitto/tls\n",
            "/etc/mosquitto/tls/a.conf": "listener 8883\ncertfile /k/a.pem\nkeyfile /k/a.key\n"
            "connection c\nbridge_certfile /k/b.pem\n",
        },
        [("mosquitto", "server", "/k/a.pem", "/k/a.key"), ("mosquitto", "client", "/k/b.pem", None)],
    ),
    "nothing": ({}, []),
    "no TLS": ({**running("nginx", "nginx: master process nginx"), NGINX: "http { server { listen 80; } }"}, []),
    "mosquitto without a file": (running("mosquitto", "/usr/sbin/mosquitto"), []),
}


@pytest.mark.parametrize("case", CASES)
def test_the_certificates_of_a_configuration(case: str) -> None:
    files, expected = CASES[case]
    assert seen(files) == expected


@pytest.mark.parametrize(
    ("files", "place", "words"),
    [
        ({**running("httpd", "/usr/sbin/httpd")}, "/etc/apache2/apache2.conf", "none is in"),
        (
            {**running("nginx", "nginx: master process nginx"), NGINX: "http { server { listen 443 ssl; } }"},
            NGINX,
            "was not found",
        ),
        ({**running("nginx", "nginx: master process nginx"), NGINX: "http { server {"}, NGINX, "ends within a block"),
        ({**running("nginx", "nginx: master process nginx -c etc/n.conf"), NGINX: ""}, NGINX, "no full path"),
        (
            {**running("haproxy", "haproxy", "-f", HAPROXY), HAPROXY: "frontend a\n bind ${A} ssl\n"},
            HAPROXY,
            "where it listens",
        ),
        ({NGINX: "http {"}, NGINX, "ends within a block"),
    ],
)
def test_nothing_found_beside_a_tls_service_is_unclear(files: dict[str, Any], place: str, words: str) -> None:
    [entry] = facts(host(files), "certificate_files")["certificate_files"]
    assert (entry["path"], entry["chain_der"]) == (place, [])
    assert entry["detail"].startswith("unclear: ") and words in entry["detail"]


def test_what_may_not_be_read_stands_in_the_place_of_its_certificates() -> None:
    files: dict[str, str | None] = {NGINX: "http { include http.d/*; }", "/etc/nginx/http.d/a": None}
    found = facts(host(files), "certificate_files")
    [entry] = found["certificate_files"]
    assert entry["path"] == "/etc/nginx/http.d/a" and "privileged login" in entry["detail"]
    assert "/etc/nginx/http.d/a" in found["subsets"]["certificate_files"]["detail"]


@pytest.mark.parametrize("text", ['PRETTY_NAME="A 1"\r\n', "PRETTY_NAME=A 1\r\nX=1\r\n", "NAME=x\nPRETTY_NAME='A 1'"])
def test_an_os_release_from_windows(text: str) -> None:
    assert (parse_os_release(text) or "").strip() == "A 1"
