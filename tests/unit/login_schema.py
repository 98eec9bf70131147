# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of what a login saw, with the certificates of the network's schema put into it."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_SCHEMAS = Path(__file__).resolve().parents[2] / "plugins" / "plugin_utils" / "observation"


@functools.cache
def _judge(certificates: bool) -> Draft202012Validator:
    text, other = (
        (_SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8") for name in ("login_observation", "observation")
    )
    loaded = json.loads(text.replace('"observation.schema.json#/', '"#/'))
    for kind in ("certificate", "path"):
        loaded["$defs"][kind] = certificates and json.loads(other)["$defs"][kind]
    Draft202012Validator.check_schema(loaded)
    return Draft202012Validator(loaded)


def faults(observation: Any, *, certificates: bool = True) -> list[str]:
    """What is against the schema; `certificates` false: none may be in it, as no appliance shows one."""
    return [error.message for error in _judge(certificates).iter_errors(observation)]
