"""Devices without Python: one with a command line behind SSH, one with a JSON status page. Real protocols, on threads.

Each counts what it saw (`sessions`, `logins`, `commands`), so that a test asks the device and not the product.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import paramiko

MAX_LINE = 1024  # a command line longer than this ends the session
IDLE_SECONDS = 60.0


class Appliance:
    """A listening socket and one thread a connection; subclasses hold the conversation. A context manager."""

    def __init__(self, address: str, port: int = 0) -> None:
        self.address = address
        self.sessions = 0
        self.most_at_once = 0
        self._open = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._listener = socket.create_server((address, port), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._connections: set[socket.socket] = set()
        threading.Thread(target=self._accept, name=f"appliance {address}", daemon=True).start()

    def __enter__(self) -> Appliance:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and end what is open."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def converse(self, connection: socket.socket) -> None:
        """Hold one conversation; the connection is closed afterwards."""
        raise NotImplementedError

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self.sessions += 1
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            self._connections.add(connection)
        connection.settimeout(IDLE_SECONDS)
        try:
            self.converse(connection)
        except (OSError, EOFError, paramiko.SSHException):
            pass
        finally:
            with self._lock:
                self._open -= 1
                self._connections.discard(connection)
            with contextlib.suppress(OSError):
                connection.close()

    def wait_for(self, seconds: float) -> None:
        """Sleep, unless the device is switched off meanwhile."""
        self._stopping.wait(seconds)


@dataclass
class Manner:
    """How the command line behaves."""

    banner: str = "ACME Recorder 3000\r\n"
    prompt: str = "rec3000> "
    echo: bool = True
    page_lines: int | None = None
    line_end: str = "\r\n"
    #: Command -> something else than an answer: half | half_close | hang | close | flood | garbage
    odd: Mapping[str, str] = field(default_factory=dict)
    enable_password: str | None = None
    enable_prompt: str = "rec3000# "
    ways: str = "password"


class Login(paramiko.ServerInterface):
    """One account; every attempt is counted."""

    def __init__(self, device: CommandLine) -> None:
        self._device = device
        self.shell_wanted = threading.Event()

    def get_allowed_auths(self, username: str) -> str:
        return self._device.manner.ways

    def check_auth_password(self, username: str, password: str) -> int:
        return self._device.judge(username, password)

    def check_auth_interactive(self, username: str, submethods: str) -> Any:
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> Any:
        if self._device.judge(self._device.user, *responses) == paramiko.AUTH_SUCCESSFUL:
            return paramiko.AUTH_SUCCESSFUL
        # As PAM does: asks again within the same login.
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_pty_request(self, *_arguments: object) -> bool:
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        self.shell_wanted.set()
        return True


class CommandLine(Appliance):
    """SSH with a command line of its own. `answers`: command -> text, or a function that makes it."""

    def __init__(
        self,
        address: str,
        answers: Mapping[str, str | Callable[[], str]],
        *,
        key: paramiko.PKey | None = None,
        port: int = 0,
        user: str = "biomed",
        password: str = "",
        manner: Manner | None = None,
    ) -> None:
        self.key = key or paramiko.ECDSAKey.generate()
        self.user = user
        self.manner = manner or Manner()
        self.logins: list[tuple[str, bool]] = []
        self.commands: list[str] = []
        self._password = password
        self._answers = answers
        super().__init__(address, port)

    @property
    def host_key(self) -> str:
        """As device_ssh_host_key takes it."""
        return f"{self.key.get_name()} {self.key.get_base64()}"

    def judge(self, user: str, password: str) -> int:
        right = user == self.user and password == self._password
        self.logins.append((user, right))
        return int(paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED)

    def converse(self, connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        try:
            transport.add_server_key(self.key)
            login = Login(self)
            transport.start_server(server=login)
            channel = transport.accept(IDLE_SECONDS)
            if channel is None or not login.shell_wanted.wait(IDLE_SECONDS):
                return
            channel.settimeout(IDLE_SECONDS)
            self._shell(channel)
        finally:
            transport.close()

    def _shell(self, channel: paramiko.Channel) -> None:
        manner = self.manner
        prompt = manner.prompt
        self._say(channel, manner.banner + prompt)
        while True:
            line = self._line(channel, manner.echo)
            if line is None:
                return
            self.commands.append(line)
            if line == "enable" and manner.enable_password is not None:
                self._say(channel, "Password: ")
                right = self._line(channel, echo=False) == manner.enable_password
                self._say(channel, "\r\n" if right else "\r\n% Access denied\r\n")
                prompt = manner.enable_prompt if right else prompt
            elif not self._answer(channel, line):
                return
            self._say(channel, prompt)

    def _answer(self, channel: paramiko.Channel, line: str) -> bool:
        odd = self.manner.odd.get(line)
        if odd == "hang":
            self.wait_for(IDLE_SECONDS)
            return False
        if odd == "close":
            return False
        if odd == "flood":
            while True:
                channel.sendall(b"x" * 4096)
        if odd == "garbage":
            channel.sendall(os.urandom(2000).replace(b">", b"").replace(b"#", b"") + b"\r\n")
            return True
        known = self._answers.get(line)
        text = known() if callable(known) else known
        if text is None:
            text = f"% Unknown command: {line}\n"
        if odd in ("half", "half_close"):
            self._say(channel, text[: len(text) // 2])
            if odd == "half":
                self.wait_for(IDLE_SECONDS)
            return False
        self._page(channel, text)
        return True

    def _page(self, channel: paramiko.Channel, text: str) -> None:
        lines = text.splitlines()
        size = self.manner.page_lines or len(lines) or 1
        for start in range(0, len(lines), size):
            self._say(channel, "".join(line + self.manner.line_end for line in lines[start : start + size]))
            if start + size < len(lines):
                self._say(channel, "--More--")
                if channel.recv(1) != b" ":
                    return
                self._say(channel, "\b" * 8 + " " * 8 + "\b" * 8)

    def _line(self, channel: paramiko.Channel, echo: bool) -> str | None:
        line = b""
        while len(line) < MAX_LINE:
            byte = channel.recv(1)
            if not byte:
                return None
            if byte in (b"\r", b"\n"):
                if echo:
                    self._say(channel, "\r\n")
                return line.decode("utf-8", "replace")
            line += byte
            if echo:
                channel.sendall(byte)
        return None

    @staticmethod
    def _say(channel: paramiko.Channel, text: str) -> None:
        channel.sendall(text.encode("utf-8"))


def recorder_answers(clock_offset: float = 0.0, **changes: str) -> dict[str, str | Callable[[], str]]:
    """What a healthy device of the profile generic_cli answers."""

    def clock() -> str:
        shown = datetime.now(timezone.utc) + timedelta(seconds=clock_offset)
        return f"{shown:%Y-%m-%d %H:%M:%S} UTC\nTime zone: Europe/Paris\n"

    return {
        "show clock": clock,
        "show ntp": "Clock is synchronized, stratum 3\nserver 10.0.0.1\nserver 10.0.0.2\n",
        "show version": "ACME Recorder 3000\nFirmware version: 4.2.1\nSerial: 0012345\n",
        "show users": "Name        Role\nbiomed      service\nadmin       admin\n",
        **changes,
    }


class JsonPage(Appliance):
    """HTTP(S) with a JSON page under /status. `authorization`: the header that is asked for, if any.

    `manner`: right | half | hang | garbage | redirect | html
    """

    def __init__(
        self,
        address: str,
        *,
        context: ssl.SSLContext | None,
        port: int = 0,
        authorization: Callable[[str, str], bool] | None = None,
        challenge: str = 'Basic realm="device"',
        manner: str = "right",
        page: Callable[[], Any] | None = None,
    ) -> None:
        self.requests: list[str] = []
        self.refused = 0
        self._context = context
        self._authorization = authorization
        self._challenge = challenge
        self._manner = manner
        self._page = page or json_status
        super().__init__(address, port)

    def converse(self, connection: socket.socket) -> None:
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb") as incoming:
            while self._request(connection, incoming):
                pass

    def _request(self, connection: socket.socket, incoming: Any) -> bool:
        first = incoming.readline(MAX_LINE).decode("latin-1").split()
        if len(first) != 3:
            return False
        headers = {}
        while line := incoming.readline(MAX_LINE).decode("latin-1").strip():
            name, _colon, value = line.partition(":")
            headers[name.lower()] = value.strip()
        path = first[1]
        self.requests.append(path)
        if self._authorization is not None:
            given = headers.get("authorization")
            if given is None or not self._authorization(given, path):
                self.refused += given is not None
                return self._reply(connection, 401, b"", f"WWW-Authenticate: {self._challenge}\r\n")
        body = json.dumps(self._page()).encode("utf-8")
        if self._manner == "hang":
            self.wait_for(IDLE_SECONDS)
            return False
        if self._manner == "garbage":
            connection.sendall(os.urandom(500))
            return False
        if self._manner == "half":
            connection.sendall(
                f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2]
            )
            return False
        if self._manner == "redirect":
            return self._reply(connection, 302, b"", "Location: https://127.0.0.1:1/elsewhere\r\n")
        if self._manner == "html":
            body = b"<!doctype html><title>Welcome</title>"
        return self._reply(connection, 200 if path == "/status" else 404, body)

    @staticmethod
    def _reply(connection: socket.socket, status: int, body: bytes, headers: str = "") -> bool:
        head = f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        connection.sendall(head.encode("ascii") + body)
        return True


def json_status(clock_offset: float = 0.0) -> dict[str, Any]:
    """What a healthy device of the profile generic_json answers."""
    shown = datetime.fromtimestamp(time.time() + clock_offset, timezone.utc)
    return {
        "time": shown.isoformat(timespec="milliseconds"),
        "time_zone": "Europe/Paris",
        "firmware": "7.0.3",
        "ntp": {"client": "chrony", "running": True, "synchronised": True, "servers": ["10.0.0.1"]},
        "accounts": [{"name": "admin", "role": "admin"}, {"name": "reader", "can_login": False}],
        "ports": [443, {"port": 123, "protocol": "udp"}],
    }
