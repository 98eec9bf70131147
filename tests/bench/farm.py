# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The farm: many TLS endpoints on the loopback, one nginx, and what the devices' side counts.

Each endpoint has an address and a certificate of its own (RSA-2048, from an issuing CA under a root), so that
nothing that a tool remembers of one certificate helps it with the next. They share one private key: making 10,000
would take an hour, and no tool can tell. nginx speaks TLS 1.2 and 1.3, as it does out of the box.

Connections are the kernel's PassiveOpens. Bytes are the TCP payload that nftables' counters see, headers taken off.
Processor time is nginx's own. The counters are exact where the benchmark has a network namespace of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench.measure import processor_seconds

PORT = 8443
#: Silent devices accept here, and say nothing.
SILENT_PORT = 8444
DAYS = 300
_MAKE_AGAIN_DAYS = 30
#: IPv4 and TCP headers, and the one option (MSS) of a SYN, in a namespace without timestamps, SACK and scaling.
_HEADER_BYTES = 40
_SYN_BYTES = 4


class FarmError(Exception):
    """The farm cannot be opened; the message says why."""


@dataclass(frozen=True)
class Endpoint:
    """One device of the farm. `kind`: sound | dead (no packet comes back) | silent (accepts, says nothing)."""

    name: str
    address: str
    port: int
    host_name: str
    kind: str = "sound"


@dataclass(frozen=True)
class Counters:
    """What the devices' side has counted so far; bytes are None where they cannot be counted."""

    connections: int
    bytes_up: int | None
    bytes_down: int | None
    cpu: float

    def since(self, before: Counters) -> Counters:
        """The difference."""
        known = self.bytes_up is not None and before.bytes_up is not None
        return Counters(
            self.connections - before.connections,
            (self.bytes_up or 0) - (before.bytes_up or 0) if known else None,
            (self.bytes_down or 0) - (before.bytes_down or 0) if known else None,
            self.cpu - before.cpu,
        )


def endpoint(number: int, kind: str = "sound") -> Endpoint:
    """The device of this number; the three kinds live on networks of their own."""
    second = {"sound": 50, "dead": 60, "silent": 61}[kind]
    address = f"127.{second + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
    port = SILENT_PORT if kind == "silent" else PORT
    name = f"device-{number:05d}"
    return Endpoint(name, address, port, f"{name}.hospital.example", kind)


def endpoints(size: int, dead: int = 0, silent: int = 0) -> list[Endpoint]:
    """`size` devices, of which so many are dead or silent, spread evenly."""
    kinds = ["dead"] * dead + ["silent"] * silent
    every = size // len(kinds) if kinds else size + 1
    broken = {place * every: kind for place, kind in enumerate(kinds)}
    return [endpoint(number, broken.get(number, "sound")) for number in range(size)]


# -- the farm's authority


