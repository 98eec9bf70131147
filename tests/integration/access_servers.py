"""Real servers that ask for a password, with accounts of their own: sshd, telnetd with login, vsftpd, nginx, Apache.

Those that read /etc/passwd and /etc/shadow do so in a mount namespace of their own, where these are other files: no
account of this machine is tried, changed or seen. That takes root. What was tried is counted in their own records.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from lab.places import own_port

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
#: The accounts on these servers, and their passwords.
ACCOUNTS = {"service": "open-sesame-4417", "carer": "ward-three-8852", "sealed": "never-guessed-90315"}
MODULES = Path("/usr/lib/apache2/modules")

#: Accepts connections and hands each to telnetd, as inetd does.
_INETD = """
import socket, subprocess, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    connection, _peer = listener.accept()
    with connection:
        subprocess.Popen(["/usr/sbin/telnetd"], stdin=connection, stdout=connection, stderr=subprocess.DEVNULL)
"""


def program(name: str) -> str:
    """Where a program is; the test is skipped where it is not."""
    found = shutil.which(name, path=PATH)
    if not found:
        pytest.skip(f"no {name} here")
    return found


def digest_of(password: str) -> str:
    """As /etc/shadow has it."""
    command = [program("openssl"), "passwd", "-6", "-stdin"]
    return subprocess.run(command, input=password, capture_output=True, text=True, check=True).stdout.strip()


class Servers:
    """Starts servers at one address of 127.0.0.0/8, and ends those that it started."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address
        self._stack = ExitStack()

    def close(self) -> None:
        self._stack.close()

    def free_port(self) -> int:
        return own_port(self.address)

    # -- with accounts of the system

    def sshd(self, *options: str, lock_after: int = 0) -> Sshd:
        """A real OpenSSH server. `lock_after`: failures that lock an account, by PAM."""
        binary, name = program("sshd"), f"sshd-{self.free_port()}"
        self._namespaces()
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        folder = self._folder(name)
        key = folder / "host"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        port = self.free_port()
        usual = ("UsePAM no", "PasswordAuthentication yes", "KbdInteractiveAuthentication no", "UseDNS no")
        lines = [
            *options,  # the first of two counts
            *usual,
            f"ListenAddress {self.address}:{port}",
            f"HostKey {key}",
            f"PidFile {folder / 'pid'}",
            "LogLevel VERBOSE",
            "StrictModes no",
        ]
        (folder / "config").write_text("\n".join(lines) + "\n", encoding="utf-8")
        log = folder / "log"
        command = [binary, "-D", "-E", str(log), "-f", str(folder / "config")]
        self._start(command, port, accounts=True, instead=self._locking("sshd", lock_after))
        kind, text = (folder / "host.pub").read_text(encoding="utf-8").split()[:2]
        return Sshd(port, f"{kind} {text}", log)

    def telnetd(self, *, lock_after: int = 0) -> Telnetd:
        """A real telnetd and login, started for each connection. `lock_after`: failures that lock an account."""
        program("telnetd")
        program("login")
        self._namespaces()
        port = self.free_port()
        # Failed logins are recorded there (btmp(5)).
        record = self._folder(f"telnetd-{port}") / "btmp"
        record.touch(mode=0o600)
        self._start(
            [sys.executable, "-c", _INETD, self.address, str(port)],
            port,
            accounts=True,
            instead={"/var/log/btmp": record, **self._locking("login", lock_after)},
        )
        return Telnetd(port, record)

    def vsftpd(self, *options: str) -> Vsftpd:
        """A real FTP server."""
        binary = program("vsftpd")
        self._namespaces()
        port = self.free_port()
        folder = self._folder(f"vsftpd-{port}")
        log = folder / "log"
        lines = [
            "listen=YES",
            "background=NO",
            "anonymous_enable=NO",
            "local_enable=YES",
            "pam_service_name=vsftpd",
            f"listen_address={self.address}",
            f"listen_port={port}",
            "xferlog_enable=YES",
            f"vsftpd_log_file={log}",
            *options,
        ]
        Path("/var/run/vsftpd/empty").mkdir(parents=True, exist_ok=True)
        (folder / "config").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._start([binary, str(folder / "config")], port, accounts=True)
        return Vsftpd(port, log)

    # -- with accounts in a file

    def nginx(self, certificate: Path, *, limit: bool = False) -> Web:
        """Basic authentication over HTTP(S): / for everyone known, /admin for `service` alone, /open for anyone."""
        binary, port = program("nginx"), self.free_port()
        folder = self._folder(f"nginx-{port}")
        apr1 = [program("openssl"), "passwd", "-apr1", "-stdin"]
        with (folder / "users").open("w", encoding="utf-8") as users, (folder / "admins").open("w") as admins:
            for name, password in ACCOUNTS.items():
                hashed = subprocess.run(apr1, input=password, capture_output=True, text=True, check=True).stdout
                users.write(f"{name}:{hashed}")
                if name == "service":
                    admins.write(f"{name}:{hashed}")
        pages = folder / "pages"
        for place in ("admin", "open"):
            (pages / place).mkdir(parents=True)
            (pages / place / "index.html").write_text(f"<title>Administration {place}</title>", encoding="utf-8")
        (pages / "index.html").write_text("<title>Status</title>", encoding="utf-8")
        # One request is let through, and what comes within a minute after it is refused with 429.
        zone = "limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m; limit_req_status 429;" if limit else ""
        (folder / "config").write_text(
            f"""
{"user root;" if os.geteuid() == 0 else ""} daemon off; pid {folder}/pid; error_log {folder}/error;
events {{ }}
http {{
  log_format tried '$remote_user $status $uri'; access_log {folder}/log tried; {zone}
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen {self.address}:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate}; root {pages};
    auth_basic device; auth_basic_user_file {folder}/users; {"limit_req zone=one;" if limit else ""}
    location /admin/ {{ auth_basic_user_file {folder}/admins; }}
    location /open/ {{ auth_basic off; }}
  }}
}}
""",
            encoding="utf-8",
        )
        folder.chmod(0o755)
        self._start([binary, "-p", str(folder), "-e", str(folder / "error"), "-c", str(folder / "config")], port)
        return Web(port, folder / "log")

    def apache(self) -> Web:
        """Digest authentication under /digest/, and a form with a session under /form/."""
        binary, port = program("apache2"), self.free_port()
        folder = self._folder(f"apache-{port}")
        loaded = (
            *(
                "mpm_event",
                "authn_core",
                "authn_file",
                "authz_core",
                "authz_user",
                "auth_basic",
                "auth_digest",
                "dir",
                "alias",
            ),
            *("request", "session", "session_cookie", "auth_form"),
        )
        for name in loaded:
            if not (MODULES / f"mod_{name}.so").exists():
                pytest.skip(f"no mod_{name} of Apache here")
        with (folder / "digest").open("w", encoding="utf-8") as digests, (folder / "users").open("w") as users:
            for name, password in ACCOUNTS.items():
                secret = hashlib.md5(f"{name}:device:{password}".encode()).hexdigest()
                digests.write(f"{name}:device:{secret}\n")
                apr1 = [program("openssl"), "passwd", "-apr1", "-stdin"]
                hashed = subprocess.run(apr1, input=password, capture_output=True, text=True, check=True).stdout
                users.write(f"{name}:{hashed}")
        pages = folder / "pages"
        for place, text in (
            ("digest/index.html", "<title>Status</title>"),
            ("form/index.html", "<title>Administration</title><p>Welcome</p>"),
            ("login.html", '<form method="post" action="/enter"><input name="user"><input name="pin"></form>'),
            ("wrong.html", "<p>Login failed</p>"),
        ):
            (pages / place).parent.mkdir(parents=True, exist_ok=True)
            (pages / place).write_text(text, encoding="utf-8")
        (folder / "config").write_text(
            "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in loaded)
            + f"""
ServerName device
Listen {self.address}:{port}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/log
LogLevel auth_digest:info auth_basic:info auth_form:info authn_file:info
DocumentRoot {pages}
{"User www-data" if os.geteuid() == 0 else ""}
{"Group www-data" if os.geteuid() == 0 else ""}
DirectoryIndex index.html
<Location /digest/>
  AuthType Digest
  AuthName device
  AuthDigestProvider file
  AuthUserFile {folder}/digest
  Require valid-user
</Location>
<Location /enter>
  SetHandler form-login-handler
  AuthType form
  AuthName device
  AuthFormProvider file
  AuthUserFile {folder}/users
  AuthFormUsername user
  AuthFormPassword pin
  AuthFormLoginRequiredLocation /wrong.html
  AuthFormLoginSuccessLocation /form/
  Require all granted
  Session On
  SessionCookieName session path=/
</Location>
<Location /form/>
  AuthType form
  AuthName device
  AuthFormProvider file
  AuthUserFile {folder}/users
  AuthFormLoginRequiredLocation /login.html
  Session On
  SessionCookieName session path=/
  Require valid-user
</Location>
""",
            encoding="utf-8",
        )
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self._start([binary, "-X", "-f", str(folder / "config")], port)
        return Web(port, folder / "log")

    # -- how they are started

    def _folder(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True)
        return path

    def _locking(self, service: str, after: int) -> dict[str, Path]:
        """Its PAM configuration, with pam_faillock(8) and a memory of its own."""
        if not after:
            return {}
        folder = self._folder(f"faillock-{service}")
        module = f"pam_faillock.so deny={after} unlock_time=600 dir={folder}"
        (folder / "pam").write_text(
            f"""auth requisite {module.replace(".so", ".so preauth")}
auth [success=1 default=ignore] pam_unix.so
auth [default=die] {module.replace(".so", ".so authfail")}
account required pam_unix.so
session required pam_permit.so
""",
            encoding="utf-8",
        )
        return {f"/etc/pam.d/{service}": folder / "pam"}

    def _namespaces(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("a server that reads /etc/shadow needs root, for accounts of its own")
        tried = subprocess.run([program("unshare"), "--mount", "true"], capture_output=True, check=False)
        if tried.returncode:
            pytest.skip(
                "a server that reads /etc/shadow needs a mount namespace of its own, which this machine refuses"
            )

    def _start(
        self, command: list[str], port: int, *, accounts: bool = False, instead: dict[str, Path] | None = None
    ) -> None:
        if accounts:
            files = {**self._accounts(), **(instead or {})}
            for place in files:
                if not Path(place).exists():
                    pytest.skip(f"no {place} here, for which another file could stand")
            script = "".join(f"mount --bind '{own}' {place} && " for place, own in files.items()) + 'exec "$@"'
            command = [*("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command)]
        log = (self.folder / f"started-{port}").open("wb")
        started = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PATH": PATH}
        )
        log.close()
        self._stack.callback(_end, started)
        deadline = time.monotonic() + 300
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.address, port), timeout=1):
                return
            said = (self.folder / f"started-{port}").read_text(encoding="utf-8", errors="replace")
            assert started.poll() is None and time.monotonic() < deadline, f"{command} does not start: {said}"
            time.sleep(0.05)

    def _accounts(self) -> dict[str, Path]:
        """/etc/passwd and /etc/shadow with our accounts added."""
        passwd, shadow = self.folder / "passwd", self.folder / "shadow"
        if not passwd.exists():
            home = self.folder / "home"
            home.mkdir(mode=0o755)
            users, secrets = Path("/etc/passwd").read_text(encoding="utf-8"), "root:*:19000:0:99999:7:::\n"
            for number, (name, password) in enumerate(ACCOUNTS.items(), 61001):
                users += f"{name}:x:{number}:65534::{home}:/bin/sh\n"
                secrets += f"{name}:{digest_of(password)}:19000:0:99999:7:::\n"
            passwd.write_text(users, encoding="utf-8")
            shadow.write_text(secrets, encoding="utf-8")
            shadow.chmod(0o600)
        return {"/etc/passwd": passwd, "/etc/shadow": shadow}


