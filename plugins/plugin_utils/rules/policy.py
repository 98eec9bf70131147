# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy: the built-in values (data/policy.yml), and a hospital's own over them.

A key or a value that nobody understands stops the run: a policy that is half applied is worse than none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.data import load_data
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.fingerprints import plain_fingerprint
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.values.language import french, require_language

# Fraction("1e-999999999") would be computed for hours.
_FRACTION = re.compile(r"\d{1,9}(/\d{1,9}|\.\d{1,9})?", re.ASCII)
_MOST_SHOWN = 100
_CRITICALITIES = {"critical", "high", "medium", "low"}


class PolicyError(ValueError):
    """A policy that cannot be applied; the message names the key, what it accepts and the way out."""


def _close(word: str, words: list[str]) -> str:
    matches = difflib.get_close_matches(word, words, n=2, cutoff=0.7)
    return f" Did you mean {' or '.join(matches)}?" if matches else ""


def _bounds(spec: Mapping[str, Any]) -> str:
    parts = []
    if "minimum" in spec:
        parts.append(f"at least {spec['minimum']}")
    if "maximum" in spec:
        parts.append(f"at most {spec['maximum']}")
    return ", " + " and ".join(parts) if parts else ""


def _accepts(spec: Mapping[str, Any]) -> str:
    """What a key accepts, in words."""
    kind = spec["type"]
    unit = f" ({spec['unit']})" if "unit" in spec else ""
    if kind == "choice":
        return "one of " + ", ".join(spec["choices"])
    if kind == "list":
        return "a list of values among " + ", ".join(spec["choices"])
    if kind == "fraction":
        return "a number above 0 and below 1, or a fraction such as 1/3" + _bounds(spec)
    if kind == "fingerprints":
        return "a list of SHA-256 fingerprints (64 hexadecimal digits, with or without colons)"
    if kind == "services":
        return "a mapping from service names to lists of TCP ports (null takes a service off the table)"
    if kind == "unseen":
        return (
            "a mapping with all: a share from 0 to 1, vantages: true or false, wards: {name: share} and "
            "criticalities: {critical, high, medium or low: share}"
        )
    return ("an integer" if kind == "integer" else "a number") + unit + _bounds(spec)


