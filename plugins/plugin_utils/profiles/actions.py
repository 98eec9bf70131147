# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a device profile that changes a device: how a root is read, added, removed and tried. Data, checked.

What is filled in ({name}, {pem}, {fingerprint}) is checked before it is: it ends no line, no path and no quotation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.biomed.cert_hygiene.plugins.plugin_utils.profiles.rules import (
    ProfileError,
    check_mapping,
    check_path,
    check_regex,
    one_of,
)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_TRUSTED_KEYS = {"expect", "regex", "jmespath", "lines"}
_DIALOGUE_KEYS = {"command", "dialogue", "success", "error"}
_REQUEST_KEYS = {"method", "path", "headers", "body", "json", "multipart", "status", "success", "error"}
_MULTIPART_KEYS = {"field", "filename", "type", "fields"}
#: What a request makes itself.
_OWN_HEADERS = ("authorization", "connection", "content-length", "host", "transfer-encoding")

_PEM = "{pem}"
_NAMES = frozenset(("{name}", "{fingerprint}"))
_MAX_TEXT = 500
_MAX_STEPS = 20
_VALUES = {
    # Also names that the device itself shows: no hyphen or full stop in front, nothing that means something to a shell.
    "{name}": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"),
    "{fingerprint}": re.compile(r"[0-9a-f]{64}"),
    _PEM: re.compile(r"-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/]{1,64}={0,2}\n)+-----END CERTIFICATE-----\n"),
}


@dataclass(frozen=True)
class Act:
    """One thing that is sent: the steps of a dialogue, or a request; and how its answer is judged."""

    #: [{"send": [lines], "until": regex or None}], or the keys of a request.
    template: Any
    success: re.Pattern[str] | None
    error: re.Pattern[str] | None

    def needs(self, word: str) -> bool:
        """Whether {name}, {fingerprint} or {pem} stands in it."""
        return any(word in text for text in _sent(self.template))

    def filled(self, **values: str) -> Any:
        """What the vantage sends. ValueError for a value that is not plain."""
        known = {f"{{{key}}}": value for key, value in values.items()}
        for word, value in known.items():
            if self.needs(word) and not _VALUES[word].fullmatch(value):
                raise ValueError(f"{word} would be {value[:80]!r}, which is not plain enough to be sent")
        if isinstance(self.template, list):
            return [{"send": _lines(step["send"], known), "until": step["until"]} for step in self.template]
        return _request(self.template, known)


@dataclass(frozen=True)
class UploadRootCa:
    """How the roots of a device are read, and one is added and removed. `trusted`: the WayToRead of the list."""

    question: str
    expected: re.Pattern[str] | None
    trusted: Any
    add: Act
    remove: Act
    test: Act | None


def read_upload(data: Any, shell: bool, reading: Callable[..., Any]) -> UploadRootCa:
    """Check actions.upload_root_ca. `reading`: makes a WayToRead of (where, fact, entry, questions, expected)."""
    where = "actions.upload_root_ca"
    check_mapping(where, data, {"trusted", "add", "remove", "test"}, {"trusted", "add", "remove"})
    asked = "command" if shell else "path"
    listed, there = data["trusted"], f"{where}.trusted"
    check_mapping(there, listed, _TRUSTED_KEYS | {asked}, {asked})
    if "regex" in listed and "expect" not in listed:
        raise ProfileError(f"{there}.expect: missing; without it, an error message would read as a list without a root")
    question = listed[asked]
    if shell:
        _template(f"{there}.{asked}", question, frozenset())
    else:
        check_path(f"{there}.{asked}", _template(f"{there}.{asked}", question, frozenset()))
    expected = check_regex(f"{there}.expect", listed["expect"]) if "expect" in listed else None
    entry = {key: listed[key] for key in ("regex", "jmespath", "lines") if key in listed}
    act = _dialogue if shell else _http_act
    add = act(f"{where}.add", data["add"], _NAMES | {_PEM})
    if sum(text.count(_PEM) for text in _sent(add.template)) != 1:
        raise ProfileError(f"{where}.add: {_PEM} must be sent, and once")
    remove = act(f"{where}.remove", data["remove"], _NAMES)
    if not any(map(remove.needs, _NAMES)):
        raise ProfileError(f"{where}.remove: {{name}} or {{fingerprint}} is needed, or it would remove anything")
    return UploadRootCa(
        question=question,
        expected=expected,
        trusted=reading(
            there,
            "trust_stores.fingerprints_sha256",
            {"output": "trusted", "each": True, "absent": [], **entry},
            {"trusted": question},
            {} if expected is None else {"trusted": expected},
        ),
        add=add,
        remove=remove,
        test=act(f"{where}.test", data["test"], frozenset()) if "test" in data else None,
    )


