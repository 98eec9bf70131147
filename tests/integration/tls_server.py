"""A TLS server with a chain of the test's own."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unit import pki_factory as pki


@contextmanager
def tls_server(folder: Path, *chain: pki.Identity) -> Iterator[int]:
    """A server with this chain on 127.0.0.1; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = folder / "server.pem"
    path.write_text("".join(one.pem for one in chain) + chain[0].private_pem, encoding="ascii")
    context.load_cert_chain(path)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            try:
                connection.settimeout(5)
                with context.wrap_socket(connection, server_side=True):
                    pass
            except OSError:
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
