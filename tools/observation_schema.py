# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema of a visit's observation, from the dataclasses that it is read into (plugin_utils/facts)."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.network import Certificate
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.observed import Observation
from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.facts.shape import INSTANT, Kind

Schema = dict[str, Any]

_HEAD: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$comment": "Written by make docs from plugins/plugin_utils/facts",
    "title": "Observation of a device, network source",
    "description": "What one network visit saw of one device (or of one server that devices depend on), never a "
    "verdict. One object a line in an observations file.",
}
_REASONS = [
    *(None, "consent_missing", "consent_future", "consent_lapsed", "consent_invalid", "inventory_invalid"),
    *("visit_time_over", "name_not_resolved", "no_answer", "stopped_answering", "vantage_lost"),
]
#: What one part says of another.
_RULES = [
    {
        "if": {"properties": {"outcome": {"const": "observed"}}},
        "then": {"properties": {"reason": {"type": "null"}}},
        "else": {"properties": {"reason": {"type": "string"}}},
    },
    {
        "if": {"properties": {"outcome": {"const": "skipped"}}},
        "then": {"properties": {"connections": {"const": 0}, "bytes_sent": {"const": 0}, "endpoints": {"maxItems": 0}}},
    },
]
_OF_LOGINS = (
    *("subsets", "time_zone", "ntp", "accounts", "listening", "tls_failures", "trust_stores", "certificate_files"),
    *("config_backup", "system", "default_passwords", "admin_interface"),
)
#: The parts that stand under a name of their own.
_NAMED = ("certificate", "client", "endpoint", "sample", "version")
#: What a link of a path tells; what could not be read of it is null.
_LINK = ("subject", "fingerprint_sha256", "not_before", "not_after", "key", "signature_algorithm")


def network_schema() -> Schema:
    """The schema of what device_probe writes."""
    defs: dict[str, Schema] = {"instant": dict(INSTANT.schema)}
    found = _part(Observation, defs)
    for name in _OF_LOGINS:
        del found["properties"][name]
    found["properties"] = {"schema_version": {"const": 1}, **found["properties"]}
    found["properties"]["source"] = {"const": "network"}
    found["properties"]["reason"] = {"enum": _REASONS}
    return {**_HEAD, **found, "required": ["schema_version", *found["required"]], "allOf": _RULES, "$defs": defs}


def schema_text(schema: Schema) -> str:
    """As it is written: short lists and objects on one line."""
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    short = re.compile(r"([\[{])\n\s+([^\[\]{}]*?)\n\s*([\]}])")

    def on_one_line(found: re.Match[str]) -> str:
        inside = re.sub(r"\n\s+", " ", found[2])
        return f"{found[1]}{inside}{found[3]}" if len(inside) < 90 else found[0]

    return short.sub(on_one_line, text) + "\n"


def _part(cls: Any, defs: dict[str, Schema]) -> Schema:
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for field in dataclasses.fields(cls):
        told = field.metadata
        if "kind" not in told or told["schema"].get("of_a_path"):
            continue
        name = told["key"] or field.name
        properties[name] = _field(told["kind"], told["schema"], defs)
        if told["needed"]:
            required.append(name)
    for name, schema in getattr(cls, "not_read", {}).items():
        properties[name] = {key: value for key, value in schema.items() if key != "needed"}
        if schema.get("needed"):
            required.append(name)
    found: Schema = {"type": "object"}
    if required:
        found["required"] = required
    return {**found, **getattr(cls, "rules", {}), "properties": properties}


def _field(kind: Kind, more: Mapping[str, Any], defs: dict[str, Schema]) -> Schema:
    schema = _kind(kind, defs)
    more = {key: value for key, value in more.items() if key != "of_a_path"}
    nullable = more.pop("nullable", False)
    schema.update(more)
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], *([None] if nullable else [])]
        del schema["type"]
    elif "const" in schema:
        del schema["type"]
    elif nullable and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    elif nullable:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return schema


def _kind(kind: Kind, defs: dict[str, Schema]) -> Schema:
    if kind is INSTANT:
        return {"$ref": "#/$defs/instant"}
    if "part" in kind.schema:
        return _reference(kind.schema["part"], defs)
    if "path" in kind.schema:
        if "path" not in defs:
            defs["path"] = {}
            defs["path"] = _path(defs)
        return {"$ref": "#/$defs/path"}
    return {key: _kind(value, defs) if isinstance(value, Kind) else value for key, value in kind.schema.items()}


def _reference(cls: Any, defs: dict[str, Schema]) -> Schema:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
    if name not in _NAMED:
        return _part(cls, defs)
    if name not in defs:
        defs[name] = {}
        defs[name] = {"description": (cls.__doc__ or "").partition("\n")[0], **_part(cls, defs)}
    return {"$ref": f"#/$defs/{name}"}


def _path(defs: dict[str, Schema]) -> Schema:
    fields = {field.name: field.metadata for field in dataclasses.fields(Certificate)}
    role = fields["role"]
    properties: dict[str, Schema] = {
        "role": {
            **_field(role["kind"], role["schema"], defs),
            "description": "root: it signed itself and is no anchor",
        },
        "sent": {"type": "boolean", "description": "false: the server left it out"},
    }
    for name in _LINK:
        properties[name] = _field(fields[name]["kind"], {**fields[name]["schema"], "nullable": True}, defs)
    properties.update(fingerprint_sha256={"type": "string"}, key={"type": "object"})
    return {
        "description": "The certificates that were judged, the device's own first and the anchor last; without a way "
        "to an anchor as far as the issuers are known",
        "type": "array",
        "items": {"type": "object", "required": list(properties), "properties": properties},
    }