def _template(where: str, text: Any, allowed: frozenset[str]) -> str:
    """One line in which only `allowed` is filled in."""
    if not isinstance(text, str) or not text.strip() or not text.isprintable() or len(text) > _MAX_TEXT:
        raise ProfileError(f"{where}: one line of at most {_MAX_TEXT} characters is needed")
    rest = text
    for word in allowed:
        rest = rest.replace(word, "")
    if "{" in rest or "}" in rest:
        known = ", ".join(sorted(allowed)) or "nothing"
        raise ProfileError(f"{where}: a brace that is none of what is filled in here ({known})")
    return text


def _judged(where: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: check_regex(f"{where}.{key}", data[key]) if key in data else None for key in ("success", "error")}


# -- a command line


def _dialogue(where: str, data: Any, allowed: frozenset[str]) -> Act:
    check_mapping(where, data, _DIALOGUE_KEYS, {"success"})
    if ("command" in data) == ("dialogue" in data):
        raise ProfileError(f"{where}: one of command and dialogue is needed")
    if "command" in data:
        steps = [{"send": [_template(f"{where}.command", data["command"], allowed - {_PEM})], "until": None}]
        return Act(template=steps, **_judged(where, data))
    if not isinstance(data["dialogue"], list) or not 1 <= len(data["dialogue"]) <= _MAX_STEPS:
        raise ProfileError(f"{where}.dialogue: a list of 1 to {_MAX_STEPS} steps is needed")
    steps = [
        _step(f"{where}.dialogue[{position}]", step, allowed, position == len(data["dialogue"]) - 1)
        for position, step in enumerate(data["dialogue"])
    ]
    return Act(template=steps, **_judged(where, data))


def _step(where: str, step: Any, allowed: frozenset[str], last: bool) -> dict[str, Any]:
    check_mapping(where, step, {"send", "until"}, {"send"})
    lines = step["send"] if isinstance(step["send"], list) else [step["send"]]
    if not 1 <= len(lines) <= _MAX_STEPS:
        raise ProfileError(f"{where}.send: one line, or a list of 1 to {_MAX_STEPS}")
    for line in lines:
        # The text of a certificate has lines of its own: it never stands within another.
        if line != _PEM or _PEM not in allowed:
            _template(f"{where}.send", line, allowed - {_PEM})
    if last and "until" in step:
        raise ProfileError(f"{where}.until: the last step ends with the prompt")
    if "until" in step:
        check_regex(f"{where}.until", step["until"])
    return {"send": list(lines), "until": step.get("until")}


def _lines(lines: list[str], known: Mapping[str, str]) -> list[str]:
    filled: list[str] = []
    for line in lines:
        filled += known[_PEM].splitlines() if line == _PEM else [_filled(line, known)]
    return filled


def _filled(text: str, known: Mapping[str, str]) -> str:
    for word, value in known.items():
        text = text.replace(word, value)
    return text


# -- a request


