# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written into the configuration of each TLS service, and that all else in it stays as it was."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.found import Endpoint, Found, inspect
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.tls_services.settings import Unclear, read
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.change.tls_hardening import Plan, difference, plan

NGINX = "/etc/nginx/nginx.conf"
NGINX_DROP_IN = "/etc/nginx/conf.d/biomed-cert-hygiene-tls.conf"
SITE = "/etc/nginx/sites-enabled/gateway"
APACHE = "/etc/apache2/apache2.conf"
APACHE_SSL = "/etc/apache2/mods-enabled/ssl.conf"
APACHE_SITE = "/etc/apache2/sites-enabled/gateway.conf"
APACHE_DROP_IN = "/etc/apache2/conf-enabled/zz-biomed-cert-hygiene-tls.conf"
HAPROXY = "/etc/haproxy/haproxy.cfg"
STUNNEL = "/etc/stunnel/dicom.conf"
MOSQUITTO = "/etc/mosquitto/mosquitto.conf"
MQTT = "/etc/mosquitto/conf.d/tls.conf"

MAINS = {"nginx": NGINX, "apache": APACHE, "haproxy": HAPROXY, "stunnel": STUNNEL, "mosquitto": MOSQUITTO}


def applied(service: str, files: Mapping[str, str], version: str = "") -> Plan:
    """The plan, after it was seen that what it writes needs no second run."""
    found = plan(service, files, [MAINS[service]], version)
    again = plan(service, {**files, **found.files}, [MAINS[service]], version)
    assert again == Plan()
    return found


def found(service: str, files: Mapping[str, str]) -> Found:
    return inspect(service, read(service, [MAINS[service]], files))


# --- nginx --------------------------------------------------------------------------------------------------------


def nginx(http: str = "", server: str = "", rest: str = "") -> dict[str, str]:
    return {
        NGINX: "user www-data; # a comment with { and ;\nhttp {\n" + http + "    include /etc/nginx/conf.d/*.conf;\n"
        "    include sites-enabled/*;\n}\n" + rest,
        SITE: "server {\n    listen 443 ssl;\n    listen [::]:443 ssl;\n    server_name 'a}b';\n" + server + "}\n",
    }


def test_nginx_gets_a_drop_in_where_nothing_is_said() -> None:
    wanted = applied("nginx", nginx())
    assert set(wanted.files) == {NGINX_DROP_IN}
    assert wanted.files[NGINX_DROP_IN].endswith("\nssl_protocols TLSv1.2 TLSv1.3;\n")
    assert wanted.reload == "reload"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", "TLSv1.2 TLSv1.3"),
        ("SSLv3 TLSv1.2", "TLSv1.2"),
        ("TLSv1", "TLSv1.2 TLSv1.3"),
        ("TLSv1.2", None),
        ("TLSv1.3", None),
    ],
)
def test_nginx_s_own_line_is_changed_and_nothing_else(before: str, after: str | None) -> None:
    for http, server in ((f"    ssl_protocols {before}; # why\n", ""), ("", f"    ssl_protocols {before}; # why\n")):
        files = nginx(http, server)
        place = NGINX if http else SITE
        wanted = {place: files[place].replace(before, after)} if after else {}
        assert applied("nginx", files).files == wanted


def test_nginx_s_drop_in_is_in_the_folder_that_its_http_block_reads() -> None:
    for pattern in ("/etc/nginx/conf.d/*.conf", "conf.d/*.conf"):
        files = nginx()
        files[NGINX] = "include modules.conf.d/*.conf;\n" + files[NGINX].replace("/etc/nginx/conf.d/*.conf", pattern)
        assert set(applied("nginx", files).files) == {NGINX_DROP_IN}


def test_nginx_s_streams_have_no_drop_in() -> None:
    rest = "stream {\n    server {\n        listen 2762 ssl;\n        proxy_pass 127.0.0.1:104;\n    }\n}\n"
    files = nginx(server="    ssl_protocols TLSv1.2;\n", rest=rest)
    assert applied("nginx", files).files == {
        NGINX: files[NGINX].replace("stream {", "stream {\n    ssl_protocols TLSv1.2 TLSv1.3;")
    }
    assert found("nginx", files).endpoints == (Endpoint("", 443), Endpoint("", 2762))


def test_nginx_as_a_client_is_left_alone() -> None:
    files = nginx(server="    ssl_protocols TLSv1.2;\n    location / { proxy_ssl_protocols TLSv1; }\n")
    assert applied("nginx", files).files == {}