class Authority:
    """A root, an issuing CA and the devices' certificates, kept in a folder from one run to the next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        self.key = folder / "device.key"

    def certificate(self, number: int) -> Path:
        """The file with a device's certificate and the issuing CA's."""
        return self.folder / f"{number:05d}.pem"

    def make(self, size: int) -> None:
        """Make what is missing; make everything anew when it has become old."""
        made = self.folder / "issuer.key"
        if made.exists() and time.time() - made.stat().st_mtime > _MAKE_AGAIN_DAYS * 86400:
            shutil.rmtree(self.folder)
        if not made.exists():
            self._make_authorities(made)
        missing = [number for number in range(size) if not self.certificate(number).exists()]
        if not missing:
            return
        workers = min(os.cpu_count() or 1, 1 + len(missing) // 200)
        if workers == 1:
            _issue(self.folder, missing)
            return
        with ProcessPoolExecutor(workers) as pool:
            for future in [pool.submit(_issue, self.folder, missing[start::workers]) for start in range(workers)]:
                future.result()

    def _make_authorities(self, issuer_file: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        root_key, issuer_key, device_key = (rsa.generate_private_key(65537, 2048) for _index in range(3))
        root = _certificate("Bench Root CA", root_key, "Bench Root CA", root_key, ca=True)
        issuer = _certificate("Bench Issuing CA", issuer_key, "Bench Root CA", root_key, ca=True)
        self.root.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        (self.folder / "issuer.pem").write_bytes(issuer.public_bytes(serialization.Encoding.PEM))
        _write_key(self.key, device_key)
        _write_key(issuer_file, issuer_key)


def _write_key(path: Path, key: rsa.RSAPrivateKey) -> None:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    data = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as handle:
        handle.write(data)


def _certificate(
    name: str, key: rsa.RSAPrivateKey, issuer: str, issuer_key: rsa.RSAPrivateKey, ca: bool = False
) -> x509.Certificate:
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=DAYS * 5 if ca else DAYS))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if ca:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    else:
        usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        builder = builder.add_extension(server, critical=False)
    builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def _issue(folder: Path, numbers: Sequence[int]) -> None:
    issuer_key, key = (
        serialization.load_pem_private_key((folder / file).read_bytes(), None) for file in ("issuer.key", "device.key")
    )
    assert isinstance(issuer_key, rsa.RSAPrivateKey) and isinstance(key, rsa.RSAPrivateKey)
    issuer = (folder / "issuer.pem").read_bytes()
    for number in numbers:
        leaf = _certificate(endpoint(number).host_name, key, "Bench Issuing CA", issuer_key)
        partial = folder / f"{number:05d}.part"
        partial.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + issuer)
        partial.rename(folder / f"{number:05d}.pem")


# -- the farm


class Farm:
    """nginx with `size` endpoints, and the counters. Use it in a `with`."""

    def __init__(self, folder: Path, size: int, nginx: str, nft: str | None, authority: Authority) -> None:
        self.folder = folder
        self.size = size
        self.authority = authority
        self.nginx = nginx
        self._nft = nft
        self._process: subprocess.Popen[bytes] | None = None
        self._worker = 0
        self._silent: socket.socket | None = None

    def __enter__(self) -> Farm:
        self.authority.make(self.size)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._configure()
        self._start_counting()
        log = (self.folder / "nginx.log").open("wb")
        self._process = subprocess.Popen(
            [self.nginx, "-p", str(self.folder), "-c", "nginx.conf", "-e", "error.log"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        try:
            self._await()
            self._open_silent()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_details: object) -> None:
        if self._silent is not None:
            self._silent.close()
            self._silent = None
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None
        if self._nft:
            subprocess.run([self._nft, "delete", "table", "inet", "bench"], capture_output=True, check=False)

    @property
    def drops(self) -> bool:
        """Whether packets to dead devices are dropped (else nothing listens there)."""
        return self._nft is not None

    def endpoints(self, count: int) -> list[Endpoint]:
        """The first so many."""
        return endpoints(min(count, self.size))

    def chain(self, target: Endpoint) -> tuple[str, ...]:
        """The SHA-256 fingerprints of what an endpoint sends, leaf first, in hexadecimal."""
        pem = self.authority.certificate(int(target.name.rpartition("-")[2])).read_bytes()
        return tuple(
            certificate.fingerprint(hashes.SHA256()).hex() for certificate in x509.load_pem_x509_certificates(pem)
        )

    def counters(self) -> Counters:
        """What the devices' side has counted since the farm opened. Waits for connections that are being closed."""
        time.sleep(0.2)
        up, down = self._bytes()
        return Counters(_passive_opens(), up, down, _cpu(self._worker))

    def _configure(self) -> None:
        for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
            (self.folder / name).mkdir(exist_ok=True)
        lines = [
            *(["user root;"] if os.geteuid() == 0 else []),
            "daemon off; worker_processes 1; worker_rlimit_nofile 65536; pid nginx.pid; error_log error.log crit;",
            "events { worker_connections 32768; }",
            "http {",
            "access_log off; ssl_protocols TLSv1.2 TLSv1.3;",
            "client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;",
            f"scgi_temp_path scgi; ssl_certificate_key {self.authority.key};",
            f"server {{ listen {PORT} ssl backlog=4096; ssl_certificate {self.authority.certificate(0)};",
            "return 200 ok; }",
        ]
        lines += [
            f"server {{ listen {endpoint(number).address}:{PORT} ssl;"
            f" ssl_certificate {self.authority.certificate(number)}; return 200 ok; }}"
            for number in range(self.size)
        ]
        (self.folder / "nginx.conf").write_text("\n".join([*lines, "}", ""]))

    def _await(self) -> None:
        deadline = time.monotonic() + 120
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise FarmError("nginx did not start:\n" + (self.folder / "nginx.log").read_text(errors="replace"))
            with contextlib.suppress(OSError), socket.create_connection((endpoint(0).address, PORT), 1):
                workers = children.read_text().split()
                if workers:
                    self._worker = int(workers[0])
                    return
            time.sleep(0.1)
        raise FarmError("nginx did not answer within two minutes")

    def _open_silent(self) -> None:
        self._silent = socket.socket()
        self._silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._silent.bind(("0.0.0.0", SILENT_PORT))
        self._silent.listen(4096)

    # -- counting

    def _start_counting(self) -> None:
        if not self._nft:
            return
        for option in ("tcp_timestamps", "tcp_sack", "tcp_window_scaling"):
            Path(f"/proc/sys/net/ipv4/{option}").write_text("0")
        rules = f"""
table inet bench {{
  chain input {{
    type filter hook input priority 0
    ip daddr 127.60.0.0/16 drop
    tcp dport {PORT} counter
    tcp dport {PORT} tcp flags syn counter
    tcp sport {PORT} counter
    tcp sport {PORT} tcp flags & syn == syn counter
  }}
}}
"""
        subprocess.run([self._nft, "-f", "-"], input=rules.encode(), check=True)

    def _bytes(self) -> tuple[int | None, int | None]:
        if not self._nft:
            return None, None
        answer = subprocess.run([self._nft, "-j", "list", "table", "inet", "bench"], capture_output=True, check=True)
        up, up_syn, down, down_syn = _nft_counters(json.loads(answer.stdout))
        return _payload(up, up_syn), _payload(down, down_syn)


def _nft_counters(listing: dict[str, list[dict[str, object]]]) -> Iterator[tuple[int, int]]:
    """(packets, bytes) of each counting rule, in order."""
    for item in listing["nftables"]:
        rule = item.get("rule")
        for part in rule["expr"] if isinstance(rule, dict) else ():
            if "counter" in part:
                yield part["counter"]["packets"], part["counter"]["bytes"]


def _payload(all_packets: tuple[int, int], syns: tuple[int, int]) -> int:
    return all_packets[1] - _HEADER_BYTES * all_packets[0] - _SYN_BYTES * syns[0]


def _passive_opens() -> int:
    names, values = (
        line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    )
    return int(values[names.index("PassiveOpens")])


def _cpu(pid: int) -> float:
    """Processor seconds of nginx's only worker: to the nanosecond where the kernel tells, else to its tick."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, IndexError):
        return processor_seconds(pid)
