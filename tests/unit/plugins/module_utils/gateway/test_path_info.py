# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and routes are looked up without sending anything to the host that is named."""

from __future__ import annotations

import socket

import pytest

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway import path_info
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.path_info import look


def test_an_address_has_a_route_a_source_and_an_mtu_and_gets_no_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.2)
        monkeypatch.setattr(path_info, "_PORT", listener.getsockname()[1])
        found = look("127.0.0.1")
        with pytest.raises(TimeoutError):
            listener.recv(1)
    assert (found["addresses"], found["route"], found["source"]) == (["127.0.0.1"], True, "127.0.0.1")
    assert found["mtu"] >= 1280
    assert found["error"] is None


def test_only_a_socket_that_is_never_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mute(socket.socket):
        def send(self, *_arguments: object) -> int:
            raise AssertionError("a packet was sent")

        sendto = sendall = sendmsg = send  # type: ignore[assignment]

    monkeypatch.setattr(socket, "socket", Mute)
    assert look("127.0.0.1")["route"] is True


@pytest.mark.parametrize("host", ["name.invalid", "", "x" * 300, "a..b"])
def test_a_name_without_an_address_says_why(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    if host == "name.invalid":
        monkeypatch.setattr(socket, "getaddrinfo", nothing)
    found = look(host)
    if found["addresses"]:  # an empty name is this machine, for some resolvers
        return
    assert found["route"] is None
    assert found["error"]


def test_no_route_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut(socket.socket):
        def connect(self, _target: object) -> None:
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", Cut)
    found = look("192.0.2.1")
    assert (found["route"], found["error"]) == (False, "Network is unreachable")