def test_nginx_without_tls_gets_nothing() -> None:
    files = nginx("    ssl_protocols TLSv1;\n")
    files[SITE] = "server { listen 80; }\n"
    assert applied("nginx", files).files == {}


@pytest.mark.parametrize("text", ["http {", "http { server { listen 443 ssl }", "}", "http { 'open }", "{ }"])
def test_nginx_that_does_not_hold_together_is_not_touched(text: str) -> None:
    with pytest.raises(Unclear):
        plan("nginx", {NGINX: text}, [NGINX])


def test_lines_that_go_on_keep_their_ends_too() -> None:
    text = "Listen 443\nSSLProtocol all \\\n  -SSLv3\n<VirtualHost *:443>\n  SSLEngine on\n</VirtualHost>\n"
    for end in ("\n", "\r\n"):
        wanted = applied("apache", {APACHE: text.replace("\n", end)})
        mended = text.replace("  -SSLv3", "  -SSLv3 -TLSv1 -TLSv1.1")
        assert wanted.files == {APACHE: mended.replace("\n", end)}


def test_line_ends_stay_what_they_are() -> None:
    files = {NGINX: "http {\r\n  server {\r\n    listen 443 ssl;\r\n  }\r\n}\r\n"}
    assert applied("nginx", files).files[NGINX].count("\n") == applied("nginx", files).files[NGINX].count("\r\n")


# --- Apache -------------------------------------------------------------------------------------------------------


def apache(common: str = "all -SSLv3", host: str = "", last: str = "") -> dict[str, str]:
    return {
        APACHE: "IncludeOptional mods-enabled/*.conf\nInclude ports.conf\nIncludeOptional conf-enabled/*.conf\n"
        "IncludeOptional sites-enabled/*.conf\n" + last,
        "/etc/apache2/ports.conf": "Listen 80\n<IfModule ssl_module>\n\tListen 443\n</IfModule>\n",
        APACHE_SSL: f"<IfModule mod_ssl.c>\n\tSSLProtocol {common}\n</IfModule>\n" if common else "",
        APACHE_SITE: f"<VirtualHost *:443>\n\tSSLEngine on\n{host}</VirtualHost>\n",
    }


@pytest.mark.parametrize("common", ["all -SSLv3", "", "all", "TLSv1", "+TLSv1 +TLSv1.2"])
def test_apache_gets_a_drop_in(common: str) -> None:
    wanted = applied("apache", apache(common))
    assert set(wanted.files) == {APACHE_DROP_IN}
    assert "SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1\n" in wanted.files[APACHE_DROP_IN]


@pytest.mark.parametrize("common", ["all -SSLv3 -TLSv1 -TLSv1.1", "TLSv1.2", "-all +TLSv1.2 +TLSv1.3"])
def test_apache_that_is_right_gets_nothing(common: str) -> None:
    assert applied("apache", apache(common)).files == {}


def test_apache_s_virtual_hosts_are_edited() -> None:
    files = apache("TLSv1.2", "\tSSLProtocol all -SSLv3 # as ever\n".replace(" # as ever", ""))
    assert applied("apache", files).files == {
        APACHE_SITE: files[APACHE_SITE].replace("all -SSLv3", "all -SSLv3 -TLSv1 -TLSv1.1")
    }
    files = apache("TLSv1.2", "\tSSLProtocol TLSv1\n")
    assert applied("apache", files).files == {APACHE_SITE: files[APACHE_SITE].replace("TLSv1\n", "TLSv1.2\n")}


def test_apache_s_line_after_the_drop_in_is_edited_too() -> None:
    files = apache(last="SSLProtocol all\n")
    wanted = applied("apache", files).files
    assert set(wanted) == {APACHE_DROP_IN, APACHE}
    assert wanted[APACHE] == files[APACHE].replace("SSLProtocol all", "SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1")


def test_apache_answers_where_it_listens() -> None:
    files = apache()
    assert found("apache", files).endpoints == (Endpoint("", 443),)
    files["/etc/apache2/ports.conf"] = "Listen 127.0.0.1:443\n"
    assert found("apache", files).endpoints == (Endpoint("127.0.0.1", 443),)


