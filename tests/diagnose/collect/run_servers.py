# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers on 127.0.0.1, met by bad clients one after the other: the lines that each writes in its log.

    python tests/diagnose/collect/run_servers.py FOLDER OUT.tsv [STACK …]

FOLDER is bad_servers.py's (for its certificates). All servers ask for a client certificate. Programs that are missing
are left out and said. Labels as in run_clients.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from run_clients import tidy, version_of

PORT = 24900
Client = Callable[[int], None]


def context(pki: Path, client: str | None = "client", **versions: ssl.TLSVersion) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.set_ciphers("ALL:@SECLEVEL=0")
    if client:
        made.load_cert_chain(pki / f"{client}.pem", pki / f"{client}.key")
    for name, version in versions.items():
        setattr(made, name, version)
    return made


def over(port: int, starttls: str) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", port), 5)
    if starttls == "postgres":
        plain.sendall(struct.pack("!II", 8, 80877103))
        plain.recv(1)
    if starttls == "mysql":
        plain.recv(4096)
        plain.sendall(b"\x20\x00\x00\x01\x85\xae\x0f\x00\x00\x00\x00\x01\x21" + bytes(23))
    return plain


def shakes(made: ssl.SSLContext, starttls: str) -> Client:
    def go(port: int) -> None:
        with made.wrap_socket(over(port, starttls), server_hostname="localhost") as secure:
            secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
            secure.recv(10)

    return go


def hello_then(starttls: str, after: Callable[[socket.socket], None]) -> Client:
    def go(port: int) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        wrapped = made.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            wrapped.do_handshake()
        with over(port, starttls) as plain:
            plain.sendall(outgoing.read())
            plain.recv(16384)
            after(plain)
            time.sleep(0.2)

    return go


def with_reset(plain: socket.socket) -> None:
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


