"""python server.py PORT PKI: a TLS server that asks for a client certificate and logs what fails, with its trace."""

import logging
import socket
import ssl
import sys

logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
port, pki = sys.argv[1:3]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki + "/ca.pem")
context.load_cert_chain(pki + "/good.pem", pki + "/good.key")
context.verify_mode = ssl.CERT_REQUIRED
listener = socket.create_server(("127.0.0.1", int(port)))
while True:
    plain, _address = listener.accept()
    plain.settimeout(3)
    try:
        with context.wrap_socket(plain, server_side=True) as secure:
            secure.recv(10)
    except OSError:
        logging.exception("receiver failed")
