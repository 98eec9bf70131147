# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A farm of bad TLS servers on 127.0.0.1, one fault each, to make real clients say what is wrong.

    python tests/diagnose/collect/bad_servers.py FOLDER     writes FOLDER/pki and FOLDER/farm.tsv, serves until ended

farm.tsv has, for each port: scenario, port, the categories that a client which checks for itself ought to tell (one or
several, `|` between), and the number of the alert where the server only sends that alert.
"""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(timezone.utc)
FIRST_PORT = 24000
#: Alerts (RFC 8446, section 6; RFC 5246, 7.2), each sent alone in answer to the hello.
ALERTS = (0, 10, 20, 22, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 60, 70, 71, 80, 86, 90, 100, 109, 110)
ALERTS += (112, 113, 115, 116, 120)


def a_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def a_name(text: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "CHU"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
    )


class Pki:
    """Certificates in files: <name>.pem (leaf, then intermediates) and <name>.key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.keys = {"ca": a_key(), "other-ca": a_key(), "old-sub": a_key()}
        self.key = a_key()
        self.made = {
            "ca": self._make("Hospital root", "ca", ca=True),
            "other-ca": self._make("Another root", "other-ca", ca=True),
        }
        self.made["old-sub"] = self._make("Old authority", "old-sub", issuer="ca", start=-400, end=-10, ca=True)
        self.made["sub"] = self._make("Middle authority", "old-sub", issuer="ca", ca=True)
        for name, certificate in self.made.items():
            self._write(name, self.keys.get(name, self.keys["old-sub"]), certificate)
        self.leaf("good")
        self.leaf("expired", start=-400, end=-3)
        self.leaf("not-yet", start=5, end=300)
        self.leaf("unknown-ca", issuer="other-ca")
        self.leaf("wrong-name", names=["elsewhere.hopital.example"])
        self.leaf("expired-above", issuer="old-sub", also=["old-sub"])
        self.leaf("incomplete", issuer="sub")
        self.leaf("client", names=["echo-004"], usage=ExtendedKeyUsageOID.CLIENT_AUTH)
        self.leaf("client-expired", names=["echo-004"], start=-400, end=-3, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
        self.leaf("client-not-yet", names=["echo-004"], start=5, end=90, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
        self.leaf("client-unknown-ca", issuer="other-ca", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
        own = a_key()
        self._write("self-signed", own, self._make("localhost", key=own))
        self._weak()
        self._crls()

    def _make(
        self,
        common: str,
        signer: str = "ca",
        issuer: str | None = None,
        start: float = -30,
        end: float = 300,
        names: list[str] | None = None,
        ca: bool = False,
        key: rsa.RSAPrivateKey | None = None,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> x509.Certificate:
        signing = key or self.keys[issuer or signer]
        public = key or (self.keys[signer] if ca else self.key)
        above = self.made[issuer].subject if issuer else a_name(common)
        builder = (
            x509.CertificateBuilder()
            .subject_name(a_name(common))
            .issuer_name(above)
            .public_key(public.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + timedelta(days=start))
            .not_valid_after(NOW + timedelta(days=end))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public.public_key()), critical=False)
        )
        if issuer:
            authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.keys[issuer].public_key())
            builder = builder.add_extension(authority, critical=False)
        if ca:
            bits = ("digital_signature", "key_cert_sign", "crl_sign")
            every = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", *bits)
            usages = {name: name in bits for name in (*every, "encipher_only", "decipher_only")}
            builder = builder.add_extension(x509.KeyUsage(**usages), critical=True)
        else:
            alternatives = [x509.DNSName(name) for name in names or ["localhost"]]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return builder.sign(signing, hashes.SHA256())

    def leaf(
        self,
        name: str,
        issuer: str = "ca",
        start: float = -30,
        end: float = 300,
        names: list[str] | None = None,
        also: list[str] | None = None,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> None:
        if issuer == "sub":
            self.keys["sub"] = self.keys["old-sub"]
        common = (names or ["localhost"])[0]
        certificate = self._make(common, issuer=issuer, start=start, end=end, names=names, usage=usage)
        self._write(name, self.key, certificate, [self.made[other] for other in also or []])

    def _write(self, name: str, key: rsa.RSAPrivateKey, certificate: x509.Certificate, also: object = ()) -> None:
        pem = serialization.Encoding.PEM
        chain = [certificate, *also]  # type: ignore[misc]
        (self.folder / f"{name}.pem").write_bytes(b"".join(one.public_bytes(pem) for one in chain))
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.folder / f"{name}.key").write_bytes(private)

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def _weak(self) -> None:
        """A key of 1024 bits, and signatures with SHA-1 and MD5: no library makes those any more."""
        (self.folder / "san.cnf").write_text("subjectAltName=DNS:localhost\n")
        for name, bits, digest in (("weak-key", 1024, "sha256"), ("sha1", 2048, "sha1"), ("md5", 2048, "md5")):
            subject = ("-subj", "/O=CHU/CN=localhost")
            self._openssl(
                "req", "-newkey", f"rsa:{bits}", "-nodes", "-keyout", f"{name}.key", "-out", "r.csr", *subject
            )
            authority = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san.cnf")
            self._openssl(
                "x509", "-req", "-in", "r.csr", *authority, f"-{digest}", "-days", "90", "-out", f"{name}.pem"
            )

    def _crls(self) -> None:
        """crl.pem (sound, revokes nothing), crl-old.pem (its next update is past), crl-early.pem."""
        for name, last, following in (("crl", -1, 30), ("crl-old", -60, -30), ("crl-early", 5, 60)):
            builder = x509.CertificateRevocationListBuilder().issuer_name(self.made["ca"].subject)
            builder = builder.last_update(NOW + timedelta(days=last)).next_update(NOW + timedelta(days=following))
            signed = builder.sign(self.keys["ca"], hashes.SHA256())
            (self.folder / f"{name}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))


Handler = Callable[[socket.socket], None]


def tls(pki: Path, name: str, **options: object) -> Handler:
    """A TLS server with that certificate, which answers one HTTP request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(str(options.get("ciphers", "ALL:@SECLEVEL=0")))
    context.load_cert_chain(pki / f"{name}.pem", pki / f"{name}.key")
    context.minimum_version = options.get("low", ssl.TLSVersion.TLSv1)  # type: ignore[assignment]
    context.maximum_version = options.get("high", ssl.TLSVersion.TLSv1_3)  # type: ignore[assignment]
    if options.get("client"):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pki / "ca.pem")

    def handle(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as wrapped:
            wrapped.recv(4096)
            wrapped.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")

    return handle


def alert(number: int) -> Handler:
    def handle(plain: socket.socket) -> None:
        plain.recv(4096)
        plain.sendall(b"\x15\x03\x03\x00\x02\x02" + bytes([number]))
        time.sleep(0.2)

    return handle


def says(words: bytes, first: bool = False) -> Handler:
    """Plain text in place of TLS, at once or after the hello."""

    def handle(plain: socket.socket) -> None:
        if not first:
            plain.recv(4096)
        plain.sendall(words)
        time.sleep(0.2)

    return handle


def reset(plain: socket.socket) -> None:
    plain.recv(4096)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


def hang_up(plain: socket.socket) -> None:
    plain.recv(4096)


def farm(pki: Path) -> list[tuple[str, str, Handler, str]]:
    """(scenario, categories, handler, alert)"""
    old = {"low": ssl.TLSVersion.TLSv1, "high": ssl.TLSVersion.TLSv1}
    new = {"low": ssl.TLSVersion.TLSv1_3, "high": ssl.TLSVersion.TLSv1_3}
    two = {"low": ssl.TLSVersion.TLSv1_2, "high": ssl.TLSVersion.TLSv1_2}
    http = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    plain = "plaintext_or_wrong_port"
    rows: list[tuple[str, str, Handler, str]] = [
        ("good", "none", tls(pki, "good"), ""),
        ("expired", "expired", tls(pki, "expired"), ""),
        ("not_yet_valid", "clock_skew", tls(pki, "not-yet"), ""),
        ("unknown_ca", "unknown_ca", tls(pki, "unknown-ca"), ""),
        ("self_signed", "unknown_ca", tls(pki, "self-signed"), ""),
        ("incomplete", "unknown_ca", tls(pki, "incomplete"), ""),
        ("expired_above", "expired", tls(pki, "expired-above"), ""),
        ("wrong_name", "hostname_mismatch", tls(pki, "wrong-name"), ""),
        ("weak_key", "weak_crypto", tls(pki, "weak-key"), ""),
        ("sha1", "weak_crypto", tls(pki, "sha1"), ""),
        ("md5", "weak_crypto", tls(pki, "md5"), ""),
        ("tls10_only", "protocol_mismatch", tls(pki, "good", **old), ""),
        ("tls13_only", "protocol_mismatch", tls(pki, "good", **new), ""),
        ("rc4_like", "protocol_mismatch", tls(pki, "good", ciphers="AES128-SHA:@SECLEVEL=0", **two), ""),
        ("client_certificate_12", "client_certificate_required", tls(pki, "good", client=True, **two), ""),
        ("client_certificate_13", "client_certificate_required", tls(pki, "good", client=True, **new), ""),
        ("plain_http", plain, says(http), ""),
        ("plain_ssh", plain, says(b"SSH-2.0-OpenSSH_9.2p1\r\n", first=True), ""),
        ("plain_ftp", plain, says(b"220 (vsFTPd 3.0.3)\r\n", first=True), ""),
        ("plain_smtp", plain, says(b"220 mail.hopital.example ESMTP Postfix\r\n", first=True), ""),
        ("plain_hl7", plain, says(b"\x0bMSH|^~\\&|LAB|CHU|||20261122||ACK|1|P|2.5\x1c\r"), ""),
        ("plain_dicom", plain, says(b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00"), ""),
        ("reset", "connection_reset", reset, ""),
        ("hang_up", "connection_reset", hang_up, ""),
    ]
    rows.extend((f"alert_{number}", "", alert(number), str(number)) for number in ALERTS)
    return rows


def serve(listener: socket.socket, handle: Handler) -> None:
    def one(plain: socket.socket) -> None:
        try:
            plain.settimeout(8)
            handle(plain)
        except (OSError, ValueError):
            pass
        finally:
            plain.close()

    while True:
        plain, _address = listener.accept()
        threading.Thread(target=one, args=(plain,), daemon=True).start()


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    pki = folder / "pki"
    Pki(pki)
    lines = []
    for number, (scenario, categories, handle, sent) in enumerate(farm(pki)):
        listener = socket.create_server(("127.0.0.1", FIRST_PORT + number), backlog=64)
        threading.Thread(target=serve, args=(listener, handle), daemon=True).start()
        lines.append(f"{scenario}\t{FIRST_PORT + number}\t{categories}\t{sent}\n")
    (folder / "farm.tsv").write_text("".join(lines))
    print(f"{len(lines)} servers, listed in {folder / 'farm.tsv'}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