def plain_text(words: bytes) -> Client:
    def go(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            plain.sendall(words)
            time.sleep(0.3)

    return go


def clients(pki: Path, starttls: str) -> Iterator[tuple[str, str, str, Client]]:
    """(scenario, categories, alert, what the client does)"""
    one, three = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_3
    required = "client_certificate_required"
    yield (
        "tls10_client",
        "protocol_mismatch",
        "",
        shakes(context(pki, minimum_version=one, maximum_version=one), starttls),
    )
    few = context(pki, maximum_version=ssl.TLSVersion.TLSv1_2)
    few.set_ciphers("PSK-AES128-CBC-SHA:ADH-AES128-SHA:@SECLEVEL=0")
    yield "no_common_cipher", "protocol_mismatch", "", shakes(few, starttls)
    for label, high in (("12", ssl.TLSVersion.TLSv1_2), ("13", three)):
        yield f"no_client_certificate_{label}", required, "", shakes(context(pki, None, maximum_version=high), starttls)
        for name, category in (
            ("client-expired", "expired"),
            ("client-not-yet", "clock_skew"),
            ("client-unknown-ca", "unknown_ca"),
            ("self-signed", "unknown_ca"),
        ):
            yield f"{name}_{label}", category, "", shakes(context(pki, name, maximum_version=high), starttls)
    if not starttls:
        yield "plain_http", "plaintext_or_wrong_port", "", plain_text(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield (
            "plain_hl7",
            "plaintext_or_wrong_port",
            "",
            plain_text(b"\x0bMSH|^~\\&|LAB|CHU|20261122||ORU^R01|1|P|2.5\r"),
        )
        yield "plain_dicom", "plaintext_or_wrong_port", "", plain_text(b"\x01\x00\x00\x00\x00\xd8\x00\x01\x00\x00")
    for number in (10, 40, 42, 43, 44, 45, 46, 47, 48, 49, 51, 70, 71, 80, 90, 112, 116):
        record = b"\x15\x03\x03\x00\x02\x02" + bytes([number])
        yield f"alert_{number}", "", str(number), hello_then(starttls, lambda plain, r=record: plain.sendall(r))
    yield "reset", "connection_reset", "", hello_then(starttls, with_reset)
    yield "hang_up", "connection_reset", "", hello_then(starttls, lambda plain: plain.shutdown(socket.SHUT_RDWR))


def servers(pki: Path, home: Path) -> Iterator[tuple[str, str, str, str, Path]]:
    """(stack, version command, command, what is spoken before TLS, log)"""
    cert, key, ca = pki / "good.pem", pki / "good.key", pki / "ca.pem"
    log = home / "log"
    (home / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {home}/nginx.pid; error_log {log} info;\nevents {{}}\n"
        f"http {{ access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;"
        f" uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;\n server {{ listen 127.0.0.1:{PORT} ssl;"
        f" ssl_certificate {cert}; ssl_certificate_key {key}; ssl_client_certificate {ca}; ssl_verify_client on;"
        f" ssl_protocols TLSv1.2 TLSv1.3; location / {{ return 200 ok; }} }} }}\n"
    )
    yield "nginx", "nginx -v", f"nginx -c {home}/nginx.conf", "", log
    modules = "/usr/lib/apache2/modules"
    load = "".join(
        f"LoadModule {name}_module {modules}/mod_{name}.so\n"
        for name in ("mpm_event", "authz_core", "ssl", "socache_shmcb", "unixd")
    )
    (home / "apache.conf").write_text(
        f"{load}ServerName localhost\nListen 127.0.0.1:{PORT}\nPidFile {home}/apache.pid\nDefaultRuntimeDir {home}\n"
        f"ErrorLog {log}\nLogLevel info\nUser nobody\nGroup nogroup\nSSLSessionCache shmcb:{home}/cache\n"
        f"<VirtualHost *:{PORT}>\nSSLEngine on\nSSLCertificateFile {cert}\nSSLCertificateKeyFile {key}\n"
        f"SSLCACertificateFile {ca}\nSSLVerifyClient require\n</VirtualHost>\n"
    )
    yield "Apache httpd", "apache2 -v", f"apache2 -f {home}/apache.conf -DFOREGROUND", "", log
    (home / "pair.pem").write_bytes(cert.read_bytes() + key.read_bytes())
    (home / "haproxy.cfg").write_text(
        "global\n log stdout format raw local0 debug\ndefaults\n mode http\n log global\n timeout connect 2s\n"
        " timeout client 2s\n timeout server 2s\nfrontend dm\n option httplog\n"
        f" bind 127.0.0.1:{PORT} ssl crt {home}/pair.pem ca-file {ca} verify required\n"
        ' error-log-format "%ci:%cp [%t] %ft %[fc_err]/%[fc_err_str] %[ssl_fc_err_str]"\n'
        " http-request return status 200\n"
    )
    yield "haproxy", "haproxy -v", f"haproxy -db -f {home}/haproxy.cfg", "", log
    (home / "stunnel.conf").write_text(
        f"foreground = yes\npid =\ndebug = info\noutput = {log}\n[dm]\naccept = 127.0.0.1:{PORT}\n"
        "connect = 127.0.0.1:1\n"
        f"cert = {cert}\nkey = {key}\nCAfile = {ca}\nverifyChain = yes\nrequireCert = yes\n"
    )
    yield "stunnel", "stunnel -version", f"stunnel {home}/stunnel.conf", "", log
    (home / "mosquitto.conf").write_text(
        f"listener {PORT} 127.0.0.1\ncafile {ca}\ncertfile {cert}\nkeyfile {key}\nrequire_certificate true\n"
        "allow_anonymous true\nlog_type all\nlog_dest stdout\nuser root\n"
    )
    yield "mosquitto", "mosquitto -h", f"mosquitto -c {home}/mosquitto.conf", "", log
    (home / "slapd.conf").write_text(
        "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n"
        f"TLSCACertificateFile {ca}\nTLSCertificateFile {cert}\nTLSCertificateKeyFile {key}\nTLSVerifyClient demand\n"
        f"pidfile {home}/slapd.pid\ndatabase mdb\nsuffix dc=x\ndirectory {home}\n"
    )
    yield "slapd (GnuTLS)", "slapd -VV", f"slapd -h ldaps://127.0.0.1:{PORT} -f {home}/slapd.conf -d 1", "", log
    socat = f"socat -d -d OPENSSL-LISTEN:{PORT},bind=127.0.0.1,fork,reuseaddr,cert={cert},key={key},cafile={ca} -"
    yield "socat", "socat -V", socat, "", log
    yield (
        "openssl s_server",
        "openssl version",
        f"openssl s_server -quiet -naccept 1000 -accept {PORT} -cert {cert} -key {key} -CAfile {ca} -Verify 4"
        " -verify_return_error",
        "",
        log,
    )
    gnutls = f"gnutls-serv --require-client-cert --verify-client-cert --x509cafile={ca} --x509certfile={cert}"
    yield "gnutls-serv", "gnutls-serv --version", f"{gnutls} --x509keyfile={key} -p {PORT} -d 1", "", log
    yield (
        "storescp (DCMTK)",
        "storescp --version",
        f"storescp -v +tls {key} {cert} +cf {ca} -rc --ignore {PORT}",
        "",
        log,
    )
    java = f"java -cp . Server {PORT} {home}/store.p12 {home}/trust.p12"
    yield "Java SSLServerSocket", "java --version", java, "", log
    node = f"node {Path(__file__).parent}/programs/server.js {PORT} {pki}"
    yield "Node server", "node --version", node, "", log
    yield "Go server", "go version", f"./server_go {PORT} {pki}", "", log
    python = f"python3 {Path(__file__).parent}/programs/server.py {PORT} {pki}"
    yield "Python ssl server", "python3 --version", python, "", log
    postgres = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))), Path("postgres"))
    yield (
        "PostgreSQL",
        f"{postgres} --version",
        f"setpriv --reuid postgres --clear-groups {postgres} -D {home}/pg",
        "postgres",
        log,
    )
    yield (
        "MariaDB",
        "mariadbd --version",
        f"mariadbd --no-defaults --datadir={home}/maria --port={PORT} --bind-address=127.0.0.1 --socket={home}/m.sock"
        f" --ssl-cert={cert} --ssl-key={key} --ssl-ca={ca} --log-warnings=9 --user=root",
        "mysql",
        log,
    )


