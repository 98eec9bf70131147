# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that change a device, against a server of Python's own that says what it was sent."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.http import ask_over_http
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import Allowance, SessionFailed

PASSWORD = "correct-horse-7741"
CHANGE = {"method": "PUT", "path": "/r/x", "headers": {"Path": "a", "body": "b"}, "body": "PEM\n", "status": [201, 303]}


class Server(HTTPServer):
    """status: what it answers; digest: whether it wants that login. seen: what came, without what it refused."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.digest = 201, False
        self.seen: list[tuple[str, str, str, str]] = []
        self.requests = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_PUT(self) -> None:
        self.server.requests += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8")
        if self.server.digest and not self.right(self.headers.get("Authorization") or ""):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Digest realm="device", nonce="abc", qop="auth", algorithm=SHA-256')
        else:
            self.server.seen.append((self.command, self.path, body, f"{self.headers['Path']}{self.headers['Body']}"))
            self.send_response(self.server.status)
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_DELETE = do_PUT

    def right(self, login: str) -> bool:
        """RFC 7616, section 3.4.1."""
        said = {key: quoted or plain for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', login)}
        own, asked = (
            hashlib.sha256(text.encode("utf-8")).hexdigest()
            for text in (f"biomed:device:{PASSWORD}", f"{self.command}:{self.path}")
        )
        words = (own, "abc", said.get("nc", ""), said.get("cnonce", ""), "auth", asked)
        return said.get("response") == hashlib.sha256(":".join(words).encode("utf-8")).hexdigest()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as opened:
        threading.Thread(target=opened.serve_forever, args=(0.01,), daemon=True).start()
        yield opened
        opened.shutdown()


def send(server: Server, question: Any, way: str = "none") -> dict[str, Any]:
    device = {
        "transport": "http",
        "address": "127.0.0.1",
        "port": server.server_port,
        "user": "biomed",
        "http": {"authentication": way},
        "questions": {"asked": question},
    }
    answers = ask_over_http(device, {"password": PASSWORD}, Allowance(2.0, time.monotonic() + 5))
    found: dict[str, Any] = answers["asked"]
    return found


@pytest.mark.parametrize("status", [201, 303])
def test_a_change_is_sent_as_it_is_written(server: Server, status: int) -> None:
    server.status = status
    assert send(server, CHANGE)["text"] == "ok"
    assert server.seen == [("PUT", "/r/x", "PEM\n", "ab")]


@pytest.mark.parametrize(
    ("status", "sentence"), [(200, "answered 200"), (302, "leads elsewhere"), (403, "403"), (507, "answered 507")]
)
def test_another_status_is_no_success_and_is_not_sent_again(server: Server, status: int, sentence: str) -> None:
    server.status = status
    answer = send(server, CHANGE)
    assert answer["text"] is None
    assert sentence in answer["error"]
    assert server.requests == 1


def test_a_page_still_needs_200(server: Server) -> None:
    assert send(server, "/x")["text"] is None
    server.status = 200
    assert send(server, "/x")["text"] == "ok"


def test_a_digest_is_made_for_the_method(server: Server) -> None:
    server.digest = True
    assert send(server, CHANGE, "digest")["text"] == "ok"
    assert send(server, {"method": "DELETE", "path": "/r/x", "status": [201]}, "digest")["text"] == "ok"
    assert [entry[0] for entry in server.seen] == ["PUT", "DELETE"]
    assert server.requests == 4


def test_a_wrong_login_is_tried_once(server: Server) -> None:
    server.digest = True
    with pytest.raises(SessionFailed, match="answered 401"):
        send(server, CHANGE, "basic")
    assert server.requests == 1
    assert server.seen == []
