"""What the devices saw of the probe: the witness that tests question, independent of the product's own counts."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field
from typing import Any

_TCP_ESTABLISHED = 1  # tcpi_state of Linux' TCP_INFO; anything else means that a FIN or RST has arrived


@dataclass
class Contact:
    """One TCP connection accepted by a device. Times are monotonic seconds."""

    address: str
    port: int
    opened: float
    bytes_received: int = 0
    bytes_sent: int = 0
    closed: float | None = None
    transport: asyncio.Transport | None = field(default=None, repr=False)

    def still_open(self) -> bool:
        """True while the client has not closed: asks the kernel, whose news may not have reached our loop yet."""
        if self.closed is not None or self.transport is None:
            return False
        sock = self.transport.get_extra_info("socket")
        try:
            return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_ESTABLISHED)
        except OSError:
            return False


class Ledger:
    """Counts, per address: connections accepted, the most held at once, bytes, and gaps between connections."""

    def __init__(self) -> None:
        self._contacts: list[Contact] = []
        self._open: dict[str, list[Contact]] = {}
        self._most_at_once: dict[str, int] = {}

    def opened(self, address: str, port: int, transport: asyncio.Transport) -> Contact:
        """Note an accepted connection."""
        contact = Contact(address=address, port=port, opened=time.monotonic(), transport=transport)
        self._contacts.append(contact)
        others = [other for other in self._open.get(address, []) if other.still_open()]
        self._open[address] = [*others, contact]
        self._most_at_once[address] = max(self._most_at_once.get(address, 0), len(others) + 1)
        return contact

    def closed(self, contact: Contact) -> None:
        """Note that a connection has ended."""
        contact.closed = time.monotonic()
        contact.transport = None

    def open_transports(self) -> list[asyncio.Transport]:
        """Return the connections that have not ended, for the hospital to end."""
        return [contact.transport for contact in self._contacts if contact.transport]

    def clear(self) -> None:
        """Forget everything seen so far (between two audits of one running hospital)."""
        self._contacts.clear()
        self._open.clear()
        self._most_at_once.clear()

    def statistics(self) -> dict[str, Any]:
        """Return `{address: {connections, most_at_once, bytes_received, bytes_sent, smallest_gap, ports}}`.

        `smallest_gap`: seconds from the end of a connection to the begin of the next, None with fewer than two.
        `ports`: `{port: {connections, bytes_received, bytes_sent}}`. Addresses never contacted do not appear.
        """
        result: dict[str, Any] = {}
        ends: dict[str, float | None] = {}
        for contact in list(self._contacts):
            entry = result.setdefault(
                contact.address,
                {
                    "connections": 0,
                    "most_at_once": self._most_at_once.get(contact.address, 0),
                    "bytes_received": 0,
                    "bytes_sent": 0,
                    "smallest_gap": None,
                    "ports": {},
                },
            )
            port = entry["ports"].setdefault(
                str(contact.port), {"connections": 0, "bytes_received": 0, "bytes_sent": 0}
            )
            for counter in (entry, port):
                counter["connections"] += 1
                counter["bytes_received"] += contact.bytes_received
                counter["bytes_sent"] += contact.bytes_sent
            end = ends.get(contact.address)
            if end is not None:
                gap = round(contact.opened - end, 4)
                entry["smallest_gap"] = gap if entry["smallest_gap"] is None else min(entry["smallest_gap"], gap)
            ends[contact.address] = contact.closed
        return result