def _end(process: subprocess.Popen[Any]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Sshd:
    """A running sshd, and what it counted."""

    def __init__(self, port: int, host_key: str, log: Path) -> None:
        self.port = port
        self.host_key = host_key
        self._log = log

    def tries(self, account: str) -> int:
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return sum(
            line.startswith(("Failed password for", "Accepted password for", "Failed keyboard-", "Accepted keyboard-"))
            and f" {account} from" in line
            for line in text.splitlines()
        )


class Telnetd:
    """A running telnetd, and the failed logins that it counted."""

    def __init__(self, port: int, record: Path) -> None:
        self.port = port
        self._record = record

    def failures(self, account: str) -> int:
        data = self._record.read_bytes()
        return sum(data[at + 44 : at + 76].rstrip(b"\0") == account.encode() for at in range(0, len(data), 384))


class Vsftpd:
    """A running vsftpd, and what it counted."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self._log = log

    def tries(self, account: str) -> int:
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        return text.count(f"[{account}] FAIL LOGIN") + text.count(f"[{account}] OK LOGIN")


class Web:
    """A running web server and its log."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log

    def tries(self, account: str) -> int:
        """Requests that carried a login of this account (nginx)."""
        return sum(line.startswith(f"{account} ") for line in self.log.read_text(encoding="utf-8").splitlines())


@contextlib.contextmanager
def servers(address: str) -> Iterator[Servers]:
    """Servers that are ended at the end. Their folder can be read by the users that they become."""
    with tempfile.TemporaryDirectory(prefix="access-") as folder:
        Path(folder).chmod(0o755)
        opened = Servers(Path(folder), address)
        try:
            yield opened
        finally:
            opened.close()
