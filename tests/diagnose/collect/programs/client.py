"""python client.py PORT CA WAY: one Python stack against one server; the end of its trace is what it says."""

import asyncio
import sys
from pathlib import Path

port, ca, way = sys.argv[1:4]
url = f"https://localhost:{port}/"


def plain():
    import socket
    import ssl

    context = ssl.create_default_context(cafile=ca)
    if way == "ssl12":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with context.wrap_socket(socket.create_connection(("127.0.0.1", int(port)), 9), server_hostname="localhost") as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        s.recv(100)


def requests():
    import requests

    requests.get(url, verify=ca, timeout=9)


def urllib():
    import ssl
    from urllib.request import urlopen

    urlopen(url, context=ssl.create_default_context(cafile=ca), timeout=9)


def httpx():
    import ssl

    import httpx

    httpx.get(url, verify=ssl.create_default_context(cafile=ca), timeout=9)


def aiohttp():
    import ssl

    import aiohttp

    async def go():
        async with aiohttp.ClientSession() as session:
            await session.get(url, ssl=ssl.create_default_context(cafile=ca))

    asyncio.run(go())


def asyncio_streams():
    import ssl

    asyncio.run(asyncio.open_connection("localhost", int(port), ssl=ssl.create_default_context(cafile=ca)))


def pyopenssl():
    import socket

    from OpenSSL import SSL

    context = SSL.Context(SSL.SSLv23_METHOD)
    context.load_verify_locations(ca)
    context.set_verify(SSL.VERIFY_PEER, lambda *words: words[-1])
    connection = SSL.Connection(context, socket.create_connection(("127.0.0.1", int(port))))
    connection.set_tlsext_host_name(b"localhost")
    connection.set_connect_state()
    connection.do_handshake()
    connection.send(b"GET / HTTP/1.0\r\n\r\n")
    connection.recv(10)


def primp():
    import os

    os.environ["SSL_CERT_FILE"] = ca
    import primp

    primp.Client(ca_cert_file=ca).get(url, timeout=9)


def pycurl():
    import pycurl

    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.CAINFO, ca)
    curl.perform()


def pynetdicom():
    import logging
    import ssl

    from pynetdicom import AE, debug_logger

    debug_logger()
    logging.getLogger("pynetdicom").setLevel(logging.INFO)
    entity = AE("ECHO-004")
    entity.add_requested_context("1.2.840.10008.1.1")
    found = entity.associate("127.0.0.1", int(port), tls_args=(ssl.create_default_context(cafile=ca), "localhost"))
    sys.exit(0 if found.is_established else 1)


def ldap3():
    import ssl

    from ldap3 import Connection, Server, Tls

    tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=ca)
    Connection(Server("localhost", port=int(port), use_ssl=True, tls=tls)).bind()


def tlslite():
    import socket

    from tlslite.api import TLSConnection

    TLSConnection(socket.create_connection(("127.0.0.1", int(port)))).handshakeClientCert(serverName="localhost")


def paho():
    import paho.mqtt.client as mqtt

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.tls_set(ca)
    client.connect("localhost", int(port))


def websocket():
    import websocket

    websocket.create_connection(url.replace("https", "wss"), sslopt={"ca_certs": ca}, timeout=9)


def tornado():
    from tornado.httpclient import HTTPClient

    HTTPClient().fetch(url, ca_certs=ca)


def twisted():
    from twisted.internet import endpoints, protocol, reactor, ssl

    class Quiet(protocol.Protocol):
        def connectionMade(self):
            self.transport.write(b"GET / HTTP/1.0\r\n\r\n")

        def connectionLost(self, reason=None):
            print(repr(reason.value), file=sys.stderr)
            reactor.stop()

    options = ssl.optionsForClientTLS("localhost", trustRoot=ssl.Certificate.loadPEM(Path(ca).read_text()))
    end = endpoints.wrapClientTLS(options, endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", int(port)))
    end.connect(protocol.Factory.forProtocol(Quiet))
    reactor.callLater(5, reactor.stop)
    reactor.run()
    sys.exit(1)


def redis():
    import redis

    redis.Redis("localhost", int(port), ssl=True, ssl_ca_certs=ca, socket_timeout=5, retry=None).ping()


def pymongo():
    import pymongo

    pymongo.MongoClient("localhost", int(port), tls=True, tlsCAFile=ca, serverSelectionTimeoutMS=900).admin.command(
        "ping"
    )


def curl_gnutls():
    import ctypes

    lib = ctypes.CDLL("libcurl-gnutls.so.4")
    lib.curl_easy_init.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(lib.curl_easy_init())
    said = ctypes.create_string_buffer(256)
    lib.curl_easy_setopt(handle, 10002, url.encode())
    lib.curl_easy_setopt(handle, 10065, ca.encode())
    lib.curl_easy_setopt(handle, 10010, said)
    status = lib.curl_easy_perform(handle)
    if status:
        sys.exit(f"curl: ({status}) {said.value.decode()}")


def wolfssl():
    import socket

    import wolfssl

    context = wolfssl.SSLContext(wolfssl.PROTOCOL_TLS)
    context.verify_mode = wolfssl.CERT_REQUIRED
    context.load_verify_locations(ca)
    secure = context.wrap_socket(socket.socket(), do_handshake_on_connect=False)
    secure.connect(("127.0.0.1", int(port)))
    secure.do_handshake()


WAYS = {name: function for name, function in list(globals().items()) if callable(function)}
{"ssl": plain, "ssl12": plain, **WAYS}[way]()