# --- haproxy ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "bind", "options_after", "bind_after"),
    [
        (None, "", "ssl-min-ver TLSv1.2", ""),
        ("no-tls-tickets", "", "no-tls-tickets ssl-min-ver TLSv1.2", ""),
        ("no-sslv3", "", "no-sslv3 no-tlsv10 no-tlsv11", ""),
        ("ssl-min-ver TLSv1.0 no-tls-tickets", "", "ssl-min-ver TLSv1.2 no-tls-tickets", ""),
        ("ssl-min-ver TLSv1.2", "ssl-min-ver TLSv1.0", "ssl-min-ver TLSv1.2", "ssl-min-ver TLSv1.2"),
        ("ssl-min-ver TLSv1.2", "force-tlsv10", "ssl-min-ver TLSv1.2", ""),
        ("ssl-min-ver TLSv1.2", "ssl-max-ver TLSv1.1", "ssl-min-ver TLSv1.2", "ssl-max-ver TLSv1.2"),
        ("no-tlsv10 no-tlsv11", "", "no-tlsv10 no-tlsv11", ""),
        ("ssl-min-ver TLSv1.3", "alpn h2", "ssl-min-ver TLSv1.3", "alpn h2"),
    ],
)
def test_haproxy(options: str | None, bind: str, options_after: str, bind_after: str) -> None:
    def text(chosen: str | None, words: str) -> str:
        line = f"    ssl-default-bind-options {chosen}\n" if chosen is not None else ""
        return (
            f"global\n{line}    stats socket /run/haproxy.sock # ssl-min-ver TLSv1.0\n"
            f"frontend web\n    bind :443 ssl crt /etc/haproxy/web.pem{words and ' ' + words}\n"
            "    default_backend pacs\nbackend pacs\n    server one 192.0.2.7:443 ssl ssl-min-ver TLSv1.0\n"
        )

    wanted = applied("haproxy", {HAPROXY: text(options, bind)})
    after = text(options_after, bind_after)
    assert wanted.files == ({} if after == text(options, bind) else {HAPROXY: after})


def test_haproxy_s_list_of_certificates_is_read() -> None:
    files = {
        HAPROXY: "global\n  ssl-default-bind-options ssl-min-ver TLSv1.2\nlisten a\n  bind :443 ssl crt-list /etc/l\n",
        "/etc/l": "one.pem [ssl-min-ver TLSv1.0] one.example\n",
    }
    assert applied("haproxy", files).files == {"/etc/l": "one.pem [ssl-min-ver TLSv1.2] one.example\n"}


# --- stunnel ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("common", "own", "common_after", "own_after"),
    [
        ("", "", "", "sslVersionMin = TLSv1.2\n"),
        ("", "sslVersionMin = TLSv1\n", "", "sslVersionMin = TLSv1.2\n"),
        ("", "sslVersion = all\n", "", "sslVersionMin = TLSv1.2\n"),
        ("", "sslVersion = TLSv1.2\n", "", "sslVersion = TLSv1.2\n"),
        ("sslVersionMin = TLSv1.2\n", "", "sslVersionMin = TLSv1.2\n", ""),
        ("sslVersionMin = TLSv1\n", "", "sslVersionMin = TLSv1\n", "sslVersionMin = TLSv1.2\n"),
        ("options = NO_TLSv1\noptions = NO_TLSv1.1\n", "", "options = NO_TLSv1\noptions = NO_TLSv1.1\n", ""),
    ],
)
def test_stunnel(common: str, own: str, common_after: str, own_after: str) -> None:
    def text(first: str, inner: str) -> str:
        return f"; a comment\n{first}[dicom]\n{inner}accept = 2762\n[out]\nclient = yes\naccept = 127.0.0.1:104\n"

    wanted = applied("stunnel", {STUNNEL: text(common, own)})
    after = text(common_after, own_after)
    assert wanted.files == ({} if after == text(common, own) else {STUNNEL: after})


def test_stunnel_that_only_is_a_client_gets_nothing() -> None:
    files = {STUNNEL: "client = yes\n[out]\naccept = 127.0.0.1:104\nconnect = 192.0.2.9:2762\nsslVersion = TLSv1\n"}
    assert applied("stunnel", files) == Plan()


def test_stunnel_that_cannot_be_verified_is_not_touched() -> None:
    with pytest.raises(Unclear, match="cifs"):
        plan("stunnel", {STUNNEL: "[a]\naccept = 445\nprotocol = cifs\n"}, [STUNNEL])


