"""The demo hospital's devices that can be logged in to: a command line over SSH, a JSON status page over HTTPS."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from lab.appliances import Appliance, CommandLine, JsonPage, json_status, recorder_answers

PROFILES = Path(__file__).with_name("profiles")
NTP_SERVERS = ["192.0.2.1", "192.0.2.2"]
# Only these toys answer to it.
USER, PASSWORD = "audit", "only-in-the-demo"


def port_of(device: Mapping[str, Any]) -> int | None:
    """The port that a device is logged in to at, if it can be."""
    login = device.get("command_line") or device.get("status_page")
    return int(login["port"]) if login else None


def open_login(
    device: Mapping[str, Any], clock_offset: float, root_sha256: str, context: ssl.SSLContext
) -> tuple[Appliance, dict[str, Any]]:
    """Serve one device's login; the server, and the inventory variables that lead to it."""
    if "command_line" in device:
        line = CommandLine(
            device["address"],
            _recorder(clock_offset, root_sha256),
            port=device["command_line"]["port"],
            user=USER,
            password=PASSWORD,
        )
        return line, {
            "device_profile": "demo_recorder",
            "device_login": {"user": USER, "password": PASSWORD},
            "device_ssh_host_key": line.host_key,
        }
    page = JsonPage(
        device["address"],
        context=context,
        port=device["status_page"]["port"],
        page=lambda: _status(device, clock_offset),
    )
    return page, {"device_profile": "generic_json"}


def expectations(device: Mapping[str, Any], root_sha256: str) -> dict[str, Any]:
    """The inventory variables that say what a login should find."""
    return {
        "device_login_port": port_of(device),
        "device_time_zone": "Europe/Paris",
        "device_ntp_servers": NTP_SERVERS,
        "device_accounts": [{"name": name} for name in device["accounts"]],
        "device_ports_allowed": [port_of(device)],
        "device_trust_anchors_sha256": [root_sha256],
    }


def _recorder(clock_offset: float, root_sha256: str) -> dict[str, str | Callable[[], str]]:
    week_ago = datetime.now(timezone.utc) - timedelta(days=7)
    return recorder_answers(
        clock_offset,
        **{
            "show ntp": "Clock is synchronized, stratum 3\n" + "".join(f"server {name}\n" for name in NTP_SERVERS),
            "show users": "Name        Role\naudit       operator\nadmin       admin\n",
            "show backup": f"Last backup: {week_ago:%Y-%m-%dT%H:%M:%SZ}\n",
            "show authorities": f"1  Hospital root  SHA-256 {root_sha256}\n",
            "show ports": "tcp 20022\ntcp 20443\n",
        },
    )


def _status(device: Mapping[str, Any], clock_offset: float) -> dict[str, Any]:
    synchronised = device["status_page"].get("synchronised", True)
    return {
        **json_status(clock_offset),
        "ntp": {"client": "chrony", "running": True, "synchronised": synchronised, "servers": NTP_SERVERS},
        "accounts": [{"name": name} for name in device["accounts"]],
        "ports": [20443, device["status_page"]["port"]],
    }