def _is_number(value: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _fraction(value: Any, minimum: float) -> float | None:
    if isinstance(value, str):
        try:
            value = float(Fraction(value)) if _FRACTION.fullmatch(value.strip()) else None
        except ZeroDivisionError:
            return None
    return float(value) if _is_number(value, (int, float)) and minimum <= value < 1 else None


def _services(value: Any, built_in: Mapping[str, list[int]]) -> dict[str, list[int]] | None:
    if not isinstance(value, Mapping):
        return None
    merged = {name: list(ports) for name, ports in built_in.items()}
    for name, ports in value.items():
        if not isinstance(name, str) or not name:
            return None
        if ports is None:
            merged.pop(name, None)
            continue
        if not isinstance(ports, (list, tuple)) or not all(
            _is_number(port, int) and 0 < port < 65536 for port in ports
        ):
            return None
        merged[str(name)] = [int(port) for port in ports]
    return merged


def _unseen(value: Any, built_in: Mapping[str, Any]) -> dict[str, Any] | None:
    """The shares of devices that may go unseen; a key that is not given keeps its built-in value."""
    if not isinstance(value, Mapping) or not set(value) <= set(built_in):
        return None
    merged = {**built_in, **value}
    groups = (merged["wards"], merged["criticalities"])
    if not isinstance(merged["vantages"], bool) or not all(isinstance(group, Mapping) for group in groups):
        return None
    shares = [merged["all"], *(share for group in groups for share in group.values())]
    if not all(_is_number(share, (int, float)) and 0 <= share <= 1 for share in shares):
        return None
    if not all(isinstance(name, str) for name in merged["wards"]) or not set(merged["criticalities"]) <= _CRITICALITIES:
        return None
    return {key: dict(part) if isinstance(part, Mapping) else part for key, part in merged.items()}


def _read(spec: Mapping[str, Any], value: Any) -> Any:
    """`value` as the policy keeps it; None where the key does not accept it."""
    kind = spec["type"]
    if kind == "choice":
        return str(value) if isinstance(value, str) and value in spec["choices"] else None
    if kind == "list":
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            return None
        return [str(item) for item in value] if all(item in spec["choices"] for item in value) else None
    if kind == "fraction":
        return _fraction(value, spec["minimum"])
    if kind == "fingerprints":
        found = [plain_fingerprint(item) for item in value] if isinstance(value, (list, tuple)) else [None]
        return None if None in found else found
    if kind == "services":
        return _services(value, spec["value"])
    if kind == "unseen":
        return _unseen(value, spec["value"])
    if not _is_number(value, int if kind == "integer" else (int, float)):
        return None
    # Written so that NaN fails too.
    return value if spec.get("minimum", value) <= value <= spec.get("maximum", float("1e15")) else None


def load_policy(overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The built-in policy with `overrides` merged over it; services merge one by one, lists are replaced.

    Raises PolicyError for an unknown key, a value that the key does not accept, or windows that contradict
    each other.
    """
    specs: Mapping[str, Mapping[str, Any]] = load_data("rules/policy")
    if overrides is None:
        overrides = {}
    if not isinstance(overrides, Mapping):
        raise PolicyError(f"policy: a mapping is needed, not {type(overrides).__name__}")
    for key in overrides:
        if key not in specs:
            hint = _close(str(key), list(specs)) or f" Known keys: {', '.join(specs)}."
            raise PolicyError(f"policy.{key}: unknown key.{hint}")
    policy: dict[str, Any] = {}
    for key, spec in specs.items():
        given = overrides.get(key, spec["value"])
        value = _read(spec, given)
        if value is None:
            hint = _close(given, spec["choices"]) if isinstance(given, str) and "choices" in spec else ""
            raise PolicyError(f"policy.{key}: {_shown(given)} is not accepted; give {_accepts(spec)}.{hint}")
        policy[key] = value
    for urgent, plan in (("urgent_days", "plan_days"), ("urgent_fraction", "plan_fraction")):
        if policy[urgent] > policy[plan]:
            raise PolicyError(
                f"policy.{urgent}: {policy[urgent]} is more than {plan} ({policy[plan]}); lower it, or raise {plan}"
            )
    return policy


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of more than 4300 digits
        return "this number"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def weakened(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rules that this policy switches off, or softens beyond their floor.

    Each is {"key", "value", "limit"} for a number, {"key", "value", "entries"} for a list: those that are left out of
    the built-in one, or added to it; of `fail_when_unseen`, those that are softer.
    """
    found = []
    for key, spec in load_data("rules/policy").items():
        softened = _softened(spec.get("weak") or {}, policy[key], spec["value"])
        if softened:
            found.append({"key": key, "value": policy[key], **softened})
    return found


def _softened(weak: Mapping[str, Any], value: Any, built_in: Any) -> dict[str, Any]:
    """What a value gives up, by what policy.yml calls weak; nothing where it gives up nothing."""
    if "below" in weak:
        return {"limit": weak["below"]} if value < weak["below"] else {}
    if "above" in weak:
        return {"limit": weak["above"]} if value > weak["above"] else {}
    entries: list[str] = []
    if value in weak.get("values", ()):
        entries = [value]
    elif weak.get("more"):
        entries = [name for name in value if name not in built_in]
    elif weak.get("fewer"):
        kept = _entries(value)
        entries = [name for name in _entries(built_in) if name not in kept]
    elif weak.get("softer"):
        entries = ["all"] * (value["all"] > built_in["all"]) + ["vantages"] * (not value["vantages"])
    return {"entries": entries} if entries else {}


def _entries(value: Any) -> list[str]:
    """The entries of a list; of the table of services, each service with each of its ports: "http 8080"."""
    if isinstance(value, Mapping):
        return [f"{name} {port}" for name, ports in value.items() for port in ports]
    return list(value)


def describe_policy(language: str) -> list[dict[str, Any]]:
    """Every key as {key, value, accepts, description}, in the order of the data file, for pages and for people."""
    require_language(language)
    rows = []
    for key, spec in load_data("rules/policy").items():
        text = spec["describe"][language]
        rows.append(
            {
                "key": key,
                "value": spec["value"],
                "accepts": _accepts(spec),
                "description": french(text) if language == "fr" else text,
            }
        )
    return rows