# --- mosquitto ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "own", "after"),
    [
        ("2.0.11", "", ""),
        ("1.6.9", "", "tls_version tlsv1.2\n"),
        ("", "", "tls_version tlsv1.2\n"),
        ("2.0.11", "tls_version tlsv1.1\n", "tls_version tlsv1.2\n"),
        ("2.0.11", "tls_version tlsv1.3\n", "tls_version tlsv1.3\n"),
    ],
)
def test_mosquitto(version: str, own: str, after: str) -> None:
    main = "include_dir /etc/mosquitto/conf.d\nlistener 1883 127.0.0.1\n"

    def text(words: str) -> str:
        return f"listener 8883\ncertfile /c.pem\n{words}keyfile /c.key\n"

    wanted = applied("mosquitto", {MOSQUITTO: main, MQTT: text(own)}, version)
    assert wanted.files == ({} if own == after else {MQTT: text(after)})
    assert wanted.reload == ("none" if own == after else "restart")


# --- where they listen, and what their logs tell ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        (":443", Endpoint("", 443)),
        ("*:443", Endpoint("", 443)),
        ("192.0.2.1:443", Endpoint("192.0.2.1", 443)),
        (":::443", Endpoint("", 443)),
        ("[2001:db8::1]:443", Endpoint("2001:db8::1", 443)),
        ("ipv4@:443", Endpoint("", 443)),
        ('"${PORT}"', None),
        (":1-99", None),
        (":0", None),
    ],
)
def test_an_address_is_read_or_refused(address: str, wanted: Endpoint | None) -> None:
    files = {HAPROXY: f"listen a\n    bind {address} ssl crt /c.pem\n"}
    if wanted is None:
        with pytest.raises(Unclear):
            found("haproxy", files)
    else:
        assert found("haproxy", files).endpoints == (wanted,)


@pytest.mark.parametrize(
    ("http", "server", "tells"),
    [
        ("", "", [False]),
        ("    access_log /var/log/nginx/access.log;\n", "", [False]),
        ("    log_format t '$remote_addr $ssl_protocol';\n    access_log /var/log/nginx/a.log t;\n", "", [True]),
        ("    log_format t '$remote_addr $ssl_protocol';\n", "    access_log /a.log t;\n    access_log off;\n", [True]),
        ("    log_format t '$ssl_protocol';\n", "    access_log /a.log t;\n", [False]),
        ("    log_format t '$remote_addr $ssl_protocol';\n", "    access_log /a.log t if=$x;\n", [False]),
        (
            "    log_format t '$remote_addr $ssl_protocol';\n    access_log /a.log t;\n",
            "    location /x { access_log off; }\n",
            [True, False],
        ),
    ],
)
def test_whether_nginx_logs_tell(http: str, server: str, tells: list[bool]) -> None:
    assert [log.tells for log in found("nginx", nginx(http, server)).logs] == tells


@pytest.mark.parametrize(
    ("service", "files", "tells"),
    [
        ("apache", apache(last='CustomLog ${APACHE_LOG_DIR}/a.log "%h %{SSL_PROTOCOL}x"\n'), True),
        ("apache", apache(last='CustomLog /a.log "%h %t"\n'), False),
        ("apache", apache(last='CustomLog "|/usr/bin/cronolog" "%h %{SSL_PROTOCOL}x"\n'), False),
        ("apache", apache(), False),
        ("haproxy", {HAPROXY: "defaults\n log global\n option httpslog\nlisten a\n bind :443 ssl crt /c\n"}, True),
        ("haproxy", {HAPROXY: "defaults\n option httpslog\nlisten a\n bind :443 ssl crt /c\n"}, False),
        ("haproxy", {HAPROXY: "defaults\n option httplog\nlisten a\n bind :443 ssl crt /c\n"}, False),
        (
            "haproxy",
            {HAPROXY: 'listen a\n bind :443 ssl crt /c\n log /dev/log local0\n log-format "%ci %sslv"\n'},
            True,
        ),
        ("stunnel", {STUNNEL: "output = /a.log\ndebug = 6\n[a]\naccept = 1\n"}, True),
        ("stunnel", {STUNNEL: "output = /a.log\n[a]\naccept = 1\n"}, False),
        ("stunnel", {STUNNEL: "debug = info\n[a]\naccept = 1\n"}, False),
        ("mosquitto", {MOSQUITTO: "log_dest file /a.log\nlistener 8883\ncertfile /c\n"}, False),
    ],
)
def test_whether_logs_tell(service: str, files: dict[str, str], tells: bool) -> None:
    assert [log.tells for log in found(service, files).logs] == [tells]


def test_the_difference_shows_nothing_else() -> None:
    text = difference("/x", "password one\nssl 1\n", "password one\nssl 2\n")
    assert "password" not in text
    assert text.splitlines()[-2:] == ["-ssl 1", "+ssl 2"]
