# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a login on a Linux gateway tells, subset by subset; a subset that fails loses only itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.accounts import accounts
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.files import (
    certificate_files,
    config_backup,
    system,
)
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.host import Host, NotPermitted, NotSupported
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.listening import listening
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.logs import tls_failures
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.time import ntp, time_zone
from ansible_collections.biomed.cert_hygiene.plugins.module_utils.gateway.trust import trust_stores

Gather = Callable[[Host, "dict[str, Any]"], "dict[str, Any]"]


def _clock(_host: Host, _options: dict[str, Any]) -> dict[str, Any]:
    """The gateway's own time; the control node, which knows when it asked, makes an offset of it."""
    return {"clock_read_at": time.time()}


#: In the order of the documentation. `clock` is read first: nothing else should stand between question and answer.
SUBSETS: dict[str, Gather] = {
    "clock": _clock,
    "time_zone": time_zone,
    "ntp": ntp,
    "accounts": accounts,
    "listening": listening,
    "tls_failures": tls_failures,
    "trust_stores": trust_stores,
    "certificate_files": certificate_files,
    "config_backup": config_backup,
    "system": system,
}


def gather(host: Host, wanted: Iterable[str], options: dict[str, Any]) -> dict[str, Any]:
    """The facts of the wanted subsets, and `subsets`: {name: {"status", "detail"}} for all of them.

    Status: ok | not_asked | not_permitted | not_supported | failed.
    """
    facts: dict[str, Any] = {}
    states: dict[str, dict[str, str]] = {}
    chosen = set(wanted)
    for name, function in SUBSETS.items():
        if name not in chosen:
            states[name] = {"status": "not_asked", "detail": ""}
            continue
        try:
            found = function(host, options)
        except NotPermitted as problem:
            states[name] = {"status": "not_permitted", "detail": str(problem)}
        except NotSupported as problem:
            states[name] = {"status": "not_supported", "detail": str(problem)}
        except Exception as problem:
            states[name] = {"status": "failed", "detail": f"{type(problem).__name__}: {problem}"[:300]}
        else:
            states[name] = {"status": "ok", "detail": str(found.pop("detail", ""))}
            facts.update(found)
    return {**facts, "subsets": states}