def _http_act(where: str, data: Any, allowed: frozenset[str]) -> Act:
    check_mapping(where, data, _REQUEST_KEYS, {"method", "path", "status"})
    one_of(f"{where}.method", data["method"], METHODS)
    check_path(f"{where}.path", _template(f"{where}.path", data["path"], allowed - {_PEM}))
    statuses = data["status"] if isinstance(data["status"], list) else [data["status"]]
    if not statuses or not all(_is_status(status) for status in statuses):
        raise ProfileError(f"{where}.status: the status of success is needed, or a list, from 200 to 399")
    if sum(key in data for key in ("body", "json", "multipart")) > 1:
        raise ProfileError(f"{where}: only one of body, json and multipart")
    for name, value in _mapping(f"{where}.headers", data.get("headers") or {}).items():
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", str(name)) or str(name).lower() in _OWN_HEADERS:
            raise ProfileError(f"{where}.headers: {name!r} cannot be set")
        _ascii(f"{where}.headers.{name}", _template(f"{where}.headers.{name}", value, allowed - {_PEM}))
    if "body" in data and data["body"] != _PEM:
        _template(f"{where}.body", data["body"], allowed - {_PEM})
    if "json" in data:
        for text in _texts(_mapping(f"{where}.json", data["json"])):
            _template(f"{where}.json", text, allowed)
    if "multipart" in data:
        _check_multipart(f"{where}.multipart", data["multipart"], allowed)
    keys = ("method", "path", "headers", "body", "json", "multipart")
    template = {**{key: data[key] for key in keys if data.get(key)}, "status": statuses}
    if _PEM not in allowed and _PEM in "".join(_sent(template)):
        raise ProfileError(f"{where}: {_PEM} is not sent here")
    return Act(template=template, **_judged(where, data))


def _is_status(status: Any) -> bool:
    return isinstance(status, int) and not isinstance(status, bool) and 200 <= status <= 399


def _check_multipart(where: str, data: Any, allowed: frozenset[str]) -> None:
    check_mapping(where, data, _MULTIPART_KEYS, {"field", "filename"})
    fields = _mapping(f"{where}.fields", data.get("fields") or {})
    filename = _template(f"{where}.filename", data["filename"], allowed - {_PEM})
    for word in _NAMES:
        filename = filename.replace(word, "x")
    for text in (data["field"], filename, data.get("type", "x/y"), *fields):
        if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_./+-]{1,100}", text):
            raise ProfileError(f"{where}: {text!r} is not plain: letters, digits, . _ + - / alone")
    for name, value in fields.items():
        _template(f"{where}.fields.{name}", value, allowed - {_PEM})


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ProfileError(f"{where}: a mapping is needed")
    return value


def _ascii(where: str, text: str) -> None:
    if not text.isascii():
        raise ProfileError(f"{where}: plain ASCII is needed")


def _request(template: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    headers = {name: _filled(value, known) for name, value in template.get("headers", {}).items()}
    kind, body = "", ""
    if "body" in template:
        kind, body = "text/plain", _filled(template["body"], known)
        if template["body"] == _PEM:
            kind = "application/x-pem-file"
    elif "json" in template:
        kind, body = "application/json", json.dumps(_replaced(template["json"], known))
    elif "multipart" in template:
        kind, body = _multipart(template["multipart"], known)
    if kind and "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = kind
    return {
        "method": template["method"],
        "path": _filled(template["path"], known),
        "headers": headers,
        "body": body if kind else None,
        "status": list(template["status"]),
    }


def _replaced(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _filled(value, known)
    if isinstance(value, Mapping):
        return {key: _replaced(entry, known) for key, entry in value.items()}
    return [_replaced(entry, known) for entry in value] if isinstance(value, list) else value


def _multipart(template: Mapping[str, Any], known: Mapping[str, str]) -> tuple[str, str]:
    """RFC 7578. No value can hold the boundary: it has a fingerprint in it, before which two hyphens stand."""
    boundary = f"--cert-hygiene-{known['{fingerprint}']}"
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{_filled(value, known)}\r\n'
        for name, value in (template.get("fields") or {}).items()
    ]
    parts.append(
        f'Content-Disposition: form-data; name="{template["field"]}"; '
        f'filename="{_filled(template["filename"], known)}"\r\n'
        f"Content-Type: {template.get('type', 'application/x-pem-file')}\r\n\r\n{known[_PEM]}\r\n"
    )
    body = "".join(f"--{boundary}\r\n{part}" for part in parts) + f"--{boundary}--\r\n"
    return f"multipart/form-data; boundary={boundary}", body


def _sent(template: Any) -> list[str]:
    """Every text of an Act in which something may be filled in; a file sent as multipart is {pem}."""
    if isinstance(template, list):
        return [line for step in template for line in step["send"]]
    return [*_texts(template), *([_PEM] if "multipart" in template else [])]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    entries = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for entry in entries for text in _texts(entry)]
