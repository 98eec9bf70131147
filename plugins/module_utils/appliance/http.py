# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device's status pages over HTTP(S), through one connection where the device keeps it open.

TLS is verified by the hospital's root, by a pin, or not at all where somebody has signed for that. No redirect is
followed, no proxy used. Digest authentication: RFC 7616.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import re
import socket
import ssl
import time
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.appliance.session import (
    Allowance,
    SessionFailed,
    connect,
    cut_after,
)

_MAX_PAGE = 1_048_576
#: What is read of a header that asks for a login.
_MAX_CHALLENGE = 4096
_DIGESTS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def ask_over_http(device: dict[str, Any], secret: dict[str, str], allowance: Allowance) -> dict[str, Any]:
    """Answers by output: {"text", "asked", "answered"}, or {"text": None, "error", "status"} of a page not had."""
    context = _tls_context(device) if device["transport"] == "https" else None
    visit = _Visit(device, secret, allowance, context)
    answers: dict[str, Any] = {}
    try:
        for name, question in device["questions"].items():
            answers[name] = visit.ask({"path": question} if isinstance(question, str) else question)
    except SessionFailed as problem:
        problem.answers = answers
        raise
    finally:
        visit.close()
    return answers


class _Visit:
    """One device's connection, its login, and what is asked over it."""

    def __init__(
        self, device: dict[str, Any], secret: dict[str, str], allowance: Allowance, context: ssl.SSLContext | None
    ) -> None:
        self._device = device
        self._secret = secret
        self._allowance = allowance
        self._context = context
        self._way = device["http"].get("authentication", "none")
        self._challenge: dict[str, str] = {}
        self._count = 0
        self._sock: socket.socket | None = None
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """`question`: path; and of what is no mere page, method, headers, body (text or None) and status (a list)."""
        path, method, statuses = question["path"], question.get("method", "GET"), question.get("status", [200])
        body = None if question.get("body") is None else question["body"].encode("utf-8")
        # Capitals, so that no header has the name of an argument.
        headers = {name.title(): value for name, value in question.get("headers", {}).items()}

        def send() -> tuple[float, float, http.client.HTTPResponse, str]:
            return self._get(path, self._login(path, method), method, body, **headers)

        had_login = self._way != "digest" or bool(self._challenge)
        asked, answered, answer, text = send()
        fresh = self._digest_challenge(answer)
        # One more request where no login was sent yet, or where a right one was merely out of date.
        if answer.status == 401 and fresh and (not had_login or fresh.get("stale", "").lower() == "true"):
            self._challenge, self._count = fresh, 0
            asked, answered, answer, text = send()
        if answer.status == 401:
            raise SessionFailed("login_refused", f"the device answered 401 to {path}")
        if answer.status == 403:
            return {"text": None, "error": f"the login may not read {path} (403)", "status": "not_permitted"}
        if answer.status in statuses:
            return {"text": text, "asked": asked, "answered": answered}
        if 300 <= answer.status < 400:
            return {"text": None, "error": f"{path} leads elsewhere ({answer.status}), which is not followed"}
        return {"text": None, "error": f"the device answered {answer.status} to {path}"}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._sock is not None:
            self._sock.close()
        self._connection = self._sock = None

    def _get(
        self, path: str, login: str | None, method: str = "GET", body: bytes | None = None, **more: str
    ) -> tuple[float, float, http.client.HTTPResponse, str]:
        """(when it was asked, when answered, the answer, its text). `more`: further headers."""
        headers = {"User-Agent": "biomed-cert-hygiene", "Accept": "application/json"}
        headers.update(self._device["http"].get("headers") or {})
        headers.update((name.replace("_", "-"), value) for name, value in more.items())
        if login is not None:
            headers["Authorization"] = login
        connection, sock = self._open()
        try:
            with cut_after(sock, self._allowance.left()):
                sock.settimeout(self._allowance.seconds())
                asked = time.time()
                connection.request(method, path, body=body, headers=headers)
                answer = connection.getresponse()
                data = self._read(answer)
        except SessionFailed:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(error) from None
        answered = time.time()
        if answer.will_close:
            self.close()
        return asked, answered, answer, data.decode("utf-8-sig", "replace")

    def _open(self) -> tuple[http.client.HTTPConnection, socket.socket]:
        if self._connection is None or self._sock is None:
            sock = connect(self._device["address"], self._device["port"], self._allowance)
            self._sock = sock
            if self._context is not None:
                self._sock = self._secured(sock, self._context)
            self._connection = http.client.HTTPConnection(self._device["address"], self._device["port"])
            self._connection.auto_open = 0
            self._connection.sock = self._sock
        return self._connection, self._sock

    def _secured(self, sock: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        """TLS, verified before a word is said, credentials above all."""
        verification = self._device["verification"]
        try:
            with cut_after(sock, self._allowance.seconds()):
                # The certificate is made out to the device's name; we may come by its address.
                secured = context.wrap_socket(sock, server_hostname=verification["name"] or self._device["address"])
        except (OSError, ValueError) as error:
            sock.close()
            raise self._failure(error) from None
        pin = verification["pin"]
        shown = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
        if pin and shown != pin:
            secured.close()
            raise SessionFailed("certificate_refused", f"the device shows the certificate {shown}, not the pinned one")
        return secured

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        data = bytearray()
        while True:
            self._allowance.seconds()
            piece = answer.read1(16384)
            if not piece:
                break
            data += piece
            if len(data) > _MAX_PAGE:
                raise SessionFailed("answer_too_long", f"a page of more than {_MAX_PAGE} bytes")
        if answer.length:
            raise SessionFailed("stopped_answering", f"the page ends {answer.length} bytes early")
        answer.close()  # the connection takes no further request before
        return bytes(data)

    def _failure(self, error: Exception) -> SessionFailed:
        if isinstance(error, ssl.SSLCertVerificationError):
            return SessionFailed(
                "certificate_refused", f"the device's certificate is not accepted: {error.verify_message}"
            )
        if isinstance(error, (socket.timeout, http.client.RemoteDisconnected, http.client.IncompleteRead, EOFError)):
            return SessionFailed("stopped_answering", "the device did not answer to the end")
        if isinstance(error, ssl.SSLError):
            return SessionFailed("no_tls", f"no TLS session: {error.reason or 'the device broke it off'}")
        if isinstance(error, http.client.HTTPException):
            return SessionFailed("no_http", f"what the device answers is no HTTP ({type(error).__name__})")
        return SessionFailed(
            "stopped_answering", f"the connection broke: {getattr(error, 'strerror', None) or 'closed'}"
        )

    # -- the login

    def _login(self, path: str, method: str = "GET") -> str | None:
        if self._way == "bearer":
            return "Bearer " + self._secret["token"]
        if self._way == "basic":
            pair = f"{self._device['user']}:{self._secret['password']}".encode()
            return "Basic " + base64.b64encode(pair).decode("ascii")
        return self._digest(path, method) if self._way == "digest" and self._challenge else None

    def _digest_challenge(self, answer: http.client.HTTPResponse) -> dict[str, str]:
        if self._way != "digest" or answer.status != 401:
            return {}
        found = []
        for header in answer.headers.get_all("WWW-Authenticate") or []:
            for text in re.split(r"(?i)\bdigest\s+", header[:_MAX_CHALLENGE])[1:]:
                pairs = re.findall(r'\b([A-Za-z]{1,32})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', text)
                found.append({key.lower(): quoted or plain for key, quoted, plain in pairs})
        usable = [entry for entry in found if "nonce" in entry and entry.get("algorithm", "MD5").upper() in _DIGESTS]
        if found and not usable:
            raise SessionFailed("login_refused", "the device wants a kind of digest login that is not known here")
        return max(usable, key=lambda entry: entry.get("algorithm", "MD5").upper() == "SHA-256") if usable else {}

    def _digest(self, path: str, method: str) -> str:
        challenge = self._challenge
        algorithm = challenge.get("algorithm", "MD5")
        realm, nonce = challenge.get("realm", ""), challenge["nonce"]
        user, password = self._device["user"], self._secret["password"]

        def hashed(*parts: str) -> str:
            return _DIGESTS[algorithm.upper()](":".join(parts).encode("utf-8")).hexdigest()

        own, asked = hashed(user, realm, password), hashed(method, path)
        fields = {"username": user, "realm": realm, "nonce": nonce, "uri": path}
        unquoted = {"algorithm": algorithm} if "algorithm" in challenge else {}
        if "auth" in [word.strip().lower() for word in challenge.get("qop", "").split(",")]:
            self._count += 1
            count, chosen = f"{self._count:08x}", os.urandom(8).hex()
            fields["response"] = hashed(own, nonce, count, chosen, "auth", asked)
            fields["cnonce"] = chosen
            unquoted.update(qop="auth", nc=count)
        else:
            fields["response"] = hashed(own, nonce, asked)
        if "opaque" in challenge:
            fields["opaque"] = challenge["opaque"]
        quoted = [
            '{}="{}"'.format(key, value.replace("\\", "\\\\").replace('"', '\\"')) for key, value in fields.items()
        ]
        return "Digest " + ", ".join([*quoted, *(f"{key}={value}" for key, value in unquoted.items())])


def _tls_context(device: dict[str, Any]) -> ssl.SSLContext:
    verification = device["verification"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if verification["pin"] or verification["exception"]:
        # A pin says more than a name does; without one, somebody has signed for not looking.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if not device["anchors_pem"]:
        raise SessionFailed(
            "certificate_refused",
            "there is nothing to verify the device's certificate with: give trust_anchors, device_login_pin, or "
            "device_login_exception with who allows it",
        )
    context.load_verify_locations(cadata=device["anchors_pem"])
    # An anchor that the hospital gives is an anchor, whoever signed it (Python 3.10 has a name for it).
    context.verify_flags |= getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0x80000)
    return context
