# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection to a device: counted, bounded in bytes and time, ended with a FIN."""

from __future__ import annotations

import errno
import socket
import time
from dataclasses import dataclass

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.net.event_loop import (
    DeadlineExpired,
    readable,
    writable,
)

#: How long the device may take to answer our FIN before we close all the same; and where its time was over already.
_CLOSING_SECONDS, _HURRIED_SECONDS = 0.5, 0.05
_READ_SIZE = 16384


class NoConnection(Exception):
    """TCP could not be set up. `kind`: refused | timeout | unreachable."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind} {detail}".strip())
        self.kind = kind


class PeerReset(Exception):
    """The peer reset the connection."""


@dataclass
class Traffic:
    """What a device felt so far."""

    connections: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Connection:
    """An open connection. `deadline` (monotonic) bounds everything but the closing."""

    def __init__(self, sock: socket.socket, traffic: Traffic, deadline: float, max_bytes: int) -> None:
        self._sock = sock
        self._traffic = traffic
        self._budget = max_bytes
        self._ended = False
        #: The peer ended with a reset.
        self.was_reset = False
        self.deadline = deadline

    @classmethod
    async def open(
        cls, family: int, address: tuple[object, ...], traffic: Traffic, deadline: float, max_bytes: int
    ) -> Connection:
        """Connect, or raise NoConnection."""
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            # Small hellos must leave at once, and a device must never wait for our delayed segments.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            traffic.connections += 1
            code = sock.connect_ex(address)
            if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
                await writable(sock, deadline)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            # A reset right after the connection was set up is the peer's answer, as one a moment later is.
            if code and code != errno.ECONNRESET:
                raise OSError(code, errno.errorcode.get(code, str(code)))
        except DeadlineExpired:
            sock.close()
            raise NoConnection("timeout") from None
        except OSError as error:
            sock.close()
            kinds = {errno.ECONNREFUSED: "refused", errno.ETIMEDOUT: "timeout"}
            raise NoConnection(kinds.get(error.errno or 0, "unreachable"), str(error.strerror)) from None
        except BaseException:
            sock.close()
            raise
        return cls(sock, traffic, deadline, max_bytes)

    async def send(self, data: bytes) -> None:
        """Send all; PeerReset where the peer has gone, DeadlineExpired where it takes nothing."""
        view = memoryview(data)
        while view:
            try:
                sent = self._sock.send(view)
            except (BlockingIOError, InterruptedError):
                await writable(self._sock, self.deadline)
                continue
            except OSError:
                raise PeerReset from None
            self._traffic.bytes_sent += sent
            view = view[sent:]

    async def receive(self) -> bytes:
        """What has come (b"" at the end of file or once max_bytes are read); PeerReset, DeadlineExpired."""
        if self._budget <= 0:
            return b""
        while True:
            if time.monotonic() >= self.deadline:
                # A peer that trickles for ever is always readable: the deadline holds for it too.
                raise DeadlineExpired
            await readable(self._sock, self.deadline)
            try:
                data = self._sock.recv(min(_READ_SIZE, self._budget))
                break
            except (BlockingIOError, InterruptedError):
                continue
            except OSError:
                self.was_reset = True
                raise PeerReset from None
        self._budget -= len(data)
        self._traffic.bytes_received += len(data)
        if not data:
            self._ended = True
        return data

    async def close(self) -> None:
        """End with a FIN. What the device still sends is read first, or the kernel would answer it with a reset."""
        try:
            if not self._ended:
                self._sock.shutdown(socket.SHUT_WR)
                now = time.monotonic()
                deadline = now + (_CLOSING_SECONDS if now < self.deadline else _HURRIED_SECONDS)
                while self._budget > 0 and time.monotonic() < deadline:
                    await readable(self._sock, deadline)
                    data = self._sock.recv(_READ_SIZE)
                    if not data:
                        break
                    self._budget -= len(data)
                    self._traffic.bytes_received += len(data)
        except (ConnectionResetError, BrokenPipeError):
            self.was_reset = True
        except (OSError, DeadlineExpired):
            pass
        finally:
            self._sock.close()
