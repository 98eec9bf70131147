# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS server with mbedTLS, from the `python-mbedtls` wheel.

python mbedtls_server.py CREDENTIALS PORT:VERSION[-VERSION…] …      (versions: those that the wheel's mbedTLS has)
python mbedtls_server.py versions
"""

from __future__ import annotations

import contextlib
import importlib
import socket
import sys
import threading
import time
from email.utils import formatdate
from typing import Any

# Out of the wheel that this program is run with.
pk, tls, x509 = (importlib.import_module(f"mbedtls.{name}") for name in ("pk", "tls", "x509"))

NAMES = {"SSLv3": "SSLv3", "TLSv1.0": "TLSv1", "TLSv1.1": "TLSv1_1", "TLSv1.2": "TLSv1_2", "TLSv1.3": "TLSv1_3"}


def version(name: str) -> Any:
    """mbedTLS's version by our name."""
    return getattr(tls.TLSVersion, NAMES[name])


def serve(credentials: str, port: int, versions: list[str]) -> None:
    """Serve one port for ever."""
    with open(credentials, encoding="ascii") as handle:
        text = handle.read()
    end = "-----END PRIVATE KEY-----\n"
    key_text, _end, chain = text.partition(end)
    pems = [
        part + "-----END CERTIFICATE-----\n" for part in chain.split("-----END CERTIFICATE-----\n") if "BEGIN" in part
    ]
    chain_certificates = tuple(x509.CRT.from_PEM(pem) for pem in pems)
    key = pk.RSA.from_PEM(key_text + end)
    configuration = tls.TLSConfiguration(
        certificate_chain=(chain_certificates, key),
        validate_certificates=False,
        lowest_supported_version=version(versions[0]),
        highest_supported_version=version(versions[-1]),
    )
    context = tls.ServerContext(configuration)
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        sock, _peer = listener.accept()
        threading.Thread(target=converse, args=(context, sock), daemon=True).start()


def converse(context: Any, sock: socket.socket) -> None:
    """One connection: a handshake, a request, a page with the time."""
    wrapped = context.wrap_socket(sock)
    with contextlib.suppress(Exception):
        wrapped.do_handshake()
        wrapped.recv(4096)
        page = f"HTTP/1.1 200 OK\r\nDate: {formatdate(time.time(), usegmt=True)}\r\nContent-Length: 0\r\n\r\n"
        wrapped.send(page.encode())
    with contextlib.suppress(Exception):
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
    sock.close()


def main() -> None:
    """Serve every port that the command line names."""
    if sys.argv[1] == "versions":
        print(*(name for name, theirs in NAMES.items() if hasattr(tls.TLSVersion, theirs)))
        return
    for word in sys.argv[2:]:
        port, _colon, versions = word.partition(":")
        threading.Thread(target=serve, args=(sys.argv[1], int(port), versions.split("-"))).start()


if __name__ == "__main__":
    main()
