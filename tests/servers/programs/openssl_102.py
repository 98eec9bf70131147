# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TLS server with the OpenSSL 1.0.2e that the `nassl` wheel carries: the last one that speaks SSLv2 and SSLv3.

    python openssl_102.py LIBRARY CREDENTIALS PORT:VERSION[-VERSION…] …

The wheel's library exports none of OpenSSL's functions, but names them in its symbol table: they are called by address.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
import threading
import time
from email.utils import formatdate

VERSIONS = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2")
#: SSL_OP_NO_*
_NO = {"SSLv2": 0x01000000, "SSLv3": 0x02000000, "TLSv1.0": 0x04000000, "TLSv1.1": 0x10000000, "TLSv1.2": 0x08000000}
_SSL_CTRL_OPTIONS, _SSL_CTRL_ECDH_AUTO = 32, 94


def symbols(path: str) -> dict[str, int]:
    """The names in an ELF file's symbol table and their addresses (ELF-64, little endian)."""
    with open(path, "rb") as handle:
        data = handle.read()
    start, size, count = struct.unpack_from("<Q", data, 0x28)[0], *struct.unpack_from("<HH", data, 0x3A)
    found = {}
    for number in range(count):
        _name, kind, _flags, _address, offset, length, link = struct.unpack_from(
            "<IIQQQQI", data, start + number * size
        )
        if kind != 2:  # SHT_SYMTAB
            continue
        names = struct.unpack_from("<Q", data, start + link * size + 0x18)[0]
        for at in range(offset, offset + length, 24):
            name, _info, _other, _section, value, _size = struct.unpack_from("<IBBHQQ", data, at)
            end = data.index(b"\0", names + name)
            found[data[names + name : end].decode()] = value
    return found


class Library:
    """OpenSSL's functions by name."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        self._symbols = symbols(path)
        known = ctypes.cast(library.PyInit__nassl_legacy, ctypes.c_void_p).value or 0
        self._base = known - self._symbols["PyInit__nassl_legacy"]

    def call(self, name: str, *arguments: object, pointer: bool = False) -> int:
        """Call a function; pointers are numbers."""
        kinds = [ctypes.c_char_p if isinstance(one, bytes) else ctypes.c_void_p for one in arguments]
        function = ctypes.CFUNCTYPE(ctypes.c_void_p if pointer else ctypes.c_int, *kinds)
        return function(self._base + self._symbols[name])(*arguments) or 0


def serve(library: Library, credentials: bytes, port: int, versions: list[str]) -> None:
    """Serve one port for ever."""
    method = library.call("SSLv23_server_method", pointer=True)
    context = library.call("SSL_CTX_new", method, pointer=True)
    library.call("SSL_CTX_ctrl", context, _SSL_CTRL_OPTIONS, sum(_NO[v] for v in VERSIONS if v not in versions), None)
    library.call("SSL_CTX_ctrl", context, _SSL_CTRL_ECDH_AUTO, 1, None)
    library.call("SSL_CTX_set_cipher_list", context, b"ALL:COMPLEMENTOFALL:!aNULL:!eNULL")
    if library.call("SSL_CTX_use_certificate_chain_file", context, credentials) != 1:
        raise SystemExit("no certificate")
    if library.call("SSL_CTX_use_PrivateKey_file", context, credentials, 1) != 1:
        raise SystemExit("no key")
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        sock, _peer = listener.accept()
        threading.Thread(target=converse, args=(library, context, sock), daemon=True).start()


def converse(library: Library, context: int, sock: socket.socket) -> None:
    """One connection: a handshake, a request, a page with the time."""
    sock.settimeout(None)
    tls = library.call("SSL_new", context, pointer=True)
    library.call("SSL_set_fd", tls, sock.fileno())
    if library.call("SSL_accept", tls) == 1:
        buffer = ctypes.create_string_buffer(4096)
        if library.call("SSL_read", tls, ctypes.addressof(buffer), 4096) > 0:
            page = (
                f"HTTP/1.1 200 OK\r\nDate: {formatdate(time.time(), usegmt=True)}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            library.call("SSL_write", tls, page, len(page))
            library.call("SSL_shutdown", tls)
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(4096):
        pass
    library.call("SSL_free", tls)
    sock.close()


def main() -> None:
    """Serve every port that the command line names."""
    library = Library(sys.argv[1])
    library.call("SSL_library_init")
    threads = []
    for word in sys.argv[3:]:
        port, _colon, versions = word.partition(":")
        arguments = (library, sys.argv[2].encode(), int(port), versions.split("-"))
        threads.append(threading.Thread(target=serve, args=arguments))
        threads[-1].start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
