# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that hospitals run beside and in their devices, each with the log that its package writes out of the box."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import install

from servers import pki
from servers.device import free_port
from servers.real import PROGRAMS, RUN, Unavailable, program, running, wheel
from servers.services import SERVICES, Service, needs_root, own, slapd
from servers.stacks import Credentials


@contextlib.contextmanager
def orthanc(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """An archive: its page over HTTPS, and DICOM over TLS."""
    ports = {"https": free_port(), "dicom": free_port()}
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [],
        "HttpPort": ports["https"],
        "SslEnabled": True,
        "SslCertificate": str(files.both),
        "DicomPort": ports["dicom"],
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(files.chain),
        "DicomTlsPrivateKey": str(files.key),
        "DicomTlsTrustedCertificates": str(files.root),
        "DicomTlsRemoteCertificateRequired": False,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="ascii")
    with running([program("Orthanc"), folder / "orthanc.json"], list(ports.values()), folder):
        yield ports


@contextlib.contextmanager
def storescp(files: Credentials, folder: Path, profile: str) -> Iterator[dict[str, int]]:
    """DICOM over TLS with one of the security profiles of DCMTK."""
    port = free_port()
    command = [program("storescp"), "+tls", files.key, files.chain, "-ic", profile, "-od", folder, str(port)]
    with running(command, [port], folder):
        yield {"dicom": port}


@contextlib.contextmanager
def pynetdicom(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """DICOM over TLS in Python, as research and artificial intelligence gateways have it."""
    port = free_port()
    folders = os.pathsep.join(str(wheel(name)) for name in ("pynetdicom", "pydicom"))
    command = [sys.executable, "-c", RUN, folders, PROGRAMS / "pynetdicom_scp.py", files.key, files.chain, str(port)]
    with running(command, [port], folder):
        yield {"dicom": port}


@contextlib.contextmanager
def mllp(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """An HL7 engine that speaks plain MLLP, with TLS by stunnel in front of it."""
    port, behind = free_port(), free_port()
    (folder / "stunnel.conf").write_text(
        f"foreground = yes\npid =\n[hl7]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{behind}\n"
        f"cert = {files.both}\n",
        encoding="ascii",
    )
    engine = [sys.executable, "-c", RUN, wheel("hl7"), PROGRAMS / "mllp_engine.py", str(behind)]
    with (
        running(engine, [behind], folder / "engine"),
        running([program("stunnel4"), folder / "stunnel.conf"], [port], folder / "stunnel"),
    ):
        yield {"mllp": port}


@contextlib.contextmanager
def mosquitto(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """An MQTT broker."""
    port = free_port()
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\ncertfile {files.chain}\nkeyfile {files.key}\nallow_anonymous false\n",
        encoding="ascii",
    )
    with running([program("mosquitto"), "-c", folder / "mosquitto.conf"], [port], folder):
        yield {"mqtts": port}


@contextlib.contextmanager
def cups(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """A print server."""
    needs_root()
    port = free_port()
    for name in ("ssl", "spool", "cache", "state"):
        (folder / name).mkdir()
    for source, suffix in ((files.chain, "crt"), (files.key, "key")):
        shutil.copy(source, folder / "ssl" / f"{pki.NAME}.{suffix}")
    (folder / "cupsd.conf").write_text(
        f"LogLevel warn\nSSLListen 127.0.0.1:{port}\nServerName {pki.NAME}\nServerAlias *\nBrowsing No\n"
        "<Location />\n Order allow,deny\n Allow all\n</Location>\n",
        encoding="ascii",
    )
    logs = "".join(f"{name}Log {folder}/{name.lower()}_log\n" for name in ("Access", "Error", "Page"))
    (folder / "cups-files.conf").write_text(
        f"ServerRoot {folder}\nServerKeychain {folder}/ssl\nRequestRoot {folder}/spool\nTempDir {folder}/spool\n"
        f"CacheDir {folder}/cache\nStateDir {folder}/state\n{logs}",
        encoding="ascii",
    )
    command = [program("cupsd"), "-f", "-c", folder / "cupsd.conf", "-s", folder / "cups-files.conf"]
    with running(command, [port], folder):
        yield {"https": port}


@contextlib.contextmanager
def exim(files: Credentials, folder: Path) -> Iterator[dict[str, int]]:
    """Debian's usual mail server. It excludes postfix: it is unpacked, and its user lives in a namespace of its own."""
    needs_root()
    port = free_port()
    try:
        path = install.debian("exim4-daemon-light", "exim4")
    except install.Unavailable as why:
        raise Unavailable(str(why)) from None
    (folder / "spool").mkdir()
    (folder / "exim.conf").write_text(
        f"log_file_path = {folder}/spool/%slog\nspool_directory = {folder}/spool\nlocal_interfaces = 127.0.0.1\n"
        f"daemon_smtp_ports = {port}\ntls_advertise_hosts = *\ntls_certificate = {files.chain}\n"
        f"tls_privatekey = {files.key}\nprimary_hostname = mail.hopital.example\n",
        encoding="ascii",
    )
    for name in ("passwd", "group"):
        entry = "Debian-exim:x:8:8::/:/bin/false\n" if name == "passwd" else "Debian-exim:x:8:\n"
        (folder / name).write_text(entry + Path("/etc", name).read_text())
    own(folder / "spool", "mail")
    own_users = 'for f in passwd group; do mount --bind $f /etc/$f || exit; done; exec "$@"'
    environment = install.debian_environment(path).get("LD_LIBRARY_PATH", "")
    command = ["unshare", "--mount", "sh", "-c", own_users, "sh", "env", f"LD_LIBRARY_PATH={environment}"]
    with running([*command, path, "-C", folder / "exim.conf", "-bdf"], [port], folder):
        yield {"smtp": port}


ENGINES: dict[str, Service] = {
    "orthanc": orthanc,
    "storescp +py": functools.partial(storescp, profile="+py"),
    "storescp +px": functools.partial(storescp, profile="+px"),
    "storescp +pz": functools.partial(storescp, profile="+pz"),
    "storescp +pa": functools.partial(storescp, profile="+pa"),
    "storescp +pn": functools.partial(storescp, profile="+pn"),
    "pynetdicom": pynetdicom,
    "mllp": mllp,
    "mosquitto": mosquitto,
    "cups": cups,
    "slapd": slapd,
    "slapd stats": functools.partial(slapd, level="stats"),
    "exim": exim,
    "xrdp": SERVICES["xrdp"],
}
