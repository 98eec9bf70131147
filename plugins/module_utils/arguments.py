# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module and its control-node half tell each other: one argument spec for both, and texts that pass unmasked."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

#: Inventory names, which the control-node half makes descriptions of.
_NAMES: dict[str, Any] = {"devices": {"type": "list", "elements": "str", "required": True}}
#: How a session with an appliance is opened and verified.
_SESSION: dict[str, Any] = {
    "profile_folders": {"type": "list", "elements": "path", "default": []},
    "trust_anchors": {"type": "list", "elements": "str", "default": []},
    "known_hosts": {"type": "path"},
    "timeout": {"type": "float", "default": 10.0},
}

# What the control-node half alone gives to its module.
DESCRIPTIONS: dict[str, Any] = {"devices": {"type": "list", "elements": "raw", "required": True}}
LOGINS: dict[str, Any] = {"logins": {"type": "str", "no_log": True}}

DEVICE_PROBE: dict[str, Any] = {
    **DESCRIPTIONS,
    "trust_anchors": {"type": "list", "elements": "str", "default": []},
    "crls": {"type": "list", "elements": "str", "default": []},
    "ocsp": {"type": "str"},
    "depth": {"type": "str", "choices": ["quick", "normal", "thorough", "handshake"], "default": "normal"},
    "timeout": {"type": "float", "default": 5.0},
    "device_timeout": {"type": "float", "default": 60.0},
    "concurrency": {"type": "int", "default": 200},
    "rate": {"type": "float", "default": 0.0},
    "pause": {"type": "float", "default": 0.05},
    "connection_budget": {"type": "int", "default": 12},
    "max_bytes": {"type": "int", "default": 262144},
    "dest": {"type": "path"},
}

ACCESS_CHECK: dict[str, Any] = {
    **_NAMES,
    **_SESSION,
    "authorised_by": {"type": "str", "required": True},
    "state_dir": {"type": "path", "required": True},
    "state_dir_vouched_by": {"type": "str", "default": ""},
    "tries_per_day": {"type": "int", "default": 2},
    "device_timeout": {"type": "float", "default": 120.0},
    "pause": {"type": "float", "default": 2.0},
    "concurrency": {"type": "int", "default": 16},
    "dest": {"type": "path"},
}

APPLIANCE_INFO: dict[str, Any] = {
    **_NAMES,
    **_SESSION,
    "device_timeout": {"type": "float", "default": 60.0},
    "concurrency": {"type": "int", "default": 32},
    "recorded": {"type": "dict"},
    "dest": {"type": "path"},
}

APPLIANCE_TRUST_ANCHOR: dict[str, Any] = {
    **_SESSION,
    "state": {"type": "str", "choices": ["present", "absent", "restored", "settled"], "default": "present"},
    "certificate": {"type": "str"},
    "fingerprint_sha256": {"type": "str"},
    "name": {"type": "str"},
    "policy": {"type": "dict", "default": {}},
    "kept_in": {"type": "path"},
    "test": {"type": "bool", "default": True},
    "device_timeout": {"type": "float", "default": 60.0},
}

CONFIG_ARCHIVE: dict[str, Any] = {
    "state": {"type": "str", "choices": ["taken", "restored", "undone", "settled"], "default": "taken"},
    "paths": {"type": "list", "elements": "str", "default": []},
    "settings": {"type": "list", "elements": "str", "default": []},
    "recipients": {"type": "list", "elements": "str", "default": []},
    "private_keys": {"type": "bool", "default": False},
    "kept_in": {"type": "path"},
    "change_id": {"type": "str", "default": ""},
    "dest": {"type": "str"},
    "name": {"type": "str", "default": "backup"},
    "gnupg_home": {"type": "str"},
    "src": {"type": "str"},
    "identity": {"type": "str", "no_log": False},
}


def packed(value: Any) -> str:
    """One text, because Ansible masks every secret that it knows in all that a module returns: a password such as "1"
    would spoil the answers."""
    return base64.b64encode(zlib.compress(json.dumps(value).encode("utf-8"))).decode("ascii")


def unpacked(text: str) -> Any:
    """What was packed."""
    return json.loads(zlib.decompress(base64.b64decode(text)))