def prepare(stack: str, pki: Path, home: Path) -> None:
    if stack.startswith("Java"):
        for out, words in (
            ("store.p12", ["-inkey", f"{pki}/good.key", "-in", f"{pki}/good.pem"]),
            ("trust.p12", ["-nokeys", "-in", f"{pki}/ca.pem", "-jdktrust", "anyExtendedKeyUsage"]),
        ):
            command = ["openssl", "pkcs12", "-export", "-out", f"{home}/{out}", "-passout", "pass:changeit", *words]
            if out == "trust.p12":
                command = ["keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", f"{pki}/ca.pem"]
                command += ["-keystore", f"{home}/{out}", "-storepass", "changeit", "-storetype", "PKCS12"]
            subprocess.run(command, check=True, capture_output=True)
    if stack == "PostgreSQL":
        bin_folder = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))))
        data = home / "pg"
        data.mkdir()
        shutil.chown(data, "postgres", "postgres")
        for folder in (home, home.parent):
            folder.chmod(0o755)
        run = [
            "setpriv",
            "--reuid",
            "postgres",
            "--clear-groups",
            str(bin_folder / "initdb"),
            "-D",
            str(data),
            "--auth=trust",
        ]
        subprocess.run(run, check=True, capture_output=True)
        for name in ("good.pem", "good.key", "ca.pem"):
            shutil.copy(pki / name, data / name)
            (data / name).chmod(0o600)
            shutil.chown(data / name, "postgres", "postgres")
        with (data / "postgresql.conf").open("a") as stream:
            stream.write(
                f"port={PORT}\nlisten_addresses='127.0.0.1'\nunix_socket_directories='{data}'\nssl=on\n"
                "ssl_cert_file='good.pem'\nssl_key_file='good.key'\nssl_ca_file='ca.pem'\n"
            )
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 cert clientcert=verify-full\n")
    if stack == "MariaDB":
        words = ["mariadb-install-db", "--no-defaults", f"--datadir={home}/maria", "--user=root"]
        subprocess.run(words, check=True, capture_output=True)


@contextlib.contextmanager
def running(command: str, log: Path) -> Iterator[None]:
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command.split(), stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            for _wait in range(60):
                time.sleep(0.2)
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), 1):
                    break
            time.sleep(0.5)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait(10)


def main() -> None:
    folder, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    pki = folder / "pki"
    home = folder / "servers"
    count = 0
    for stack, ask, command, starttls, log in servers(pki, _emptied(home)):
        if sys.argv[3:] and stack not in sys.argv[3:]:
            continue
        if not shutil.which(command.split()[4 if command.startswith("setpriv") else 0]):
            print(f"left out: {stack}")
            continue
        log.unlink(missing_ok=True)
        log.touch()
        try:
            prepare(stack, pki, home)
        except (OSError, subprocess.CalledProcessError, StopIteration) as error:
            print(f"left out: {stack}: {error}")
            continue
        version = version_of(ask)
        with running(command, log), out.open("a", encoding="utf-8") as stream:
            for scenario, categories, sent, act in clients(pki, starttls):
                start = log.stat().st_size
                with contextlib.suppress(OSError, ValueError):
                    act(PORT)
                time.sleep(0.35)
                with log.open("rb") as lines:
                    lines.seek(start)
                    said = tidy(lines.read().decode("utf-8", "replace"), folder)
                if said:
                    count += 1
                    stream.write("\t".join((said, categories, sent, stack, version, scenario)) + "\n")
    print(f"{count} messages")


def _emptied(home: Path) -> Path:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    home.chmod(0o755)
    return home


if __name__ == "__main__":
    main()
