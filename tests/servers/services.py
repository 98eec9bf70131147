# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers of the services that declare TLS in a protocol of their own, and of DICOM."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from servers.device import free_port
from servers.real import PROGRAMS, RUN, Unavailable, program, running, wheel
from servers.stacks import Credentials

#: name -> port, as long as the context is open
Service = Callable[[Credentials, Path], contextlib.AbstractContextManager[dict[str, int]]]


def needs_root() -> None:
    """Unavailable for all others."""
    if os.geteuid() != 0:
        raise Unavailable("root is needed")


def own(path: Path, user: str) -> None:
    """Give all of it to this user."""
    entry = pwd.getpwnam(user)
    for place in (path, *path.rglob("*")):
        os.chown(place, entry.pw_uid, entry.pw_gid)


def _private_key(files: Credentials, folder: Path, user: str) -> Path:
    """The key as a file that only this user reads, which some servers insist on."""
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "key.pem"
    shutil.copy(files.key, key)
    key.chmod(0o600)
    own(folder, user)
    return key


@contextlib.contextmanager
def postfix(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """SMTP with STARTTLS, and without."""
    needs_root()
    postfix_program = program("postfix")
    ports = {"smtp": free_port(), "smtp without TLS": free_port()}
    etc, queue, data = folder / "etc", folder / "queue", folder / "data"
    for place in (etc, queue, data):
        place.mkdir(parents=True)
    own(data, "postfix")
    (etc / "main.cf").write_text(
        f"compatibility_level = 3.6\nqueue_directory = {queue}\ndata_directory = {data}\nmaillog_file = /dev/stdout\n"
        "maillog_file_prefixes = /dev\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n"
        "myhostname = mail.hopital.example\n"
        f"smtpd_tls_cert_file = {files.chain}\nsmtpd_tls_key_file = {files.key}\nsmtpd_tls_security_level = may\n"
        "smtpd_client_connection_rate_limit = 0\nalias_maps =\nalias_database =\nmydestination = localhost\n",
        encoding="ascii",
    )
    (etc / "master.cf").write_text(
        f"127.0.0.1:{ports['smtp']} inet n - n - - smtpd\n"
        f"127.0.0.1:{ports['smtp without TLS']} inet n - n - - smtpd\n  -o smtpd_tls_security_level=none\n"
        "pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n"
        "rewrite unix - - n - - trivial-rewrite\nanvil unix - - n - 1 anvil\ntlsmgr unix - - n 1000? 1 tlsmgr\n"
        "proxymap unix - - n - - proxymap\nscache unix - - n - 1 scache\npostlog unix-dgram n - n - 1 postlogd\n",
        encoding="ascii",
    )
    with running([postfix_program, "-c", etc, "start-fg"], list(ports.values()), folder):
        try:
            yield ports
        finally:
            subprocess.run([postfix_program, "-c", etc, "stop"], capture_output=True, check=False)


@contextlib.contextmanager
def aiosmtpd(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """SMTP with STARTTLS, and without, where no mail server is installed."""
    ports = {"smtp": free_port(), "smtp without TLS": free_port()}
    folders = [str(wheel(name)) for name in ("aiosmtpd", "atpublic", "attrs")]
    command = [sys.executable, "-c", RUN, os.pathsep.join(folders), PROGRAMS / "smtp_server.py", files.chain, files.key]
    with running([*command, *map(str, ports.values())], list(ports.values()), folder):
        yield ports


@contextlib.contextmanager
def dovecot(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """IMAP and POP3 with STARTTLS, and from the first byte."""
    needs_root()
    ports = {name: free_port() for name in ("imap", "pop3", "imaps", "pop3s")}
    folder.mkdir(parents=True, exist_ok=True)
    listeners = "".join(
        f"service {protocol}-login {{\n"
        f" inet_listener {protocol} {{\n  port = {ports[protocol]}\n }}\n"
        f" inet_listener {protocol}s {{\n  port = {ports[protocol + 's']}\n  ssl = yes\n }}\n chroot =\n}}\n"
        for protocol in ("imap", "pop3")
    )
    (folder / "dovecot.conf").write_text(
        f"base_dir = {folder}/run\nstate_dir = {folder}/state\nprotocols = imap pop3\nlisten = 127.0.0.1\nssl = yes\n"
        f"ssl_cert = <{files.chain}\nssl_key = <{files.key}\nssl_min_protocol = TLSv1.2\nlog_path = /dev/stderr\n"
        f"mail_location = maildir:{folder}/mail\npassdb {{\n driver = static\n args = password=unused\n}}\n{listeners}",
        encoding="ascii",
    )
    with running([program("dovecot"), "-F", "-c", folder / "dovecot.conf"], list(ports.values()), folder):
        yield ports


@contextlib.contextmanager
def vsftpd(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """FTP with AUTH TLS, and without."""
    needs_root()
    ports = {"ftp": free_port(), "ftp without TLS": free_port()}
    (folder / "empty").mkdir(parents=True)
    with contextlib.ExitStack() as held:
        for name, port in ports.items():
            tls = f"ssl_enable=YES\nrsa_cert_file={files.chain}\nrsa_private_key_file={files.key}\nssl_ciphers=HIGH\n"
            (folder / f"{port}.conf").write_text(
                f"listen=YES\nlisten_ipv6=NO\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\n"
                f"secure_chroot_dir={folder}/empty\nanonymous_enable=NO\nlocal_enable=YES\nseccomp_sandbox=NO\n"
                + (tls if name == "ftp" else ""),
                encoding="ascii",
            )
            (folder / f"{port}.conf").chmod(0o600)
            held.enter_context(running([program("vsftpd"), folder / f"{port}.conf"], [port], folder / str(port)))
        yield ports


@contextlib.contextmanager
def slapd(files: Credentials, folder: Path, level: str = "none") -> Iterator[dict[str, int]]:
    """LDAP with STARTTLS, LDAP without, and LDAP over TLS; `level`: of its log (none is Debian's)."""
    ports = {"ldap": free_port(), "ldaps": free_port(), "ldap without TLS": free_port()}
    tls = f"TLSCACertificateFile {files.chain}\nTLSCertificateFile {files.chain}\nTLSCertificateKeyFile {files.key}\n"
    with contextlib.ExitStack() as held:
        for name, urls in (
            ("tls", f"ldap://127.0.0.1:{ports['ldap']}/ ldaps://127.0.0.1:{ports['ldaps']}/"),
            ("plain", f"ldap://127.0.0.1:{ports['ldap without TLS']}/"),
        ):
            place = folder / name
            place.mkdir(parents=True)
            (place / "slapd.conf").write_text(
                f"include /etc/ldap/schema/core.schema\npidfile {place}/pid\nargsfile {place}/args\n"
                f"{tls if name == 'tls' else ''}database ldif\n"
                f"suffix dc=example\nrootdn cn=admin,dc=example\ndirectory {place}\n",
                encoding="ascii",
            )
            command = [program("slapd"), "-d", level, "-f", place / "slapd.conf", "-h", urls]
            wanted = [ports["ldap"], ports["ldaps"]] if name == "tls" else [ports["ldap without TLS"]]
            held.enter_context(running(command, wanted, place))
        yield ports


@contextlib.contextmanager
def postgresql(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """PostgreSQL with TLS, and without."""
    needs_root()
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        raise Unavailable("postgresql is not installed")
    ports = {"postgres": free_port(), "postgres without TLS": free_port()}
    key = _private_key(files, folder / "key", "postgres")
    (folder / "data").mkdir()
    own(folder, "postgres")
    initdb = [programs[-1], "-D", folder / "data", "--auth=trust", "--no-sync", "-N"]
    subprocess.run(
        initdb, user="postgres", group="postgres", extra_groups=[], cwd=folder, check=True, capture_output=True
    )
    shutil.copytree(folder / "data", folder / "plain")
    own(folder, "postgres")
    with contextlib.ExitStack() as held:
        for name, data in (("postgres", "data"), ("postgres without TLS", "plain")):
            command = [
                programs[-1].with_name("postgres"),
                "-D",
                folder / data,
                "-p",
                ports[name],
                "-h",
                "127.0.0.1",
                "-F",
            ]
            command += ["-c", f"unix_socket_directories={folder}"]
            if data == "data":
                command += ["-c", "ssl=on", "-c", f"ssl_cert_file={files.chain}", "-c", f"ssl_key_file={key}"]
            held.enter_context(running(command, [ports[name]], folder / f"{data}-log", user="postgres"))
        yield ports


@contextlib.contextmanager
def mariadb(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """MariaDB with TLS, and without."""
    needs_root()
    server = program("mariadbd")
    ports = {"mysql": free_port(), "mysql without TLS": free_port()}
    key = _private_key(files, folder / "key", "mysql")
    base = [
        "--no-defaults",
        "--user=mysql",
        "--skip-log-bin",
        "--innodb-buffer-pool-size=8M",
        "--innodb-log-file-size=4M",
    ]
    with contextlib.ExitStack() as held:
        for name in ports:
            data = folder / name.replace(" ", "-")
            data.mkdir()
            own(folder, "mysql")
            command = [server, *base, "--skip-grant-tables", f"--datadir={data}", f"--port={ports[name]}"]
            command += [
                "--skip-networking=0",
                "--bind-address=127.0.0.1",
                f"--socket={data}/s",
                f"--pid-file={data}/pid",
            ]
            if name == "mysql":
                command += [f"--ssl-cert={files.chain}", f"--ssl-key={key}"]
            else:
                command += ["--skip-ssl"]
            held.enter_context(running(command, [ports[name]], folder / f"{data.name}-log"))
        yield ports


@contextlib.contextmanager
def xrdp(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """RDP with TLS, and with RDP's own encryption alone."""
    ports = {"rdp": free_port(), "rdp without TLS": free_port()}
    with contextlib.ExitStack() as held:
        for name, port in ports.items():
            place = folder / str(port)
            place.mkdir(parents=True)
            (place / "xrdp.ini").write_text(
                f"[Globals]\nini_version=1\nfork=true\nport=tcp://127.0.0.1:{port}\nruntime_user=root\n"
                f"security_layer={'tls' if name == 'rdp' else 'rdp'}\ncertificate={files.chain}\nkey_file={files.key}\n"
                "ssl_protocols=TLSv1.2, TLSv1.3\ncrypt_level=high\n"
                f"[Logging]\nLogFile={place}/xrdp.log\nLogLevel=INFO\n[Xorg]\nname=Xorg\nlib=libxup.so\n",
                encoding="ascii",
            )
            command = [program("xrdp"), "--nodaemon", "--config", place / "xrdp.ini"]
            held.enter_context(running(command, [port], place))
        yield ports


@contextlib.contextmanager
def dicom(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """DICOM over TLS by storescp, and plain DICOM."""
    ports = {"dicom": free_port(), "dicom without TLS": free_port(), "dicom with client certificates": free_port()}
    storescp = program("storescp")
    with contextlib.ExitStack() as held:
        for name, port in ports.items():
            place = folder / str(port)
            tls = ["+tls", files.key, files.chain, "-ic" if name == "dicom" else "-rc", "+cf", files.root]
            options = [] if name == "dicom without TLS" else tls
            held.enter_context(running([storescp, *options, "-od", folder, str(port)], [port], place))
        yield ports


SERVICES: dict[str, Service] = {
    "aiosmtpd": aiosmtpd,
    "postfix": postfix,
    "dovecot": dovecot,
    "vsftpd": vsftpd,
    "slapd": slapd,
    "postgresql": postgresql,
    "mariadb": mariadb,
    "xrdp": xrdp,
    "dcmtk": dicom,
}
